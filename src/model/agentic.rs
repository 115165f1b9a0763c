//! What behaviours are consistent with in two catalogues of risks to AI systems, beside ATT&CK.
//!
//! MITRE ATLAS: ids and names of its data 5.4.0 (`dist/ATLAS.yaml` of <https://github.com/mitre-atlas/atlas-data>). Where
//! ATLAS takes a technique over from ATT&CK (its field `ATT&CK-reference`), what carries the one carries the other; it has
//! none for hijacked computing, tunnels, scans, wiped traces or jobs left behind, and nothing is bent to fit them.
//!
//! OWASP Top 10 for Agentic Applications 2026, version 1.0 (December 2025,
//! <https://genai.owasp.org/resource/owasp-top-10-for-agentic-applications-for-2026/>): its entries tell legitimate tools
//! put to unsafe use (ASI02) from gained privileges (ASI03), fetched parts (ASI04), code run that nobody foresaw (ASI05)
//! and what leaves the authorized scope (ASI10).

use super::Behaviour;

/// ATLAS techniques of a finding of that behaviour whose signals are of these kinds, in order, each once.
pub fn atlas<'a>(behaviour: Behaviour, kinds: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    gather(behaviour.atlas(), kinds.flat_map(atlas_of_kind))
}

/// Entries of the OWASP list, likewise.
pub fn owasp<'a>(behaviour: Behaviour, kinds: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
    gather(behaviour.owasp(), kinds.flat_map(owasp_of_kind))
}

fn gather(always: &'static [&'static str], of_kinds: impl Iterator<Item = &'static &'static str>) -> Vec<&'static str> {
    let mut ids: Vec<&'static str> = always.iter().chain(of_kinds).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl Behaviour {
    /// MITRE ATLAS techniques of every finding of the behaviour. All findings are of calls of an agent's tools.
    pub fn atlas(self) -> &'static [&'static str] {
        match self {
            Behaviour::ValueTransfer => &["AML.T0048.000", "AML.T0053"],
            Behaviour::Mining
            | Behaviour::Tunnel
            | Behaviour::Probing
            | Behaviour::Download
            | Behaviour::Concealment
            | Behaviour::Privilege
            | Behaviour::Persistence
            | Behaviour::EgressViolation
            | Behaviour::LimitCrossed => &["AML.T0053"],
        }
    }

    /// Entries of the OWASP Top 10 for Agentic Applications 2026 that the behaviour is consistent with.
    pub fn owasp(self) -> &'static [&'static str] {
        match self {
            Behaviour::Tunnel
            | Behaviour::Probing
            | Behaviour::Concealment
            | Behaviour::Persistence
            | Behaviour::ValueTransfer => &["ASI02"],
            // "Deviate from their intended function or authorized scope": of limits and destinations the case says so.
            Behaviour::Mining => &["ASI02", "ASI10"],
            Behaviour::EgressViolation | Behaviour::LimitCrossed => &["ASI10"],
            Behaviour::Download => &["ASI05"],
            Behaviour::Privilege => &["ASI03"],
        }
    }
}

/// What a kind of signal adds to its behaviour in ATLAS.
fn atlas_of_kind(kind: &str) -> &'static [&'static str] {
    match kind {
        "fetched-from-address-into-shell"
        | "fetched-into-interpreter"
        | "fetched-into-shell"
        | "temporary-program-run" => &["AML.T0050"],
        "netcat-fifo-shell" | "netcat-shell" | "script-shell" | "shell-on-device" | "socat-shell" => {
            &["AML.T0050", "AML.T0072"]
        }
        "container-unbounded" | "host-root-entered" | "kernel-helper-set" | "namespace-entered" => &["AML.T0105"],
        "engine-socket" => &["AML.T0050", "AML.T0105"],
        "metadata-connection" | "metadata-service" => &["AML.T0055"],
        "pool-and-wallet" | "process-renamed" | "system-name-borrowed" => &["AML.T0074"],
        "compute-bought" | "compute-bought-by-call" => &["AML.T0008"],
        "agent-configuration" => &["AML.T0081"],
        _ => &[],
    }
}

/// What a kind of signal adds to its behaviour in the OWASP list.
fn owasp_of_kind(kind: &str) -> &'static [&'static str] {
    match kind {
        "metadata-connection" | "metadata-service" => &["ASI03"],
        "package-from-elsewhere" => &["ASI04"],
        _ => &[],
    }
}
