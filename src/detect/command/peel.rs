//! Programs that run another program: which of their words is that program.

use super::{Arg, Launcher, base_name};

/// How a wrapper's own words are told from the command it runs.
struct Shape {
    names: &'static [&'static str],
    /// Options that take a value in the next word.
    valued: &'static [&'static str],
    /// Words of its own in front of the command (the duration of `timeout`).
    operands: usize,
    /// `NAME=value` words may stand in front of the command.
    environment: bool,
    launcher: Option<Launcher>,
}

const fn shape(names: &'static [&'static str], valued: &'static [&'static str], operands: usize) -> Shape {
    Shape { names, valued, operands, environment: false, launcher: None }
}

const SHAPES: &[Shape] = &[
    Shape {
        environment: true,
        ..shape(
            &["sudo", "doas"],
            &[
                "-u",
                "-g",
                "-h",
                "-p",
                "-C",
                "-r",
                "-t",
                "-T",
                "-U",
                "-D",
                "-R",
                "--user",
                "--group",
                "--host",
                "--prompt",
                "--chdir",
                "--chroot",
                "--close-from",
                "--role",
                "--type",
                "--command-timeout",
                "--other-user",
            ],
            0,
        )
    },
    Shape { environment: true, ..shape(&["env"], &["-u", "-C", "--unset", "--chdir"], 0) },
    Shape { launcher: Some(Launcher::Nohup), ..shape(&["nohup"], &[], 0) },
    Shape { launcher: Some(Launcher::Setsid), ..shape(&["setsid"], &[], 0) },
    Shape {
        launcher: Some(Launcher::SelfDetached),
        ..shape(&["daemonize"], &["-a", "-c", "-e", "-E", "-l", "-o", "-p", "-u"], 0)
    },
    Shape {
        launcher: Some(Launcher::Systemd),
        ..shape(
            &["systemd-run"],
            &[
                "-p",
                "-u",
                "-M",
                "-H",
                "-E",
                "-t",
                "--unit",
                "--property",
                "--description",
                "--slice",
                "--uid",
                "--gid",
                "--nice",
                "--working-directory",
                "--setenv",
                "--on-active",
                "--on-boot",
                "--on-startup",
                "--on-calendar",
                "--on-unit-active",
                "--timer-property",
                "--machine",
                "--host",
            ],
            0,
        )
    },
    shape(&["nice"], &["-n", "--adjustment"], 0),
    shape(&["ionice"], &["-c", "-n", "-t", "--class", "--classdata"], 0),
    shape(&["chrt"], &["-T", "-P", "-D"], 1),
    shape(&["taskset"], &[], 1),
    shape(&["timeout", "gtimeout"], &["-k", "-s", "--kill-after", "--signal"], 1),
    shape(&["stdbuf"], &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    shape(&["time", "gtime"], &["-f", "-o", "--format", "--output"], 0),
    shape(&["exec"], &["-a"], 0),
    shape(
        &[
            "command",
            "builtin",
            "unbuffer",
            "chronic",
            "torsocks",
            "tsocks",
            "torify",
            "catchsegv",
            "busybox",
            "toybox",
            "dbus-run-session",
            "coproc",
            "fakeroot",
            "setarch",
        ],
        &[],
        0,
    ),
    shape(&["proxychains", "proxychains4"], &["-f"], 0),
    shape(
        &["xargs", "gxargs"],
        &[
            "-I",
            "-n",
            "-P",
            "-d",
            "-a",
            "-E",
            "-L",
            "-s",
            "--max-args",
            "--max-procs",
            "--replace",
            "--delimiter",
            "--arg-file",
            "--max-lines",
            "--max-chars",
        ],
        0,
    ),
    shape(&["strace", "ltrace"], &["-o", "-e", "-p", "-s", "-u", "-P", "-a", "-E"], 0),
    shape(&["numactl"], &["-N", "-m", "-i", "-C", "-p"], 0),
    shape(&["cpulimit"], &["-l", "--limit", "-p", "-e"], 0),
    shape(&["xvfb-run"], &["-n", "-e", "-f", "-s", "--server-args", "--server-num"], 0),
    shape(&["flock"], &["-w", "-E", "--timeout", "--conflict-exit-code"], 1),
    shape(&["chroot"], &[], 1),
    shape(
        &["unshare"],
        &["-S", "-G", "-R", "-w", "--setuid", "--setgid", "--root", "--wd", "--map-user", "--map-group"],
        0,
    ),
    shape(&["nsenter"], &["-t", "-S", "-G", "--target", "--setuid", "--setgid"], 0),
    shape(&["setpriv"], &["--reuid", "--regid", "--groups", "--inh-caps", "--bounding-set", "--ambient-caps"], 0),
    shape(&["runuser"], &["-u", "-g", "-G"], 0),
    shape(&["gosu", "su-exec"], &[], 1),
    shape(&["firejail"], &[], 0),
    shape(&["watch"], &["-n", "--interval"], 0),
    shape(&["parallel"], &["-j", "--jobs", "-a", "--arg-file"], 0),
];

/// Two words that run a command: `docker exec CONTAINER cmd`, `uv run cmd`.
const PAIRS: &[(&str, &str, Shape)] = &[
    ("docker", "exec", shape(&[], &["-u", "-e", "-w", "--user", "--env", "--workdir", "--env-file"], 1)),
    ("podman", "exec", shape(&[], &["-u", "-e", "-w", "--user", "--env", "--workdir", "--env-file"], 1)),
    ("kubectl", "exec", shape(&[], &["-n", "-c", "--namespace", "--container"], 1)),
    ("uv", "run", shape(&[], &["--with", "--python", "-p", "--extra", "--group", "--project", "--directory"], 0)),
    ("poetry", "run", shape(&[], &[], 0)),
    ("pipenv", "run", shape(&[], &[], 0)),
    ("conda", "run", shape(&[], &["-n", "-p", "--name", "--prefix"], 0)),
    ("mamba", "run", shape(&[], &["-n", "-p", "--name", "--prefix"], 0)),
];

/// A wrapper taken off.
pub(super) struct Peeled {
    /// Index of the inner program within the arguments.
    pub(super) command: usize,
    pub(super) launcher: Option<Launcher>,
    /// Variables that it sets for the command.
    pub(super) assignments: Vec<(String, String)>,
}

/// Index of the first word that is neither an option nor an option's value.
pub(super) fn operand(args: &[Arg], from: usize, valued: &[&str]) -> usize {
    let mut at = from;
    while let Some(arg) = args.get(at) {
        let text = arg.text.as_str();
        if text == "--" {
            return at + 1;
        }
        if !text.starts_with('-') || text == "-" {
            return at;
        }
        at += if takes_next(text, valued) { 2 } else { 1 };
    }
    at.min(args.len())
}

/// Whether an option word takes the next word as its value: `-p`, or a cluster whose last letter does.
fn takes_next(text: &str, valued: &[&str]) -> bool {
    if valued.contains(&text) {
        return true;
    }
    if text.starts_with("--") {
        return false;
    }
    let letters = text.trim_start_matches('-');
    letters.char_indices().any(|(index, letter)| {
        let is_valued = valued.iter().any(|option| option.strip_prefix('-') == Some(letter.encode_utf8(&mut [0; 4])));
        // The first letter with a value ends the cluster: what follows it in the word is that value.
        is_valued && letters.len() == index + letter.len_utf8() && !earlier_valued(letters, index, valued)
    })
}

fn earlier_valued(letters: &str, end: usize, valued: &[&str]) -> bool {
    letters
        .get(..end)
        .unwrap_or("")
        .chars()
        .any(|letter| valued.iter().any(|option| option.strip_prefix('-') == Some(letter.encode_utf8(&mut [0; 4]))))
}

/// Takes one wrapper off, if the program is one and runs something.
pub(super) fn peel(program: &str, args: &[Arg]) -> Option<Peeled> {
    let name = base_name(program);
    let first = args.first().map(|arg| arg.text.as_str()).unwrap_or("");
    if name == "ip" || name == "find" {
        return special(name, args);
    }
    let pair = PAIRS.iter().find(|(tool, verb, _)| *tool == name && *verb == first);
    let (shape, from) = match pair {
        Some((_, _, shape)) => (shape, 1),
        None => (SHAPES.iter().find(|shape| shape.names.contains(&name))?, 0),
    };
    if name == "command" && (first == "-v" || first == "-V") {
        return None;
    }
    let mut at = operand(args, from, shape.valued);
    let mut assignments = Vec::new();
    if shape.environment {
        while let Some((variable, value)) = args.get(at).and_then(|arg| arg.text.split_once('=')) {
            if variable.is_empty() || !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                break;
            }
            assignments.push((variable.to_owned(), value.to_owned()));
            at += 1;
        }
    }
    at += shape.operands;
    if args.get(at).is_some_and(|arg| arg.text == "--") {
        at += 1;
    }
    args.get(at)?;
    Some(Peeled { command: at, launcher: shape.launcher, assignments })
}

fn special(name: &str, args: &[Arg]) -> Option<Peeled> {
    let is = |at: usize, text: &str| args.get(at).is_some_and(|arg| arg.text == text);
    let command = if name == "ip" {
        let at = operand(args, 0, &["-n", "-netns"]);
        (is(at, "netns") && is(at + 1, "exec")).then_some(at + 3)?
    } else {
        args.iter().position(|arg| matches!(arg.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir"))? + 1
    };
    args.get(command)?;
    Some(Peeled { command, launcher: None, assignments: Vec::new() })
}
