//! Addresses as each side of the firewall has them.

use std::net::Ipv4Addr;

use super::recipe::Recipe;
use super::story::Flow;

/// Everything inside, as the outside knows it (RFC 5737).
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// Source ports are drawn from so many, from 1024 on; see [`super::story::Story::port`].
const PORTS: u32 = 64_511;

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Inside: between the hosts of the sandboxes and the firewall.
    Firewall,
    /// Outside of it.
    Capture,
}

impl Recipe {
    /// A connection as it is seen there.
    pub(super) fn seen(&self, flow: &Flow, side: Side) -> Flow {
        let mut seen = flow.clone();
        if !self.translated {
            return seen;
        }
        // Each translation deals the ports anew, no two to one: the factors share none with the number of ports (31 x 2081).
        let dealt = |port: u16, factor: u32| 1024 + (((u32::from(port) - 1024) * factor + 17) % PORTS) as u16;
        if flow.src.is_private() {
            seen.src_port = dealt(flow.src_port.max(1024), 7_919);
            if side == Side::Capture {
                (seen.src, seen.src_port) = (OUTSIDE, dealt(seen.src_port, 10_007));
            }
        } else if side == Side::Capture {
            seen.dst = OUTSIDE;
        }
        seen
    }
}
