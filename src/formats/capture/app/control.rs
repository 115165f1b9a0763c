//! Control connections over TCP of networks that carry their data elsewhere: PPTP (RFC 2637), tinc, vtun and
//! Yggdrasil. Each begins with a greeting in the clear that names it, on both sides.

use super::greeting::{Binary, Fit, Greeting};
use super::sight::Sight;
use super::{Emit, Packet, Reader, side};
use crate::model::{Flow, Mark, Tunnel, TunnelClass};
use crate::time::Instant;

/// Bound on the bytes of a greeting.
const GREETING_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Pptp,
    Tinc,
    Vtun,
    Yggdrasil,
}

impl Network {
    fn name(self) -> &'static str {
        match self {
            Network::Pptp => "pptp",
            Network::Tinc => "tinc",
            Network::Vtun => "vtun",
            Network::Yggdrasil => "yggdrasil",
        }
    }
}

/// Length, type 1 (control), cookie, message type, and zeros.
fn pptp(bytes: &[u8]) -> Fit {
    let fits = |at: usize, good: &dyn Fn(u8) -> bool| bytes.get(at).is_none_or(|byte| good(*byte));
    let head = [0, 0, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0];
    let same = (2..9).all(|at| fits(at, &|byte| head.get(at) == Some(&byte)));
    if !same || !fits(0, &|byte| byte == 0) || !fits(9, &|byte| (1..=15).contains(&byte)) {
        return Fit::No;
    }
    if bytes.len() < 12 { Fit::More } else { Fit::Yes }
}

/// `0 name 17`, in later versions `0 name 17.7` (`protocol_auth.c` of tinc).
fn tinc(bytes: &[u8]) -> Fit {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'^');
    let Some(rest) = bytes.strip_prefix(b"0 ") else {
        return if b"0 ".starts_with(bytes) { Fit::More } else { Fit::No };
    };
    let name = rest.iter().take_while(|byte| is_name(**byte)).count();
    let end = rest.get(name..).unwrap_or_default();
    let line: &[u8] = end.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if end.is_empty() {
        return if name <= 64 { Fit::More } else { Fit::No };
    }
    match (name, line) {
        (0, _) => Fit::No,
        (_, b" " | b" 1" | b" 17") if line.len() == end.len() => Fit::More,
        (_, b" 17") => Fit::Yes,
        (_, [b' ', b'1', b'7', b'.', minor @ ..]) if minor.len() <= 3 && minor.iter().all(u8::is_ascii_digit) => {
            match (minor.is_empty(), line.len() == end.len()) {
                (_, true) => Fit::More,
                (true, false) => Fit::No,
                (false, false) => Fit::Yes,
            }
        }
        _ => Fit::No,
    }
}

fn prefix(bytes: &[u8], wanted: &[u8]) -> Fit {
    match (bytes.starts_with(wanted), wanted.starts_with(bytes)) {
        (true, _) => Fit::Yes,
        (_, true) => Fit::More,
        _ => Fit::No,
    }
}

/// `meta`, then a length and values of which the first two are the versions (`version.go` of Yggdrasil 0.5), or the
/// versions at once.
fn yggdrasil(bytes: &[u8]) -> Fit {
    match prefix(bytes, b"meta") {
        Fit::Yes => match bytes.get(4..) {
            Some([0, _, 0, 0, 0, 2, 0, 0, ..] | [0, 4, ..]) => Fit::Yes,
            Some(rest) if rest.len() < 8 && rest.first().is_none_or(|byte| *byte == 0) => Fit::More,
            _ => Fit::No,
        },
        fit => fit,
    }
}

fn greeting(bytes: &[u8], network: Network) -> Fit {
    match network {
        Network::Pptp => pptp(bytes),
        Network::Tinc => tinc(bytes),
        Network::Vtun => prefix(bytes, b"VTUN server ver "),
        Network::Yggdrasil => yggdrasil(bytes),
    }
}

pub(super) const PPTP: Binary =
    Binary { name: "pptp", sniff: |bytes, _| pptp(bytes), reader: |from| reader(from, Network::Pptp) };
pub(super) const TINC: Binary =
    Binary { name: "tinc", sniff: |bytes, _| tinc(bytes), reader: |from| reader(from, Network::Tinc) };
/// Its server speaks first.
pub(super) const VTUN: Binary = Binary {
    name: "vtun",
    sniff: |bytes, from| if from.from_opener { Fit::No } else { greeting(bytes, Network::Vtun) },
    reader: |from| reader(from, Network::Vtun),
};
pub(super) const YGGDRASIL: Binary =
    Binary { name: "yggdrasil", sniff: |bytes, _| yggdrasil(bytes), reader: |from| reader(from, Network::Yggdrasil) };

fn reader(greeting: Greeting, network: Network) -> Box<dyn Reader> {
    Box::new(Control {
        flow: greeting.flow,
        network,
        heads: [Vec::new(), Vec::new()],
        start: [None; 2],
        greeted: [false; 2],
        done: [false; 2],
        sight: Sight::default(),
    })
}

struct Control {
    flow: Flow,
    network: Network,
    heads: [Vec<u8>; 2],
    start: [Option<Packet>; 2],
    greeted: [bool; 2],
    done: [bool; 2],
    sight: Sight,
}

impl Control {
    /// Whether a side says what it has to.
    fn fit(&self, bytes: &[u8]) -> Fit {
        match self.network {
            // `HOST: name` (`auth.c` of vtun).
            Network::Vtun if !bytes.starts_with(b"V") => prefix(bytes, b"HOST: "),
            network => greeting(bytes, network),
        }
    }

    fn note(&self) -> String {
        let text = |bytes: &[u8]| {
            let line: Vec<u8> = bytes.iter().copied().take(64).take_while(u8::is_ascii_graphic).collect();
            String::from_utf8_lossy(&line).into_owned()
        };
        let [one, other] = &self.heads;
        let both = self.greeted == [true, true];
        match self.network {
            Network::Tinc => {
                let names: Vec<String> =
                    [one, other].iter().filter_map(|head| head.strip_prefix(b"0 ")).map(text).collect();
                format!("meta connection, nodes {}", names.join(" and "))
            }
            Network::Pptp if both => "control connection, both sides".to_owned(),
            Network::Pptp => "control connection, one side".to_owned(),
            _ if both => "greetings of both sides".to_owned(),
            _ => "greeting of one side".to_owned(),
        }
    }
}

impl Reader for Control {
    fn data(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        let own = packet.side();
        if self.done[own] {
            return;
        }
        self.start[own].get_or_insert(packet);
        let head = &mut self.heads[own];
        let room = GREETING_MAX.saturating_sub(head.len());
        head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let head = std::mem::take(&mut self.heads[own]);
        let fit = self.fit(&head);
        let full = head.len() >= GREETING_MAX;
        self.heads[own] = head;
        match fit {
            Fit::Yes => {
                self.greeted[own] = true;
                self.done[own] = true;
                let start = self.start[own].unwrap_or(packet);
                self.sight.count(start);
                self.sight.prove(start);
            }
            Fit::No => self.done[own] = true,
            Fit::More => self.done[own] = full,
        }
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        self.done[side(from_opener)] = true;
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.done[side(from_opener)]
    }

    fn finish(self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        let mark = match (self.greeted, self.network) {
            ([true, true], _) => Mark::Exchange,
            // The cookie and the server's greeting are nobody else's.
            (_, Network::Pptp | Network::Vtun) => Mark::OneSide,
            _ => Mark::Shape,
        };
        let note = self.note().into();
        let tunnel = Tunnel { protocol: self.network.name(), class: TunnelClass::Vpn, mark, note, ..Tunnel::default() };
        self.sight.report(self.flow, tunnel, last, emit);
    }
}
