//! What lines up: clocks, identity, indicators, strength, alignment, rivals, findings.

mod acts;
mod alignment;
mod allotted;
mod analysis;
mod attribute;
pub mod attribution;
mod clocks;
mod coverage;
pub mod drift;
mod events;
mod findings;
mod gpu;
mod identity;
pub mod jitter;
#[cfg(test)]
mod kit;
mod leases;
mod limits;
mod names;
mod persisted;
mod precede;
mod processes;
mod rates;
mod rivals;
mod rows;
mod signals;
pub mod stability;
mod steptime;
mod tokens;
mod traced;
mod traffic;
pub mod vote;
mod witnesses;
pub mod zone;

pub use crate::intake::EvidenceAnomaly;
pub use gpu::{GpuTrace, GpuTracePoint};

pub use analysis::{
    Alignment, AlignmentTest, Analysis, Clock, ClockPoint, ConfigRate, ConnectionStep, ConversationRow, EpisodeRow,
    Finding, Grade, Judgement, MissingRow, Preceding, Recurrence, Rival, RivalCell, RivalId, RivalRow, StepRef,
    Strength, Term, UncoveredStep, Unexplained, UtcPin, Worst, WriterBound,
};

use std::collections::BTreeSet;

use crate::detect;
use crate::detect::rules::RuleSet;
use crate::formats::Kind;
use crate::intake::{CaseFile, Intake, Ledger, Options};
use crate::model::{ConversationKey, Signal};
use acts::Act;
use attribute::{Attributor, Steps, Yardstick};
use clocks::Clocks;
use events::Event;
use identity::Identity;
use names::Names;
use signals::Placed;
use stability::Varied;
use traffic::Traffic;
use witnesses::{Aligned, Witnesses};

/// The clocks of all sources against one reference.
pub fn clocks(intake: &Intake, case: &CaseFile, rules: &RuleSet) -> Vec<Clock> {
    let acts = acts::understand(intake, rules);
    let names = Names::new(&intake.facts, acts::printed_resolutions(intake)).learn(intake, &acts);
    clocks::find(intake, case, &acts, &names).rows
}

/// The main job: what lines up with what, how strongly, against which rivals.
pub fn analyze(intake: &Intake, options: &Options, rules: &RuleSet) -> Analysis {
    correlated(intake, options, rules, acts::understand(intake, rules), false).0
}

/// Everything behind the understanding of commands; with the test against chance at other settings if that is asked for.
fn correlated(
    intake: &Intake,
    options: &Options,
    rules: &RuleSet,
    mut acts: Vec<Act>,
    vary: bool,
) -> (Analysis, Option<Varied>) {
    let names = Names::new(&intake.facts, acts::printed_resolutions(intake)).learn(intake, &acts);
    let clocks = clocks::find(intake, &options.case, &acts, &names);
    acts::note_unresolved(&mut acts, &names);
    let identity = Identity::new(intake, &options.case, &acts, &names, &clocks);
    acts::share(&mut acts, intake, &options.case, &identity, rules);
    acts::let_go(&mut acts);
    let mut seen = detected(intake, options, rules);
    let (unallotted, of_allotments) = allotted::held_against(intake, options, &clocks);
    seen.extend(unallotted);
    let seen: Vec<Signal> = seen.into_iter().map(|signal| signals::align(signal, &clocks)).collect();
    let memory = &options.memory;
    let everywhere = events::events(intake, &clocks, &names, &acts, &asked_for(intake, &seen), memory);
    let mut times = steptime::step_times(intake, &clocks);
    steptime::bound_by_order(&mut times, intake, &acts, &everywhere, &identity, &clocks);
    let steps = Steps { intake, acts: &acts, times: &times, identity: &identity };
    // Where the agents' hosts are known, nothing that other hosts opened can be a step's doing.
    let by_agent = |event: &Event<'_>| event.src.is_some_and(|src| identity.is_agent_at(src, event.at));
    let of_agents = identity.knows_agents().then(|| everywhere.filtered(memory, by_agent));
    let theirs = of_agents.as_ref().unwrap_or(&everywhere);
    let traffic = Traffic::new(theirs, &acts);
    let yardstick = Yardstick::new(&steps, &traffic, timing_holds(intake, &clocks));
    let placed = Placed::new(seen, theirs, &steps, &clocks, &names);
    let attributor = Attributor::new(&yardstick, &steps, theirs, &placed.others);
    let mut traced = placed.trace(theirs, &steps, &attributor);
    let lined_up = attributor.lined_up(theirs);
    let named = signals::named_by_command(theirs, &lined_up, &attributor, &traced, &steps, &names);
    traced.extend(named);
    traced.extend(signals::from_commands(&steps));
    traced.extend(limits::crossed(&steps, &options.case, &names));
    signals::number(&mut traced);
    let alignment = alignment::test(&traced, &traffic, &everywhere, &steps, &clocks);
    let aligned = alignment.as_ref().and_then(Aligned::of);
    let witnesses = Witnesses::new(&steps, (&clocks, &names), &options.case, (&everywhere, &traffic), aligned, &traced);
    let mut assembled = findings::assemble(&traced, &steps, &clocks, &witnesses);
    let uncertain = coverage::note(&mut assembled.findings, &traced, &witnesses);
    let varied = vary.then(|| stability::vary(&traced, &traffic, &everywhere, &steps, &clocks, &witnesses));
    let uncovered = findings::uncovered(&assembled.findings, &steps, &witnesses);
    persisted::note(&mut assembled.findings, theirs, &lined_up, &steps);
    let episodes = rows::episodes(&mut assembled.findings, &steps);
    let (rates, mut limits) = rates::rates(&episodes, &assembled.findings, &options.case);
    let recurrence = rates::recurrence(&episodes, &assembled.findings, &options.case);
    let (preceding, unasked) = precede::preceding(&assembled.findings, &steps);
    limits.extend(unasked);
    limits.extend(names_limit(&names));
    limits.extend(uncertain);
    limits.extend(of_allotments);
    let kept = if options.keep_attributions { rows::connections(theirs, &attributor, &steps) } else { Vec::new() };
    // Rows of conversations are many; what stood for all that came before is not needed beside them.
    drop((witnesses, attributor));
    drop((acts, times));
    let conversations = if options.omit_conversations {
        Ledger::default()
    } else {
        rows::conversations(&traced, theirs, &lined_up, intake, (&clocks, &names), memory)
    };
    let analysis = Analysis {
        sources: intake.sources.clone(),
        signals: traced.into_iter().map(|one| one.signal).collect(),
        findings: assembled.findings,
        unexplained: assembled.unexplained,
        uncovered,
        episodes,
        conversations,
        attributions: kept,
        gpu: gpu::traces(intake, &clocks),
        alignment,
        rates,
        recurrence,
        preceding,
        anomalies: intake.anomalies.clone(),
        limits,
        clocks: clocks.rows,
    };
    (analysis, varied)
}

/// What has to be known of names that nothing resolves.
fn names_limit(names: &Names) -> Option<String> {
    let tied = names.repeated();
    (tied > 0).then(|| {
        format!(
            "Nothing resolves {tied} of the names in commands; each is held to be the address that connections went to \
             within its calls, again and again. Clocks compared by them are of grade B at best."
        )
    })
}

/// Which conversations are looked at connection by connection: all, if there are steps that may have opened them; else
/// those of signals, and ways into a host, which tell rivals apart. Keeps a large log without transcripts small; the thousand
/// targets of a sweep have no beat of their own.
fn asked_for(intake: &Intake, signals: &[Signal]) -> impl Fn(&ConversationKey) -> bool {
    let all = !intake.steps.is_empty();
    let flows = signals.iter().flat_map(|signal| &signal.flow).filter(|flow| flow.dst.is_some());
    let peers: BTreeSet<_> = flows.map(|flow| (flow.dst, flow.dst_port)).collect();
    let leads_in = |port: Option<u16>| port.is_some_and(|port| witnesses::WAYS_IN.iter().any(|way| way.port == port));
    move |key| all || leads_in(key.dst_port) || peers.contains(&(key.dst, key.dst_port))
}

/// Lags are weighed only if the transcripts' clock and that of some network source are of grade A or B.
fn timing_holds(intake: &Intake, clocks: &Clocks) -> bool {
    let best = |kinds: &[Kind]| {
        clocks
            .rows
            .iter()
            .filter(|clock| {
                let kind = clock.sources.first().and_then(|id| intake.sources[id.0 as usize].kind);
                kind.is_some_and(|kind| kinds.contains(&kind))
            })
            .map(|clock| clock.grade)
            .min()
            .is_some_and(|grade| grade <= Grade::B)
    };
    best(&[Kind::Capture, Kind::Firewall]) && best(&[Kind::Transcript])
}

/// All signals of detectors and rules in the telemetry, on the clocks of their sources.
fn detected(intake: &Intake, options: &Options, rules: &RuleSet) -> Vec<Signal> {
    let of_content = || {
        let mut all = detect::network::protocols(&intake.facts, &options.case.hash_prices);
        all.extend(detect::tunnel::carriers(&intake.facts));
        all.extend(detect::zone::carriers(&intake.facts));
        all.extend(detect::resolver::encrypted(&intake.facts, &intake.conversations));
        all.extend(detect::download::files(&intake.facts));
        all.extend(detect::download::hosts(&intake.facts, &intake.conversations));
        all.extend(detect::network::names(&intake.facts, rules));
        all.extend(detect::verdict::sensors(&intake.facts));
        all.extend(detect::execution::commands(&intake.facts, rules));
        all.extend(detect::network::connections(&intake.conversations, rules));
        all
    };
    let (mut all, sweeps) = rayon::join(of_content, || detect::probing::sweeps(&intake.conversations));
    all.extend(detect::services::tried(&intake.conversations, &sweeps));
    all.extend(sweeps);
    all.extend(detect::fingerprint::hosts(&intake.facts));
    // Where GPUs are allotted, that tells who belongs where nothing else does.
    let by_allotment = (!options.case.gpu.allotments.is_empty()).then_some(true);
    let allocated = |process: &str| options.case.is_allocated(process).or(by_allotment);
    let (processes, series) = (&intake.facts.gpu_processes, &intake.facts.gpu);
    let price = options.case.gpu.price_per_gpu_hour;
    all.extend(detect::gpu::foreign_processes(processes, series, &allocated, price));
    all.extend(detect::gpu::accounted_processes(processes, series));
    all.extend(detect::gpu::footprint_steps(series));
    all.extend(detect::gpu::compute_plateaus(series));
    all.extend(detect::gpu::settings_changed(series));
    all.extend(detect::gpu::changes(series));
    all.extend(detect::gpu::beats_changed(series));
    all.extend(detect::network::denied(&intake.conversations, &all));
    all
}

#[cfg(test)]
mod tests;
