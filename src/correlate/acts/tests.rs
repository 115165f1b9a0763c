mod shared;

use super::*;
use crate::correlate::kit::{World, hit, ip};

fn endpoint() -> Token {
    Token::Endpoint(ip("198.51.100.20"), 3333)
}

#[test]
fn a_here_document_ends_at_its_word_and_tabs_may_lead() {
    let text = "cat > run.sh <<'EOF'\nset -e\n./job -o pool.example:3333\nEOF\nchmod +x run.sh";
    assert_eq!(here_document(text).as_deref(), Some("set -e\n./job -o pool.example:3333"));
    assert_eq!(here_document("cat <<-END > f\n\ta\n\tEND\nb").as_deref(), Some("\ta"));
    assert_eq!(here_document("echo 1"), None);
}

#[test]
fn who_runs_a_script_takes_over_what_an_earlier_step_wrote_into_it() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    let other = world.episode("b.jsonl", None);
    let writer = world.step(transcript, None, "true");
    let write = serde_json::json!({ "file_path": "/tmp/job.sh", "content": "nohup ./xmrig -o 198.51.100.20:3333 &\n" });
    world.intake.steps[writer].command = None;
    world.intake.steps[writer].tool = "Write".to_owned();
    world.intake.steps[writer].arguments = write.to_string();
    world.step(transcript, None, "ls -la /tmp");
    let runner = world.step(transcript, None, "bash /tmp/job.sh");
    let elsewhere = world.step(other, None, "bash /tmp/job.sh");
    let acts = world.acts();
    assert!(!acts[writer].tokens().contains(&endpoint()) && !acts[writer].network, "writing reaches nobody");
    assert_eq!(acts[writer + 1].script_from, None);
    assert_eq!(acts[runner].script_from, Some(writer));
    assert!(acts[runner].tokens().contains(&endpoint()) && acts[runner].network);
    assert!(acts[runner].leaves_running(), "the script's nohup is the step's");
    assert!(acts[runner].hits.iter().any(|hit| hit.behaviour == Behaviour::Mining), "{:?}", acts[runner].hits);
    // Files of another episode are another machine's, as far as is known.
    assert_eq!(acts[elsewhere].script_from, None);
    assert!(!acts[elsewhere].tokens().contains(&endpoint()));
}

#[test]
fn a_here_document_is_a_script_for_the_steps_after_it() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    let script = "import socket\nsocket.create_connection(('198.51.100.20', 3333))\nurl = 'http://198.51.100.20:3333/'";
    world.step(transcript, None, &format!("cat > /tmp/go.py <<'EOF'\n{script}\nEOF"));
    world.step(transcript, None, "python3 /tmp/go.py --threads 4");
    let acts = world.acts();
    assert_eq!(acts[1].script_from, Some(0));
    assert!(acts[1].tokens().contains(&Token::Address(ip("198.51.100.20"))), "{:?}", acts[1].tokens());
}

#[test]
fn the_last_writing_of_a_script_counts() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "echo 'curl http://203.0.113.80/' > go.sh");
    world.step(transcript, None, "echo 'curl http://198.51.100.20:3333/' > go.sh");
    world.step(transcript, None, "sh go.sh");
    let acts = world.acts();
    assert_eq!(acts[2].script_from, Some(1));
    assert!(acts[2].tokens().contains(&endpoint()));
    assert!(!acts[2].tokens().contains(&Token::Address(ip("203.0.113.80"))));
}

fn alone_in_the_world(command: &str) -> Act {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, command);
    world.acts().remove(0)
}

#[test]
fn what_a_command_waits_for_is_its_delay() {
    assert_eq!(alone_in_the_world("sleep 600 && curl http://203.0.113.80/").delay_ns, 600 * SECOND);
    assert_eq!(alone_in_the_world("curl http://203.0.113.80/; sleep 600").delay_ns, 0);
    assert_eq!(alone_in_the_world("curl http://203.0.113.80/").delay_ns, 0);
    // More than a day is a day: no horizon grows beyond that.
    assert_eq!(alone_in_the_world("sleep 18446744073709551615; curl http://203.0.113.80/").delay_ns, 86_400 * SECOND);
}

#[test]
fn what_is_only_mentioned_is_not_acted_on() {
    for command in [
        "echo 'see pool.example:3333 and 198.51.100.20'",
        "ls # 198.51.100.20:3333",
        "git commit -m 'drop http://pool.example/'",
    ] {
        let tokens = alone_in_the_world(command).tokens;
        let mentioned = |token: &&Token| !matches!(token, Token::Program(_));
        assert_eq!(tokens.iter().filter(mentioned).collect::<Vec<_>>(), Vec::<&Token>::new(), "{command}");
    }
    assert!(alone_in_the_world("curl http://198.51.100.20:3333/").tokens.contains(&endpoint()));
}

#[test]
fn a_tool_without_a_shell_that_fetches_reaches_out() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    for tool in ["WebFetch", "Read"] {
        let at = world.step(transcript, None, "");
        world.intake.steps[at].command = None;
        world.intake.steps[at].tool = tool.to_owned();
        world.intake.steps[at].arguments = r#"{"url":"http://198.51.100.20:3333/x"}"#.to_owned();
    }
    let acts = world.acts();
    assert!(acts[0].network && acts[0].tokens().contains(&endpoint()));
    assert!(!acts[1].network && acts[1].tokens().is_empty());
}

#[test]
fn only_names_that_nothing_resolves_leave_their_port_open() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "./xmrig -o pool.example:3333 -u wallet");
    world.step(transcript, None, "./xmrig -o dark.example:4444 -u wallet");
    world.dns("pool.example", "198.51.100.20");
    let mut acts = world.acts();
    note_unresolved(&mut acts, &world.names());
    assert!(!acts[0].tokens().contains(&Token::UnresolvedPort(3333)));
    assert!(acts[1].tokens().contains(&Token::UnresolvedPort(4444)));
}

#[test]
fn a_lead_alone_makes_no_suspect() {
    let suspect = |confidences: &[Confidence]| {
        Act {
            hits: confidences.iter().map(|confidence| hit(Behaviour::Mining, *confidence)).collect(),
            ..Act::default()
        }
        .is_suspect()
    };
    use Confidence::{Certain, Strong, Weak};
    assert!(!suspect(&[]) && !suspect(&[Weak]));
    assert!(suspect(&[Strong]) && suspect(&[Certain]) && suspect(&[Weak, Strong]));
}

#[test]
fn a_control_reaches_the_network_itself_and_installs_nothing() {
    let control = |network: bool, installs: bool| {
        Act { network, install: installs.then(Install::default), ..Act::default() }.is_control()
    };
    assert!(control(true, false));
    assert!(!control(true, true) && !control(false, false) && !control(false, true));
}

#[test]
fn what_runs_in_the_background_goes_on() {
    let launchers = |background: bool, command: &str| {
        let mut world = World::default();
        let transcript = world.episode("a.jsonl", None);
        let step = world.step(transcript, None, command);
        world.intake.steps[step].background = background;
        let act = world.acts().remove(step);
        assert_eq!(act.leaves_running(), !act.launchers.is_empty());
        act.launchers
    };
    assert_eq!(launchers(false, "curl http://203.0.113.80/"), Vec::<String>::new());
    assert_eq!(launchers(true, "curl http://203.0.113.80/"), ["run in background"]);
    assert_eq!(launchers(true, "nohup curl http://203.0.113.80/"), ["nohup"], "the command says how");
}

#[test]
fn only_what_ran_to_its_end_tells_the_time() {
    let told = |change: &dyn Fn(&mut Step)| {
        let mut world = World::default();
        let transcript = world.episode("a.jsonl", None);
        let step = world.step(transcript, None, "date");
        world.intake.steps[step].output = Some("Fri Nov 20 14:13:46 UTC 2026".to_owned());
        change(&mut world.intake.steps[step]);
        world.acts().remove(step).told.len()
    };
    assert_eq!(told(&|_| ()), 1);
    assert_eq!(told(&|step| step.background = true), 0);
    assert_eq!(told(&|step| step.not_executed = true), 0);
    assert_eq!(told(&|step| step.output = None), 0);
    // The last line of an output that was cut may be half of a time.
    assert_eq!(told(&|step| step.output_omitted_bytes = 1), 0);
}

#[test]
fn who_starts_or_builds_what_an_earlier_step_wrote_takes_it_over() {
    for (file, command, takes) in [
        ("/etc/systemd/system/beat.service", "systemctl start beat.service", true),
        ("/etc/systemd/system/beat.service", "systemctl start other.service", false),
        ("Dockerfile", "docker build -t agent:7 .", true),
        ("Dockerfile", "podman build .", true),
        ("Dockerfile", "docker run --rm agent:7", false),
        ("Dockerfile", "docker build -f ci.Dockerfile .", false),
        ("ci.Dockerfile", "docker build -f ci.Dockerfile .", true),
        ("ci.Dockerfile", "docker build --file docker/ci.Dockerfile .", true),
        ("ci.Dockerfile", "docker build .", false),
    ] {
        let mut world = World::default();
        let transcript = world.episode("a.jsonl", None);
        world.step(transcript, None, &format!("cat > {file} <<'E'\nRUN curl http://198.51.100.20:3333/x\nE"));
        world.step(transcript, None, command);
        let act = world.acts().remove(1);
        assert_eq!(act.script_from, takes.then_some(0), "{file}: {command}");
        assert_eq!(act.tokens().contains(&endpoint()), takes, "{file}: {command}");
    }
}

#[test]
fn tee_writes_a_script_as_a_redirection_does() {
    for (command, writes) in [
        ("tee /tmp/go.sh <<'E'\ncurl http://198.51.100.20:3333/\nE", true),
        ("cat > /tmp/go.sh <<'E'\ncurl http://198.51.100.20:3333/\nE", true),
        ("cat /tmp/go.sh <<'E'\ncurl http://198.51.100.20:3333/\nE", false),
    ] {
        let mut world = World::default();
        let transcript = world.episode("a.jsonl", None);
        world.step(transcript, None, command);
        world.step(transcript, None, "sh /tmp/go.sh");
        assert_eq!(world.acts()[1].tokens().contains(&endpoint()), writes, "{command}");
    }
}

#[test]
fn scripts_are_let_go_and_what_they_name_stays() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    world.step(transcript, None, "echo 'curl http://198.51.100.20:3333/' > go.sh");
    world.step(transcript, None, "sh go.sh && docker commit c1 agent:7");
    let mut acts = world.acts();
    let before: Vec<BTreeSet<Token>> = acts.iter().map(|act| act.tokens().clone()).collect();
    assert!(!acts[0].written.is_empty() && !acts[1].images.is_empty() && !acts[1].ran.is_empty());
    let_go(&mut acts);
    assert!(acts.iter().all(|act| act.written.is_empty() && act.images.is_empty() && act.ran.is_empty()));
    assert_eq!(acts.iter().map(|act| act.tokens().clone()).collect::<Vec<_>>(), before);
}

#[test]
fn what_tools_print_resolves_names() {
    let mut world = World::default();
    let transcript = world.episode("a.jsonl", None);
    for output in [None, Some("Connecting to pool.example (198.51.100.20:3333)"), Some("nothing")] {
        let step = world.step(transcript, None, "wget pool.example:3333");
        world.intake.steps[step].output = output.map(str::to_owned);
    }
    assert_eq!(printed_resolutions(&world.intake), [("pool.example".to_owned(), ip("198.51.100.20"))]);
}
