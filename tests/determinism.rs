//! Same evidence, same result: at any number of threads, in any order of paths, compressed or not.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use coincident::evidence::AnomalyKind;
use coincident::intake::{Intake, Options, take_in};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn formats() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(root().join("formats"))
        .expect("testdata/formats")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    folders
}

fn with_threads(threads: usize, paths: &[PathBuf]) -> Intake {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| take_in(paths, &Options::default()))
}

/// What an intake holds, part by part, so that a difference names its part.
fn parts(intake: &Intake) -> Vec<(&'static str, String)> {
    vec![
        ("sources", format!("{:#?}", intake.sources)),
        ("walk errors", format!("{:#?}", intake.walk_errors)),
        ("conversations", format!("{:#?}", intake.conversations)),
        ("facts", format!("{:#?}", intake.facts)),
        ("episodes", format!("{:#?}", intake.episodes)),
        ("steps", format!("{:#?}", intake.steps)),
        ("texts", format!("{:#?}", intake.texts)),
        ("anomalies", format!("{:#?}", intake.anomalies)),
    ]
}

fn assert_same(what: &str, one: &Intake, other: &Intake) {
    for ((part, ours), (_, theirs)) in parts(one).iter().zip(&parts(other)) {
        if ours != theirs {
            let line = ours.lines().zip(theirs.lines()).position(|(a, b)| a != b).unwrap_or_default();
            let near = |text: &str| text.lines().skip(line.saturating_sub(8)).take(16).collect::<Vec<_>>().join("\n");
            panic!("{what}: {part} differ from line {line} on:\n{}\n---\n{}", near(ours), near(theirs));
        }
    }
}

#[test]
fn threads_and_order_of_paths_make_no_difference() {
    let paths = formats();
    let reference = with_threads(1, &paths);
    assert!(reference.sources.len() > 60 && reference.conversations.len() > 50 && reference.steps.len() > 20);
    assert!(!reference.facts.dns.is_empty() || !reference.facts.names.is_empty() || !reference.facts.alerts.is_empty());
    for threads in [2, 8] {
        assert_same(&format!("{threads} threads"), &reference, &with_threads(threads, &paths));
    }
    let backwards: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    assert_same("paths in reverse", &reference, &with_threads(2, &backwards));
    // A path named twice, and a folder inside one that is named too, add nothing.
    let again: Vec<PathBuf> = paths.iter().chain(paths.first()).cloned().collect();
    assert_same("a path named twice", &reference, &with_threads(2, &again));
}

#[test]
fn a_recorded_incident_is_the_same_at_any_number_of_threads() {
    let evidence = vec![root().join("incidents/reference/evidence")];
    let reference = with_threads(1, &evidence);
    assert!(reference.facts.gpu.len() > 1 && !reference.facts.ssh.is_empty() && reference.episodes.len() == 6);
    for threads in [2, 8] {
        assert_same(&format!("{threads} threads"), &reference, &with_threads(threads, &evidence));
    }
}

/// A log of many blocks, so that its lines are read on several threads in an order of chance.
#[test]
fn a_long_log_is_the_same_at_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = Vec::new();
    for number in 0..60_000_u32 {
        // 97 peers; the time is now and then older than on the line before; every 1000th line is no event.
        let second = (number / 20).wrapping_sub(number % 7 / 6 * 2).min(50_000);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        if number % 1000 == 999 {
            writeln!(log, "2026-11-20T{hour:02}:{minute:02}:{second:02}Z fw kernel: nothing of note").expect("memory");
            continue;
        }
        writeln!(
            log,
            "2026-11-20T{hour:02}:{minute:02}:{second:02}Z fw kernel: DROP IN= OUT=eth0 SRC=10.20.0.{} DST=203.0.113.{} \
             LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=5 DF PROTO=TCP SPT={} DPT=443 WINDOW=64240 RES=0x00 SYN URGP=0",
            number % 3 + 1,
            number % 97,
            32_768 + number % 20_011,
        )
        .expect("memory");
    }
    assert!(log.len() > 8 << 20, "more than the blocks of eight threads at once");
    fs::write(folder.path().join("fw.log"), &log).expect("a file");
    let paths = vec![folder.path().to_path_buf()];
    let reference = with_threads(1, &paths);
    assert_eq!((reference.sources[0].records, reference.sources[0].unread), (59_940, 60));
    // Sources and destinations repeat after 3 x 97 lines, and no line that is left out hits a pair alone.
    assert_eq!(reference.conversations.len(), 3 * 97);
    let seen: u64 = reference
        .conversations
        .iter()
        .map(|conversation| conversation.segments.iter().map(|segment| segment.observations).sum::<u64>())
        .sum();
    assert_eq!(seen, 59_940);
    for threads in [2, 3, 8] {
        assert_same(&format!("{threads} threads"), &reference, &with_threads(threads, &paths));
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Two members one after the other, as `cat a.gz b.gz` makes them (RFC 1952 section 2.2).
fn gzip_members(bytes: &[u8]) -> Vec<u8> {
    let (one, other) = bytes.split_at(bytes.len() / 2);
    [gzip(one), gzip(other)].concat()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).expect("memory")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn compression_makes_no_difference_to_what_is_read() {
    const SAMPLES: [&str; 7] = [
        "formats/iptables/syslog-traditional.log",
        "formats/sshd/auth.log",
        "formats/conntrack/events-timestamp.log",
        "formats/pcap/tcp-states.pcap",
        "formats/pcapng/interfaces.pcapng",
        "formats/nvidia-smi-gpu/loop.csv",
        "formats/codex/rollout-2026-05-04T12-10-00-019df000-0000-7000-8000-000000000002.jsonl",
    ];
    // Under the names of the originals: compression is told by the content.
    let packed = |pack: &dyn Fn(&[u8]) -> Vec<u8>| {
        let folder = tempfile::tempdir().expect("a folder");
        for sample in SAMPLES {
            let path = folder.path().join(sample);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, pack(&fs::read(root().join(sample)).expect("a sample"))).expect("a file");
        }
        take_in(&[folder.path().to_path_buf()], &Options::default())
    };
    let plain = packed(&|bytes| bytes.to_vec());
    assert_eq!(plain.sources.len(), SAMPLES.len());
    assert!(plain.sources.iter().all(|source| source.format.is_some() && source.records > 0));
    assert!(!plain.conversations.is_empty() && !plain.steps.is_empty());
    let same = |what: &str, compression: &str, packed: &Intake| {
        for (part, (ours, theirs)) in
            parts(&plain).into_iter().zip(parts(packed)).skip(1).map(|(a, b)| (a.0, (a.1, b.1)))
        {
            assert_eq!(ours, theirs, "{what}: {part}");
        }
        for (ours, theirs) in plain.sources.iter().zip(&packed.sources) {
            assert_eq!(theirs.compression, compression, "{what}: {}", theirs.path);
            let read = |source: &coincident::intake::Source| {
                (
                    source.path.clone(),
                    source.format,
                    source.records,
                    source.unread,
                    source.first,
                    source.last,
                    source.failure.clone(),
                )
            };
            assert_eq!(read(ours), read(theirs), "{what}");
            assert_ne!(ours.sha256, theirs.sha256, "{what}: the hash is that of the file as it lies on disk");
        }
    };
    same("gzip", "gzip", &packed(&gzip));
    same("gzip, two members", "gzip", &packed(&gzip_members));
    same("zstd", "zstd", &packed(&zstandard));
    same("zstd, two frames", "zstd", &packed(&|bytes| [zstandard(&bytes[..1]), zstandard(&bytes[1..])].concat()));
    same("xz", "xz", &packed(&xz));
}

#[test]
fn a_damaged_compression_is_reported_and_the_rest_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = fs::read(root().join("formats/iptables/syslog-traditional.log")).expect("a sample");
    let packed = gzip(&sample);
    fs::write(folder.path().join("cut.log.gz"), &packed[..packed.len() - 12]).expect("a file");
    fs::write(folder.path().join("whole.log"), &sample).expect("a file");
    let intake = take_in(&[folder.path().to_path_buf()], &Options::default());
    let [cut, whole] = intake.sources.as_slice() else { panic!("{:?}", intake.sources) };
    assert!(cut.failure.is_some() && whole.failure.is_none(), "{cut:?}");
    assert!(whole.records > 0 && cut.records <= whole.records);
    assert!(
        intake.anomalies.iter().any(|found| found.evidence.0 == 0 && found.anomaly.kind == AnomalyKind::Unreadable)
    );
    assert_eq!(cut.bytes, packed.len() as u64 - 12);
}

/// The SHA-256 of "abc" is from FIPS 180-2, appendix B.1.
#[test]
fn an_unknown_file_is_counted_and_an_empty_one_is_not_odd() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("empty"), b"").expect("a file");
    fs::write(folder.path().join("notes.txt"), b"abc").expect("a file");
    let intake = take_in(&[folder.path().to_path_buf()], &Options::default());
    let [empty, notes] = intake.sources.as_slice() else { panic!("{:?}", intake.sources) };
    assert_eq!((empty.format, empty.bytes, empty.reason.as_str()), (None, 0, "an empty file"));
    assert_eq!((notes.format, notes.bytes, notes.records), (None, 3, 0));
    assert_eq!(notes.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let odd: Vec<_> = intake.anomalies.iter().map(|found| (found.evidence.0, found.anomaly.kind)).collect();
    assert_eq!(odd, [(1, AnomalyKind::Unsupported)]);
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_reported_and_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let outside = tempfile::tempdir().expect("a folder");
    let sample = fs::read(root().join("formats/iptables/syslog-traditional.log")).expect("a sample");
    fs::write(outside.path().join("fw.log"), &sample).expect("a file");
    fs::write(folder.path().join("fw.log"), &sample).expect("a file");
    symlink(outside.path().join("fw.log"), folder.path().join("link.log")).expect("a link");
    symlink(outside.path(), folder.path().join("linked-folder")).expect("a link");
    // A loop, and a link to nothing.
    symlink(folder.path(), folder.path().join("loop")).expect("a link");
    symlink(folder.path().join("nowhere"), folder.path().join("dangling")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    let intake = take_in(&[folder.path().to_path_buf()], &Options::default());
    let read: Vec<&str> = intake.sources.iter().map(|source| source.path.as_str()).collect();
    assert_eq!(read, ["fw.log"]);
    assert_eq!(intake.walk_errors.len(), 5, "{:?}", intake.walk_errors);
    for (name, what) in [
        ("link.log", "a symbolic link, not followed"),
        ("linked-folder", "a symbolic link, not followed"),
        ("loop", "a symbolic link, not followed"),
        ("dangling", "a symbolic link, not followed"),
        ("socket", "neither a file nor a directory"),
    ] {
        let path = folder.path().join(name).display().to_string();
        let said =
            intake.walk_errors.iter().any(|error| error.starts_with(&format!("{path}: ")) && error.contains(what));
        assert!(said, "{name}: {:?}", intake.walk_errors);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_reported_and_the_rest_goes_on() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let sample = fs::read(root().join("formats/iptables/syslog-traditional.log")).expect("a sample");
    for name in ["closed.log", "open.log"] {
        fs::write(folder.path().join(name), &sample).expect("a file");
    }
    let closed = folder.path().join("closed.log");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("permissions");
    if fs::File::open(&closed).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let missing = folder.path().join("missing.log");
    let intake = take_in(&[folder.path().to_path_buf(), missing.clone()], &Options::default());
    let [closed, open] = intake.sources.as_slice() else { panic!("{:?}", intake.sources) };
    assert!(closed.failure.as_deref().is_some_and(|why| why.contains("denied")), "{closed:?}");
    assert!(open.failure.is_none() && open.records > 0, "{open:?}");
    assert!(
        intake.anomalies.iter().any(|found| found.evidence.0 == 0 && found.anomaly.kind == AnomalyKind::Unreadable)
    );
    assert!(intake.walk_errors.iter().any(|error| error.contains("missing.log")), "{:?}", intake.walk_errors);
}

#[test]
fn two_copies_of_a_file_count_once_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = fs::read(root().join("incidents/reference/evidence/firewall.log")).unwrap();
    fs::write(folder.path().join("a.log"), &log).unwrap();
    let alone = with_threads(2, &[folder.path().to_owned()]);
    fs::write(folder.path().join("b.log"), &log).unwrap();
    let both = with_threads(2, &[folder.path().to_owned()]);
    assert_eq!(format!("{:?}", alone.conversations), format!("{:?}", both.conversations));
    let named: Vec<&str> = both.anomalies.iter().map(|anomaly| anomaly.anomaly.detail.as_str()).collect();
    assert_eq!(named.iter().filter(|detail| **detail == "the same bytes as a.log, used once").count(), 1, "{named:?}");
}
