//! What HTTP requests say about what is carried through them: proxies, relays over WebSocket, VPN gateways.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Packet;
use super::http_head::{Fields, RequestHead};
use crate::evidence::excerpt;
use crate::model::{Mark, Tunnel, TunnelClass};
use crate::time::Instant;

/// Bound on a target that is kept.
const TARGET_MAX: usize = 256;

/// A request that asks to carry something, before its answer is known.
pub(super) struct Carrier {
    tunnel: Tunnel,
    packet: Packet,
    /// The mark once the server has agreed.
    agreed: Mark,
}

impl Carrier {
    fn new(protocol: &'static str, class: TunnelClass, alone: Mark, agreed: Mark, note: &'static str) -> Self {
        let note = Cow::Borrowed(note);
        let tunnel = Tunnel { protocol, class, mark: alone, note, packets: 1, ..Tunnel::default() };
        Carrier { tunnel, packet: Packet::default(), agreed }
    }

    fn to(mut self, target: &str) -> Self {
        self.tunnel.target = (!target.is_empty()).then(|| excerpt(target, TARGET_MAX).into_owned());
        self
    }

    /// What a request asks for, if it is one of these.
    pub(super) fn of(head: &RequestHead, packet: Packet) -> Option<Box<Self>> {
        let found = by_method(head).or_else(|| by_upgrade(head)).or_else(|| by_program(head))?;
        let tunnel = Tunnel { proof: vec![packet.record], last: Some(packet.at), ..found.tunnel };
        Some(Box::new(Carrier { tunnel, packet, ..found }))
    }

    /// The server's answer. `None` where it makes an ordinary refusal of it.
    pub(super) fn answered(mut self: Box<Self>, status: u16, packet: Packet) -> Option<Box<Self>> {
        if status == 101 || (200..300).contains(&status) {
            self.tunnel.mark = self.agreed;
            self.tunnel.packets += 1;
            self.tunnel.proof.push(packet.record);
            self.tunnel.last = Some(packet.at.max(self.packet.at));
            return Some(self);
        }
        if self.tunnel.protocol == "http-connect" {
            return None;
        }
        self.tunnel.mark = Mark::Shape;
        self.tunnel.note = Cow::Owned(format!("{}, answered with status {status}", self.tunnel.note));
        Some(self)
    }

    /// Whether it is worth telling: of a WebSocket that nothing else is known of, a protocol inside has to be seen. JSON
    /// is what WebSockets are for.
    pub(super) fn counts(&self, inside: Option<&str>) -> bool {
        self.tunnel.protocol != "websocket" || inside.is_some_and(|inside| !matches!(inside, "json" | "dns"))
    }

    /// The tunnel with what was seen inside of it, at the packet of the request.
    pub(super) fn finish(self, inside: Option<&'static str>, last: Option<Instant>) -> (Packet, Tunnel) {
        let last = self.tunnel.last.max(last);
        let to_https = self.tunnel.target.as_deref().is_some_and(|target| target.ends_with(":443"));
        let mark = match (self.tunnel.protocol, inside) {
            // A page of HTTP may stand in a message as any other text.
            ("websocket", Some("http")) => Mark::Shape,
            // How browsers speak HTTPS where a network has a proxy.
            ("http-connect", Some("tls")) if to_https => Mark::Shape,
            _ => self.tunnel.mark,
        };
        (self.packet, Tunnel { inside, last, mark, ..self.tunnel })
    }
}

/// A WebSocket that nothing is known of but that another protocol speaks inside of it.
pub(super) fn websocket(packet: Packet, answer: Packet) -> Box<Carrier> {
    let note = "a WebSocket with another protocol inside";
    let mut carrier = Carrier::new("websocket", TunnelClass::Relay, Mark::Exchange, Mark::Exchange, note);
    carrier.tunnel.proof = vec![packet.record, answer.record];
    carrier.tunnel.packets = 2;
    Box::new(Carrier { packet, ..carrier })
}

fn by_method(head: &RequestHead) -> Option<Carrier> {
    match head.method.as_str() {
        // Cisco AnyConnect and openconnect (draft-mavrogiannopoulos-openconnect section 2.1).
        "CONNECT" if head.fields.cstp || head.target.starts_with("/CSCOSSLC/") => Some(Carrier::new(
            "anyconnect",
            TunnelClass::Vpn,
            Mark::OneSide,
            Mark::Exchange,
            "asked for the tunnel of an AnyConnect gateway",
        )),
        "CONNECT" => {
            // Some clients write a path behind it.
            let target = head.target.split(' ').next().unwrap_or_default();
            let port = target.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            let note = match port {
                Some(443) => "asked a proxy to connect",
                _ => "asked a proxy to connect to a port other than 443",
            };
            Some(Carrier::new("http-connect", TunnelClass::Proxy, Mark::Shape, Mark::Exchange, note).to(target))
        }
        // MS-SSTP section 3.2.4.1.
        "SSTP_DUPLEX_POST" => Some(Carrier::new(
            "sstp",
            TunnelClass::Vpn,
            Mark::OneSide,
            Mark::Exchange,
            "asked for the tunnel of an SSTP gateway",
        )),
        _ => None,
    }
}

fn by_upgrade(head: &RequestHead) -> Option<Carrier> {
    let protocols = head.fields.websocket_protocol.as_deref().filter(|_| head.fields.websocket);
    let mut listed = protocols.unwrap_or_default().split(',').map(str::trim);
    // jpillora/chisel, share/version.go.
    if listed.clone().any(|name| name.strip_prefix("chisel-v").is_some_and(|version| version.parse::<u8>().is_ok())) {
        let note = "a WebSocket of chisel";
        return Some(Carrier::new("chisel", TunnelClass::Relay, Mark::OneSide, Mark::Exchange, note));
    }
    // erebe/wstunnel, wstunnel/src/tunnel: the target is in a token among the protocols.
    if let Some(route) = listed.find_map(|name| name.strip_prefix("authorization.bearer.")).and_then(Route::read) {
        let note = "a WebSocket of wstunnel, target as in its token";
        let mut carrier = Carrier::new("wstunnel", TunnelClass::Relay, Mark::OneSide, Mark::Exchange, note);
        carrier.tunnel.reversed = route.reversed;
        return Some(carrier.to(&route.target));
    }
    // Its versions before 6 have protocol, host and port in the path: /wstunnel/tcp/host/port.
    let path = head.target.strip_prefix("/wstunnel/").filter(|_| head.fields.websocket)?;
    let mut parts = path.split(['/', '?']);
    let (Some("tcp" | "udp" | "socks5"), Some(host), Some(port)) = (parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let carrier =
        Carrier::new("wstunnel", TunnelClass::Relay, Mark::Shape, Mark::OneSide, "a WebSocket with a path of wstunnel");
    Some(carrier.to(&format!("{host}:{port}")))
}

/// Where a token of wstunnel leads.
struct Route {
    target: String,
    reversed: bool,
}

impl Route {
    /// A JSON Web Token (RFC 7519) whose claims are `p` (protocol), `r` (host) and `rp` (port).
    fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
        let claims = URL_SAFE_NO_PAD.decode(claims.get(..4096).unwrap_or(claims)).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        let protocol = match claims.get("p")? {
            serde_json::Value::String(name) => name.clone(),
            serde_json::Value::Object(named) => named.keys().next()?.clone(),
            _ => return None,
        };
        let (host, port) = (claims.get("r")?.as_str()?, claims.get("rp")?.as_u64()?);
        Some(Route { target: format!("{host}:{port}"), reversed: protocol.starts_with("Reverse") })
    }
}

/// Requests of programs that say what they are, or that only one kind of server answers.
fn by_program(head: &RequestHead) -> Option<Carrier> {
    let agent = head.fields.user_agent.as_deref().unwrap_or_default();
    let path = head.target.split('?').next().unwrap_or_default();
    let is_post = head.method == "POST";
    let (protocol, class, agreed, note) =
        if ["AnyConnect", "Cisco AnyConnect", "Open AnyConnect", "Cisco Secure Client"]
            .iter()
            .any(|name| agent.starts_with(name))
        {
            ("anyconnect", TunnelClass::Vpn, Mark::OneSide, "a client that calls itself AnyConnect")
        } else if agent.starts_with("PAN GlobalProtect") {
            ("globalprotect", TunnelClass::Vpn, Mark::OneSide, "a client that calls itself GlobalProtect")
        } else if path == "/ssl-tunnel-connect.sslvpn" {
            ("globalprotect", TunnelClass::Vpn, Mark::Exchange, "asked for the tunnel of a GlobalProtect gateway")
        } else if matches!(path, "/remote/sslvpn-tunnel" | "/remote/sslvpn-tunnel2") {
            ("fortinet", TunnelClass::Vpn, Mark::Exchange, "asked for the tunnel of a FortiGate")
        } else if is_post && path == "/vpnsvc/connect.cgi" {
            ("softether", TunnelClass::Vpn, Mark::Exchange, "asked for the tunnel of a SoftEther server")
        } else if agent.contains("DynGate") && matches!(path, "/din.aspx" | "/dout.aspx") {
            ("teamviewer", TunnelClass::RemoteAccess, Mark::Exchange, "TeamViewer over HTTP")
        } else if is_post && is_httptunnel(&head.target) {
            ("httptunnel", TunnelClass::Covert, Mark::OneSide, "a request as GNU httptunnel makes it")
        } else {
            return by_web_shell(&head.fields);
        };
    // The path alone is also what a scanner asks for.
    let alone = if agreed == Mark::OneSide { Mark::OneSide } else { Mark::Shape };
    Some(Carrier::new(protocol, class, alone, agreed, note))
}

/// GNU httptunnel, tunnel.c: `/index.html?crap=` and the time.
fn is_httptunnel(target: &str) -> bool {
    target.split_once("?crap=").is_some_and(|(path, time)| {
        path.ends_with("/index.html") && time.len() >= 9 && time.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// reGeorg (sensepost/reGeorg, reGeorgSocksProxy.py): SOCKS through a page on a web server.
fn by_web_shell(fields: &Fields) -> Option<Carrier> {
    let (Some("CONNECT"), Some(host)) = (fields.web_shell_command.as_deref(), &fields.web_shell_target) else {
        return None;
    };
    let note = "SOCKS through a web page, as reGeorg does it";
    let carrier = Carrier::new("regeorg", TunnelClass::Proxy, Mark::OneSide, Mark::Exchange, note);
    Some(carrier.to(&format!("{host}:{}", fields.web_shell_port.as_deref().unwrap_or("?"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(request: &str, status: Option<u16>) -> Option<Tunnel> {
        let head = RequestHead::parse(request.as_bytes()).expect("a request");
        let carrier = Carrier::of(&head, Packet::default())?;
        let carrier = match status {
            Some(status) => carrier.answered(status, Packet::default())?,
            None => carrier,
        };
        Some(carrier.finish(None, None).1)
    }

    fn mark(request: &str, status: Option<u16>) -> Option<(&'static str, Mark)> {
        told(request, status).map(|tunnel| (tunnel.protocol, tunnel.mark))
    }

    #[test]
    fn connect_counts_once_the_proxy_agrees() {
        let request = "CONNECT mail.example:25 HTTP/1.1\r\n\r\n";
        assert_eq!(mark(request, Some(200)), Some(("http-connect", Mark::Exchange)));
        assert_eq!(mark(request, None), Some(("http-connect", Mark::Shape)));
        for refused in [403, 405, 407, 502] {
            assert_eq!(mark(request, Some(refused)), None);
        }
        let tunnel = told(request, Some(200)).expect("a tunnel");
        assert_eq!(tunnel.target.as_deref(), Some("mail.example:25"));
        assert_eq!(tunnel.note, "asked a proxy to connect to a port other than 443");
    }

    #[test]
    fn https_through_a_proxy_is_a_lead() {
        let head = RequestHead::parse(b"CONNECT a.example:443 HTTP/1.1\r\n\r\n").expect("a request");
        for (inside, mark) in [(Some("tls"), Mark::Shape), (Some("ssh"), Mark::Exchange), (None, Mark::Exchange)] {
            let carrier = Carrier::of(&head, Packet::default()).expect("a carrier");
            let carrier = carrier.answered(200, Packet::default()).expect("agreed");
            assert_eq!(carrier.finish(inside, None).1.mark, mark, "{inside:?}");
        }
    }

    /// Claims by hand: `printf '{"id":"1","p":"ReverseTcp","r":"0.0.0.0","rp":8022}' | base64`, without the padding.
    #[test]
    fn the_token_of_wstunnel_names_the_target() {
        let request = |claims: &str| {
            format!(
                "GET /v1/events HTTP/1.1\r\nupgrade: websocket\r\n\
                 sec-websocket-protocol: v1, authorization.bearer.e30.{claims}.c2ln\r\n\r\n"
            )
        };
        let reverse = request("eyJpZCI6IjEiLCJwIjoiUmV2ZXJzZVRjcCIsInIiOiIwLjAuMC4wIiwicnAiOjgwMjJ9");
        let tunnel = told(&reverse, Some(101)).expect("a tunnel");
        assert_eq!((tunnel.protocol, tunnel.mark, tunnel.reversed), ("wstunnel", Mark::Exchange, true));
        assert_eq!(tunnel.target.as_deref(), Some("0.0.0.0:8022"));
        // Other programs carry tokens there, too: {"sub":"a"}.
        assert_eq!(told(&request("eyJzdWIiOiJhIn0"), Some(101)), None);
        assert_eq!(told(&request("%%%"), Some(101)), None);
    }

    #[test]
    fn what_each_request_is() {
        let upgrade = |more: &str| format!("GET / HTTP/1.1\r\nUpgrade: websocket\r\n{more}\r\n\r\n");
        for (request, expected) in [
            (upgrade("Sec-WebSocket-Protocol: chisel-v3"), Some(("chisel", Mark::Exchange))),
            (upgrade("Sec-WebSocket-Protocol: graphql-ws"), None),
            (
                "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n\r\n".to_owned(),
                Some(("sstp", Mark::Exchange)),
            ),
            (
                "CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nX-CSTP-Version: 1\r\n\r\n".to_owned(),
                Some(("anyconnect", Mark::Exchange)),
            ),
            ("POST /vpnsvc/connect.cgi HTTP/1.1\r\n\r\n".to_owned(), Some(("softether", Mark::Exchange))),
            ("POST /index.html?crap=1700000000 HTTP/1.1\r\n\r\n".to_owned(), Some(("httptunnel", Mark::OneSide))),
            (
                "POST /t.jsp HTTP/1.1\r\nX-CMD: CONNECT\r\nX-TARGET: 10.0.0.8\r\nX-PORT: 22\r\n\r\n".to_owned(),
                Some(("regeorg", Mark::Exchange)),
            ),
            ("GET http://example.org/ HTTP/1.1\r\n\r\n".to_owned(), None),
            ("GET /wstunnel/ HTTP/1.1\r\n\r\n".to_owned(), None),
        ] {
            assert_eq!(mark(&request, Some(200)), expected, "{request}");
        }
        let probe = "POST /vpnsvc/connect.cgi HTTP/1.1\r\n\r\n";
        assert_eq!(mark(probe, None), Some(("softether", Mark::Shape)), "a scanner asks as well");
        assert_eq!(mark(probe, Some(404)), Some(("softether", Mark::Shape)));
    }
}
