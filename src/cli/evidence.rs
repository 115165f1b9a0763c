//! The arguments that say what the evidence is and how it is to be read.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use coincident::evidence;
use coincident::formats::registry;
use coincident::intake::{CaseFile, Excess, Intake, Memory, Options, Pattern};
use coincident::report::source_problem;

use super::engine::InForce;
use super::exit::{Exit, Stop};
use super::interrupt;
use super::output::Voice;
use super::progress;

#[derive(Args, Clone, Debug)]
pub(crate) struct EvidenceArgs {
    /// Files and directories of evidence; directories are read with everything below them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ReadingArgs {
    /// What the responder knows; by default the case.toml in the directory of evidence
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub(crate) case: Option<PathBuf>,
    /// Zone of the local times of sources: an IANA name or ±HH:00 (for the zone of display see --display-tz)
    #[arg(long = "tz", value_name = "PATTERN=ZONE", help_heading = "Reading")]
    pub(crate) zones: Vec<String>,
    /// Year of the last year-less time of sources; those before it go by their order
    #[arg(long = "year", value_name = "PATTERN=YYYY", help_heading = "Reading")]
    pub(crate) years: Vec<String>,
    /// How far the clock of sources is ahead: +1.5s, -8h, 8h2.5s; taken off every time
    #[arg(long = "offset", value_name = "PATTERN=OFFSET", help_heading = "Reading")]
    pub(crate) offsets: Vec<String>,
    /// Read sources as this format, whatever they look like (for the format of results see --format)
    #[arg(long = "input-format", value_name = "PATTERN=ID", help_heading = "Reading")]
    pub(crate) formats: Vec<String>,
    /// What nvidia-smi was asked for, where its CSV has no header: --gpu-query 'gpu*.csv=timestamp,index,memory.used'
    #[arg(long = "gpu-query", value_name = "PATTERN=COLUMNS", help_heading = "Reading")]
    pub(crate) gpu_queries: Vec<String>,
    /// Memory that evidence may take: 512MB, 4GiB. Texts, conversations and GPU readings that are more lie in a temporary
    /// file; if steps, facts and connections need more all the same, the analysis is refused. Results do not depend on it
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Reading")]
    pub(crate) max_memory: Option<u64>,
}

/// Bytes, in units of 1000 (kB, MB, GB) or 1024 (KiB, MiB, GiB).
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err("give a number and a unit: 512MB, 4GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "give a number and a unit: 512MB, 4GiB".to_owned())?;
    number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(|| "not a size that memory has".to_owned())
}

/// The evidence to be read and how, checked.
pub(crate) struct Evidence {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) options: Options,
    reading: ReadingArgs,
}

impl ReadingArgs {
    /// Checks the arguments for these paths. Says which case file is used.
    pub(crate) fn resolve(&self, paths: &[PathBuf], voice: Voice) -> Result<Evidence, Stop> {
        let mut formats = Vec::new();
        for given in &self.formats {
            let wrong = |message: String| Stop::usage(format!("--input-format {given}: {message}"));
            let (pattern, id) = given.rsplit_once('=').ok_or_else(|| wrong("give PATTERN=ID".to_owned()))?;
            let pattern = Pattern::new(pattern).map_err(wrong)?;
            if registry::by_id(id).is_none() {
                let mut known: Vec<&str> = registry::FORMATS.iter().map(|format| format.id()).collect();
                known.sort_unstable();
                return Err(wrong(format!("no format {id:?}; formats: {}", known.join(", "))));
            }
            formats.push((pattern, id.to_owned()));
        }
        let mut gpu_queries = Vec::new();
        for given in &self.gpu_queries {
            let wrong = |message: String| Stop::usage(format!("--gpu-query {given}: {message}"));
            let (pattern, columns) = given.rsplit_once('=').ok_or_else(|| wrong("give PATTERN=COLUMNS".to_owned()))?;
            let name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
            if !columns.split(',').all(|column| name(column.trim())) {
                return Err(wrong("give the columns as they were given to nvidia-smi, with commas between".to_owned()));
            }
            gpu_queries.push((Pattern::new(pattern).map_err(wrong)?, columns.to_owned()));
        }
        let mut case = match self.case_path(paths)? {
            Some(path) => {
                let case = CaseFile::load(&path)?;
                voice.say(&format!("case file {}", path.display()));
                case.lists().iter().for_each(|list| voice.say(&list.words()));
                case
            }
            None => CaseFile::default(),
        };
        case.declare(&self.zones, &self.years, &self.offsets)?;
        let memory = Arc::new(self.max_memory.map_or_else(Memory::default, Memory::of));
        let mut paths = paths.to_vec();
        paths.sort();
        paths.dedup();
        Ok(Evidence {
            paths,
            options: Options { case, formats, gpu_queries, memory, ..Options::default() },
            reading: self.clone(),
        })
    }

    fn case_path(&self, paths: &[PathBuf]) -> Result<Option<PathBuf>, Stop> {
        if self.case.is_some() {
            return Ok(self.case.clone());
        }
        let mut found: Vec<PathBuf> = paths
            .iter()
            .filter(|path| path.is_dir())
            .map(|path| path.join(CaseFile::NAME))
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            [first, second, ..] => Err(Stop::usage(format!(
                "{} and {} both claim to describe the case; name one with --case",
                first.display(),
                second.display()
            ))),
        }
    }
}

impl EvidenceArgs {
    pub(crate) fn resolve(&self, voice: Voice) -> Result<Evidence, Stop> {
        self.reading.resolve(&self.paths, voice)
    }
}

impl Evidence {
    /// Reads everything. Evidence that holds no file at all is a mistake in the paths.
    pub(crate) fn take_in(&self, voice: Voice) -> Result<Intake, Stop> {
        let (files, errors) = evidence::walk(&self.paths);
        if files.iter().all(|file| self.options.case.is_case_file(&file.path)) {
            let shown: Vec<String> = self.paths.iter().map(|path| path.display().to_string()).collect();
            let mut message = format!("no evidence in {}; give files, or directories that hold some", shown.join(", "));
            for error in errors {
                message.push_str(&format!("\n  {error}"));
            }
            return Err(Stop::usage(message));
        }
        let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        let watch = &self.options.watch;
        let read = || interrupt::ends_reading(watch, voice, || super::engine::take_in(&self.paths, &self.options));
        let intake = match voice.is_watched() {
            true => progress::watched(&watch.read, bytes, read),
            false => read(),
        };
        match self.options.memory.excess(&intake) {
            Some(Excess { bytes, connections }) => Err(Stop::usage(format!(
                "about {} MB have to stay in memory for {connections} connections, {} steps and facts beside them, more than \
                 --max-memory allows; allow that much, or give less evidence at a time: a day, or a host",
                bytes.div_ceil(1_000_000),
                intake.steps.len()
            ))),
            None => Ok(intake),
        }
    }

    /// The arguments in their normal form, for the manifest: without order, threads and output.
    pub(crate) fn arguments(&self, verb: &str, rules: &InForce) -> Vec<String> {
        let mut arguments = vec![verb.to_owned()];
        let shown = |path: &PathBuf| path.display().to_string();
        if let Some(path) = &rules.path {
            arguments.push(format!("--rules={}", shown(path)));
        }
        if let Some(case) = &self.options.case.path {
            arguments.push(format!("--case={}", shown(case)));
        }
        // Of declarations the first that matches wins: their order is part of what they say.
        let lists = [
            ("--tz", &self.reading.zones),
            ("--year", &self.reading.years),
            ("--offset", &self.reading.offsets),
            ("--input-format", &self.reading.formats),
            ("--gpu-query", &self.reading.gpu_queries),
        ];
        for (option, values) in lists {
            arguments.extend(values.iter().map(|value| format!("{option}={value}")));
        }
        arguments.extend(self.paths.iter().map(shown));
        arguments
    }
}

/// 3 if something was not read, else 0; says what on stderr.
pub(crate) fn exit_of(intake: &Intake, voice: Voice) -> Exit {
    let problems: Vec<String> =
        intake.walk_errors.iter().cloned().chain(intake.sources.iter().filter_map(source_problem)).collect();
    for problem in &problems {
        voice.insist(&format!("not read: {problem}"));
    }
    if problems.is_empty() { Exit::Done } else { Exit::Unread }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512MB"), Ok(512_000_000));
        assert_eq!(size("4GiB"), Ok(4_294_967_296));
        assert_eq!(size("1 kB"), Ok(1_000));
        for wrong in ["", "MB", "12 parsecs", "0", "99999999999GiB", "-1MB", "1.5GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
