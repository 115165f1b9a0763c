//! Who opened a connection, where records tell of packets one way and not of who began.

use super::fields::Fields;
use crate::model::{Action, Flow, Protocol};

/// Where the ranges begin from which clients take their ports: 32768 on Linux, 49152 on Windows, BSD and macOS (IANA).
const EPHEMERAL: u16 = 32_768;

/// What the OR of TCP flags says where acknowledgements alone are not reported (AWS: SYN-ACK is 18): with SYN and ACK the
/// record's source answered, with SYN alone it opened. `None` if the flags tell neither.
pub(crate) fn answered_by_flags(flags: u64) -> Option<bool> {
    match flags & 0x12 {
        0x12 => Some(true),
        0x02 => Some(false),
        _ => None,
    }
}

/// Whether the ports are those of an answer: from a port that servers have to one that clients are given.
pub(crate) fn answered_by_ports(flow: &Flow) -> bool {
    let ports = matches!(flow.protocol, None | Some(Protocol::TCP | Protocol::UDP));
    match (flow.src_port, flow.dst_port) {
        (Some(source), Some(destination)) => ports && source != 0 && source < EPHEMERAL && destination >= EPHEMERAL,
        _ => false,
    }
}

/// Turns a record of packets one way round if its source only answered. What was refused was not an answer.
pub(crate) fn turn_answer(fields: &mut Fields<'_>, flags: Option<u64>) {
    let answered = match flags.and_then(answered_by_flags) {
        Some(answered) => answered,
        None => fields.connection.action != Some(Action::Deny) && answered_by_ports(&fields.flow),
    };
    if answered {
        fields.turn();
    }
}

/// [`turn_answer`] for NetFlow and IPFIX, whose flags are those of all packets one way: both ways have SYN and ACK in a
/// connection that came about, and SYN without ACK is the opener's alone.
pub(crate) fn turn_one_way(fields: &mut Fields<'_>, flags: Option<u64>) {
    if flags.is_none_or(|flags| flags & 0x12 != 0x02) {
        turn_answer(fields, None);
    }
}

/// The flags of `...AP.SF` and its kin: URG, ACK, PSH, RST, SYN, FIN by their first letters. `None` if none is set.
pub(crate) fn letters(text: &[u8]) -> Option<u64> {
    let bit = |byte: &u8| match byte {
        b'F' => 0x01,
        b'S' => 0x02,
        b'R' => 0x04,
        b'P' => 0x08,
        b'A' => 0x10,
        b'U' => 0x20,
        _ => 0,
    };
    let flags = text.iter().map(bit).fold(0, |all, flag| all | flag);
    (flags != 0).then_some(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_ports() {
        // Values of the AWS page on flow log records: 2 SYN, 18 SYN-ACK, 3 SYN and FIN, 19 SYN-ACK and FIN, 1 FIN, 4 RST.
        for (flags, expected) in
            [(2, Some(false)), (18, Some(true)), (3, Some(false)), (19, Some(true)), (1, None), (4, None), (0, None)]
        {
            assert_eq!(answered_by_flags(flags), expected, "{flags}");
        }
        let flow = |source, destination| Flow {
            src_port: Some(source),
            dst_port: Some(destination),
            protocol: Some(Protocol::TCP),
            ..Flow::default()
        };
        assert!(answered_by_ports(&flow(443, 50_012)) && answered_by_ports(&flow(3333, 51_022)));
        assert!(!answered_by_ports(&flow(50_012, 443)) && !answered_by_ports(&flow(20_641, 22)));
        assert!(!answered_by_ports(&flow(50_000, 60_000)) && !answered_by_ports(&flow(0, 40_000)));
    }
}
