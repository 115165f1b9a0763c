//! What loggers say in a log of the log itself: that messages are missing, that they stopped, that they keep less.
//!
//! Messages of rsyslogd (`rsyslogd.c`, `imuxsock.c`, `imjournal.c`), syslog-ng (`main.c`), sysklogd, systemd-journald
//! (`journald-manager.c`) and systemd of its units, the kernel (`ratelimit.c`, `audit.c`), auditd (`auditd-event.c`), and
//! Cisco IOS ("System Message Guide", SYS and SEC).

use super::bytes;
use super::syslog::Peeled;
use crate::evidence::AnomalyKind;

const STOPPED: &str = "what happened until it ran again is not in it (a restart or an update of the machine, or somebody \
                       stopped it)";
const STARTED: &str =
    "what happened before is not in it (a restart or an update of the machine, or somebody had stopped it)";
const LESS: &str = "messages are missing from here on (load, a full disk, a setting, or somebody's doing)";

/// What the logger says, and what that means for the log. `None` if it is no message of a logger on itself.
pub(super) fn told(peeled: &Peeled<'_>) -> Option<(AnomalyKind, String)> {
    if let Some(count) = suppressed(peeled) {
        let detail = format!("{count} messages were suppressed by the logger: absence of a line proves nothing here");
        return Some((AnomalyKind::Gap, detail));
    }
    let message = peeled.message;
    if let Some(count) = split_number(message, b"logging rate-limited or missed ") {
        return Some((
            AnomalyKind::Gap,
            format!("{count} packets that an access list should have logged are not in the log"),
        ));
    }
    let program = peeled.program?;
    let program = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
    let has = |words: &[u8]| memchr::memmem::find(message, words).is_some();
    let stopped = |what: &str| Some((AnomalyKind::LoggingStopped, format!("{what} stopped: {STOPPED}")));
    let started = |what: &str| Some((AnomalyKind::LoggingStopped, format!("{what} started: {STARTED}")));
    let less = |what: &str| Some((AnomalyKind::LoggingStopped, format!("{what}: {LESS}")));
    match program {
        b"rsyslogd" | b"syslogd" if has(b"exiting on signal") => stopped("the system logger"),
        b"rsyslogd" if has(b"[origin software=") && message.trim_ascii_end().ends_with(b"] start") => {
            started("the system logger")
        }
        b"rsyslogd" if has(b"begin") && has(b"to drop messages") => less("the system logger drops messages"),
        b"syslogd" if message.trim_ascii_end().ends_with(b": restart.") => started("the system logger"),
        b"syslog-ng" if message.starts_with(b"syslog-ng shutting down") => stopped("the system logger"),
        b"syslog-ng" if message.starts_with(b"syslog-ng starting up") => started("the system logger"),
        b"systemd-journald" | b"systemd-journal" => match message.trim_ascii_end() {
            b"Journal stopped" => stopped("the journal"),
            b"Journal started" => started("the journal"),
            _ if has(b"corrupted or uncleanly shut down") => less("a file of the journal was set aside as damaged"),
            _ => None,
        },
        b"systemd" if message.starts_with(b"Stopped ") => {
            let units: [&[u8]; 9] = [
                b"rsyslog.service",
                b"syslog-ng.service",
                b"auditd.service",
                b"systemd-journald.service",
                b"System Logging Service",
                b"System Logger Daemon",
                b"Security Audit",
                b"Security Auditing Service",
                b"Journal Service",
            ];
            units.iter().any(|unit| has(unit)).then(|| stopped("a service that keeps logs"))?
        }
        b"auditd" if has(b"The audit daemon is exiting") => stopped("the audit daemon"),
        b"auditd" if has(b"suspending logging") => less("the audit daemon has suspended its logging"),
        b"kernel" | b"audit" if has(b"audit") => {
            if has(b"audit_enabled=0") {
                return less("the audit system was switched off");
            }
            let lost = split_number(message, b"audit_lost=").filter(|lost| *lost > 0);
            match lost {
                Some(lost) => {
                    let detail = format!("the audit system has lost {lost} records since it was started");
                    Some((AnomalyKind::Gap, detail))
                }
                None if has(b"backlog limit exceeded") || has(b"kauditd hold queue overflow") => {
                    less("the audit system has more records than it can hand on")
                }
                None => None,
            }
        }
        _ => None,
    }
}

/// The number behind `name`.
fn split_number(message: &[u8], name: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(message, name)? + name.len();
    let rest = message.get(at..)?;
    bytes::number(rest.get(..rest.iter().take_while(|byte| byte.is_ascii_digit()).count())?)
}

/// `net_ratelimit: 12 callbacks suppressed` and its kin (printk, journald, rsyslog, Cisco's lists): the number that is
/// missing.
fn suppressed(peeled: &Peeled<'_>) -> Option<u64> {
    const WORDS: [&[u8]; 5] =
        [b" callbacks suppressed", b" messages suppressed", b" kernel messages", b" messages from ", b" messages lost"];
    let message = peeled.message;
    for words in WORDS {
        let Some(at) = memchr::memmem::find(message, words) else { continue };
        let before = message.get(..at)?;
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let count = bytes::number(before.get(before.len() - digits..)?)?;
        let said = |word: &[u8]| memchr::memmem::find(message, word).is_some();
        return (said(b"uppressed") || said(b"Missed ") || said(b"lost")).then_some(count);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::firewall::syslog::peel;

    fn kind(line: &str) -> Option<(&'static str, String)> {
        told(&peel(line.as_bytes())).map(|(kind, detail)| (kind.name(), detail))
    }

    #[test]
    fn loggers_on_themselves() {
        // Messages as the sources of these programs write them.
        for line in [
            r#"Nov 20 14:34:46 h rsyslogd: [origin software="rsyslogd" swVersion="8.2112.0" x-pid="612" x-info="https://www.rsyslog.com"] exiting on signal 15."#,
            r#"Nov 20 14:34:46 h rsyslogd: [origin software="rsyslogd" swVersion="8.2112.0" x-pid="612" x-info="https://www.rsyslog.com"] start"#,
            "Nov 20 14:34:46 h rsyslogd: imuxsock begins to drop messages from pid 4711 due to rate-limiting",
            "Nov 20 14:34:46 h syslogd: exiting on signal 15",
            "Nov 20 14:34:46 h syslog-ng[611]: syslog-ng shutting down; version='3.35.1'",
            "Nov 20 14:34:46 h syslog-ng[611]: syslog-ng starting up; version='3.35.1'",
            "Nov 20 14:34:46 h systemd-journald[311]: Journal stopped",
            "Nov 20 14:34:46 h systemd-journald[311]: Journal started",
            "Nov 20 14:34:46 h systemd-journald[311]: File /var/log/journal/x/system.journal corrupted or uncleanly shut down, renaming and replacing.",
            "Nov 20 14:34:46 h systemd[1]: Stopped Security Auditing Service.",
            "Nov 20 14:34:46 h systemd[1]: Stopped rsyslog.service - System Logging Service.",
            "Nov 20 14:34:46 h auditd[700]: The audit daemon is exiting.",
            "Nov 20 14:34:46 h auditd[700]: Audit daemon is suspending logging due to low disk space.",
            "Nov 20 14:34:46 h kernel: [ 1.5] audit: type=1305 audit(1795185286.123:11): audit_enabled=0 old=1 auid=0 ses=1 res=1",
            "Nov 20 14:34:46 h kernel: [ 1.5] audit: backlog limit exceeded",
        ] {
            assert_eq!(kind(line).map(|(kind, _)| kind), Some("logging-stopped"), "{line}");
        }
        for (line, count) in [
            ("Nov 20 14:34:46 h rsyslogd: imuxsock lost 56 messages from pid 4711 due to rate-limiting", "56 "),
            ("Nov 20 14:34:46 h systemd-journald[311]: Suppressed 123 messages from ssh.service", "123 "),
            ("Nov 20 14:34:46 h kernel: [ 1.5] net_ratelimit: 12 callbacks suppressed", "12 "),
            (
                "Nov 20 14:34:46 h kernel: [ 1.5] audit: audit_lost=7 audit_rate_limit=0 audit_backlog_limit=64",
                "the audit system has lost 7 ",
            ),
        ] {
            let told = kind(line);
            assert!(
                told.as_ref().is_some_and(|(kind, detail)| *kind == "gap" && detail.starts_with(count)),
                "{told:?}"
            );
        }
        for line in [
            r#"Nov 20 14:34:46 h rsyslogd: [origin software="rsyslogd" swVersion="8.2112.0"] rsyslogd was HUPed"#,
            "Nov 20 14:34:46 h systemd[1]: Stopped Daily apt download activities.",
            "Nov 20 14:34:46 h app: Journal stopped",
            "Nov 20 14:34:46 h kernel: [ 1.5] audit: audit_lost=0 audit_rate_limit=0",
            "Nov 20 14:34:46 h kernel: [ 1.5] usb 1-1: reset",
        ] {
            assert_eq!(kind(line), None, "{line}");
        }
    }
}
