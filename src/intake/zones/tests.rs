use super::*;
use crate::evidence::EvidenceId;

#[test]
fn zones_are_what_is_registered() {
    for (name, expected) in [
        ("www.example.com", Some(("www", "example.com"))),
        ("example.com", Some(("", "example.com"))),
        ("a.b.example.co.uk", Some(("a.b", "example.co.uk"))),
        ("example.co.uk", Some(("", "example.co.uk"))),
        ("co.uk", Some(("", "co.uk"))),
        ("a\\.b.c.example.org", Some(("a\\.b.c", "example.org"))),
        ("dnscat.00ff", Some(("00ff", "dnscat"))),
        ("host", None),
        ("4.3.2.1.in-addr.arpa", None),
        ("printer.local", None),
    ] {
        assert_eq!(split(name), expected, "{name}");
    }
}

/// The first query of the public capture of dnscat2 (packet id 05e1, SYN, session a621), and names that are like it.
#[test]
fn names_in_the_grammar_of_tools() {
    assert!(is_dnscat("05e100a621c3620001636f6e736f6c65202873697276696d65732900"));
    assert!(is_dnscat("4c5801fdf525f24195b8e0eeb5d7f6f65ed4e6f9636579461a69345a4933.32fc"));
    assert!(!is_dnscat("05e1f0a621c3620001"), "no such type");
    assert!(!is_dnscat("05e100a621c362000"), "half a byte");
    assert!(!is_dnscat("05e100a6"), "too short for a header");
    // base32 of 00 00 05 02 and two bits more: 00000 00000 00000 00000 01010 00000 10xxx.
    assert!(is_iodine_version("vaaaakardli"));
    assert!(!is_iodine_version("vaaaakaardli"));
    let dns2tcp = ZoneCount::of("aaaaaaaaaa.=auth", "TXT");
    assert_eq!((dns2tcp.dns2tcp, dns2tcp.text, dns2tcp.carriers()), (1, 1, 1));
}

#[test]
fn data_is_told_from_names() {
    // `head -c 30 /dev/urandom | base32`, in lower case as queries are kept, and `xxd -p` of other thirty bytes.
    assert!(is_encoded("mz3w633pejqxe2lufzrw63jpn5xgk4tf.gq2tenbzha3dsmrt"));
    assert!(is_encoded("8f0e1b7a93c4d2561f0a8b7c6d5e4f3a2b1c0d9e"));
    assert!(is_encoded("0\\201\\177\\250abc\\240\\200zz\\199\\222\\255\\141\\140abcdefghijk"));
    for name in [
        "www",
        "ec2-52-12-33-1.us-west-2.compute",
        "self.events.data.microsoft.with-a-long-name-behind-it",
        "r3---sn-q4f7sn7l",
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.4.3.2.0.0.8.1",
        "mcs2-cloudstation-eu-west-1.prod.hydra",
    ] {
        assert!(!is_encoded(name), "{name}");
    }
}

#[test]
fn lengths_are_those_of_the_wire() {
    assert_eq!(wire_length("abc.de"), 6);
    assert_eq!(wire_length("a\\.b\\200c\\\\"), 6);
    assert_eq!(wire_length("\\2"), 1);
}

#[test]
fn a_hundred_thousand_names_are_counted_within_a_tenth_and_a_thousand_exactly() {
    let count = |n: u32| {
        let mut names = Distinct::default();
        for one in 0..n {
            names.add(hash(&format!("host-{one}")));
            names.add(hash(&format!("host-{one}")));
        }
        names.count()
    };
    assert_eq!(count(1000), 1000);
    let estimate = count(100_000);
    assert!((90_000..110_000).contains(&estimate), "{estimate}");
}

/// Whatever the order and grouping, the account is the same.
#[test]
fn accounts_join_in_any_order() {
    let message = |n: u64| {
        let dns = Dns {
            record_type: "TXT".to_owned(),
            response: n.is_multiple_of(3),
            answer_bytes: n as u32,
            ..Dns::default()
        };
        let record = Record { evidence: EvidenceId(0), number: n };
        fact(&format!("{n}a1b2c3d4e5f6a7b8c9d0e1f2a3.example.org"), &dns, Flow::default(), None, record)
            .expect("a zone")
    };
    let fold = |numbers: &[u64]| {
        let (first, rest) = numbers.split_first().expect("a message");
        let mut all = message(*first);
        rest.iter().for_each(|n| all.join(message(*n)));
        all
    };
    let ascending: Vec<u64> = (1..60).collect();
    let descending: Vec<u64> = ascending.iter().rev().copied().collect();
    let whole = fold(&ascending);
    assert_eq!(whole, fold(&descending));
    let mut halves = fold(&ascending[..30]);
    halves.join(fold(&descending[..29]));
    assert_eq!(whole, halves);
    assert_eq!((whole.queries.messages, whole.responses.messages, whole.proof.len()), (40, 19, 16));
}
