//! Both sides of a control channel.

use super::super::sight::Sight;
use super::super::{Emit, Packet, side};
use super::{CLIENT_RESET, CLIENT_RESET_V3, Control, DATA_V1, DATA_V2, SERVER_RESET, Wrap, control};
use crate::model::{Flow, Mark, Tunnel, TunnelClass};
use crate::time::{Instant, SECOND};

/// A clock may be off by so much from that of the capture, and its packet still be believed without an answer.
const CLOCK_OFF: i64 = 400 * 86_400 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Client,
    Server,
}

/// What one side sends.
#[derive(Debug, Default)]
struct Lane {
    session: Option<u64>,
    /// Control packets under that id.
    controls: u32,
    /// It began the channel: as its client or as its server.
    reset: Option<End>,
    /// Its clock agrees with the capture's, more or less.
    timely: bool,
    data: u64,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    flow: Flow,
    wrap: Option<Wrap>,
    lanes: [Lane; 2],
    /// A side's session id came back from the other.
    echoed: bool,
    strange: u64,
    sight: Sight,
}

impl Session {
    pub(super) fn new(flow: Flow) -> Self {
        Session { flow, ..Session::default() }
    }

    /// The next message.
    pub(super) fn message(&mut self, packet: Packet, bytes: &[u8]) {
        let Some(first) = bytes.first() else { return };
        if matches!(first >> 3, DATA_V1 | DATA_V2) {
            let lane = &mut self.lanes[packet.side()];
            lane.data = lane.data.saturating_add(1);
            return self.sight.count(packet);
        }
        match control(bytes, self.wrap) {
            Some(found) => self.control(packet, found),
            None => self.strange = self.strange.saturating_add(1),
        }
    }

    fn control(&mut self, packet: Packet, found: Control) {
        self.wrap.get_or_insert(found.wrap);
        let peer = self.lanes[side(!packet.from_opener)].session;
        let lane = &mut self.lanes[packet.side()];
        if lane.session != Some(found.session) {
            lane.controls = 0;
            lane.session = Some(found.session);
        }
        lane.controls = lane.controls.saturating_add(1);
        match found.opcode {
            CLIENT_RESET | CLIENT_RESET_V3 => lane.reset = Some(End::Client),
            SERVER_RESET => lane.reset = Some(End::Server),
            _ => {}
        }
        let sent = found.time.and_then(|time| i64::from(time).checked_mul(SECOND));
        lane.timely |= sent.is_some_and(|sent| sent.abs_diff(packet.at.0) < CLOCK_OFF.unsigned_abs());
        if lane.controls <= 2 {
            self.sight.prove(packet);
        }
        if !self.echoed && found.acknowledged.is_some() && found.acknowledged == peer {
            self.echoed = true;
            self.sight.prove(packet);
        }
        self.sight.count(packet);
    }

    /// Nothing more can be learned but how much there is.
    pub(super) fn is_settled(&self) -> bool {
        self.mark() == Some(Mark::Exchange) && self.sight.packets() >= 64
    }

    pub(super) fn is_refuted(&self) -> bool {
        self.mark() != Some(Mark::Exchange) && self.strange > self.sight.packets().saturating_add(2)
    }

    fn mark(&self) -> Option<Mark> {
        let [one, other] = &self.lanes;
        let reset = one.reset.is_some() || other.reset.is_some();
        let both = matches!(
            (one.reset, other.reset),
            (Some(End::Client), Some(End::Server)) | (Some(End::Server), Some(End::Client))
        ) && one.session != other.session;
        let least = one.controls.min(other.controls);
        if self.echoed || both || (self.wrap == Some(Wrap::Crypt) && reset && least >= 2) {
            return Some(Mark::Exchange);
        }
        let timely = one.timely || other.timely;
        let most = one.controls.max(other.controls);
        match self.wrap? {
            // A digest's place, a number, a time and a packet that ends where it has to.
            Wrap::Auth(_) if timely => Some(Mark::OneSide),
            Wrap::Crypt if timely && (reset || least >= 2) => Some(Mark::OneSide),
            // Nine bytes of a kind and an id, and five zeros: it takes a second one.
            Wrap::Plain if most >= 2 => Some(Mark::OneSide),
            _ => Some(Mark::Shape),
        }
    }

    fn note(&self) -> String {
        let [one, other] = &self.lanes;
        let channel = match self.wrap {
            Some(Wrap::Auth(digest)) => format!("control channel with tls-auth, {} bit digest", digest * 8),
            Some(Wrap::Crypt) => "control channel with tls-crypt".to_owned(),
            _ => "control channel".to_owned(),
        };
        let seen = match (self.echoed, one.reset.is_some(), other.reset.is_some()) {
            (true, _, _) => ", session ids acknowledge each other",
            (_, true, true) => ", both sides' resets",
            (_, true, false) | (_, false, true) => ", one side's reset",
            _ => "",
        };
        let data = one.data.saturating_add(other.data);
        let data = if data > 0 { format!("; {data} data packets") } else { String::new() };
        format!("{channel}{seen}{data}")
    }

    pub(super) fn finish(self, last: Instant, emit: &mut Emit<'_>) {
        let Some(mark) = self.mark() else { return };
        let note = self.note().into();
        let tunnel = Tunnel { protocol: "openvpn", class: TunnelClass::Vpn, mark, note, ..Tunnel::default() };
        self.sight.report(self.flow, tunnel, last, emit);
    }
}
