use std::borrow::Cow;
use std::net::IpAddr;

use super::{Behaviour, File, Flow, GpuSettings, Mining, Probe, Tunnel};
use crate::time::{Instant, Span};

/// What one record says happened.
///
/// Borrows from the record where it can: a sink that keeps something copies it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation<'a> {
    /// Number of the record within its evidence, from 1, in the unit of its format (line, packet, row, event).
    pub record: u64,
    /// When, on the clock of the source. `None` if the record has no time.
    pub span: Option<Span>,
    /// The device or machine that wrote the record, if it names itself.
    pub host: Option<Cow<'a, str>>,
    pub flow: Option<Flow>,
    pub detail: Detail<'a>,
}

/// The part of an observation that depends on its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail<'a> {
    Connection(Connection<'a>),
    Dns(Dns),
    Tls(Tls),
    Ssh(Ssh),
    Http(Http),
    Ntp(Ntp),
    Mining(Mining),
    Tunnel(Tunnel),
    File(File),
    Probe(Probe),
    GpuSample(GpuSample<'a>),
    GpuProcess(GpuProcess<'a>),
    Alert(Alert<'a>),
    Execution(Execution<'a>),
    Lease(Lease<'a>),
    /// Anything else that is worth a place on the timeline, in one line of text.
    Other(Cow<'a, str>),
}

impl Detail<'_> {
    /// The value of `observation.kind` in outputs.
    pub fn kind(&self) -> &'static str {
        match self {
            Detail::Connection(_) => "connection",
            Detail::Dns(_) => "dns",
            Detail::Tls(_) => "tls",
            Detail::Ssh(_) => "ssh",
            Detail::Http(_) => "http",
            Detail::Ntp(_) => "ntp",
            Detail::Mining(_) => "mining",
            Detail::Tunnel(_) => "tunnel",
            Detail::File(_) => "file",
            Detail::Probe(_) => "probe",
            Detail::GpuSample(_) => "gpu-sample",
            Detail::GpuProcess(_) => "gpu-process",
            Detail::Alert(_) => "alert",
            Detail::Execution(_) => "process",
            Detail::Lease(_) => "lease",
            Detail::Other(_) => "other",
        }
    }
}

/// What a firewall or connection tracker did with a packet or connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Allow,
    Deny,
}

impl Action {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Deny => "deny",
        }
    }
}

/// Direction of traffic relative to the machine that wrote the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Inbound,
    Outbound,
    Forwarded,
}

impl Direction {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Forwarded => "forwarded",
        }
    }
}

/// A packet or connection, as a firewall, a connection tracker or a capture saw it. Unknown is `None`.
///
/// `out` is what the opener (`flow.src`) sent, `in` what it got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection<'a> {
    pub action: Option<Action>,
    pub direction: Option<Direction>,
    pub bytes_out: Option<u64>,
    pub bytes_in: Option<u64>,
    pub packets_out: Option<u64>,
    pub packets_in: Option<u64>,
    /// Last moment of the connection where the record speaks of more than one packet.
    pub last: Option<Instant>,
    pub rule: Option<Cow<'a, str>>,
    pub in_interface: Option<Cow<'a, str>>,
    pub out_interface: Option<Cow<'a, str>>,
    /// The other side of address translation, where the record shows it: the opener's translated address, and its port if known.
    pub nat_src: Option<(IpAddr, Option<u16>)>,
    /// The peer's translated address and port.
    pub nat_dst: Option<(IpAddr, Option<u16>)>,
    /// TCP state, conntrack event or flag letters as the record has them.
    pub state: Option<Cow<'a, str>>,
    /// The peer answered (both ways seen). `None` if the record cannot tell.
    pub answered: Option<bool>,
    /// When the record itself was written, where that is not when the connection began.
    pub written: Option<Instant>,
    /// When the record was written or passed on by a clock that states its offset from UTC, where its own time states
    /// none.
    pub stated: Option<Span>,
    pub in_zone: Option<Cow<'a, str>>,
    pub out_zone: Option<Cow<'a, str>>,
    pub user: Option<Cow<'a, str>>,
    /// The application or service as the device names it.
    pub application: Option<Cow<'a, str>>,
    /// Host name of the peer: from SNI, the HTTP host or URL, or a reverse lookup of the device.
    pub domain: Option<Cow<'a, str>>,
    /// The device's own number or id of the session.
    pub session: Option<Cow<'a, str>>,
    /// Initial or first seen TCP sequence number of the opener (RFC 9293), for exact pairs with captures.
    pub tcp_sequence: Option<u32>,
    pub process: Option<Cow<'a, str>>,
    pub pid: Option<u32>,
    pub parent_pid: Option<u32>,
}

/// A DNS message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dns {
    pub query: String,
    pub record_type: String,
    pub response: bool,
    pub response_code: Option<String>,
    /// Addresses of A and AAAA answers.
    pub addresses: Vec<IpAddr>,
    /// Names of CNAME answers.
    pub aliases: Vec<String>,
    /// Bytes of data in its answers, addresses and OPT left out.
    pub answer_bytes: u32,
}

/// A TLS handshake (RFC 8446, 5246), as far as it goes in the clear.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    pub server_name: Option<String>,
    /// Protocols that the client offers to speak inside (RFC 7301).
    pub alpn: Vec<String>,
    /// Highest version offered, for example "1.3".
    pub version: Option<String>,
    /// Fingerprints of the ClientHello: <https://github.com/salesforce/ja3>, <https://github.com/FoxIO-LLC/ja4>.
    pub ja3: Option<String>,
    pub ja4: Option<String>,
    /// What the server chose.
    pub chosen_version: Option<String>,
    pub cipher: Option<String>,
    pub chosen_alpn: Option<String>,
    pub ja3s: Option<String>,
    /// The server's own certificate and the client's, where they went in the clear (TLS 1.2 and before).
    pub certificate: Option<Box<Certificate>>,
    pub client_certificate: Option<Box<Certificate>>,
}

/// Names in an X.509 certificate (RFC 5280).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Common name and organisation of whom it is about ...
    pub subject: Option<String>,
    pub subject_organization: Option<String>,
    /// ... and of who signed it.
    pub issuer: Option<String>,
    pub issuer_organization: Option<String>,
    /// DNS names of its subjectAltName, at most [`Certificate::NAMES_KEPT`].
    pub names: Vec<String>,
    /// How many more names it has.
    pub names_omitted: usize,
}

impl Certificate {
    /// Bound on the names kept.
    pub const NAMES_KEPT: usize = 32;

    /// Takes its DNS names, as far as they are kept.
    pub fn keep(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if self.names.len() < Self::NAMES_KEPT {
                self.names.push(name);
            } else {
                self.names_omitted += 1;
            }
        }
    }
}

/// An SSH session (RFC 4253), reported once per flow when the flow ends or the capture does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ssh {
    /// Identification string of the side that opened the TCP connection.
    pub opener_banner: Option<String>,
    /// Identification string of the side that accepted it.
    pub acceptor_banner: Option<String>,
    /// KEX roles show that the TCP opener is the SSH server (a call-home): RFC 4253 section 8, message 30 against 31.
    pub role_inverted: bool,
    /// Negotiated by RFC 4253 section 7.1 from both KEXINITs.
    pub kex: Option<String>,
    pub cipher_to_server: Option<String>,
    pub cipher_to_client: Option<String>,
    pub mac_to_server: Option<String>,
    pub mac_to_client: Option<String>,
    pub compression: Option<String>,
    /// HASSH of client and server: MD5 over `kex;enc;mac;comp`, in hexadecimal.
    pub hassh: Option<String>,
    pub hassh_server: Option<String>,
    /// What followed NEWKEYS in the order of the wire: TCP payloads, or single SSH packets of a direction that is
    /// `exact_out` or `exact_in`. Each direction counts from its own NEWKEYS. The first [`Ssh::MESSAGES_KEPT`] are
    /// here, and of the later ones those around a channel that the server may have opened, at most
    /// [`Ssh::LATER_KEPT`]. A run of one direction's messages of 1,400 bytes or more is one message.
    pub messages: Vec<SshMessage>,
    /// The packet length goes in the clear in what the opener sends (AES-GCM, encrypt-then-MAC), so that its
    /// messages are single SSH packets as they were on the wire, with length field and MAC. Otherwise they are TCP
    /// payloads, each of which may hold several packets or a part of one.
    pub exact_out: bool,
    /// The same of what the opener gets.
    pub exact_in: bool,
    /// How many further messages were not kept.
    pub messages_omitted: u64,
    /// The capture holds the flow from its first byte on.
    pub from_start: bool,
    /// Payload bytes were missing from the capture.
    pub gaps: bool,
    pub bytes_out: u64,
    pub bytes_in: u64,
    pub last: Option<Instant>,
}

impl Ssh {
    /// Bound on the encrypted payloads kept from the start of a session (96 KiB).
    pub const MESSAGES_KEPT: usize = 4096;
    /// Bound on those kept of the rest of it (24 KiB).
    pub const LATER_KEPT: usize = 1024;
}

/// One encrypted TCP payload or packet of an SSH session; [`Ssh::exact_out`] and [`Ssh::exact_in`] say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SshMessage {
    /// From the TCP opener.
    pub from_opener: bool,
    /// Length in bytes.
    pub length: u32,
    pub at: Instant,
    /// Packet number of the first byte.
    pub record: u64,
}

/// An HTTP/1 request (RFC 9112), with the `Date` of its response where that was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Http {
    pub method: String,
    pub target: String,
    pub host: Option<String>,
    pub user_agent: Option<String>,
    pub status: Option<u16>,
    pub content_type: Option<String>,
    pub content_length: Option<u64>,
    /// The server's own clock, whole seconds: when the response header was sent ...
    pub date: Option<Instant>,
    /// ... and when the capture saw it.
    pub date_seen: Option<Instant>,
}

/// A server's answer to a question for the time (NTP, RFC 5905).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ntp {
    /// The server's own clock when it sent the answer ...
    pub told: Instant,
    /// ... and when the capture saw it.
    pub seen: Instant,
    /// Servers between it and a reference clock, that one included.
    pub stratum: u8,
}

/// One reading of one GPU.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuSample<'a> {
    pub gpu: Option<u32>,
    pub gpu_uuid: Option<Cow<'a, str>>,
    pub name: Option<Cow<'a, str>>,
    pub utilization_percent: Option<f64>,
    pub memory_utilization_percent: Option<f64>,
    pub memory_used_mib: Option<f64>,
    pub memory_total_mib: Option<f64>,
    pub power_w: Option<f64>,
    pub sm_clock_mhz: Option<f64>,
    pub temperature_c: Option<f64>,
    pub settings: GpuSettings,
}

/// A process seen on a GPU at one poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuProcess<'a> {
    pub gpu: Option<u32>,
    pub gpu_uuid: Option<Cow<'a, str>>,
    pub pid: Option<u32>,
    pub process: Option<Cow<'a, str>>,
    pub memory_used_mib: Option<f64>,
    /// Its share of the time that kernels ran: in the interval of the poll, or over its life in the accounting.
    pub utilization_percent: Option<f64>,
    pub memory_utilization_percent: Option<f64>,
    /// Who owns it, where the form says so.
    pub user: Option<Cow<'a, str>>,
    /// Only in the accounting of the driver: how long it was active, in milliseconds; 0 while it runs. The record is
    /// then of a process that ran at some time before, and not of a poll that saw it.
    pub accounted_ms: Option<u64>,
}

/// Something a sensor or service reported in words of its own (a login, an IDS alert).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alert<'a> {
    /// Machine-readable category, for example "ssh-login-failed".
    pub category: Cow<'a, str>,
    pub message: Cow<'a, str>,
    pub user: Option<Cow<'a, str>>,
    /// What the sensor did about it.
    pub action: Option<Action>,
    /// The behaviour that the sensor's own words name ("Mining Behavior", "ET COINMINER"), if they name one.
    pub behaviour: Option<Behaviour>,
    /// The service that reported it, where the record tells its process.
    pub process: Option<Cow<'a, str>>,
    pub pid: Option<u32>,
}

/// A program that ran, as the audit trail of its machine has it (Linux audit `EXECVE`, Windows event 4688).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution<'a> {
    /// Its arguments, joined by blanks, quoted as a shell would where they hold blanks.
    pub command: Cow<'a, str>,
    /// Path of the program.
    pub process: Option<Cow<'a, str>>,
    pub pid: Option<u32>,
    pub parent_pid: Option<u32>,
    /// Path or name of the program that started it.
    pub parent_process: Option<Cow<'a, str>>,
    pub user: Option<Cow<'a, str>>,
    pub directory: Option<Cow<'a, str>>,
}

/// A DHCP server gave an address to a host, or got it back.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease<'a> {
    pub address: IpAddr,
    /// Hardware address, in lower case.
    pub hardware: Cow<'a, str>,
    /// As the host names itself.
    pub name: Option<Cow<'a, str>>,
    /// It was given back.
    pub ended: bool,
}

fn owned(text: &Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.as_ref().map(|text| Cow::Owned(text.to_string()))
}

impl Observation<'_> {
    /// A copy that borrows nothing.
    pub fn to_static(&self) -> Observation<'static> {
        let detail = match &self.detail {
            Detail::Connection(c) => Detail::Connection(Connection {
                rule: owned(&c.rule),
                in_interface: owned(&c.in_interface),
                out_interface: owned(&c.out_interface),
                state: owned(&c.state),
                in_zone: owned(&c.in_zone),
                out_zone: owned(&c.out_zone),
                user: owned(&c.user),
                application: owned(&c.application),
                domain: owned(&c.domain),
                session: owned(&c.session),
                process: owned(&c.process),
                ..*c
            }),
            Detail::Dns(dns) => Detail::Dns(dns.clone()),
            Detail::Tls(tls) => Detail::Tls(tls.clone()),
            Detail::Ssh(ssh) => Detail::Ssh(ssh.clone()),
            Detail::Http(http) => Detail::Http(http.clone()),
            Detail::Ntp(ntp) => Detail::Ntp(*ntp),
            Detail::Mining(mining) => Detail::Mining(mining.clone()),
            Detail::Tunnel(tunnel) => Detail::Tunnel(tunnel.clone()),
            Detail::File(file) => Detail::File(file.clone()),
            Detail::Probe(probe) => Detail::Probe(probe.clone()),
            Detail::GpuSample(sample) => {
                Detail::GpuSample(GpuSample { gpu_uuid: owned(&sample.gpu_uuid), name: owned(&sample.name), ..*sample })
            }
            Detail::GpuProcess(process) => Detail::GpuProcess(GpuProcess {
                gpu_uuid: owned(&process.gpu_uuid),
                process: owned(&process.process),
                user: owned(&process.user),
                ..*process
            }),
            Detail::Alert(alert) => Detail::Alert(Alert {
                category: Cow::Owned(alert.category.to_string()),
                message: Cow::Owned(alert.message.to_string()),
                user: owned(&alert.user),
                process: owned(&alert.process),
                ..*alert
            }),
            Detail::Execution(execution) => Detail::Execution(Execution {
                command: Cow::Owned(execution.command.to_string()),
                process: owned(&execution.process),
                parent_process: owned(&execution.parent_process),
                user: owned(&execution.user),
                directory: owned(&execution.directory),
                ..*execution
            }),
            Detail::Lease(lease) => Detail::Lease(Lease {
                hardware: Cow::Owned(lease.hardware.to_string()),
                name: owned(&lease.name),
                ..*lease
            }),
            Detail::Other(text) => Detail::Other(Cow::Owned(text.to_string())),
        };
        Observation { record: self.record, span: self.span, host: owned(&self.host), flow: self.flow, detail }
    }
}
