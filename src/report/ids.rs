//! Identifiers that follow from what they identify: the same evidence gives the same bytes, and two reports of it can be
//! merged.

use serde_json::Value;
use uuid::{Builder, Uuid};

use crate::correlate::Analysis;
use crate::evidence::Record;

/// Namespace of identifiers of STIX cyber-observable objects (STIX 2.1, section 2.9).
const STIX_OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

/// Our own names, which no other producer uses: UUIDv5 of "coincident" in the namespace of object identifiers.
fn own(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::new_v5(&Uuid::NAMESPACE_OID, env!("CARGO_PKG_NAME").as_bytes()), name.as_bytes())
}

/// `kind--UUID` of something that we name ourselves.
pub(super) fn of_name(kind: &str, name: &str) -> String {
    format!("{kind}--{}", own(&format!("{kind}\n{name}")))
}

/// `kind--UUID` of an observable by its contributing properties, sorted by name (RFC 8785 wants them so).
pub(super) fn of_properties(kind: &str, sorted: &[(&str, Value)]) -> String {
    let fields: Vec<String> = sorted.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let canonical = format!("{{{}}}", fields.join(","));
    format!("{kind}--{}", Uuid::new_v5(&STIX_OBSERVABLES, canonical.as_bytes()))
}

/// `kind--UUID` of an observable without contributing properties. The standard wants a UUIDv4 there: ours has the form
/// of one, with bits from the name in the place of random ones.
pub(super) fn of_form_4(kind: &str, name: &str) -> String {
    let bits = own(&format!("{kind}\n{name}")).into_bytes();
    format!("{kind}--{}", Builder::from_random_bytes(bits).into_uuid())
}

/// A record by the digest of its file and its number, whatever the file is called.
pub(super) fn record(record: Record, analysis: &Analysis) -> String {
    let digest = analysis.sources.get(record.evidence.0 as usize).map_or("", |source| source.sha256.as_str());
    format!("{digest} {}", record.number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn observables_have_the_ids_that_other_tools_give_them() {
        // As the stix2 library of OASIS (3.0.2) has them.
        let address = of_properties("ipv4-addr", &[("value", json!("203.0.113.66"))]);
        assert_eq!(address, "ipv4-addr--e17823ff-cd7d-55c9-8a58-6ff3c5c23bcb");
        assert_eq!(
            of_properties("domain-name", &[("value", json!("jump.example"))]),
            "domain-name--81cb66b9-2a65-5bee-815c-f94f34e5ea61"
        );
        let traffic = [("dst_port", json!(443)), ("dst_ref", json!(address)), ("protocols", json!(["ipv4", "tcp"]))];
        assert_eq!(of_properties("network-traffic", &traffic), "network-traffic--b454e6e0-d184-518f-91bc-5378a7ce4966");
    }

    #[test]
    fn a_name_has_one_id_of_the_form_that_is_asked_for() {
        let version =
            |id: &str| id.split_once("--").and_then(|(_, id)| id.parse::<Uuid>().ok()).unwrap().get_version_num();
        assert_eq!(version(&of_name("note", "a")), 5);
        assert_eq!(version(&of_form_4("process", "a")), 4);
        assert_eq!(of_name("note", "a"), of_name("note", "a"));
        assert_ne!(of_name("note", "a"), of_name("sighting", "a"));
    }
}
