//! What a shell command line does: the programs it runs and with what, what it leaves running, what it points at.
//!
//! A command that *runs* is told from a word that is only *mentioned*: `grep xmrig` runs grep. The reading is static:
//! nothing is executed, values that the text itself does not give stay as written (`$HOME`, `$(cat hosts)`).
//! Every bound that is reached is named in [`CommandLine::limits`].

mod compound;
mod context;
mod expand;
mod forward;
mod hosts;
mod launch;
mod literals;
mod network;
mod peel;
mod pure;
mod resolutions;
mod run;
mod scan;
mod script;
mod syntax;
mod tree;
mod wallet;
mod word;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use ipnet::Ipv4Net;

pub use forward::{Forward, ForwardKind, SshCall};
pub use literals::{Literal, LiteralKind, MOST_LITERALS, literals};
pub use network::{is_done_on_return, is_network_capable};
pub use resolutions::name_resolutions;
pub use wallet::{Wallet, wallets};

/// Bound on the text that is read, in bytes.
pub const LONGEST_TEXT: usize = 256 * 1024;
/// Bound on the simple commands of one line, loops unrolled.
pub const MOST_COMMANDS: usize = 2048;

/// A command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandLine {
    /// In the order they would run, loops unrolled, nested shells and hidden text opened up.
    pub commands: Vec<SimpleCommand>,
    /// Everything in it that lets a process outlive the call, sorted.
    pub launchers: Vec<Launcher>,
    /// Address prefixes that a loop or a brace completes: `10.30.0.$i`.
    pub prefixes: Vec<Prefix>,
    /// What was left out and why; empty if nothing was.
    pub limits: Vec<String>,
}

/// A program with its arguments, as it would run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimpleCommand {
    /// As typed, behind the wrappers. Empty where only variables are set or only a file is opened.
    pub program: String,
    pub args: Vec<Arg>,
    /// The text it comes from, as written.
    pub raw: String,
    /// Where that stands in the whole text (the outer word, where it comes from a text inside).
    pub range: Range<usize>,
    /// The shell goes on without waiting for it.
    pub background: bool,
    /// What lets it outlive the call, outermost first.
    pub launchers: Vec<Launcher>,
    /// Seconds that `sleep` holds it back within the line.
    pub delay_s: Option<u64>,
    /// `NAME=value` in front of it or given by `env`, `export`.
    pub assignments: Vec<(String, String)>,
    pub redirects: Vec<Redirect>,
    /// The programs in front of it (`sudo`, `nohup`, `timeout` …) with their own arguments, outermost first.
    pub wrappers: Vec<Wrapper>,
    /// Programs whose output it reads or is given as text: earlier in the pipeline, or substituted into its words.
    pub input_from: Vec<String>,
    /// The text an interpreter is given: `-c`, a here-document, a file that the same line wrote.
    pub script: Option<String>,
    /// It was hidden: the shell got its text out of base64, hex or a reversed string.
    pub decoded: bool,
}

/// A word of a command after expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arg {
    pub text: String,
    /// Where it stands in the whole text.
    pub range: Range<usize>,
    /// A part of it is not known and stands as written.
    pub open: bool,
}

/// A redirection to or from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// ">", ">>", "<", "&>", ...
    pub operator: &'static str,
    pub target: Arg,
}

/// A program that runs another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapper {
    pub program: String,
    /// All its arguments, those of the program it runs included.
    pub args: Vec<String>,
}

/// The known part of an address whose rest a loop fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub net: Ipv4Net,
    pub range: Range<usize>,
}

/// What lets a process outlive the tool call that started it, or start later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Launcher {
    /// `&`
    Background,
    Nohup,
    Setsid,
    Disown,
    Tmux,
    Screen,
    Cron,
    At,
    Systemd,
    /// `docker run -d` and kin.
    Container,
    /// The program goes to the background by itself: `ssh -f`, `xmrig --background`, `daemonize`.
    SelfDetached,
    /// Held back by that many seconds of `sleep`.
    SleepDelay(u64),
}

impl Launcher {
    /// The name used in rules and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Launcher::Background => "background",
            Launcher::Nohup => "nohup",
            Launcher::Setsid => "setsid",
            Launcher::Disown => "disown",
            Launcher::Tmux => "tmux",
            Launcher::Screen => "screen",
            Launcher::Cron => "cron",
            Launcher::At => "at",
            Launcher::Systemd => "systemd",
            Launcher::Container => "container",
            Launcher::SelfDetached => "self-detached",
            Launcher::SleepDelay(_) => "sleep-delay",
        }
    }
}

impl fmt::Display for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Launcher::SleepDelay(seconds) => write!(f, "sleep {seconds} s"),
            other => f.write_str(other.name()),
        }
    }
}

impl CommandLine {
    /// Reads a command line as a POSIX shell or bash would, without running anything.
    pub fn parse(text: &str) -> Self {
        run::read(text)
    }
}

impl SimpleCommand {
    /// The program without its directory: `xmrig` of `/tmp/xmrig`.
    pub fn name(&self) -> &str {
        base_name(&self.program)
    }

    /// What lets it outlive the call, the outermost of several.
    pub fn launcher(&self) -> Option<Launcher> {
        self.launchers.first().copied()
    }

    /// Program and arguments with one space between them, unquoted, redirections left out.
    pub fn line(&self) -> String {
        let mut line = self.program.clone();
        for arg in &self.args {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&arg.text);
        }
        line
    }

    /// What it asks ssh or autossh for, if it is one of them.
    pub fn ssh(&self) -> Option<SshCall> {
        SshCall::of(self)
    }
}

/// The last part of a path.
pub(crate) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}
