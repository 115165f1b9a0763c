//! The head of a log entry as `rock/logger.py` writes it.

use super::super::stamps::Stamp;

/// The logger of `access.log`.
pub(super) const ACCESS: &str = "rocklet.accessLog";

/// `<time> <LEVEL>:<file>:<line> [<logger>] [<sandbox>] [<trace>] -- <message>`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header<'a> {
    pub(super) stamp: Stamp,
    pub(super) logger: &'a str,
    /// Empty where the client named none.
    pub(super) sandbox: &'a str,
    /// One for each request, unless the client sent its own.
    pub(super) trace: &'a str,
    pub(super) message: &'a str,
}

impl<'a> Header<'a> {
    /// Reads a line. `None` if it does not begin with a head.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (stamp, rest) = colourless(line).split_once(' ')?;
        let stamp = Stamp::parse(stamp)?;
        let (place, rest) = rest.split_once(" [")?;
        let mut parts = place.split(':');
        let (level, file, number) = (parts.next()?, parts.next()?, parts.next()?);
        let level_is = !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_uppercase());
        let number_is = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !level_is || !number_is || file.is_empty() || file.contains(' ') || parts.next().is_some() {
            return None;
        }
        let (logger, rest) = rest.split_once("] [")?;
        let (sandbox, rest) = rest.split_once("] [")?;
        let (trace, rest) = rest.split_once("] --")?;
        let rest = colourless(rest);
        let message = rest.strip_prefix(' ').unwrap_or(rest);
        let known = |id: &'a str| if id == "None" { "" } else { id };
        Some(Header { stamp, logger, sandbox: known(sandbox), trace: known(trace), message })
    }
}

/// What lies behind the colours that a terminal log begins with.
fn colourless(line: &str) -> &str {
    let mut line = line;
    while let Some(rest) = line.strip_prefix("\u{1b}[") {
        match rest.split_once('m') {
            Some((code, rest)) if code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';') => line = rest,
            _ => break,
        }
    }
    line
}
