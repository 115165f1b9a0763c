//! `case.toml`: what the responder knows. Everything works without it; what it declares wins over what is inferred.

mod egress;
mod gpu;
mod grammar;
mod intel;
mod lists;
mod raw;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use globset::{GlobBuilder, GlobMatcher};
use ipnet::IpNet;
use thiserror::Error;
use toml::Spanned;

pub use egress::EgressRule;
pub use gpu::{GpuAllotment, GpuFacts, GpuName};
use grammar::{YEARS, fixed_folder, network, offset, place, volume, year_message, zone};
pub use intel::{IndicatorList, Intel};

use crate::time::{TimeContext, YearSource, ZoneSource};

/// A length of time as people write it, "2m", "1h30m", "500ms", in nanoseconds.
///
/// # Errors
/// The text says how lengths are written.
pub fn duration(text: &str) -> Result<i64, String> {
    match offset(text) {
        Ok(length) if length >= 0 && !text.starts_with('+') => Ok(length),
        _ => Err(format!("{text:?} is no length of time; give numbers with h, m, s, ms, us or ns: 2m, 1h30m, 500ms")),
    }
}

/// What is wrong with a case file or a declaration.
#[derive(Debug, Error)]
pub enum CaseError {
    #[error("{path}: {source}; check that the case file exists and may be read")]
    Read { path: String, source: std::io::Error },
    /// Not TOML, or not the shape of a case file. The message names what is allowed.
    #[error("{path}:{line}:{column}: {message}")]
    Syntax { path: String, line: usize, column: usize, message: String },
    #[error("{path}:{line}: {what}: {message}")]
    Value { path: String, line: usize, what: String, message: String },
    /// A declaration on the command line.
    #[error("{option} {given}: {message}")]
    Option { option: &'static str, given: String, message: String },
}

/// A glob over shown names of evidence. Without a slash it is held against the file name, wherever the file lies;
/// with one against the whole name, where `*` stays within a directory and `**` does not.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// Parses a glob.
    ///
    /// # Errors
    /// The text says what a glob may hold.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|error| error.to_string())?;
        Ok(Pattern { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an evidence of that shown name is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
            || !self.text.contains('/') && name.rsplit('/').next().is_some_and(|file| self.matcher.is_match(file))
    }
}

/// A machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    pub name: String,
    /// Single addresses are networks of one.
    pub addresses: Vec<IpNet>,
    /// Agents run on it. `None` if nothing is said.
    pub agent: Option<bool>,
}

/// What is declared of the sources that a pattern matches.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceDeclaration {
    pub pattern: Pattern,
    pub zone: Option<Tz>,
    pub year: Option<i32>,
    /// What the source's clock shows minus the true time, in nanoseconds.
    pub offset_ns: Option<i64>,
    pub host: Option<String>,
}

/// A training or evaluation run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// As declared, else the last fixed folder of the pattern of its transcripts (`run-a` of `transcripts/run-a/*`),
    /// else, or where that is another run's name, the pattern.
    pub name: String,
    pub transcripts: Pattern,
    pub host: Option<String>,
    /// The container image that its sandboxes start from, as the engine names it.
    pub image: Option<String>,
    /// Absolute paths under which its sandboxes see the same files as those of every other run that lists the path.
    pub volumes: Vec<String>,
    pub reward_config: Option<String>,
    /// Training steps, or any number that rises with them, at which the policy was that acted.
    pub checkpoint: Option<u64>,
    /// How many rollouts there were, whether or not their transcripts were kept.
    pub rollouts: Option<u32>,
}

/// Which calls somebody had to let run.
#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalRule {
    /// Tools by name, as globs; `None` means every one.
    pub tools: Option<Vec<Pattern>>,
}

/// What hashes of one function are worth to the responder, in a currency of their choice.
#[derive(Clone, Debug, PartialEq)]
pub struct HashPrice {
    pub algorithm: String,
    pub value_per_terahash: f64,
}

/// What is declared of the time of one source, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeParts {
    pub zone: Option<Tz>,
    pub year: Option<i32>,
    pub offset_ns: Option<i64>,
    pub host: Option<String>,
}

impl TimeParts {
    /// The context to read the source's times in; `year` is used where none is declared.
    pub fn context(&self, year: YearSource) -> TimeContext {
        TimeContext {
            zone: self.zone.map_or(ZoneSource::AssumedUtc, ZoneSource::Declared),
            year: self.year.map_or(year, YearSource::Declared),
            declared_offset_ns: self.offset_ns.unwrap_or(0),
            ..TimeContext::default()
        }
    }
}

/// What the responder knows (`case.toml` and options). Everything works without it.
#[derive(Clone, Debug, Default)]
pub struct CaseFile {
    /// Where it was read from; not evidence. `None` without a file.
    pub path: Option<PathBuf>,
    /// The bytes of the file, for the manifest.
    pub bytes: Vec<u8>,
    pub hosts: Vec<Host>,
    /// Options first, then the file, each in the order given. The first that states a part wins.
    pub sources: Vec<SourceDeclaration>,
    pub runs: Vec<Run>,
    /// `None` if nothing is said of egress, which is not the same as nothing being allowed.
    pub egress: Option<Vec<EgressRule>>,
    pub gpu: GpuFacts,
    /// `None` if nothing is said of approvals.
    pub approvals: Option<ApprovalRule>,
    pub hash_prices: Vec<HashPrice>,
    /// `None` without a list of known indicators.
    pub intel: Option<Intel>,
}

impl CaseFile {
    /// The name of the file that is used when it lies in a directory given as evidence.
    pub const NAME: &'static str = "case.toml";

    /// Reads a case file.
    ///
    /// # Errors
    /// With file and line: unreadable, not TOML, an unknown field (with those allowed), a value that does not parse.
    pub fn load(path: &Path) -> Result<Self, CaseError> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| CaseError::Read { path: shown.clone(), source })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let (line, column) = place(&bytes, error.valid_up_to());
            CaseError::Syntax { path: shown.clone(), line, column, message: "not UTF-8".to_owned() }
        })?;
        let mut case = Self::parse(text, &shown)?;
        if let Some(intel) = &mut case.intel {
            intel.read_lists(path.parent().unwrap_or(Path::new("")), &shown)?;
        }
        Ok(CaseFile { path: Some(path.to_path_buf()), bytes, ..case })
    }

    /// Reads the text of a case file; `name` stands in errors.
    ///
    /// # Errors
    /// As [`CaseFile::load`].
    pub fn parse(text: &str, name: &str) -> Result<Self, CaseError> {
        let raw: raw::Case = toml::from_str(text).map_err(|error| {
            let (line, column) = place(text.as_bytes(), error.span().map_or(0, |span| span.start));
            CaseError::Syntax { path: name.to_owned(), line, column, message: error.message().to_owned() }
        })?;
        let reader = Reader { text, name };
        let mut hosts: Vec<Host> = Vec::new();
        let mut owners: BTreeMap<IpNet, String> = BTreeMap::new();
        for host in raw.host {
            let host_name = host.name.get_ref().clone();
            if hosts.iter().any(|other| other.name == host_name) {
                return Err(reader.wrong(
                    "name",
                    &host.name,
                    format!("{host_name:?} is declared twice; list all addresses in one [[host]]"),
                ));
            }
            let mut addresses = Vec::new();
            for address in &host.addresses {
                let network = reader.value("addresses", address, network)?;
                if let Some(other) = owners.insert(network, host_name.clone()).filter(|other| *other != host_name) {
                    return Err(reader.wrong("addresses", address, format!("{network} belongs to {other:?} already")));
                }
                addresses.push(network);
            }
            hosts.push(Host { name: host_name, addresses, agent: host.agent });
        }
        let mut sources = Vec::new();
        for source in raw.source {
            sources.push(SourceDeclaration {
                pattern: reader.value("path", &source.path, Pattern::new)?,
                zone: reader.optional("zone", source.zone.as_ref(), zone)?,
                year: source.year.map(|year| reader.year(&year)).transpose()?,
                offset_ns: reader.optional("offset", source.offset.as_ref(), offset)?,
                host: source.host,
            });
        }
        let mut runs = Vec::new();
        let short = |run: &raw::Run| run.name.clone().or_else(|| fixed_folder(run.transcripts.get_ref()));
        let names: Vec<Option<String>> = raw.run.iter().map(short).collect();
        for (run, name) in raw.run.into_iter().zip(&names) {
            let transcripts = reader.value("transcripts", &run.transcripts, Pattern::new)?;
            let name =
                name.clone().filter(|_| run.name.is_some() || names.iter().filter(|one| *one == name).count() < 2);
            runs.push(Run {
                name: name.unwrap_or_else(|| transcripts.as_str().to_owned()),
                transcripts,
                host: run.host,
                image: run.image,
                volumes: run
                    .volumes
                    .iter()
                    .map(|path| reader.value("volumes", path, volume))
                    .collect::<Result<_, _>>()?,
                reward_config: run.reward_config,
                checkpoint: run.checkpoint,
                rollouts: run.rollouts,
            });
        }
        let egress = match raw.egress {
            Some(egress) => {
                let rules = egress.allow.iter().map(|rule| reader.value("allow", rule, EgressRule::new));
                Some(rules.collect::<Result<Vec<_>, _>>()?)
            }
            None => None,
        };
        let gpu = match raw.gpu {
            Some(gpu) => gpu::facts(gpu, &reader)?,
            None => GpuFacts::default(),
        };
        let approvals = match raw.approvals.filter(|approvals| approvals.required) {
            Some(approvals) => {
                let patterns = |list: &Vec<Spanned<String>>| {
                    list.iter().map(|tool| reader.value("tools", tool, Pattern::new)).collect::<Result<Vec<_>, _>>()
                };
                Some(ApprovalRule { tools: approvals.tools.as_ref().map(patterns).transpose()? })
            }
            None => None,
        };
        let prices = raw.mining.into_iter().flat_map(|mining| mining.price).map(|price| {
            let algorithm = price.algorithm.to_ascii_lowercase();
            Ok(HashPrice {
                algorithm,
                value_per_terahash: reader.price("value_per_terahash", &price.value_per_terahash)?,
            })
        });
        let hash_prices = prices.collect::<Result<Vec<_>, CaseError>>()?;
        let intel = raw.intel.map(|intel| intel::intel(intel, &reader)).transpose()?;
        Ok(CaseFile { path: None, bytes: Vec::new(), hosts, sources, runs, egress, gpu, approvals, hash_prices, intel })
    }

    /// Puts what was declared on the command line before what the file declares: each `PATTERN=VALUE`.
    ///
    /// # Errors
    /// Names the option and what it takes.
    pub fn declare(&mut self, zones: &[String], years: &[String], offsets: &[String]) -> Result<(), CaseError> {
        let mut declared = Vec::new();
        for given in zones {
            let (pattern, value) = declaration("--tz", given, "PATTERN=ZONE")?;
            let zone = Some(zone(value).map_err(|message| option("--tz", given, message))?);
            declared.push(SourceDeclaration { pattern, zone, year: None, offset_ns: None, host: None });
        }
        for given in years {
            let (pattern, value) = declaration("--year", given, "PATTERN=YYYY")?;
            let year = value.parse().ok().filter(|year| YEARS.contains(year));
            let year = Some(year.ok_or_else(|| option("--year", given, year_message()))?);
            declared.push(SourceDeclaration { pattern, zone: None, year, offset_ns: None, host: None });
        }
        for given in offsets {
            let (pattern, value) = declaration("--offset", given, "PATTERN=+1.5s")?;
            let offset_ns = Some(offset(value).map_err(|message| option("--offset", given, message))?);
            declared.push(SourceDeclaration { pattern, zone: None, year: None, offset_ns, host: None });
        }
        declared.append(&mut self.sources);
        self.sources = declared;
        Ok(())
    }

    /// What is declared of the time and host of the source of that shown name.
    pub fn time_context_for(&self, name: &str) -> TimeParts {
        let mut parts = TimeParts::default();
        for source in self.sources.iter().filter(|source| source.pattern.matches(name)) {
            parts.zone = parts.zone.or(source.zone);
            parts.year = parts.year.or(source.year);
            parts.offset_ns = parts.offset_ns.or(source.offset_ns);
            parts.host = parts.host.or_else(|| source.host.clone());
        }
        parts
    }

    /// The host that has an address; the one with the narrowest network if several have.
    pub fn host_of_address(&self, ip: IpAddr) -> Option<&Host> {
        let with =
            |host: &Host| host.addresses.iter().filter(|network| network.contains(&ip)).map(IpNet::prefix_len).max();
        // Of equals the first: max_by_key would give the last.
        self.hosts
            .iter()
            .rev()
            .filter_map(|host| Some((with(host)?, host)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, host)| host)
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// The first run whose transcripts include the source of that shown name.
    pub fn run_of(&self, name: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.transcripts.matches(name))
    }

    /// Whether traffic to a peer is allowed out. `None` if the case says nothing of egress. A rule with a port needs
    /// a known port, a rule with a name a known name.
    pub fn is_allowed_egress(&self, ip: Option<IpAddr>, domain: Option<&str>, port: Option<u16>) -> Option<bool> {
        let rules = self.egress.as_ref()?;
        Some(rules.iter().any(|rule| rule.allows(ip, domain, port)))
    }

    /// Whether traffic to a peer may be allowed, as far as a command tells of it: a port that it does not name is no
    /// reason against. `None` if the case says nothing of egress, or if the peer has but a name while networks are
    /// allowed.
    pub fn may_be_allowed_egress(&self, ip: Option<IpAddr>, domain: Option<&str>, port: Option<u16>) -> Option<bool> {
        let rules = self.egress.as_ref()?;
        if rules.iter().any(|rule| rule.may_allow(ip, domain, port)) {
            return Some(true);
        }
        (ip.is_some() || !rules.iter().any(EgressRule::is_network)).then_some(false)
    }

    /// Whether somebody had to let a call of the tool run. `None` if the case says nothing of approvals.
    pub fn needs_approval(&self, tool: &str) -> Option<bool> {
        let rule = self.approvals.as_ref()?;
        Some(rule.tools.as_ref().is_none_or(|tools| tools.iter().any(|pattern| pattern.matches(tool))))
    }

    /// Whether a process belongs on the GPUs. `None` if the case does not say which do.
    pub fn is_allocated(&self, process: &str) -> Option<bool> {
        let allocated = self.gpu.allocated.as_ref()?;
        Some(allocated.iter().any(|pattern| pattern.as_str() == process || pattern.matches(process)))
    }

    /// The lists of indicators that were read.
    pub fn lists(&self) -> &[IndicatorList] {
        self.intel.as_ref().map_or(&[], Intel::lists)
    }

    /// Whether a path is the case file itself, or a list that it names, which is not evidence.
    pub fn is_case_file(&self, path: &Path) -> bool {
        let is = |own: &Path| {
            own == path || matches!((own.canonicalize(), path.canonicalize()), (Ok(own), Ok(path)) if own == path)
        };
        self.path.as_deref().is_some_and(is) || self.lists().iter().any(|list| is(&list.path))
    }
}

struct Reader<'a> {
    text: &'a str,
    name: &'a str,
}

impl Reader<'_> {
    fn wrong<T>(&self, what: &str, at: &Spanned<T>, message: String) -> CaseError {
        let (line, _) = place(self.text.as_bytes(), at.span().start);
        CaseError::Value { path: self.name.to_owned(), line, what: what.to_owned(), message }
    }

    fn line<T>(&self, at: &Spanned<T>) -> usize {
        place(self.text.as_bytes(), at.span().start).0
    }

    fn value<T>(&self, what: &str, at: &Spanned<String>, parse: fn(&str) -> Result<T, String>) -> Result<T, CaseError> {
        parse(at.get_ref()).map_err(|message| self.wrong(what, at, message))
    }

    fn optional<T>(
        &self,
        what: &str,
        at: Option<&Spanned<String>>,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, CaseError> {
        at.map(|at| self.value(what, at, parse)).transpose()
    }

    fn year(&self, at: &Spanned<i64>) -> Result<i32, CaseError> {
        let year = i32::try_from(*at.get_ref()).ok().filter(|year| YEARS.contains(year));
        year.ok_or_else(|| self.wrong("year", at, year_message()))
    }

    fn price(&self, what: &str, at: &Spanned<f64>) -> Result<f64, CaseError> {
        let price = *at.get_ref();
        let is_price = price.is_finite() && price >= 0.0;
        if is_price { Ok(price) } else { Err(self.wrong(what, at, "a price is a number from 0 on".to_owned())) }
    }
}

fn option(option: &'static str, given: &str, message: String) -> CaseError {
    CaseError::Option { option, given: given.to_owned(), message }
}

fn declaration<'a>(name: &'static str, given: &'a str, shape: &str) -> Result<(Pattern, &'a str), CaseError> {
    // A path may hold an equals sign; a zone, year or offset does not.
    let (pattern, value) = given.rsplit_once('=').ok_or_else(|| option(name, given, format!("give {shape}")))?;
    let pattern = Pattern::new(pattern).map_err(|message| option(name, given, message))?;
    Ok((pattern, value))
}

#[cfg(test)]
mod tests;
