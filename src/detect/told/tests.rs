use super::stamp::{Zone, epoch, http_date, read};
use super::*;
use crate::time::SECOND;

/// `date -u -d @1795661537` gives Thu Nov 26 02:52:17 UTC 2026.
const AT: Instant = Instant(1_795_661_537 * SECOND);

fn times(command: &str, output: &str) -> Vec<(i64, bool)> {
    told(command, output, false).iter().map(|told| (told.at.since(AT) / SECOND, told.zoned)).collect()
}

fn servers(command: &str, output: &str) -> Vec<String> {
    let name = |told: Told| match told.teller {
        Teller::Server(name) => Some(name),
        Teller::Machine => None,
    };
    told(command, output, false).into_iter().filter_map(name).collect()
}

#[test]
fn the_three_forms_of_rfc_9110() {
    for form in ["Thu, 26 Nov 2026 02:52:17 GMT", "Thursday, 26-Nov-26 02:52:17 GMT", "Thu Nov 26 02:52:17 2026"] {
        assert_eq!(http_date(form), Some(AT), "{form}");
    }
    // The example of the section itself: `date -u -d @784111777`.
    assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), Some(Instant(784_111_777 * SECOND)));
    assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), Some(Instant(784_111_777 * SECOND)));
    for wrong in [
        "Thu, 26 Nov 2026 02:52:17 CET",
        "Thu, 26 Nov 2026 02:52:1",
        "Thu, 26 Nov 2026 02:52 GMT",
        "Thu, 31 Feb 2026 02:52:17 GMT",
        "26 Nov 2026 02:52:17 GMT",
        "Thu, 26 Nov 99999 02:52:17 GMT",
        "",
    ] {
        assert_eq!(http_date(wrong), None, "{wrong}");
    }
}

#[test]
fn dates_in_every_order() {
    let zoned = [
        ("Thu Nov 26 02:52:17 UTC 2026", 0),
        ("Thu Nov 26 02:52:17 AM UTC 2026", 0),
        ("Thu 26 Nov 2026 10:52:17 AM +0800", 28_800),
        ("Thu, 26 Nov 2026 08:22:17 +0530", 19_800),
        ("2026-11-26T02:52:17+00:00", 0),
        ("2026-11-26 02:52:17Z", 0),
        ("2026-11-25T18:52:17-08:00", -28_800),
        ("2026-11-26T02:52:17,000000000+00:00", 0),
    ];
    for (text, east) in zoned {
        let stamp = read(text).unwrap();
        assert_eq!((stamp.zone, stamp.east(east)), (Zone::East(east), Some(AT)), "{text}");
    }
    assert_eq!(read("Thu Nov 26 10:52:17 CST 2026").unwrap().zone, Zone::Letters);
    assert_eq!(read("2026-11-26 02:52").unwrap().resolution_ns, 60 * SECOND);
    for wrong in ["Thu Nov 26 2026", "02:52:17", "Nov 26 02:52:17", "2026-11-26 02:52:17 done", "2026-13-26 02:52:17"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
    assert_eq!(epoch("1795661537"), Some((AT, SECOND)));
    assert_eq!(epoch("1795661537.25"), Some((AT.plus(SECOND / 4), SECOND / 100)));
    assert_eq!(epoch("1795661537000000000"), Some((AT, 1)));
    for wrong in ["179566153", "0795661537", "17956615370", "1795661537.", "12345678901.5", "-795661537"] {
        assert_eq!(epoch(wrong), None, "{wrong}");
    }
}

#[test]
fn heads_of_requests_that_were_made() {
    let verbose = "* Connected to a.example (203.0.113.1) port 443\n> GET / HTTP/2\n> Host: a.example\n>\n< HTTP/2 200\r\n\
                   < server: x\r\n< date: Thu, 26 Nov 2026 02:52:17 GMT\r\n< \r\nbody\n";
    assert_eq!(times("curl -sv https://a.example/ 2>&1", verbose), [(0, true)]);
    assert_eq!(servers("curl -sv https://a.example/ 2>&1", verbose), ["a.example"]);
    let plain = "HTTP/1.1 200 OK\nDate: Thu, 26 Nov 2026 02:52:17 GMT\n\nHTTP/1.1 200 OK\n";
    assert_eq!(servers("curl -sI https://b.example/x", plain), ["b.example"]);
    assert_eq!(servers("http https://b.example/", &format!("\u{1b}[34mHTTP\u{1b}[0m{}", &plain[4..])), ["b.example"]);
    assert_eq!(servers("curl -I https://b.example/; curl -I https://c.example/", plain), [""]);
    let wget = "  HTTP/1.1 200 OK\n  Date: Thu, 26 Nov 2026 02:52:17 GMT\n";
    assert_eq!(times("wget -S -O- http://b.example/", wget), [(0, true)]);
    let bare = "date: Thu, 26 Nov 2026 02:52:17 GMT\n";
    assert_eq!(times("curl -sI https://b.example/ | grep -i ^date", bare), [(0, true)]);
    // A cached answer was told earlier; a request whose head is not shown tells nothing; nor does a file.
    assert_eq!(times("curl -sI https://b.example/", &plain.replace("\n\n", "\nAge: 77\n\n")), []);
    for command in ["curl -s https://b.example/", "cat curl.log", "grep -i date head.txt", "echo 'curl -I b.example'"] {
        assert_eq!(times(command, plain), [], "{command}");
    }
    assert_eq!(times("curl -sI https://b.example/", bare), [], "no head around it");
    assert_eq!(times("curl -sv https://a.example/ 2>&1", plain), [], "in the body");
}

#[test]
fn clocks_of_the_machine() {
    let day = "Thu Nov 26 02:52:17 UTC 2026\n";
    assert_eq!(times("date", day), [(0, true)]);
    assert_eq!(times("hostname && date -u && ls", &format!("box\n{day}a\nb\n")), [(0, true)]);
    assert_eq!(times("date", "Thu Nov 26 02:52:17 CST 2026"), [(0, false)]);
    assert_eq!(times("TZ=Asia/Shanghai date", "Thu Nov 26 10:52:17 CST 2026"), [(0, true)]);
    assert_eq!(times("date -Is", "2026-11-26T02:52:17+00:00"), [(0, true)]);
    assert_eq!(times("date --rfc-3339=seconds", "2026-11-26 02:52:17+00:00"), [(0, true)]);
    assert_eq!(times("date -R", "Thu, 26 Nov 2026 02:52:17 +0000"), [(0, true)]);
    assert_eq!(times("date +%s", "1795661537"), [(0, true)]);
    assert_eq!(times("date '+%F %T'", "2026-11-26 02:52:17"), [(0, false)]);
    assert_eq!(times("date -u '+%F %T'", "2026-11-26 02:52:17"), [(0, true)]);
    // A Z in the format is no zone.
    assert_eq!(times("date +%Y-%m-%dT%H:%M:%SZ", "2026-11-26T02:52:17Z"), [(0, false)]);
    assert_eq!(times("echo \"start: $(date)\"", "start: Thu Nov 26 02:52:17 UTC 2026"), [(0, true)]);
    assert_eq!(times("timedatectl", "  Local time: x\n  Universal time: Thu 2026-11-26 02:52:17 UTC\n"), [(0, true)]);
    assert_eq!(times("python3 -c 'import time; print(time.time())'", "1795661537.5"), [(0, true)]);
    let smi = "Thu Nov 26 02:52:17 2026       \n+-----------------+\n| NVIDIA-SMI 550  |\n";
    assert_eq!(times("nvidia-smi", smi), [(0, false)]);
    assert_eq!(times("nvidia-smi -q", "Timestamp       : Thu Nov 26 02:52:17 2026\n"), [(0, false)]);
    // Other times than the present, other machines, other clocks, other commands.
    for command in [
        "date -d yesterday",
        "date -r file",
        "date -s '2026-11-26 02:52:17'",
        "date --date=@0",
        "faketime '2020-01-01' date",
        "LD_PRELOAD=/x/libfaketime.so.1 date",
        "docker exec box date",
        "cat update.log",
        "echo date",
        "D=$(date); cat run.log",
        "git log --date=iso",
    ] {
        assert_eq!(times(command, day), [], "{command}");
    }
}

#[test]
fn more_times_than_asked_for_are_none() {
    let day = "Thu Nov 26 02:52:17 UTC 2026\n";
    assert_eq!(times("date; cat run.log", &day.repeat(2)), []);
    assert_eq!(times("date; date", &day.repeat(2)), [(0, true), (0, true)]);
    assert_eq!(times("date; date", &day.repeat(1_000_000)), []);
    let head = "HTTP/1.1 200 OK\nDate: Thu, 26 Nov 2026 02:52:17 GMT\n\n";
    assert_eq!(times("curl -I http://a.example/", &head.repeat(100_000)), []);
    let dates = format!("HTTP/1.1 200 OK\n{}", "Date: Thu, 26 Nov 2026 02:52:17 GMT\n".repeat(1_000_000));
    assert_eq!(times("curl -I http://a.example/", &dates), [(0, true)], "the first of a head");
    let commands = vec!["curl -I http://a.example/"; 500].join(";");
    assert_eq!(told(&commands, &head.repeat(500), false).len(), MOST_TOLD);
}

#[test]
fn cut_and_hostile_outputs() {
    let seconds = "x\n1795661537";
    assert_eq!(told("date +%s", seconds, true), [], "it may have gone on");
    assert_eq!(times("date +%s", seconds), [(0, true)]);
    assert_eq!(times("date", "Thu Nov 26 02:52:17 UTC 20"), []);
    assert_eq!(times("date", "\u{1b}[1;32mThu Nov 26 02:52:17 UTC 2026\u{1b}[0m"), [(0, true)]);
    for output in
        ["\u{1b}", "\u{1b}[", "\u{1b}]0;title", "Universal time:", "HTTP/", "< ", "é:é", "Timestamp", ":::", ","]
    {
        for command in ["date", "curl -iv http://é/", "timedatectl", "nvidia-smi", "wget -S x", "http :"] {
            told(command, output, false);
            told(command, output, true);
        }
    }
    for year in ["0000", "9999", "1600"] {
        assert_eq!(times("date", &format!("Thu Nov 26 02:52:17 UTC {year}")), [], "{year}");
    }
}
