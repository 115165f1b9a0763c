//! Catalogues of techniques and risks as other tools want them: by id, name and page.

use std::collections::BTreeSet;

use super::lines::FindingLine;
use crate::correlate::{Analysis, Finding};
use crate::model::Behaviour;

/// One catalogue, and what it says of behaviours and findings.
pub(super) struct Catalogue {
    /// As people and SARIF call it.
    pub name: &'static str,
    /// As STIX calls it among external references.
    pub source: &'static str,
    pub organization: &'static str,
    pub version: &'static str,
    pub site: &'static str,
    /// Whether its entries are ways of doing things, which STIX has an object for, and not risks.
    pub of_techniques: bool,
    name_of: fn(&str) -> &str,
    url_of: fn(&str) -> String,
    pub of_behaviour: fn(Behaviour) -> &'static [&'static str],
    pub of_finding: fn(&Finding) -> &[&'static str],
}

/// In the order in which they are shown.
pub(super) const ALL: [Catalogue; 3] = [
    Catalogue {
        name: "MITRE ATT&CK",
        source: "mitre-attack",
        organization: "The MITRE Corporation",
        version: "19",
        site: "https://attack.mitre.org",
        of_techniques: true,
        name_of: attack,
        // Sub-techniques have their pages below that of their technique.
        url_of: |id| format!("https://attack.mitre.org/techniques/{}/", id.replace('.', "/")),
        of_behaviour: Behaviour::attack,
        of_finding: |finding| &finding.attack,
    },
    Catalogue {
        name: "MITRE ATLAS",
        source: "mitre-atlas",
        organization: "The MITRE Corporation",
        version: "5.4.0",
        site: "https://atlas.mitre.org",
        of_techniques: true,
        name_of: atlas,
        url_of: |id| format!("https://atlas.mitre.org/techniques/{id}"),
        of_behaviour: Behaviour::atlas,
        of_finding: |finding| &finding.atlas,
    },
    Catalogue {
        name: "OWASP Top 10 for Agentic Applications",
        source: "owasp-top-10-for-agentic-applications-2026",
        organization: "OWASP Gen AI Security Project",
        version: "2026",
        site: OWASP,
        of_techniques: false,
        name_of: owasp,
        // The list is one document.
        url_of: |_| OWASP.to_owned(),
        of_behaviour: Behaviour::owasp,
        of_finding: |finding| &finding.owasp,
    },
];

const OWASP: &str = "https://genai.owasp.org/resource/owasp-top-10-for-agentic-applications-for-2026/";

impl Catalogue {
    /// The name of an entry; its id where these tables lack it.
    pub(super) fn name_of<'a>(&self, id: &'a str) -> &'a str {
        (self.name_of)(id)
    }

    /// The page of an entry.
    pub(super) fn url_of(&self, id: &str) -> String {
        (self.url_of)(id)
    }

    /// Every entry that behaviours and findings name, in the order of their ids.
    pub(super) fn named(&self, analysis: &Analysis) -> Vec<&'static str> {
        let findings = analysis.findings.iter().flat_map(|finding| (self.of_finding)(finding));
        let behaviours = Behaviour::ALL.iter().flat_map(|behaviour| (self.of_behaviour)(*behaviour));
        findings.chain(behaviours).copied().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// "ATT&CK T1572; ATLAS AML.T0053; OWASP Agentic ASI02": what a finding is consistent with, without catalogues that an
/// older file says nothing of.
pub(super) fn in_words(finding: &FindingLine) -> String {
    let named = [("ATT&CK", &finding.attack), ("ATLAS", &finding.atlas), ("OWASP Agentic", &finding.owasp)];
    let named = named.iter().filter(|(_, ids)| !ids.is_empty()).map(|(name, ids)| format!("{name} {}", ids.join(", ")));
    named.collect::<Vec<_>>().join("; ")
}

/// Enterprise matrix, <https://attack.mitre.org/techniques/enterprise/>.
fn attack(id: &str) -> &str {
    match id {
        "T1018" => "Remote System Discovery",
        "T1021.004" => "Remote Services: SSH",
        "T1046" => "Network Service Discovery",
        "T1053.003" => "Scheduled Task/Job: Cron",
        "T1070" => "Indicator Removal",
        "T1105" => "Ingress Tool Transfer",
        "T1496.001" => "Resource Hijacking: Compute Hijacking",
        "T1548" => "Abuse Elevation Control Mechanism",
        "T1571" => "Non-Standard Port",
        "T1572" => "Protocol Tunneling",
        "T1657" => "Financial Theft",
        other => other,
    }
}

/// As [`crate::model::agentic`] says.
fn atlas(id: &str) -> &str {
    match id {
        "AML.T0008" => "Acquire Infrastructure",
        "AML.T0048.000" => "External Harms: Financial Harm",
        "AML.T0050" => "Command and Scripting Interpreter",
        "AML.T0053" => "AI Agent Tool Invocation",
        "AML.T0055" => "Unsecured Credentials",
        "AML.T0072" => "Reverse Shell",
        "AML.T0074" => "Masquerading",
        "AML.T0081" => "Modify AI Agent Configuration",
        "AML.T0105" => "Escape to Host",
        other => other,
    }
}

/// As [`crate::model::agentic`] says.
fn owasp(id: &str) -> &str {
    match id {
        "ASI02" => "Tool Misuse and Exploitation",
        "ASI03" => "Identity and Privilege Abuse",
        "ASI04" => "Agentic Supply Chain Vulnerabilities",
        "ASI05" => "Unexpected Code Execution (RCE)",
        "ASI10" => "Rogue Agents",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::rules::RuleSet;
    use crate::model::agentic;

    #[test]
    fn every_entry_has_its_name_and_page() {
        let [attack, atlas, owasp] = &ALL;
        for catalogue in &ALL {
            for id in catalogue.named(&Analysis::default()) {
                assert_ne!(catalogue.name_of(id), id);
            }
        }
        for rule in &RuleSet::embedded().rules {
            for id in agentic::atlas(rule.behaviour, [rule.kind.as_str()].into_iter()) {
                assert_ne!(atlas.name_of(id), id);
            }
            for id in agentic::owasp(rule.behaviour, [rule.kind.as_str()].into_iter()) {
                assert_ne!(owasp.name_of(id), id);
            }
        }
        assert_eq!(attack.url_of("T1053.003"), "https://attack.mitre.org/techniques/T1053/003/");
        assert_eq!(atlas.url_of("AML.T0053"), "https://atlas.mitre.org/techniques/AML.T0053");
    }

    #[test]
    fn a_file_without_the_newer_catalogues_says_nothing_of_them() {
        let mut finding = FindingLine { attack: vec!["T1572".to_owned()], ..FindingLine::default() };
        assert_eq!(in_words(&finding), "ATT&CK T1572");
        finding.atlas = vec!["AML.T0050".to_owned(), "AML.T0053".to_owned()];
        finding.owasp = vec!["ASI02".to_owned()];
        assert_eq!(in_words(&finding), "ATT&CK T1572; ATLAS AML.T0050, AML.T0053; OWASP Agentic ASI02");
    }
}
