use super::*;

fn of(judged: &Judged, hypothesis: RivalId) -> &Rival {
    judged.rivals.iter().find(|rival| rival.hypothesis == hypothesis).unwrap()
}

fn written_and_aligned() -> Observables {
    Observables {
        literal_in_agent_text: Seen::Yes,
        literal_in_environment: Seen::No,
        inbound_precursor: Seen::No,
        aligned: Seen::Yes,
        replayed: Seen::No,
        ..Observables::default()
    }
}

#[test]
fn a_written_literal_and_alignment_lead_to_the_agent() {
    let judged = judge(&written_and_aligned(), true);
    assert_eq!(leading(&judged.rivals), "agent");
    let external = of(&judged, RivalId::ExternalCompromise);
    // By hand: agent .95*.98*.8*.95*.98 = 0.693; external .02*.5*.05*.2*.5 = 5e-5; log10 of the ratio -4.14.
    assert!((external.log10_lr + 4.142).abs() < 0.01, "{}", external.log10_lr);
    // .02 and .05 are at most a tenth.
    assert_eq!((external.inconsistent, of(&judged, RivalId::Agent).inconsistent), (2, 0));
    assert!(external.rows.iter().all(|cell| cell.judged));
}

#[test]
fn counts_take_the_place_of_classes() {
    let naming = Naming { with: Some(0), commands: 999, coincidence: 0.01, calls: 99, literal: 99 };
    let followed = Followed { p: 0.01, onsets: 40 };
    let counted = Observables { naming: Some(naming), followed: Some(followed), ..written_and_aligned() };
    let judged = judge(&counted, true);
    let external = of(&judged, RivalId::ExternalCompromise);
    // By hand: agent .995*.98*.8*.95*.98; external .0005*.5*.05*(.95/7.988)*.5 = 7.433e-7: log10 of the ratio -5.991.
    let agent: f64 = 0.995 * 0.98 * 0.8 * 0.95 * 0.98;
    let theirs: f64 = 0.0005 * 0.5 * 0.05 * 0.95 / 7.988 * 0.5;
    assert!((external.log10_lr - (theirs / agent).log10()).abs() < 1e-3, "{}", external.log10_lr);
    let judged_cells: Vec<bool> = external.rows.iter().map(|cell| cell.judged).collect();
    assert_eq!(judged_cells, [false, true, true, false, true]);
    assert_eq!(judged.judgement.rows[0].counts, "in 0 of 999 benign commands; 99 of 99 benign calls name theirs");
}

#[test]
fn what_the_ranking_rests_on_is_shown() {
    let judged = judge(&written_and_aligned(), true);
    // By hand: agent against steered (.98/.05) * (.98/.5) = 38; without the row on content from outside 1.96, .29 bans:
    // not enough. Against a replayed prefix it leads by the row on the step: (.98/.5)*(.98/.05); without, 1.96 again.
    let without: Vec<(&str, &str)> = judged.judgement.rows.iter().map(|row| (row.id, row.leader_without)).collect();
    assert_eq!(
        without,
        [
            ("literal-in-agent-text", "agent"),
            ("literal-in-environment", "undecided"),
            ("inbound-precursor", "agent"),
            ("aligned", "agent"),
            ("replayed", "undecided"),
        ]
    );
    assert_eq!(judged.judgement.overturned_without, ["literal-in-environment"]);
    assert_eq!(judged.judgement.overturning_sets, 2);
    assert_eq!(judged.carried, ["no content from outside named it before", "the step was decided in this rollout"]);
    // A package that was not installed speaks for the agent against both, by .8/.5: one row less is borne.
    let more = judge(&Observables { package_install: Seen::No, ..written_and_aligned() }, true);
    assert_eq!((more.carried.len(), more.judgement.overturned_without.len()), (0, 2));
}

#[test]
fn a_beat_on_all_day_leads_to_misconfiguration() {
    let judged = judge(
        &Observables {
            literal_in_agent_text: Seen::No,
            inbound_precursor: Seen::No,
            outside_of_steps: Seen::Yes,
            periodic: Seen::Yes,
            aligned: Seen::No,
            ..Observables::default()
        },
        false,
    );
    assert_eq!(judged.rivals[0].hypothesis, RivalId::Misconfiguration);
}

#[test]
fn a_row_of_logins_before_leads_to_external_compromise() {
    let observables = |forced| Observables {
        literal_in_agent_text: Seen::No,
        inbound_precursor: Seen::Yes,
        precursor: Some(Precursor { forced, words: "somebody came in".to_owned() }),
        ..Observables::default()
    };
    let judged = judge(&observables(true), false);
    assert_eq!(judged.rivals[0].hypothesis, RivalId::ExternalCompromise);
    assert_eq!(judged.rivals[0].rows[1].observable, "somebody came in");
    // By hand: .2 against .95 for a human behind a row of failures; .7 against .95 for one behind an open way in.
    assert!((of(&judged, RivalId::Human).log10_lr + 0.6767).abs() < 1e-3);
    assert!((of(&judge(&observables(false), false), RivalId::Human).log10_lr + 0.1326).abs() < 1e-3);
}

#[test]
fn nothing_observed_decides_nothing() {
    let judged = judge(&Observables::default(), true);
    assert_eq!(leading(&judged.rivals), "undecided");
    assert!(judged.judgement.rows.is_empty() && judged.judgement.overturned_without.is_empty());
    assert_eq!(judged.judgement.missing.len(), 16);
    assert_eq!(judge(&Observables::default(), false).judgement.missing.len(), 10);
}

#[test]
fn what_is_missing_is_ranked_by_what_it_is_expected_to_tell() {
    let missing = judge(&Observables::default(), true).judgement.missing;
    // By hand, all hypotheses even: the process tree says yes with (4*.95 + 4*.02 + .2)/9 = .4533 and then spreads
    // log10(.95/.02) = 1.677, else log10(.98/.05) = 1.292: 1.467 in all.
    let tree = missing.iter().find(|row| row.source.contains("process tree")).unwrap();
    assert!((tree.expected_spread - 1.4666).abs() < 1e-3, "{}", tree.expected_spread);
    assert!(missing.windows(2).all(|pair| pair[0].expected_spread >= pair[1].expected_spread));
    // The verdicts of a firewall say yes with (7*.5 + .95 + .2)/9 = .5167: log10(.95/.2) = .677; else log10(.8/.05) = 1.204.
    let verdicts = missing.iter().find(|row| row.source.contains("verdicts")).unwrap();
    assert!((verdicts.expected_spread - 0.9317).abs() < 1e-3, "{}", verdicts.expected_spread);
}

#[test]
fn a_list_that_lacks_it_says_little() {
    let judged = |known| {
        let judged = judge(&Observables { known_elsewhere: known, ..written_and_aligned() }, true);
        of(&judged, RivalId::ExternalCompromise).log10_lr
    };
    let open = judged(Seen::Unknown);
    // By hand: .2 against .95 where it is listed; 1 - .2 * .2 = .96 against 1 - .2 * .95 = .81 where it is not.
    assert!((judged(Seen::Yes) - open - (0.95_f64 / 0.2).log10()).abs() < 1e-9);
    assert!((judged(Seen::No) - open - (0.81_f64 / 0.96).log10()).abs() < 1e-9);
}

#[test]
fn what_the_agent_said_counts_once_with_what_it_wrote() {
    let told = Observables { stated_purpose: Seen::Yes, ..written_and_aligned() };
    let (judged, without) = (judge(&told, true), judge(&written_and_aligned(), true));
    assert_eq!(judged.rivals, without.rivals, "the literal says more: log10(.95/.02) against log10(.7/.02)");
    let row = judged.judgement.rows.iter().find(|row| row.id == "stated-purpose").unwrap();
    assert!(!row.counts_in);
}

#[test]
fn a_call_that_was_let_through_is_no_mere_intent() {
    let judged = judge(&Observables { intent_only: Seen::No, ..written_and_aligned() }, true);
    assert_eq!(judged.rivals, judge(&written_and_aligned(), true).rivals);
    assert!(judged.judgement.rows.iter().all(|row| row.id != "intent-only"));
    assert!(judged.judgement.missing.iter().all(|row| !row.source.contains("output of the call")));
    // With the refusals it is one group: the row that says more counts, log10(.7/.02) against log10(.95/.2).
    let both = Observables { intent_only: Seen::Yes, refused: Seen::Yes, ..written_and_aligned() };
    let rows = judge(&both, true).judgement.rows;
    let counts = |id: &str| rows.iter().find(|row| row.id == id).unwrap().counts_in;
    assert_eq!((counts("intent-only"), counts("refused")), (true, false));
}

#[test]
fn counts_of_other_configurations_are_shown_beside_judged_cells() {
    let repeats = Some(Repeats { with: 1, others: 3 });
    let judged = judge(&Observables { same_command: Seen::Yes, repeats, ..Observables::default() }, true);
    let row = &judged.judgement.rows[0];
    assert_eq!((row.id, row.counts.as_str()), ("same-command", "under 1 of 3 other reward configurations or models"));
    // By hand: .7 against .5.
    assert!((of(&judged, RivalId::Agent).log10_lr + (0.7_f64 / 0.5).log10()).abs() < 1e-9);
    assert!(of(&judged, RivalId::Agent).rows[0].judged);
}

#[test]
fn what_no_source_could_show_is_unknown() {
    let of = |observable, seen| Seen::of(observable, seen);
    assert_eq!([of(false, false), of(false, true)], [Seen::Unknown, Seen::Unknown]);
    assert_eq!([of(true, true), of(true, false)], [Seen::Yes, Seen::No]);
}

#[test]
fn counts_of_idle_hours_and_of_strangers_take_the_place_of_classes() {
    let observables = Observables {
        outside_of_steps: Seen::Yes,
        idle: Some(Idle { outside: 4, connections: 4, share: 0.8 }),
        ..Observables::default()
    };
    let judged = judge(&observables, true);
    let row = &judged.judgement.rows[0];
    assert_eq!(
        (row.id, row.counts.as_str()),
        ("outside-of-steps", "4 of 4 connections while no call ran, 80 % of the time")
    );
    // By hand, as in the test of the counts: .1 for the agent against .9116 for who goes on regardless of calls.
    let agent = of(&judged, RivalId::Agent).log10_lr - of(&judged, RivalId::ExternalCompromise).log10_lr;
    assert!((agent - (0.1_f64 / 0.9116).log10()).abs() < 1e-3, "{agent}");
    let observables = Observables {
        other_hosts: Seen::Yes,
        strangers: Some(Strangers { peers: 24, shared: 20 }),
        ..Observables::default()
    };
    let judged = judge(&observables, true);
    let row = &judged.judgement.rows[0];
    assert_eq!(row.id, "other-hosts");
    assert!(row.counts.starts_with("20 of 24 other peers"), "{}", row.counts);
    // By hand: (20 + .5) / (24 + 1) for the agent against the class of .95 for a misconfiguration.
    assert!((of(&judged, RivalId::Agent).log10_lr + (0.95_f64 / 0.82).log10()).abs() < 1e-9);
}

#[test]
fn ancestry_is_told_of_the_row_that_it_is_of() {
    let observables = |tool, service| Observables {
        descends_from_tool: tool,
        service_parent: service,
        ancestry: Some("bash (7) of claude (5)".to_owned()),
        ..Observables::default()
    };
    let told = |tool, service| {
        let rows = judge(&observables(tool, service), true).judgement.rows;
        rows.into_iter().map(|row| row.observable).collect::<Vec<String>>()
    };
    assert_eq!(
        told(Seen::Yes, Seen::No),
        ["bash (7) of claude (5)", "the program that owns it does not descend from a service (sshd, Ray, cron, CI)"]
    );
    assert_eq!(
        told(Seen::No, Seen::Yes),
        ["the program that owns it does not descend from a tool's shell", "bash (7) of claude (5)"]
    );
}

// "Undecided if the best two are within 0.3 bans": at 0.3 they are apart.
#[test]
fn three_tenths_of_a_ban_decide() {
    let rival = |hypothesis, log10_lr| Rival { hypothesis, log10_lr, rows: Vec::new(), inconsistent: 0 };
    let led = |second| leading(&[rival(RivalId::Human, 0.0), rival(RivalId::Agent, second)]);
    assert_eq!([led(-0.3), led(-0.299), led(0.0)], ["human", "undecided", "undecided"]);
    assert_eq!((leading(&[]), leading(&[rival(RivalId::Human, 0.0)])), ("undecided", "human"));
}
