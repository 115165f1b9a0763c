use super::*;
use crate::correlate::kit::{World, ip};

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
