//! Findings as SARIF 2.1.0 (OASIS standard, <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), for
//! pages that show results of code scanners. Section numbers below are of that document.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::catalogues::{self, Catalogue};
use super::jsonl::{Names, unexplained_id};
use super::when::six_digits;
use super::{Reading, escape};
use crate::correlate::{Analysis, Finding, Unexplained};
use crate::evidence::{Record, hexadecimal};
use crate::intake::Source;
use crate::model::{Behaviour, Signal};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Records listed beside the first; a result with more says how many there are.
const RELATED: usize = 50;

/// The log file, with a line break at the end.
pub fn render(analysis: &Analysis, reading: &Reading) -> String {
    let findings = analysis.findings.iter().map(|finding| of_finding(finding, analysis));
    let unexplained = analysis.unexplained.iter().enumerate();
    let unexplained = unexplained.map(|(at, one)| of_unexplained(&unexplained_id(at), one, analysis));
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "fullDescription": { "text": env!("CARGO_PKG_DESCRIPTION") },
                "rules": Behaviour::ALL.iter().map(|behaviour| rule(*behaviour)).collect::<Vec<_>>(),
                "supportedTaxonomies": placed().map(|(at, one)| component(at, one)).collect::<Vec<_>>(),
            } },
            "taxonomies": catalogues::ALL.iter().map(|one| taxonomy(one, analysis)).collect::<Vec<_>>(),
            "invocations": [invocation(analysis, reading)],
            "artifacts": analysis.sources.iter().map(artifact).collect::<Vec<_>>(),
            "results": findings.chain(unexplained).collect::<Vec<_>>(),
        }],
    });
    let mut text = escape::json(serde_json::to_string_pretty(&log).unwrap_or_default());
    text.push('\n');
    text
}

/// Text of a message: on one line, and neither a placeholder (3.11.5: braces are doubled) nor a link (3.11.6: `[text](to)`
/// is one, with a blank in it it is not).
fn message(text: &str) -> Value {
    let mut plain = String::with_capacity(text.len());
    for c in escape::terminal(text).chars() {
        match c {
            '{' | '}' => plain.extend([c, c]),
            '(' if plain.ends_with(']') => plain.push_str(" ("),
            c => plain.push(c),
        }
    }
    json!({ "text": plain })
}

/// A path as a relative reference, or a file URI where it is absolute (RFC 3986: all but unreserved characters encoded).
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// The catalogues with their places among the taxonomies (3.14.8).
fn placed() -> impl Iterator<Item = (usize, &'static Catalogue)> {
    catalogues::ALL.iter().enumerate()
}

fn component(at: usize, catalogue: &Catalogue) -> Value {
    json!({ "name": catalogue.name, "index": at })
}

fn rule(behaviour: Behaviour) -> Value {
    let related = placed().flat_map(|(at, catalogue)| {
        (catalogue.of_behaviour)(behaviour).iter().map(move |id| {
            json!({
                "target": { "id": id, "toolComponent": component(at, catalogue) },
                "kinds": ["relevant"],
            })
        })
    });
    let name = behaviour.name();
    json!({
        "id": name,
        "shortDescription": { "text": format!("Steps of an agent's episode that line up with {name}") },
        "help": { "text": "A finding says what lines up and how strongly, not what anybody meant by it. \
                           `coincident explain DIR ID` shows what it rests on and what else could explain it." },
        "defaultConfiguration": { "level": "warning" },
        "relationships": related.collect::<Vec<_>>(),
    })
}

fn taxonomy(catalogue: &Catalogue, analysis: &Analysis) -> Value {
    let taxon = |id: &str| {
        json!({
            "id": id,
            "shortDescription": { "text": catalogue.name_of(id) },
            "helpUri": catalogue.url_of(id),
        })
    };
    let what = if catalogue.of_techniques { "Techniques of adversaries" } else { "Risks of agents" };
    json!({
        "name": catalogue.name,
        "version": catalogue.version,
        "organization": catalogue.organization,
        "informationUri": catalogue.site,
        "shortDescription": { "text": format!("{what}; a behaviour is consistent with those it refers to") },
        "taxa": catalogue.named(analysis).into_iter().map(taxon).collect::<Vec<_>>(),
    })
}

fn invocation(analysis: &Analysis, reading: &Reading) -> Value {
    let told = |level: &str, text: &String| json!({ "level": level, "message": message(text) });
    let problems = reading.problems(analysis);
    let unread = problems.iter().map(|problem| told("warning", problem));
    let limits = analysis.limits.iter().map(|limit| told("note", limit));
    json!({
        "executionSuccessful": reading.status(analysis) != "error",
        "toolExecutionNotifications": unread.chain(limits).collect::<Vec<_>>(),
    })
}

fn artifact(source: &Source) -> Value {
    let mut artifact = json!({
        "location": { "uri": uri(&source.path) },
        "length": source.bytes,
    });
    if !source.sha256.is_empty() {
        artifact["hashes"] = json!({ "sha-256": source.sha256 });
    }
    artifact
}

/// Where a record stands: a line is a region of its file, anything else a place by name (3.33).
fn location(record: Record, analysis: &Analysis) -> Value {
    let named = Names(&analysis.sources).record(record);
    let mut physical = json!({ "artifactLocation": { "uri": uri(&named.path), "index": record.evidence.0 } });
    let unit = analysis.sources.get(record.evidence.0 as usize).map(|source| source.record_unit);
    if unit == Some("line") && record.number > 0 {
        physical["region"] = json!({ "startLine": record.number });
        return json!({ "physicalLocation": physical });
    }
    json!({
        "physicalLocation": physical,
        "logicalLocations": [{
            "name": named.locator,
            "fullyQualifiedName": format!("{} {}", escape::terminal(&named.path), named.locator),
            "kind": unit.unwrap_or("record"),
        }],
    })
}

/// The first record is the place of the result, the others are related to it (3.27.12: several places only where all of
/// them have to be changed).
fn place(result: &mut Value, records: &[Record], analysis: &Analysis) {
    let Some((first, others)) = records.split_first() else { return };
    result["locations"] = json!([location(*first, analysis)]);
    let related = |(at, record): (usize, &Record)| {
        let mut location = location(*record, analysis);
        location["id"] = json!(at + 1);
        location
    };
    if !others.is_empty() {
        result["relatedLocations"] = others.iter().take(RELATED).enumerate().map(related).collect();
    }
}

/// The same over runs for the same behaviour in the same records of the same evidence, whatever the files are called
/// and whatever else is found (3.27.17). Ids of findings are not: they are numbers in the order of a report.
fn fingerprint(behaviour: Behaviour, records: &[Record], analysis: &Analysis) -> String {
    let mut hash = Sha256::new();
    hash.update(behaviour.name());
    let digest = |record: &Record| analysis.sources.get(record.evidence.0 as usize).map(|source| &source.sha256);
    let records: BTreeSet<(Option<&String>, u64)> =
        records.iter().map(|record| (digest(record), record.number)).collect();
    for (digest, number) in records {
        hash.update(format!("\n{} {number}", digest.map_or("", String::as_str)));
    }
    hexadecimal(&hash.finalize())
}

fn signals<'a>(ids: &'a [String], analysis: &'a Analysis) -> impl Iterator<Item = &'a Signal> {
    analysis.signals.iter().filter(|signal| ids.contains(&signal.id))
}

fn index(behaviour: Behaviour) -> Option<usize> {
    Behaviour::ALL.iter().position(|one| *one == behaviour)
}

fn taxa(finding: &Finding) -> Vec<Value> {
    let of_catalogue = |(at, catalogue): (usize, &'static Catalogue)| {
        let ids = (catalogue.of_finding)(finding).iter();
        ids.map(move |id| json!({ "id": id, "toolComponent": component(at, catalogue) })).collect::<Vec<_>>()
    };
    placed().flat_map(of_catalogue).collect()
}

fn of_finding(finding: &Finding, analysis: &Analysis) -> Value {
    let steps: Vec<Record> = finding.steps.iter().map(|step| step.record).collect();
    let terms = finding.strength.terms.iter().flat_map(|term| term.records.iter().copied());
    let seen = signals(&finding.signals, analysis).flat_map(|signal| signal.records.iter().copied());
    let others: BTreeSet<Record> = terms.chain(seen).filter(|record| !steps.contains(record)).collect();
    let records: Vec<Record> = steps.iter().copied().chain(others).collect();
    let indices: Vec<String> = finding.steps.iter().map(|step| step.index.to_string()).collect();
    let text = format!(
        "{}: {} of {}, step {}: {}. Strength: {}. Initiator: {}.",
        finding.id,
        finding.behaviour.name(),
        finding.episode,
        indices.join(", "),
        finding.summary.trim_end_matches('.'),
        finding.strength.words,
        finding.initiator,
    );
    let mut properties = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            properties.insert(name.to_owned(), value);
        }
    };
    let rival = finding.rivals.get(1);
    put("finding", json!(finding.id));
    put("episode", json!(finding.episode));
    put("run", json!(finding.run));
    put("log10Lr", json!(six_digits(finding.strength.log10_lr)));
    put("strength", json!(finding.strength.words));
    put("initiator", json!(finding.initiator));
    put("bestRival", json!(rival.map(|rival| rival.hypothesis.name())));
    put("bestRivalLog10Lr", json!(rival.and_then(|rival| six_digits(rival.log10_lr))));
    put("commands", json!(finding.steps.iter().filter_map(|step| step.command.as_ref()).collect::<Vec<_>>()));
    put("signals", json!(finding.signals));
    put("wouldDecide", json!(finding.would_decide));
    put("limits", json!(finding.limits));
    put("records", json!(records.len()));
    let mut result = json!({
        "ruleId": finding.behaviour.name(),
        "ruleIndex": index(finding.behaviour),
        "kind": "fail",
        "level": match finding.level {
            "low" => "note",
            "medium" => "warning",
            _ => "error",
        },
        "message": message(&text),
        "partialFingerprints": { "coincidentSteps/v1": fingerprint(finding.behaviour, &steps, analysis) },
        "taxa": taxa(finding),
        "properties": properties,
    });
    place(&mut result, &records, analysis);
    result
}

/// What no step explains is for a person to look at: kind "review", which has no level (3.27.9, 3.27.10).
fn of_unexplained(id: &str, one: &Unexplained, analysis: &Analysis) -> Value {
    let records: BTreeSet<Record> =
        signals(&one.signals, analysis).flat_map(|signal| signal.records.iter().copied()).collect();
    let records: Vec<Record> = records.into_iter().collect();
    let text = format!(
        "{id}: {} that no step explains: {}. Leading: {}.",
        one.behaviour.name(),
        one.summary.trim_end_matches('.'),
        one.leading,
    );
    let mut result = json!({
        "ruleId": one.behaviour.name(),
        "ruleIndex": index(one.behaviour),
        "kind": "review",
        "level": "none",
        "message": message(&text),
        "partialFingerprints": { "coincidentSignals/v1": fingerprint(one.behaviour, &records, analysis) },
        "properties": {
            "unexplained": id,
            "leading": one.leading,
            "signals": one.signals,
            "wouldDecide": one.would_decide,
            "records": records.len(),
        },
    });
    place(&mut result, &records, analysis);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn log(analysis: &Analysis) -> Value {
        serde_json::from_str(&render(analysis, &Reading::default())).unwrap()
    }

    #[test]
    fn results_have_what_code_scanning_pages_ask_for() {
        // The required and used properties of GitHub's "SARIF support for code scanning".
        let log = log(&fixture::analysis());
        assert_eq!((&log["version"], log["runs"].as_array().map(Vec::len)), (&json!("2.1.0"), Some(1)));
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
            assert!(result["partialFingerprints"].as_object().is_some_and(|prints| !prints.is_empty()));
            let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
            for location in result["locations"].as_array().into_iter().flatten() {
                let at = &location["physicalLocation"]["artifactLocation"];
                let artifact = usize::try_from(at["index"].as_u64().unwrap()).unwrap();
                assert_eq!(run["artifacts"][artifact]["location"]["uri"], at["uri"]);
            }
        }
        let taxonomies = run["taxonomies"].as_array().unwrap();
        assert_eq!(run["tool"]["driver"]["supportedTaxonomies"].as_array().map(Vec::len), Some(taxonomies.len()));
        for taxon in run["results"][0]["taxa"].as_array().unwrap() {
            let at = usize::try_from(taxon["toolComponent"]["index"].as_u64().unwrap()).unwrap();
            assert_eq!(taxonomies[at]["name"], taxon["toolComponent"]["name"]);
            assert!(taxonomies[at]["taxa"].as_array().unwrap().iter().any(|known| known["id"] == taxon["id"]));
        }
        let taxa: Vec<&str> =
            run["results"][1]["taxa"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).collect();
        assert_eq!(taxa, ["T1496.001", "AML.T0053", "ASI02", "ASI10"]);
        let finding = &run["results"][0];
        assert_eq!((&finding["level"], &finding["kind"]), (&json!("error"), &json!("fail")));
        assert_eq!(finding["locations"][0]["physicalLocation"]["region"]["startLine"], 11);
        let packet = &finding["relatedLocations"][0];
        assert_eq!(packet["logicalLocations"][0]["name"], "packet 88");
        assert!(packet["physicalLocation"].get("region").is_none(), "a packet is no line");
        assert_eq!(run["results"][2]["level"], "none");
    }

    #[test]
    fn fingerprints_follow_the_evidence_not_the_report() {
        let print = |analysis: &Analysis| log(analysis)["runs"][0]["results"][0]["partialFingerprints"].clone();
        let mut analysis = fixture::analysis();
        let before = print(&analysis);
        analysis.findings[0].id = "F-0007".to_owned();
        analysis.sources[3].path = "renamed.jsonl".to_owned();
        assert_eq!(print(&analysis), before);
        analysis.findings[0].steps[0].record.number += 1;
        assert_ne!(print(&analysis), before);
    }

    #[test]
    fn text_of_the_evidence_makes_no_links_placeholders_or_uris() {
        assert_eq!(message("[a](https://x) {0}\n")["text"], "[a] (https://x) {{0}}\\n");
        assert_eq!(uri("a b/java:x\u{202e}%.log"), "a%20b/java%3Ax%E2%80%AE%25.log");
        assert_eq!(uri("/case/x.log"), "file:///case/x.log");
    }
}
