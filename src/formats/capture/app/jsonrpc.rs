//! JSON objects one after another in a stream: the transport of Stratum and its kin.

use super::mining::{Tracker, Via};
use super::{Emit, Packet, Reader, side};
use crate::model::{Detail, Flow};
use crate::time::Instant;

/// Bound on one object. Jobs with their transactions' hashes have some KiB.
const OBJECT_MAX: usize = 64 * 1024;
/// Objects without any pool protocol after which a conversation is left alone.
const OBJECTS_TRIED: u32 = 64;
/// Bytes that belong to no object after which a direction is left alone.
const JUNK_MAX: u64 = 64 * 1024;

/// Reads a conversation of JSON objects and reports pool protocol at its end.
pub(super) struct JsonReader {
    flow: Flow,
    sides: [Splitter; 2],
    tracker: Tracker,
    tried: u32,
}

impl JsonReader {
    pub(super) fn new(flow: Flow) -> Self {
        JsonReader { flow, sides: Default::default(), tracker: Tracker::default(), tried: 0 }
    }

    fn is_hopeless(&self) -> bool {
        self.tried >= OBJECTS_TRIED && !self.tracker.is_mining()
    }
}

impl Reader for JsonReader {
    fn data(&mut self, packet: Packet, bytes: &[u8], _emit: &mut Emit<'_>) {
        if self.is_done(packet.from_opener) {
            return;
        }
        let (tracker, tried) = (&mut self.tracker, &mut self.tried);
        self.sides[packet.side()].feed(packet, bytes, &mut |object, packet| {
            *tried = tried.saturating_add(1);
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(object) {
                tracker.message(&value, packet, Via::Stream);
            }
        });
        if self.is_hopeless() {
            self.sides = Default::default();
        }
    }

    fn gap(&mut self, from_opener: bool, _bytes: u64) {
        self.sides[side(from_opener)].gap();
    }

    fn is_done(&self, from_opener: bool) -> bool {
        self.sides[side(from_opener)].junk > JUNK_MAX || self.is_hopeless()
    }

    fn finish(self: Box<Self>, _last: Instant, emit: &mut Emit<'_>) {
        if let Some((packet, mining)) = self.tracker.finish() {
            emit(&packet.observation(self.flow, Detail::Mining(mining)));
        }
    }
}

/// Cuts a stream into objects by their braces, whether lines end them or not.
#[derive(Default)]
struct Splitter {
    state: State,
    buffer: Vec<u8>,
    packet: Packet,
    depth: u32,
    in_string: bool,
    escaped: bool,
    line_start: bool,
    junk: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between objects.
    #[default]
    Between,
    Object,
    /// Something else, or an object too long: until the next line.
    Junk,
}

impl Splitter {
    fn feed(&mut self, packet: Packet, bytes: &[u8], take: &mut dyn FnMut(&[u8], Packet)) {
        for &byte in bytes {
            match self.state {
                State::Between => match byte {
                    b'{' | b'[' => self.begin(packet, byte),
                    b' ' | b'\t' | b'\r' | b'\n' | b',' => {}
                    _ => {
                        self.state = State::Junk;
                        self.junk += 1;
                    }
                },
                State::Junk => {
                    self.junk = self.junk.saturating_add(1);
                    if byte == b'\n' {
                        self.state = State::Between;
                    }
                }
                State::Object => self.inside(packet, byte, take),
            }
        }
    }

    fn begin(&mut self, packet: Packet, byte: u8) {
        self.state = State::Object;
        self.buffer.clear();
        self.buffer.push(byte);
        self.packet = packet;
        self.depth = 1;
        self.in_string = false;
        self.escaped = false;
        self.line_start = false;
    }

    fn inside(&mut self, packet: Packet, byte: u8, take: &mut dyn FnMut(&[u8], Packet)) {
        // A line that begins with a brace in the first column: the object before it was broken off.
        if self.line_start && byte == b'{' {
            self.junk = self.junk.saturating_add(self.buffer.len() as u64);
            self.begin(packet, byte);
            return;
        }
        self.line_start = byte == b'\n';
        self.buffer.push(byte);
        if self.buffer.len() > OBJECT_MAX {
            self.junk = self.junk.saturating_add(self.buffer.len() as u64);
            self.buffer = Vec::new();
            self.state = State::Junk;
            return;
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                // A string ends on its line.
                b'"' | b'\n' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    take(&self.buffer, self.packet);
                    self.state = State::Between;
                    self.buffer = Vec::new();
                }
            }
            _ => {}
        }
    }

    fn gap(&mut self) {
        // The next segment often begins with an object; if it does not, its first byte says so.
        self.buffer = Vec::new();
        self.state = State::Between;
    }
}
