//! Services that a TLS handshake gives away: names of protocols, certificates of their own making.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Certificate, Flow, Mark, Tls, Tunnel, TunnelClass};
use crate::time::Instant;

/// What a handshake itself says about what is carried inside.
pub(in crate::formats::capture::app) fn told_by(tls: &Tls, flow: Flow, record: u64, at: Instant) -> Option<Tunnel> {
    let tunnel = by_protocol(tls)
        .or_else(|| tls.certificate.as_deref().and_then(|found| by_certificate(found, tls)))
        .or_else(|| tls.client_certificate.as_deref().and_then(|found| by_certificate(found, tls)))
        .or_else(|| resolver(tls, flow))?;
    // Tor makes the name up.
    let target = tls.server_name.clone().filter(|_| tunnel.protocol != "tor");
    Some(Tunnel { target, packets: 1, last: Some(at), proof: vec![record], ..tunnel })
}

/// Names of application protocols (RFC 7301) that one program alone has.
fn by_protocol(tls: &Tls) -> Option<Tunnel> {
    let offered = tls.alpn.iter().find_map(|name| {
        if name.starts_with("anydesk/") {
            Some(("anydesk", TunnelClass::RemoteAccess, name))
        // cloudflared, over QUIC: quic/constants.go.
        } else if name == "argotunnel" {
            Some(("cloudflared", TunnelClass::Relay, name))
        } else {
            None
        }
    });
    let (protocol, class, name) = offered?;
    let answered = tls.certificate.as_deref().is_some_and(|found| by_certificate(found, tls).is_some())
        || tls.chosen_alpn.as_ref() == Some(name);
    Some(Tunnel {
        protocol,
        class,
        mark: if answered { Mark::Exchange } else { Mark::OneSide },
        note: Cow::Owned(format!("the client offers to speak {name}")),
        ..Tunnel::default()
    })
}

/// Certificates that a program makes itself, or that its maker's own authority signed.
fn by_certificate(found: &Certificate, tls: &Tls) -> Option<Tunnel> {
    let is = |field: &Option<String>, text: &str| field.as_deref() == Some(text);
    let begins = |field: &Option<String>, text: &str| field.as_deref().is_some_and(|field| field.starts_with(text));
    let (protocol, class, mark, what) = if is(&found.issuer, "AnyNet Root CA")
        || (is(&found.subject, "AnyDesk Client") && is(&found.issuer, "AnyDesk Client"))
    {
        ("anydesk", TunnelClass::RemoteAccess, Mark::OneSide, "certificate of AnyDesk's own making")
    } else if is(&found.issuer_organization, "Windscribe") && is(&found.subject_organization, "Windscribe") {
        ("windscribe", TunnelClass::Vpn, Mark::OneSide, "certificate by Windscribe's own authority")
    } else if begins(&found.issuer, "MeshCentralRoot-") {
        ("meshcentral", TunnelClass::RemoteAccess, Mark::OneSide, "certificate of MeshCentral's own making")
    } else if begins(&found.issuer, "OpenVPN Web CA ") {
        ("openvpn-access-server", TunnelClass::Vpn, Mark::Shape, "web page of an OpenVPN Access Server")
    } else if is(&found.issuer_organization, "Fortinet") && begins(&found.subject, "FG") {
        ("fortinet", TunnelClass::Vpn, Mark::Shape, "factory certificate of a FortiGate: its VPN or its web page")
    } else if is_tor_relay(found) {
        let both = tls.server_name.as_deref().is_some_and(is_random_name);
        let mark = if both { Mark::Exchange } else { Mark::OneSide };
        ("tor", TunnelClass::Vpn, mark, "certificate with two names of random letters, as Tor relays make them")
    } else {
        return None;
    };
    Some(Tunnel { protocol, class, mark, note: Cow::Borrowed(what), ..Tunnel::default() })
}

/// Tor's `crypto_random_hostname` (lib/crypt_ops/crypto_rand.c): `www.`, letters of base 32 (RFC 4648 section 6), and a
/// suffix. The server name that a client makes up has 4 to 25 letters, the names in a relay's certificate 8 to 20.
fn random_label<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let label = name.strip_prefix("www.")?.strip_suffix(suffix)?;
    ((4..=25).contains(&label.len()) && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')))
        .then_some(label)
}

fn is_random_name(name: &str) -> bool {
    random_label(name, ".com").or_else(|| random_label(name, ".net")).is_some()
}

/// Signed by `www.[random].com`, for `www.[another].net`, with nothing else in its names (tor-spec, "In-protocol
/// certificates" of the old handshakes; lib/tls/tortls_openssl.c).
fn is_tor_relay(found: &Certificate) -> bool {
    let label = |field: &Option<String>, suffix| {
        field.as_deref().and_then(|name| random_label(name, suffix)).filter(|label| label.len() >= 8).map(str::to_owned)
    };
    let (Some(subject), Some(issuer)) = (label(&found.subject, ".net"), label(&found.issuer, ".com")) else {
        return false;
    };
    subject != issuer
        && found.names.is_empty()
        && found.subject_organization.is_none()
        && found.issuer_organization.is_none()
}

/// A handshake that may lead to Tor while its certificate is hidden: a random name and no application protocol.
pub(super) fn may_be_tor(tls: &Tls) -> bool {
    tls.alpn.is_empty() && tls.certificate.is_none() && tls.server_name.as_deref().is_some_and(is_random_name)
}

/// Whether the ciphers are those that Tor offers (lib/tls/ciphers.inc: those of a Firefox, in the order of OpenSSL,
/// which adds TLS_EMPTY_RENEGOTIATION_INFO_SCSV as no Firefox does).
pub(super) fn is_tor_client(ciphers: &[u16]) -> bool {
    const LISTED: [u16; 14] = [
        0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc00a, 0xc009, 0xc013, 0xc014, 0x0033, 0x0039, 0x002f, 0x0035,
    ];
    let before: Vec<u16> = ciphers.iter().copied().filter(|cipher| !matches!(cipher, 0x1301..=0x1303)).collect();
    before.split_last().is_some_and(|(last, listed)| *last == 0x00ff && *listed == LISTED)
}

/// TLS to a public resolver without a server name: names are looked up over HTTPS (RFC 8484), or something else goes
/// there under its address.
fn resolver(tls: &Tls, flow: Flow) -> Option<Tunnel> {
    /// Cloudflare, Google, Quad9, OpenDNS, AdGuard, by their own pages.
    const RESOLVERS: [IpAddr; 16] = [
        IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
        IpAddr::V4(Ipv4Addr::new(1, 0, 0, 1)),
        IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
        IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4)),
        IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)),
        IpAddr::V4(Ipv4Addr::new(149, 112, 112, 112)),
        IpAddr::V4(Ipv4Addr::new(208, 67, 222, 222)),
        IpAddr::V4(Ipv4Addr::new(208, 67, 220, 220)),
        IpAddr::V4(Ipv4Addr::new(94, 140, 14, 14)),
        IpAddr::V4(Ipv4Addr::new(94, 140, 15, 15)),
        IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111)),
        IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1001)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8844)),
        IpAddr::V6(Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe)),
        IpAddr::V6(Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 9)),
    ];
    let there = flow.dst_port == Some(443) && flow.dst.is_some_and(|address| RESOLVERS.contains(&address));
    (there && tls.server_name.is_none() && tls.version.is_some()).then(|| Tunnel {
        protocol: "doh",
        class: TunnelClass::Covert,
        mark: Mark::Shape,
        note: Cow::Borrowed("TLS without a server name to a public resolver"),
        ..Tunnel::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tls: &Tls) -> Option<(&'static str, Mark)> {
        told_by(tls, Flow::default(), 1, Instant(0)).map(|tunnel| (tunnel.protocol, tunnel.mark))
    }

    fn certificate(subject: &str, issuer: &str) -> Option<Box<Certificate>> {
        let name = |text: &str| Some(text.to_owned());
        Some(Box::new(Certificate { subject: name(subject), issuer: name(issuer), ..Certificate::default() }))
    }

    #[test]
    fn names_of_protocols_and_authorities() {
        let anydesk = Tls { alpn: vec!["anydesk/6.2.0/linux".to_owned()], ..Tls::default() };
        assert_eq!(told(&anydesk), Some(("anydesk", Mark::OneSide)));
        let answered = Tls { certificate: certificate("AnyNet Relay", "AnyNet Root CA"), ..anydesk };
        assert_eq!(told(&answered), Some(("anydesk", Mark::Exchange)));
        let direct = Tls { client_certificate: certificate("AnyDesk Client", "AnyDesk Client"), ..Tls::default() };
        assert_eq!(told(&direct), Some(("anydesk", Mark::OneSide)));
        let site = Tls { certificate: certificate("www.example.net", "www.example.com"), ..Tls::default() };
        assert_eq!(told(&site), None, "the same label, and too short");
        assert_eq!(told(&Tls { alpn: vec!["h2".to_owned(), "http/1.1".to_owned()], ..Tls::default() }), None);
    }

    #[test]
    fn certificates_of_tor_relays() {
        let relay = certificate("www.abcdefgh234567.net", "www.zyxwvutsr765.com");
        let tls = Tls { certificate: relay.clone(), ..Tls::default() };
        assert_eq!(told(&tls), Some(("tor", Mark::OneSide)));
        let tls = Tls { server_name: Some("www.q2w3e4r5.com".to_owned()), certificate: relay, ..Tls::default() };
        assert_eq!(told(&tls), Some(("tor", Mark::Exchange)));
        for (subject, issuer) in [
            ("www.abcdefgh1.net", "www.zyxwvutsr765.com"),
            ("abcdefgh234567.net", "www.zyxwvutsr765.com"),
            ("www.abcdefgh234567.com", "www.zyxwvutsr765.com"),
            ("www.abcdefgh234567.net", "Example CA"),
        ] {
            assert_eq!(told(&Tls { certificate: certificate(subject, issuer), ..Tls::default() }), None);
        }
    }

    #[test]
    fn a_resolver_without_a_name_is_a_lead() {
        let flow = Flow { dst: Some("1.1.1.1".parse().unwrap()), dst_port: Some(443), ..Flow::default() };
        let tls = Tls { version: Some("1.3".to_owned()), ..Tls::default() };
        let found = told_by(&tls, flow, 1, Instant(0)).map(|tunnel| (tunnel.protocol, tunnel.mark));
        assert_eq!(found, Some(("doh", Mark::Shape)));
        let named = Tls { server_name: Some("one.one.one.one".to_owned()), ..tls };
        assert_eq!(told_by(&named, flow, 1, Instant(0)), None);
    }
}
