//! The command line: one file per verb. Arguments become checked options, the library does the work, `report` makes
//! bytes of its results, and the outcome becomes an exit code.

mod analyze;
mod check;
mod clocks;
mod engine;
mod evaluate;
mod evidence;
mod examples;
mod exit;
mod explain;
mod interrupt;
mod output;
mod probe;
mod progress;
mod rules;
mod schema;
mod shell;
mod signing;
mod simulate;
mod timeline;
mod verify;
mod written;

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use coincident::report::{DisplayZone, Screen};

use engine::InForce;
use exit::{Exit, Outcome, Stop};
use output::Voice;

/// Offline forensics on AI-agent incidents: which decision step of which agent episode lines up with this mining or
/// tunnel event, by what evidence, how strongly, and what else could explain it.
#[derive(Parser, Debug)]
#[command(name = "coincident", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args, Debug)]
struct Global {
    /// Colour: on a terminal, always or never; NO_COLOR switches it off
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Everywhere")]
    color: ColorChoice,
    /// Threads that read evidence; by default one per core. Results do not depend on it
    #[arg(long, global = true, value_name = "N", help_heading = "Everywhere")]
    threads: Option<NonZeroUsize>,
    /// Zone that tables show times in; CSV and JSON lines are always in UTC (for the zone of sources see --tz)
    #[arg(long, global = true, value_name = "ZONE", default_value = "UTC", help_heading = "Everywhere")]
    display_tz: chrono_tz::Tz,
    /// Rules and lists to use in place of those that come with the program: a directory of Sigma YAML
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    rules: Option<PathBuf>,
    /// Show wallets, logins, workers, keys, tokens and passwords whole; by default every output has masks in their place
    #[arg(long, global = true, help_heading = "Everywhere")]
    show_secrets: bool,
    /// Nothing on stderr but errors
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Everywhere")]
    quiet: bool,
    /// Everything in full
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    verbose: bool,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Analyze(analyze::Analyze),
    Probe(probe::Probe),
    Timeline(Box<timeline::Timeline>),
    Clocks(clocks::Clocks),
    Explain(explain::Explain),
    Check(check::Check),
    Verify(verify::Verify),
    Rules(rules::Rules),
    Simulate(simulate::Simulate),
    Evaluate(evaluate::Evaluate),
    Schema(schema::Schema),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One header, fixed columns
    Csv,
    /// One JSON object per line
    Jsonl,
}

/// All verbs and options, and what stands below each help.
fn command() -> clap::Command {
    examples::below_help(Cli::command())
}

/// Parses the arguments of the process and runs the verb.
pub(crate) fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are printed through here, too; a closed pipe is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return Exit::Usage.into();
        }
    };
    let voice = cli.global.voice();
    let outcome = match cli.verb.run_alone(voice) {
        Some(outcome) => outcome,
        None => cli.global.pool().and_then(|pool| pool.install(|| cli.verb.run(voice, &cli.global))),
    };
    voice.tell_masked();
    match outcome {
        Ok(exit) => exit.into(),
        Err(Stop::ClosedPipe) => Exit::Done.into(),
        Err(Stop::Message(exit, message)) => {
            for line in message.lines() {
                voice.insist(&format!("coincident: {line}"));
            }
            exit.into()
        }
    }
}

impl Verb {
    /// Runs a verb that needs neither threads nor rules, if this is one.
    fn run_alone(&self, voice: Voice) -> Option<Outcome> {
        match self {
            Verb::Schema(verb) => Some(verb.run(voice)),
            Verb::Completions(verb) => Some(verb.run(voice)),
            Verb::Man(verb) => Some(verb.run(voice)),
            Verb::Explain(verb) => verb.run_written(voice).transpose(),
            Verb::Verify(verb) => Some(verb.run(voice)),
            _ => None,
        }
    }

    fn run(&self, voice: Voice, global: &Global) -> Outcome {
        // Nothing here asks for rules.
        match self {
            Verb::Probe(verb) => return verb.run(voice),
            Verb::Simulate(verb) => return verb.run(voice),
            _ => {}
        }
        let rules = global.rules()?;
        rules.tell_refused(voice);
        match self {
            Verb::Analyze(verb) => verb.run(voice, &rules),
            Verb::Probe(verb) => verb.run(voice),
            Verb::Timeline(verb) => verb.run(voice, &rules),
            Verb::Clocks(verb) => verb.run(voice, &rules),
            Verb::Explain(verb) => verb.run(voice, &rules),
            Verb::Check(verb) => verb.run(voice, &rules),
            Verb::Verify(verb) => verb.run(voice),
            Verb::Rules(verb) => verb.run(voice, &rules),
            Verb::Simulate(verb) => verb.run(voice),
            Verb::Evaluate(verb) => verb.run(voice, &rules),
            Verb::Schema(verb) => verb.run(voice),
            Verb::Completions(verb) => verb.run(voice),
            Verb::Man(verb) => verb.run(voice),
        }
    }
}

impl Global {
    fn voice(&self) -> Voice {
        let color = match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            // https://no-color.org: any value but an empty one.
            ColorChoice::Auto => {
                io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        // Only where a person looks at it: what goes into a pipe or a file does not depend on any width.
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        let screen = Screen { color, width: width.filter(|_| io::stdout().is_terminal()) };
        Voice {
            quiet: self.quiet,
            verbose: self.verbose,
            zone: DisplayZone(self.display_tz),
            screen,
            show_secrets: self.show_secrets,
        }
    }

    /// The rules in force.
    fn rules(&self) -> Result<InForce, Stop> {
        self.rules.as_deref().map_or_else(|| Ok(InForce::embedded()), InForce::load)
    }

    fn pool(&self) -> Result<rayon::ThreadPool, Stop> {
        let threads = self.threads.map_or(0, NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map_err(|error| Stop::usage(format!("--threads {threads}: {error}")))
    }
}
