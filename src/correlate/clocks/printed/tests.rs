use super::*;
use crate::correlate::clocks::tests::bare;

const HOUR: i64 = 3600 * SECOND;

/// What so many servers, and machines, say of a clock, of which so many agree.
fn pin(offset_ns: i64, support_ns: (i64, i64), servers: (usize, usize), machines: (usize, usize)) -> UtcPin {
    UtcPin {
        offset_ns,
        support_ns,
        servers: servers.0,
        agreeing: servers.1,
        answers: 3,
        pools: 0,
        pools_agreeing: 0,
        machines: machines.0,
        machines_agreeing: machines.1,
    }
}

/// Three servers agree on that, give or take half a second.
fn agreed(offset_ns: i64) -> UtcPin {
    pin(offset_ns, (offset_ns - SECOND / 2, offset_ns + SECOND / 2), (3, 3), (0, 0))
}

/// One does.
fn alone(offset_ns: i64) -> UtcPin {
    UtcPin { servers: 1, agreeing: 1, ..agreed(offset_ns) }
}

#[test]
fn a_clock_is_off_where_all_that_is_allowed_is_beyond_ten_seconds() {
    let ten = 10 * SECOND;
    for (support_ns, off) in [
        ((ten, 2 * ten), false),
        ((ten + 1, 2 * ten), true),
        ((-2 * ten, -ten), false),
        ((-2 * ten, -ten - 1), true),
        ((-2 * ten, 2 * ten), false),
    ] {
        assert_eq!(is_off(&pin(0, support_ns, (3, 3), (0, 0))), off, "{support_ns:?}");
    }
}

#[test]
fn zones_are_whole_quarters_of_an_hour_give_or_take_ten_seconds_or_half_the_width() {
    let (ten, quarter) = (10 * SECOND, QUARTER_HOUR_NS);
    for (ns, width, zone) in [
        (0, 0, Some(0)),
        (8 * HOUR - ten, 0, Some(8 * HOUR)),
        (8 * HOUR + ten, 20 * SECOND, Some(8 * HOUR)),
        (8 * HOUR + ten + 1, 20 * SECOND, None),
        (8 * HOUR + 15 * SECOND, 30 * SECOND, Some(8 * HOUR)),
        (8 * HOUR + 15 * SECOND + 1, 30 * SECOND, None),
        (-5 * HOUR - 2 * quarter, 0, Some(-5 * HOUR - 2 * quarter)),
        (1234 * SECOND, 0, None),
        (8 * HOUR, quarter - 1, Some(8 * HOUR)),
        (8 * HOUR, quarter, None),
        (26 * HOUR, 0, Some(26 * HOUR)),
        (-26 * HOUR, 0, Some(-26 * HOUR)),
        (26 * HOUR + quarter, 0, None),
        (i64::MAX, 0, None),
    ] {
        assert_eq!(on_grid(ns, width), zone, "{ns} {width}");
    }
    for (ns, told) in
        [(8 * HOUR, "+08:00"), (-5 * HOUR - 1800 * SECOND, "-05:30"), (0, "+00:00"), (900 * SECOND, "+00:15")]
    {
        assert_eq!(hours(ns), told);
    }
}

#[test]
fn who_told_the_time_is_said_in_words() {
    let kinds = [BTreeMap::from([("HTTP Date", 2), ("date", 1)]), BTreeMap::new()];
    let printed = Printed { kinds, ..Printed::default() };
    let told = |servers, machines| printed.words(&pin(60_500_000_000, (60 * SECOND, 61 * SECOND), servers, machines));
    let begin = "+60.5 s (60.0 … 61.0) against UTC by 3 times that tools printed (HTTP Date 2, date 1) of";
    assert_eq!(told((1, 1), (2, 0)), format!("{begin} 1 server (1 agree) and 2 machines (0 agree)"));
    assert_eq!(told((2, 1), (0, 0)), format!("{begin} 2 servers (1 agree)"));
    assert_eq!(told((0, 0), (1, 1)), format!("{begin} 1 machine (1 agree)"));
}

/// Told by one, as the offsets that it allows, in seconds.
fn answer(teller: Teller<'_>, lo: i64, hi: i64) -> Answer<'_> {
    Answer { teller, lo_ns: lo * SECOND, hi_ns: hi * SECOND, at_ns: 0 }
}

// By hand: a and b allow [10, 12] and [11, 13], c is an hour off; one machine allows [11, 12], however often it says so, one
// none of it.
#[test]
fn servers_and_machines_are_counted_apart() {
    let machine = answer(Teller::Machine("h1"), 11, 12);
    let utc = vec![
        answer(Teller::Server("a"), 10, 12),
        answer(Teller::Server("b"), 11, 13),
        answer(Teller::Server("c"), 3600, 3601),
        machine,
        machine,
        answer(Teller::Machine("h2"), 50, 51),
    ];
    let got = Printed { utc, ..Printed::default() }.pin().unwrap();
    assert_eq!((got.offset_ns, got.support_ns), (11_500_000_000, (11 * SECOND, 12 * SECOND)));
    assert_eq!((got.servers, got.agreeing, got.machines, got.machines_agreeing), (3, 2, 2, 1));
    assert_eq!(got.answers, 6);
    assert_eq!(Printed::default().pin(), None);
    // Two machines weigh as much as one server: of equals the least offset is taken. Three weigh more.
    let machines = |names: &[&'static str]| {
        let far = names.iter().map(|name| answer(Teller::Machine(name), 100, 102));
        Printed { utc: far.chain([answer(Teller::Server("a"), 10, 12)]).collect(), ..Printed::default() }.pin().unwrap()
    };
    assert_eq!(machines(&["h1", "h2"]).offset_ns, 11 * SECOND);
    assert_eq!(machines(&["h1", "h2", "h3"]).offset_ns, 101 * SECOND);
}

// Local times of UTC+08:00 stand for eight hours less than the clock shows.
#[test]
fn the_zone_of_tools_is_noted_where_there_is_something_to_count_from() {
    let local = vec![answer(Teller::Machine("h1"), -8 * 3600, -8 * 3600 + 2)];
    let printed = Printed { local, kinds: [BTreeMap::new(), BTreeMap::from([("date", 1)])], ..Printed::default() };
    let noted = |basis, utc| {
        let mut clock = Clock { utc, notes: Vec::new(), ..bare(basis) };
        printed.note_zone(&mut clock);
        clock.notes
    };
    let zone = |zone: &str| vec![format!("its tools print local times of UTC{zone} (date 1)")];
    assert_eq!(noted(Basis::ExplicitOffset, None), zone("+08:00"));
    assert_eq!(noted(Basis::DeclaredZone, None), zone("+08:00"));
    assert_eq!(noted(Basis::AssumedZone, None), [""; 0]);
    // A clock that is an hour ahead.
    assert_eq!(noted(Basis::AssumedZone, Some(agreed(HOUR))), zone("+09:00"));
    assert_eq!(noted(Basis::AssumedZone, Some(pin(HOUR, (HOUR, HOUR), (2, 1), (0, 0)))), [""; 0], "no majority");
    // Two that contradict each other tell nothing.
    let local = vec![answer(Teller::Machine("h1"), 0, 2), answer(Teller::Machine("h2"), 3600, 3602)];
    let mut clock = Clock { notes: Vec::new(), ..bare(Basis::ExplicitOffset) };
    Printed { local, ..Printed::default() }.note_zone(&mut clock);
    assert_eq!(clock.notes, [""; 0]);
}

#[test]
fn a_reference_whose_zone_was_assumed_wrong_says_so() {
    let noted = |basis, utc| {
        let mut clock = Clock { utc, notes: Vec::new(), ..bare(basis) };
        note_reference(&mut clock);
        clock.notes
    };
    let told = "its tools tell that its zone is UTC+08:00: declare it with --tz";
    assert_eq!(noted(Basis::AssumedZone, Some(alone(8 * HOUR))), [told]);
    let split = pin(8 * HOUR, (8 * HOUR, 8 * HOUR), (2, 1), (0, 0));
    for (basis, utc, why) in [
        (Basis::AssumedZone, None, "nobody tells"),
        (Basis::AssumedZone, Some(alone(0)), "it was assumed right"),
        (Basis::AssumedZone, Some(alone(1234 * SECOND)), "no zone"),
        (Basis::AssumedZone, Some(split), "half of those who tell say otherwise"),
        (Basis::ExplicitOffset, Some(alone(8 * HOUR)), "it states its offset"),
    ] {
        assert_eq!(noted(basis, utc), [""; 0], "{why}");
    }
}

#[test]
fn what_tools_print_ties_a_clock_as_far_as_those_who_tell_agree() {
    const TIED: (Grade, &str) = (Grade::C, "times that tools printed");
    let split = pin(8 * HOUR, (8 * HOUR, 8 * HOUR), (4, 2), (0, 0));
    let zoned = 8 * HOUR + 5 * SECOND;
    for (basis, pin, offset_ns, zone_ns, ties) in [
        // Three who agree move a clock that states UTC, if it is further off than such clocks are.
        (Basis::ExplicitOffset, agreed(60 * SECOND), 60 * SECOND, 0, true),
        (Basis::ExplicitOffset, agreed(9 * SECOND), 0, 0, false),
        (Basis::ExplicitOffset, alone(60 * SECOND), 0, 0, false),
        (Basis::ExplicitOffset, agreed(8 * HOUR), 8 * HOUR, 0, true),
        // One tells a zone, and no more than that; three tell the rest as well.
        (Basis::AssumedZone, alone(zoned), 8 * HOUR, 8 * HOUR, true),
        (Basis::AssumedZone, agreed(zoned), zoned, 8 * HOUR, true),
        (Basis::AssumedZone, split, 0, 0, false),
        // What is no zone is believed of three.
        (Basis::AssumedZone, alone(1234 * SECOND), 0, 0, false),
        (Basis::AssumedZone, agreed(1234 * SECOND), 1234 * SECOND, 0, true),
    ] {
        let before = bare(basis);
        let mut clock = before.clone();
        tie(&mut clock, &pin);
        let what = format!("{basis:?} {pin:?}");
        assert_eq!((clock.offset_ns, clock.zone_error_ns), (offset_ns, zone_ns), "{what}");
        let as_before = (before.grade, before.method.as_str());
        assert_eq!((clock.grade, clock.method.as_str()), if ties { TIED } else { as_before }, "{what}");
        // The reference itself may be ten seconds off.
        let (low, high) = pin.support_ns;
        let support = if ties { (low - 10 * SECOND, high + 10 * SECOND) } else { (0, 0) };
        assert_eq!(clock.support_ns, support, "{what}");
    }
}
