//! What each step did: its command taken apart, what it names, which rules it meets, what it leaves running, and
//! which script, written by an earlier step, it runs.

mod alike;
mod installed;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::Value;

use super::names::Names;
use super::tokens::Token;
use crate::detect::command::{
    self, CommandLine, Launcher, LiteralKind, SimpleCommand, is_done_on_return, is_network_capable, literals,
    name_resolutions,
};
use crate::detect::rules::{CommandContext, RuleHit, RuleSet};
use crate::detect::told::{self, Told};
use crate::intake::Intake;
use crate::model::{Behaviour, Confidence, Step};
use crate::time::SECOND;
use alike::Alike;
pub(crate) use installed::{Install, share};

/// A rule that a step's command met.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hit {
    pub(crate) rule: String,
    pub(crate) title: String,
    pub(crate) behaviour: Behaviour,
    pub(crate) kind: String,
    pub(crate) confidence: Confidence,
}

impl Hit {
    fn of(hit: RuleHit<'_>) -> Self {
        Hit {
            title: hit.title.to_owned(),
            behaviour: hit.behaviour,
            kind: hit.kind.to_owned(),
            confidence: hit.confidence,
            rule: hit.id,
        }
    }
}

/// A step's command, understood as far as it can be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Act {
    /// See [`Act::tokens`].
    tokens: Arc<BTreeSet<Token>>,
    /// The command could open a connection.
    pub(crate) network: bool,
    /// All that it opens is over when it returns, as far as its programs are known.
    pub(crate) done_on_return: bool,
    /// Launchers that keep something running after the call: "nohup", "setsid", "cron", ...
    pub(crate) launchers: Vec<String>,
    /// A delay that the command itself states, in nanoseconds.
    pub(crate) delay_ns: i64,
    pub(crate) hits: Vec<Hit>,
    /// The present time as its output told it.
    pub(crate) told: Vec<Told>,
    /// The step that wrote the script which this one runs.
    pub(crate) script_from: Option<usize>,
    /// What it installs to be run again, where that names a peer.
    pub(crate) install: Option<Install>,
    /// What would start again what it wrote or handed over.
    keeper: Option<&'static str>,
    /// Container images that it makes.
    images: BTreeSet<String>,
    /// Files that the step wrote, by path, with their text.
    written: Vec<(String, String)>,
    /// Base names of everything that is run or given to an interpreter.
    ran: Arc<BTreeSet<String>>,
}

impl Act {
    /// What the agent wrote in the command, or in a script that the command runs.
    pub(crate) fn tokens(&self) -> &BTreeSet<Token> {
        &self.tokens
    }

    /// Adds tokens. Where none of them is new, the set stays the one that other acts have too.
    pub(crate) fn add(&mut self, tokens: impl IntoIterator<Item = Token>) {
        for token in tokens {
            if !self.tokens.contains(&token) {
                Arc::make_mut(&mut self.tokens).insert(token);
            }
        }
    }

    /// It meets a rule that does not merely lead: not a yardstick, and not to tune a clock on.
    pub(crate) fn is_suspect(&self) -> bool {
        self.hits.iter().any(|hit| hit.confidence >= Confidence::Strong)
    }

    /// It tells what calls of the case open: it could reach the network while it runs.
    pub(crate) fn is_control(&self) -> bool {
        self.network && self.install.is_none()
    }

    /// Something of it may go on after the call has returned.
    pub(crate) fn leaves_running(&self) -> bool {
        !self.launchers.is_empty()
    }
}

/// Takes the commands of all steps apart; `result[i]` belongs to `intake.steps[i]`.
pub(crate) fn understand(intake: &Intake, rules: &RuleSet) -> Vec<Act> {
    let (tokens, names) = (Alike::default(), Alike::default());
    let one = |at| {
        let mut act = alone(intake, at, rules);
        tokens.settle(&mut act.tokens);
        names.settle(&mut act.ran);
        act
    };
    let mut acts: Vec<Act> = (0..intake.steps.len()).into_par_iter().map(one).collect();
    let mut from = 0;
    while from < acts.len() {
        let episode = &intake.steps[from].episode;
        let to = from + intake.steps[from..].iter().take_while(|step| step.episode == *episode).count();
        inherit(&mut acts[from..to], from, rules);
        from = to;
    }
    installed::settle(&mut acts);
    acts
}

/// Lets go of what was needed to understand the acts of other steps, once all are shared out: scripts may be long, and
/// there are as many acts as steps.
pub(crate) fn let_go(acts: &mut [Act]) {
    let tokens = Alike::default();
    for act in acts {
        (act.ran, act.written, act.images) = Default::default();
        tokens.settle(&mut act.tokens);
    }
}

/// What a step says by itself.
fn alone(intake: &Intake, at: usize, rules: &RuleSet) -> Act {
    let step = &intake.steps[at];
    let mut act = match &step.command {
        Some(command) => of_text(command, rules),
        // A tool without a shell (fetch, browse, search) that takes a URL or host reaches out as well.
        None if reaches_out(&step.tool) => Act {
            tokens: Arc::new(tokens_of(&CommandLine::default(), &step.arguments)),
            network: true,
            ..Act::default()
        },
        None => Act::default(),
    };
    act.written.extend(written_by_tool(step));
    if let Some(command) = &step.command
        && !step.background
        && !step.not_executed
        && told::may_tell(command)
        && let Some(output) = intake.output(at)
    {
        act.told = told::told(command, &output, step.output_omitted_bytes > 0);
    }
    installed::note(&mut act, step.command.is_some(), rules);
    if step.background && act.launchers.is_empty() {
        act.launchers.push("run in background".to_owned());
    }
    act
}

fn reaches_out(tool: &str) -> bool {
    let tool = tool.to_ascii_lowercase();
    ["fetch", "browse", "search", "http", "url", "web", "download"].iter().any(|word| tool.contains(word))
}

fn of_text(text: &str, rules: &RuleSet) -> Act {
    let line = CommandLine::parse(text);
    let hits = rules.command(&CommandContext { line: &line, text }).into_iter().map(Hit::of).collect();
    // The first thing that can reach the network decides: what sleeps behind it delays nothing.
    let reaches = |command: &&SimpleCommand| {
        is_network_capable(&CommandLine { commands: vec![(*command).clone()], ..CommandLine::default() })
    };
    let delay_s = line.commands.iter().filter(reaches).map(|command| command.delay_s.unwrap_or(0)).min();
    let delay_ns = delay_s.map_or(0, |seconds| (seconds.min(86_400) as i64) * SECOND);
    let stays = line.launchers.iter().filter(|launcher| !matches!(launcher, Launcher::SleepDelay(_)));
    let mut tokens = tokens_of(&line, text);
    let mut ran = BTreeSet::new();
    for command in &line.commands {
        ran.insert(command.name().to_owned());
        tokens.insert(Token::Program(command.name().to_owned()));
        // `bash job.sh`, `python3 job.py`: the first argument that is not an option.
        if let Some(script) = command.args.iter().find(|arg| !arg.text.starts_with('-')) {
            ran.insert(base_name(&script.text).to_owned());
        }
        match command.name() {
            "systemctl" => ran.extend(command.args.iter().map(|arg| base_name(&arg.text).to_owned())),
            "docker" | "podman" | "nerdctl" | "buildah" if command.args.iter().any(|arg| arg.text == "build") => {
                let file = command.args.iter().skip_while(|arg| arg.text != "-f" && arg.text != "--file").nth(1);
                ran.insert(file.map_or("Dockerfile", |arg| base_name(&arg.text)).to_owned());
            }
            _ => {}
        }
    }
    Act {
        network: is_network_capable(&line),
        done_on_return: is_done_on_return(&line),
        launchers: stays.map(|launcher| launcher.name().to_owned()).collect(),
        delay_ns,
        hits,
        told: Vec::new(),
        script_from: None,
        install: None,
        keeper: None,
        images: installed::images(&line),
        written: written_by_command(&line, text),
        ran: Arc::new(ran),
        tokens: Arc::new(tokens),
    }
}

/// Addresses, names and ports that a command acts on. What it only mentions (a comment, an argument of echo) is left
/// out, unless there is no command at all to tell the two apart.
fn tokens_of(line: &CommandLine, text: &str) -> BTreeSet<Token> {
    let mut tokens = BTreeSet::new();
    for literal in literals(line, text) {
        if !literal.act && !line.commands.is_empty() {
            continue;
        }
        match literal.kind {
            LiteralKind::Address(address) => {
                tokens.insert(Token::Address(address));
                tokens.extend(literal.port.map(|port| Token::Endpoint(address, port)));
            }
            LiteralKind::Network(net) => drop(tokens.insert(Token::Network(net))),
            LiteralKind::Prefix(net) => drop(tokens.insert(Token::Network(net.into()))),
            LiteralKind::Host(name) => {
                tokens.extend(literal.port.map(|port| Token::NamedEndpoint(name.clone(), port)));
                tokens.insert(Token::Name(name));
            }
            LiteralKind::Url(_) | LiteralKind::Forward(_) | LiteralKind::Wallet(_) => {}
        }
    }
    tokens
}

/// Steps that run a script which an earlier step of the episode wrote take over what the script names and does.
fn inherit(acts: &mut [Act], first: usize, rules: &RuleSet) {
    let mut scripts: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (at, act) in acts.iter_mut().enumerate() {
        let found = act.ran.iter().find_map(|name| scripts.get(name)).cloned();
        if let Some((writer, text)) = found {
            let script = of_text(&text, rules);
            act.add(script.tokens.iter().cloned());
            // An interpreted script is not shell: what stands in it is what it may act on.
            act.add(tokens_of(&CommandLine::default(), &text));
            act.network |= script.network;
            act.done_on_return &= script.done_on_return;
            act.delay_ns = act.delay_ns.max(script.delay_ns);
            for launcher in script.launchers {
                if !act.launchers.contains(&launcher) {
                    act.launchers.push(launcher);
                }
            }
            for hit in script.hits {
                if !act.hits.contains(&hit) {
                    act.hits.push(hit);
                }
            }
            act.script_from = (writer != at).then_some(first + writer);
        }
        for (path, text) in act.written.clone() {
            scripts.insert(base_name(&path).to_owned(), (at, text));
        }
    }
}

/// Files written by editing tools: their path and new text, by the names that agents' tools give them.
fn written_by_tool(step: &Step) -> Vec<(String, String)> {
    let Ok(Value::Object(arguments)) = serde_json::from_str::<Value>(&step.arguments) else { return Vec::new() };
    let text = |names: &[&str]| names.iter().find_map(|name| arguments.get(*name)?.as_str());
    let path = text(&["file_path", "path", "filename", "notebook_path"]);
    let content = text(&["content", "file_text", "new_str", "new_string", "text"]);
    match (path, content) {
        (Some(path), Some(content)) => vec![(path.to_owned(), content.to_owned())],
        _ => Vec::new(),
    }
}

/// Files written by here-documents and by redirected text.
fn written_by_command(line: &CommandLine, text: &str) -> Vec<(String, String)> {
    let mut written = Vec::new();
    for command in &line.commands {
        let target = command
            .redirects
            .iter()
            .find(|redirect| redirect.operator.contains('>'))
            .map(|redirect| redirect.target.text.clone())
            .or_else(|| (command.name() == "tee").then(|| command.args.last().map(|arg| arg.text.clone())).flatten());
        let Some(target) = target.filter(|target| !target.starts_with("/dev/")) else { continue };
        let body = here_document(text.get(command.range.start..).unwrap_or(text)).or_else(|| {
            let said = matches!(command.name(), "echo" | "printf");
            let text = said.then(|| command.args.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(" "));
            // printf, and echo by some shells, take this for the end of a line.
            text.map(|text| text.replace("\\n", "\n"))
        });
        if let Some(body) = body {
            written.push((target, body));
        }
    }
    written
}

/// The body of the first here-document in a text (POSIX shell, section 2.7.4).
fn here_document(text: &str) -> Option<String> {
    let at = text.find("<<")?;
    let after = text.get(at + 2..)?.trim_start_matches('-').trim_start();
    let word: String = after
        .chars()
        .take_while(|c| !c.is_whitespace() && !matches!(c, ';' | '|' | '&' | '>' | '<'))
        .filter(|c| !matches!(c, '\'' | '"' | '\\'))
        .collect();
    if word.is_empty() {
        return None;
    }
    let body = after.split_once('\n')?.1;
    let lines: Vec<&str> = body.lines().take_while(|line| line.trim_start_matches('\t') != word).collect();
    Some(lines.join("\n"))
}

fn base_name(path: &str) -> &str {
    command::base_name(path)
}

/// Adds, to every act that names a peer with a port while nothing resolves the name, that port: a connection to a
/// nameless peer there may be it.
pub(crate) fn note_unresolved(acts: &mut [Act], names: &Names) {
    for act in acts {
        let open: Vec<Token> = act
            .tokens
            .iter()
            .filter_map(|token| match token {
                Token::NamedEndpoint(name, port) if !names.is_resolved(name) => Some(Token::UnresolvedPort(*port)),
                _ => None,
            })
            .collect();
        act.add(open);
    }
}

/// Names that tools resolved in front of the agent.
pub(crate) fn printed_resolutions(intake: &Intake) -> Vec<(String, IpAddr)> {
    let resolved = |at| intake.output(at).map(|output| name_resolutions(&output)).unwrap_or_default();
    (0..intake.steps.len()).into_par_iter().flat_map_iter(resolved).collect()
}

#[cfg(test)]
mod tests;
