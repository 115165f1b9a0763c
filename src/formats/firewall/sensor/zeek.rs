//! Zeek logs, tab-separated under `#fields` or JSON (<https://docs.zeek.org/en/master/log-formats.html>).

use std::borrow::Cow;
use std::sync::LazyLock;

use super::protocols::{certificate, dns, version};
use crate::formats::firewall::bytes::{number, port, split_once, text as lossy};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::table::Table;
use crate::formats::firewall::verdict::behaviour;
use crate::model::{self, Alert, Detail, Http, Mark, Ssh, Tls, Tunnel, TunnelClass};

/// The format.
pub(crate) struct Zeek;

const LOG: &[(&str, Field)] = &[
    ("ts", Start),
    ("_write_ts", Time),
    ("id.orig_h", SrcIp),
    ("id.orig_p", SrcPort),
    ("id.resp_h", DstIp),
    ("id.resp_p", DstPort),
    ("id_orig_h", SrcIp),
    ("id_orig_p", SrcPort),
    ("id_resp_h", DstIp),
    ("id_resp_p", DstPort),
    ("proto", Protocol),
    ("uid", Session),
    ("_system_name", Device),
];

/// Counted with headers, as firewalls and flow logs count; payload alone where a log has no more.
const CONN: &[(&str, Field)] = &[
    ("duration", Duration),
    ("orig_ip_bytes", BytesOut),
    ("resp_ip_bytes", BytesIn),
    ("orig_pkts", PacketsOut),
    ("resp_pkts", PacketsIn),
    ("conn_state", State),
    ("service", Application),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[LOG]));

/// What Zeek writes into the place of times that its tests hide.
const HIDDEN_TIME: &[u8] = b"XXXXXXXXXX.XXXXXX";

impl Dialect for Zeek {
    fn id(&self) -> &'static str {
        "zeek"
    }

    fn title(&self) -> &'static str {
        "Zeek logs, tab-separated or JSON (conn, dns, ssl, ssh, http, notice, weird, tunnel, socks, quic and others with a \
         connection)"
    }

    fn signature(&self) -> &'static str {
        "Zeek records (#fields, or id.orig_h and id.resp_h)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.row.is_some() {
            return !record.line.starts_with(b"#");
        }
        if record.json.is_none() {
            return false;
        }
        record.names("id.orig_h")
            || record.names("id_orig_h")
            || (record.names("ts") && (record.names("_path") || record.names("fuid") || record.names("tunnel_type")))
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        // Zeek quotes nothing: a quote is a character of a name that somebody chose.
        let plain: Vec<Cow<'_, [u8]>>;
        let unquoted;
        let record = match record.row {
            Some((table, _)) if memchr::memchr(b'"', record.line).is_some() => {
                let delimiter = table.header().delimiter;
                plain = record.line.split(|byte| *byte == delimiter).map(Cow::Borrowed).collect();
                unquoted = Record { row: Some((table, &plain)), ..Record::new(record.line) };
                &unquoted
            }
            _ => record,
        };
        read(record, out)
    }

    fn header(&self, line: &[u8], before: &Table) -> Option<Table> {
        let header = line.strip_prefix(b"#")?;
        // Zeek's own test suite keeps logs under a remark.
        if header.starts_with(b"## BTest baseline data") || header.starts_with(b"## NOTE: This file has been sorted") {
            return Some(before.clone());
        }
        if let Some(separator) = header.strip_prefix(b"separator ") {
            let separator = unescaped(Cow::Borrowed(separator));
            let [delimiter] = *separator else { return None };
            return Some(Table::default().with(|header| header.delimiter = delimiter));
        }
        let known = before.header().delimiter;
        let delimiter = if known == 0 { b'\t' } else { known };
        let (name, rest) = split_once(header, &[delimiter])?;
        Some(match name {
            b"fields" => {
                let columns = rest.split(|byte| *byte == delimiter).map(|name| lossy(name).into_owned());
                let said = before.header();
                Table::new(delimiter, columns.collect(), &NAMES).with(|header| {
                    header.about.clone_from(&said.about);
                    header.unset.clone_from(&said.unset);
                    header.unset.push(HIDDEN_TIME.to_vec());
                })
            }
            b"path" => before.with(|header| header.about = lossy(rest).into_owned()),
            b"unset_field" | b"empty_field" => before.with(|header| header.unset.push(rest.to_vec())),
            b"set_separator" | b"open" | b"close" | b"types" => before.clone(),
            _ => return None,
        })
    }
}

/// A text of a record, its `\xHH` resolved.
fn value<'r>(record: &Record<'r>, name: &str) -> Option<Cow<'r, [u8]>> {
    let value = record.value(name)?;
    Some(if record.row.is_some() { unescaped(value) } else { value })
}

/// `\x41` as "A", `\\` as a backslash.
fn unescaped(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', &value).is_none() {
        return value;
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut rest: &[u8] = &value;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (*byte, after) {
            (b'\\', [b'x', high, low, more @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                plain.push(digit(*high).unwrap_or_default() << 4 | digit(*low).unwrap_or_default());
                rest = more;
            }
            (b'\\', [b'\\', more @ ..]) => {
                plain.push(b'\\');
                rest = more;
            }
            _ => plain.push(*byte),
        }
    }
    Cow::Owned(plain)
}

/// Which log the record is of: what it says itself, what the header says, what its fields are.
fn path(record: &Record<'_>) -> String {
    if let Some((table, _)) = record.row
        && !table.header().about.is_empty()
    {
        return table.header().about.to_ascii_lowercase();
    }
    if let Some(path) = record.text("_path").or_else(|| record.text("bro_engine")) {
        return lossy(&path).to_ascii_lowercase();
    }
    const MARKS: [(&str, &str); 18] = [
        ("conn_state", "conn"),
        ("missed_bytes", "conn"),
        ("orig_pkts", "conn"),
        ("tunnel_type", "tunnel"),
        ("note", "notice"),
        ("qtype_name", "dns"),
        ("rcode_name", "dns"),
        ("trans_id", "dns"),
        ("query", "dns"),
        ("auth_attempts", "ssh"),
        ("auth_success", "ssh"),
        ("hassh", "ssh"),
        ("uri", "http"),
        ("method", "http"),
        ("status_code", "http"),
        ("server_name", "ssl"),
        ("cipher", "ssl"),
        ("established", "ssl"),
    ];
    MARKS.iter().find(|(name, _)| record.names(name)).map(|(_, path)| (*path).to_owned()).unwrap_or_default()
}

fn read<'r>(record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let mut fields = Fields::default();
    fields.take_record(&NAMES, record);
    let hidden = |name: &str| record.value(name).is_some_and(|value| *value == *HIDDEN_TIME);
    if fields.impossible == Some(Start) && hidden("ts") {
        fields.impossible = None;
    }
    let path = path(record);
    let log = path.split(['_', '.', '-']).next().unwrap_or_default();
    if fields.flow.protocol.is_none() {
        let datagrams = value(record, "version").is_some_and(|version| version.starts_with(b"DTLS"));
        fields.flow.protocol = match log {
            "ssl" if datagrams => Some(model::Protocol::UDP),
            "ssl" | "ssh" | "http" | "ftp" | "smtp" | "rdp" | "irc" | "mysql" | "smb" | "dce" | "ntlm" | "socks"
            | "rfb" | "websocket" | "postgresql" | "redis" | "ldap" => Some(model::Protocol::TCP),
            "quic" | "ntp" | "snmp" | "radius" | "dhcp" => Some(model::Protocol::UDP),
            _ => None,
        };
    }
    if log == "notice" {
        return notice(fields, record, out);
    }
    if fields.is_empty() {
        return Err("a record without a connection".into());
    }
    let detail = match log {
        "conn" | "open" if path != "open_ssl" && path != "open_http" => {
            conn(&mut fields, record);
            None
        }
        _ => detail(if path.starts_with("open_") { path.get(5..).unwrap_or_default() } else { log }, record, out),
    };
    let Some(detail) = detail else {
        if !matches!(log, "conn" | "open" | "weird") && fields.connection.application.is_none() {
            fields.set(Application, Cow::Owned(path.clone().into_bytes()));
        }
        if let Some(name) = value(record, "name").filter(|_| log == "weird") {
            fields.set(State, name);
        }
        return out.connection(fields, record);
    };
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    out.observe(span, fields.device.take(), Some(fields.flow), detail);
    Ok(())
}

/// What conn.log has more than others.
fn conn<'r>(fields: &mut Fields<'r>, record: &'r Record<'r>) {
    for (name, field) in CONN.iter().chain(&[("orig_bytes", BytesOut), ("resp_bytes", BytesIn)]) {
        if let Some(value) = value(record, name) {
            fields.set(*field, value);
        }
    }
    let local = |name: &str| match record.value(name).as_deref() {
        Some(b"T" | b"true") => Some(true),
        Some(b"F" | b"false") => Some(false),
        _ => None,
    };
    fields.connection.direction = match (local("local_orig"), local("local_resp")) {
        (Some(true), Some(false)) => Some(model::Direction::Outbound),
        (Some(false), Some(true)) => Some(model::Direction::Inbound),
        _ => None,
    };
    fields.connection.answered = match fields.connection.state.as_deref() {
        Some("S1" | "SF" | "S2" | "S3" | "REJ" | "RSTO" | "RSTR") => Some(true),
        Some("S0" | "SH" | "RSTOS0") => Some(false),
        _ => None,
    };
}

/// A notice is an alert; its connection may be named by `src`, `dst` and `p` alone.
fn notice<'r>(mut fields: Fields<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    for (name, field) in [("src", SrcIp), ("dst", DstIp), ("p", DstPort)] {
        if let Some(value) = value(record, name) {
            fields.set(field, value);
        }
    }
    let text = |name: &str| value(record, name).map(|text| lossy(&text).into_owned());
    let note = text("note").unwrap_or_default();
    let message = [Some(note.clone()), text("msg"), text("sub")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let behaviour = behaviour(&message).or(match note.as_str() {
        "Scan::Port_Scan" | "Scan::Address_Scan" => Some(model::Behaviour::Probing),
        _ => None,
    });
    let alert = Alert { category: "notice".into(), message: message.into(), behaviour, ..Alert::default() };
    let flow = (!fields.is_empty()).then_some(fields.flow);
    out.observe(span, fields.device.take(), flow, Detail::Alert(alert));
    Ok(())
}

/// The elements of a vector or set.
fn list(record: &Record<'_>, name: &str) -> Vec<String> {
    match record.json {
        Some(object) => json::strings(object, name),
        None => {
            let cell = record.value(name).unwrap_or_default();
            let items = cell.split(|byte| *byte == b',').filter(|item| !item.is_empty());
            items.map(|item| lossy(&unescaped(Cow::Borrowed(item))).into_owned()).collect()
        }
    }
}

fn detail(log: &str, record: &Record<'_>, out: &Out<'_>) -> Option<Detail<'static>> {
    let of = |name: &str| value(record, name).map(|text| lossy(&text).into_owned());
    match log {
        "dns" => {
            let code = of("rcode_name");
            let response = code.is_some() || record.value("rcode").is_some();
            Some(Detail::Dns(dns(of("query"), of("qtype_name"), response, code, list(record, "answers"))))
        }
        "ssl" => Some(Detail::Tls(Tls {
            server_name: of("server_name"),
            chosen_alpn: of("next_protocol"),
            ja3: of("ja3"),
            ja3s: of("ja3s"),
            ja4: of("ja4"),
            chosen_version: of("version").and_then(|name| version(&name)),
            cipher: of("cipher"),
            certificate: certificate(of("subject"), of("issuer"), list(record, "san.dns")),
            ..Tls::default()
        })),
        "quic" => {
            let alpn = of("client_protocol").into_iter().collect();
            Some(Detail::Tls(Tls { server_name: of("server_name"), alpn, ..Tls::default() }))
        }
        "ssh" => Some(Detail::Ssh(Ssh {
            opener_banner: of("client"),
            acceptor_banner: of("server"),
            kex: of("kex_alg"),
            cipher_to_server: of("cipher_alg"),
            cipher_to_client: of("cipher_alg"),
            mac_to_server: of("mac_alg"),
            mac_to_client: of("mac_alg"),
            compression: of("compression_alg"),
            hassh: of("hassh"),
            hassh_server: of("hasshServer").or_else(|| of("hassh_server")),
            ..Ssh::default()
        })),
        "http" => Some(Detail::Http(Http {
            method: of("method").unwrap_or_default(),
            target: of("uri").unwrap_or_default(),
            host: of("host"),
            user_agent: of("user_agent"),
            status: value(record, "status_code").and_then(|code| port(&code)),
            content_type: list(record, "resp_mime_types").into_iter().next(),
            content_length: value(record, "response_body_len").and_then(|length| number(&length)),
            ..Http::default()
        })),
        "tunnel" => {
            let kind = of("tunnel_type")?;
            let (protocol, class) = match kind.rsplit(':').next()? {
                "IP" => ("ip-in-ip", TunnelClass::Encapsulation),
                "AYIYA" => ("ayiya", TunnelClass::Encapsulation),
                "TEREDO" => ("teredo", TunnelClass::Encapsulation),
                "SOCKS" => ("socks", TunnelClass::Proxy),
                "GTPv1" => ("gtp-u", TunnelClass::Encapsulation),
                "HTTP" => ("http-connect", TunnelClass::Proxy),
                "GRE" => ("gre", TunnelClass::Encapsulation),
                "VXLAN" => ("vxlan", TunnelClass::Encapsulation),
                "GENEVE" => ("geneve", TunnelClass::Encapsulation),
                _ => return None,
            };
            Some(tunnel(protocol, class, None, out))
        }
        "socks" => {
            let protocol = if record.value("version").as_deref() == Some(b"4") { "socks4" } else { "socks5" };
            let host = of("request.name").or_else(|| of("request.host"));
            let target = host.map(|host| match of("request_p") {
                Some(port) => format!("{host}:{port}"),
                None => host,
            });
            Some(tunnel(protocol, TunnelClass::Proxy, target, out))
        }
        _ => None,
    }
}

fn tunnel(protocol: &'static str, class: TunnelClass, target: Option<String>, out: &Out<'_>) -> Detail<'static> {
    let note = Cow::Borrowed("told by Zeek");
    let proof = vec![out.number()];
    Detail::Tunnel(Tunnel { protocol, class, mark: Mark::Exchange, target, note, proof, ..Tunnel::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        // The samples of Zeek's "Log formats" page: \x2d is a dash that is not the unset field.
        for (text, expected) in
            [(&b"\\x2d"[..], &b"-"[..]), (b"a\\x09b", b"a\tb"), (b"a\\\\b", b"a\\b"), (b"\\xzz", b"\\xzz")]
        {
            assert_eq!(&*unescaped(Cow::Borrowed(text)), expected);
        }
    }
}
