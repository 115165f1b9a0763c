//! Rules: Sigma YAML over commands, connections, names and firewall decisions, and dated lists of indicators.
//!
//! The engine is rsigma (`rsigma-parser`, `rsigma-eval`), kept behind this module. `docs/rules.md` gives the fields of
//! each log source. A rule that cannot be read is reported by [`RuleSet::lint`] and the others are used.

mod aside;
mod event;
mod index;
mod indicator;
mod lint;
mod load;

#[cfg(test)]
mod aside_tests;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use rsigma_eval::event::Event;
use rsigma_eval::{CompiledRule, evaluate_rule};

use crate::detect::command::CommandLine;
use crate::model::{Action, Behaviour, Confidence, Protocol};

pub use aside::Aside;
pub use indicator::{Indicator, IndicatorValue};
pub use lint::{LintLevel, LintMessage};

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogSource {
    /// `category: process_creation`: commands that an agent ran.
    Command,
    /// `category: network_connection`: connections, whoever saw them.
    Connection,
    /// `category: dns`
    Dns,
    /// `category: firewall`: decisions of a firewall.
    Firewall,
}

impl LogSource {
    /// The Sigma category.
    pub fn name(self) -> &'static str {
        match self {
            LogSource::Command => "process_creation",
            LogSource::Connection => "network_connection",
            LogSource::Dns => "dns",
            LogSource::Firewall => "firewall",
        }
    }
}

/// What is known of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleInfo {
    pub id: String,
    pub title: String,
    pub behaviour: Behaviour,
    /// Machine-readable: "ssh-reverse-command".
    pub kind: String,
    pub confidence: Confidence,
    /// "informational", "low", "medium", "high" or "critical".
    pub level: String,
    /// ATT&CK technique ids as tagged, "T1572".
    pub attack: Vec<String>,
    pub logsource: LogSource,
    /// Path within the rule folder, with `/`.
    pub path: String,
}

/// The rules and lists in force.
#[derive(Debug)]
pub struct RuleSet {
    /// Sorted by path, then place in the file.
    pub rules: Vec<RuleInfo>,
    /// Lower-case hex SHA-256 over the sorted files: for each its path, a zero byte, its length as eight bytes (big
    /// end first), and its bytes.
    pub version: String,
    /// Sorted by value.
    pub indicators: Vec<Indicator>,
    compiled: Vec<CompiledRule>,
    domains: BTreeMap<String, usize>,
    addresses: BTreeMap<IpAddr, usize>,
    ports: BTreeMap<(u16, u8), usize>,
    messages: Vec<LintMessage>,
}

/// A rule or an indicator that matched.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleHit<'a> {
    /// Rule id; for an indicator, `path:value`.
    pub id: String,
    pub title: &'a str,
    pub behaviour: Behaviour,
    pub kind: &'a str,
    pub confidence: Confidence,
    pub level: &'a str,
    pub attack: Vec<&'a str>,
    /// Index into [`CommandLine::commands`], for commands.
    pub command: Option<usize>,
    /// The indicator that matched, for lists.
    pub indicator: Option<&'a Indicator>,
}

/// A command line that an agent ran.
#[derive(Clone, Copy, Debug)]
pub struct CommandContext<'a> {
    pub line: &'a CommandLine,
    /// The whole text.
    pub text: &'a str,
}

/// A connection; what is not known is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionContext<'a> {
    pub src: Option<IpAddr>,
    pub src_port: Option<u16>,
    pub dst: Option<IpAddr>,
    pub dst_port: Option<u16>,
    pub protocol: Option<Protocol>,
    /// Name of the peer as far as the evidence says (SNI, DNS, Host).
    pub hostname: Option<&'a str>,
    /// What a firewall decided; firewall rules are asked only where it is known.
    pub action: Option<Action>,
    /// Opened from the inside.
    pub initiated: Option<bool>,
}

/// A DNS question.
#[derive(Clone, Copy, Debug, Default)]
pub struct DnsContext<'a> {
    pub query: &'a str,
    pub record_type: Option<&'a str>,
}

impl RuleSet {
    /// The rules that come with the program.
    pub fn embedded() -> Self {
        let files = index::FILES.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        load::build(files.collect(), Vec::new())
    }

    /// The rules of a folder: every `.yml`, `.yaml` and `.csv` in it, at any depth, links not followed.
    ///
    /// They replace the embedded rules. The embedded lists stay in force unless the folder has an `indicators` folder.
    ///
    /// # Errors
    /// When the folder itself cannot be listed. Files that cannot be read or understood are [`RuleSet::lint`] errors.
    pub fn from_dir(path: &Path) -> io::Result<Self> {
        let (mut files, messages) = load::read_dir(path)?;
        if !files.iter().any(|(path, _)| path.starts_with("indicators/")) {
            let lists = index::FILES.iter().filter(|(path, _)| path.starts_with("indicators/"));
            files.extend(lists.map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
        }
        Ok(load::build(files, messages))
    }

    /// What a single file of rules or a list gives, by the path it goes by.
    pub fn of_file(path: &str, bytes: Vec<u8>) -> Self {
        load::build(vec![(path.to_owned(), bytes)], Vec::new())
    }

    /// What is wrong with the rules and lists, sorted by file and rule. Errors name rules that are not in force.
    pub fn lint(&self) -> Vec<LintMessage> {
        self.messages.clone()
    }

    /// Rules that match a command of the line or a program wrapped around it. Each rule is reported once per line, at
    /// the first command that it matches; in the order of [`RuleSet::rules`].
    pub fn command(&self, context: &CommandContext<'_>) -> Vec<RuleHit<'_>> {
        let events = event::commands(context);
        let mut hits = Vec::new();
        for (rule, compiled) in self.of(LogSource::Command) {
            let first = events.iter().find(|event| evaluate_rule(compiled, *event).is_some());
            if let Some(event) = first {
                hits.push(RuleHit { command: Some(event.index), ..hit(rule) });
            }
        }
        hits
    }

    /// Rules and list entries that match a connection: rules first, then host name, address, port.
    pub fn connection(&self, context: &ConnectionContext<'_>) -> Vec<RuleHit<'_>> {
        let event = event::ConnectionEvent { context, firewall: false };
        let mut hits = self.matching(LogSource::Connection, &event);
        if context.action.is_some() {
            hits.extend(self.matching(LogSource::Firewall, &event::ConnectionEvent { context, firewall: true }));
        }
        let listed = [
            context.hostname.and_then(|name| self.domain(name)),
            context.dst.and_then(|address| self.address(address)),
            context.dst_port.zip(context.protocol).and_then(|(port, protocol)| self.port(port, protocol)),
        ];
        hits.extend(listed.into_iter().flatten().map(indicator::hit));
        hits
    }

    /// Rules and list entries that match a looked-up name.
    pub fn dns(&self, context: &DnsContext<'_>) -> Vec<RuleHit<'_>> {
        let mut hits = self.matching(LogSource::Dns, &event::DnsEvent { context });
        hits.extend(self.domain(context.query).map(indicator::hit));
        hits
    }

    /// The list entry for a name or the nearest domain above it.
    pub fn domain(&self, name: &str) -> Option<&Indicator> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let mut rest = name.as_str();
        loop {
            if let Some(found) = self.domains.get(rest) {
                return self.indicators.get(*found);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// The list entry for an address.
    pub fn address(&self, address: IpAddr) -> Option<&Indicator> {
        self.addresses.get(&address).and_then(|found| self.indicators.get(*found))
    }

    /// The list entry for a destination port.
    pub fn port(&self, port: u16, protocol: Protocol) -> Option<&Indicator> {
        self.ports.get(&(port, protocol.0)).and_then(|found| self.indicators.get(*found))
    }

    fn of(&self, source: LogSource) -> impl Iterator<Item = (&RuleInfo, &CompiledRule)> {
        self.rules.iter().zip(&self.compiled).filter(move |(rule, _)| rule.logsource == source)
    }

    fn matching(&self, source: LogSource, event: &impl Event) -> Vec<RuleHit<'_>> {
        self.of(source)
            .filter(|(_, compiled)| evaluate_rule(compiled, event).is_some())
            .map(|(rule, _)| hit(rule))
            .collect()
    }
}

fn hit(rule: &RuleInfo) -> RuleHit<'_> {
    RuleHit {
        id: rule.id.clone(),
        title: &rule.title,
        behaviour: rule.behaviour,
        kind: &rule.kind,
        confidence: rule.confidence,
        level: &rule.level,
        attack: rule.attack.iter().map(String::as_str).collect(),
        command: None,
        indicator: None,
    }
}
