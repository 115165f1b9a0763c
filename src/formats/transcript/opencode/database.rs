//! `opencode.db`, SQLite from 1.2 on: tables `session`, `message` and `part`, the content as JSON in a column.
//!
//! The database is evidence and may be made by whom it concerns. It is read from a private copy, together with the log
//! (`-wal`) of what was not written back into it; only tables of that shape are read, never views, virtual tables or
//! columns that are computed, so that nothing written in its schema is executed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;

use super::super::account::{About, Spot};
use super::{Sessions, about_session, message, tell};
use crate::evidence::{Anomaly, AnomalyKind, Head, Input};
use crate::formats::{Format, Kind, Match, Sink};
use crate::model::Actor;
use crate::time::TimeContext;

/// The reader of OpenCode's database.
pub struct OpenCodeDatabase;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bound on a database or its log, in bytes.
const LARGEST: u64 = 8 << 30;
/// Bound on the rows of a table: a damaged tree may lead to the same rows again and again.
const MOST_ROWS: u64 = 10_000_000;

impl Format for OpenCodeDatabase {
    fn id(&self) -> &'static str {
        "opencode-db"
    }

    fn kind(&self) -> Kind {
        Kind::Transcript
    }

    fn title(&self) -> &'static str {
        "OpenCode's database (opencode.db, SQLite, with the -wal beside it)"
    }

    fn record_unit(&self) -> &'static str {
        "row"
    }

    fn probe(&self, head: &Head) -> Match {
        let named = head.name.rsplit(['/', '\\']).next().is_some_and(|name| name.starts_with("opencode"));
        if let Some(part) = Part::of(&head.bytes).filter(|part| named && head.name.ends_with(part.ending())) {
            return Match::Certain(part.reason().to_owned());
        }
        if !head.bytes.starts_with(MAGIC) {
            return Match::No;
        }
        let table = |name: &str| {
            ["`", "\"", ""].iter().any(|quote| {
                let begin = format!("CREATE TABLE {quote}{name}{quote} (");
                let close = format!("CREATE TABLE {quote}{name}{quote}(");
                [begin, close].iter().any(|text| memchr::memmem::find(&head.bytes, text.as_bytes()).is_some())
            })
        };
        if table("part") && table("message") && table("session") {
            return Match::Certain("SQLite with tables session, message and part".to_owned());
        }
        // All that a young database holds may still stand in its log.
        if named {
            return Match::Likely(60, "SQLite under the name of OpenCode".to_owned());
        }
        Match::No
    }

    fn read(&self, input: &mut Input, time: &TimeContext, sink: &mut dyn Sink) -> io::Result<()> {
        if let Some(part) = Part::of(&input.peek(4)?) {
            return part.read(input, sink);
        }
        let folder = tempfile::Builder::new().prefix("coincident-").tempdir()?;
        let copy = folder.path().join("copy.db");
        copied(input, &copy, sink)?;
        if let Some(mut log) = input.beside("-wal") {
            copied(&mut log, &folder.path().join("copy.db-wal"), sink)?;
        }
        let mut reader = Reader {
            sessions: Sessions::new(&input.name, input.evidence, time),
            sub_agents: BTreeMap::new(),
            roles: BTreeMap::new(),
            rows: 0,
        };
        if let Err(error) = open(&copy).and_then(|database| reader.all(&database, sink)) {
            reader.damaged(&error, sink);
        }
        reader.sessions.finish(sink);
        Ok(())
    }
}

/// A file that SQLite keeps beside a database (<https://www.sqlite.org/fileformat2.html#walformat>,
/// <https://www.sqlite.org/walformat.html>).
#[derive(Clone, Copy)]
enum Part {
    /// What was not written back into the database: it is read with it.
    Log,
    /// The index of that log, which SQLite makes anew.
    Index,
}

impl Part {
    fn of(head: &[u8]) -> Option<Self> {
        match *head.first_chunk::<4>()? {
            [0x37, 0x7f, 0x06, 0x82 | 0x83] => Some(Part::Log),
            // The version 3007000 as the machine orders its bytes.
            [0x18, 0xe2, 0x2d, 0] | [0, 0x2d, 0xe2, 0x18] => Some(Part::Index),
            _ => None,
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Part::Log => "-wal",
            Part::Index => "-shm",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Part::Log => "the log (-wal) of OpenCode's database, whose rows are read with it",
            Part::Index => "the index (-shm) of the log of OpenCode's database, which holds no rows",
        }
    }

    /// Its rows count where the database is read. Here it is seen whether they will be, and whether the log is whole:
    /// SQLite passes over its torn end.
    fn read(self, input: &mut Input, sink: &mut dyn Sink) -> io::Result<()> {
        let together = input.is_told_by(self.ending(), "");
        let mut head = Vec::new();
        input.take(LOG_HEADER).read_to_end(&mut head)?;
        let behind = io::copy(input, &mut io::sink())?;
        if matches!(self, Part::Index) {
            return Ok(());
        }
        let page = head.get(8..12).and_then(|size| size.first_chunk()).map_or(0, |size| u32::from_be_bytes(*size));
        let frame = FRAME_HEADER + u64::from(page);
        if head.len() as u64 != LOG_HEADER || !behind.is_multiple_of(frame) {
            let detail = "the log ends within a page: it was cut, or was still being written".to_owned();
            sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::TruncatedRecord, detail });
        }
        if !together && behind > 0 {
            sink.unread(1, "the log of a database that is not among the evidence", b"");
            let detail =
                "the database to which this log belongs is not evidence beside it, so that its rows were not read; \
                          name both, in one directory, under the names that they had"
                    .to_owned();
            sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::Unsupported, detail });
        }
        Ok(())
    }
}

/// Bytes of the header of a log, and of that of each page in it.
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

fn copied(from: &mut dyn Read, to: &Path, sink: &mut dyn Sink) -> io::Result<()> {
    let mut file = File::create_new(to)?;
    if io::copy(&mut from.take(LARGEST), &mut file)? == LARGEST {
        let detail = "the database is longer than 8 GiB; what lies behind was left out".to_owned();
        sink.anomaly(Anomaly { record: 0, kind: AnomalyKind::BoundReached, detail });
    }
    Ok(())
}

/// Opens the copy. It may be written to (its log is taken in), and its schema is not trusted; a file that is shorter than
/// its header says is read as far as it goes (which `writable_schema` allows).
fn open(copy: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(copy, flags)?;
    for (name, value) in [
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
        ("locking_mode", "EXCLUSIVE"),
        ("mmap_size", "0"),
        ("temp_store", "MEMORY"),
        ("writable_schema", "ON"),
        ("query_only", "ON"),
    ] {
        database.pragma_update(None, name, value)?;
    }
    Ok(database)
}

struct Reader<'t> {
    sessions: Sessions<'t>,
    /// Sessions with a parent.
    sub_agents: BTreeMap<String, ()>,
    /// Roles of messages by their ids.
    roles: BTreeMap<String, String>,
    rows: u64,
}

impl Reader<'_> {
    fn all(&mut self, database: &Connection, sink: &mut dyn Sink) -> rusqlite::Result<()> {
        let known =
            self.table(database, "session", &["id"], &["parent_id", "directory", "version"], sink, Self::session)?
                & self.table(
                    database,
                    "message",
                    &["id", "session_id", "data"],
                    &["time_created"],
                    sink,
                    Self::message,
                )?;
        let parts = ["id", "message_id", "session_id", "data"];
        if !(self.table(database, "part", &parts, &["time_created"], sink, Self::part)? && known) {
            sink.unread(self.rows + 1, "a table session, message or part is missing, or is none of OpenCode's", b"");
        }
        Ok(())
    }

    /// Reads the rows of a table in the order in which they were put in. `needed` and `wanted` are its columns. False if
    /// there is no such table.
    fn table(
        &mut self,
        database: &Connection,
        name: &str,
        needed: &[&str],
        wanted: &[&str],
        sink: &mut dyn Sink,
        each: fn(&mut Self, &Cells, &mut dyn Sink),
    ) -> rusqlite::Result<bool> {
        let plain: u32 = database.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND sql NOT LIKE 'CREATE VIRTUAL%'",
            [name],
            |row| row.get(0),
        )?;
        // Columns that are stored, not computed.
        let mut columns = database.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0")?;
        let columns: Vec<String> = columns.query_map([name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let has = |wanted: &&str| columns.iter().any(|column| column == wanted);
        if plain != 1 || !needed.iter().all(has) {
            return Ok(false);
        }
        let chosen: Vec<&str> = needed.iter().chain(wanted.iter().filter(|wanted| has(wanted))).copied().collect();
        let mut rows = database.prepare(&format!("SELECT \"{}\" FROM \"{name}\"", chosen.join("\", \"")))?;
        let mut rows = rows.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if count > MOST_ROWS {
                let detail = format!("table {name} has more than {MOST_ROWS} rows; the others were left out");
                sink.anomaly(Anomaly { record: self.rows, kind: AnomalyKind::BoundReached, detail });
                break;
            }
            each(self, &Cells::of(row, &chosen)?, sink);
        }
        Ok(true)
    }

    fn damaged(&self, error: &rusqlite::Error, sink: &mut dyn Sink) {
        // The text of an error may name the copy.
        let code =
            error.sqlite_error_code().map_or_else(|| "unexpected content".to_owned(), |code| format!("{code:?}"));
        sink.unread(self.rows + 1, "the database is damaged", code.as_bytes());
        let detail = format!("the database could not be read to its end ({code}); what came before counts");
        sink.anomaly(Anomaly { record: self.rows + 1, kind: AnomalyKind::Unreadable, detail });
    }

    fn session(&mut self, row: &Cells, sink: &mut dyn Sink) {
        let Some(id) = row.text("id") else { return };
        if row.text("parent_id").is_some() {
            self.sub_agents.insert(id.to_owned(), ());
        }
        let account = self.sessions.account(id);
        about_session(account, 0, &Value::Null, sink);
        let version = row.text("version").map(|version| format!("OpenCode {version}"));
        account.about(About { agent: version.as_deref(), cwd: row.text("directory"), ..About::default() });
    }

    fn message(&mut self, row: &Cells, sink: &mut dyn Sink) {
        let (Some(id), Some(session)) = (row.text("id"), row.text("session_id")) else { return };
        let Ok(data) = serde_json::from_slice::<Value>(row.bytes("data")) else { return };
        if let Some(role) = data.get("role").and_then(Value::as_str) {
            self.roles.insert(id.to_owned(), role.to_owned());
        }
        message(self.sessions.account(session), 0, &data, sink);
    }

    fn part(&mut self, row: &Cells, sink: &mut dyn Sink) {
        self.rows += 1;
        let number = self.rows;
        let raw = row.bytes("data");
        let (Some(session), Ok(data)) = (row.text("session_id"), serde_json::from_slice::<Value>(raw)) else {
            return sink.unread(number, "a part without a session, or whose data is no JSON", raw);
        };
        let actor = if self.sub_agents.contains_key(session) { Actor::SubAgent } else { Actor::Policy };
        let role = row.text("message_id").and_then(|id| self.roles.get(id)).map(String::as_str);
        let account = self.sessions.account(session);
        let begun = data.pointer("/state/time/start").or_else(|| data.pointer("/time/start")).cloned();
        let begun = begun.or_else(|| row.text("time_created").map(Value::from));
        let at = account.stamp(number, begun.as_ref(), sink);
        tell(account, Spot::of(number, at).by(actor), role, &data, Some(raw), sink);
        sink.record();
    }
}

/// The cells of a row, by name.
struct Cells(Vec<(String, Vec<u8>)>);

impl Cells {
    fn of(row: &Row<'_>, names: &[&str]) -> rusqlite::Result<Self> {
        let mut cells = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let bytes = match row.get_ref(index)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
                ValueRef::Integer(number) => number.to_string().into_bytes(),
                ValueRef::Real(number) => number.to_string().into_bytes(),
                ValueRef::Null => continue,
            };
            cells.push(((*name).to_owned(), bytes));
        }
        Ok(Cells(cells))
    }

    fn bytes(&self, name: &str) -> &[u8] {
        self.0.iter().find(|(found, _)| found == name).map_or(b"", |(_, bytes)| bytes)
    }

    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(name)).ok().filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceId;
    use crate::formats::Collector;

    fn tables(database: &Connection) {
        database
            .execute_batch(
                "CREATE TABLE session (id text PRIMARY KEY, parent_id text, directory text, version text);
                 CREATE TABLE message (id text PRIMARY KEY, session_id text, time_created integer, data text);
                 CREATE TABLE part (id text PRIMARY KEY, message_id text, session_id text, time_created integer, data text);",
            )
            .unwrap();
    }

    fn call(database: &Connection, at: u32) {
        let data = format!(
            r#"{{"type":"tool","callID":"c{at}","tool":"bash","state":{{"status":"completed","input":{{"command":"id"}},"output":"x"}}}}"#
        );
        database.execute("INSERT INTO part VALUES (?1, 'm', 's', 1, ?2)", (format!("p{at}"), data)).unwrap();
    }

    fn read(path: &Path) -> Collector {
        let mut input = Input::open("opencode.db", path, EvidenceId(0)).unwrap();
        let mut found = Collector::default();
        OpenCodeDatabase.read(&mut input, &TimeContext::default(), &mut found).unwrap();
        found
    }

    #[test]
    fn what_stands_in_the_log_is_read_and_the_evidence_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.db");
        let live = Connection::open(&path).unwrap();
        live.pragma_update(None, "journal_mode", "WAL").unwrap();
        tables(&live);
        live.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        call(&live, 1);
        let kept = folder.path().join("opencode.db");
        std::fs::copy(&path, &kept).unwrap();
        assert_eq!(read(&kept).steps.len(), 0);
        std::fs::copy(folder.path().join("live.db-wal"), folder.path().join("opencode.db-wal")).unwrap();
        let before: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let bytes = std::fs::read(&kept).unwrap();
        let found = read(&kept);
        assert_eq!((found.steps.len(), found.unread.len()), (1, 0));
        // The log by itself counts nothing twice, and says where it cannot be read.
        let log = |path: &Path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let head = Head::read(name, path).unwrap();
            assert!(matches!(OpenCodeDatabase.probe(&head), Match::Certain(_)), "{name}");
            let mut input = Input::open(name, path, EvidenceId(0)).unwrap();
            let mut found = Collector::default();
            OpenCodeDatabase.read(&mut input, &TimeContext::default(), &mut found).unwrap();
            (found.records, found.steps.len(), found.unread.len(), found.anomalies.len())
        };
        assert_eq!(log(&folder.path().join("opencode.db-wal")), (0, 0, 0, 0));
        let apart = tempfile::tempdir().unwrap();
        let alone = apart.path().join("opencode.db-wal");
        let whole = std::fs::read(folder.path().join("opencode.db-wal")).unwrap();
        std::fs::write(&alone, &whole).unwrap();
        assert_eq!(log(&alone), (0, 0, 1, 1));
        std::fs::write(&alone, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(log(&alone), (0, 0, 1, 2));
        assert_eq!(std::fs::read(&kept).unwrap(), bytes);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before.len());
    }

    #[test]
    fn nothing_that_a_schema_computes_is_executed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opencode.db");
        let database = Connection::open(&path).unwrap();
        database
            .execute_batch(
                "CREATE TABLE session (id text);
                 CREATE TABLE message (id text, session_id text, data text AS (zeroblob(1000000000)));
                 CREATE VIEW part AS WITH RECURSIVE n(id) AS (VALUES (1) UNION ALL SELECT id + 1 FROM n)
                   SELECT id, id AS message_id, id AS session_id, id AS data FROM n;
                 INSERT INTO message (id, session_id) VALUES ('m', 's');",
            )
            .unwrap();
        drop(database);
        let found = read(&path);
        assert_eq!((found.steps.len(), found.records, found.unread.len()), (0, 0, 1));
    }
}
