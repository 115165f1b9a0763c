//! Findings as a bundle of STIX 2.1 (OASIS standard, <https://docs.oasis-open.org/cti/stix/v2.1/stix-v2.1.html>), for
//! platforms that share what was seen. Section numbers below are of that document.
//!
//! There is no indicator in it: what one incident met (an address of a hoster, a pool that many use) does not yet tell
//! the next one. There is no confidence either: strengths are ratios of likelihoods, and a probability would need priors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::catalogues::{self, Catalogue};
use super::jsonl::{Names, unexplained_id};
use super::when::rfc3339;
use super::{escape, ids};
use crate::correlate::{Analysis, Finding, StepRef, Unexplained};
use crate::model::{Flow, Signal};
use crate::time::Instant;

/// The bundle, with a line break at the end.
pub fn render(analysis: &Analysis) -> String {
    let mut bundle = Bundle::new(analysis);
    let tool = bundle.tool();
    analysis.findings.iter().for_each(|finding| bundle.finding(finding, &tool));
    for (at, one) in analysis.unexplained.iter().enumerate() {
        bundle.unexplained(&unexplained_id(at), one, &tool);
    }
    bundle.render("")
}

/// Objects by their ids, each there once.
pub(super) struct Bundle<'a> {
    analysis: &'a Analysis,
    /// When objects were "created": no clock is asked, so it is the last moment of the evidence.
    created: String,
    /// By id: what several findings cite is there once.
    objects: BTreeMap<String, Value>,
}

impl<'a> Bundle<'a> {
    pub(super) fn new(analysis: &'a Analysis) -> Self {
        let last = analysis.sources.iter().filter_map(|source| source.last).max().unwrap_or(Instant(0));
        Bundle { analysis, created: cut(last, ".000"), objects: BTreeMap::new() }
    }

    /// The bundle as JSON, with a line break at the end. `shape` tells bundles of the same evidence apart.
    pub(super) fn render(self, shape: &str) -> String {
        let digests: BTreeSet<&str> = self.analysis.sources.iter().map(|source| source.sha256.as_str()).collect();
        let digests: Vec<&str> = digests.into_iter().collect();
        let objects: Vec<Value> = self.objects.into_values().collect();
        let bundle = json!({ "type": "bundle", "id": ids::of_name("bundle", &format!("{shape}{}", digests.join(" "))), "objects": objects });
        let mut text = escape::json(serde_json::to_string_pretty(&bundle).unwrap_or_default());
        text.push('\n');
        text
    }

    pub(super) fn put(&mut self, kind: &str, id: String, properties: Value) -> String {
        let mut object = Map::new();
        object.insert("type".to_owned(), json!(kind));
        object.insert("spec_version".to_owned(), json!("2.1"));
        object.insert("id".to_owned(), json!(id));
        if let Value::Object(properties) = properties {
            object.extend(properties.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.objects.insert(id.clone(), Value::Object(object));
        id
    }

    /// A domain or relationship object: these say when and by whom they were made.
    pub(super) fn domain(&mut self, kind: &str, name: &str, by: Option<&str>, mut properties: Value) -> String {
        properties["created"] = json!(self.created);
        properties["modified"] = json!(self.created);
        properties["created_by_ref"] = json!(by);
        self.put(kind, ids::of_name(kind, name), properties)
    }

    pub(super) fn tool(&mut self) -> String {
        let version = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        let what = json!({
            "name": version,
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "identity_class": "system",
        });
        self.domain("identity", version, None, what)
    }

    pub(super) fn address(&mut self, ip: IpAddr) -> String {
        let kind = if ip.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" };
        let value = json!(ip.to_string());
        let id = ids::of_properties(kind, &[("value", value.clone())]);
        self.put(kind, id, json!({ "value": value }))
    }

    /// Names as they stand on the wire; anything else is no name that a platform could look up.
    pub(super) fn name(&mut self, name: &str) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !name.contains('.') || name.len() > 253 || !name.bytes().all(plain) {
            return None;
        }
        let value = json!(name.trim_end_matches('.').to_ascii_lowercase());
        let id = ids::of_properties("domain-name", &[("value", value.clone())]);
        Some(self.put("domain-name", id, json!({ "value": value })))
    }

    fn traffic(&mut self, flow: &Flow) -> Vec<String> {
        let src = flow.src.map(|ip| self.address(ip));
        let dst = flow.dst.map(|ip| self.address(ip));
        let mut put: Vec<String> = src.iter().chain(&dst).cloned().collect();
        let (Some(protocol), Some(ip)) = (flow.protocol, flow.src.or(flow.dst)) else { return put };
        let network = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
        let sorted: Vec<(&str, Value)> = [
            ("dst_port", json!(flow.dst_port)),
            ("dst_ref", json!(dst)),
            ("protocols", json!([network, protocol.to_string()])),
            ("src_port", json!(flow.src_port)),
            ("src_ref", json!(src)),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect();
        let id = ids::of_properties("network-traffic", &sorted);
        let properties: Map<String, Value> = sorted.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        put.push(self.put("network-traffic", id, Value::Object(properties)));
        put
    }

    /// What was observed; `None` without a time, which the standard asks for, or without anything that it has an
    /// object for.
    fn observed(
        &mut self,
        name: &str,
        span: (Instant, Instant),
        number: usize,
        refs: Vec<String>,
        by: &str,
    ) -> Option<String> {
        let refs: BTreeSet<String> = refs.into_iter().collect();
        if refs.is_empty() {
            return None;
        }
        let what = json!({
            "first_observed": seen(span.0),
            "last_observed": seen(span.1.max(span.0)),
            "number_observed": number.clamp(1, 999_999_999),
            "object_refs": refs,
        });
        Some(self.domain("observed-data", name, Some(by), what))
    }

    fn signal(&mut self, signal: &Signal, by: &str) -> Option<String> {
        let span = signal.span.filter(|span| span.basis.is_dated())?;
        let flows: Vec<Flow> = signal.flow.iter().chain(&signal.targets).copied().collect();
        let mut refs: Vec<String> = flows.iter().flat_map(|flow| self.traffic(flow)).collect();
        refs.extend(signal.domains.iter().filter_map(|name| self.name(name)));
        let records = signal.records.iter().map(|record| ids::record(*record, self.analysis)).collect::<Vec<_>>();
        let name = format!("{} {}\n{}", signal.behaviour.name(), signal.kind, records.join("\n"));
        self.observed(&name, (span.lo, span.hi), signal.records.len(), refs, by)
    }

    fn signals(&mut self, wanted: &[String], by: &str) -> Vec<String> {
        let signals = self.analysis.signals.iter().filter(|signal| wanted.contains(&signal.id));
        signals.filter_map(|signal| self.signal(signal, by)).collect()
    }

    /// What the step ran, where it says so.
    pub(super) fn process(&mut self, step: &StepRef) -> Option<String> {
        let command = step.command.as_ref()?;
        let id = ids::of_form_4("process", &self.step_name(step));
        Some(self.put("process", id, json!({ "command_line": command })))
    }

    fn step_name(&self, step: &StepRef) -> String {
        format!("{} {}", ids::record(step.record, self.analysis), step.index)
    }

    fn step(&mut self, step: &StepRef, by: &str) -> Option<String> {
        let span = step.span.filter(|span| span.basis.is_dated())?;
        let process = self.process(step)?;
        let name = self.step_name(step);
        self.observed(&name, (span.lo, span.hi), 1, vec![process], by)
    }

    fn finding(&mut self, finding: &Finding, by: &str) {
        let mut observed: Vec<String> = finding.steps.iter().filter_map(|step| self.step(step, by)).collect();
        observed.extend(self.signals(&finding.signals, by));
        let steps = finding.steps.iter().map(|step| ids::record(step.record, self.analysis)).collect::<Vec<_>>();
        let name = format!("{}\n{}", finding.behaviour.name(), steps.join("\n"));
        let mut about = Vec::new();
        let techniques = catalogues::ALL.iter().filter(|catalogue| catalogue.of_techniques);
        let techniques =
            techniques.flat_map(|catalogue| (catalogue.of_finding)(finding).iter().map(move |id| (catalogue, *id)));
        for (catalogue, id) in techniques {
            let pattern = self.technique(catalogue, id, by);
            let sighting = json!({
                "description": format!("Consistent with: {}", finding.summary),
                "first_seen": finding.first.map(seen),
                "last_seen": finding.last.map(seen),
                "sighting_of_ref": pattern,
                "observed_data_refs": (!observed.is_empty()).then_some(&observed),
            });
            about.push(self.domain("sighting", &format!("{id}\n{name}"), Some(by), sighting));
        }
        about.extend(observed);
        if about.is_empty() {
            return;
        }
        let risks = catalogues::ALL.iter().filter(|catalogue| !catalogue.of_techniques);
        let risks: Vec<Value> = risks
            .flat_map(|catalogue| (catalogue.of_finding)(finding).iter().map(|id| reference(catalogue, id)))
            .collect();
        let note = json!({
            "external_references": (!risks.is_empty()).then_some(risks),
            "abstract": format!("{} of {}: {}", finding.behaviour.name(), finding.episode, finding.strength.words),
            "content": words(finding, &Names(&self.analysis.sources)),
            "object_refs": about,
        });
        self.domain("note", &name, Some(by), note);
    }

    fn unexplained(&mut self, id: &str, one: &Unexplained, by: &str) {
        let about = self.signals(&one.signals, by);
        if about.is_empty() {
            return;
        }
        let note = json!({
            "abstract": format!("{} that no step explains", one.behaviour.name()),
            "content": format!("{id}: {}\nLeading: {}.", one.summary, one.leading),
            "object_refs": about,
        });
        let name = about.join("\n");
        self.domain("note", &name, Some(by), note);
    }

    pub(super) fn technique(&mut self, catalogue: &Catalogue, id: &str, by: &str) -> String {
        let what = json!({ "name": catalogue.name_of(id), "external_references": [reference(catalogue, id)] });
        self.domain("attack-pattern", id, Some(by), what)
    }
}

pub(super) fn reference(catalogue: &Catalogue, id: &str) -> Value {
    json!({ "source_name": catalogue.source, "external_id": id, "url": catalogue.url_of(id) })
}

/// A time whose fraction has as many digits: three of `created` and `modified` (3.2); six of others, since readers that
/// go by microseconds refuse more.
fn cut(at: Instant, fraction: &str) -> String {
    let longest = "2026-11-20T14:13:46".len() + fraction.len();
    rfc3339(at).get(..longest).map_or_else(String::new, |text| format!("{text}Z"))
}

pub(super) fn seen(at: Instant) -> String {
    cut(at, ".000000")
}

fn bans(log10_lr: f64) -> String {
    if log10_lr.is_finite() { format!("{log10_lr:+.1}") } else { "unbounded".to_owned() }
}

/// What the finding rests on, for a person.
fn words(finding: &Finding, names: &Names<'_>) -> String {
    let mut lines = vec![format!("{}: {}", finding.id, finding.summary)];
    for step in &finding.steps {
        let at = names.record(step.record);
        lines.push(format!("Step {} of {}, {} {}.", step.index, finding.episode, at.path, at.locator));
    }
    let strength = &finding.strength;
    lines.push(format!("Strength: {} ({} bans).", strength.words, bans(strength.log10_lr)));
    lines.extend(
        strength.terms.iter().map(|term| format!("{} bans, {}: {}", bans(term.log10_lr), term.term, term.observed)),
    );
    lines.push(format!("Initiator: {}.", finding.initiator));
    lines.extend(
        finding
            .rivals
            .get(1)
            .map(|rival| format!("Next best: {} ({} bans).", rival.hypothesis.name(), bans(rival.log10_lr))),
    );
    lines.extend(finding.limits.iter().map(|limit| format!("Limit: {limit}.")));
    lines.extend(finding.would_decide.iter().map(|what| format!("Would decide: {what}.")));
    let lines: Vec<String> = lines.iter().map(|line| escape::terminal(line).into_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn objects(analysis: &Analysis) -> Vec<Value> {
        let bundle: Value = serde_json::from_str(&render(analysis)).unwrap();
        bundle["objects"].as_array().unwrap().clone()
    }

    #[test]
    fn what_is_referred_to_is_there_and_of_the_right_kind() {
        let objects = objects(&fixture::analysis());
        let ids: BTreeSet<&str> = objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), objects.len());
        for object in &objects {
            let kind = object["type"].as_str().unwrap();
            assert!(object["id"].as_str().unwrap().starts_with(&format!("{kind}--")));
            for (name, value) in object.as_object().unwrap() {
                if name.ends_with("_ref") {
                    assert!(ids.contains(value.as_str().unwrap()), "{name}");
                } else if name.ends_with("_refs") {
                    assert!(value.as_array().unwrap().iter().all(|id| ids.contains(id.as_str().unwrap())), "{name}");
                }
            }
            let required: &[&str] = match kind {
                "identity" | "attack-pattern" => &["created", "modified", "name"],
                "observed-data" => &["created", "first_observed", "last_observed", "number_observed", "object_refs"],
                "sighting" => &["created", "sighting_of_ref"],
                "note" => &["created", "content", "object_refs"],
                "network-traffic" => &["protocols"],
                "ipv4-addr" | "domain-name" => &["value"],
                "process" => &["command_line"],
                other => panic!("{other}"),
            };
            assert!(required.iter().all(|name| object.get(name).is_some()), "{object}");
            assert!(object.get("confidence").is_none() && kind != "indicator");
        }
        let of = |kind: &str| objects.iter().filter(|object| object["type"] == kind).count();
        assert_eq!((of("sighting"), of("note"), of("process"), of("network-traffic")), (4, 2, 2, 2));
        // Two findings, each with a technique of ATT&CK and the same one of ATLAS; risks are references of their notes.
        let of_note = |id: &str| {
            let notes = objects.iter().filter(|object| object["type"] == "note");
            let references = notes.filter_map(|note| note["external_references"].as_array()).flatten();
            references.filter(|reference| reference["external_id"] == id).count()
        };
        assert_eq!((of("attack-pattern"), of_note("ASI02"), of_note("ASI10")), (3, 2, 1));
    }

    #[test]
    fn nothing_found_is_a_bundle_with_the_tool_alone() {
        assert_eq!(objects(&Analysis::default()).len(), 1);
    }
}
