use super::*;
use crate::correlate::kit::{World, ip, ms};
use crate::formats::Kind;
use crate::time::Basis;

const HOUR: i64 = 3_600_000;

/// What a server gave out of one address, as (hour, host, ended).
fn given_out(told: &[(i64, &str, bool)]) -> Leases {
    let mut world = World::default();
    let server = world.source("dhcp.log", Kind::Firewall, Basis::ExplicitOffset);
    for (hour, host, ended) in told {
        world.lease(server, hour * HOUR, "10.20.0.5", host, *ended);
    }
    Leases::new(&world.intake.facts, &world.clocks())
}

/// The name of who had the address.
fn holder(leases: &Leases, at: i64) -> Option<&str> {
    leases.holder(ip("10.20.0.5"), ms(at)).map(|hardware| leases.shown(hardware))
}

#[test]
fn a_spell_is_as_wide_as_the_servers_clock_is_uncertain() {
    let spell = |slack_ns| Spell {
        address: ip("10.20.0.5"),
        hardware: String::new(),
        from: ms(1_000),
        until: ms(2_000),
        slack_ns,
    };
    let covers = |slack_ns, at| spell(slack_ns).may_cover(ms(at));
    // Exactly known: from its first moment on, and no longer in the moment in which it ends.
    assert_eq!([999, 1_000, 1_999, 2_000].map(|at| covers(0, at)), [false, true, true, false]);
    // Known to 100 ms: that much more on either side.
    assert_eq!([899, 900, 2_099, 2_100].map(|at| covers(100_000_000, at)), [false, true, true, false]);
}

#[test]
fn a_lease_that_begins_as_another_ends_has_the_moment_to_itself() {
    let leases = given_out(&[(1, "train-07", false), (2, "build-3", false), (4, "build-3", true)]);
    let at = [HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR, 4 * HOUR - 1, 4 * HOUR];
    let expected = [None, Some("train-07"), Some("train-07"), Some("build-3"), Some("build-3"), None];
    assert_eq!(at.map(|at| holder(&leases, at)), expected);
}

#[test]
fn who_gives_back_what_another_has_by_now_ends_nothing() {
    let leases = given_out(&[(1, "train-07", false), (2, "build-3", false), (3, "train-07", true)]);
    assert_eq!(holder(&leases, 4 * HOUR), Some("build-3"));
    // And nobody has what was only ever given back.
    assert_eq!(holder(&given_out(&[(1, "train-07", true)]), 2 * HOUR), None);
}

#[test]
fn an_address_of_one_host_alone_limits_nothing() {
    let leases = given_out(&[(1, "train-07", false), (2, "train-07", true), (3, "train-07", false)]);
    assert!(!leases.is_parted(ip("10.20.0.5")));
    assert_eq!(leases.limit(ip("10.20.0.5")), None);
    assert_eq!(leases.limit(ip("10.20.0.6")), None, "never leased");
    let parted = given_out(&[(1, "train-07", false), (2, "build-3", false)]);
    assert!(parted.is_parted(ip("10.20.0.5")) && !parted.is_parted(ip("10.20.0.6")));
}

#[test]
fn the_first_four_hosts_of_an_address_are_named_and_the_others_counted() {
    let hosts = ["a", "bb", "ccc", "dddd", "eeeee"];
    let limit = |count: usize| {
        let told: Vec<_> = (1..).zip(&hosts[..count]).map(|(hour, host)| (hour, *host, false)).collect();
        given_out(&told).limit(ip("10.20.0.5")).unwrap()
    };
    let first = "a (first at 2026-11-20T01:00:00.000000000Z), bb (first at 2026-11-20T02:00:00.000000000Z)";
    let told = "which of them it was is told by the lease at the time alone";
    assert_eq!(limit(2), format!("10.20.0.5 was leased to 2 hosts: {first}; {told}"));
    let four = format!(
        "{first}, ccc (first at 2026-11-20T03:00:00.000000000Z), dddd (first at 2026-11-20T04:00:00.000000000Z)"
    );
    assert_eq!(limit(4), format!("10.20.0.5 was leased to 4 hosts: {four}; {told}"));
    assert_eq!(limit(5), format!("10.20.0.5 was leased to 5 hosts: {four} and 1 more; {told}"));
}
