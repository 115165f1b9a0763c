//! The log of a Linux machine: netfilter and sshd lines in one file, whatever stands between them.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::action::action;
use super::netfilter::{self, Packet};
use super::syslog::{self, Peeled};
use super::{bytes, sshd};
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{LineReader, Sink, read_lines};
use crate::model::{Detail, Observation};
use crate::time::TimeContext;

/// Reads a file of either format.
pub(super) fn read(input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
    let reader = HostLog { time: *time, undated: AtomicU64::new(0) };
    let outcome = read_lines(input, &reader, sink);
    let undated = reader.undated.load(Ordering::Relaxed);
    if undated > 0 {
        sink.anomaly(Anomaly {
            record: 0,
            kind: AnomalyKind::UndatedTimes,
            detail: format!("{undated} lines have no time of their own; export the log with the times of its headers"),
        });
    }
    outcome
}

struct HostLog {
    time: TimeContext,
    /// Lines with an event and without a time. A sum, so that the order of lines does not matter.
    undated: AtomicU64,
}

impl LineReader for HostLog {
    fn line(&self, line: &[u8], number: u64, sink: &mut dyn Sink) {
        if is_object(line) {
            match syslog::entry(line) {
                Some(entry) if entry.message.is_none() => sink.unread(
                    number,
                    "journal entry without its message (null: export again with journalctl --all)",
                    line,
                ),
                Some(entry) => self.peeled(&entry.peeled(), line, number, sink),
                None => sink.unread(number, "a JSON object that is no journal entry", line),
            }
        } else {
            self.peeled(&syslog::peel(line), line, number, sink);
        }
    }
}

fn is_object(line: &[u8]) -> bool {
    matches!(line, [b'{', ..] | [b'\x1e', b'{', ..] | [b' ', b'{', ..])
}

impl HostLog {
    fn peeled(&self, peeled: &Peeled<'_>, line: &[u8], number: u64, sink: &mut dyn Sink) {
        if let Some(event) = sshd::event(peeled) {
            sink.record();
            let span = self.span(peeled.stamp, number, sink);
            sink.observation(&Observation {
                record: number,
                span,
                host: peeled.host.map(bytes::text),
                flow: event.flow,
                detail: Detail::Alert(event.alert),
            });
        } else if let Some(packet) = packet_of(peeled) {
            self.packet(&packet, peeled, line, number, sink);
        } else if let Some(count) = suppressed(peeled) {
            sink.record();
            sink.anomaly(Anomaly {
                record: number,
                kind: AnomalyKind::Gap,
                detail: format!(
                    "{count} messages were suppressed by the logger: absence of a line proves nothing here"
                ),
            });
        } else if sshd::is_sshd(peeled) {
            sink.unread(number, "sshd message without a login or session event", line);
        } else {
            sink.unread(number, "no netfilter fields", line);
        }
    }

    fn packet(&self, packet: &Packet<'_>, peeled: &Peeled<'_>, line: &[u8], number: u64, sink: &mut dyn Sink) {
        if packet.is_empty() {
            sink.unread(number, "netfilter fields without an address", line);
            return;
        }
        sink.record();
        let span = self.span(packet.stamp.or(peeled.stamp), number, sink);
        let trouble = |kind, detail| Anomaly { record: number, kind, detail };
        if let Some(field) = packet.impossible.filter(|field| packet.cut != Some(*field)) {
            sink.anomaly(trouble(AnomalyKind::ImpossibleValue, format!("{field} has no readable value; left unknown")));
        }
        if let Some(field) = packet.cut {
            sink.anomaly(trouble(
                AnomalyKind::TruncatedRecord,
                format!("the line ends in {field}, whose value may be cut; fields after it are unknown"),
            ));
        } else if packet.lost_head() {
            sink.anomaly(trouble(
                AnomalyKind::TruncatedRecord,
                "the line lost its beginning; addresses are unknown".to_owned(),
            ));
        }
        sink.observation(&Observation {
            record: number,
            span,
            host: host_of(peeled).map(bytes::text),
            flow: Some(packet.flow()),
            detail: Detail::Connection(packet.connection()),
        });
    }

    fn span(&self, stamp: Option<syslog::Stamp>, number: u64, sink: &mut dyn Sink) -> Option<crate::time::Span> {
        let Some(stamp) = stamp else {
            self.undated.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let span = stamp.span(&self.time);
        if span.is_none() {
            sink.anomaly(Anomaly {
                record: number,
                kind: AnomalyKind::ImpossibleValue,
                detail: "the day of its time does not exist in the year that applies; declare the year".to_owned(),
            });
        }
        span
    }
}

/// A tag with a process id, or the kernel's, is no part of the prefix; any other "word:" is. So is the first word after
/// the time if it names an action: headers may lack both host and tag ("Nov 20 14:34:46 DROP IN=eth0 ...").
fn packet_of<'a>(peeled: &Peeled<'a>) -> Option<Packet<'a>> {
    let whole = peeled.program.is_some() && !peeled.has_pid && !peeled.is_program(b"kernel");
    let mut text = if whole { peeled.body } else { peeled.message };
    if is_prefix(peeled) {
        text = peeled.headed;
    }
    netfilter::packet(text)
}

fn is_prefix(peeled: &Peeled<'_>) -> bool {
    let untagged = peeled.program.is_none() || (!peeled.has_pid && !peeled.is_program(b"kernel"));
    untagged && !peeled.headed.is_empty() && peeled.host.is_some_and(|host| action(host).is_some())
}

/// The host of an observation of a packet.
fn host_of<'a>(peeled: &Peeled<'a>) -> Option<&'a [u8]> {
    peeled.host.filter(|_| !is_prefix(peeled))
}

/// `net_ratelimit: 12 callbacks suppressed` and its kin (printk, journald, rsyslog): the number that is missing.
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

const PROGRAMS: [&[u8]; 12] = [
    b"kernel",
    b"CRON",
    b"cron",
    b"crond",
    b"systemd",
    b"systemd-logind",
    b"sudo",
    b"su",
    b"rsyslogd",
    b"anacron",
    b"dhclient",
    b"NetworkManager",
];

/// What the head of a file holds, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) lines: usize,
    pub(super) packets: usize,
    pub(super) logins: usize,
    /// Lines with a header that tells a time.
    pub(super) dated: usize,
    /// Lines of programs of a Linux machine's own log, and journal entries: where these stand, netfilter and sshd lines
    /// may follow.
    pub(super) programs: usize,
}

impl Census {
    /// Of the complete lines of a head.
    pub(super) fn of(head: &Head) -> Census {
        let mut census = Census::default();
        let end = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', &head.bytes).unwrap_or(0) };
        for line in head.bytes.get(..end).unwrap_or_default().split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            census.lines += 1;
            if is_object(line) {
                if let Some(entry) = syslog::entry(line) {
                    census.count(&entry.peeled());
                    census.programs += 1;
                }
            } else {
                census.count(&syslog::peel(line));
            }
        }
        census
    }

    fn count(&mut self, peeled: &Peeled<'_>) {
        self.dated += usize::from(peeled.stamp.is_some());
        self.programs += usize::from(sshd::is_sshd(peeled) || PROGRAMS.iter().any(|name| peeled.is_program(name)));
        if sshd::event(peeled).is_some() {
            self.logins += 1;
        } else if packet_of(peeled).is_some_and(|packet| packet.src.is_some() && packet.dst.is_some()) {
            self.packets += 1;
        }
    }

    /// Most lines have a syslog or kernel header: the events may be few among them.
    pub(super) fn is_log(&self) -> bool {
        self.dated * 10 >= self.lines * 8
    }
}
