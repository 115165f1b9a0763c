//! HTTP/1 (RFC 9112): requests, their answers, and what is inside of CONNECT and WebSocket.

use std::collections::VecDeque;

use memchr::memmem;

use super::file::{self, Announced, Watch};
use super::greeting::Sniffed;
use super::http_head::{Fields, RequestHead, ResponseHead};
use super::http_marks::{self, Carrier};
use super::mining::{Tracker, Via};
use super::sniff;
use super::websocket::WebSocket;
use super::{Emit, Packet, Reader, TcpReaders};
use crate::model::{Detail, Flow, Http};
use crate::time::Instant;

/// Bound on the head of a message; common servers allow 8 to 16 KiB.
const HEAD_MAX: usize = 32 * 1024;
/// Bound on a JSON body that is looked into.
const BODY_KEPT: usize = 64 * 1024;
/// JSON bodies without any pool protocol after which bodies are no longer looked into.
const BODIES_TRIED: u8 = 32;
/// Requests that wait for their answers at the same time; what is beyond is reported without an answer.
const WAITING: usize = 128;

pub(super) struct HttpReader {
    flow: Flow,
    opener_is_client: bool,
    depth: u8,
    request: Half,
    response: Half,
    waiting: VecDeque<Waiting>,
    tracker: Option<Box<Tracker>>,
    bodies_tried: u8,
    inner: Inner,
    /// What the connection was asked to carry, and may have agreed to.
    carrier: Option<Box<Carrier>>,
}

/// What the connection has become.
enum Inner {
    None,
    /// A tunnel through a proxy, or an unknown protocol after an upgrade.
    Raw(Box<TcpReaders>),
    WebSocket(Box<WebSocket>),
    Closed,
}

/// A request whose answer has not been seen.
struct Waiting {
    http: Http,
    packet: Packet,
    websocket: bool,
    carrier: Option<Box<Carrier>>,
}

/// One direction.
#[derive(Default)]
struct Half {
    phase: Phase,
    buffer: Vec<u8>,
    packet: Packet,
    /// A body that may be JSON-RPC; `None` if this one is not looked into.
    body: Option<Vec<u8>>,
    /// A body that may be a file.
    file: Option<Box<Watch>>,
    body_packet: Packet,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    /// Framing lost: wait for a segment that begins with a start line.
    Lost,
}

impl HttpReader {
    pub(super) fn new(flow: Flow, opener_is_client: bool, depth: u8) -> Self {
        HttpReader {
            flow,
            opener_is_client,
            depth,
            request: Half::default(),
            response: Half::default(),
            waiting: VecDeque::new(),
            tracker: None,
            bodies_tried: 0,
            inner: Inner::None,
            carrier: None,
        }
    }

    fn half(&mut self, is_request: bool) -> &mut Half {
        if is_request { &mut self.request } else { &mut self.response }
    }

    fn read(&mut self, packet: Packet, mut bytes: &[u8], emit: &mut Emit<'_>) {
        let is_request = packet.from_opener == self.opener_is_client;
        while !bytes.is_empty() {
            match &mut self.inner {
                Inner::None => {}
                Inner::Raw(inner) => return inner.data(packet.from_opener, bytes, packet.at, packet.record, emit),
                Inner::WebSocket(inner) => return inner.data(packet, bytes, emit),
                Inner::Closed => return,
            }
            let depth = self.depth;
            let half = self.half(is_request);
            // A server that is none of HTTP says what it is all the same: SSH answers with its identification.
            if !is_request && half.phase == Phase::Head && half.buffer.is_empty() && bytes.starts_with(b"SSH-") {
                self.inner = TcpReaders::nested(self.flow, false, depth)
                    .map_or(Inner::Closed, |inner| Inner::Raw(Box::new(inner)));
                continue;
            }
            match half.phase {
                Phase::Head => bytes = self.head(packet, bytes, is_request, emit),
                Phase::Body(left) | Phase::Chunk(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (now, later) = bytes.split_at(taken);
                    half.keep(packet, now);
                    bytes = later;
                    let left = left - taken as u64;
                    match (half.phase, left) {
                        (Phase::Body(_), 0) => {
                            self.end_of_file(is_request, true, emit);
                            self.end_of_body(is_request);
                        }
                        (Phase::Body(_), left) => half.phase = Phase::Body(left),
                        (_, 0) => half.phase = Phase::ChunkEnd,
                        (_, left) => half.phase = Phase::Chunk(left),
                    }
                }
                Phase::ChunkSize | Phase::ChunkEnd | Phase::Trailer => {
                    bytes = half.line(bytes);
                    if half.phase == Phase::Head {
                        self.end_of_file(is_request, true, emit);
                        self.end_of_body(is_request);
                    }
                }
                Phase::UntilClose => {
                    half.keep(packet, bytes);
                    return;
                }
                Phase::Lost => {
                    let begins = match sniff::text(bytes) {
                        Sniffed::HttpRequest => is_request,
                        Sniffed::HttpResponse => !is_request,
                        _ => false,
                    };
                    if !begins {
                        return;
                    }
                    half.phase = Phase::Head;
                }
            }
        }
    }

    /// Collects a head; what is behind its end remains.
    fn head<'a>(&mut self, packet: Packet, bytes: &'a [u8], is_request: bool, emit: &mut Emit<'_>) -> &'a [u8] {
        let half = self.half(is_request);
        let mut bytes = bytes;
        if half.buffer.is_empty() {
            // Empty lines before a message are passed over (RFC 9112 section 2.2).
            while let [b'\r' | b'\n', rest @ ..] = bytes {
                bytes = rest;
            }
            half.packet = packet;
        }
        let before = half.buffer.len();
        let room = HEAD_MAX.saturating_sub(before).min(bytes.len());
        let (now, beyond) = bytes.split_at(room);
        half.buffer.extend_from_slice(now);
        let from = before.saturating_sub(3);
        let Some(end) = end_of_head(&half.buffer, from) else {
            if !beyond.is_empty() {
                half.lose();
                return &[];
            }
            return beyond;
        };
        let head = std::mem::take(&mut half.buffer);
        let start = half.packet;
        let rest = bytes.get(end.saturating_sub(before)..).unwrap_or_default();
        let head = head.get(..end).unwrap_or_default();
        let understood = if is_request {
            RequestHead::parse(head).map(|head| self.request_head(head, start, emit))
        } else {
            ResponseHead::parse(head).map(|head| self.response_head(head, start, packet, emit))
        };
        if understood.is_none() {
            self.half(is_request).lose();
            return &[];
        }
        rest
    }

    fn request_head(&mut self, head: RequestHead, packet: Packet, emit: &mut Emit<'_>) {
        let carrier = Carrier::of(&head, packet);
        let RequestHead { method, target, fields } = head;
        if let Some(tracker) = &mut self.tracker {
            tracker.request_head(&fields, &target, packet);
        } else if fields.mining {
            let mut tracker = Tracker::default();
            tracker.request_head(&fields, &target, packet);
            self.tracker = Some(Box::new(tracker));
        }
        let may_be_rpc = method == "POST" && self.looks_into_bodies();
        if may_be_rpc && self.tracker.is_none() {
            // Kept for the case that the body turns out to be pool protocol.
            let mut tracker = Tracker::default();
            tracker.request_head(&fields, &target, packet);
            self.tracker = Some(Box::new(tracker));
        }
        self.end_of_file(true, false, emit);
        self.request.begin_body(&fields, may_be_rpc, false);
        self.request.watch(&fields, &target, fields.host.as_deref());
        let http = Http { method, target, host: fields.host, user_agent: fields.user_agent, ..Http::default() };
        self.waiting.push_back(Waiting { http, packet, websocket: fields.websocket, carrier });
        if self.waiting.len() > WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            oldest.report(self.flow, emit);
        }
    }

    fn response_head(&mut self, head: ResponseHead, packet: Packet, seen: Packet, emit: &mut Emit<'_>) {
        let ResponseHead { status, fields } = head;
        // Interim answers (RFC 9110 section 15.2); 101 is the last one before the protocol changes.
        if (100..200).contains(&status) && status != 101 {
            return;
        }
        if fields.mining {
            self.tracker.get_or_insert_default().response_head(packet);
        }
        let mut asked = self.waiting.pop_front();
        let carrier = asked.as_mut().and_then(|waiting| waiting.carrier.take());
        let carrier = carrier.and_then(|carrier| carrier.answered(status, packet));
        let method = asked.as_ref().map_or("", |waiting| waiting.http.method.as_str());
        let is_connect = method == "CONNECT" && (200..300).contains(&status);
        let bodiless = method == "HEAD" || status == 204 || status == 304;
        let may_be_rpc = self.tracker.is_some() && self.looks_into_bodies();
        if is_connect {
            self.inner = TcpReaders::nested(self.flow, true, self.depth)
                .map_or(Inner::Closed, |inner| Inner::Raw(Box::new(inner)));
        } else if status == 101 {
            let websocket = asked.as_ref().map_or(fields.websocket, |waiting| waiting.websocket);
            self.inner = match TcpReaders::nested(self.flow, true, self.depth) {
                None => Inner::Closed,
                Some(inner) if websocket => Inner::WebSocket(Box::new(WebSocket::new(inner))),
                Some(inner) => Inner::Raw(Box::new(inner)),
            };
        } else if !bodiless {
            self.end_of_file(false, false, emit);
            self.response.begin_body(&fields, may_be_rpc, true);
            if (200..300).contains(&status) {
                let asked = asked.as_ref().map(|waiting| &waiting.http);
                let target = asked.map_or("", |http| http.target.as_str());
                self.response.watch(&fields, target, asked.and_then(|http| http.host.as_deref()));
            }
        }
        let changes = is_connect || status == 101;
        match carrier {
            Some(carrier) if changes => self.carrier = Some(carrier),
            // One of each kind says it all: such requests come in hundreds.
            Some(carrier) => drop(self.carrier.get_or_insert(carrier)),
            None if matches!(self.inner, Inner::WebSocket(_)) => {
                let asked = asked.as_ref().map_or(packet, |waiting| waiting.packet);
                self.carrier = Some(http_marks::websocket(asked, packet));
            }
            None => {}
        }
        let (http, at) = asked.map_or((Http::default(), packet), |waiting| (waiting.http, waiting.packet));
        let http = Http {
            status: Some(status),
            content_type: fields.content_type,
            content_length: fields.content_length,
            date_seen: fields.date.map(|_| seen.at),
            date: fields.date,
            ..http
        };
        emit(&at.observation(self.flow, Detail::Http(http)));
    }

    fn looks_into_bodies(&self) -> bool {
        self.bodies_tried < BODIES_TRIED || self.tracker.as_ref().is_some_and(|tracker| tracker.is_mining())
    }

    /// A body is over, or given up: says which file it was, if it was one.
    fn end_of_file(&mut self, is_request: bool, whole: bool, emit: &mut Emit<'_>) {
        let to_opener = is_request != self.opener_is_client;
        let Some(watch) = self.half(is_request).file.take() else { return };
        if let Some((packet, file)) = watch.end("http", whole, to_opener) {
            emit(&packet.observation(self.flow, Detail::File(file)));
        }
    }

    fn end_of_body(&mut self, is_request: bool) {
        let half = self.half(is_request);
        half.phase = Phase::Head;
        half.buffer = Vec::new();
        let Some(body) = half.body.take() else { return };
        let packet = half.body_packet;
        let Some(tracker) = &mut self.tracker else { return };
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&body) {
            tracker.message(&value, packet, Via::Http);
        } else if body.len() >= BODY_KEPT && !is_request {
            tracker.large_answer(packet);
        }
        if !tracker.is_mining() {
            self.bodies_tried = self.bodies_tried.saturating_add(1);
            if self.bodies_tried >= BODIES_TRIED {
                self.tracker = None;
            }
        }
    }
}

impl Waiting {
    /// Reports a request whose answer will not come.
    fn report(self, flow: Flow, emit: &mut Emit<'_>) {
        if let Some(carrier) = self.carrier {
            let (packet, tunnel) = carrier.finish(None, None);
            emit(&packet.observation(flow, Detail::Tunnel(tunnel)));
        }
        emit(&self.packet.observation(flow, Detail::Http(self.http)));
    }
}

/// Where the head ends: behind the first empty line at or after `from`.
fn end_of_head(buffer: &[u8], from: usize) -> Option<usize> {
    let tail = buffer.get(from..)?;
    let strict = memmem::find(tail, b"\r\n\r\n").map(|at| from + at + 4);
    let loose = memmem::find(tail, b"\n\n").map(|at| from + at + 2);
    match (strict, loose) {
        (Some(strict), Some(loose)) => Some(strict.min(loose)),
        (strict, loose) => strict.or(loose),
    }
}

impl Half {
    fn begin_body(&mut self, fields: &Fields, may_be_rpc: bool, is_response: bool) {
        self.phase = match fields.content_length {
            _ if fields.chunked => Phase::ChunkSize,
            Some(0) => Phase::Head,
            Some(length) => Phase::Body(length),
            None if is_response => Phase::UntilClose,
            None => Phase::Head,
        };
        self.body = (may_be_rpc && self.phase != Phase::Head).then(Vec::new);
    }

    /// Looks out for a file in the body that begins.
    fn watch(&mut self, fields: &Fields, target: &str, host: Option<&str>) {
        if self.phase == Phase::Head {
            return;
        }
        let range = fields.content_range.as_deref().and_then(|range| range.trim_start().strip_prefix("bytes "));
        let (from, total) = match range.and_then(|range| range.split_once('/')) {
            Some((part, total)) => {
                (part.split('-').next().and_then(|from| from.trim().parse().ok()), total.trim().parse().ok())
            }
            None => (None, fields.content_length.filter(|_| !fields.chunked)),
        };
        let watch = Watch::new(Announced {
            name: file::name(fields.content_disposition.as_deref(), target),
            host: host.map(str::to_owned),
            media_type: fields.content_type.clone(),
            length: total,
            coding: fields.content_encoding.clone(),
            from: from.unwrap_or(0),
        });
        self.file = watch.wants().then(|| Box::new(watch));
    }

    fn keep(&mut self, packet: Packet, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            file.data(packet, bytes);
            if !file.wants() {
                self.file = None;
            }
        }
        let Some(body) = &mut self.body else { return };
        if body.is_empty() {
            self.body_packet = packet;
        }
        let room = BODY_KEPT.saturating_sub(body.len()).min(bytes.len());
        body.extend_from_slice(bytes.get(..room).unwrap_or_default());
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first.is_some_and(|first| !matches!(first, b'{' | b'[')) {
            self.body = None;
        }
    }

    /// A line of the chunked coding (RFC 9112 section 7.1). The phase becomes `Head` at the end of the message.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (line, rest) = match memchr::memchr(b'\n', bytes) {
            Some(end) => (bytes.get(..end), bytes.get(end + 1..).unwrap_or_default()),
            None => (None, &[][..]),
        };
        self.buffer.extend_from_slice(line.unwrap_or(bytes));
        if self.buffer.len() > HEAD_MAX {
            self.lose();
            return &[];
        }
        if line.is_none() {
            return rest;
        }
        let text = std::mem::take(&mut self.buffer);
        let text = text.trim_ascii();
        match self.phase {
            Phase::ChunkSize => {
                let digits = text.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
                match size {
                    Some(0) => self.phase = Phase::Trailer,
                    Some(size) => self.phase = Phase::Chunk(size),
                    None => {
                        self.lose();
                        return &[];
                    }
                }
            }
            Phase::ChunkEnd => self.phase = Phase::ChunkSize,
            _ if text.is_empty() => self.phase = Phase::Head,
            _ => {}
        }
        rest
    }

    fn lose(&mut self) {
        self.phase = Phase::Lost;
        self.buffer = Vec::new();
        self.body = None;
    }

    fn gap(&mut self, bytes: u64) {
        self.body = None;
        if let Some(file) = &mut self.file {
            file.gap();
        }
        match self.phase {
            Phase::Body(left) if left > bytes => self.phase = Phase::Body(left - bytes),
            Phase::Body(left) if left == bytes => self.phase = Phase::Head,
            Phase::Chunk(left) if left > bytes => self.phase = Phase::Chunk(left - bytes),
            Phase::UntilClose => {}
            _ => self.lose(),
        }
    }
}

impl Reader for HttpReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], emit: &mut Emit<'_>) {
        self.read(packet, bytes, emit);
    }

    fn gap(&mut self, from_opener: bool, bytes: u64) {
        match &mut self.inner {
            Inner::None => {
                let is_request = from_opener == self.opener_is_client;
                self.half(is_request).gap(bytes);
            }
            Inner::Raw(inner) => inner.gap(from_opener, bytes),
            Inner::WebSocket(inner) => inner.gap(from_opener, bytes),
            Inner::Closed => {}
        }
    }

    fn is_done(&self, from_opener: bool) -> bool {
        match &self.inner {
            Inner::None => {
                let half = if from_opener == self.opener_is_client { &self.request } else { &self.response };
                half.phase == Phase::UntilClose && half.body.is_none() && half.file.is_none()
            }
            Inner::Raw(inner) => inner.is_done(from_opener),
            Inner::WebSocket(inner) => inner.is_done(from_opener),
            Inner::Closed => true,
        }
    }

    fn finish(mut self: Box<Self>, last: Instant, emit: &mut Emit<'_>) {
        for is_request in [true, false] {
            self.end_of_file(is_request, false, emit);
        }
        if self.response.phase == Phase::UntilClose {
            self.end_of_body(false);
        }
        for waiting in std::mem::take(&mut self.waiting) {
            waiting.report(self.flow, emit);
        }
        if let Some((packet, mining)) = self.tracker.take().and_then(|tracker| tracker.finish()) {
            emit(&packet.observation(self.flow, Detail::Mining(mining)));
        }
        let inside = match &self.inner {
            Inner::Raw(inner) => inner.protocol(),
            Inner::WebSocket(inner) => inner.protocol(),
            Inner::None | Inner::Closed => None,
        };
        if let Some(carrier) = self.carrier.filter(|carrier| carrier.counts(inside)) {
            let (packet, tunnel) = carrier.finish(inside, inside.map(|_| last));
            emit(&packet.observation(self.flow, Detail::Tunnel(tunnel)));
        }
        match self.inner {
            Inner::Raw(inner) => inner.finish(last, emit),
            Inner::WebSocket(inner) => inner.finish(last, emit),
            Inner::None | Inner::Closed => {}
        }
    }
}
