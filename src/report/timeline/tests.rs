use std::borrow::Cow;
use std::collections::BTreeMap;

use super::*;
use crate::correlate::Clock;
use crate::correlate::drift::Correction;
use crate::evidence::{EvidenceId, Record};
use crate::formats::{Kind, Sink};
use crate::model::*;
use crate::report::fixture::{self, START, at};
use crate::time::{Basis, Instant, SECOND, Span};

fn plan(shape: Shape, filter: Filter, pool: Pool) -> Arc<Plan> {
    let sources = vec![
        fixture::source("capture.pcap", Some("pcap"), Some(Kind::Capture), 3),
        fixture::source("firewall.log", Some("iptables"), Some(Kind::Firewall), 3),
    ];
    Arc::new(Plan {
        sources,
        corrections: vec![Correction::default(), Correction::constant(-SECOND)],
        filter,
        condition: None,
        columns: None,
        shape,
        pool,
        show_secrets: false,
        left_out: AtomicU64::default(),
        masked: AtomicU64::default(),
    })
}

fn connection(record: u64, at: Option<Instant>) -> Observation<'static> {
    Observation {
        record,
        span: at.map(|at| Span::at(at, Basis::ExplicitOffset)),
        host: Some(Cow::Borrowed("fw-edge")),
        flow: Some(Flow {
            src: Some([10, 20, 0, 5].into()),
            src_port: Some(50012),
            dst: Some([203, 0, 113, 66].into()),
            dst_port: Some(443),
            protocol: Some(Protocol::TCP),
        }),
        detail: Detail::Connection(Connection {
            action: Some(Action::Deny),
            direction: Some(Direction::Outbound),
            bytes_out: Some(1),
            rule: Some(Cow::Borrowed("EGRESS-VIOLATION")),
            ..Connection::default()
        }),
    }
}

fn step(index: u32, from: Instant, to: Instant) -> Step {
    let endpoint = |at, kind| Some(Endpoint { span: Span::at(at, Basis::ExplicitOffset), kind });
    Step {
        index,
        start: endpoint(from, EndpointKind::CallRecorded),
        end: endpoint(to, EndpointKind::ResultRecorded),
        arguments: "{}".to_owned(),
        command: Some("=cmd\x1b[2J, \"quoted\"".to_owned()),
        exit_code: Some(0),
        ..Step::new("t.jsonl", (u64::from(index), 0), Record { evidence: EvidenceId(0), number: 11 }, "Bash")
    }
}

fn episode() -> Episode {
    Episode { id: "t.jsonl".to_owned(), name: "ep-001".to_owned(), run: Some("r".to_owned()), ..Episode::default() }
}

fn written(plan: Arc<Plan>) -> String {
    let mut out = Vec::new();
    plan.write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_have_the_names_of_the_schema() {
    let plan = plan(Shape::Jsonl, Filter::default(), Pool::default());
    let mut sink = TimelineSink::new(Arc::clone(&plan), 1);
    sink.observation(&connection(2, None));
    sink.observation(&connection(1, Some(START)));
    sink.close();
    plan.add_steps(&[episode()], &[step(4, START, at(25))]);
    // The firewall's clock is a second behind, so its record comes after the step.
    insta::assert_snapshot!(written(plan), @r#"
    {"type":"step","episode":"ep-001","run":"r","index":4,"time":"2026-11-20T14:13:46.000000000Z","time_hi":"2026-11-20T14:13:48.500000000Z","time_basis":"explicit-offset","path":"capture.pcap","locator":"packet 11","tool":"Bash","command":"=cmd\u001b[2J, \"quoted\"","exit_code":0,"start_kind":"call-recorded","end_kind":"result-recorded"}
    {"type":"observation","time":"2026-11-20T14:13:47.000000000Z","time_basis":"explicit-offset","kind":"connection","path":"firewall.log","locator":"line 1","action":"deny","direction":"outbound","src_ip":"10.20.0.5","src_port":50012,"dst_ip":"203.0.113.66","dst_port":443,"protocol":"tcp","bytes_out":1,"host":"fw-edge","rule":"EGRESS-VIOLATION"}
    {"type":"observation","kind":"connection","path":"firewall.log","locator":"line 2","action":"deny","direction":"outbound","src_ip":"10.20.0.5","src_port":50012,"dst_ip":"203.0.113.66","dst_port":443,"protocol":"tcp","bytes_out":1,"host":"fw-edge","rule":"EGRESS-VIOLATION"}
    "#);
}

#[test]
fn cells_are_fixed_in_number_and_inert() {
    let plan = plan(Shape::Csv, Filter::default(), Pool::default());
    let mut sink = TimelineSink::new(Arc::clone(&plan), 0);
    sink.observation(&connection(1, Some(START)));
    sink.close();
    plan.add_steps(&[episode()], &[step(4, START, at(25))]);
    let text = written(plan);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(Row::COLUMNS.to_vec()));
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    let step = rows.iter().find(|row| row["type"] == "step").unwrap();
    assert_eq!(step["command"], "'=cmd\\x1b[2J, \"quoted\"");
    assert_eq!(step["time_hi"], "2026-11-20T14:13:48.500000000Z");
    let connection = rows.iter().find(|row| row["type"] == "observation").unwrap();
    assert_eq!((connection["dst_port"].as_str(), connection["bytes_in"].as_str()), ("443", ""));
}

#[test]
fn nothing_still_has_a_header() {
    let empty = written(plan(Shape::Csv, Filter::default(), Pool::default()));
    assert_eq!(empty.lines().count(), 1);
    assert!(empty.starts_with("time,time_hi,"));
}

#[test]
fn bounds_threads_and_order_do_not_show() {
    // Times by a linear congruence (Numerical Recipes' constants), so that runs overlap everywhere.
    let times: Vec<i64> = (0..3000_u64)
        .scan(1_u64, |seed, _| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % (1 << 32);
            Some(i64::try_from(*seed % 1000).unwrap())
        })
        .collect();
    let run = |pool: Pool, reverse: bool| {
        let plan = plan(Shape::Jsonl, Filter::default(), pool);
        let mut sink: Box<dyn Sink> = Box::new(TimelineSink::new(Arc::clone(&plan), 1));
        let mut fork = sink.fork();
        let mut records: Vec<usize> = (0..times.len()).collect();
        if reverse {
            records.reverse();
        }
        for record in records {
            let observation = connection(record as u64 + 1, (record % 17 != 0).then(|| at(times[record])));
            if record % 3 == 0 { fork.observation(&observation) } else { sink.observation(&observation) }
        }
        sink.join(fork);
        sink.into_any().downcast::<TimelineSink>().unwrap().close();
        written(plan)
    };
    let in_memory = run(Pool::default(), false);
    assert_eq!(in_memory.lines().count(), 3000);
    // 4 KiB at a time makes over a hundred runs, merged three at a time.
    assert!(run(Pool::with_bounds(4096, 3), true) == in_memory);
    assert!(run(Pool::with_bounds(100_000, 64), true) == in_memory);
    let times: Vec<String> = in_memory
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| row["time"].as_str().unwrap_or("undated").to_owned())
        .collect();
    assert!(times.is_sorted(), "times ascend and undated rows come last");
    assert_eq!(times.iter().filter(|time| *time == "undated").count(), 3000_usize.div_ceil(17));
}

#[test]
fn filters() {
    let count = |filter: Filter| {
        let plan = plan(Shape::Jsonl, filter, Pool::default());
        let mut sink = TimelineSink::new(Arc::clone(&plan), 0);
        sink.observation(&connection(1, Some(START)));
        sink.observation(&connection(2, Some(at(100))));
        sink.observation(&connection(3, None));
        sink.close();
        plan.add_steps(&[episode()], &[step(4, START, at(25))]);
        written(plan).lines().count()
    };
    assert_eq!(count(Filter::default()), 4);
    assert_eq!(count(Filter { kinds: vec!["step".to_owned()], ..Filter::default() }), 1);
    assert_eq!(count(Filter { kinds: vec!["connection".to_owned()], ..Filter::default() }), 3);
    // The step lasts to 2.5 s: it reaches the bound although it began before it.
    assert_eq!(count(Filter { from: Some(at(25)), ..Filter::default() }), 2);
    assert_eq!(count(Filter { from: Some(at(26)), ..Filter::default() }), 1);
    assert_eq!(count(Filter { to: Some(START), ..Filter::default() }), 2);
    assert_eq!(count(Filter { hosts: vec!["203.0.113.66".to_owned()], ..Filter::default() }), 3);
    assert_eq!(count(Filter { hosts: vec!["fw-edge".to_owned()], ..Filter::default() }), 3);
    assert_eq!(count(Filter { hosts: vec!["elsewhere".to_owned()], ..Filter::default() }), 0);
    let spans = BTreeMap::from([("ep-001".to_owned(), (START, at(25)))]);
    let episodes = vec!["ep-001".to_owned()];
    assert_eq!(count(Filter { episodes, episode_spans: spans, ..Filter::default() }), 2);
}

#[test]
fn clocks_of_grade_a_and_b_correct_and_zones_of_grade_c() {
    let analysis = fixture::analysis();
    let mut clocks: Vec<Clock> = analysis.clocks.clone();
    clocks[2].offset_ns = 5 * SECOND;
    let tenth = SECOND / 10;
    let moved = |clocks: &[Clock]| -> Vec<i64> {
        let corrections = corrections(&analysis.sources, clocks);
        corrections.iter().map(|correction| START.since(correction.to_reference(START))).collect()
    };
    assert_eq!(moved(&clocks), [0, -6 * tenth, 0, -tenth, -tenth]);
    (clocks[2].grade, clocks[2].zone_error_ns) = (Grade::C, 3600 * SECOND);
    assert_eq!(moved(&clocks), [0, -6 * tenth, 3600 * SECOND, -tenth, -tenth]);
}

#[test]
fn a_disk_that_fails_is_an_error_not_a_short_timeline() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let plan = plan(Shape::Csv, Filter::default(), Pool::default());
    assert_eq!(plan.write(&mut Full).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn timesketch_gets_dated_rows_and_the_others_are_counted() {
    for shape in [Shape::TimesketchCsv, Shape::TimesketchJsonl] {
        let plan = plan(shape, Filter::default(), Pool::default());
        let mut sink = TimelineSink::new(Arc::clone(&plan), 1);
        sink.observation(&connection(1, Some(START)));
        sink.observation(&connection(2, None));
        sink.close();
        plan.add_steps(&[episode()], &[step(4, START, at(25))]);
        let text = written(Arc::clone(&plan));
        assert_eq!(text.lines().count(), 2 + usize::from(shape == Shape::TimesketchCsv), "{text}");
        assert_eq!(plan.left_out.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn groups_of_a_file_hold_every_row_in_order() {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    let plan = plan(Shape::Parquet, Filter::default(), Pool::with_bounds(100_000, 64));
    let mut sink = TimelineSink::new(Arc::clone(&plan), 1);
    for record in (1..=70_000).rev() {
        sink.observation(&connection(record, Some(at(record as i64))));
    }
    sink.close();
    let mut file = tempfile::tempfile().unwrap();
    assert_eq!(plan.write(&mut file).unwrap(), 70_000);
    let reader = SerializedFileReader::new(file).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2, "memory holds a group at a time");
    let locators = reader.get_row_iter(None).unwrap().map(|row| {
        let mut cells = row.unwrap().into_columns().into_iter();
        cells.find(|(name, _)| name == "locator").unwrap().1.to_string()
    });
    assert!(locators.eq((1..=70_000).map(|line| format!("\"line {line}\""))));
}
