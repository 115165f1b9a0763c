//! Programs and archives that came over the network, told by their first bytes; and much that came from a host of
//! programs inside of TLS, told by its name and size.

use std::collections::BTreeMap;

use crate::evidence::{EvidenceId, Record};
use crate::intake::{Facts, FileFact, Ledger, NameFact, NameSource};
use crate::model::{Behaviour, Confidence, Conversation, File, Flow, Signal, SignalSource};
use crate::time::Instant;

/// Files that a machine runs, as they come: strong. Archives and scripts are everyday: weak.
const PROGRAMS: [&str; 3] = ["elf", "pe", "mach-o"];

/// Words in the name of an archive or script that make it more than everyday: miners and tunnels by their own names.
const NOTABLE: [&str; 12] = [
    "xmrig",
    "cpuminer",
    "minerd",
    "ethminer",
    "t-rex",
    "lolminer",
    "nbminer",
    "phoenixminer",
    "chisel",
    "ngrok",
    "cloudflared",
    "frp_",
];

/// Names that announce no program: what comes under them and is one was called something else.
const INNOCENT: [&str; 14] =
    ["png", "jpg", "jpeg", "gif", "bmp", "ico", "svg", "css", "js", "html", "htm", "txt", "pdf", "mp4"];

/// Hosts of released programs, code, packages and models, and of files for anybody; each with all under it.
const HOSTS: [(&str, &str); 21] = [
    ("release-assets.githubusercontent.com", "release-host"),
    ("objects.githubusercontent.com", "release-host"),
    ("github-releases.githubusercontent.com", "release-host"),
    ("raw.githubusercontent.com", "code-host"),
    ("codeload.github.com", "code-host"),
    ("gist.githubusercontent.com", "code-host"),
    ("bitbucket.org", "code-host"),
    ("files.pythonhosted.org", "package-host"),
    ("registry.npmjs.org", "package-host"),
    ("static.crates.io", "package-host"),
    ("cdn-lfs.huggingface.co", "model-host"),
    ("cas-bridge.xethub.hf.co", "model-host"),
    ("huggingface.co", "model-host"),
    ("transfer.sh", "file-host"),
    ("file.io", "file-host"),
    ("0x0.st", "file-host"),
    ("bashupload.com", "file-host"),
    ("gofile.io", "file-host"),
    ("anonfiles.com", "file-host"),
    ("catbox.moe", "file-host"),
    ("pastebin.com", "file-host"),
];

/// Bytes that came in, from which on a connection to such a host is told of: pages and queries are smaller.
const FEWEST_BYTES: u64 = 100_000;

/// One signal for each program or archive that a conversation brought to the side that opened it.
pub fn files(facts: &Facts) -> Vec<Signal> {
    facts.files.iter().filter(|fact| fact.file.to_opener).map(signal).collect()
}

fn is_notable(file: &File) -> bool {
    let name = file.name.as_deref().unwrap_or_default().to_ascii_lowercase();
    NOTABLE.iter().any(|word| name.contains(word))
}

/// What a program was called that says it is none.
fn misnamed(file: &File) -> Option<&str> {
    let media_type = file.media_type.as_deref().filter(|called| {
        let called = called.trim_start().to_ascii_lowercase();
        ["image/", "audio/", "video/", "font/", "text/html", "text/css"].iter().any(|start| called.starts_with(start))
    });
    let name = file.name.as_deref().filter(|name| {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        ending.is_some_and(|ending| INNOCENT.contains(&ending.as_str()))
    });
    media_type.or(name).filter(|_| PROGRAMS.contains(&file.kind) || file.kind == "script")
}

fn signal(fact: &FileFact) -> Signal {
    let file = &fact.file;
    let is_program = PROGRAMS.contains(&file.kind);
    let name = file.name.as_deref().map_or_else(String::new, |name| format!(" {name}"));
    let host = file.host.as_deref().map_or_else(String::new, |host| format!(" from {host}"));
    let called = misnamed(file).map_or_else(String::new, |called| format!(", called {called}"));
    let whole = match (&file.sha256, file.announced) {
        (Some(sha256), _) => format!("{} bytes, sha256 {sha256}", file.bytes),
        (None, Some(announced)) => format!("{} of {announced} bytes seen", file.bytes),
        (None, None) => format!("{} bytes seen", file.bytes),
    };
    let strong = is_program || is_notable(file) || misnamed(file).is_some();
    Signal {
        kind: format!("{}-{}", file.kind, file.via),
        confidence: if strong { Confidence::Strong } else { Confidence::Weak },
        span: fact.span.map(|span| span.until(file.last)),
        flow: Some(fact.flow),
        summary: format!("{} over {}{name}{host}{called}: {whole}", file.kind, file.via),
        domains: file.host.iter().cloned().collect(),
        records: vec![Record { evidence: fact.record.evidence, number: fact.record.number }],
        ..Signal::new(Behaviour::Download, SignalSource::Network)
    }
}

/// Much that came in from hosts of programs inside of TLS: leads, by name and size alone.
pub fn hosts(facts: &Facts, conversations: &Ledger<Conversation>) -> Vec<Signal> {
    let spoken = facts.names.iter().filter(|fact| fact.source == NameSource::Sni);
    let named: Vec<(&NameFact, &str)> = spoken.filter_map(|fact| Some((fact, kind_of_host(&fact.name)?))).collect();
    let mut received: BTreeMap<(EvidenceId, Flow), Received> =
        named.iter().map(|(fact, _)| ((fact.record.evidence, fact.flow), Received::default())).collect();
    if received.is_empty() {
        return Vec::new();
    }
    for conversation in conversations.iter() {
        if let Some(received) = received.get_mut(&(conversation.key.evidence, conversation.key.flow())) {
            received.bytes = conversation.segments.iter().filter_map(|segment| segment.bytes_in.get()).sum();
            received.last = conversation.segments.last().map(|segment| segment.last);
        }
    }
    let of_fact = |fact: &NameFact| received.get(&(fact.record.evidence, fact.flow)).copied().unwrap_or_default();
    named.into_iter().filter_map(|(fact, kind)| host(fact, kind, of_fact(fact))).collect()
}

/// What came in by a conversation, and when it ended.
#[derive(Clone, Copy, Default)]
struct Received {
    bytes: u64,
    last: Option<Instant>,
}

fn kind_of_host(name: &str) -> Option<&'static str> {
    let is_under =
        |known: &str| name.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    HOSTS.iter().find(|(known, _)| is_under(known)).map(|(_, kind)| *kind)
}

fn host(fact: &NameFact, kind: &str, Received { bytes, last }: Received) -> Option<Signal> {
    if bytes < FEWEST_BYTES {
        return None;
    }
    Some(Signal {
        kind: kind.to_owned(),
        confidence: Confidence::Weak,
        span: fact.first.map(|span| span.until(last)),
        flow: Some(fact.flow),
        summary: format!(
            "TLS to {}: {bytes} bytes came in from its address over {} connections",
            fact.name, fact.count
        ),
        domains: vec![fact.name.clone()],
        records: vec![fact.record],
        ..Signal::new(Behaviour::Download, SignalSource::Network)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &'static str, name: &str, media_type: &str) -> Vec<(Confidence, String)> {
        let file = File {
            kind,
            via: "http",
            name: Some(name.to_owned()),
            media_type: Some(media_type.to_owned()),
            to_opener: true,
            ..File::default()
        };
        let record = Record { evidence: EvidenceId(0), number: 1 };
        let facts =
            Facts { files: vec![FileFact { flow: Flow::default(), file, span: None, record }], ..Facts::default() };
        files(&facts).into_iter().map(|signal| (signal.confidence, signal.summary)).collect()
    }

    #[test]
    fn programs_are_strong_and_archives_only_by_their_names() {
        assert_eq!(said("elf", "a", "application/octet-stream")[0].0, Confidence::Strong);
        assert_eq!(said("gzip", "data.tar.gz", "application/gzip")[0].0, Confidence::Weak);
        assert_eq!(said("gzip", "xmrig-6.21.0-linux-x64.tar.gz", "application/gzip")[0].0, Confidence::Strong);
    }

    #[test]
    fn what_is_called_a_picture_and_is_none_is_said() {
        let (confidence, summary) = &said("pe", "cat.png", "image/png")[0];
        assert_eq!(*confidence, Confidence::Strong);
        assert!(summary.contains("called image/png"), "{summary}");
        assert!(!said("pe", "setup.exe", "application/octet-stream")[0].1.contains("called"));
    }
}
