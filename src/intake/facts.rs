//! What is kept of the evidence beside conversations: distinct facts, each with where it stands.

use std::net::IpAddr;

use super::memory::{Held, Ledger};
use super::zones::ZoneFact;
use crate::evidence::Record;
use crate::model::{Action, Behaviour, File, Flow, GpuSettings, Http, Mining, Probe, Ssh, Tunnel};
use crate::time::{Instant, Span};

/// A name had an address, by a DNS answer.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsFact {
    pub name: String,
    pub address: IpAddr,
    /// The client that asked.
    pub client: Option<IpAddr>,
    pub first: Option<Span>,
    pub record: Record,
    pub count: u64,
}

/// A name was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryFact {
    pub name: String,
    pub client: Option<IpAddr>,
    pub first: Option<Span>,
    pub record: Record,
    pub count: u64,
}

/// Where a name was spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameSource {
    /// TLS server name indication.
    Sni,
    /// The server's certificate, where the client named no server and the certificate names few.
    Certificate,
    /// HTTP Host.
    Host,
    /// A firewall or proxy names the peer so.
    Device,
}

/// A name was spoken to a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct NameFact {
    pub name: String,
    pub source: NameSource,
    /// Source port left out: the fact is about opener, peer and port.
    pub flow: Flow,
    pub first: Option<Span>,
    pub last: Option<Instant>,
    pub record: Record,
    pub count: u64,
}

/// A distinct request.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpFact {
    pub flow: Flow,
    pub http: Http,
    pub first: Option<Span>,
    pub record: Record,
    pub count: u64,
}

/// An SSH session.
#[derive(Clone, Debug, PartialEq)]
pub struct SshFact {
    pub flow: Flow,
    pub ssh: Ssh,
    pub span: Option<Span>,
    pub record: Record,
}

/// A conversation with a pool in the clear.
#[derive(Clone, Debug, PartialEq)]
pub struct MiningFact {
    pub flow: Flow,
    pub mining: Mining,
    pub span: Option<Span>,
    pub record: Record,
}

/// A protocol that carries other traffic, between one opener and one port of one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct TunnelFact {
    /// Source port left out.
    pub flow: Flow,
    /// The best sight of it; packets are summed, proofs are those of the earliest conversations.
    pub tunnel: Tunnel,
    /// Where it led, distinct and sorted, at most [`TunnelFact::TARGETS_KEPT`].
    pub targets: Vec<String>,
    pub span: Option<Span>,
    pub record: Record,
    /// Conversations.
    pub count: u64,
}

impl TunnelFact {
    /// Bound on the targets kept by name.
    pub const TARGETS_KEPT: usize = 64;
    /// Bound on the records of proof kept.
    pub const PROOF_KEPT: usize = 16;
}

/// A file that came over the network.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFact {
    pub flow: Flow,
    pub file: File,
    pub span: Option<Span>,
    pub record: Record,
}

/// What one host sent another to see how it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeFact {
    /// Addresses alone.
    pub flow: Flow,
    pub probe: Probe,
    pub span: Option<Span>,
    pub record: Record,
}

/// A server told its own time: seen at `seen` on the clock of the source, `told` on the server's: in whole seconds (the
/// `Date` of HTTP) or finer (NTP), or as the time of a job that a pool has given out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeAnchor {
    pub teller: Teller,
    pub seen: Instant,
    pub told: Instant,
    /// What the server's time was cut to, in nanoseconds.
    pub resolution_ns: i64,
    pub server: Option<IpAddr>,
    pub record: Record,
}

/// Who tells a time, and so how old it may be when it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    /// A server that is asked for anything, or for the time itself: as it is when the answer is sent.
    Server,
    /// A mining pool: as it was when the block to be found was put together.
    Pool,
}

/// The first sequence number of a connection's opener (RFC 9293): with the peer it tells one connection from all others,
/// whatever happens to the opener's address on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceFact {
    pub flow: Flow,
    pub sequence: u32,
    pub at: Instant,
    pub record: Record,
}

impl SequenceFact {
    /// Bound per evidence; the first are kept. Clocks are compared by them, and need no more.
    pub const KEPT: usize = 20_000;
}

/// A connection on the other side of address translation, as its record states it: what a capture there shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossingFact {
    /// With the translated addresses and ports in place of those that the record's conversation goes by.
    pub flow: Flow,
    pub at: Instant,
    pub record: Record,
}

impl CrossingFact {
    /// Bound per evidence; the first are kept. Clocks are compared by them, and need no more.
    pub const KEPT: usize = 20_000;
}

/// A record whose own time states no offset from UTC was written or passed on by a clock that states one: after what it
/// tells of, however late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrittenFact {
    /// The latest moment that the record tells of, on its own clock.
    pub own: Span,
    /// On the other.
    pub written: Span,
    pub record: Record,
}

impl WrittenFact {
    /// Bound per evidence; the first are kept. Clocks are compared by them, and need no more.
    pub const KEPT: usize = 20_000;
}

/// One reading of one GPU, compact. What the reading lacks is NaN-free: `None`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GpuPoint {
    pub at: Instant,
    pub record: u64,
    pub utilization_percent: Option<f32>,
    pub memory_utilization_percent: Option<f32>,
    pub memory_used_mib: Option<f32>,
    pub power_w: Option<f32>,
    pub sm_clock_mhz: Option<f32>,
}

impl GpuPoint {
    /// A reading that tells nothing yet.
    pub fn empty(at: Instant, record: u64) -> GpuPoint {
        GpuPoint {
            at,
            record,
            utilization_percent: None,
            memory_utilization_percent: None,
            memory_used_mib: None,
            power_w: None,
            sm_clock_mhz: None,
        }
    }
}

/// Readings of one GPU in one evidence, in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuSeries {
    pub evidence: crate::evidence::EvidenceId,
    /// UUID, or index where there is no UUID, or empty.
    pub gpu: String,
    pub index: Option<u32>,
    pub points: Ledger<GpuPoint>,
    /// In order of time. Of readings in a row that state the same, the first and the last.
    pub settings: Vec<GpuSettingsFact>,
}

impl GpuSeries {
    /// A series without readings.
    pub fn new(evidence: crate::evidence::EvidenceId, gpu: String) -> GpuSeries {
        GpuSeries { evidence, gpu, index: None, points: Ledger::default(), settings: Vec::new() }
    }

    /// Readings from one moment to another.
    pub fn during(&self, first: Instant, last: Instant) -> impl Iterator<Item = Held<'_, GpuPoint>> {
        let before = self.points.partition_point(|point| point.at < first);
        let within = self.points.partition_point(|point| point.at <= last);
        self.points.within(before..within)
    }
}

/// What one reading states of what is set on its GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuSettingsFact {
    pub at: Instant,
    pub record: u64,
    pub settings: GpuSettings,
}

impl GpuSettingsFact {
    /// Takes the next reading, and drops the one before where those on both sides of it state the same.
    pub(super) fn follow(all: &mut Vec<GpuSettingsFact>, next: GpuSettingsFact) {
        if let [.., before, last] = all.as_mut_slice()
            && before.settings == last.settings
            && last.settings == next.settings
        {
            *last = next;
        } else {
            all.push(next);
        }
    }
}

/// A process on a GPU, over all polls that showed it.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuProcessFact {
    pub gpu: String,
    pub pid: Option<u32>,
    pub process: Option<String>,
    pub first: Option<Span>,
    pub last: Option<Span>,
    pub first_record: Record,
    pub last_record: Record,
    pub polls: u64,
    pub memory_used_max_mib: Option<f64>,
    /// Of a process in the accounting of the driver: the longest that it was active, in milliseconds, and its share of
    /// the GPU over its life. `first` and `last` are then the queries that told of it, not when it ran.
    pub accounted_ms: Option<u64>,
    pub utilization_percent: Option<f64>,
}

/// What a service reported, distinct by (category, user, source address).
#[derive(Clone, Debug, PartialEq)]
pub struct AlertFact {
    pub category: String,
    pub user: Option<String>,
    pub host: Option<String>,
    pub src: Option<IpAddr>,
    pub message: String,
    pub first: Option<Span>,
    pub last: Option<Span>,
    pub record: Record,
    pub count: u64,
}

/// A sensor's own words name a behaviour: what it says of one opener and one port of one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictFact {
    pub behaviour: Behaviour,
    /// The sensor's words: a signature or attack, else a category or application.
    pub message: String,
    /// "threat" or "category", as of the alert.
    pub category: String,
    /// Source port left out.
    pub flow: Flow,
    pub host: Option<String>,
    pub action: Option<Action>,
    pub first: Option<Span>,
    pub last: Option<Instant>,
    pub record: Record,
    pub count: u64,
}

/// A program ran, distinct by machine, user and command.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionFact {
    pub command: String,
    pub process: Option<String>,
    pub pid: Option<u32>,
    pub user: Option<String>,
    pub host: Option<String>,
    pub first: Option<Span>,
    pub record: Record,
    pub count: u64,
}

/// A process as one record tells of it: that it began to run a program, opened or accepted a connection, or reported
/// something. Pids come again; which sights are of one process is for who looks at them in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessFact {
    /// The machine, if the record names it.
    pub host: Option<String>,
    pub pid: u32,
    pub parent_pid: Option<u32>,
    /// Path or name of its program, and of the program that started it.
    pub process: Option<String>,
    pub parent_process: Option<String>,
    /// Its arguments, where the record is of its beginning.
    pub command: Option<String>,
    /// Of the connection that the record is about.
    pub flow: Option<Flow>,
    pub span: Option<Span>,
    pub record: Record,
}

impl ProcessFact {
    /// Bound per evidence; the first are kept.
    pub const KEPT: usize = 200_000;
}

/// A DHCP server gave an address to a host, or got it back.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseFact {
    pub address: IpAddr,
    pub hardware: String,
    pub name: Option<String>,
    pub ended: bool,
    pub span: Option<Span>,
    pub record: Record,
}

impl LeaseFact {
    /// Bound per evidence; the first are kept.
    pub const KEPT: usize = 200_000;
}

/// All of it. Every list is sorted by evidence and record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub dns: Vec<DnsFact>,
    pub queries: Vec<QueryFact>,
    pub names: Vec<NameFact>,
    pub http: Vec<HttpFact>,
    pub ssh: Vec<SshFact>,
    pub mining: Vec<MiningFact>,
    pub tunnels: Vec<TunnelFact>,
    pub zones: Vec<ZoneFact>,
    pub files: Vec<FileFact>,
    pub probes: Vec<ProbeFact>,
    pub anchors: Vec<TimeAnchor>,
    pub crossings: Vec<CrossingFact>,
    pub sequences: Vec<SequenceFact>,
    pub written: Vec<WrittenFact>,
    pub gpu: Vec<GpuSeries>,
    pub gpu_processes: Vec<GpuProcessFact>,
    pub alerts: Vec<AlertFact>,
    pub verdicts: Vec<VerdictFact>,
    pub executions: Vec<ExecutionFact>,
    pub processes: Vec<ProcessFact>,
    pub leases: Vec<LeaseFact>,
}
