//! What a packet filter did with a packet, from the headers of its log interfaces: pflog(4) of OpenBSD, FreeBSD, NetBSD
//! and macOS, and NFLOG of Linux.

use std::borrow::Cow;

use super::super::bytes::{be16, be32};
use crate::formats::firewall::action::action;
use crate::model::{Action, Connection, Direction};

/// The header of OpenBSD up to 3.3: family, interface, rule, reason, action, direction.
pub(super) const OLD_PFLOG_HEADER: usize = 28;
/// Names and rule set names of pf are fields of this size.
const PF_NAME: usize = 16;

/// What the header of this link type says of the packet behind it; `None` for links of which none does.
pub(in super::super) fn verdict(link: u32, frame: &[u8]) -> Option<Connection<'_>> {
    match link {
        17 => old_pflog(frame),
        117 => pflog(frame),
        239 => nflog(frame),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.get(..end).filter(|text| !text.is_empty()).map(String::from_utf8_lossy)
}

/// Where the packet begins: the stated length of the header, rounded up to the alignment of BPF.
pub(super) fn pflog_header(frame: &[u8]) -> Option<usize> {
    let length = usize::from(*frame.first()?);
    (length >= 28).then(|| length.next_multiple_of(4))
}

/// pf actions (net/pfvar.h): of all of them only these say whether the packet went on.
fn pf_action(number: u32) -> Option<Action> {
    match number {
        0 => Some(Action::Allow),
        // Block, and the answer to a SYN in the name of the server.
        1 | 10 => Some(Action::Deny),
        _ => None,
    }
}

/// pf reasons (net/pfvar.h), the words of tcpdump.
fn pf_reason(number: u32) -> Option<&'static str> {
    const REASONS: [&str; 17] = [
        "match",
        "bad-offset",
        "fragment",
        "short",
        "normalize",
        "memory",
        "bad-timestamp",
        "congestion",
        "ip-option",
        "proto-cksum",
        "state-mismatch",
        "state-insert",
        "state-limit",
        "src-limit",
        "synproxy",
        "translate",
        "no-route",
    ];
    REASONS.get(number as usize).copied()
}

fn pf_connection<'a>(
    action: u32,
    reason: u32,
    direction: u32,
    interface: Option<Cow<'a, str>>,
    rule: Option<Cow<'a, str>>,
) -> Connection<'a> {
    let direction = match direction {
        1 => Some(Direction::Inbound),
        2 => Some(Direction::Outbound),
        _ => None,
    };
    let (in_interface, out_interface) =
        if direction == Some(Direction::Outbound) { (None, interface) } else { (interface, None) };
    Connection {
        action: pf_action(action),
        direction,
        rule,
        in_interface,
        out_interface,
        state: pf_reason(reason).map(Cow::Borrowed),
        ..Connection::default()
    }
}

/// Length, family, action, reason, interface, rule set, rule and sub-rule, four identities, direction.
fn pflog(frame: &[u8]) -> Option<Connection<'_>> {
    let header = frame.get(..pflog_header(frame)?)?;
    let (action, reason) = (u32::from(*header.get(2)?), u32::from(*header.get(3)?));
    let interface = text(header.get(4..4 + PF_NAME)?);
    let ruleset = text(header.get(20..20 + PF_NAME)?);
    let (rule, sub_rule) = (be32(header, 36)?, be32(header, 40)?);
    let direction = header.get(60).copied().map_or(0, u32::from);
    // The number is all ones for packets that no rule decided, and for the sub-rule outside of an anchor.
    let rule = (rule != u32::MAX).then(|| match (ruleset, sub_rule) {
        (Some(ruleset), u32::MAX) => Cow::Owned(format!("{rule}.{ruleset}")),
        (Some(ruleset), sub_rule) => Cow::Owned(format!("{rule}.{ruleset}.{sub_rule}")),
        (None, _) => Cow::Owned(rule.to_string()),
    });
    Some(pf_connection(action, reason, direction, interface, rule))
}

fn old_pflog(frame: &[u8]) -> Option<Connection<'_>> {
    let header = frame.get(..OLD_PFLOG_HEADER)?;
    let interface = text(header.get(4..4 + PF_NAME)?);
    let rule = be16(header, 20).filter(|rule| *rule != u16::MAX).map(|rule| Cow::Owned(rule.to_string()));
    let field = |at: usize| be16(header, at).map_or(u32::MAX, u32::from);
    Some(pf_connection(field(24), field(22), field(26), interface, rule))
}

/// The attributes of an NFLOG message: type, value and its offset. Lengths are in the byte order of the machine.
fn attributes(frame: &[u8]) -> impl Iterator<Item = (u16, &[u8], usize)> {
    let read = |at: usize, big: bool| be16(frame, at).map(|value| if big { value } else { value.swap_bytes() });
    let big = read(4, false).is_none_or(|length| usize::from(length) > frame.len() || length < 4);
    let mut at = 4;
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(read(at, big)?), read(at + 2, big)?);
        if length < 4 {
            return None;
        }
        let value = frame.get(at + 4..(at + length).min(frame.len()))?;
        let found = (kind & 0x7fff, value, at + 4);
        at = (at + length).next_multiple_of(4);
        Some(found)
    })
}

/// Where the packet begins.
pub(super) fn nflog_payload(frame: &[u8]) -> Option<usize> {
    attributes(frame).find(|(kind, ..)| *kind == 9).map(|(_, _, at)| at)
}

/// Hook, interfaces by number, prefix of the rule (linux/netfilter/nfnetlink_log.h).
fn nflog(frame: &[u8]) -> Option<Connection<'_>> {
    let mut connection = Connection::default();
    let index = |value: &[u8]| be32(value, 0).filter(|index| *index != 0).map(|index| Cow::Owned(format!("#{index}")));
    for (kind, value, _) in attributes(frame) {
        match kind {
            1 => {
                connection.direction = match value.get(2) {
                    Some(1) => Some(Direction::Inbound),
                    Some(2) => Some(Direction::Forwarded),
                    Some(3) => Some(Direction::Outbound),
                    _ => None,
                }
            }
            4 => connection.in_interface = index(value),
            5 => connection.out_interface = index(value),
            10 => {
                connection.rule = text(value);
                connection.action = connection.rule.as_ref().and_then(|prefix| action(prefix.as_bytes()));
            }
            _ => {}
        }
    }
    // A message without a header of its own says nothing.
    (connection != Connection::default()).then_some(connection)
}
