//! Programs and archives that came over the network, told by their first bytes.

use crate::evidence::Record;
use crate::intake::{Facts, FileFact};
use crate::model::{Behaviour, Confidence, Signal, SignalSource};

/// Files that a machine runs, as they come: strong. Archives and scripts are everyday: weak.
const PROGRAMS: [&str; 3] = ["elf", "pe", "mach-o"];

/// One signal for each program or archive that a conversation brought to the side that opened it.
pub fn files(facts: &Facts) -> Vec<Signal> {
    facts.files.iter().filter(|fact| fact.file.to_opener).map(signal).collect()
}

fn signal(fact: &FileFact) -> Signal {
    let file = &fact.file;
    let is_program = PROGRAMS.contains(&file.kind);
    let name = file.name.as_deref().map_or_else(String::new, |name| format!(" {name}"));
    let host = file.host.as_deref().map_or_else(String::new, |host| format!(" from {host}"));
    let whole = match (&file.sha256, file.announced) {
        (Some(sha256), _) => format!("{} bytes, sha256 {sha256}", file.bytes),
        (None, Some(announced)) => format!("{} of {announced} bytes seen", file.bytes),
        (None, None) => format!("{} bytes seen", file.bytes),
    };
    Signal {
        id: String::new(),
        behaviour: Behaviour::Download,
        kind: format!("{}-{}", file.kind, file.via),
        confidence: if is_program { Confidence::Strong } else { Confidence::Weak },
        span: fact.span.map(|span| crate::time::Span { hi: file.last.unwrap_or(span.hi).max(span.hi), ..span }),
        flow: Some(fact.flow),
        host: None,
        rule: None,
        summary: format!("{} over {}{name}{host}: {whole}", file.kind, file.via),
        domains: file.host.iter().cloned().collect(),
        targets: Vec::new(),
        records: vec![Record { evidence: fact.record.evidence, number: fact.record.number }],
        source: SignalSource::Network,
    }
}
