//! Rows of the timeline: an observation or a step, flat, under the names of the JSON schema.

use std::fmt::Write;

use serde::Serialize;

use super::jsonl::{locator, times, to_line};
use super::{escape, when};
use crate::detect::mining::estimate;
use crate::detect::ssh;
use crate::intake::Source;
use crate::model::{
    Actor, Alert, Detail, Dns, Episode, File, Http, Mining, Observation, Probe, Ssh, Step, Tls, Tunnel,
};
use crate::time::{Instant, Span};

/// A row of the timeline. What is not known is absent from JSON and empty in CSV.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// "observation" or "step".
    #[serde(rename = "type")]
    pub row_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub episode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Low end, on the reference clock where the source's clock is known well enough. Absent if undated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_hi: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_basis: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub path: String,
    pub locator: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utilization_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_used_mib: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm_clock_mhz: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Who made the step, where it was not the model under study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_executed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// What else the record says, in one line for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The correction that brings a source onto the reference clock, in nanoseconds to be subtracted.
pub type OffsetNs = i64;

fn placed(span: Option<Span>, offset: OffsetNs) -> Option<Span> {
    span.filter(|span| span.basis.is_dated()).map(|span| span.shifted(offset.saturating_neg()))
}

/// When an observation happened on the reference clock. `None` if nothing dates it.
pub fn observation_time(observation: &Observation<'_>, offset: OffsetNs) -> Option<Span> {
    placed(observation.span, offset)
}

/// When a step happened on the reference clock: from its first bound to its last. `None` if nothing dates it.
pub fn step_time(step: &Step, offset: OffsetNs) -> Option<Span> {
    let start = placed(step.start.map(|endpoint| endpoint.span), offset);
    let end = placed(step.end.map(|endpoint| endpoint.span), offset);
    match (start, end) {
        (Some(start), Some(end)) => {
            Some(Span { lo: start.lo, hi: end.hi.max(start.hi), basis: start.basis.max(end.basis) })
        }
        (start, end) => start.or(end),
    }
}

/// An observation as a row.
pub fn observation_row(observation: &Observation<'_>, source: &Source, offset: OffsetNs) -> Row {
    let (time, time_hi) = times(observation_time(observation, offset));
    let flow = observation.flow.unwrap_or_default();
    let mut row = Row {
        row_type: "observation",
        time,
        time_hi,
        time_basis: observation.span.map(|span| span.basis.name()),
        kind: Some(observation.detail.kind()),
        path: source.path.clone(),
        locator: locator(source.record_unit, observation.record),
        src_ip: flow.src.map(|ip| ip.to_string()),
        src_port: flow.src_port,
        dst_ip: flow.dst.map(|ip| ip.to_string()),
        dst_port: flow.dst_port,
        protocol: flow.protocol.map(|protocol| protocol.to_string()),
        host: observation.host.as_ref().map(|host| host.to_string()),
        ..Row::default()
    };
    match &observation.detail {
        Detail::Connection(connection) => {
            row.action = connection.action.map(|action| action.name());
            row.direction = connection.direction.map(|direction| direction.name());
            row.bytes_out = connection.bytes_out;
            row.bytes_in = connection.bytes_in;
            row.packets_out = connection.packets_out;
            row.packets_in = connection.packets_in;
            row.rule = connection.rule.as_ref().map(|rule| rule.to_string());
            let mut said = Said::default();
            said.text("state", connection.state.as_deref());
            said.text("in", connection.in_interface.as_deref());
            said.text("out", connection.out_interface.as_deref());
            said.shown("nat-src", connection.nat_src.map(|(ip, port)| socket(ip, port)));
            said.shown("nat-dst", connection.nat_dst.map(|(ip, port)| socket(ip, port)));
            said.shown("answered", connection.answered);
            said.shown("last", corrected(connection.last, offset));
            row.message = said.done();
        }
        Detail::Dns(dns) => dns_row(dns, &mut row),
        Detail::Tls(tls) => tls_row(tls, &mut row),
        Detail::Ssh(ssh) => ssh_row(ssh, offset, &mut row),
        Detail::Http(http) => http_row(http, &mut row),
        Detail::Ntp(ntp) => {
            row.message = Some(format!("server time {}, stratum {}", ntp.told, ntp.stratum));
        }
        Detail::Mining(mining) => mining_row(mining, offset, &mut row),
        Detail::Tunnel(tunnel) => tunnel_row(tunnel, offset, &mut row),
        Detail::File(file) => file_row(file, offset, &mut row),
        Detail::Probe(probe) => probe_row(probe, offset, &mut row),
        Detail::GpuSample(sample) => {
            row.gpu = sample.gpu;
            row.gpu_uuid = sample.gpu_uuid.as_ref().map(|uuid| uuid.to_string());
            row.utilization_percent = finite(sample.utilization_percent);
            row.memory_used_mib = finite(sample.memory_used_mib);
            row.power_w = finite(sample.power_w);
            row.sm_clock_mhz = finite(sample.sm_clock_mhz);
            row.temperature_c = finite(sample.temperature_c);
            row.message = sample.name.as_ref().map(|name| name.to_string());
        }
        Detail::GpuProcess(process) => {
            row.gpu = process.gpu;
            row.gpu_uuid = process.gpu_uuid.as_ref().map(|uuid| uuid.to_string());
            row.pid = process.pid;
            row.process = process.process.as_ref().map(|name| name.to_string());
            row.memory_used_mib = finite(process.memory_used_mib);
        }
        Detail::Alert(Alert { category, message, user }) => {
            row.rule = Some(category.to_string());
            let mut said = Said::default();
            said.text("", Some(message));
            said.text("user", user.as_deref());
            row.message = said.done();
        }
        Detail::Other(text) => row.message = Some(text.to_string()),
    }
    row
}

/// A step as a row. `name` is the episode's name in reports.
pub fn step_row(step: &Step, name: &str, episode: Option<&Episode>, source: &Source, offset: OffsetNs) -> Row {
    let (time, time_hi) = times(step_time(step, offset));
    let basis = step.start.or(step.end).map(|endpoint| endpoint.span.basis.name());
    Row {
        row_type: "step",
        episode: Some(name.to_owned()),
        run: episode.and_then(|episode| episode.run.clone()),
        index: Some(step.index),
        time,
        time_hi,
        time_basis: basis,
        path: source.path.clone(),
        locator: locator(source.record_unit, step.record.number),
        host: episode.and_then(|episode| episode.host.clone()),
        tool: Some(step.tool.clone()),
        command: step.command.clone(),
        exit_code: step.exit_code,
        actor: match step.actor {
            Actor::Policy => None,
            Actor::Harness => Some("harness"),
            Actor::Replayed => Some("replayed"),
            Actor::SubAgent => Some("sub-agent"),
            Actor::Human => Some("human"),
        },
        not_executed: step.not_executed,
        background: step.background,
        // A tool that runs no command still did something: its arguments say what.
        message: step.command.is_none().then(|| step.arguments.clone()).filter(|arguments| !arguments.is_empty()),
        ..Row::default()
    }
}

/// An observation as one line of JSON, as `timeline --format jsonl` prints it.
pub fn observation_json(observation: &Observation<'_>, source: &Source, offset: OffsetNs) -> String {
    to_line(&observation_row(observation, source, offset))
}

impl Row {
    /// The columns of the CSV timeline.
    pub const COLUMNS: [&'static str; 41] = [
        "time",
        "time_hi",
        "time_basis",
        "type",
        "kind",
        "path",
        "locator",
        "host",
        "episode",
        "run",
        "index",
        "tool",
        "command",
        "exit_code",
        "actor",
        "not_executed",
        "background",
        "action",
        "direction",
        "src_ip",
        "src_port",
        "dst_ip",
        "dst_port",
        "protocol",
        "bytes_out",
        "bytes_in",
        "packets_out",
        "packets_in",
        "rule",
        "domain",
        "app",
        "gpu",
        "gpu_uuid",
        "utilization_percent",
        "memory_used_mib",
        "power_w",
        "sm_clock_mhz",
        "temperature_c",
        "pid",
        "process",
        "message",
    ];

    /// The row as a line of CSV under [`Row::COLUMNS`].
    pub fn csv(&self) -> Vec<u8> {
        let text = |text: &Option<String>| text.as_deref().map(|text| escape::csv_cell(text).into_owned());
        fn number<N: ToString>(number: Option<N>) -> Option<String> {
            number.map(|number| number.to_string())
        }
        let word = |word: Option<&'static str>| word.map(str::to_owned);
        let flag = |flag: bool| flag.then(|| "true".to_owned());
        let cells: [Option<String>; 41] = [
            self.time.clone(),
            self.time_hi.clone(),
            word(self.time_basis),
            word(Some(self.row_type)),
            word(self.kind),
            Some(escape::csv_cell(&self.path).into_owned()),
            Some(self.locator.clone()),
            text(&self.host),
            text(&self.episode),
            text(&self.run),
            number(self.index),
            text(&self.tool),
            text(&self.command),
            number(self.exit_code),
            word(self.actor),
            flag(self.not_executed),
            flag(self.background),
            word(self.action),
            word(self.direction),
            text(&self.src_ip),
            number(self.src_port),
            text(&self.dst_ip),
            number(self.dst_port),
            text(&self.protocol),
            number(self.bytes_out),
            number(self.bytes_in),
            number(self.packets_out),
            number(self.packets_in),
            text(&self.rule),
            text(&self.domain),
            text(&self.app),
            number(self.gpu),
            text(&self.gpu_uuid),
            number(self.utilization_percent),
            number(self.memory_used_mib),
            number(self.power_w),
            number(self.sm_clock_mhz),
            number(self.temperature_c),
            number(self.pid),
            text(&self.process),
            text(&self.message),
        ];
        csv_line(cells.iter().map(|cell| cell.as_deref().unwrap_or_default()))
    }
}

/// A line of CSV (RFC 4180 quoting, line feed at the end).
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}

/// The beginning and the parts of a message: "jobs 3; shares 9".
#[derive(Default)]
struct Said(String);

impl Said {
    fn text(&mut self, what: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let separator = if self.0.is_empty() { "" } else { "; " };
            let space = if what.is_empty() { "" } else { " " };
            let _ = write!(self.0, "{separator}{what}{space}{text}");
        }
    }

    fn shown(&mut self, what: &str, value: Option<impl ToString>) {
        self.text(what, value.map(|value| value.to_string()).as_deref());
    }

    fn list(&mut self, what: &str, items: &[impl ToString]) {
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        self.text(what, Some(items.join(" ").as_str()));
    }

    fn done(self) -> Option<String> {
        Some(self.0).filter(|text| !text.is_empty())
    }
}

fn socket(ip: std::net::IpAddr, port: u16) -> std::net::SocketAddr {
    std::net::SocketAddr::new(ip, port)
}

fn corrected(at: Option<Instant>, offset: OffsetNs) -> Option<String> {
    at.map(|at| when::rfc3339(at.plus(offset.saturating_neg())))
}

fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite())
}

fn dns_row(dns: &Dns, row: &mut Row) {
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

fn tls_row(tls: &Tls, row: &mut Row) {
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
    }
    said.text("ja3", tls.ja3.as_deref());
    said.text("ja3s", tls.ja3s.as_deref());
    said.text("ja4", tls.ja4.as_deref());
    row.message = said.done();
}

fn ssh_row(ssh: &Ssh, offset: OffsetNs, row: &mut Row) {
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
    said.shown("last", corrected(ssh.last, offset));
    row.message = said.done();
}

/// SSH 1.x, but for 1.99, which stands for a server that speaks 2.0 as well (RFC 4253 section 5.1).
fn is_version_1(banner: &str) -> bool {
    banner.starts_with("SSH-1.") && !banner.starts_with("SSH-1.99-")
}

fn http_row(http: &Http, row: &mut Row) {
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

fn mining_row(mining: &Mining, offset: OffsetNs, row: &mut Row) {
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
    if let Some(estimate) = estimate(mining) {
        let (low, high) = estimate.interval;
        said.shown("hashes", Some(format!("{:.3e} ({low:.3e} to {high:.3e})", estimate.hashes)));
        said.shown("hashes a second", estimate.rate.map(|rate| format!("{rate:.3e}")));
    }
    said.shown("last", corrected(mining.last, offset));
    row.message = said.done();
}

fn tunnel_row(tunnel: &Tunnel, offset: OffsetNs, row: &mut Row) {
    row.app = Some(tunnel.protocol.to_owned());
    row.domain = tunnel.target.clone();
    let mut said = Said::default();
    said.text("", Some(&tunnel.note));
    said.text("", tunnel.reversed.then_some("the accepting side asks"));
    said.text("inside", tunnel.inside);
    said.shown("packets", Some(tunnel.packets));
    said.shown("last", corrected(tunnel.last, offset));
    row.message = said.done();
}

fn probe_row(probe: &Probe, offset: OffsetNs, row: &mut Row) {
    let mut said = Said::default();
    for (what, packets) in &probe.sent {
        said.shown(what.name(), Some(*packets));
    }
    said.shown("last", corrected(probe.last, offset));
    row.message = said.done();
}

fn file_row(file: &File, offset: OffsetNs, row: &mut Row) {
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
    said.shown("last", corrected(file.last, offset));
    row.message = said.done();
}
