use crate::time::Instant;

/// A packet that asks a host what it is, not for a service: no client sends such, and tools that tell operating systems
/// apart do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oddity {
    /// An ICMP echo request with a code other than 0 (RFC 792): xprobe2 sends 123, nmap 9.
    EchoCode,
    /// ICMP timestamp, information and address mask requests (RFC 792, RFC 950, deprecated by RFC 6918 but the first).
    Timestamp,
    Information,
    AddressMask,
    /// TCP flags of no connection: SYN, FIN, PSH and URG together, which nmap's T3 sends.
    SynFin,
    /// TCP without any flag: nmap's T2 and its NULL scan.
    NoFlags,
    /// FIN, PSH and URG without ACK: nmap's T7 and its Xmas scan.
    Xmas,
    /// A datagram of 300 times `C`: nmap's U1.
    Filler,
}

impl Oddity {
    /// In a few words, as in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Oddity::EchoCode => "echo request with a code",
            Oddity::Timestamp => "timestamp request",
            Oddity::Information => "information request",
            Oddity::AddressMask => "address mask request",
            Oddity::SynFin => "SYN with FIN",
            Oddity::NoFlags => "TCP without flags",
            Oddity::Xmas => "FIN, PSH and URG",
            Oddity::Filler => "300 bytes of C",
        }
    }
}

/// What one host sent another to see how it answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// With how many packets each, ascending.
    pub sent: Vec<(Oddity, u64)>,
    pub last: Option<Instant>,
    /// Records that carry it, the first of each kind first.
    pub proof: Vec<u64>,
}
