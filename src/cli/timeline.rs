use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::DateTime;
use clap::{Args, ValueEnum};
use coincident::correlate::drift::Correction;
use coincident::formats::Sink;
use coincident::intake::{Intake, duration};
use coincident::report::explain;
use coincident::report::jsonl;
use coincident::report::observation::step_time;
use coincident::report::timeline::{Columns, Condition, Filter, Plan, Pool, Shape, TimelineSink, corrections};
use coincident::time::Instant;

use super::engine::{self, InForce};
use super::evidence::{Evidence, EvidenceArgs, exit_of};
use super::exit::{Outcome, Stop};
use super::output::{self, OutputFile, Voice};
use super::written;

/// Every observation and step of all sources, merged and sorted by corrected time; undated ones last
#[derive(Args, Debug)]
pub(crate) struct Timeline {
    #[command(flatten)]
    evidence: EvidenceArgs,
    /// What is printed on standard output, or written to --output
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: TimelineFormat,
    /// Write to a new file outside of the evidence, and nothing to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only rows of this kind (may be given several times)
    #[arg(long, value_name = "KIND", help_heading = "Filters")]
    kind: Vec<Kind>,
    /// Only rows that last to this moment or later: RFC 3339 with offset. Leaves undated rows out
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = "Filters")]
    from: Option<Instant>,
    /// Only rows that begin at this moment or earlier: RFC 3339 with offset. Leaves undated rows out
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = "Filters")]
    to: Option<Instant>,
    /// Only rows of this host, by name or address (may be given several times)
    #[arg(long, value_name = "HOST", help_heading = "Filters")]
    host: Vec<String>,
    /// Only the steps of this episode, and what was observed while it ran (may be given several times)
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    episode: Vec<String>,
    /// Only rows around a finding (F-0001) or a group of signals that no step explains (U-0001): from --window before
    /// its first moment to --window after its last. Leaves undated rows out
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    around: Option<String>,
    /// How far around it: 2m, 90s, 1h30m
    #[arg(long, value_name = "LENGTH", default_value = "2m", value_parser = duration, requires = "around",
          help_heading = "Filters")]
    window: i64,
    /// The output directory of `analyze -o` that has the finding; without it the evidence is analysed first
    #[arg(long, value_name = "DIR", requires = "around", help_heading = "Filters")]
    findings: Option<PathBuf>,
    /// Only rows of which this holds: 'dst_port == 3333 and action == "deny"'. Operators: == != < <= > >= ~ !~ (regular
    /// expression) in (…), and, or, not; networks for addresses
    #[arg(long = "where", value_name = "CONDITION", value_parser = Condition::parse, help_heading = "Filters")]
    condition: Option<Condition>,
    /// Which columns are shown; every one unless asked
    #[arg(long, value_name = "PROFILE", help_heading = "Columns")]
    profile: Option<Profile>,
    /// These columns, in this order, with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "profile", help_heading = "Columns")]
    columns: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// When, what, who, with whom
    Minimal,
    /// Also where the record is, how sure its time is, how much was moved
    Standard,
    /// Every column
    Verbose,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TimelineFormat {
    /// One header, fixed columns
    Csv,
    /// One JSON object per line
    Jsonl,
    /// CSV that Timesketch imports: message, datetime, timestamp_desc first. Dated rows only
    TimesketchCsv,
    /// JSON lines that Timesketch imports. Dated rows only
    TimesketchJsonl,
    /// Apache Parquet, for DuckDB, pandas and their like; needs --output
    Parquet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Step,
    Connection,
    Dns,
    Tls,
    Ssh,
    Http,
    Ntp,
    Mining,
    Tunnel,
    GpuSample,
    GpuProcess,
    Alert,
    Probe,
    File,
    Process,
    Lease,
    Other,
}

fn moment(text: &str) -> Result<Instant, String> {
    let parsed = DateTime::parse_from_rfc3339(text);
    let at = parsed.map_err(|_| "give RFC 3339 with an offset: 2026-11-20T14:13:46Z, 2026-11-20T22:13:46.5+08:00")?;
    at.timestamp_nanos_opt().map(Instant).ok_or_else(|| "outside of the years 1678 to 2262".to_owned())
}

fn write(plan: &Arc<Plan>, out: impl Write + Send) -> Result<u64, Stop> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let written = Arc::clone(plan).write(&mut out);
    let written = written.and_then(|rows| out.flush().map(|()| rows));
    written.map_err(|error| Stop::write("the timeline", &error))
}

impl Timeline {
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(Stop::usage("--from lies after --to"));
        }
        let columns = self.columns()?;
        if columns.is_some() && !matches!(self.format, TimelineFormat::Csv | TimelineFormat::Jsonl) {
            return Err(Stop::usage(
                "--columns and --profile: of csv and jsonl alone; the other formats have all columns",
            ));
        }
        let evidence = self.evidence.resolve(voice)?;
        let file = self.output.as_ref().map(|path| OutputFile::open(path, &evidence.paths)).transpose()?;
        if file.is_none() && matches!(self.format, TimelineFormat::Parquet) {
            return Err(Stop::usage("--format parquet: it is binary; give a file for it with --output FILE"));
        }
        let intake = evidence.take_in(voice)?;
        let clocks = engine::clocks(&intake, &evidence.options, rules);
        let corrections = corrections(&intake.sources, &clocks);
        let mut filter = self.filter(&intake, &corrections, &evidence)?;
        if let Some(id) = &self.around {
            let (from, to) = self.around(id, &intake, &evidence, rules, voice)?;
            filter.from = filter.from.max(Some(from));
            filter.to = Some(filter.to.map_or(to, |given| given.min(to)));
        }
        let shape = match self.format {
            TimelineFormat::Csv => Shape::Csv,
            TimelineFormat::Jsonl => Shape::Jsonl,
            TimelineFormat::TimesketchCsv => Shape::TimesketchCsv,
            TimelineFormat::TimesketchJsonl => Shape::TimesketchJsonl,
            TimelineFormat::Parquet => Shape::Parquet,
        };
        let plan = Arc::new(Plan {
            sources: intake.sources.clone(),
            corrections,
            filter,
            condition: self.condition.clone(),
            columns,
            shape,
            pool: Pool::default(),
            show_secrets: voice.show_secrets,
            left_out: AtomicU64::default(),
            masked: AtomicU64::default(),
        });
        plan.add_steps(&intake.episodes, &intake.steps);
        let make = |source| Box::new(TimelineSink::new(Arc::clone(&plan), source)) as Box<dyn Sink>;
        for sink in engine::replay(&intake, &make) {
            if let Ok(sink) = sink.into_any().downcast::<TimelineSink>() {
                sink.close();
            }
        }
        let rows = match file {
            Some(mut file) => {
                let rows = write(&plan, file.writer())?;
                file.keep()?;
                rows
            }
            None => write(&plan, io::stdout())?,
        };
        output::add_masked(plan.masked.load(Ordering::Relaxed));
        voice.progress(&format!("{rows} rows"));
        match plan.left_out.load(Ordering::Relaxed) {
            0 => {}
            undated => voice.say(&format!("{undated} undated rows left out: Timesketch takes none without a time")),
        }
        Ok(exit_of(&intake, voice))
    }

    fn columns(&self) -> Result<Option<Columns>, Stop> {
        if !self.columns.is_empty() {
            let named = Columns::named(&self.columns);
            return named.map(Some).map_err(|message| Stop::usage(format!("--columns: {message}")));
        }
        Ok(match self.profile {
            Some(Profile::Minimal) => Some(Columns::minimal()),
            Some(Profile::Standard) => Some(Columns::standard()),
            Some(Profile::Verbose) | None => None,
        })
    }

    /// From the window before the first moment of a finding to the window after its last.
    fn around(
        &self,
        id: &str,
        intake: &Intake,
        evidence: &Evidence,
        rules: &InForce,
        voice: Voice,
    ) -> Result<(Instant, Instant), Stop> {
        let lines = match &self.findings {
            Some(directory) => written::lines(directory)?.ok_or_else(|| {
                Stop::usage(format!(
                    "{}: no findings.jsonl and manifest.json here; give what `analyze -o` wrote",
                    directory.display()
                ))
            })?,
            None => {
                let (analysis, reading) = engine::analyze_kept(intake, &evidence.options, rules, voice);
                jsonl::lines(&analysis, &reading)
            }
        };
        let (first, last) = explain::extent(&lines, id)
            .ok_or_else(|| written::no_such_finding(id, &lines))?
            .ok_or_else(|| Stop::usage(format!("--around {id}: nothing dates it; filter by --episode or --host")))?;
        Ok((first.plus(self.window.saturating_neg()), last.plus(self.window)))
    }

    fn filter(&self, intake: &Intake, corrections: &[Correction], evidence: &Evidence) -> Result<Filter, Stop> {
        let mut filter = Filter {
            kinds: self.kind.iter().filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned())).collect(),
            from: self.from,
            to: self.to,
            hosts: self.host.clone(),
            addresses: self
                .host
                .iter()
                .filter_map(|host| evidence.options.case.host(host))
                .flat_map(|host| host.addresses.iter().copied())
                .collect(),
            episodes: self.episode.clone(),
            episode_spans: BTreeMap::new(),
        };
        let names: BTreeMap<&str, &str> =
            intake.episodes.iter().map(|episode| (episode.id.as_str(), episode.name.as_str())).collect();
        for wanted in &self.episode {
            if !names.iter().any(|(id, name)| id == wanted || name == wanted) {
                let known: Vec<&str> = names.values().take(20).copied().collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Stop::usage(format!("--episode {wanted}: no such episode; episodes here: {known}")));
            }
        }
        for step in &intake.steps {
            let name = names.get(&*step.episode).copied().unwrap_or_default();
            let Some(correction) = corrections.get(step.record.evidence.0 as usize) else { continue };
            let Some(span) = step_time(step, correction).filter(|_| filter.names_episode(name, &step.episode)) else {
                continue;
            };
            let entry = filter.episode_spans.entry(step.episode.to_string()).or_insert((span.lo, span.hi));
            *entry = (entry.0.min(span.lo), entry.1.max(span.hi));
        }
        Ok(filter)
    }
}
