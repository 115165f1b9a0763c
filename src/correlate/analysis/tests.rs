use super::*;

fn pin((servers, agreeing): (usize, usize), (machines, machines_agreeing): (usize, usize)) -> UtcPin {
    UtcPin {
        offset_ns: 0,
        support_ns: (0, 0),
        servers,
        agreeing,
        answers: servers,
        pools: 0,
        pools_agreeing: 0,
        machines,
        machines_agreeing,
    }
}

#[test]
fn three_who_agree_and_more_than_half_pin_a_clock_and_machines_count_as_one() {
    for (servers, machines, holds) in [
        ((2, 2), (0, 0), false),
        ((3, 3), (0, 0), true),
        ((5, 3), (0, 0), true),
        ((6, 3), (0, 0), false),
        ((9, 4), (0, 0), false),
        // Machines that agree are a third; however many there are, they are no more than one.
        ((2, 2), (1, 1), true),
        ((2, 2), (9, 9), true),
        ((1, 1), (9, 9), false),
        // And those that do not are one more who does not.
        ((5, 3), (1, 0), false),
        ((5, 3), (9, 0), false),
        ((4, 3), (9, 0), true),
    ] {
        assert_eq!(pin(servers, machines).holds(), holds, "{servers:?} {machines:?}");
    }
}

#[test]
fn a_majority_is_more_than_half_of_servers_and_machines_together() {
    for (servers, machines, majority) in [
        ((1, 1), (0, 0), true),
        ((0, 0), (0, 0), false),
        ((2, 1), (0, 0), false),
        ((3, 2), (0, 0), true),
        ((5, 3), (0, 0), true),
        ((2, 1), (1, 1), true),
        ((3, 1), (1, 1), false),
        ((4, 2), (1, 0), false),
        ((2, 0), (5, 5), true),
    ] {
        assert_eq!(pin(servers, machines).has_majority(), majority, "{servers:?} {machines:?}");
    }
}

#[test]
fn grades_and_hypotheses_have_the_names_of_reports() {
    assert_eq!([Grade::A, Grade::B, Grade::C, Grade::D].map(Grade::name), ["A", "B", "C", "D"]);
    let names: std::collections::BTreeSet<&str> = RivalId::ALL.into_iter().map(RivalId::name).collect();
    assert_eq!(names.len(), RivalId::ALL.len(), "each its own");
    assert_eq!(RivalId::Agent.name(), "agent");
}
