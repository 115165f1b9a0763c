use super::*;
use crate::model::{Mark, Secret};

/// Login, job and share of a cgminer session. Lines as in published captures (nesfit/DI-cryptominingdetection).
pub(super) fn stratum() -> Vec<Turn> {
    vec![
        client("{\"id\": 0, \"method\": \"mining.subscribe\", \"params\": [\"cgminer/3.7.2\"]}\n"),
        server(
            "{\"id\":0,\"result\":[[[\"mining.set_difficulty\",\"1\"],[\"mining.notify\",\"ae68\"]],\"0800\",4],\"error\":null}\n",
        ),
        client("{\"id\": 1, \"method\": \"mining.authorize\", \"params\": [\"1Worker.rig\", \"x\"]}\n"),
        server(
            "{\"id\":1,\"result\":true,\"error\":null}\n{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"b\"]}\n",
        ),
        client(
            "{\"params\": [\"1Worker.rig\", \"b\", \"01\", \"5f\", \"b2\"], \"id\": 4, \"method\": \"mining.submit\"}\n",
        ),
        server("{\"error\": null, \"id\": 4, \"result\": true}\n"),
        client(
            "{\"params\": [\"1Worker.rig\", \"b\", \"02\", \"5f\", \"b3\"], \"id\": 5, \"method\": \"mining.submit\"}\n",
        ),
        server("{\"error\": [21, \"Job not found\", null], \"id\": 5, \"result\": null}\n"),
    ]
}

/// getwork over HTTP as cgminer asks for it; "Qml0Y29pbjp4" is "Bitcoin:x" (`base64 -d`).
pub(super) fn getwork() -> Vec<Turn> {
    let body = r#"{"method": "getwork", "params": [], "id":0}"#;
    let work =
        format!(r#"{{"id":0,"error":null,"result":{{"data":"{}","target":"{}"}}}}"#, "0".repeat(256), "f".repeat(64));
    vec![
        client(&format!(
            "POST / HTTP/1.1\r\nAuthorization: Basic Qml0Y29pbjp4\r\nHost: p\r\nUser-Agent: cgminer 3.7.2\r\n\
             X-Mining-Extensions: longpoll midstate\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )),
        server(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Stratum: stratum+tcp://p:3333\r\n\r\n{work}",
            work.len()
        )),
    ]
}

#[test]
fn stratum_v1() {
    let seen = read(3333, &stratum());
    assert_eq!(seen[0].record, 1);
    let expected = Mining {
        dialect: "stratum-v1".to_owned(),
        methods: ["mining.authorize", "mining.notify", "mining.submit", "mining.subscribe"].map(str::to_owned).to_vec(),
        agent: Some("cgminer/3.7.2".to_owned()),
        login: Some(Secret::new("1Worker.rig")),
        worker: Some(Secret::new("rig")),
        mark: Mark::Exchange,
        jobs: 1,
        shares: 2,
        accepted: 1,
        rejected: 1,
        reasons: vec![("Job not found".to_owned(), 1)],
        first: Some(Instant(SECOND)),
        last: Some(Instant(8 * SECOND)),
        proof: vec![1, 4, 5],
        ..Mining::default()
    };
    assert_eq!(mining(&seen), expected);
}

#[test]
fn one_way_and_from_the_middle() {
    let all = stratum();
    let one_way = |opener: bool| read(25, &all.iter().filter(|turn| turn.0 == opener).cloned().collect::<Vec<_>>());
    let to_pool = mining(&one_way(true));
    assert_eq!((to_pool.jobs, to_pool.shares, to_pool.accepted), (0, 2, 0));
    let from_pool = mining(&one_way(false));
    assert_eq!((from_pool.dialect.as_str(), from_pool.jobs, from_pool.shares), ("stratum-v1", 1, 0));
    // The capture begins in the middle of a line.
    let mut middle = all[4..].to_vec();
    middle.insert(0, server("\",\"5f0a\",false]}\n"));
    let middle = mining(&read(443, &middle));
    assert_eq!(
        (middle.shares, middle.accepted, middle.login.as_ref().map(Secret::reveal)),
        (2, 1, Some("1Worker.rig"))
    );
}

#[test]
fn getwork_over_http() {
    let seen = read(8332, &getwork());
    let found = mining(&seen);
    assert_eq!((found.dialect.as_str(), found.jobs, found.shares), ("getwork", 1, 0));
    assert_eq!(
        (found.agent.as_deref(), found.login.as_ref().map(Secret::reveal)),
        (Some("cgminer 3.7.2"), Some("Bitcoin"))
    );
    assert_eq!(http(&seen[0]).status, Some(200));
}

#[test]
fn cryptonote() {
    let hash = "ab".repeat(32);
    let blob = "0c".repeat(76);
    let wallet = format!("4{}", "Bc".repeat(47));
    let job = format!(r#"{{"blob":"{blob}","job_id":"j1","target":"b88d0600"}}"#);
    let login = |extra: &str, name: &str| {
        client(&format!(
            "{{\"method\":\"login\",\"params\":{{\"login\":\"{name}\",\"pass\":\"x\"{extra}}},\"id\":1}}\n"
        ))
    };
    let logged = server(&format!(
        "{{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{{\"id\":\"s\",\"job\":{job},\"status\":\"OK\"}}}}\n"
    ));
    let share = client(&format!(
        "{{\"id\":2,\"method\":\"submit\",\"params\":{{\"id\":\"s\",\"job_id\":\"j1\",\"nonce\":\"d0030040\",\"result\":\"{hash}\"}}}}\n"
    ));
    let taken = server("{\"id\":2,\"error\":null,\"result\":{\"status\":\"OK\"}}\n");
    let pushed = server(&format!("{{\"jsonrpc\":\"2.0\",\"method\":\"job\",\"params\":{job}}}\n"));
    let whole = mining(&read(80, &[login("", &wallet), logged.clone(), share.clone(), taken, pushed.clone()]));
    assert_eq!((whole.dialect.as_str(), whole.jobs, whole.shares, whole.accepted), ("monero-login", 2, 1, 1));
    assert_eq!(whole.login.as_ref().map(Secret::reveal), Some(wallet.as_str()));
    assert_eq!(whole.proof, [1, 2, 3]);
    // Each of these is enough by itself.
    for alone in [login("", &wallet), login(r#","agent":"XMRig/6.21.0""#, "x"), logged, share, pushed] {
        assert_eq!(mining(&read(80, &[alone])).dialect, "monero-login");
    }
    // A login without a wallet, program or job is anybody's.
    assert_eq!(read(80, &[login("", "bob")]), []);
}

#[test]
fn ethereum() {
    let hash = "ab".repeat(32);
    let zero = format!("0000{}", "0f".repeat(30));
    let work = format!("{{\"id\":0,\"jsonrpc\":\"2.0\",\"result\":[\"0x{hash}\",\"0x{hash}\",\"0x{zero}\"]}}\n");
    let address = format!("0x{}", "9c".repeat(20));
    let turns = [
        client(&format!(
            "{{\"worker\": \"eth1.0\", \"jsonrpc\": \"2.0\", \"params\": [\"{address}/rig/mail\", \"x\"], \"id\": 2, \
             \"method\": \"eth_submitLogin\"}}\n"
        )),
        server("{\"id\":2,\"jsonrpc\":\"2.0\",\"result\":true}\n"),
        server(&work),
        client(&format!("{{\"id\":4,\"method\":\"eth_submitWork\",\"params\":[\"0x1\",\"0x{hash}\",\"0x{hash}\"]}}\n")),
        server("{\"id\":4,\"result\":true}\n"),
    ];
    let found = mining(&read(9999, &turns));
    assert_eq!((found.dialect.as_str(), found.jobs, found.shares, found.accepted), ("eth-proxy", 1, 1, 1));
    assert_eq!(found.login, Some(Secret::new(format!("{address}/rig/mail"))));
    let nicehash =
        client("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"m/1\",\"EthereumStratum/1.0.0\"]}\n");
    assert_eq!(mining(&read(3353, &[nicehash])).dialect, "nicehash");
}

#[test]
fn json_that_is_no_mining() {
    let hash = "ab".repeat(32);
    for text in [
        // A wallet, and three transactions in a list.
        "{\"jsonrpc\":\"2.0\",\"method\":\"eth_getBalance\",\"params\":[\"0x0\",\"latest\"],\"id\":1}\n".to_owned(),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[\"0x{hash}\",\"0x{hash}\",\"0x{hash}\"]}}\n"),
        "{\"method\":\"submit\",\"params\":{\"form\":1},\"id\":1}\n".to_owned(),
        "{\"method\":\"job\",\"params\":{\"job_id\":\"7\",\"name\":\"backup\"}}\n".to_owned(),
        "{\"msg\":\"mining.subscribe and mining.notify seen by the IDS\"}\n".to_owned(),
        "{\"method\":\"login\",\"params\":[\"bob\",\"secret\"]}\n".to_owned(),
        "[{\"type\":\"login\",\"user\":\"bob\"}]".to_owned(),
    ] {
        assert_eq!(read(3333, &[client(&text)]), [], "{text}");
        assert_eq!(read(3333, &[server(&text)]), [], "{text}");
    }
    let log = client(&"{\"level\":\"info\"}\n".repeat(100));
    let mut readers = TcpReaders::new(flow(3333), true);
    readers.data(true, &log.1, Instant(0), 1, &mut |_| {});
    assert!(readers.is_done(true) && readers.is_done(false));
}
