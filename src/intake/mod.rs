//! Evidence in: every file through its reader into conversations, facts, GPU series and episodes.

mod boots;
mod case;
mod contradictions;
mod episodes;
mod event_files;
mod facts;
mod fold;
mod join;
mod kept;
mod leave;
mod memory;
mod merge;
mod packed;
mod readings;
mod repeats;
mod segments;
mod source;
mod table;
mod years;
mod zones;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use crate::evidence::{Anomaly, AnomalyKind, EvidenceFile, EvidenceId, Head, Input, Paths, Taken, Watch, walk};
use crate::formats::{Collector, Format, Sink, registry};
use crate::model::{Conversation, Episode, EpisodeText, Observation, Step};
use crate::time::{Basis, Instant, TimeContext, YearSource, ZoneSource};
use fold::{Fold, Settled};

pub use case::{
    ApprovalRule, CaseError, CaseFile, EgressRule, GpuAllotment, GpuFacts, GpuName, HashPrice, Host, IndicatorList,
    Intel, Pattern, Run, SourceDeclaration, TimeParts, duration,
};
pub use facts::{
    AlertFact, CrossingFact, DnsFact, ExecutionFact, Facts, FileFact, GpuPoint, GpuProcessFact, GpuSeries,
    GpuSettingsFact, HttpFact, LeaseFact, MiningFact, NameFact, NameSource, ProbeFact, ProcessFact, QueryFact,
    SequenceFact, SshFact, Teller, TimeAnchor, TunnelFact, VerdictFact, WrittenFact,
};
pub use leave::LeftOut;
pub use memory::{Entry, Excess, Held, Ledger, Memory, Sorter, Stretch};
pub use packed::Packed;
pub use segments::BASE_GAP_NS;
pub use source::{EvidenceAnomaly, Source, Unread};
pub use zones::{Distinct, ZoneCount, ZoneFact};

/// How evidence is to be read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub case: CaseFile,
    /// `--input-format PATTERN=ID`, in the order given; the first that matches the shown name wins.
    pub formats: Vec<(Pattern, String)>,
    /// `--gpu-query PATTERN=COLUMNS`: what `nvidia-smi` was asked for, where its output has no header.
    pub gpu_queries: Vec<(Pattern, String)>,
    /// No table of conversations is wanted: a million of them need not be made into rows.
    pub omit_conversations: bool,
    /// What every single connection was attributed to is wanted.
    pub keep_attributions: bool,
    /// How far reading is, and whether it is to end.
    pub watch: Watch,
    /// How much memory evidence may take.
    pub memory: Arc<Memory>,
}

/// The evidence after one pass.
#[derive(Debug, Default)]
pub struct Intake {
    /// Sorted by shown name; `files[id.0]` and `sources[id.0]` belong to [`EvidenceId`] `id`.
    pub files: Vec<EvidenceFile>,
    pub sources: Vec<Source>,
    /// Paths that could not be listed, as messages.
    pub walk_errors: Vec<String>,
    /// Sorted by key, the evidence first.
    pub conversations: Ledger<Conversation>,
    pub facts: Facts,
    /// Sorted by id.
    pub episodes: Vec<Episode>,
    /// Sorted by episode and order; `index` is set. What came back is held apart: see [`Intake::output`].
    pub steps: Vec<Step>,
    outputs: Vec<Option<Packed>>,
    /// Sorted by episode and order; each with what was said, which [`EpisodeText::text`] does not hold.
    pub texts: Vec<(EpisodeText, Packed)>,
    pub anomalies: Vec<EvidenceAnomaly>,
    /// How each file was read, for [`replay`].
    readers: Vec<Reader>,
}

impl Intake {
    /// What came back from the step at that place of [`Intake::steps`].
    pub fn output(&self, step: usize) -> Option<Cow<'_, str>> {
        let step_output = self.steps.get(step)?.output.as_deref().map(Cow::Borrowed);
        step_output.or_else(|| self.outputs.get(step)?.as_ref().map(Packed::text))
    }
}

#[derive(Clone)]
struct Reader {
    format: Option<&'static dyn Format>,
    time: TimeContext,
    columns: Option<String>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.format.map(Format::id), self.time)
    }
}

/// A file with what probing made of it.
struct Probed {
    format: Option<&'static dyn Format>,
    reason: String,
    runner_up: Option<String>,
    compression: &'static str,
    /// The first moment in its head that lies on the UTC axis without an assumed year.
    anchor: Option<Instant>,
    /// Stamps in its head have no year.
    without_year: bool,
    /// Some of its times count from a boot.
    since_boot: bool,
    failure: Option<String>,
    empty: bool,
}

/// Finds and reads all evidence below `paths`, every file once (and its head once more, to know what it is and what
/// year it is from).
pub fn take_in(paths: &[PathBuf], options: &Options) -> Intake {
    let (files, errors) = walk(paths);
    let files: Vec<EvidenceFile> = files.into_iter().filter(|file| !options.case.is_case_file(&file.path)).collect();
    let probed: Vec<Probed> = files.par_iter().map(|file| probe(file, options)).collect();
    let neighbour = median(probed.iter().filter_map(|probed| probed.anchor).collect());
    let readers: Vec<Reader> = files
        .par_iter()
        .zip(&probed)
        .map(|(file, probed)| {
            let time = time_context(&file.name, neighbour, options);
            let time = years::in_order(file, probed, time);
            let columns = options.columns_of(&file.name).map(str::to_owned);
            Reader { format: probed.format, time: boots::in_order(file, probed, time), columns }
        })
        .collect();
    let among = Arc::new(Paths::of(&files));
    let settled: Vec<(Source, Settled)> = files
        .par_iter()
        .zip(&probed)
        .zip(&readers)
        .enumerate()
        .map(|(index, ((file, probed), reader))| {
            read(file, EvidenceId(index as u32), probed, reader, (&among, options))
        })
        .collect();
    let mut intake =
        Intake { files, readers, walk_errors: errors.iter().map(ToString::to_string).collect(), ..Intake::default() };
    let mut joins = episodes::Join::with_room_for(settled.iter().map(|(_, settled)| settled));
    let mut known: BTreeMap<(String, u64), String> = BTreeMap::new();
    for (index, (source, mut settled)) in settled.into_iter().enumerate() {
        let evidence = EvidenceId(index as u32);
        let content = (source.sha256.clone(), source.bytes);
        match known.get(&content).filter(|_| source.bytes > 0 && source.failure.is_none()) {
            // Two copies of a transcript would share every event between them: the first speaks for both.
            Some(first) => {
                let detail = format!("the same bytes as {first}, used once");
                let anomaly = Anomaly { record: 0, kind: AnomalyKind::Duplicate, detail };
                intake.anomalies.push(EvidenceAnomaly { evidence, anomaly, of: 1 });
                intake.readers[index].format = None;
                intake.sources.push(source);
                continue;
            }
            None => drop(known.insert(content, source.path.clone())),
        }
        joins.take(&mut settled);
        intake.anomalies.extend(settled.anomalies.into_values().flat_map(|(of, anomalies)| {
            anomalies.into_iter().map(move |anomaly| EvidenceAnomaly { evidence, anomaly, of })
        }));
        intake.conversations.append(settled.conversations);
        append(&mut intake.facts, settled.facts);
        intake.sources.push(source);
    }
    let joined = joins.finish();
    intake.anomalies.extend(joined.anomalies);
    intake.anomalies.extend(event_files::missing(&intake.sources));
    intake.anomalies.sort();
    (intake.episodes, intake.steps, intake.texts) = (joined.episodes, joined.steps, joined.texts);
    intake.outputs = joined.outputs;
    settle_episodes(&mut intake.episodes, &options.case);
    join::join(&mut intake);
    intake
}

/// Reads all evidence of an intake once more, each file into a sink of its own (`make` gets the index of the
/// source), and gives the sinks back in the order of the sources. For the timeline.
pub fn replay(intake: &Intake, make: &(dyn Fn(usize) -> Box<dyn Sink> + Sync)) -> Vec<Box<dyn Sink>> {
    let among = Arc::new(Paths::of(&intake.files));
    intake
        .files
        .par_iter()
        .zip(&intake.readers)
        .enumerate()
        .map(|(index, (file, reader))| {
            let mut sink = make(index);
            let input = Input::open(&file.name, &file.path, EvidenceId(index as u32));
            if let (Some(format), Ok(mut input)) = (reader.format, input) {
                input.columns.clone_from(&reader.columns);
                input.among = Some(Arc::clone(&among));
                // A failure was reported on the first pass; what comes before it is shown again.
                let _ = format.read(&mut input, &reader.time, sink.as_mut());
            }
            sink
        })
        .collect()
}

fn probe(file: &EvidenceFile, options: &Options) -> Probed {
    let mut probed = Probed {
        format: None,
        reason: "no format knows it".to_owned(),
        runner_up: None,
        compression: "",
        anchor: None,
        without_year: false,
        since_boot: false,
        failure: None,
        empty: file.bytes == 0,
    };
    let head = match Head::read(&file.name, &file.path) {
        Ok(head) => head,
        Err(error) => {
            probed.failure = Some(error.to_string());
            return probed;
        }
    };
    probed.compression = head.compression.name();
    if probed.empty {
        "an empty file".clone_into(&mut probed.reason);
        return probed;
    }
    let candidates = registry::probe(&head);
    let asked = options.format_of(&file.name);
    if let Some(id) = asked {
        probed.format = registry::by_id(id);
        probed.reason = format!("asked for: {id}");
    } else if let Some(columns) = options.columns_of(&file.name) {
        let of_processes = columns.split(',').any(|name| name.trim() == "pid");
        probed.format = registry::by_id(if of_processes { "nvidia-smi-apps" } else { "nvidia-smi-gpu" });
        "its columns are stated".clone_into(&mut probed.reason);
    } else if let Some(best) = candidates.first() {
        probed.format = registry::by_id(best.format);
        probed.reason = best.matched.reason().to_owned();
    }
    probed.runner_up = candidates
        .iter()
        .find(|candidate| probed.format.is_none_or(|format| format.id() != candidate.format))
        .map(|candidate| format!("{}: {}", candidate.format, candidate.matched.reason()));
    if let Some(format) = probed.format {
        let read = |parts: &TimeParts| {
            let mut found = Collector::default();
            let mut input = Input::from_bytes(&file.name, head.bytes.clone(), EvidenceId(0));
            input.columns = options.columns_of(&file.name).map(str::to_owned);
            // The head may end within a record or a compressed block: what could be read is enough for a date.
            let _ = format.read(&mut input, &parts.context(YearSource::Unknown), &mut found);
            found
        };
        let parts = options.case.time_context_for(&file.name);
        let found = read(&parts);
        let without_year = |found: &Collector| {
            let basis = |observation: &Observation<'_>| observation.span.map(|span| span.basis);
            found.observations.iter().any(|observation| basis(observation) == Some(Basis::UnknownYear))
        };
        // A declared year makes a date of every stamp: whether it was needed is seen without it.
        probed.without_year = match parts.year {
            Some(_) => without_year(&read(&TimeParts { year: None, ..parts })),
            None => without_year(&found),
        };
        let basis = |observation: &Observation<'_>| observation.span.map(|span| span.basis);
        probed.since_boot = found.observations.iter().any(|one| basis(one) == Some(Basis::BootRelative));
        let spans = found.observations.iter().filter_map(|observation| observation.span);
        let starts = found.steps.iter().filter_map(|step| step.start.map(|start| start.span));
        let texts = found.texts.iter().filter_map(|text| text.span);
        probed.anchor =
            spans.chain(starts).chain(texts).filter(|span| span.basis <= Basis::AssumedZone).map(|span| span.lo).min();
    }
    probed
}

/// The middle of the moments, the earlier of two: one odd date among many does not move it.
fn median(mut moments: Vec<Instant>) -> Option<Instant> {
    moments.sort();
    moments.get(moments.len().checked_sub(1)? / 2).copied()
}

fn time_context(name: &str, neighbour: Option<Instant>, options: &Options) -> TimeContext {
    let year = neighbour.map_or(YearSource::Unknown, YearSource::NearestTo);
    options.case.time_context_for(name).context(year)
}

fn read(
    file: &EvidenceFile,
    evidence: EvidenceId,
    probed: &Probed,
    reader: &Reader,
    (among, options): (&Arc<Paths>, &Options),
) -> (Source, Settled) {
    let watch = &options.watch;
    let mut fold = Fold::new(evidence, &options.memory);
    let mut failure = probed.failure.clone();
    let mut taken = Taken { bytes: file.bytes, ..Taken::default() };
    let opened = match watch.is_stopped() {
        true => Err(io::Error::other(Watch::STOPPED)),
        false => Input::open_watched(&file.name, &file.path, evidence, watch),
    };
    match opened {
        Ok(mut input) => {
            input.columns.clone_from(&reader.columns);
            input.among = Some(Arc::clone(among));
            if let Some(format) = reader.format
                && let Err(error) = format.read(&mut input, &reader.time, &mut fold)
            {
                failure = Some(error.to_string());
            }
            taken = input.finish();
            if taken.sha256.is_empty() && failure.is_none() {
                failure = Some("could not be read to its end".to_owned());
            }
        }
        Err(error) => failure = Some(error.to_string()),
    }
    if let Some(changed) = taken.changed {
        let detail = format!("{changed}; its hash is of what was read: analyse a copy that nothing writes to");
        fold.anomaly(Anomaly { record: 0, kind: AnomalyKind::ChangedWhileRead, detail });
    }
    if let Some(failure) = &failure {
        fold.anomaly(Anomaly {
            record: 0,
            kind: AnomalyKind::Unreadable,
            detail: format!("{failure}; what could be read before was used"),
        });
    }
    if reader.format.is_none() && !probed.empty && failure.is_none() {
        fold.anomaly(Anomaly {
            record: 0,
            kind: AnomalyKind::Unsupported,
            detail: "no format knows this file; if it is evidence, name its format with --input-format PATTERN=ID"
                .to_owned(),
        });
    }
    for detail in fold.left_out() {
        fold.anomaly(Anomaly { record: 0, kind: AnomalyKind::BoundReached, detail });
    }
    if fold.span.is_some_and(|span| span.basis == Basis::UnknownYear) {
        let detail = "its stamps have no year and nothing dates them; declare it with --year PATTERN=YYYY".to_owned();
        fold.anomaly(Anomaly { record: 0, kind: AnomalyKind::UndatedTimes, detail });
    }
    if let YearSource::ByRecord(years) = &reader.time.year {
        years::anomalies(years).into_iter().for_each(|anomaly| fold.anomaly(anomaly));
    }
    let dated = merge::dated(fold.span);
    let source = Source {
        path: file.name.clone(),
        sha256: taken.sha256,
        bytes: taken.bytes,
        format: reader.format.map(Format::id),
        kind: reader.format.map(Format::kind),
        compression: probed.compression,
        record_unit: reader.format.map_or("byte", Format::record_unit),
        reason: probed.reason.clone(),
        runner_up: probed.runner_up.clone(),
        records: fold.records,
        unread: fold.unread.values().map(|unread| unread.count).sum(),
        unread_reasons: fold.unread.values().cloned().collect(),
        first: dated.map(|(first, ..)| first),
        last: dated.map(|(_, last, _)| last),
        basis: fold.span.map(|span| span.basis),
        declared_zone: matches!(reader.time.zone, ZoneSource::Declared(_)),
        declared_offset_ns: reader.time.declared_offset_ns,
        year: reader.time.year.clone(),
        boots: reader.time.boots.iter().flat_map(|boots| boots.all()).collect(),
        failure,
    };
    // Here, where files are read beside each other.
    (source, fold.settle())
}

fn append(all: &mut Facts, more: Facts) {
    all.dns.extend(more.dns);
    all.queries.extend(more.queries);
    all.names.extend(more.names);
    all.http.extend(more.http);
    all.ssh.extend(more.ssh);
    all.mining.extend(more.mining);
    all.tunnels.extend(more.tunnels);
    all.zones.extend(more.zones);
    all.files.extend(more.files);
    all.probes.extend(more.probes);
    all.anchors.extend(more.anchors);
    all.crossings.extend(more.crossings);
    all.sequences.extend(more.sequences);
    all.written.extend(more.written);
    all.gpu.extend(more.gpu);
    all.gpu_processes.extend(more.gpu_processes);
    all.alerts.extend(more.alerts);
    all.verdicts.extend(more.verdicts);
    all.executions.extend(more.executions);
    all.processes.extend(more.processes);
    all.leases.extend(more.leases);
}

impl Options {
    /// The columns stated by `--gpu-query`, if any pattern matches.
    fn columns_of(&self, name: &str) -> Option<&str> {
        self.gpu_queries.iter().find(|(pattern, _)| pattern.matches(name)).map(|(_, columns)| columns.as_str())
    }

    /// The id of the format asked for by `--input-format`, if any pattern matches.
    fn format_of(&self, name: &str) -> Option<&str> {
        self.formats.iter().find(|(pattern, _)| pattern.matches(name)).map(|(_, id)| id.as_str())
    }
}

/// What the case says of episodes, and names that tell all of them apart.
fn settle_episodes(episodes: &mut [Episode], case: &CaseFile) {
    for episode in episodes.iter_mut() {
        if let Some(run) = case.run_of(episode.path()) {
            episode.run = Some(run.name.clone());
            episode.host = run.host.clone().or_else(|| episode.host.take());
            episode.reward_config = run.reward_config.clone().or_else(|| episode.reward_config.take());
        }
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for episode in episodes.iter() {
        *times.entry(episode.name.clone()).or_insert(0) += 1;
    }
    for episode in episodes.iter_mut() {
        if times.get(&episode.name).is_some_and(|times| *times > 1) {
            // The path tells files apart; the part behind # the episodes of one file.
            episode.name = episode.id.clone();
        }
    }
}

/// What tests of detectors need of the fold.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Arc, EvidenceId, Facts, Fold, Sink};

    pub(crate) fn fold(evidence: EvidenceId) -> Box<dyn Sink> {
        Box::new(Fold::new(evidence, &Arc::default()))
    }

    pub(crate) fn facts(sink: Box<dyn Sink>) -> Facts {
        sink.into_any().downcast::<Fold>().map(|fold| fold.settle().facts).unwrap_or_default()
    }
}
