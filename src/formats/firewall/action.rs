//! What a firewall did, from the free prefix of its LOG line. Nothing else on such a line tells.

use crate::model::Action;

/// The action that the words of a prefix name. `None` if they name none, or both.
///
/// Read: words as in `DROP`, `FINAL_REJECT:`, `filter_IN_public_DROP:`, `iptables denied:`, `[UFW BLOCK]` (`[UFW AUDIT]`
/// is none); the letter of Aviatrix (`AvxRl gw1 D:`), VyOS and UniFi (`[WAN_OUT-2000-A]`, `[LAN_LOCAL-default-D]`,
/// `[WAN_IN-D-30001]`); the last word of `Shorewall:chain:ACTION:`; `ACC` of SuSEfirewall2 (`SFW2-INext-ACC-TCP`).
pub(in crate::formats) fn action(prefix: &[u8]) -> Option<Action> {
    if prefix.is_empty() {
        return None;
    }
    if let Some(found) = letter(prefix) {
        return Some(found);
    }
    // Aviatrix: "AvxRl gw1 D:", before that "***AviatrixRule*** 10.0.0.1 A:"; the name of the gateway may be any word.
    if prefix.starts_with(b"AvxRl ") || prefix.starts_with(b"***AviatrixRule***") {
        return match prefix.trim_ascii_end() {
            [.., b' ', b'A', b':'] => Some(Action::Allow),
            [.., b' ', b'D', b':'] => Some(Action::Deny),
            _ => None,
        };
    }
    let last_counts = prefix.starts_with(b"Shorewall");
    let suse = prefix.starts_with(b"SFW2");
    let mut found = None;
    let mut both = false;
    for word in prefix.split(|byte| !byte.is_ascii_alphanumeric()) {
        let named = if suse && word == b"ACC" { Some(Action::Allow) } else { of_word(word) };
        if let Some(named) = named {
            both |= found.is_some_and(|before| before != named);
            found = Some(named);
        }
    }
    if both && !last_counts { None } else { found }
}

/// What the value of an action field says: the words of [`action`], and those of devices that write one word of their own
/// (`reset-both`, `allowedOnNoRuleMatch`, `Block with reset`). To watch, to log and to alert is to allow.
pub(crate) fn verdict(value: &[u8]) -> Option<Action> {
    if let Some(found) = action(value) {
        return Some(found);
    }
    let begins = |words: &[&str]| {
        words
            .iter()
            .any(|word| value.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes())))
    };
    const DENY: [&str; 19] = [
        "deny",
        "denied",
        "drop",
        "block",
        "reject",
        "reset",
        "discard",
        "refuse",
        "sinkhole",
        "quarantine",
        "prevent",
        "terminate",
        "prohibit",
        "isolate",
        "kill",
        "not allowed",
        "not-allowed",
        "policy_discard",
        "tcp-rst",
    ];
    const ALLOW: [&str; 15] = [
        "allow", "accept", "permit", "pass", "alert", "monitor", "detect", "log-", "log_", "log only", "logged",
        "bypass", "trust", "inspect", "continue",
    ];
    if begins(&DENY) {
        Some(Action::Deny)
    } else if begins(&ALLOW) || value.eq_ignore_ascii_case(b"log") {
        Some(Action::Allow)
    } else {
        None
    }
}

fn of_word(word: &[u8]) -> Option<Action> {
    const DENY: [&[u8]; 12] = [
        b"drop",
        b"dropped",
        b"drops",
        b"reject",
        b"rejected",
        b"block",
        b"blocked",
        b"deny",
        b"denied",
        b"discard",
        b"discarded",
        b"rejects",
    ];
    const ALLOW: [&[u8]; 10] = [
        b"accept",
        b"accepted",
        b"accepts",
        b"allow",
        b"allowed",
        b"pass",
        b"passed",
        b"permit",
        b"permitted",
        b"allows",
    ];
    let first = word.first()?.to_ascii_lowercase();
    if !(4..=9).contains(&word.len()) || !matches!(first, b'a' | b'b' | b'd' | b'p' | b'r') {
        return None;
    }
    if DENY.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        Some(Action::Deny)
    } else if ALLOW.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        Some(Action::Allow)
    } else {
        None
    }
}

/// `[CHAIN-RULE-LETTER]` or `[CHAIN-LETTER-RULE]`, the rule a number or "default".
fn letter(prefix: &[u8]) -> Option<Action> {
    let inside = prefix.strip_prefix(b"[")?;
    let inside = inside.get(..memchr::memchr(b']', inside)?)?;
    let mut parts = inside.rsplit(|byte| *byte == b'-');
    let (last, before) = (parts.next()?, parts.next()?);
    parts.next()?;
    let is_rule = |part: &[u8]| part == b"default" || (!part.is_empty() && part.iter().all(u8::is_ascii_digit));
    let letter = match (last, before) {
        ([letter], rule) if is_rule(rule) => letter,
        (rule, [letter]) if is_rule(rule) => letter,
        _ => return None,
    };
    match letter {
        b'A' => Some(Action::Allow),
        b'D' | b'R' => Some(Action::Deny),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_known_firewalls() {
        let deny = Some(Action::Deny);
        let allow = Some(Action::Allow);
        // Shapes: UFW (ufw-framework), VyOS and UniFi rule letters, Shorewall LOGFORMAT, SuSEfirewall2, firewalld
        // LogDenied, OpenWrt firewall3 and firewall4, common LOG prefixes of guides.
        for (prefix, expected) in [
            ("[UFW BLOCK]", deny),
            ("[UFW ALLOW]", allow),
            ("[UFW LIMIT BLOCK]", deny),
            ("[UFW AUDIT]", None),
            ("[UFW AUDIT INVALID]", None),
            ("[WAN_OUT-2000-A]", allow),
            ("[LAN_LOCAL-default-D]", deny),
            ("[WAN_IN-30001-R]", deny),
            ("[CUSTOM1_WAN-A-10000]", allow),
            ("[CUSTOM1_WAN-D-10000] DESCR=\"allow nothing\"", deny),
            ("[PREROUTING-DNAT-3]", None),
            ("Shorewall:net2fw:DROP:", deny),
            ("Shorewall:allow:DROP:", deny),
            ("Shorewall:loc2net:ACCEPT:", allow),
            ("SFW2-INext-DROP-DEFLT", deny),
            ("SFW2-INext-ACC-TCP", allow),
            ("FINAL_REJECT:", deny),
            ("filter_IN_public_DROP:", deny),
            ("STATE_INVALID_DROP:", deny),
            ("DROP(src wan)", deny),
            ("reject wan in:", deny),
            ("DA->FEDERATEUR ACCEPT", allow),
            ("INPUT DFLT DROP", deny),
            ("iptables denied:", deny),
            ("tap117i0-IN policy DROP:", deny),
            ("OUT-ALLOW:", allow),
            ("accept or drop", None),
            ("AvxRl drop-gw A:", allow),
            ("AvxRl gw1 D:", deny),
            ("***AviatrixRule*** 10.31.0.47 A:", allow),
            ("FIREWALL_OUT", None),
            ("IPTABLES", None),
            ("backdrop bypass", None),
            ("", None),
        ] {
            assert_eq!(action(prefix.as_bytes()), expected, "{prefix}");
        }
    }
}
