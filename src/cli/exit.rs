use std::io;
use std::process::ExitCode;

use coincident::intake::CaseError;

/// What the exit code says. Documented in every `--help` and in `docs/output.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done. A closed pipe is success, too.
    Done = 0,
    /// Findings at or above `--fail-on LEVEL`, or a failed check. Takes precedence over 3.
    Findings = 1,
    /// Usage or configuration: nothing was analysed.
    Usage = 2,
    /// Some evidence could not be read; the rest was analysed.
    Unread = 3,
}

impl Exit {
    /// Stands below every help.
    pub(crate) const HELP: &'static str = "Exit codes:\n  \
        0  done\n  \
        1  findings at or above --fail-on LEVEL, or a failed check or lint\n  \
        2  usage or configuration\n  \
        3  some evidence could not be read";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a verb ended before it was done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Whoever read our output has enough.
    ClosedPipe,
    /// A sentence for the user that says what to do, and the code to leave with.
    Message(Exit, String),
}

impl Stop {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Stop::Message(Exit::Usage, message.into())
    }

    /// A failure to write `what`.
    pub(crate) fn write(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Stop::ClosedPipe;
        }
        Stop::usage(format!("{what}: {error}; check the path, its permissions and the space left"))
    }
}

impl From<CaseError> for Stop {
    fn from(error: CaseError) -> Self {
        Stop::usage(error.to_string())
    }
}

impl From<polars::prelude::PolarsError> for Stop {
    fn from(error: polars::prelude::PolarsError) -> Self {
        Stop::usage(format!("building a table failed: {error}"))
    }
}

pub(crate) type Outcome = Result<Exit, Stop>;
