//! The words of a finding, its level and its techniques.

use super::*;
use Confidence::{Certain, Strong, Weak};

/// What a source saw of a behaviour, with as many records as given.
fn said(source: SignalSource, kind: &str, confidence: Confidence, records: u64, summary: &str) -> Traced {
    let mut one = seen(source, confidence, (60, 61));
    one.signal.kind = kind.to_owned();
    one.signal.summary = summary.to_owned();
    one.signal.records = (0..records).map(|number| Record { evidence: EvidenceId(0), number }).collect();
    one
}

fn told(all: &[Traced], named_by: Option<&str>) -> String {
    summary(&all.iter().collect::<Vec<_>>(), named_by)
}

#[test]
fn of_what_the_wire_shows_two_sights_are_told_and_of_what_is_certain_nothing_less() {
    let network = |confidence, words| said(SignalSource::Network, "pool", confidence, 1, words);
    let cases: [(&[(Confidence, &str)], &str); 6] = [
        (&[(Certain, "a"), (Certain, "b"), (Certain, "c")], "a; b"),
        (&[(Certain, "a"), (Strong, "b"), (Weak, "c")], "a"),
        (&[(Strong, "a"), (Certain, "b")], "b"),
        (&[(Strong, "a"), (Strong, "b"), (Weak, "c")], "a; b"),
        (&[(Weak, "a"), (Strong, "b")], "b; a"),
        (&[(Strong, "a"), (Strong, "a")], "a"),
    ];
    for (signals, expected) in cases {
        let all: Vec<Traced> = signals.iter().map(|(confidence, words)| network(*confidence, words)).collect();
        assert_eq!(told(&all, None), expected, "{signals:?}");
    }
    // One sweep is enough, certain or not.
    for confidence in [Strong, Certain] {
        let mut sweeps = [network(confidence, "a"), network(confidence, "b")];
        sweeps.iter_mut().for_each(|one| one.signal.behaviour = Behaviour::Probing);
        assert_eq!(told(&sweeps, None), "a");
    }
}

#[test]
fn of_equally_certain_sights_the_one_that_tells_most_comes_first() {
    let network = |kind, records, words| said(SignalSource::Network, kind, Strong, records, words);
    // That a name was looked up says least, and that a command named the peer is known already.
    let all = [network("pool-dns", 9, "a"), network("pool-traffic", 9, "b"), network("pool", 1, "c")];
    assert_eq!(told(&all, None), "c; b");
    assert_eq!(told(&all[..2], None), "b; a");
    assert_eq!(told(&[network("pool", 1, "a"), network("pool", 3, "b")], None), "b; a", "more records");
    let (mut short, mut long) = (network("pool", 1, "a"), network("pool", 1, "b"));
    long.signal.span = Some(Span { lo: ms(60_000), hi: ms(90_000), basis: Basis::ExplicitOffset });
    (short.signal.id, long.signal.id) = ("S-0001".to_owned(), "S-0002".to_owned());
    assert_eq!(told(&[short.clone(), long.clone()], None), "b; a", "seen for longer");
    short.signal.span = long.signal.span;
    assert_eq!(told(&[long, short], None), "a; b", "else the first");
}

#[test]
fn of_a_machine_and_of_a_gpu_one_sight_each_follows_what_the_wire_shows() {
    let of = |source, words| said(source, "seen", Strong, 1, words);
    let (host, gpu) = (SignalSource::Host, SignalSource::Gpu);
    let all = [of(gpu, "gpu"), of(gpu, "gpu again"), of(host, "host"), of(host, "host again")];
    assert_eq!(told(&all, None), "host; gpu");
    let mut all = all.to_vec();
    all.extend([of(SignalSource::Network, "wire"), of(SignalSource::Command, "command")]);
    assert_eq!(told(&all, None), "wire; host; gpu");
}

#[test]
fn the_name_that_the_command_used_stands_before_all_but_a_sweep() {
    let mut one = said(SignalSource::Network, "pool", Certain, 1, "a login");
    assert_eq!(told(std::slice::from_ref(&one), Some("pool.example:3333")), "pool.example:3333 → a login");
    one.signal.targets = vec![Flow::default()];
    assert_eq!(told(&[one], Some("pool.example:3333")), "a login", "it names its targets itself");
}

#[test]
fn a_peer_is_called_by_the_most_particular_that_step_and_event_share() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, Some((ms(0), ms(1_000))), "curl http://pool.example:3333/");
    let laid = world.lay();
    let called = |shared: &[Token]| {
        let shared = shared.iter().cloned().collect();
        named_by(&Attributed { step: 0, strength: Strength::default(), shared }, &laid.steps())
    };
    let (address, name) = (Token::Address(ip("203.0.113.66")), Token::Name("pool.example".to_owned()));
    assert_eq!(called(&[]), None);
    assert_eq!(called(std::slice::from_ref(&address)).as_deref(), Some("203.0.113.66"));
    assert_eq!(called(&[address.clone(), name]).as_deref(), Some("pool.example"));
    assert_eq!(called(&[address, Token::Endpoint(ip("203.0.113.66"), 80)]).as_deref(), Some("203.0.113.66:80"));
    // Of a port alone the name that the command has with it, and that nobody knows where it is.
    let unresolved = "pool.example:3333 (nothing in the evidence resolves it)";
    assert_eq!(called(&[Token::UnresolvedPort(3333)]).as_deref(), Some(unresolved));
    let other = "port 4444 of a name that nothing resolves";
    assert_eq!(called(&[Token::UnresolvedPort(4444)]).as_deref(), Some(other));
}

#[test]
fn a_finding_is_high_only_if_it_is_strong_and_something_strong_was_seen() {
    let cases = [
        (2.0, Strong, "high"),
        (6.0, Certain, "high"),
        (2.0, Weak, "medium"),
        (1.99, Certain, "medium"),
        (LEAST, Weak, "medium"),
        (0.99, Certain, "low"),
        (-1.0, Weak, "low"),
    ];
    for (log10_lr, confidence, expected) in cases {
        let one = said(SignalSource::Network, "pool", confidence, 1, "");
        let strength = Strength { log10_lr, ..Strength::default() };
        assert_eq!(level(&strength, &[&one]), expected, "{log10_lr} {confidence:?}");
    }
}

#[test]
fn kinds_of_signals_add_their_techniques() {
    let of = |behaviour, kinds: &[&str]| {
        let all: Vec<Traced> = kinds.iter().map(|kind| said(SignalSource::Network, kind, Strong, 1, "")).collect();
        attack(behaviour, &all.iter().collect::<Vec<_>>())
    };
    // ATT&CK: T1046 network services, T1018 remote systems; T1572 protocol tunnelling, T1021.004 SSH.
    assert_eq!(of(Behaviour::Probing, &["port-sweep"]), ["T1046"]);
    assert_eq!(of(Behaviour::Probing, &["host-sweep"]), ["T1018", "T1046"]);
    assert_eq!(of(Behaviour::Probing, &["port-sweep", "port-and-host-sweep"]), ["T1018", "T1046"]);
    assert_eq!(of(Behaviour::Tunnel, &["ssh-reverse"]), ["T1572"]);
    assert_eq!(of(Behaviour::Tunnel, &["ssh-reverse-used", "ssh-reverse"]), ["T1021.004", "T1572"]);
}
