//! What the owners of traffic descend from, and what that says of a call.

use super::*;

const JOB: &str = "./job -o 198.51.100.20:3333";
const LATER_JOB: &str = "./later -o 198.51.100.20:3333";
const SCHEDULED: &str = "(crontab -l; echo '*/5 * * * * ./job -o 198.51.100.20:3333') | crontab -";

/// Whether what reached the pool descends from a tool and from a service, and the words for it. A trail shows the shells (4309,
/// 4310) of [`JOB`] and of [`LATER_JOB`], steps 1 and 2, sshd (790) and cron (640), and the pool's owners with their parents. The
/// step that is held to have done it may be one of these, or step 3, which schedules the job.
fn ancestry(step: Option<usize>, owners: &[(u32, u32)]) -> (Seen, Seen, Option<String>) {
    let (mut world, capture, transcript) = world();
    let audit = world.source("audit.log", Kind::Firewall, Basis::ExplicitOffset);
    world.step(transcript, Some((ms(0), ms(1_000))), "ls");
    for (at, command) in [(10_000, JOB), (20_000, LATER_JOB), (30_000, SCHEDULED)] {
        world.step(transcript, Some((ms(at), ms(at + 9_000))), command);
    }
    world.connection(capture, "10.20.0.5", POOL, ms(16_500));
    world.process(audit, ms(5_000), 790, None, "/usr/sbin/sshd");
    world.process(audit, ms(5_000), 640, None, "/usr/sbin/cron");
    for (at, pid, command) in [(10_100, 4309, JOB), (20_100, 4310, LATER_JOB)] {
        let shell = world.process(audit, ms(at), pid, Some(1200), "/usr/bin/bash");
        shell.command = Some(format!("bash -c '{command}'"));
    }
    for (pid, parent) in owners {
        // Within five seconds of the traffic, and after each parent began.
        let socket = world.process(audit, ms(20_500), *pid, Some(*parent), "/work/job");
        socket.flow = pool(ms(0)).signal.flow.map(|flow| Flow { src: None, src_port: None, ..flow });
    }
    for fact in &mut world.intake.facts.processes {
        fact.host = Some("h1".to_owned());
    }
    let seen = observe(&world.lay(), step, ms(16_500));
    (seen.descends_from_tool, seen.service_parent, seen.ancestry)
}

fn words(owner: u32, from: &str) -> Option<String> {
    Some(format!("process {owner} (/work/job) on h1 descends from {from}"))
}

#[test]
fn the_shell_of_a_call_speaks_for_the_agent_and_a_service_against_it() {
    let shell = words(5001, "the shell that ran step 1 of a1 (process 4309)");
    assert_eq!(ancestry(Some(1), &[(5001, 4309)]), (Seen::Yes, Seen::No, shell.clone()));
    assert_eq!(ancestry(None, &[(5001, 4309)]), (Seen::Yes, Seen::No, shell));
    let sshd = words(5001, "sshd (process 790)");
    assert_eq!(ancestry(Some(1), &[(5001, 790)]), (Seen::No, Seen::Yes, sshd));
}

#[test]
fn where_owners_disagree_or_none_is_known_it_stays_open() {
    let open = (Seen::Unknown, Seen::Unknown, None);
    assert_eq!(ancestry(Some(1), &[]), open);
    assert_eq!(ancestry(Some(1), &[(5001, 4309), (5002, 790)]), open);
    assert_eq!(ancestry(Some(1), &[(5001, 777)]), open, "a parent that the trail does not show");
}

#[test]
fn of_several_owners_the_one_of_the_step_itself_is_told() {
    let (first, later) = (
        words(5001, "the shell that ran step 1 of a1 (process 4309)"),
        words(5002, "the shell that ran step 2 of a1 (process 4310)"),
    );
    let owners = [(5001, 4309), (5002, 4310)];
    assert_eq!(ancestry(Some(1), &owners).2, first);
    assert_eq!(ancestry(Some(2), &owners).2, later);
    assert_eq!(ancestry(None, &owners).2, first);
}

#[test]
fn a_scheduler_says_nothing_of_a_call_that_schedules() {
    let cron = words(5001, "cron (process 640)");
    assert_eq!(ancestry(Some(1), &[(5001, 640)]), (Seen::No, Seen::Yes, cron));
    assert_eq!(ancestry(Some(3), &[(5001, 640)]), (Seen::Unknown, Seen::Unknown, None));
    // Other services have scheduled nothing.
    let sshd = words(5002, "sshd (process 790)");
    assert_eq!(ancestry(Some(3), &[(5001, 640), (5002, 790)]), (Seen::No, Seen::Yes, sshd));
}
