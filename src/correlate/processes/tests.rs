use super::*;
use crate::correlate::attribute::Attribution;
use crate::correlate::kit::{World, ip, ms};
use crate::formats::Kind;
use crate::model::{Behaviour, Protocol, Signal};
use crate::time::{Basis, Span};

const CASE: &str = "[[host]]\nname = \"h1\"\naddresses = [\"10.20.0.5\"]\nagent = true\n\
                    [[host]]\nname = \"h2\"\naddresses = [\"10.20.0.6\"]\n\
                    [[run]]\ntranscripts = \"a*.jsonl\"\nhost = \"h1\"\n";
const COMMAND: &str = "./job -o 198.51.100.20:3333";

/// A trail of one machine beside the transcript of an agent that ran [`COMMAND`] from ten to twenty seconds.
struct Trail {
    world: World,
    audit: EvidenceId,
    host: Option<&'static str>,
}

impl Trail {
    fn new(host: Option<&'static str>) -> Trail {
        let mut world = World::with_case(CASE);
        let audit = world.source("audit.log", Kind::Firewall, Basis::ExplicitOffset);
        let transcript = world.episode("a1.jsonl", None);
        world.step(transcript, Some((ms(0), ms(1_000))), "ls");
        world.step(transcript, Some((ms(10_000), ms(20_000))), COMMAND);
        Trail { world, audit, host }
    }

    fn fact(&mut self, at: i64, pid: u32, parent: Option<u32>, program: &str) -> &mut ProcessFact {
        let fact = self.world.process(self.audit, ms(at), pid, parent, program);
        fact.host = self.host.map(str::to_owned);
        fact
    }

    fn runs(&mut self, at: i64, pid: u32, parent: u32, program: &str, command: &str) {
        self.fact(at, pid, Some(parent), program).command = Some(command.to_owned());
    }

    fn connects(&mut self, at: i64, pid: u32, parent: Option<u32>, program: &str) {
        self.fact(at, pid, parent, program).flow = Some(to_pool(None));
    }

    fn descents(self, one: Traced) -> Vec<(Origin, String)> {
        let laid = self.world.lay();
        let steps = laid.steps();
        let processes = Processes::new(&steps, &laid.clocks, &laid.world.case);
        let asked = Asked { clocks: &laid.clocks, case: &laid.world.case };
        processes.descents(&[&one], &steps, &asked).into_iter().map(|one| (one.from, one.words)).collect()
    }
}

fn to_pool(src: Option<&str>) -> Flow {
    Flow {
        src: src.map(ip),
        src_port: None,
        dst: Some(ip("198.51.100.20")),
        dst_port: Some(3333),
        protocol: Some(Protocol::TCP),
    }
}

fn signal(source: SignalSource, at: i64, record: Record) -> Traced {
    let signal = Signal {
        span: Some(Span::at(ms(at), Basis::ExplicitOffset)),
        flow: (source == SignalSource::Network).then(|| to_pool(Some("10.20.0.5"))),
        records: vec![record],
        ..Signal::new(Behaviour::Mining, source)
    };
    Traced { signal, attribution: Attribution { best: None }, timed: true }
}

/// Traffic from 10.20.0.5 to the pool at twelve seconds.
fn traffic() -> Traced {
    signal(SignalSource::Network, 12_000, Record { evidence: EvidenceId(9), number: 1 })
}

#[test]
fn a_socket_is_traced_to_the_shell_of_the_step() {
    let mut trail = Trail::new(Some("h1"));
    trail.runs(10_100, 4309, 1200, "/usr/bin/bash", &format!("bash -c '{COMMAND}'"));
    trail.runs(10_200, 4311, 4309, "/work/job", COMMAND);
    trail.connects(11_900, 4311, Some(4309), "/work/job");
    let words = "process 4311 (/work/job) on h1 descends from the shell that ran step 1 of a1 (process 4309)";
    assert_eq!(trail.descents(traffic()), [(Origin::Tool(1), words.to_owned())]);
}

#[test]
fn a_shell_that_became_its_program_is_the_same_process() {
    // A shell runs the last command of its text in its own place: pid and parent stay.
    let mut trail = Trail::new(None);
    trail.runs(10_100, 4309, 1200, "/usr/bin/bash", &format!("bash -c '{COMMAND}'"));
    trail.runs(10_200, 4309, 1200, "/work/job", COMMAND);
    trail.connects(11_900, 4309, Some(1200), "/work/job");
    assert_eq!(trail.descents(traffic())[0].0, Origin::Tool(1));
}

#[test]
fn a_pid_that_came_again_is_another_process() {
    // By hand: pid 4309 is the tool's shell until 11 s, when sshd starts another process of that number, whose child
    // connects.
    let trail = |reused: bool| {
        let mut trail = Trail::new(Some("h1"));
        trail.fact(5_000, 790, None, "/usr/sbin/sshd");
        trail.runs(10_100, 4309, 1200, "/usr/bin/bash", &format!("bash -c '{COMMAND}'"));
        if reused {
            trail.runs(11_000, 4309, 790, "/usr/bin/bash", "-bash");
        }
        trail.runs(11_500, 5000, 4309, "/work/job", COMMAND);
        trail.connects(11_900, 5000, Some(4309), "/work/job");
        trail.descents(traffic())
    };
    assert_eq!(trail(false)[0].0, Origin::Tool(1));
    let words = "process 5000 (/work/job) on h1 descends from sshd (process 790)";
    assert_eq!(trail(true), [(Origin::Service { scheduler: false }, words.to_owned())]);
    // What began later is nobody's parent.
    let mut late = Trail::new(Some("h1"));
    late.connects(11_900, 5000, Some(4309), "/work/job");
    late.runs(12_500, 4309, 1200, "/usr/bin/bash", &format!("bash -c '{COMMAND}'"));
    assert_eq!(late.descents(traffic()), []);
}

#[test]
fn what_the_trail_does_not_tell_is_not_made_up() {
    // No shell of a step, and no service: an ancestor is missing.
    let mut trail = Trail::new(Some("h1"));
    trail.connects(11_900, 4311, Some(4309), "/work/job");
    assert_eq!(trail.descents(traffic()), []);
    // Adopted by the first process: who started it is not told.
    let mut adopted = Trail::new(Some("h1"));
    adopted.fact(0, 1, None, "/usr/sbin/sshd");
    adopted.connects(11_900, 4311, Some(1), "/work/job");
    assert_eq!(adopted.descents(traffic()), []);
    // The text of another command.
    let mut other = Trail::new(Some("h1"));
    other.runs(10_100, 4309, 1200, "/usr/bin/bash", "bash -c 'make all'");
    other.connects(11_900, 4309, Some(1200), "/usr/bin/bash");
    assert_eq!(other.descents(traffic()), []);
    // The same command, an hour after the step had ended.
    let mut later = Trail::new(Some("h1"));
    later.runs(3_620_000, 4309, 1200, "/usr/bin/bash", &format!("bash -c '{COMMAND}'"));
    later.connects(3_621_000, 4309, Some(1200), "/work/job");
    let at = signal(SignalSource::Network, 3_621_000, Record { evidence: EvidenceId(9), number: 1 });
    assert_eq!(later.descents(at), []);
}

#[test]
fn a_socket_of_another_machine_or_another_time_is_not_the_owner() {
    let owners = |host: &'static str, at: i64| {
        let mut trail = Trail::new(Some(host));
        trail.fact(5_000, 790, None, "sshd");
        trail.connects(at, 5000, Some(790), "/work/job");
        trail.descents(traffic()).len()
    };
    assert_eq!((owners("h1", 11_900), owners("H1", 11_900)), (1, 1));
    assert_eq!(owners("h2", 11_900), 0, "the case says that 10.20.0.5 is h1");
    assert_eq!(owners("h1", 30_000), 0, "eighteen seconds later");
}

/// What a poll of a GPU at a minute, of which the signal is, is traced to. A trail of host h1 has cron (640), which runs /opt/job
/// (9917).
fn gpu_owner(name: &str, at: i64, change: impl FnOnce(&mut Trail)) -> Vec<Origin> {
    let mut trail = Trail::new(Some("h1"));
    let record = Record { evidence: trail.world.source("gpu.csv", Kind::Gpu, Basis::ExplicitOffset), number: 7 };
    let span = Span::at(ms(at), Basis::ExplicitOffset);
    trail.fact(5_000, 640, None, "/usr/sbin/cron");
    trail.runs(6_000, 9917, 640, "/opt/job", "/opt/job");
    let fact = trail.world.gpu_process(record.evidence, name, [span, span]);
    (fact.first_record, fact.last_record, fact.polls) = (record, record, 1);
    change(&mut trail);
    trail.descents(signal(SignalSource::Gpu, at, record)).into_iter().map(|one| one.0).collect()
}

const CRON: Origin = Origin::Service { scheduler: true };

#[test]
fn a_gpu_is_traced_by_pid_and_program_to_what_was_running_then() {
    let owner = |name: &str, at: i64| gpu_owner(name, at, |_| ());
    assert_eq!(owner("job", 60_000), [CRON]);
    assert_eq!(owner("python3", 60_000), [], "another program has the pid by then");
    assert_eq!(owner("job", 1_000), [], "before it began");
}

#[test]
fn a_gpu_is_traced_on_the_machine_that_it_is_declared_to_be_in_or_on_the_only_one() {
    // A second machine, on which a program of that pid and name is sshd's.
    let second = |trail: &mut Trail| {
        for (at, pid, parent, program) in [(5_000, 790, None, "sshd"), (6_000, 9917, Some(790), "/opt/job")] {
            trail.fact(at, pid, parent, program).host = Some("h2".to_owned());
        }
    };
    let declare = |trail: &mut Trail, gpu: &str| {
        trail.world.case = CaseFile::parse(&format!("{CASE}{gpu}"), "case.toml").unwrap();
    };
    let sshd = Origin::Service { scheduler: false };
    assert_eq!(gpu_owner("job", 60_000, second), [], "it may be in either");
    for (host, expected) in [("h1", CRON), ("H1", CRON), ("h2", sshd)] {
        let found = gpu_owner("job", 60_000, |trail| {
            second(trail);
            declare(trail, &format!("[gpu]\nhost = \"{host}\"\n"));
        });
        assert_eq!(found, [expected], "{host}");
    }
    let found = gpu_owner("job", 60_000, |trail| declare(trail, "[gpu]\nhost = \"h9\"\n"));
    assert_eq!(found, [], "the only machine at hand is another one");
}

#[test]
fn only_the_polls_of_the_signal_are_traced() {
    let other = |trail: &mut Trail| {
        for fact in &mut trail.world.intake.facts.gpu_processes {
            (fact.first_record.number, fact.last_record.number) = (8, 9);
        }
    };
    assert_eq!(gpu_owner("job", 60_000, other), []);
    let accounted = |trail: &mut Trail| trail.world.intake.facts.gpu_processes[0].accounted_ms = Some(1_000);
    assert_eq!(gpu_owner("job", 60_000, accounted), [], "what is accounted afterwards has no time of its own");
}

#[test]
fn a_socket_is_the_openers_end_by_its_address_and_its_machine() {
    let owners = |source: &str, own: Option<&str>| {
        let mut trail = Trail::new(None);
        trail.world.case = CaseFile::parse(&format!("{CASE}{source}"), "case.toml").unwrap();
        trail.fact(5_000, 790, None, "sshd");
        trail.fact(11_900, 5000, Some(790), "/work/job").flow = Some(to_pool(own));
        trail.descents(traffic()).into_iter().map(|one| one.1).collect::<Vec<_>>()
    };
    let words = |place: &str| vec![format!("process 5000 (/work/job){place} descends from sshd (process 790)")];
    assert_eq!(owners("", None), words(""));
    assert_eq!(owners("", Some("10.20.0.5")), words(""));
    assert_eq!(owners("", Some("10.20.0.9")), Vec::<String>::new(), "a socket of another address");
    // A trail that names no machine is of the one that the case declares.
    let declared = |host: &str| format!("[[source]]\npath = \"audit.log\"\nhost = \"{host}\"\n");
    assert_eq!(owners(&declared("h1"), None), words(" on h1"));
    assert_eq!(owners(&declared("h2"), None), Vec::<String>::new(), "the case says that 10.20.0.5 is h1");
}

#[test]
fn a_trail_without_a_date_tells_of_no_process_and_an_assumed_zone_is_a_date() {
    for (basis, owners) in [(Basis::AssumedZone, 1), (Basis::UnknownYear, 0), (Basis::BootRelative, 0)] {
        let mut trail = Trail::new(Some("h1"));
        trail.world.intake.sources[trail.audit.0 as usize].basis = Some(basis);
        trail.fact(5_000, 790, None, "sshd");
        trail.connects(11_900, 5000, Some(790), "/work/job");
        for fact in &mut trail.world.intake.facts.processes {
            fact.span = fact.span.map(|span| Span { basis, ..span });
        }
        assert_eq!(trail.descents(traffic()).len(), owners, "{basis:?}");
    }
}

#[test]
fn a_service_is_found_up_to_the_deepest_ancestor_and_is_not_its_own() {
    let found = |depth: u32| {
        let mut trail = Trail::new(Some("h1"));
        // Each process is the child of the next; the last is sshd.
        for place in 1..depth {
            trail.fact(5_000, 5000 + place, Some(5001 + place), "/work/step");
        }
        if depth > 0 {
            trail.fact(4_000, 5000 + depth, None, "/usr/sbin/sshd");
        }
        let program = if depth > 0 { "/work/job" } else { "/usr/sbin/sshd" };
        trail.connects(11_900, 5000, (depth > 0).then_some(5001), program);
        trail.descents(traffic()).len()
    };
    assert_eq!((found(1), found(63)), (1, 1));
    assert_eq!(found(64), 0, "the sixty-fifth of a chain is not looked at");
    assert_eq!(found(0), 0, "a service that connects itself descends from nothing that is known");
}

#[test]
fn of_a_step_without_times_a_long_command_speaks_that_nobody_else_gave() {
    let origin = |command: &str, again: bool| {
        let mut trail = Trail::new(Some("h1"));
        let transcript = trail.world.episode("a2.jsonl", None);
        let step = trail.world.step(transcript, None, command);
        if again {
            trail.world.step(transcript, None, command);
        }
        trail.runs(10_100, 4309, 1200, "/usr/bin/bash", &format!("bash -c '{command}'"));
        trail.connects(11_900, 4309, Some(1200), "/work/job");
        trail.descents(traffic()).into_iter().map(|one| one.0 == Origin::Tool(step)).collect::<Vec<_>>()
    };
    // By hand: 16 characters and 15.
    assert_eq!(origin("./work/job --all", false), [true]);
    assert_eq!(origin("./work/job --al", false), Vec::<bool>::new());
    assert_eq!(origin("./work/job --all", true), Vec::<bool>::new(), "it may have been either");
}

#[test]
fn a_program_that_a_trail_shows_is_its_own_owner() {
    let mut trail = Trail::new(Some("h1"));
    trail.fact(5_000, 790, None, "raylet");
    trail.runs(11_000, 5000, 790, "/work/xmrig", "/work/xmrig -o 198.51.100.20:3333");
    let record = Record { evidence: trail.audit, number: 2 };
    let words = "process 5000 (/work/xmrig) on h1 descends from raylet (process 790)";
    let found = trail.descents(signal(SignalSource::Host, 11_000, record));
    assert_eq!(found, [(Origin::Service { scheduler: false }, words.to_owned())]);
}
