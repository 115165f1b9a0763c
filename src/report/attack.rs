//! MITRE ATT&CK techniques as catalogues of other tools want them: by id, name and page.

use std::collections::BTreeSet;

use crate::correlate::Analysis;
use crate::model::Behaviour;

/// Where techniques are described.
pub(super) const SITE: &str = "https://attack.mitre.org";

/// The name of a technique (Enterprise matrix, <https://attack.mitre.org/techniques/enterprise/>); its id where this
/// table lacks it.
pub(super) fn name(id: &str) -> &str {
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

/// The page of a technique; sub-techniques have theirs below it.
pub(super) fn url(id: &str) -> String {
    format!("{SITE}/techniques/{}/", id.replace('.', "/"))
}

/// Every technique that behaviours and findings name, in the order of their ids.
pub(super) fn named(analysis: &Analysis) -> Vec<&'static str> {
    let findings = analysis.findings.iter().flat_map(|finding| finding.attack.iter().copied());
    let behaviours = Behaviour::ALL.iter().flat_map(|behaviour| behaviour.attack().iter().copied());
    findings.chain(behaviours).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_technique_has_its_name_and_page() {
        for id in named(&Analysis::default()) {
            assert_ne!(name(id), id);
        }
        assert_eq!(url("T1053.003"), "https://attack.mitre.org/techniques/T1053/003/");
    }
}
