//! Findings as an Attack Flow (Center for Threat-Informed Defense, Attack Flow 2,
//! <https://center-for-threat-informed-defense.github.io/attack-flow/>): an extension of STIX 2.1 whose normative schema is
//! `stix/attack-flow-schema-2.0.0.json` of <https://github.com/center-for-threat-informed-defense/attack-flow>.
//!
//! A document of it "MUST contain exactly one attack-flow object": it is that of the incident, and every episode with
//! findings is a chain of actions of its own from one of its starts. As in [`super::stix`], there is no confidence.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::catalogues;
use super::escape;
use super::ids;
use super::stix::{Bundle, reference, seen};
use crate::correlate::{Analysis, Finding};

/// The extension, as its makers define it.
const EXTENSION: &str = "extension-definition--fb9c968a-745b-4ade-9b25-c324172197f4";
const MAKER: &str = "identity--d673f8cb-c168-42da-8ed4-0cb26725f86c";
const MADE: &str = "2022-08-02T19:34:35.143Z";

/// The bundle, with a line break at the end. Without findings there is no flow in it: a flow starts with an action.
pub fn render(analysis: &Analysis) -> String {
    let mut flow = Flow { bundle: Bundle::new(analysis), analysis };
    let tool = flow.bundle.tool();
    flow.extension();
    let starts: Vec<String> = episodes(analysis).values().filter_map(|findings| flow.chain(findings, &tool)).collect();
    if !starts.is_empty() {
        flow.flow(&starts, &tool);
    }
    flow.bundle.render("attack-flow\n")
}

/// The findings of each episode, in the order of time: of the first moments where all have one, of the steps elsewhere.
fn episodes(analysis: &Analysis) -> BTreeMap<&str, Vec<&Finding>> {
    let mut episodes: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &analysis.findings {
        episodes.entry(&finding.episode).or_default().push(finding);
    }
    for findings in episodes.values_mut() {
        let dated = findings.iter().all(|finding| finding.first.is_some());
        let step = |finding: &Finding| finding.steps.iter().map(|step| step.index).min();
        findings.sort_by_key(|finding| (finding.first.filter(|_| dated), step(finding), &finding.id));
    }
    episodes
}

struct Flow<'a> {
    bundle: Bundle<'a>,
    analysis: &'a Analysis,
}

impl Flow<'_> {
    fn extension(&mut self) {
        let maker = json!({
            "created": MADE,
            "modified": MADE,
            "created_by_ref": MAKER,
            "name": "MITRE Center for Threat-Informed Defense",
            "identity_class": "organization",
        });
        self.bundle.put("identity", MAKER.to_owned(), maker);
        let extension = json!({
            "created": MADE,
            "modified": MADE,
            "created_by_ref": MAKER,
            "name": "Attack Flow",
            "description": "Extends STIX 2.1 with features to create Attack Flows.",
            "schema": "https://center-for-threat-informed-defense.github.io/attack-flow/stix/attack-flow-schema-2.0.0.json",
            "version": "2.0.0",
            "extension_types": ["new-sdo"],
        });
        self.bundle.put("extension-definition", EXTENSION.to_owned(), extension);
    }

    fn object(&mut self, kind: &str, name: &str, by: &str, mut properties: Value) -> String {
        properties["extensions"] = json!({ EXTENSION: { "extension_type": "new-sdo" } });
        self.bundle.domain(kind, name, Some(by), properties)
    }

    /// The actions of an episode, the last one first so that each can name the one that follows it. The first one's id.
    fn chain(&mut self, findings: &[&Finding], by: &str) -> Option<String> {
        let mut next: Option<String> = None;
        for finding in findings.iter().rev() {
            next = Some(self.action(finding, next.as_ref(), by));
        }
        next
    }

    fn action(&mut self, finding: &Finding, next: Option<&String>, by: &str) -> String {
        let technique = finding.behaviour.attack().first();
        let [attack, ..] = &catalogues::ALL;
        let pattern = technique.map(|id| self.bundle.technique(attack, id, by));
        let command = finding.steps.iter().find_map(|step| self.bundle.process(step));
        let assets = self.assets(finding, by);
        let references: Vec<Value> = catalogues::ALL
            .iter()
            .flat_map(|catalogue| (catalogue.of_finding)(finding).iter().map(|id| reference(catalogue, id)))
            .collect();
        let steps: Vec<String> = finding.steps.iter().map(|step| step.index.to_string()).collect();
        let description = format!(
            "Consistent with {}: {}. Step {} of {}. Strength: {}. Initiator: {}.",
            finding.behaviour.name(),
            finding.summary.trim_end_matches('.'),
            steps.join(", "),
            finding.episode,
            finding.strength.words,
            finding.initiator
        );
        let name = format!(
            "{}\n{}",
            finding.behaviour.name(),
            finding.steps.iter().map(|step| ids::record(step.record, self.analysis)).collect::<Vec<_>>().join("\n")
        );
        let what = json!({
            "name": technique.map_or(finding.behaviour.name(), |id| attack.name_of(id)),
            "technique_id": technique,
            "technique_ref": pattern,
            "description": escape::terminal(&description),
            "execution_start": finding.first.map(seen),
            "execution_end": finding.last.map(seen),
            "command_ref": command,
            "asset_refs": (!assets.is_empty()).then_some(assets),
            "effect_refs": next.map(|next| [next]),
            "external_references": (!references.is_empty()).then_some(references),
        });
        self.object("attack-action", &name, by, what)
    }

    /// The machine of the episode, and the other ends of what its signals saw.
    fn assets(&mut self, finding: &Finding, by: &str) -> BTreeSet<String> {
        let analysis = self.analysis;
        let mut assets = BTreeSet::new();
        let episode = analysis.episodes.iter().find(|episode| episode.name == finding.episode);
        if let Some((episode, host)) = episode.and_then(|episode| Some((episode, episode.host.as_ref()?))) {
            let object = host.parse().ok().map(|ip| self.bundle.address(ip));
            let what = format!("Machine of the episode ({}).", episode.host_basis);
            assets.insert(self.asset(host, &what, object, by));
        }
        for signal in analysis.signals.iter().filter(|signal| finding.signals.contains(&signal.id)) {
            let ends: BTreeSet<_> = signal.flow.iter().chain(&signal.targets).filter_map(|flow| flow.dst).collect();
            for ip in ends {
                let object = self.bundle.address(ip);
                assets.insert(self.asset(&ip.to_string(), "Other end of what was seen.", Some(object), by));
            }
            for name in &signal.domains {
                if let Some(object) = self.bundle.name(name) {
                    assets.insert(self.asset(name, "Name of the other end.", Some(object), by));
                }
            }
        }
        assets
    }

    fn asset(&mut self, name: &str, what: &str, object: Option<String>, by: &str) -> String {
        let name = escape::terminal(name);
        let properties = json!({ "name": name, "description": escape::terminal(what), "object_ref": object });
        self.object("attack-asset", &name, by, properties)
    }

    fn flow(&mut self, starts: &[String], by: &str) {
        let starts: BTreeSet<&String> = starts.iter().collect();
        let what = json!({
            "name": "Acts of agents that line up with what was observed",
            "description": "A chain of actions per episode with findings. An arrow says that one came after the other, \
                            not that it follows from it; an action says what lines up and how strongly, not what \
                            anybody meant by it.",
            "scope": "incident",
            "start_refs": starts,
        });
        let name = starts.iter().map(|start| start.as_str()).collect::<Vec<_>>().join("\n");
        self.object("attack-flow", &name, by, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn objects(analysis: &Analysis) -> Vec<Value> {
        let bundle: Value = serde_json::from_str(&render(analysis)).unwrap();
        bundle["objects"].as_array().unwrap().clone()
    }

    fn of<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
        objects.iter().filter(|object| object["type"] == kind).collect()
    }

    #[test]
    fn actions_of_an_episode_follow_each_other_in_time() {
        let mut analysis = fixture::analysis();
        // The second finding begins first now.
        analysis.findings[1].first = analysis.findings[0].first.map(|first| first.plus(-1));
        let objects = objects(&analysis);
        let [flow] = of(&objects, "attack-flow")[..] else { panic!("one flow") };
        let start = flow["start_refs"][0].as_str().unwrap();
        let actions = of(&objects, "attack-action");
        let action = |id: &str| *actions.iter().find(|action| action["id"] == id).unwrap();
        assert_eq!((actions.len(), action(start)["technique_id"].as_str()), (2, Some("T1496.001")));
        let then = action(action(start)["effect_refs"][0].as_str().unwrap());
        assert_eq!((then["technique_id"].as_str(), then.get("effect_refs")), (Some("T1572"), None));
        // Without times the steps decide: 4 before 5.
        analysis.findings[0].first = None;
        let objects = super::tests::objects(&analysis);
        let start = of(&objects, "attack-flow")[0]["start_refs"][0].clone();
        let first = of(&objects, "attack-action").into_iter().find(|action| action["id"] == start).unwrap();
        assert_eq!(first["technique_id"], "T1572");
    }

    /// The rules of the schema that concern us, which is no part of this repository: references by the kinds that they may
    /// have, what is required, and that lists are not empty.
    #[test]
    fn objects_are_as_the_schema_wants_them() {
        let objects = objects(&fixture::analysis());
        let ids: BTreeSet<&str> = objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
        for object in &objects {
            let kind = object["type"].as_str().unwrap();
            for (name, value) in object.as_object().unwrap() {
                let refs: Vec<&str> = match value {
                    Value::String(id) if name.ends_with("_ref") => vec![id],
                    Value::Array(all) if name.ends_with("_refs") => all.iter().filter_map(Value::as_str).collect(),
                    _ => continue,
                };
                assert!(!refs.is_empty(), "{kind} {name}");
                let may: &[&str] = match name.as_str() {
                    "start_refs" | "effect_refs" => &["attack-action--"],
                    "asset_refs" => &["attack-asset--"],
                    "command_ref" => &["process--"],
                    "technique_ref" => &["attack-pattern--"],
                    "created_by_ref" => &["identity--"],
                    _ => &[""],
                };
                assert!(refs.iter().all(|id| ids.contains(id)), "{kind} {name}");
                assert!(refs.iter().all(|id| may.iter().any(|prefix| id.starts_with(prefix))), "{kind} {name}");
            }
            assert!(object.get("confidence").is_none());
            if kind.starts_with("attack-") && kind != "attack-pattern" {
                assert!(object["name"].as_str().is_some_and(|name| !name.is_empty()));
                assert_eq!(object["extensions"][EXTENSION]["extension_type"], "new-sdo");
            }
        }
        assert_eq!(of(&objects, "extension-definition").len(), 1);
    }

    #[test]
    fn nothing_found_is_no_flow() {
        let objects = objects(&Analysis::default());
        assert!(of(&objects, "attack-flow").is_empty() && of(&objects, "attack-action").is_empty());
    }
}
