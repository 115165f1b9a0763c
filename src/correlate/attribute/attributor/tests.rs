use super::*;
use crate::correlate::acts::Install;
use crate::correlate::attribute::tests::made::{connections, laid};
use crate::correlate::kit::{Laid, hit, ip, ms};
use crate::correlate::traffic::Traffic;
use crate::model::{Behaviour, Confidence};

const HOME: &str = "10.20.0.5";
const PEER: &str = "203.0.113.1";

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

fn yardstick(laid: &Laid, events: &Events) -> Yardstick {
    Yardstick::new(&laid.steps(), &Traffic::new(events, &laid.acts), true)
}

#[test]
fn onsets_to_one_peer_within_a_minute_count_once_by_each_source() {
    let mut onsets = Onsets::default();
    assert_eq!(onsets.most(), 0);
    // By the first source: 0, a minute later still the same, 61 s after that another.
    let (first, second) = (EvidenceId(0), EvidenceId(1));
    for (second, counted) in [(0, 1), (60, 1), (121, 2), (121, 2)] {
        onsets.add(first, ms(second * 1_000));
        assert_eq!(onsets.most(), counted, "{second}");
    }
    // What another source saw of the same is not added to it.
    for at in [0, 100, 200] {
        onsets.add(second, ms(at * 1_000));
    }
    assert_eq!(onsets.most(), 3);
}

fn candidate(step: usize, bans: f64, lag_s: (i64, i64)) -> Candidate {
    Candidate {
        step,
        log10_indicator: bans,
        log10_identity: 0.0,
        log10_containment: 0.0,
        lag_ns: (lag_s.0 * SECOND, lag_s.1 * SECOND),
        life_s: None,
    }
}

#[test]
fn without_times_some_step_and_none_begin_with_even_odds() {
    let lag = LagModel::assumed();
    let shares = |candidates: &[Candidate], explained| without_clocks(candidates, &lag, explained);
    // One that weighs ten: ten of eleven.
    let one = candidate(0, 1.0, (0, 100));
    let got = shares(&[one], 1.0);
    near(got.p_step[0], 10.0 / 11.0);
    near(got.p_none, 1.0 / 11.0);
    // Where half of the peer's onsets can be explained at all, half of that.
    let got = shares(&[one], 0.5);
    near(got.p_step[0], 5.0 / 11.0);
    near(got.p_none, 6.0 / 11.0);
    // The host counts as the name does: one ban and one.
    let got = shares(&[Candidate { log10_identity: 1.0, ..one }], 1.0);
    near(got.p_step[0], 100.0 / 101.0);
    // Two that lie alike share what one would have: 10 and 100 are 5 and 50.
    let got = shares(&[one, candidate(1, 2.0, (0, 100))], 1.0);
    near(got.p_step[0], 5.0 / 56.0);
    near(got.p_step[1], 50.0 / 56.0);
    near(got.p_none, 1.0 / 56.0);
    assert_eq!(shares(&[], 1.0), attribution::Attributed { p_none: 1.0, p_step: Vec::new() });
}

#[test]
fn without_times_the_nearer_in_order_has_more() {
    let lag = LagModel::assumed();
    let (close, far) = (candidate(0, 1.0, (0, 10)), candidate(1, 1.0, (100, 500)));
    let part = lag.mean_density(far.lag_ns.0, far.lag_ns.1) / lag.mean_density(close.lag_ns.0, close.lag_ns.1);
    assert!(part < 0.1, "{part}");
    let got = without_clocks(&[close, far], &lag, 1.0);
    // Ten for the one, ten times the part for the other, both over one and the part: ten in all.
    near(got.p_step[0], 10.0 / (1.0 + part) / 11.0);
    near(got.p_step[1], 10.0 * part / (1.0 + part) / 11.0);
    // What was left running for that long lies nearly as near there as anywhere.
    let launcher = Candidate { life_s: Some(600.0), ..far };
    let of_launcher = lag.of_launcher(600.0).mean_density(far.lag_ns.0, far.lag_ns.1);
    let part = of_launcher / lag.mean_density(close.lag_ns.0, close.lag_ns.1);
    near(without_clocks(&[close, launcher], &lag, 1.0).p_step[1], 10.0 * part / (1.0 + part) / 11.0);
}

/// Peers 1 to 5: named by two calls, by one, by one that leaves something running, by a suspect, and by one that installs.
fn peers_case() -> (Laid, Events) {
    let peer = |last: u8| format!("203.0.113.{last}");
    let names = [1, 1, 2, 3, 4, 5].map(peer);
    let calls: Vec<_> = (0..).zip(&names).map(|(n, peer)| ("a", 30 * n, 30 * n + 10, peer.as_str())).collect();
    let mut laid = laid(&calls);
    laid.acts[3].launchers.push("nohup".to_owned());
    laid.acts[4].hits.push(hit(Behaviour::Mining, Confidence::Strong));
    laid.acts[5].install = Some(Install::default());
    let met: Vec<(String, i64)> = [
        (1, vec![0, 100, 200, 300]),
        (2, vec![65]),
        (3, vec![95, 200, 300]),
        (4, vec![125, 200, 300]),
        // Installed at second 150.
        (5, vec![20, 150, 250, 350]),
        (6, vec![400]),
    ]
    .into_iter()
    .flat_map(|(last, at)| at.into_iter().map(move |at| (peer(last), at)))
    .collect();
    let events: Vec<_> = met.iter().map(|(peer, at)| (HOME, peer.as_str(), *at)).collect();
    (laid, connections(&events))
}

fn peers(laid: &Laid, events: &Events, yardstick: &Yardstick) -> Peers {
    let steps = laid.steps();
    Peers::new(yardstick, &Index::new(&steps), &steps, events, &Events::default())
}

/// The first connection to the address with that last number.
fn first_to(events: &Events, last: u8) -> Event<'_> {
    let peer = Some(ip(&format!("203.0.113.{last}")));
    events.iter().find(|event| event.dst == peer).unwrap()
}

#[test]
fn no_more_of_a_peers_onsets_are_explained_than_steps_name_it() {
    let (laid, events) = peers_case();
    let yardstick = yardstick(&laid, &events);
    let peers = peers(&laid, &events, &yardstick);
    let explained = [1, 2, 3, 4, 6].map(|last| peers.explained(&first_to(&events, last)));
    // Two calls name a peer of four onsets, one a peer of one. What was left running and what nobody asked for may come
    // again and again. The last is named by none.
    assert_eq!(explained, [0.5, 1.0, 1.0, 1.0, 0.0]);
    near(peers.unnamed, yardstick.no_indicator().log10);
}

#[test]
fn what_is_run_again_names_its_peer_as_often_as_it_was_met_since() {
    let (laid, events) = peers_case();
    let yardstick = yardstick(&laid, &events);
    let peers = peers(&laid, &events, &yardstick);
    let of = |last| peers.named(&first_to(&events, last));
    let weight = |n_v| {
        let (reference, literal, calls) = (yardstick.reference, yardstick.literal, yardstick.calls);
        attribution::lr_indicator(n_v, reference, literal, calls).log10
    };
    // Five benign commands, two of which name the first peer.
    assert_eq!(yardstick.reference, 5);
    assert_eq!(of(1), [(0, weight(2)), (1, weight(2))]);
    assert_eq!((of(2), of(3)), ([(2, weight(1))].as_slice(), [(3, weight(1))].as_slice()));
    // Three of four onsets are of the time since it was installed.
    let [(5, installed)] = of(5) else { panic!("{:?}", of(5)) };
    near(*installed, weight(1) + 3_f64.log10());
    assert_eq!(of(6), []);
}

#[test]
fn of_steps_with_equal_shares_the_first_is_named_and_without_steps_none() {
    let mut laid = laid(&[("a", 0, 10, PEER), ("a", 0, 10, PEER), ("a", 50, 60, "203.0.113.2")]);
    laid.times.iter_mut().for_each(|time| time.stamped = false);
    let events = connections(&[(HOME, PEER, 1)]);
    let (steps, yardstick) = (laid.steps(), yardstick(&laid, &events));
    let attributor = Attributor::new(&yardstick, &steps, &events, &Events::default());
    let best = attributor.attribute(&events.get(0).unwrap()).best.unwrap();
    assert_eq!(best.step, 0);
    near(best.strength.p_step * 2.0 + best.strength.p_none, 1.0);
    let nothing = self::laid(&[]);
    let (steps, yardstick) = (nothing.steps(), self::yardstick(&nothing, &events));
    let attributor = Attributor::new(&yardstick, &steps, &events, &Events::default());
    assert!(attributor.attribute(&events.get(0).unwrap()).best.is_none());
    assert!(attributor.lined_up(&events).is_empty());
}

#[test]
fn what_is_observed_reaches_from_the_first_event_of_any_kind_to_the_last() {
    let laid = laid(&[("a", 0, 10, PEER)]);
    let observed = |events: &[i64], others: &[i64]| {
        let of = |seconds: &[i64]| seconds.iter().map(|at| (HOME, PEER, *at)).collect::<Vec<_>>();
        let events = connections(&of(events));
        let others = connections(&of(others)).iter().map(|event| (*event, event.tokens.clone())).collect();
        let yardstick = yardstick(&laid, &events);
        Attributor::new(&yardstick, &laid.steps(), &events, &events.beside(others)).observed_ns / SECOND
    };
    assert_eq!(observed(&[10, 20, 50], &[]), 40);
    assert_eq!(observed(&[10, 20, 50], &[5, 30]), 45);
    assert_eq!(observed(&[10, 20], &[90]), 80);
    assert_eq!(observed(&[], &[7, 9]), 2);
    // One moment is a second, and so is none.
    assert_eq!((observed(&[10], &[]), observed(&[], &[])), (1, 1));
}

#[test]
fn what_lines_up_says_whether_the_call_names_the_peer_or_a_network_around_it() {
    // Twenty calls with their connections; the last scans a network, and one connection comes long after all calls.
    let peers: Vec<String> = (1..20).map(|n| format!("203.0.113.{n}")).collect();
    let mut calls: Vec<_> = (0..).zip(&peers).map(|(n, peer)| ("a", 100 * n, 100 * n + 10, peer.as_str())).collect();
    calls.push(("a", 3_000, 3_010, ""));
    let mut laid = laid(&calls);
    laid.acts[19].add([Token::Network("198.51.100.0/24".parse().unwrap())]);
    let mut met: Vec<_> = (0..).zip(&peers).map(|(n, peer)| (HOME, peer.as_str(), 100 * n + 1)).collect();
    met.extend([(HOME, "198.51.100.7", 3_001), (HOME, "192.0.2.1", 9_000)]);
    let events = connections(&met);
    let (steps, yardstick) = (laid.steps(), yardstick(&laid, &events));
    let attributor = Attributor::new(&yardstick, &steps, &events, &Events::default());
    let found: Vec<_> =
        attributor.lined_up(&events).iter().map(|one| (one.event, one.step, one.shares, one.names_peer)).collect();
    let mut expected: Vec<_> = (0..19).map(|n| (n, n, true, true)).collect();
    expected.push((19, 19, true, false));
    assert_eq!(found, expected);
}
