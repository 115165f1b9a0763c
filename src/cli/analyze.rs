use std::path::PathBuf;

use clap::{Args, ValueEnum};
use coincident::correlate::Analysis;
use coincident::intake::IndicatorList;
use coincident::report::custody::{self, MANIFEST, SIGNATURE, SUMS};
use coincident::report::lines::Line;
use coincident::report::manifest::{FileHash, Manifest};
use coincident::report::{Reading, attack_flow, case, csv, html, jsonl, parquet, sarif, stix, table};
use ssh_key::PrivateKey;

use super::engine::{self, InForce};
use super::evidence::{Evidence, EvidenceArgs};
use super::exit::{Exit, Outcome, Stop};
use super::output::{Begun, OutputDir, Voice};
use super::signing;

/// The main job: which steps line up with which events, how strongly, against which rivals
#[derive(Args, Debug)]
pub(crate) struct Analyze {
    #[command(flatten)]
    evidence: EvidenceArgs,
    /// Write all results into a new or empty directory outside of the evidence
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write into a directory that is not empty, replacing earlier results
    #[arg(long, requires = "output")]
    force: bool,
    /// Write every table as Apache Parquet, too, for DuckDB, pandas and their like
    #[arg(long, requires = "output")]
    parquet: bool,
    /// Sign the manifest with this OpenSSH private key (ed25519 or ecdsa-sha2-nistp256, without a passphrase)
    #[arg(long, value_name = "KEY", requires = "output")]
    sign: Option<PathBuf>,
    /// What is printed on standard output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: AnalyzeFormat,
    /// Tell of each finding what it rests on: the analysis again without each network source, and with other settings
    #[arg(long)]
    stability: bool,
    /// Leave with exit code 1 if there is a finding of this level or a higher one
    #[arg(long, value_name = "LEVEL")]
    fail_on: Option<Level>,
}

/// How an analysis is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnalyzeFormat {
    /// For people
    Table,
    /// One row per finding
    Csv,
    /// One JSON object per line
    Jsonl,
    /// SARIF 2.1.0, for pages of code-scanning results
    Sarif,
    /// A bundle of STIX 2.1, for platforms that share what was seen
    Stix,
    /// An Attack Flow 2 (STIX 2.1 with its extension): the acts of each episode in the order of time
    AttackFlow,
    /// CASE/UCO JSON-LD: what was done to which evidence, and what came of it
    Case,
}

/// Levels of findings, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    Low,
    Medium,
    High,
}

impl Level {
    /// The level of that name. A name that is not known counts as high: better one look too many.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "low" => Level::Low,
            "medium" => Level::Medium,
            _ => Level::High,
        }
    }
}

const TABLES: [&str; 7] =
    ["findings", "episodes", "conversations", "clocks", "rates", "recurrence", "recurrence-tests"];

/// The files that are written.
fn names(parquet: bool) -> Vec<String> {
    let tables = |extension: &'static str| TABLES.iter().map(move |name| format!("{name}.{extension}"));
    let mut names: Vec<String> = tables("csv").collect();
    if parquet {
        names.extend(tables("parquet"));
    }
    names.extend(["findings.jsonl", "report.html", SUMS, SIGNATURE, MANIFEST].map(str::to_owned));
    names
}

impl Analyze {
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        let key = self.sign.as_deref().map(signing::private_key).transpose()?;
        let mut evidence = self.evidence.resolve(voice)?;
        evidence.options.omit_conversations = self.output.is_none();
        let output = match &self.output {
            Some(path) => Some(OutputDir::open(path, &names(self.parquet), self.force, &evidence.paths)?),
            None => None,
        };
        let intake = match evidence.take_in(voice) {
            Err(stop) if self.format == AnalyzeFormat::Jsonl => {
                // Readers of the lines wait for a summary, also of nothing.
                voice.print(jsonl::render(&jsonl::lines(&Analysis::default(), &Reading::default())).as_bytes())?;
                return Err(stop);
            }
            intake => intake?,
        };
        let analyze = if self.stability { engine::analyze_stability } else { engine::analyze };
        let (analysis, reading) = analyze(intake, &evidence.options, rules, voice);
        if let Some(output) = output {
            let mut files = files(&analysis, &reading, voice, &output)?;
            if self.parquet {
                files.extend(parquet_files(&analysis, voice, &output)?);
            }
            let mut manifest = begun(&analysis, &reading, (&evidence, rules, self.arguments(&evidence, rules)));
            manifest.outputs = files.iter().map(Begun::hash).collect();
            for (name, bytes) in sealed(&manifest, key.as_ref())? {
                files.push(output.begin_with(&name, &bytes)?);
            }
            output.finish(files)?;
        }
        match self.format {
            AnalyzeFormat::Table => {
                let options = table::TableOptions {
                    zone: voice.zone,
                    screen: voice.screen,
                    verbose: voice.verbose,
                    output: self.output.as_ref().map(|path| path.display().to_string()),
                };
                voice.print(table::render(&analysis, &reading, &options).as_bytes())?;
            }
            AnalyzeFormat::Csv => voice.print(&csv::findings(&analysis).csv()?)?,
            AnalyzeFormat::Jsonl => {
                voice.print_each(jsonl::each(&analysis, &reading).map(|line| jsonl::to_line(&line)))?;
            }
            AnalyzeFormat::Sarif => voice.print(sarif::render(&analysis, &reading).as_bytes())?,
            AnalyzeFormat::Stix => voice.print(stix::render(&analysis).as_bytes())?,
            AnalyzeFormat::AttackFlow => voice.print(attack_flow::render(&analysis).as_bytes())?,
            AnalyzeFormat::Case => {
                let manifest = begun(&analysis, &reading, (&evidence, rules, self.arguments(&evidence, rules)));
                voice.print(case::render(&analysis, &reading, &manifest).as_bytes())?;
            }
        }
        let problems = reading.problems(&analysis);
        if self.format != AnalyzeFormat::Table {
            problems.iter().for_each(|problem| voice.insist(&format!("not read: {problem}")));
        }
        let reached = |level| analysis.findings.iter().any(|finding| Level::of(finding.level) >= level);
        Ok(match (self.fail_on.is_some_and(reached), problems.is_empty()) {
            (true, _) => Exit::Findings,
            (false, false) => Exit::Unread,
            (false, true) => Exit::Done,
        })
    }
}

impl Analyze {
    /// The verb and its options in their normal form.
    fn arguments(&self, evidence: &Evidence, rules: &InForce) -> Vec<String> {
        let mut arguments = evidence.arguments("analyze", rules);
        for (given, option) in [(self.stability, "--stability"), (self.parquet, "--parquet")] {
            if given {
                arguments.insert(1, option.to_owned());
            }
        }
        arguments
    }
}

fn files(analysis: &Analysis, reading: &Reading, voice: Voice, output: &OutputDir) -> Result<Vec<Begun>, Stop> {
    let mut files = Vec::new();
    for (name, parts) in csv::all(analysis)? {
        let mut file = output.begin(&format!("{name}.csv"))?;
        for (at, part) in parts.enumerate() {
            file.put(&voice.masked(&part.csv_part(at == 0)?))?;
        }
        files.push(file);
    }
    let mut file = output.begin("findings.jsonl")?;
    let mut lines = Vec::new();
    for mut line in jsonl::each(analysis, reading) {
        file.put(&voice.masked(jsonl::to_line(&line).as_bytes()))?;
        if let Line::Signal(signal) = &mut line {
            // The page does not list them, and a sweep has thousands.
            signal.targets = Vec::new();
        }
        lines.push(line);
    }
    files.push(file);
    let html = html::render(analysis, &lines, voice.zone);
    files.push(output.begin_with("report.html", &voice.masked(html.as_bytes()))?);
    Ok(files)
}

fn parquet_files(analysis: &Analysis, voice: Voice, output: &OutputDir) -> Result<Vec<Begun>, Stop> {
    let mut files = Vec::new();
    for (name, mut parts) in csv::all(analysis)? {
        let name = format!("{name}.parquet");
        let file = output.begin(&name)?;
        let Some(first) = parts.next() else { continue };
        let written = parquet::Writer::new(file, &first, voice.show_secrets).and_then(|mut writer| {
            std::iter::once(first).chain(parts).try_for_each(|part| writer.group(&part))?;
            writer.finish()
        });
        files.push(written.map_err(|error| Stop::write(&name, &error))?);
    }
    Ok(files)
}

/// The manifest, with its checksums and its signature before it: who finds it, finds all.
fn sealed(manifest: &Manifest<'_>, key: Option<&PrivateKey>) -> Result<Vec<(String, Vec<u8>)>, Stop> {
    let json = manifest.to_json().into_bytes();
    let mut hashes = manifest.outputs.clone();
    hashes.push(FileHash::of(MANIFEST, &json));
    let mut files = vec![(SUMS.to_owned(), custody::sums(&hashes).into_bytes())];
    if let Some(key) = key {
        let signature = signing::sign(key, &json).map_err(|error| Stop::usage(format!("--sign: {error}")))?;
        files.push((SIGNATURE.to_owned(), signature.into_bytes()));
    }
    files.push((MANIFEST.to_owned(), json));
    Ok(files)
}

/// A manifest that lacks the outputs.
fn begun<'a>(
    analysis: &'a Analysis,
    reading: &Reading,
    (evidence, rules, arguments): (&Evidence, &'a InForce, Vec<String>),
) -> Manifest<'a> {
    let mut manifest = Manifest::new(&analysis.sources, &rules.set, arguments);
    let case = &evidence.options.case;
    manifest.case_file = case.path.as_ref().map(|path| FileHash::of(&path.display().to_string(), &case.bytes));
    let hash = |list: &IndicatorList| FileHash::of(&list.path.display().to_string(), &list.bytes);
    manifest.indicator_lists = case.lists().iter().map(hash).collect();
    manifest.not_read = reading.problems(analysis);
    manifest
}
