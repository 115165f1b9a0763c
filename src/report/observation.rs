//! Rows of the timeline: an observation or a step, flat, under the names of the JSON schema.

use std::net::IpAddr;

use super::details::{
    Said, corrected, dns_row, file_row, finite, http_row, mining_row, probe_row, socket, ssh_row, tls_row, tunnel_row,
};
use super::jsonl::{locator, times, to_line};
use super::row::Row;
use crate::correlate::drift::Correction;
use crate::formats::Kind;
use crate::intake::Source;
use crate::model::{Actor, Alert, Approval, Connection, Detail, Episode, Observation, Step};
use crate::time::{SECOND, Span};

fn placed(span: Option<Span>, clock: &Correction) -> Option<Span> {
    span.filter(|span| span.basis.is_dated()).map(|span| Span {
        lo: clock.to_reference(span.lo),
        hi: clock.to_reference(span.hi).max(clock.to_reference(span.lo)),
        basis: span.basis,
    })
}

/// A translated end of a connection.
fn translated(ip: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| ip.to_string(), |port| socket(ip, port).to_string())
}

/// When an observation happened on the reference clock. `None` if nothing dates it.
pub fn observation_time(observation: &Observation<'_>, clock: &Correction) -> Option<Span> {
    placed(observation.span, clock)
}

/// When the record of a connection was made, if that is not when the connection began: both have a place on a timeline.
pub fn written_time(observation: &Observation<'_>, clock: &Correction) -> Option<Span> {
    let Detail::Connection(Connection { written: Some(written), .. }) = &observation.detail else { return None };
    let span = observation.span?;
    placed(Some(Span { lo: *written, hi: written.plus(span.hi.since(span.lo).min(SECOND - 1)), ..span }), clock)
}

/// When a step happened on the reference clock: from its first bound to its last. `None` if nothing dates it.
pub fn step_time(step: &Step, clock: &Correction) -> Option<Span> {
    let start = placed(step.start.map(|endpoint| endpoint.span), clock);
    let end = placed(step.end.map(|endpoint| endpoint.span), clock);
    match (start, end) {
        (Some(start), Some(end)) => {
            Some(Span { lo: start.lo, hi: end.hi.max(start.hi), basis: start.basis.max(end.basis) })
        }
        (start, end) => start.or(end),
    }
}

/// An observation as a row.
pub fn observation_row(observation: &Observation<'_>, source: &Source, clock: &Correction) -> Row {
    let (time, time_hi) = times(observation_time(observation, clock));
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
            said.shown("nat-src", connection.nat_src.map(|(ip, port)| translated(ip, port)));
            said.shown("nat-dst", connection.nat_dst.map(|(ip, port)| translated(ip, port)));
            said.shown("answered", connection.answered);
            said.text("from-zone", connection.in_zone.as_deref());
            said.text("to-zone", connection.out_zone.as_deref());
            said.text("user", connection.user.as_deref());
            said.text("session", connection.session.as_deref());
            // A capture has it of every connection: there the packet is at hand.
            said.shown("tcp-sequence", connection.tcp_sequence.filter(|_| source.kind != Some(Kind::Capture)));
            said.shown("last", corrected(connection.last, clock));
            said.shown("written", corrected(connection.written, clock));
            row.app = connection.application.as_ref().map(|application| application.to_string());
            row.domain = connection.domain.as_ref().map(|domain| domain.to_string());
            row.process = connection.process.as_ref().map(|process| process.to_string());
            row.pid = connection.pid;
            row.message = said.done();
        }
        Detail::Dns(dns) => dns_row(dns, &mut row),
        Detail::Tls(tls) => tls_row(tls, &mut row),
        Detail::Ssh(ssh) => ssh_row(ssh, clock, &mut row),
        Detail::Http(http) => http_row(http, &mut row),
        Detail::Ntp(ntp) => {
            row.message = Some(format!("server time {}, stratum {}", ntp.told, ntp.stratum));
        }
        Detail::Mining(mining) => mining_row(mining, clock, &mut row),
        Detail::Tunnel(tunnel) => tunnel_row(tunnel, clock, &mut row),
        Detail::File(file) => file_row(file, clock, &mut row),
        Detail::Probe(probe) => probe_row(probe, clock, &mut row),
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
            row.utilization_percent = finite(process.utilization_percent);
            let mut said = Said::default();
            said.text("user", process.user.as_deref());
            said.shown("accounted milliseconds", process.accounted_ms);
            row.message = said.done();
        }
        Detail::Alert(Alert { category, message, user, action, behaviour, process, pid }) => {
            row.action = action.map(|action| action.name());
            row.rule = Some(category.to_string());
            row.process = process.as_ref().map(|process| process.to_string());
            row.pid = *pid;
            let mut said = Said::default();
            said.text("", Some(message));
            said.text("user", user.as_deref());
            said.shown("behaviour", behaviour.map(|behaviour| behaviour.name()));
            row.message = said.done();
        }
        Detail::Execution(execution) => {
            row.command = Some(execution.command.to_string());
            row.process = execution.process.as_ref().map(|process| process.to_string());
            row.pid = execution.pid;
            let mut said = Said::default();
            said.shown("parent-pid", execution.parent_pid);
            said.text("parent", execution.parent_process.as_deref());
            said.text("user", execution.user.as_deref());
            said.text("in", execution.directory.as_deref());
            row.message = said.done();
        }
        Detail::Lease(lease) => {
            let what = if lease.ended { "given back by" } else { "leased to" };
            let name = lease.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
            row.message = Some(format!("{} {what} {}{name}", lease.address, lease.hardware));
        }
        Detail::Other(text) => row.message = Some(text.to_string()),
    }
    row
}

/// A step as a row. `name` is the episode's name in reports.
pub fn step_row(step: &Step, name: &str, episode: Option<&Episode>, source: &Source, clock: &Correction) -> Row {
    let (time, time_hi) = times(step_time(step, clock));
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
        host: step.place.host.clone().or_else(|| episode.and_then(|episode| episode.host.clone())),
        model: step.model.clone().or_else(|| episode.and_then(|episode| episode.model.clone())),
        start_kind: step.start.map(|start| start.kind.name()),
        end_kind: step.end.map(|end| end.kind.name()),
        sandbox: step.place.sandbox.clone().or_else(|| episode.and_then(|episode| episode.sandbox.clone())),
        container: step.place.container.clone(),
        pid: step.place.pid,
        pgid: step.place.pgid,
        approval: step.approval.map(Approval::name),
        reward: step.reward,
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
pub fn observation_json(observation: &Observation<'_>, source: &Source, clock: &Correction) -> String {
    to_line(&observation_row(observation, source, clock))
}
