//! What a log format is: it claims records that are its own, and reads them.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fields::Fields;
use super::numbers::Counting;
use super::record::Record;
use super::syslog::Stamp;
use super::table::Table;
use super::verdict;
use crate::evidence::{Anomaly, AnomalyKind};
use crate::formats::Sink;
use crate::model::{Alert, Detail, Dns, Flow, Http, Observation};
use crate::time::{Basis, Instant, Span, TimeContext};

/// Whether a record was read; if not, why, in words that are the same for all records of its kind.
pub(crate) type Outcome = Result<(), Cow<'static, str>>;

/// A log format: the grammar of its records, whatever they are wrapped in.
///
/// Of a file, each record is read by the first dialect that claims it: the one that the file was recognised as, then all
/// others in the order of [`super::DIALECTS`]. So a dialect claims what nobody else writes.
pub(crate) trait Dialect: Sync {
    /// Stable identifier, as in `--input-format PATTERN=ID`.
    fn id(&self) -> &'static str;

    /// One line for help and `docs/formats.md`: what writes it and which variants are read.
    fn title(&self) -> &'static str;

    /// What its records are told by, for `probe`: "FortiOS fields (devname=, logid=, type=, srcip=)".
    fn signature(&self) -> &'static str;

    /// Whether a record is of this dialect. Asked of every record that no other has claimed: the cheapest test first.
    fn claims(&self, record: &Record<'_>) -> bool;

    /// Reads a record that it claims.
    ///
    /// # Errors
    /// The reason why it holds nothing for the timeline, without anything from the record but its type.
    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome;

    /// How it counts its records, if it does.
    fn counting(&self) -> Option<&'static Counting> {
        None
    }

    /// The table that a header line begins, given the one before it; for dialects whose rows stand under a header.
    fn header(&self, _line: &[u8], _before: &Table) -> Option<Table> {
        None
    }
}

/// Where a record's observations go.
pub(crate) struct Out<'s> {
    pub(super) number: u64,
    pub(super) time: &'s TimeContext,
    /// When somebody who states his offset from UTC handled the record, and to which resolution.
    pub(super) stated: Option<(Instant, i64)>,
    /// Records with an event and without a time. A sum, so that the order of records does not matter.
    pub(super) undated: &'s AtomicU64,
    pub(super) sink: &'s mut dyn Sink,
    pub(super) recorded: bool,
}

impl Out<'_> {
    /// Where and how times are read.
    pub(crate) fn context(&self) -> &TimeContext {
        self.time
    }

    /// Number of the record within its evidence.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Something odd about the record.
    pub(crate) fn anomaly(&mut self, kind: AnomalyKind, detail: String) {
        self.sink.anomaly(Anomaly { record: self.number, kind, detail });
    }

    /// Lays a stamp on the time axis. A day that does not exist is an anomaly, no stamp at all is counted.
    pub(crate) fn span(&mut self, stamp: Option<Stamp>) -> Option<Span> {
        let Some(stamp) = stamp else {
            self.undated.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let span = stamp.span(self.time);
        if span.is_none() {
            let detail = "the day of its time does not exist in the year that applies; declare the year".to_owned();
            self.anomaly(AnomalyKind::ImpossibleValue, detail);
        }
        span
    }

    /// One observation. The first of a record also counts the record.
    pub(crate) fn observe(
        &mut self,
        span: Option<Span>,
        host: Option<Cow<'_, str>>,
        flow: Option<Flow>,
        mut detail: Detail<'_>,
    ) {
        if let Detail::Connection(connection) = &mut detail
            && span.is_some_and(|span| span.basis != Basis::ExplicitOffset)
        {
            let handled = |(at, resolution)| Span::with_resolution(at, resolution, Basis::ExplicitOffset);
            connection.stated = connection.stated.or(self.stated.map(handled));
        }
        if !self.recorded {
            self.recorded = true;
            self.sink.record();
        }
        self.sink.observation(&Observation { record: self.number, span, host, flow, detail });
    }

    /// The times of fields: when it began, as far as the record can tell, and when it ended and was written, where these
    /// are told apart.
    pub(crate) fn times(&mut self, fields: &mut Fields<'_>) -> Option<Span> {
        let zoned = |stamp: Option<Stamp>| match (stamp, fields.zone) {
            (Some(stamp), Some(zone)) => stamp.in_zone(zone).or(Some(stamp)),
            (stamp, _) => stamp,
        };
        let (start, end, time) = (zoned(fields.start), zoned(fields.end), zoned(fields.time));
        let span = |stamp: Option<Stamp>| stamp.and_then(|stamp| stamp.span(self.time));
        let (ended, written) = (span(end), span(time));
        // Without a start of its own: its end, or else when it was written, less how long it took.
        let began = match (start, fields.duration_ns) {
            (Some(_), _) => None,
            (None, Some(duration)) if duration > 0 => ended.or(written).map(|late| late.shifted(-duration)),
            _ => None,
        };
        let span = match began {
            Some(began) => Some(began),
            None => self.span(start.or(end).or(time)),
        }?;
        let connection = &mut fields.connection;
        let ended = ended.or_else(|| fields.duration_ns.map(|duration| Span { hi: span.hi, ..span }.shifted(duration)));
        connection.last = connection.last.or(ended.map(|ended| ended.lo).filter(|ended| *ended > span.hi));
        if span.basis != Basis::ExplicitOffset {
            connection.stated = written.filter(|written| written.basis == Basis::ExplicitOffset);
        }
        connection.written =
            connection.written.or(written.map(|written| written.lo).filter(|written| *written > span.hi));
        Some(span)
    }

    /// The connection that the fields tell of and, where they name a threat, the alert.
    ///
    /// # Errors
    /// If no address is among them.
    pub(crate) fn connection(&mut self, fields: Fields<'_>, record: &Record<'_>) -> Outcome {
        self.connection_and(fields, record, None)
    }

    /// The same, and the request that was made over it.
    ///
    /// # Errors
    /// If no address is among the fields.
    pub(crate) fn request(&mut self, fields: Fields<'_>, record: &Record<'_>, request: Http) -> Outcome {
        self.connection_and(fields, record, Some(request))
    }

    fn connection_and(&mut self, mut fields: Fields<'_>, record: &Record<'_>, request: Option<Http>) -> Outcome {
        if fields.is_empty() {
            return Err("without an address".into());
        }
        self.complete(&mut fields, record);
        let span = self.times(&mut fields);
        let alert = self.alert_of(&fields);
        let host = fields.device.take();
        let flow = Some(fields.flow);
        let connection = fields.connection();
        self.observe(span, host.clone(), flow, Detail::Connection(connection));
        if let Some(request) = request {
            self.observe(span, host.clone(), flow, Detail::Http(request));
        }
        if let Some(alert) = alert {
            self.observe(span, host, flow, Detail::Alert(alert));
        }
        Ok(())
    }

    /// Whether a flow log says that its record holds no flow: "NODATA" (nothing came), "SKIPDATA" (some was left out).
    ///
    /// # Errors
    /// If so.
    pub(crate) fn no_flow(&mut self, status: Option<&[u8]>) -> Outcome {
        match status {
            Some(b"NODATA") => Err("no traffic in its window (NODATA)".into()),
            Some(b"SKIPDATA") => {
                let detail = "flows were left out of the log in the window of this record (SKIPDATA)".to_owned();
                self.anomaly(AnomalyKind::Gap, detail);
                Err("flows of its window were left out (SKIPDATA)".into())
            }
            _ => Ok(()),
        }
    }

    /// A row that has fewer cells than its table has columns lost its end.
    fn whole_row(&mut self, record: &Record<'_>) {
        if let Some((table, row)) = record.row
            && row.len() < table.header().columns.len()
        {
            let detail =
                format!("{} cells under {} names: its end is missing", row.len(), table.header().columns.len());
            self.anomaly(AnomalyKind::TruncatedRecord, detail);
        }
    }

    /// A DNS message between the ends that the fields name, and what they say of the connection that carries it.
    ///
    /// # Errors
    /// If no address is among them.
    pub(crate) fn lookup(&mut self, fields: Fields<'_>, record: &Record<'_>, message: Dns) -> Outcome {
        let flow = Some(fields.flow);
        let host = fields.device.as_ref().map(|device| Cow::Owned(device.to_string()));
        let mut copy = fields.clone();
        self.connection(fields, record)?;
        copy.time = copy.time.or(record.peeled.stamp);
        let span = copy.time.or(copy.start).and_then(|_| self.times(&mut copy));
        let host = host.or_else(|| record.peeled.host.map(|host| Cow::Owned(super::bytes::text(host).into_owned())));
        self.observe(span, host, flow, Detail::Dns(message));
        Ok(())
    }

    /// What the headers know and the fields do not; oddities.
    pub(crate) fn complete(&mut self, fields: &mut Fields<'_>, record: &Record<'_>) {
        self.whole_row(record);
        if fields.time.is_none() && fields.start.is_none() && fields.end.is_none() {
            fields.time = record.peeled.stamp;
        }
        if fields.device.is_none() {
            fields.device = record.peeled.host.map(|host| Cow::Owned(super::bytes::text(host).into_owned()));
        }
        if let Some(field) = fields.impossible.take() {
            let detail = format!("{field:?} has no readable value; left unknown");
            self.anomaly(AnomalyKind::ImpossibleValue, detail);
        }
    }

    /// An alert, if the record names a threat, or if a category or application of it is the name of a behaviour.
    pub(crate) fn alert_of<'f>(&self, fields: &Fields<'f>) -> Option<Alert<'f>> {
        let behaviour = fields.words().into_iter().flatten().find_map(verdict::behaviour);
        if fields.threat.is_none() && behaviour.is_none() {
            return None;
        }
        let message = match (&fields.threat, &fields.category, &fields.connection.application) {
            (Some(threat), ..) => threat.clone(),
            (None, Some(category), _) if verdict::behaviour(category).is_some() => category.clone(),
            (None, _, Some(application)) => application.clone(),
            (None, Some(category), None) => category.clone(),
            (None, None, None) => Cow::Borrowed(""),
        };
        Some(Alert {
            category: if fields.threat.is_some() { "threat".into() } else { "category".into() },
            message,
            user: fields.connection.user.clone(),
            action: fields.connection.action,
            behaviour,
            ..Alert::default()
        })
    }
}
