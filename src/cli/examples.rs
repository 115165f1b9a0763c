//! Examples below the help of each verb. A test holds that every one of them parses.

use clap::Command;

use super::exit::Exit;

/// Verb, or verb and what stands below it; what it is for; the command.
const EXAMPLES: [(&str, &str, &str); 43] = [
    ("", "Analyse a directory of evidence, then look at one finding", "coincident analyze incident/ -o out/"),
    ("", "", "coincident explain out/ F-0001"),
    ("", "What was read, and what was not", "coincident probe incident/"),
    ("analyze", "The table on the screen, all results as files", "coincident analyze incident/ -o out/"),
    (
        "analyze",
        "In CI: exit code 1 from a finding of level medium on",
        "coincident analyze logs/ --fail-on medium --quiet",
    ),
    (
        "analyze",
        "A firewall log without year, in local time",
        "coincident analyze incident/ --year 'firewall.log=2026' --tz 'firewall.log=Asia/Shanghai'",
    ),
    ("analyze", "Lines for other programs", "coincident analyze incident/ --format jsonl"),
    (
        "analyze",
        "The acts of each episode in their order, as an Attack Flow",
        "coincident analyze incident/ --format attack-flow > flow.json",
    ),
    ("analyze", "What each finding rests on", "coincident analyze incident/ --stability -o out/"),
    ("probe", "Every file, its format and why", "coincident probe incident/"),
    ("probe", "A file whose format was not seen", "coincident probe odd.log --input-format 'odd.log=iptables'"),
    ("timeline", "Everything, merged and sorted", "coincident timeline incident/ > timeline.csv"),
    (
        "timeline",
        "Two minutes around a finding, few columns",
        "coincident timeline incident/ --around F-0002 --window 2m --findings out/ --profile minimal",
    ),
    (
        "timeline",
        "Rows of which something holds",
        "coincident timeline incident/ --where 'dst_port in (3333, 4444) and action == \"deny\"'",
    ),
    (
        "timeline",
        "What left the agents' network for elsewhere",
        "coincident timeline incident/ --where 'src_ip == 10.20.0.0/16 and not (dst_ip == 10.0.0.0/8)' --columns time,src_ip,dst_ip,dst_port,domain",
    ),
    (
        "timeline",
        "The steps of one episode and what was seen while it ran",
        "coincident timeline incident/ --episode ep-002 --format jsonl",
    ),
    ("clocks", "How far each clock is off, and how sure that is", "coincident clocks incident/"),
    ("clocks", "A capture whose clock was 1.5 s ahead", "coincident clocks incident/ --offset 'capture.pcap=+1.5s'"),
    ("explain", "A finding of an earlier analysis", "coincident explain out/ F-0001"),
    ("explain", "The same from the evidence, with its stability", "coincident explain incident/ F-0001"),
    ("explain", "Events that no step explains", "coincident explain out/ U-0001"),
    ("check", "All incidents below a directory, also as JUnit XML", "coincident check incidents/ --junit junit.xml"),
    ("check", "Write what was found into expect.toml, and say what changed", "coincident check incidents/new --bless"),
    ("verify", "Results, evidence and rules are what they were", "coincident verify out/"),
    (
        "verify",
        "Evidence that lies elsewhere now, and a signature",
        "coincident verify out/ /mnt/copy/incident --signed-by ~/.ssh/id_ed25519.pub",
    ),
    ("analyze", "With the manifest signed", "coincident analyze incident/ -o out/ --sign ~/.ssh/id_ed25519"),
    ("rules list", "The rules in force", "coincident rules list --format csv"),
    ("rules list", "Those of a directory of one's own", "coincident rules list --rules own/"),
    ("rules lint", "Rules of one's own, before they are used", "coincident rules lint own/"),
    ("rules lint", "One file", "coincident rules lint own/pool.yml"),
    ("simulate", "Ten worlds with an intruder", "coincident simulate -o worlds --worlds 10 --family intruder --seed 7"),
    ("simulate", "One without a capture", "coincident simulate -o worlds --without capture"),
    ("evaluate", "Worlds that were simulated before", "coincident evaluate worlds"),
    ("evaluate", "New ones, with the report as files", "coincident evaluate --worlds 20 --seed 7 -o evaluation"),
    ("schema", "What each column means", "coincident schema"),
    ("schema", "For programs that read the lines", "coincident schema --format json-schema > lines.schema.json"),
    (
        "completions",
        "For this user's bash",
        "coincident completions bash > ~/.local/share/bash-completion/completions/coincident",
    ),
    ("completions", "For zsh, in a directory of $fpath", "coincident completions zsh > _coincident"),
    ("completions", "For fish", "coincident completions fish > ~/.config/fish/completions/coincident.fish"),
    ("man", "The page of the program", "coincident man > coincident.1"),
    ("man", "One page per verb", "coincident man man1/"),
    ("rules", "The rules in force", "coincident rules list"),
    ("rules", "Rules of one's own, before they are used", "coincident rules lint own/"),
];

/// The command with what stands below its help and below that of every verb.
pub(super) fn below_help(command: Command) -> Command {
    with_examples(command, "")
}

fn with_examples(mut command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for name in names {
        let below = format!("{path} {name}").trim_start().to_owned();
        command = command.mut_subcommand(name, |verb| with_examples(verb, &below));
    }
    let mut text = String::new();
    for (_, what, example) in EXAMPLES.iter().filter(|(verb, ..)| *verb == path) {
        if !what.is_empty() {
            text.push_str(&format!("  # {what}\n"));
        }
        text.push_str(&format!("  {example}\n"));
    }
    if text.is_empty() {
        return command.after_help(Exit::HELP);
    }
    command.after_help(format!("Examples:\n{text}\n{}", Exit::HELP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    /// Words as a shell makes them, up to a redirection.
    fn words(line: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let (mut word, mut quote) = (None::<String>, None);
        for c in line.chars() {
            match (quote, c) {
                (None, '\'' | '"') => (quote, word) = (Some(c), Some(word.unwrap_or_default())),
                (Some(open), c) if c == open => quote = None,
                (None, ' ') => words.extend(word.take()),
                (None, '>') => return words,
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    #[test]
    fn every_example_parses() {
        for (verb, _, example) in EXAMPLES {
            let words = words(example);
            let parsed = command().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            assert!(words.join(" ").starts_with(&format!("coincident {verb}")), "{example} stands below {verb}");
        }
    }

    #[test]
    fn every_verb_has_examples() {
        fn missing(command: &Command, path: &str, all: &mut Vec<String>) {
            for verb in command.get_subcommands() {
                let below = format!("{path} {}", verb.get_name()).trim_start().to_owned();
                if !EXAMPLES.iter().any(|(verb, ..)| *verb == below) {
                    all.push(below.clone());
                }
                missing(verb, &below, all);
            }
        }
        let mut all = Vec::new();
        missing(&command(), "", &mut all);
        assert_eq!(all, Vec::<String>::new());
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }
}
