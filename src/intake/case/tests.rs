use super::*;
use crate::time::{Basis, Instant, SECOND};

const EXAMPLE: &str = r#"
[[host]]
name = "train-07"; addresses = ["10.20.0.5"]; agent = true
"#;

const CASE: &str = r#"
[[host]]
name = "train-07"
addresses = ["10.20.0.5", "2001:db8::5"]
agent = true
[[host]]
name = "lab"
addresses = ["10.20.0.0/16"]
[[source]]
path = "firewall.log"
zone = "Asia/Shanghai"
year = 2026
offset = "+0.5s"
[[source]]
path = "*.log"
zone = "UTC"
host = "fw-edge"
[[run]]
transcripts = "transcripts/*.jsonl"
host = "train-07"
image = "registry.example/agent:7"
volumes = ["/mnt/shared/", "/data"]
reward_config = "resource-bonus"
[egress]
allow = ["192.0.2.80:80", "10.0.0.0/8", "*.pypi.org:443", "mirror.example", "[2001:db8::1]:443"]
[gpu]
allocated = ["/opt/conda/bin/python3", "/usr/bin/nv*"]
price_per_gpu_hour = 3.50
"#;

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn a_whole_case() {
    let case = CaseFile::parse(CASE, "case.toml").unwrap();
    let parts = case.time_context_for("firewall.log");
    let shanghai = TimeParts {
        zone: Some(Tz::Asia__Shanghai),
        year: Some(2026),
        offset_ns: Some(500_000_000),
        host: Some("fw-edge".to_owned()),
    };
    assert_eq!(parts, shanghai, "each part from the first source that states it");
    assert_eq!(case.time_context_for("edge/b.log").zone, Some(Tz::UTC));
    assert_eq!(case.time_context_for("gpu.csv"), TimeParts::default());
    assert_eq!(case.host_of_address(ip("10.20.0.5").unwrap()).unwrap().name, "train-07");
    assert_eq!(case.host_of_address(ip("10.20.9.9").unwrap()).unwrap().name, "lab");
    assert_eq!(case.host_of_address(ip("192.0.2.1").unwrap()), None);
    let run = case.run_of("transcripts/ep-001.jsonl").unwrap();
    assert_eq!((run.name.as_str(), run.reward_config.as_deref()), ("transcripts", Some("resource-bonus")));
    assert_eq!(
        (run.image.as_deref(), run.volumes.as_slice()),
        (Some("registry.example/agent:7"), ["/mnt/shared".to_owned(), "/data".to_owned()].as_slice())
    );
    assert!(case.run_of("transcripts/old/ep.jsonl").is_none());
    assert_eq!(case.is_allocated("/opt/conda/bin/python3"), Some(true));
    assert_eq!(case.is_allocated("/usr/bin/nvsample"), Some(true));
    assert_eq!(case.is_allocated("/tmp/xmrig"), Some(false));
    assert_eq!(CaseFile::default().is_allocated("/tmp/xmrig"), None);
}

#[test]
fn egress() {
    let case = CaseFile::parse(CASE, "case.toml").unwrap();
    let allowed = |ip_text: &str, domain, port| case.is_allowed_egress(ip(ip_text), domain, port);
    assert_eq!(allowed("192.0.2.80", None, Some(80)), Some(true));
    assert_eq!(allowed("192.0.2.80", None, Some(443)), Some(false));
    assert_eq!(allowed("192.0.2.80", None, None), Some(false), "an unknown port is not the allowed one");
    assert_eq!(allowed("10.99.1.1", None, Some(5)), Some(true));
    assert_eq!(allowed("198.51.100.1", Some("files.PyPI.org."), Some(443)), Some(true));
    assert_eq!(allowed("198.51.100.1", Some("pypi.org"), Some(443)), Some(false));
    assert_eq!(allowed("198.51.100.1", Some("evilpypi.org"), Some(443)), Some(false));
    assert_eq!(allowed("198.51.100.1", Some("mirror.example"), None), Some(true));
    assert_eq!(allowed("2001:db8::1", None, Some(443)), Some(true));
    assert_eq!(allowed("2001:db8::1", None, Some(80)), Some(false));
    assert_eq!(CaseFile::default().is_allowed_egress(ip("10.0.0.1"), None, None), None);
    let nothing = CaseFile::parse("[egress]\nallow = []", "case.toml").unwrap();
    assert_eq!(nothing.is_allowed_egress(ip("10.0.0.1"), None, None), Some(false));
}

#[test]
fn offsets() {
    let parsed = |text: &str| offset(text).unwrap();
    assert_eq!(parsed("+0.5s"), 500_000_000);
    assert_eq!(parsed("-8h"), -28_800_000_000_000);
    assert_eq!(parsed("8h2.5s"), 28_802_500_000_000);
    assert_eq!(parsed("-1h30m0.25s"), -5_400_250_000_000);
    assert_eq!(parsed("250ms"), 250_000_000);
    assert_eq!(parsed("1.000000001s"), 1_000_000_001);
    for wrong in ["", "+", "5", "s", "1x", "1..2s", ".s", "1s-", "--1s", "99999999999999999h", "9999999999999999999s"] {
        assert!(offset(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn zones() {
    assert_eq!(zone("Europe/Berlin"), Ok(Tz::Europe__Berlin));
    // +08:00 is ahead of UTC: noon there is 04:00 UTC.
    let context = TimeParts { zone: Some(zone("+08:00").unwrap()), ..TimeParts::default() };
    let noon = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap().and_hms_opt(12, 0, 0).unwrap();
    let span = context.context(YearSource::Unknown).local(noon, 1).unwrap();
    assert_eq!(span.basis, Basis::DeclaredZone);
    assert_eq!(span.lo, Instant(1_795_147_200 * SECOND), "date -u -d '2026-11-20 04:00' +%s");
    assert_eq!(zone("-0500"), Ok(Tz::Etc__GMTPlus5));
    for wrong in ["", "CST8", "+99", "+05:30", "8", "é"] {
        assert!(zone(wrong).is_err(), "{wrong}");
    }
    assert!(zone("+05:30").unwrap_err().contains("Asia/Kolkata"));
}

#[test]
fn a_declared_offset_is_taken_off() {
    let parts = TimeParts { offset_ns: Some(offset("+0.5s").unwrap()), ..TimeParts::default() };
    let span = parts.context(YearSource::Unknown).epoch(Instant(10 * SECOND), 1);
    assert_eq!(span.lo, Instant(9_500_000_000));
}

#[test]
fn options_win_over_the_file() {
    let mut case = CaseFile::parse(CASE, "case.toml").unwrap();
    let list = |text: &str| vec![text.to_owned()];
    case.declare(&list("firewall.log=Europe/Berlin"), &list("*.log=2025"), &list("a=b/fw.log=-2s")).unwrap();
    let parts = case.time_context_for("firewall.log");
    assert_eq!((parts.zone, parts.year, parts.offset_ns), (Some(Tz::Europe__Berlin), Some(2025), Some(500_000_000)));
    assert_eq!(case.time_context_for("a=b/fw.log").offset_ns, Some(-2_000_000_000));
    let error = |zones: &[&str], years: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        CaseFile::default().declare(&owned(zones), &owned(years), &[]).unwrap_err().to_string()
    };
    assert_eq!(error(&["Asia/Shanghai"], &[]), "--tz Asia/Shanghai: give PATTERN=ZONE");
    assert!(
        error(&["x=Asia/Shanghia"], &[])
            .starts_with("--tz x=Asia/Shanghia: \"Asia/Shanghia\" is no zone; give an IANA name")
    );
    assert_eq!(error(&[], &["x=26"]), "--year x=26: a year has four digits, from 1970 to 2261");
    assert!(error(&["[=UTC"], &[]).contains("unclosed character class"));
}

#[test]
fn errors_name_the_place_and_what_is_allowed() {
    let error = |text: &str| CaseFile::parse(text, "case.toml").unwrap_err().to_string();
    assert_eq!(
        error("[[source]]\npath = \"x\"\nzon = \"UTC\"\n"),
        "case.toml:3:1: unknown field `zon`, expected one of `path`, `zone`, `year`, `offset`, `host`"
    );
    assert_eq!(
        error("[sources]\n"),
        "case.toml:1:2: unknown field `sources`, expected one of `host`, `source`, `run`, `egress`, `gpu`, `approvals`, `mining`, `intel`"
    );
    assert!(error("[[source]]\nzone = \"UTC\"\n").contains("missing field `path`"));
    assert!(error("[[source]]\npath = \"x\"\nyear = \"2026\"\n").starts_with("case.toml:3:8: invalid type: string"));
    assert!(
        error("[[source]]\npath = \"x\"\n\nzone = \"Mars/Base\"\n")
            .starts_with("case.toml:4: zone: \"Mars/Base\" is no zone")
    );
    assert_eq!(
        error("[[source]]\npath = \"x\"\nyear = 26\n"),
        "case.toml:3: year: a year has four digits, from 1970 to 2261"
    );
    assert!(error("[[source]]\npath = \"a{b\"\n").starts_with("case.toml:2: path: "));
    assert!(
        error("[egress]\nallow = [\n  \"10.0.0.0/8\",\n  \"10.0.0.300\",\n]\n")
            .starts_with("case.toml:4: allow: \"10.0.0.300\" is no peer")
    );
    assert!(error("[gpu]\nprice_per_gpu_hour = -1.0\n").contains("a price is a number from 0 on"));
    let price = "[[mining.price]]\nalgorithm = \"RandomX\"\nvalue_per_terahash = ";
    assert_eq!(
        CaseFile::parse(&format!("{price}2.5\n"), "case.toml").unwrap().hash_prices,
        [HashPrice { algorithm: "randomx".to_owned(), value_per_terahash: 2.5 }]
    );
    assert!(error(&format!("{price}-1.0\n")).contains("case.toml:3: value_per_terahash: a price is"));
    assert!(
        error(
            "[[host]]\nname = \"a\"\naddresses = [\"10.0.0.1\"]\n[[host]]\nname = \"b\"\naddresses = [\"10.0.0.1\"]\n"
        )
        .ends_with("case.toml:6: addresses: 10.0.0.1/32 belongs to \"a\" already")
    );
    // TOML has no semicolons between keys.
    assert!(error(EXAMPLE).starts_with("case.toml:3:"));
}

#[test]
fn a_file_that_cannot_be_read() {
    let error = CaseFile::load(Path::new("/nonexistent/case.toml")).unwrap_err().to_string();
    assert!(
        error.starts_with("/nonexistent/case.toml: ") && error.contains("check that the case file exists"),
        "{error}"
    );
}

#[test]
fn the_case_file_knows_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("case.toml");
    std::fs::write(&path, CASE).unwrap();
    let case = CaseFile::load(&path).unwrap();
    assert_eq!(case.bytes, CASE.as_bytes());
    assert!(case.is_case_file(&directory.path().join(".").join("case.toml")));
    assert!(!case.is_case_file(&directory.path().join("other.toml")));
    std::fs::write(&path, b"[egress]\n\xff").unwrap();
    let error = CaseFile::load(&path).unwrap_err().to_string();
    assert!(error.ends_with("case.toml:2:1: not UTF-8"), "{error}");
}

#[test]
fn runs_without_a_name_go_by_their_folder() {
    let names = |text: &str| -> Vec<String> {
        CaseFile::parse(text, "case.toml").unwrap().runs.into_iter().map(|run| run.name).collect()
    };
    let run = |pattern: &str| format!("[[run]]\ntranscripts = \"{pattern}\"\n");
    let all = ["transcripts/run-a/*.jsonl", "transcripts/run-b/**/*.jsonl", "*.jsonl", "./*", "runs/{a,b}/x.jsonl"];
    assert_eq!(names(&all.map(run).concat()), ["run-a", "run-b", "*.jsonl", "./*", "runs"]);
    let twice = format!("{}{}", run("east/run-a/*"), run("west/run-a/*"));
    assert_eq!(names(&twice), ["east/run-a/*", "west/run-a/*"]);
    let taken = format!("[[run]]\nname = \"run-a\"\ntranscripts = \"x/*\"\n{}", run("run-a/*"));
    assert_eq!(names(&taken), ["run-a", "run-a/*"]);
}

#[test]
fn approvals() {
    let needs = |text: &str, tool: &str| CaseFile::parse(text, "case.toml").unwrap().needs_approval(tool);
    assert_eq!(needs("", "Bash"), None);
    assert_eq!(needs("[approvals]\nrequired = false\n", "Bash"), None);
    assert_eq!(needs("[approvals]\nrequired = true\n", "Bash"), Some(true));
    let some = "[approvals]\nrequired = true\ntools = [\"Bash\", \"mcp__*\"]\n";
    assert_eq!((needs(some, "mcp__lab__run"), needs(some, "Read")), (Some(true), Some(false)));
    assert!(CaseFile::parse("[approvals]\ntools = []\n", "case.toml").is_err());
}

#[test]
fn what_a_command_tells_of_a_peer() {
    let names = CaseFile::parse("[egress]\nallow = [\"mirror.example:443\", \"*.pypi.org\"]\n", "c").unwrap();
    assert_eq!(names.may_be_allowed_egress(None, Some("mirror.example"), None), Some(true), "the port is not known");
    assert_eq!(names.may_be_allowed_egress(None, Some("mirror.example"), Some(22)), Some(false));
    assert_eq!(names.may_be_allowed_egress(None, Some("evil.example"), None), Some(false));
    let networks = CaseFile::parse("[egress]\nallow = [\"10.0.0.0/8\"]\n", "c").unwrap();
    assert_eq!(networks.may_be_allowed_egress(None, Some("db.example"), None), None, "it may be in the network");
    assert_eq!(networks.may_be_allowed_egress(ip("192.0.2.1"), Some("db.example"), None), Some(false));
}
