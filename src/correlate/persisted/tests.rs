use crate::correlate::kit::{World, ms, rules, sandboxes};
use crate::correlate::{Analysis, analyze};
use crate::evidence::EvidenceId;
use crate::formats::Kind;
use crate::intake::Options;
use crate::model::Behaviour;
use crate::time::{Basis, SECOND};

const DAY_MS: i64 = 86_400_000;
/// The pool that is named nowhere but in what is installed.
const POOL: &str = "198.51.100.20:3333";
const MINER: &str = "./xmrig -o 198.51.100.20:3333 -u wallet";

/// Two sandboxes of two runs that see one volume, a third that does not; in each an episode on the first day and one, of the
/// same sandbox, two days later. All work honestly: a call to a peer of its own each minute.
fn case() -> String {
    let volume = "volumes = [\"/mnt/shared\"]";
    let image = "image = \"agent:7\"";
    sandboxes(&[&format!("{volume}\n{image}"), volume, image])
}

struct Case {
    world: World,
    capture: EvidenceId,
    /// First and later episode of each sandbox.
    episodes: [[EvidenceId; 2]; 3],
}

impl Case {
    fn new() -> Self {
        let mut world = World::with_case(&case());
        let capture = world.source("capture.pcap", Kind::Capture, Basis::ExplicitOffset);
        let episodes =
            ["a", "b", "c"].map(|of| [1, 2].map(|number| world.episode(&format!("{of}{number}.jsonl"), None)));
        for (host, both) in episodes.into_iter().enumerate() {
            for (number, episode) in both.into_iter().enumerate() {
                for call in 0..24 {
                    let at = number as i64 * 2 * DAY_MS + call * 60_000 + host as i64 * 10_000;
                    let peer = format!("203.0.{}.{}", 2 * host + number, call + 1);
                    world.step(episode, Some((ms(at), ms(at + 2_000))), &format!("curl http://{peer}/"));
                    world.connection(capture, SOURCES[host], &format!("{peer}:80"), ms(at + 1_000));
                }
            }
        }
        // Steps stand in order of their episodes.
        Case { world, capture, episodes }
    }

    /// A step of a first episode, a minute after its last call.
    fn step(&mut self, host: usize, later: usize, minute: i64, command: &str) {
        let at = later as i64 * 2 * DAY_MS + (24 + minute) * 60_000 + host as i64 * 10_000;
        self.world.step(self.episodes[host][later], Some((ms(at), ms(at + 1_000))), command);
    }

    /// Traffic to the pool each five minutes, four times, from a sandbox in its later episode.
    fn mined(&mut self, host: usize) {
        self.mined_from(host, 2 * DAY_MS + 125_000);
    }

    fn mined_from(&mut self, host: usize, first: i64) {
        for beat in 0..4 {
            let at = ms(first + beat * 300_000);
            let segment = self.world.connection(self.capture, SOURCES[host], POOL, at);
            segment.last = at.plus(60 * SECOND);
        }
    }

    fn analyze(mut self) -> Analysis {
        self.world.intake.steps.sort_by(|a, b| (&a.episode, a.index).cmp(&(&b.episode, b.index)));
        self.world.intake.episodes.sort_by(|a, b| a.id.cmp(&b.id));
        let options = Options { case: self.world.case, ..Options::default() };
        analyze(&self.world.intake, &options, rules())
    }
}

const SOURCES: [&str; 3] = ["10.20.0.5", "10.20.0.6", "10.20.0.7"];

/// Episode, steps and persistence of the findings of mining.
fn mining(analysis: &Analysis) -> Vec<(String, Vec<u32>, Option<String>)> {
    let findings = analysis.findings.iter().filter(|finding| finding.behaviour == Behaviour::Mining);
    findings
        .map(|one| (one.episode.clone(), one.steps.iter().map(|step| step.index).collect(), one.persistence.clone()))
        .collect()
}

#[test]
fn what_cron_starts_two_days_later_is_the_step_that_installed_it() {
    let mut case = Case::new();
    case.step(0, 0, 0, &format!("(crontab -l; echo '*/5 * * * * {MINER}') | crontab -"));
    case.mined(0);
    let said = "installed by step 24 of a1 (cron); met again in a2";
    assert_eq!(mining(&case.analyze()), [("a1".to_owned(), vec![24], Some(said.to_owned()))]);
}

#[test]
fn a_script_in_a_unit_keeps_the_origin_of_what_it_names() {
    let mut case = Case::new();
    case.step(0, 0, 0, &format!("printf '#!/bin/sh\\n{MINER}\\n' > /opt/beat.sh"));
    case.step(0, 0, 1, "cat > /etc/systemd/system/b.service <<'E'\n[Service]\nExecStart=/opt/beat.sh\nE");
    case.mined(0);
    let said = "installed by step 25 of a1 (systemd); met again in a2";
    assert_eq!(mining(&case.analyze()), [("a1".to_owned(), vec![25], Some(said.to_owned()))]);
}

#[test]
fn a_volume_takes_it_to_the_sandboxes_that_see_it_and_to_no_others() {
    for (host, expected) in [(1, Some("b2")), (2, None)] {
        let mut case = Case::new();
        case.step(0, 0, 0, &format!("printf '{MINER}\\n' > /mnt/shared/env/activate.sh"));
        case.mined(host);
        let found = mining(&case.analyze());
        let said = expected.map(|met| format!("installed by step 24 of a1 (volume /mnt/shared); met again in {met}"));
        assert_eq!(found.first().and_then(|(.., said)| said.clone()), said, "{found:?}");
        assert_eq!(found.iter().any(|(episode, ..)| episode == "a1"), expected.is_some());
    }
}

#[test]
fn an_image_takes_along_what_was_installed_before_it_was_made() {
    for (order, reaches) in [([0, 1], true), ([1, 0], false)] {
        let mut case = Case::new();
        let commands = [format!("echo '{MINER} &' >> ~/.bashrc"), "docker commit c1 agent:7".to_owned()];
        for (minute, which) in order.into_iter().enumerate() {
            case.step(0, 0, minute as i64, &commands[which]);
        }
        case.mined(2);
        let found = mining(&case.analyze());
        assert_eq!(found.iter().any(|(episode, ..)| episode == "a1"), reaches, "{found:?}");
        assert!(found.iter().all(|(.., said)| said.as_deref().is_some_and(|said| said.ends_with("met again in c2"))));
    }
}

#[test]
fn what_a_later_step_names_itself_is_its_own() {
    let mut case = Case::new();
    case.step(0, 0, 0, &format!("(crontab -l; echo '*/5 * * * * {MINER}') | crontab -"));
    case.step(0, 1, 0, MINER);
    // A second after the later step began.
    let at = ms(2 * DAY_MS + 24 * 60_000 + 1_000);
    case.world.connection(case.capture, SOURCES[0], POOL, at).last = at.plus(60 * SECOND);
    let found = mining(&case.analyze());
    assert_eq!(found, [("a2".to_owned(), vec![24], None)]);
}

#[test]
fn what_goes_on_while_no_episode_runs_there_is_told_by_its_host() {
    let said = |later_as_well: bool| {
        let mut case = Case::new();
        case.step(0, 0, 0, &format!("(crontab -l; echo '*/5 * * * * {MINER}') | crontab -"));
        case.mined_from(0, DAY_MS);
        if later_as_well {
            case.mined(0);
        }
        mining(&case.analyze()).into_iter().map(|(.., said)| said).collect::<Vec<_>>()
    };
    let nobody = "while no episode is known to run there from 10.20.0.5";
    assert_eq!(said(false), [Some(format!("installed by step 24 of a1 (cron); met again {nobody}"))]);
    assert_eq!(said(true), [Some(format!("installed by step 24 of a1 (cron); met again in a2, and {nobody}"))]);
}

// Both episodes of the first day go on for half an hour after the script was written; what it names is reached meanwhile.
#[test]
fn what_another_sandbox_gets_is_met_again_while_the_episode_still_runs() {
    let mut case = Case::new();
    case.step(0, 0, 0, &format!("printf '{MINER}\\n' > /mnt/shared/env/activate.sh"));
    case.step(0, 0, 30, "ls");
    case.step(1, 0, 30, "ls");
    case.mined_from(1, 26 * 60_000);
    let said = mining(&case.analyze()).into_iter().find(|(episode, ..)| episode == "a1").and_then(|(.., said)| said);
    assert_eq!(said.as_deref(), Some("installed by step 24 of a1 (volume /mnt/shared); met again in b1"));
}
