//! Variants of the pool protocols, message by message as their documents show them.

use super::*;
use crate::model::{Mark, Secret};

fn lines(turns: &[(bool, &str)]) -> Mining {
    let turns: Vec<Turn> = turns.iter().map(|(own, text)| (*own, format!("{text}\n").into_bytes())).collect();
    mining(&read(4444, &turns))
}

fn is_near(found: f64, expected: f64) -> bool {
    (found / expected - 1.0).abs() < 1e-9
}

/// EIP-1571, sections "Session handling" to "Solution submission": the messages of its examples.
#[test]
fn ethereum_stratum_2() {
    let seen = lines(&[
        (
            true,
            r#"{"id":0,"method":"mining.hello","params":{"agent":"ethminer-0.17","host":"somemininghost.com","port":"4d2","proto":"EthereumStratum/2.0.0"}}"#,
        ),
        (
            false,
            r#"{"id":0,"result":{"proto":"EthereumStratum/2.0.0","encoding":"gzip","resume":"1","timeout":"b4","maxerrors":"5","node":"Geth/v1.8.18"}}"#,
        ),
        (true, r#"{"id":1,"method":"mining.subscribe"}"#),
        (false, r#"{"id":1,"result":"s-12345"}"#),
        (true, r#"{"id":2,"method":"mining.authorize","params":["account.worker","password"]}"#),
        (false, r#"{"id":2,"result":"w-123"}"#),
        (
            false,
            r#"{"method":"mining.set","params":{"epoch":"dc","target":"0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba","algo":"ethash","extranonce":"af4c"}}"#,
        ),
        (
            false,
            r#"{"method":"mining.notify","params":["bf0488aa","6526d5","645cf20198c2f3861e947d4f67e3ab63b7b2e24dcc9095bd9123e7b33371f6cc","0"]}"#,
        ),
        (true, r#"{"id":31,"method":"mining.submit","params":["bf0488aa","68765fccd712","w-123"]}"#),
        (false, r#"{"id":31,"result":true}"#),
        (true, r#"{"id":16,"method":"mining.hashrate","params":["500000","w-123"]}"#),
        (true, r#"{"id":50,"method":"mining.noop"}"#),
        (true, r#"{"method":"mining.bye"}"#),
    ]);
    assert_eq!((seen.dialect.as_str(), seen.mark), ("ethereum-stratum-2", Mark::Exchange));
    assert_eq!((seen.jobs, seen.shares, seen.accepted), (1, 1, 1));
    assert_eq!(seen.agent.as_deref(), Some("ethminer-0.17"));
    assert_eq!((seen.login, seen.worker), (Some(Secret::new("account.worker")), Some(Secret::new("worker"))));
    assert_eq!(seen.algorithm.as_deref(), Some("ethash"));
    // 2^256 / 0x0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba, by Python's integers.
    assert!(is_near(seen.work.unwrap().hashes, 4.0e9));
}

/// NiceHash's EthereumStratum/1.0.0: the messages of its specification.
#[test]
fn nicehash() {
    let seen = lines(&[
        (true, r#"{"id": 1, "method": "mining.subscribe", "params": ["MinerName/1.0.0", "EthereumStratum/1.0.0"]}"#),
        (
            false,
            r#"{"id": 1, "result": [["mining.notify","ae6812eb4cd7735a302a8a9dd95cf71f","EthereumStratum/1.0.0"],"080c"],"error": null}"#,
        ),
        (true, r#"{"id": 2, "method": "mining.extranonce.subscribe", "params": []}"#),
        (false, r#"{"id": 2, "result": true, "error": null}"#),
        (true, r#"{"id": 3, "method": "mining.authorize", "params": ["test", "x"]}"#),
        (false, r#"{"id": null, "method": "mining.set_difficulty", "params": [0.5]}"#),
        (
            false,
            r#"{"id": null, "method": "mining.notify", "params": ["bf0488aa", "abad8f99f3918bf903c6a909d9bbc0fdfa5a2f4b9cb1196175ec825c6610126c", "645cf20198c2f3861e947d4f67e3ab63b7b2e24dcc9095bd9123e7b33371f6cc", true]}"#,
        ),
        (true, r#"{"id": 4, "method": "mining.submit", "params": ["test", "bf0488aa", "6a909d9bbc0f"]}"#),
        (false, r#"{"id": 4, "result": true, "error": null}"#),
        (true, r#"{"id": 5, "method": "mining.submit", "params": ["test", "bf0488aa", "6a909d9bbc0e"]}"#),
        (false, r#"{"id": 5, "result": false, "error": [-1, "Job not found", "NULL"]}"#),
        (false, r#"{"id": null, "method": "client.reconnect", "params": ["other.example", 3334, 0]}"#),
    ]);
    assert_eq!((seen.dialect.as_str(), seen.jobs, seen.shares), ("nicehash", 1, 2));
    assert_eq!((seen.accepted, seen.rejected, seen.reasons), (1, 1, vec![("Job not found".to_owned(), 1)]));
    assert_eq!(seen.redirect.as_deref(), Some("other.example:3334"));
    // Half of difficulty 1 is 2^31 tries.
    assert!(is_near(seen.work.unwrap().hashes, 2_147_483_648.0));
}

/// Bitcoin with rolled versions (BIP 310); the coinbase carries height 840000 (BIP 34: 03 40d10c), the time is that
/// block's.
#[test]
fn bitcoin_told_by_its_block() {
    let zeros = "0".repeat(64);
    let notify = format!(
        r#"{{"id":null,"method":"mining.notify","params":["6a","{zeros}","0100000001{zeros}ffffffff4b0340d10c04","0a2f706f6f6c2f",[],"20000000","17034219","66230597",true]}}"#
    );
    let seen = lines(&[
        (
            true,
            r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":2048}]}"#,
        ),
        (true, r#"{"id":2,"method":"mining.suggest_difficulty","params":[8]}"#),
        (false, r#"{"id":null,"method":"mining.set_difficulty","params":["8"]}"#),
        (false, &notify),
        (true, r#"{"id":9,"method":"mining.submit","params":["w","6a","01","66230597","00000001"]}"#),
        (false, r#"{"id":9,"result":true,"error":null}"#),
    ]);
    assert_eq!((seen.algorithm.as_deref(), seen.coin), (Some("sha256d"), Some("bitcoin")));
    assert!(is_near(seen.work.unwrap().hashes, 8.0 * 4_294_967_296.0));
    // The pool's job tells the time, 0x66230597, in the fourth packet; the share that repeats it does not.
    let told: Vec<_> = seen.told.iter().map(|job| (job.told, job.seen, job.record)).collect();
    assert_eq!(told, [(Instant(1_713_571_223 * SECOND), Instant(4 * SECOND), 4)]);
}

/// Zcash's stratum (ZIP 301): target by `mining.set_target`, jobs of eight parts.
#[test]
fn zcash() {
    let hash = "ab".repeat(32);
    let notify = format!(
        r#"{{"id":null,"method":"mining.notify","params":["4","04000000","{hash}","{hash}","{hash}","5a0c1f57","1c16e38a",true]}}"#
    );
    let target = format!(r#"{{"id":null,"method":"mining.set_target","params":["0007{}"]}}"#, "f".repeat(60));
    let seen = lines(&[
        (true, r#"{"id":1,"method":"mining.subscribe","params":["EWBF 0.3.4b",null,"host","3357"]}"#),
        (false, &target),
        (false, &notify),
        (
            true,
            &format!(r#"{{"id":4,"method":"mining.submit","params":["t1a.rig","4","5a0c1f57","00","fd4005{hash}"]}}"#),
        ),
        (false, r#"{"id":4,"result":true,"error":null}"#),
    ]);
    assert_eq!(seen.algorithm.as_deref(), Some("equihash"));
    // A target with 13 leading zero bits: one in 2^13.
    assert!((seen.work.unwrap().hashes / 8192.0 - 1.0).abs() < 1e-9);
}

#[test]
fn ravencoin_kaspa_conflux_ergo_alephium() {
    let hash = "ab".repeat(32);
    let small = format!("000000ff{}", "f".repeat(56));
    let told = |job: &str| {
        let seen = lines(&[(false, &format!(r#"{{"id":null,"method":"mining.notify","params":{job}}}"#))]);
        (seen.algorithm.unwrap_or_default(), seen.coin, seen.difficulty)
    };
    let (algorithm, coin, difficulty) = told(&format!(r#"["1f","{hash}","{hash}","{small}",true,2500000,"1b00c4a8"]"#));
    assert_eq!((algorithm.as_str(), coin), ("kawpow", None));
    assert!(is_near(difficulty.unwrap(), 16_777_216.0));
    let (algorithm, coin, _) = told(r#"["1",[12345678901234567,2,3,4],1690000000000]"#);
    assert_eq!((algorithm.as_str(), coin), ("kheavyhash", Some("kaspa")));
    let (algorithm, coin, difficulty) = told(&format!(r#"["0x1","12345","0x{hash}","0x{small}"]"#));
    assert_eq!((algorithm.as_str(), coin, difficulty.is_some()), ("octopus", Some("conflux"), true));
    let decimal = "7".repeat(70);
    let (algorithm, coin, difficulty) = told(&format!(r#"["6","553788","{hash}","","","2","{decimal}","",true]"#));
    assert_eq!((algorithm.as_str(), coin, difficulty), ("autolykos2", Some("ergo"), None));
    let (algorithm, coin, _) = told(&format!(
        r#"[{{"jobId":"1","fromGroup":0,"toGroup":1,"headerBlob":"{hash}","txsBlob":"","targetBlob":"ff"}}]"#
    ));
    assert_eq!((algorithm.as_str(), coin), ("blake3", Some("alephium")));
}

/// mimblewimble/grin, doc/stratum.md.
#[test]
fn grin() {
    let pre_pow = "00".repeat(238);
    let seen = lines(&[
        (
            true,
            r#"{"id":"0","jsonrpc":"2.0","method":"login","params":{"login":"login","pass":"password","agent":"grin-miner"}}"#,
        ),
        (false, r#"{"id":"0","jsonrpc":"2.0","method":"login","result":"ok","error":null}"#),
        (true, r#"{"id":"2","jsonrpc":"2.0","method":"getjobtemplate","params":null}"#),
        (
            false,
            &format!(
                r#"{{"id":"0","jsonrpc":"2.0","method":"job","params":{{"difficulty":1,"height":16375,"job_id":5,"pre_pow":"{pre_pow}"}}}}"#
            ),
        ),
        (
            true,
            &format!(
                r#"{{"id":"1","jsonrpc":"2.0","method":"submit","params":{{"edge_bits":29,"height":16419,"job_id":0,"nonce":8895699060858340771,"pow":[{}1]}}}}"#,
                "1,".repeat(41)
            ),
        ),
        (false, r#"{"id":"1","jsonrpc":"2.0","method":"submit","result":"ok","error":null}"#),
    ]);
    assert_eq!((seen.dialect.as_str(), seen.coin), ("grin", Some("grin")));
    assert_eq!((seen.jobs, seen.shares, seen.accepted, seen.work), (1, 1, 1, None));
}

/// A browser's miner (coinhive-stratum-mining-proxy): messages have types and no numbers.
#[test]
fn browser() {
    let (blob, hash) = ("07".repeat(76), "ab".repeat(32));
    let job = format!(r#"{{"type":"job","params":{{"job_id":"j","blob":"{blob}","target":"ffffff00"}}}}"#);
    let share = format!(r#"{{"type":"submit","params":{{"job_id":"j","nonce":"1a2b3c4d","result":"{hash}"}}}}"#);
    let seen = lines(&[
        (true, r#"{"type":"auth","params":{"version":7,"site_key":"K","type":"user","user":"bob","goal":0}}"#),
        (false, r#"{"type":"authed","params":{"token":"","hashes":0}}"#),
        (false, &job),
        (true, &share),
        (false, r#"{"type":"hash_accepted","params":{"hashes":256}}"#),
    ]);
    assert_eq!((seen.dialect.as_str(), seen.jobs, seen.shares, seen.accepted), ("coinhive", 1, 1, 1));
    assert_eq!((seen.login, seen.worker), (Some(Secret::new("K")), Some(Secret::new("bob"))));
    // 0x00ffffff is one in 256 of 32 bits.
    assert!((seen.work.unwrap().hashes / 256.0 - 1.0).abs() < 1e-6);
}

/// XMRig's login as xmrig-proxy documents it, several objects in a segment and one over several.
#[test]
fn monero_in_pieces() {
    let (blob, hash) = ("0c".repeat(76), "ab".repeat(32));
    let wallet = format!("4{}", "Bc".repeat(47));
    let login = format!(
        r#"{{"id":1,"jsonrpc":"2.0","method":"login","params":{{"login":"{wallet}+5000","pass":"x","rigid":"r9","agent":"XMRig/6.21.0 (Linux x86_64) libuv/1.38.0 gcc/9.3.0","algo":["rx/0","cn/r"]}}}}"#
    );
    let logged = format!(
        r#"{{"id":1,"jsonrpc":"2.0","error":null,"result":{{"id":"s","job":{{"blob":"{blob}","job_id":"j","target":"b88d0600","algo":"rx/0","height":3100000,"seed_hash":"{hash}"}},"extensions":["algo","nicehash"],"status":"OK"}}}}"#
    );
    let share = format!(
        r#"{{"id":2,"jsonrpc":"2.0","method":"submit","params":{{"id":"s","job_id":"j","nonce":"d0030040","result":"{hash}","algo":"rx/0"}}}}"#
    );
    let text = format!("{login}\n{share}\n");
    let (first, second) = text.split_at(100);
    let turns = [
        client(first),
        client(second),
        server(&format!(
            "{logged}\n{{\"id\":2,\"jsonrpc\":\"2.0\",\"error\":{{\"code\":-1,\"message\":\"Low difficulty share\"}}}}\n"
        )),
    ];
    let seen = mining(&read(80, &turns));
    assert_eq!((seen.algorithm.as_deref(), seen.coin), (Some("rx/0"), Some("monero")));
    assert_eq!((seen.accepted, seen.rejected, seen.reasons), (0, 1, vec![("Low difficulty share".to_owned(), 1)]));
    assert_eq!(seen.worker, Some(Secret::new("r9")));
    // 2^32 / 429496.
    assert!(is_near(seen.difficulty.unwrap(), 4_294_967_296.0 / 429_496.0));
    assert_eq!(seen.work, None);
}
