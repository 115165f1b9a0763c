//! What was done to the evidence, as CASE/UCO JSON-LD (<https://caseontology.org>, CASE 1.4 and later): the files by
//! digest and size, the analysis with its tool, version and arguments, and what came of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::jsonl::{Names, unexplained_id};
use super::manifest::Manifest;
use super::{Reading, escape, ids};
use crate::correlate::{Analysis, Finding};
use crate::evidence::EvidenceId;
use crate::intake::Source;

/// The graph, with a line break at the end. The outputs of the manifest are not looked at: this is one of them.
pub fn render(analysis: &Analysis, reading: &Reading, manifest: &Manifest<'_>) -> String {
    let files: Vec<String> = analysis.sources.iter().map(|source| urn("file", &identity(source))).collect();
    let provenance: Vec<String> = analysis.sources.iter().map(|source| urn("provenance", &identity(source))).collect();
    let mut graph: BTreeMap<String, Value> = BTreeMap::new();
    let mut put = |id: &str, mut object: Value| {
        object["@id"] = json!(id);
        graph.insert(id.to_owned(), object);
    };
    for ((source, file), provenance) in analysis.sources.iter().zip(&files).zip(&provenance) {
        put(file, of_file(source, file));
        put(provenance, provenance_record(source, file));
    }
    let run = format!("{}\n{}\n{}", manifest.rules, manifest.arguments.join("\n"), files.join("\n"));
    let tool = urn("tool", manifest.version);
    put(
        &tool,
        json!({
            "@type": "uco-tool:Tool",
            "uco-core:name": manifest.tool,
            "uco-core:description": env!("CARGO_PKG_DESCRIPTION"),
            "uco-tool:version": manifest.version,
            "uco-tool:toolType": "offline forensic analysis",
        }),
    );
    let names = Names(&analysis.sources);
    let mut results = Vec::new();
    let findings = analysis.findings.iter().map(|finding| {
        let cited: Vec<EvidenceId> = finding.steps.iter().map(|step| step.record.evidence).collect();
        (finding.id.clone(), statement(finding, &names), cited, &finding.signals)
    });
    let unexplained = analysis.unexplained.iter().enumerate().map(|(at, one)| {
        let text = format!("{} that no step explains: {}", one.behaviour.name(), one.summary);
        (unexplained_id(at), text, Vec::new(), &one.signals)
    });
    for (id, statement, mut cited, signals) in findings.chain(unexplained) {
        let signals = analysis.signals.iter().filter(|signal| signals.contains(&signal.id));
        cited.extend(signals.flat_map(|signal| signal.records.iter().map(|record| record.evidence)));
        cited.sort_unstable();
        cited.dedup();
        let about = refs(cited.iter().filter_map(|id| files.get(id.0 as usize)));
        if about.is_empty() {
            continue;
        }
        let annotation = urn("annotation", &format!("{id}\n{run}"));
        put(
            &annotation,
            json!({
                "@type": "uco-core:Annotation",
                "uco-core:name": id,
                "uco-core:statement": escape::terminal(&statement),
                "uco-core:object": about,
            }),
        );
        results.push(annotation);
    }
    let mut action = json!({
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": "analysis",
        "uco-core:description": description(analysis, reading, manifest),
        "uco-action:instrument": { "@id": tool },
    });
    let facets: Vec<Value> = manifest.arguments.iter().enumerate().map(|(at, text)| argument(at, text, &run)).collect();
    for (name, values) in
        [("uco-core:hasFacet", facets), ("uco-action:object", refs(&provenance)), ("uco-action:result", refs(&results))]
    {
        if !values.is_empty() {
            action[name] = Value::Array(values);
        }
    }
    put(&urn("action", &run), action);
    let graph: Vec<Value> = graph.into_values().collect();
    let document = json!({ "@context": context(), "@graph": graph });
    let mut text = escape::json(serde_json::to_string_pretty(&document).unwrap_or_default());
    text.push('\n');
    text
}

fn context() -> Value {
    let uco = |name: &str| format!("https://ontology.unifiedcyberontology.org/uco/{name}/");
    json!({
        "case-investigation": "https://ontology.caseontology.org/case/investigation/",
        "uco-action": uco("action"),
        "uco-core": uco("core"),
        "uco-observable": uco("observable"),
        "uco-tool": uco("tool"),
        "uco-types": uco("types"),
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    })
}

/// Identifiers end in a UUID, as UCO asks for.
fn urn(kind: &str, name: &str) -> String {
    let id = ids::of_name(&format!("case-{kind}"), name);
    format!("urn:uuid:{}", id.rsplit_once("--").map_or("", |(_, uuid)| uuid))
}

/// Two files of the same bytes are two files.
fn identity(source: &Source) -> String {
    format!("{}\n{}", source.sha256, source.path)
}

fn refs<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<Value> {
    ids.into_iter().map(|id| json!({ "@id": id })).collect()
}

fn of_file(source: &Source, id: &str) -> Value {
    let name = source.path.rsplit('/').next().unwrap_or(&source.path);
    let size = json!({ "@type": "xsd:integer", "@value": source.bytes.to_string() });
    let mut content = json!({
        "@id": urn("content", id),
        "@type": "uco-observable:ContentDataFacet",
        "uco-observable:sizeInBytes": size,
    });
    // A file that could not be opened has none.
    if !source.sha256.is_empty() {
        content["uco-observable:hash"] = json!({
            "@id": urn("hash", id),
            "@type": "uco-types:Hash",
            "uco-types:hashMethod": "SHA256",
            "uco-types:hashValue": { "@type": "xsd:hexBinary", "@value": source.sha256.to_uppercase() },
        });
    }
    json!({
        "@type": "uco-observable:File",
        "uco-core:hasFacet": [
            {
                "@id": urn("file-facet", id),
                "@type": "uco-observable:FileFacet",
                "uco-observable:fileName": escape::terminal(name),
                "uco-observable:filePath": escape::terminal(&source.path),
                "uco-observable:sizeInBytes": size,
            },
            content,
        ],
    })
}

fn provenance_record(source: &Source, file: &str) -> Value {
    let read = match (&source.failure, source.format) {
        (Some(failure), _) => format!("not read to its end: {failure}"),
        (None, Some(format)) => {
            format!("read as {format}: {} records, {} more unread", source.records, source.unread)
        }
        (None, None) => format!("not read: {}", source.reason),
    };
    json!({
        "@type": "case-investigation:ProvenanceRecord",
        "uco-core:description": escape::terminal(&read),
        "uco-core:object": [{ "@id": file }],
    })
}

/// An argument of the action: `--case=FILE` has a name and a value, a path only its place.
fn argument(at: usize, text: &str, run: &str) -> Value {
    let place = format!("{at}");
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, value),
        _ => (place.as_str(), text),
    };
    json!({
        "@id": urn("argument", &format!("{at}\n{run}")),
        "@type": "uco-action:ActionArgumentFacet",
        "uco-action:argumentName": escape::terminal(name),
        "uco-action:value": escape::terminal(value),
    })
}

fn description(analysis: &Analysis, reading: &Reading, manifest: &Manifest<'_>) -> String {
    let mut said = vec![format!(
        "Reading of {} files and correlation of what they show; status {}; rule set {}.",
        analysis.sources.len(),
        reading.status(analysis),
        manifest.rules,
    )];
    if let Some(case) = &manifest.case_file {
        said.push(format!("Case file {}, SHA-256 {}.", case.path, case.sha256));
    }
    said.extend(reading.problems(analysis).iter().map(|problem| format!("Not read: {problem}.")));
    escape::terminal(&said.join(" ")).into_owned()
}

fn statement(finding: &Finding, names: &Names<'_>) -> String {
    let steps = finding.steps.iter().map(|step| {
        let at = names.record(step.record);
        format!("step {} ({} {})", step.index, at.path, at.locator)
    });
    format!(
        "{} consistent with {} of {}: {}. Strength: {}. Initiator: {}.",
        finding.behaviour.name(),
        steps.collect::<Vec<_>>().join(", "),
        finding.episode,
        finding.summary.trim_end_matches('.'),
        finding.strength.words,
        finding.initiator,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::rules::RuleSet;
    use crate::report::fixture;

    #[test]
    fn the_chain_goes_from_files_over_the_action_to_what_was_found() {
        let analysis = fixture::analysis();
        let rules = RuleSet::embedded();
        let arguments = vec!["analyze".to_owned(), "--case=case.toml".to_owned(), "incident".to_owned()];
        let manifest = Manifest::new(&analysis.sources, &rules, arguments);
        let text = render(&analysis, &Reading::default(), &manifest);
        assert_eq!(text, render(&analysis, &Reading::default(), &manifest));
        let document: Value = serde_json::from_str(&text).unwrap();
        let graph = document["@graph"].as_array().unwrap();
        let of = |kind: &str| -> Vec<&Value> { graph.iter().filter(|object| object["@type"] == kind).collect() };
        let by_id = |id: &Value| graph.iter().find(|object| object["@id"] == id["@id"]).unwrap();
        let action = of("case-investigation:InvestigativeAction")[0];
        assert_eq!(by_id(&action["uco-action:instrument"])["uco-tool:version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(action["uco-core:hasFacet"][1]["uco-action:value"], "case.toml");
        let objects = action["uco-action:object"].as_array().unwrap();
        assert_eq!(objects.len(), analysis.sources.len());
        let file = by_id(&by_id(&objects[0])["uco-core:object"][0]);
        let content = &file["uco-core:hasFacet"][1];
        assert_eq!(content["uco-observable:sizeInBytes"]["@value"], analysis.sources[0].bytes.to_string());
        let hash = content["uco-observable:hash"]["uco-types:hashValue"]["@value"].as_str().unwrap();
        assert!(hash.eq_ignore_ascii_case(&analysis.sources[0].sha256));
        let results = action["uco-action:result"].as_array().unwrap();
        assert_eq!(results.len(), 2, "what cites no file is no annotation of one");
        assert!(results.iter().all(|id| by_id(id)["@type"] == "uco-core:Annotation"));
    }
}
