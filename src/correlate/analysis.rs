mod rates;

use std::net::IpAddr;

pub use rates::{ConfigRate, Preceding, Recurrence, Worst};

use super::drift::ClockSegment;
use super::gpu::GpuTrace;
use super::stability::Stability;

use crate::evidence::{EvidenceId, Record};
use crate::intake::{EvidenceAnomaly, Ledger, Source};
use crate::model::{Behaviour, Protocol, Signal};
use crate::time::{Basis, Instant, Span};

/// Everything `analyze` found out, ready to be reported. All times are on the reference clock (after correction)
/// unless a field says otherwise. All lists are in their final order.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// In the order of [`EvidenceId`]: `sources[id.0]`.
    pub sources: Vec<Source>,
    pub clocks: Vec<Clock>,
    pub signals: Vec<Signal>,
    pub findings: Vec<Finding>,
    pub unexplained: Vec<Unexplained>,
    pub uncovered: Vec<UncoveredStep>,
    pub episodes: Vec<EpisodeRow>,
    pub conversations: Ledger<ConversationRow>,
    /// What each connection was attributed to; empty unless [`crate::intake::Options::keep_attributions`].
    pub attributions: Vec<ConnectionStep>,
    /// What GPUs drew, thinned for drawing.
    pub gpu: Vec<GpuTrace>,
    pub alignment: Option<Alignment>,
    pub rates: Vec<ConfigRate>,
    /// By question, any behaviour first.
    pub recurrence: Vec<Recurrence>,
    /// By behaviour, the smallest P first.
    pub preceding: Vec<Preceding>,
    pub anomalies: Vec<EvidenceAnomaly>,
    /// Sentences that limit what may be said ("capture covers 60 % of ...").
    pub limits: Vec<String>,
}

/// How well a clock is known (design section 5). Timing conclusions need A or B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    A,
    B,
    C,
    D,
}

impl Grade {
    /// The letter.
    pub fn name(self) -> &'static str {
        match self {
            Grade::A => "A",
            Grade::B => "B",
            Grade::C => "C",
            Grade::D => "D",
        }
    }
}

/// The clock of one source (or of a group of files that share one) against the reference clock.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Name for reports: the path, or the common directory of a group.
    pub name: String,
    pub sources: Vec<EvidenceId>,
    pub basis: Basis,
    /// This is the reference.
    pub reference: bool,
    /// Source minus reference in nanoseconds: the middle of the best supported set. Of a clock with segments, in the middle
    /// of the one with most pairs; [`Clock::correction`] knows all.
    pub offset_ns: i64,
    /// The offsets with at least 0.8 of the support of the best: the uncertainty.
    pub support_ns: (i64, i64),
    /// What the offset is taken to be: whole quarter hours of zone error in nanoseconds, the rest being drift of the
    /// clock itself. 0 if the label of the zone is right.
    pub zone_error_ns: i64,
    pub grade: Grade,
    /// Keyed pairs offered, and how many agree with the offset.
    pub pairs: usize,
    pub inliers: usize,
    /// Support of the best offset further than 20 s away, relative to the best. Above 0.7: ambiguous.
    pub peak_ratio: f64,
    /// The runner-up offset, if any.
    pub runner_up_ns: Option<i64>,
    /// How it ran, as far as pairs tell: one segment, or several if it was set meanwhile. Empty if nothing was measured.
    pub segments: Vec<ClockSegment>,
    /// Stretches of its own time, both ends included, that no segment holds for: of boots that nothing ties.
    pub untied: Vec<(Instant, Instant)>,
    /// Against UTC, by the time that servers tell in what it recorded.
    pub utc: Option<UtcPin>,
    /// Against UTC as those state it who wrote its records down: a bound.
    pub writers: Option<WriterBound>,
    /// What each pair says, in order of time; evenly thinned where there are more than [`Clock::POINTS_KEPT`].
    pub points: Vec<ClockPoint>,
    /// How many pairs there are to draw.
    pub points_of: usize,
    /// How the offset was found: "keyed interval voting on address+port", "declared", "reference", "assumed".
    pub method: String,
    /// Further sentences: year decision, zone decision, ambiguity.
    pub notes: Vec<String>,
}

impl Clock {
    /// Bound on the pairs kept for drawing.
    pub const POINTS_KEPT: usize = 2048;
}

/// One pair: when it happened on the reference, and the offsets that it allows, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockPoint {
    pub at_ns: i64,
    pub lo_ns: i64,
    pub hi_ns: i64,
    /// The offset that was found lies in it.
    pub agrees: bool,
}

/// A clock minus UTC, by the votes of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcPin {
    /// In nanoseconds: the middle of what most servers allow, and its ends.
    pub offset_ns: i64,
    pub support_ns: (i64, i64),
    pub servers: usize,
    /// Servers that allow it.
    pub agreeing: usize,
    pub answers: usize,
    /// Mining pools whose jobs tell a time, and those that allow the offset. They bound a clock where no server pins it.
    pub pools: usize,
    pub pools_agreeing: usize,
    /// Machines that agents' tools ran on, which print their own time, and those of them that allow it.
    pub machines: usize,
    pub machines_agreeing: usize,
}

impl UtcPin {
    /// Whether enough servers agree that it may speak for the clock: three, and more than half of all. Machines in the
    /// hands of agents count as one more, all together.
    pub fn holds(&self) -> bool {
        let (agreeing, all) = (self.agreeing + self.machines_agreeing.min(1), self.servers + self.machines.min(1));
        agreeing >= 3 && agreeing * 2 > all
    }

    /// Whether more than half of those who tell agree.
    pub fn has_majority(&self) -> bool {
        (self.agreeing + self.machines_agreeing) * 2 > self.servers + self.machines
    }
}

/// A clock minus UTC, by records that were written down or passed on by clocks that state their offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterBound {
    /// In nanoseconds: at least the lower, for what is written down has happened; at most the upper, if the agreeing
    /// records were written within ten minutes.
    pub range_ns: (i64, i64),
    /// Records of which that is known (a share of them, where there are many), and those that agree.
    pub records: usize,
    pub agreeing: usize,
}

/// A step named by a finding.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRef {
    /// Name of the episode ([`EpisodeRow::name`]).
    pub episode: String,
    pub index: u32,
    pub record: Record,
    pub tool: String,
    pub command: Option<String>,
    /// On the reference clock; bounds only for order-only transcripts.
    pub span: Option<Span>,
}

/// Why a step and an event belong together, as a sum of weights of evidence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strength {
    /// Sum of the terms after caps, in bans (log10 of the likelihood ratio).
    pub log10_lr: f64,
    /// On the verbal scale that is printed beside it.
    pub words: &'static str,
    pub terms: Vec<Term>,
    /// P(no step | event) among the candidates.
    pub p_none: f64,
    /// P(this step | event) among the candidates.
    pub p_step: f64,
}

/// One weight of evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// "indicator", "identity", "lag", "persistence" or "absence".
    pub term: &'static str,
    /// What was observed, for a person.
    pub observed: String,
    pub log10_lr: f64,
    /// The counts that the number comes from.
    pub counts: String,
    /// The bound that applied, empty if none did.
    pub cap: String,
    pub records: Vec<Record>,
}

/// The rival hypotheses of correlation section 5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RivalId {
    Agent,
    SteeredByContent,
    ThirdPartyCode,
    ReplayedPrefix,
    ExternalCompromise,
    Misconfiguration,
    OtherTenant,
    Harness,
    Human,
}

impl RivalId {
    /// Every hypothesis, in the order of reports.
    pub const ALL: [RivalId; 9] = [
        RivalId::Agent,
        RivalId::SteeredByContent,
        RivalId::ThirdPartyCode,
        RivalId::ReplayedPrefix,
        RivalId::ExternalCompromise,
        RivalId::Misconfiguration,
        RivalId::OtherTenant,
        RivalId::Harness,
        RivalId::Human,
    ];

    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            RivalId::Agent => "agent",
            RivalId::SteeredByContent => "steered-by-content",
            RivalId::ThirdPartyCode => "third-party-code",
            RivalId::ReplayedPrefix => "replayed-prefix",
            RivalId::ExternalCompromise => "external-compromise",
            RivalId::Misconfiguration => "misconfiguration",
            RivalId::OtherTenant => "other-tenant",
            RivalId::Harness => "harness",
            RivalId::Human => "human",
        }
    }
}

/// One hypothesis with how it fares.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    pub hypothesis: RivalId,
    /// log10 likelihood relative to the best hypothesis: 0 for the best, negative for the others.
    pub log10_lr: f64,
    /// Observables that went into it, in the order of [`Judgement::rows`] that count.
    pub rows: Vec<RivalCell>,
    /// Rows that speak against it by a factor of ten or more (log10 P at most -1): Heuer's count of inconsistencies.
    pub inconsistent: usize,
}

/// How well one hypothesis goes with one observable.
#[derive(Clone, Debug, PartialEq)]
pub struct RivalCell {
    /// What was seen, as in [`RivalRow::observable`].
    pub observable: String,
    /// log10 P(observable | hypothesis).
    pub log10_p: f64,
    /// From a class of likelihood that a person chose, not from counts of the case.
    pub judged: bool,
}

/// One observable over all hypotheses.
#[derive(Clone, Debug, PartialEq)]
pub struct RivalRow {
    /// Short name that stays the same over cases, such as "literal-in-agent-text".
    pub id: &'static str,
    pub observable: String,
    /// The counts behind its cells; empty where all of them are judged.
    pub counts: String,
    /// Diagnosticity: largest minus smallest log10 P over the hypotheses.
    pub spread: f64,
    /// `false` if another row that says the same thing counts instead.
    pub counts_in: bool,
    /// Who leads if this row is left out: a hypothesis, or "undecided".
    pub leader_without: &'static str,
}

/// An observable that no source could show.
#[derive(Clone, Debug, PartialEq)]
pub struct MissingRow {
    /// Which source to fetch.
    pub source: String,
    /// The spread that it is expected to have, over its outcomes as the hypotheses now weigh.
    pub expected_spread: f64,
}

/// What the ranking of the rivals rests on (Heuer, Psychology of Intelligence Analysis (1999), chapter 8, with
/// likelihoods for cells).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    pub rows: Vec<RivalRow>,
    /// A smallest set of rows without which the leader is another: [`RivalRow::id`]s. Empty if no set changes it.
    pub overturned_without: Vec<&'static str>,
    /// How many sets of that size do.
    pub overturning_sets: usize,
    /// What would decide, the row with the largest expected spread first.
    pub missing: Vec<MissingRow>,
    /// Why no initiator is named although a hypothesis leads.
    pub withheld: Option<String>,
}

/// An episode and a behaviour that line up.
#[derive(Clone, Debug)]
pub struct Finding {
    /// "F-0001", in the order of reports.
    pub id: String,
    pub behaviour: Behaviour,
    /// Name of the episode.
    pub episode: String,
    pub run: Option<String>,
    pub steps: Vec<StepRef>,
    /// Ids of [`Analysis::signals`].
    pub signals: Vec<String>,
    pub strength: Strength,
    /// What is held to have started it: the best hypothesis' name, "undecided" if the best two are within 0.3 bans or
    /// [`Judgement::withheld`] says why.
    pub initiator: &'static str,
    /// Sorted by likelihood, the best first.
    pub rivals: Vec<Rival>,
    pub judgement: Judgement,
    /// Ids of MITRE ATT&CK, MITRE ATLAS and the OWASP Top 10 for Agentic Applications that it is consistent with.
    pub attack: Vec<&'static str>,
    pub atlas: Vec<&'static str>,
    pub owasp: Vec<&'static str>,
    /// "high", "medium" or "low".
    pub level: &'static str,
    /// One line: what lines up.
    pub summary: String,
    /// By which step what was seen was installed or left running, and where it is met again, if it is after the episode of
    /// that step or elsewhere.
    pub persistence: Option<String>,
    /// What evidence would decide between the leading hypotheses.
    pub would_decide: Vec<String>,
    /// What limits it: clock grades, gaps, missing sources.
    pub limits: Vec<String>,
    /// What it rests on; `None` unless [`super::stability::analyze`] was asked.
    pub stability: Option<Stability>,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
}

/// Signals that no step explains.
#[derive(Clone, Debug)]
pub struct Unexplained {
    pub behaviour: Behaviour,
    pub signals: Vec<String>,
    pub leading: &'static str,
    pub rivals: Vec<Rival>,
    pub judgement: Judgement,
    pub summary: String,
    pub would_decide: Vec<String>,
}

/// A step whose command is an act of a behaviour while no telemetry shows its effect.
#[derive(Clone, Debug)]
pub struct UncoveredStep {
    pub behaviour: Behaviour,
    pub step: StepRef,
    pub rule: String,
    /// "no telemetry covers this time", "covered, nothing seen", "blocked by the firewall", ...
    pub coverage: String,
}

/// An episode in the report.
#[derive(Clone, Debug)]
pub struct EpisodeRow {
    pub name: String,
    pub run: Option<String>,
    pub reward_config: Option<String>,
    pub reward: Option<f64>,
    pub agent: Option<String>,
    pub model: Option<String>,
    pub host: Option<String>,
    /// How the host is known: "declared", "transcript", "inferred from n indicator matches", empty.
    pub host_basis: String,
    pub path: String,
    pub steps: u32,
    /// On the reference clock.
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    /// Ids of its findings.
    pub findings: Vec<String>,
}

/// A conversation segment in the report, on the reference clock.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ConversationRow {
    pub evidence: EvidenceId,
    pub first: Instant,
    pub last: Instant,
    pub src: Option<IpAddr>,
    pub dst: Option<IpAddr>,
    pub dst_port: Option<u16>,
    pub protocol: Option<Protocol>,
    /// Names of the peer by DNS, SNI or Host.
    pub domains: Vec<String>,
    pub observations: u64,
    pub connections: u64,
    pub allowed: u64,
    pub denied: u64,
    pub bytes_out: Option<u64>,
    pub bytes_in: Option<u64>,
    pub packets_out: Option<u64>,
    pub packets_in: Option<u64>,
    pub first_record: u64,
    /// Ids of signals seen in it.
    pub signals: Vec<String>,
    /// The step held to have opened it, as (episode, index), with log10 LR.
    pub step: Option<(String, u32, f64)>,
    /// Of all connections of the conversation ([`crate::detect::beacon::score`]).
    pub beacon_score: Option<f64>,
}

/// A connection and the step that does best for it, whether or not it does well.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionStep {
    pub evidence: EvidenceId,
    /// On the reference clock.
    pub at: Instant,
    pub src: Option<IpAddr>,
    pub src_port: Option<u16>,
    pub dst: Option<IpAddr>,
    pub dst_port: Option<u16>,
    /// Name of the episode and index of the step. `None` if no step could have opened it.
    pub step: Option<(String, u32)>,
    /// log10 LR of that step against none, and the shares of that step and of none.
    pub log10_lr: f64,
    pub p_step: f64,
    pub p_none: f64,
}

/// The outcome of one jitter test (correlation section 4.2).
#[derive(Clone, Debug, PartialEq)]
pub struct AlignmentTest {
    pub onsets: usize,
    pub in_window: usize,
    /// Expected by chance: the sum of the coverage shares.
    pub expected: f64,
    /// P(at least `in_window` by chance), exact Poisson-binomial tail.
    pub p: f64,
}

/// Is the alignment better than chance?
#[derive(Clone, Debug)]
pub struct Alignment {
    pub test: AlignmentTest,
    /// The same with the session gap at a third and at three times its length.
    pub at_gaps: Vec<(String, AlignmentTest)>,
    pub positive_control: Option<AlignmentTest>,
    pub negative_exposure: Option<AlignmentTest>,
    pub negative_outcome: Option<AlignmentTest>,
    /// Half-width of the jitter in nanoseconds.
    pub jitter_ns: i64,
    /// Exposure windows run from `-before` to `+after` around a call, in nanoseconds.
    pub window_ns: (i64, i64),
    /// Share of the covered time that lies inside of exposure windows.
    pub duty_cycle: f64,
    /// `None`: conclusions may be drawn. Otherwise why they are withheld.
    pub withheld: Option<String>,
    pub sentences: Vec<String>,
}

#[cfg(test)]
mod tests;
