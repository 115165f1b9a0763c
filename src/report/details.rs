//! What observations of each kind say beyond the columns that all share.

use std::fmt::Write;

use super::row::Row;
use super::when;
use crate::correlate::drift::Correction;
use crate::detect::mining::estimate;
use crate::detect::ssh;
use crate::model::{Dns, File, Http, Mining, Probe, Ssh, Tls, Tunnel};
use crate::time::Instant;

/// The beginning and the parts of a message: "jobs 3; shares 9".
#[derive(Default)]
pub(super) struct Said(String);

impl Said {
    pub(super) fn text(&mut self, what: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let separator = if self.0.is_empty() { "" } else { "; " };
            let space = if what.is_empty() { "" } else { " " };
            let _ = write!(self.0, "{separator}{what}{space}{text}");
        }
    }

    pub(super) fn shown(&mut self, what: &str, value: Option<impl ToString>) {
        self.text(what, value.map(|value| value.to_string()).as_deref());
    }

    pub(super) fn list(&mut self, what: &str, items: &[impl ToString]) {
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        self.text(what, Some(items.join(" ").as_str()));
    }

    pub(super) fn done(self) -> Option<String> {
        Some(self.0).filter(|text| !text.is_empty())
    }
}

pub(super) fn socket(ip: std::net::IpAddr, port: u16) -> std::net::SocketAddr {
    std::net::SocketAddr::new(ip, port)
}

pub(super) fn corrected(at: Option<Instant>, clock: &Correction) -> Option<String> {
    at.map(|at| when::rfc3339(clock.to_reference(at)))
}

pub(super) fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}

pub(super) fn dns_row(dns: &Dns, row: &mut Row) {
    row.app = Some("dns".to_owned());
    row.domain = Some(dns.query.clone());
    let mut said = Said::default();
    said.text("", Some(if dns.response { "response" } else { "query" }));
    said.text("", Some(&dns.record_type));
    said.text("", dns.response_code.as_deref());
    said.list("addresses", &dns.addresses);
    said.list("aliases", &dns.aliases);
    row.message = said.done();
}

pub(super) fn tls_row(tls: &Tls, row: &mut Row) {
    row.app = Some("tls".to_owned());
    row.domain = tls.server_name.clone();
    let mut said = Said::default();
    said.text("version", tls.version.as_deref());
    said.list("alpn", &tls.alpn);
    said.text("chosen", tls.chosen_version.as_deref());
    said.text("cipher", tls.cipher.as_deref());
    said.text("chosen-alpn", tls.chosen_alpn.as_deref());
    for (whose, certificate) in [("", &tls.certificate), ("client-", &tls.client_certificate)] {
        let Some(found) = certificate else { continue };
        said.text(&format!("{whose}subject"), found.subject.as_deref());
        said.text(&format!("{whose}organization"), found.subject_organization.as_deref());
        said.text(&format!("{whose}issuer"), found.issuer.as_deref().or(found.issuer_organization.as_deref()));
        said.list(&format!("{whose}names"), &found.names);
        said.shown("more names", Some(found.names_omitted).filter(|more| *more > 0));
    }
    said.text("ja3", tls.ja3.as_deref());
    said.text("ja3s", tls.ja3s.as_deref());
    said.text("ja4", tls.ja4.as_deref());
    row.message = said.done();
}

pub(super) fn ssh_row(ssh: &Ssh, clock: &Correction, row: &mut Row) {
    row.app = Some("ssh".to_owned());
    row.bytes_out = Some(ssh.bytes_out);
    row.bytes_in = Some(ssh.bytes_in);
    let mut said = Said::default();
    said.text("opener", ssh.opener_banner.as_deref());
    said.text("acceptor", ssh.acceptor_banner.as_deref());
    said.text("", ssh.role_inverted.then_some("the opener is the SSH server"));
    said.text("kex", ssh.kex.as_deref());
    said.text("cipher to server", ssh.cipher_to_server.as_deref());
    said.text("cipher to client", ssh.cipher_to_client.as_deref());
    said.text("hassh", ssh.hassh.as_deref());
    said.text("hassh-server", ssh.hassh_server.as_deref());
    let first_version = |banner: &Option<String>| banner.as_deref().is_none_or(is_version_1);
    let protocol_1 = ssh.opener_banner.is_some() || ssh.acceptor_banner.is_some();
    let protocol_1 = protocol_1 && first_version(&ssh.opener_banner) && first_version(&ssh.acceptor_banner);
    said.text("", protocol_1.then_some("protocol 1"));
    said.text("", ssh::story(ssh).as_deref());
    said.text("", (!ssh.from_start).then_some("beginning not captured"));
    said.text("", ssh.gaps.then_some("bytes missing"));
    said.shown("last", corrected(ssh.last, clock));
    row.message = said.done();
}

/// SSH 1.x, but for 1.99, which stands for a server that speaks 2.0 as well (RFC 4253 section 5.1).
fn is_version_1(banner: &str) -> bool {
    banner.starts_with("SSH-1.") && !banner.starts_with("SSH-1.99-")
}

pub(super) fn http_row(http: &Http, row: &mut Row) {
    row.app = Some("http".to_owned());
    row.domain = http.host.clone();
    let mut said = Said::default();
    said.text("", Some(&http.method));
    said.text("", Some(&http.target));
    said.shown("status", http.status);
    said.text("agent", http.user_agent.as_deref());
    said.text("type", http.content_type.as_deref());
    said.shown("length", http.content_length);
    row.message = said.done();
}

pub(super) fn mining_row(mining: &Mining, clock: &Correction, row: &mut Row) {
    row.app = Some(mining.dialect.clone());
    let mut said = Said::default();
    said.list("methods", &mining.methods);
    said.text("agent", mining.agent.as_deref());
    said.shown("login", mining.login.as_ref());
    said.shown("worker", mining.worker.as_ref());
    said.text("algorithm", mining.algorithm.as_deref());
    said.text("coin", mining.coin);
    said.text("sent on to", mining.redirect.as_deref());
    said.shown("difficulty", mining.difficulty);
    said.shown("jobs", Some(mining.jobs));
    said.shown("shares", Some(mining.shares));
    said.shown("accepted", Some(mining.accepted));
    said.shown("rejected", Some(mining.rejected));
    let reasons: Vec<String> = mining.reasons.iter().map(|(reason, count)| format!("{reason} ({count})")).collect();
    said.list("reasons", &reasons);
    said.shown("for other reasons", Some(mining.rejected_otherwise()).filter(|more| *more > 0));
    if let Some(estimate) = estimate(mining) {
        let (low, high) = estimate.interval;
        said.shown("hashes", Some(format!("{:.3e} ({low:.3e} to {high:.3e})", estimate.hashes)));
        said.shown("hashes a second", estimate.rate.map(|rate| format!("{rate:.3e}")));
    }
    said.shown("last", corrected(mining.last, clock));
    row.message = said.done();
}

pub(super) fn tunnel_row(tunnel: &Tunnel, clock: &Correction, row: &mut Row) {
    row.app = Some(tunnel.protocol.to_owned());
    row.domain = tunnel.target.clone();
    let mut said = Said::default();
    said.text("", Some(&tunnel.note));
    said.text("", tunnel.reversed.then_some("the accepting side asks"));
    said.text("inside", tunnel.inside);
    said.shown("packets", Some(tunnel.packets));
    said.shown("last", corrected(tunnel.last, clock));
    row.message = said.done();
}

pub(super) fn probe_row(probe: &Probe, clock: &Correction, row: &mut Row) {
    let mut said = Said::default();
    for (what, packets) in &probe.sent {
        said.shown(what.name(), Some(*packets));
    }
    said.shown("last", corrected(probe.last, clock));
    row.message = said.done();
}

pub(super) fn file_row(file: &File, clock: &Correction, row: &mut Row) {
    row.app = Some(file.via.to_owned());
    row.domain = file.host.clone();
    let moved = if file.to_opener { &mut row.bytes_in } else { &mut row.bytes_out };
    *moved = Some(file.bytes);
    let mut said = Said::default();
    said.text("", Some(file.kind));
    said.text("name", file.name.as_deref());
    said.text("called", file.media_type.as_deref());
    said.shown("announced", file.announced);
    said.text("sha256", file.sha256.as_deref());
    said.shown("last", corrected(file.last, clock));
    row.message = said.done();
}
