//! A form of telemetry that is read line by line: what its format has to say of itself.

use std::io;

use super::out::{Lines, Out, read};
use super::text::text_of;
use crate::evidence::{Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::time::TimeContext;

/// One form: its names, how its files are told, and its reader.
pub(super) struct Form {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) record: &'static str,
    /// Asked with the head of a file as text.
    pub(super) probe: fn(&str) -> Option<&'static str>,
    pub(super) reader: fn() -> Box<dyn Lines>,
}

impl Format for Form {
    fn id(&self) -> &'static str {
        self.id
    }

    fn kind(&self) -> Kind {
        Kind::Gpu
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn record_unit(&self) -> &'static str {
        self.record
    }

    fn probe(&self, head: &Head) -> Match {
        (self.probe)(&text_of(&head.bytes)).map_or(Match::No, |reason| Match::Certain(reason.to_owned()))
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        read(input, Out::new(time, sink), (self.reader)().as_mut())
    }
}
