//! Pool protocols in JSON-RPC: Stratum and its kin, told by the shape of messages, never by a word in them.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::Packet;
use super::http_head::Fields;
use crate::model::Mining;
use crate::time::Instant;

/// Bound on the distinct methods named.
const METHODS_KEPT: usize = 256;
/// Bound on requests that wait for their answers.
const WAITING: usize = 256;
/// Bound on the length of a name kept from a message.
const TEXT_MAX: usize = 512;

/// What a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Stream,
    Http,
}

/// What a request asks for, for reading its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Login,
    Job,
    Share,
    Other,
}

/// Gathers what one conversation says of mining.
#[derive(Default)]
pub(super) struct Tracker {
    /// Set by the first message that only a miner or a pool sends.
    dialect: Option<&'static str>,
    mining: Mining,
    methods: BTreeSet<String>,
    waiting: VecDeque<(bool, String, Asked)>,
    /// A `login` that has the shape of a miner's, in a conversation that has shown nothing else yet.
    candidate: Option<Packet>,
    first: Option<Packet>,
    last: Option<Instant>,
    first_login: Option<u64>,
    first_job: Option<u64>,
    first_share: Option<u64>,
    /// From HTTP heads, for the case that their bodies are mining.
    agent: Option<String>,
    login: Option<String>,
}

impl Tracker {
    /// Whether anything so far proves a pool protocol.
    pub(super) fn is_mining(&self) -> bool {
        self.dialect.is_some()
    }

    /// The head of a request.
    pub(super) fn request_head(&mut self, fields: &Fields, target: &str, packet: Packet) {
        if self.agent.is_none() {
            self.agent = fields.user_agent.as_deref().map(cut);
        }
        if self.login.is_none() {
            self.login = fields.authorization.as_deref().and_then(basic_user).or_else(|| ethereum_address(target));
        }
        if fields.mining {
            self.proves("getwork", packet);
            self.first_login.get_or_insert(packet.record);
        }
    }

    /// The head of an answer that has a pool's own fields.
    pub(super) fn response_head(&mut self, packet: Packet) {
        self.proves("getwork", packet);
    }

    /// An answer too long to be read: a block template is, and nothing else that was asked for.
    pub(super) fn large_answer(&mut self, packet: Packet) {
        if self.waiting.back().is_some_and(|(_, _, asked)| *asked == Asked::Job) {
            self.waiting.pop_back();
            self.job(packet);
        }
    }

    /// One JSON value: a message or a batch of them.
    pub(super) fn message(&mut self, value: &Value, packet: Packet, via: Via) {
        match value {
            Value::Object(message) => self.object(message, packet, via),
            Value::Array(batch) => {
                for message in batch.iter().filter_map(Value::as_object) {
                    self.object(message, packet, via);
                }
            }
            _ => {}
        }
    }

    /// What was seen, with the packet of the first proof. `None` if it was no mining.
    pub(super) fn finish(self) -> Option<(Packet, Mining)> {
        let (dialect, first) = (self.dialect?, self.first?);
        let mut proof: Vec<u64> = [self.first_login, self.first_job, self.first_share].into_iter().flatten().collect();
        if proof.is_empty() {
            proof.push(first.record);
        }
        proof.sort_unstable();
        proof.dedup();
        let mining = Mining {
            dialect: dialect.to_owned(),
            methods: self.methods.into_iter().collect(),
            agent: self.mining.agent.or(self.agent),
            login: self.mining.login.or(self.login),
            first: Some(first.at),
            last: self.last,
            proof,
            ..self.mining
        };
        Some((first, mining))
    }

    fn object(&mut self, message: &Map<String, Value>, packet: Packet, via: Via) {
        let id = message.get("id").filter(|id| !id.is_null());
        // Browser miners name the method "type" (coinhive-stratum-mining-proxy).
        let method = message.get("method").or_else(|| message.get("type").filter(|_| message.contains_key("params")));
        match (method.and_then(Value::as_str), message.get("params")) {
            (Some(method), params) => {
                let params = params.unwrap_or(&Value::Null);
                let asked = self.request(method, params, message, packet, via);
                if let Some(asked) = asked {
                    if self.methods.len() < METHODS_KEPT {
                        self.methods.insert(cut(method));
                    }
                    if let Some(id) = id {
                        self.waiting.push_back((packet.from_opener, id.to_string(), asked));
                        if self.waiting.len() > WAITING {
                            self.waiting.pop_front();
                        }
                    }
                }
            }
            (None, _) => {
                if let Some(result) = message.get("result") {
                    self.answer(id, result, message, packet, via);
                }
            }
        }
        if self.is_mining() || self.candidate.is_some() {
            self.last = Some(packet.at);
        }
    }

    fn proves(&mut self, dialect: &'static str, packet: Packet) {
        let first = self.candidate.unwrap_or(packet);
        self.first.get_or_insert(first);
        self.last = Some(packet.at);
        match (self.dialect, dialect) {
            (None, _)
            // A variant of Stratum names itself later than its first message.
            | (Some("stratum-v1"), "nicehash" | "ethereum-stratum-2")
            // HTTP fields come before the body that says which of the two it is.
            | (Some("getwork"), "getblocktemplate" | "eth-getwork") => self.dialect = Some(dialect),
            _ => {}
        }
    }

    fn job(&mut self, packet: Packet) {
        self.mining.jobs = self.mining.jobs.saturating_add(1);
        self.first_job.get_or_insert(packet.record);
    }

    fn share(&mut self, packet: Packet) {
        self.mining.shares = self.mining.shares.saturating_add(1);
        self.first_share.get_or_insert(packet.record);
    }

    fn logged_in(&mut self, packet: Packet, login: Option<&str>, agent: Option<&str>) {
        self.first_login.get_or_insert(packet.record);
        if self.mining.login.is_none() {
            self.mining.login = login.filter(|login| !login.is_empty()).map(cut);
        }
        if self.mining.agent.is_none() {
            self.mining.agent = agent.filter(|agent| !agent.is_empty()).map(cut);
        }
    }

    /// A request or notification. `None` if the method is none of a pool protocol.
    fn request(
        &mut self,
        method: &str,
        params: &Value,
        message: &Map<String, Value>,
        packet: Packet,
        via: Via,
    ) -> Option<Asked> {
        let list = params.as_array().map(Vec::as_slice);
        let text = |index: usize| list.and_then(|list| list.get(index)).and_then(Value::as_str);
        let named = |key: &str| params.get(key).and_then(Value::as_str);
        let ethereum = if via == Via::Http { "eth-getwork" } else { "eth-proxy" };
        match method {
            "mining.subscribe" => {
                let nicehash = text(1).is_some_and(|protocol| protocol.starts_with("EthereumStratum/1"));
                self.proves(if nicehash { "nicehash" } else { "stratum-v1" }, packet);
                self.logged_in(packet, None, text(0));
            }
            "mining.authorize" if list.is_some() => {
                self.proves("stratum-v1", packet);
                self.logged_in(packet, text(0), None);
            }
            "mining.submit" if list.is_some() => {
                self.proves("stratum-v1", packet);
                self.share(packet);
                if self.mining.login.is_none() {
                    self.mining.login = text(0).map(cut);
                }
                return Some(Asked::Share);
            }
            "mining.notify" if list.is_some() => {
                self.proves("stratum-v1", packet);
                self.job(packet);
            }
            // EIP-1571: EthereumStratum/2.0.0.
            "mining.hello" => {
                self.proves("ethereum-stratum-2", packet);
                self.logged_in(packet, None, named("agent"));
            }
            "mining.configure"
            | "mining.extranonce.subscribe"
            | "mining.suggest_difficulty"
            | "mining.suggest_target"
            | "mining.get_transactions"
            | "mining.get_version"
            | "mining.multi_version"
            | "mining.set_difficulty"
            | "mining.set_target"
            | "mining.set_extranonce"
            | "mining.set_version_mask"
            | "mining.set"
            | "mining.noop"
            | "mining.hashrate"
            | "mining.bye"
            | "mining.ping" => {
                self.proves("stratum-v1", packet);
            }
            _ if method.starts_with("mining.") => {}
            "client.reconnect" | "client.show_message" | "client.get_version" if self.is_mining() => {}
            "eth_submitLogin" if list.is_some() => {
                self.proves(ethereum, packet);
                self.logged_in(packet, text(0), None);
                if self.mining.agent.is_none() {
                    self.mining.agent = message.get("agent").and_then(Value::as_str).map(cut);
                }
                return Some(Asked::Login);
            }
            "eth_getWork" => {
                self.proves(ethereum, packet);
                return Some(Asked::Job);
            }
            "eth_submitWork" if list.is_some_and(|list| list.len() >= 3) => {
                self.proves(ethereum, packet);
                self.share(packet);
                return Some(Asked::Share);
            }
            "eth_submitHashrate" if list.is_some() => self.proves(ethereum, packet),
            "eth_subscribe" if text(0) == Some("newWork") => self.proves("eth-subscribe", packet),
            "login" => return self.login(params, packet),
            "submit" if is_cryptonote_share(params) => {
                self.proves("monero-login", packet);
                self.share(packet);
                return Some(Asked::Share);
            }
            "job" if is_cryptonote_job(params) => {
                self.proves("monero-login", packet);
                self.job(packet);
            }
            "keepalived" | "getjob" if self.is_mining() || self.candidate.is_some() => {}
            "getwork" if list.is_some_and(|list| list.len() <= 1) => {
                self.proves("getwork", packet);
                // With data it hands in a solution, without it asks for work.
                if text(0).is_some_and(|data| data.len() >= 160 && is_hex(data)) {
                    self.share(packet);
                    return Some(Asked::Share);
                }
                return Some(Asked::Job);
            }
            "getblocktemplate" | "get_block_template" => {
                self.proves("getblocktemplate", packet);
                // Monero's daemon takes the address that is to be paid.
                self.logged_in(packet, named("wallet_address"), None);
                return Some(Asked::Job);
            }
            "submitblock" | "submit_block" if text(0).is_some_and(is_hex) => {
                self.proves("getblocktemplate", packet);
                self.share(packet);
                return Some(Asked::Share);
            }
            _ => return None,
        }
        Some(Asked::Other)
    }

    /// `login` with an object that has login and pass: a miner's if it names its program or algorithms, or if the
    /// login is a wallet; otherwise only together with what follows.
    fn login(&mut self, params: &Value, packet: Packet) -> Option<Asked> {
        let login = params.get("login").and_then(Value::as_str)?;
        params.get("pass").and_then(Value::as_str)?;
        let agent = params.get("agent").and_then(Value::as_str);
        if agent.is_some() || params.get("algo").is_some_and(Value::is_array) || is_cryptonote_address(login) {
            self.proves("monero-login", packet);
        } else {
            self.candidate.get_or_insert(packet);
        }
        self.logged_in(packet, Some(login), agent);
        Some(Asked::Login)
    }

    fn answer(&mut self, id: Option<&Value>, result: &Value, message: &Map<String, Value>, packet: Packet, via: Via) {
        let asked = id.and_then(|id| {
            let id = id.to_string();
            let at = self.waiting.iter().position(|(from, known, _)| *from != packet.from_opener && *known == id)?;
            self.waiting.remove(at).map(|(_, _, asked)| asked)
        });
        let failed = message.get("error").is_some_and(|error| !error.is_null());
        let ethereum = if via == Via::Http { "eth-getwork" } else { "eth-proxy" };
        if asked == Some(Asked::Share) {
            let status = result.get("status").and_then(Value::as_str);
            // submitblock answers null where the block was taken (BIP 22).
            let taken = result.as_bool() == Some(true)
                || status.is_some_and(|status| status.eq_ignore_ascii_case("ok"))
                || (result.is_null() && self.dialect == Some("getblocktemplate") && message.contains_key("error"));
            if taken && !failed {
                self.mining.accepted = self.mining.accepted.saturating_add(1);
            }
            return;
        }
        if result.get("job").is_some_and(is_cryptonote_job) || (asked.is_some() && is_cryptonote_job(result)) {
            self.proves("monero-login", packet);
            self.job(packet);
        } else if is_subscription(result) {
            self.proves("stratum-v1", packet);
        } else if is_ethereum_work(result) {
            self.proves(ethereum, packet);
            self.job(packet);
        } else if is_getwork(result) {
            self.proves("getwork", packet);
            self.job(packet);
        } else if is_block_template(result) {
            self.proves("getblocktemplate", packet);
            self.job(packet);
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn has_hex(value: &Value, key: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    value.get(key).and_then(Value::as_str).is_some_and(|text| is_hex(text) && lengths.contains(&text.len()))
}

/// A job identifier is text for most pools and a number for some.
fn has_id(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|id| id.is_string() || id.is_number())
}

/// `{blob, job_id, target}`: the hashing blob has at least the 76 bytes of a block header and the transactions' root;
/// the target is 4 or 8 bytes (xmrig-proxy, doc/STRATUM.md).
fn is_cryptonote_job(job: &Value) -> bool {
    has_hex(job, "blob", 128..=8192) && has_id(job, "job_id") && has_hex(job, "target", 1..=64)
}

/// `{job_id, nonce, result}` with 4 (some forks: 8 and more) bytes of nonce and 32 of hash.
fn is_cryptonote_share(share: &Value) -> bool {
    has_id(share, "job_id") && has_hex(share, "nonce", 8..=32) && has_hex(share, "result", 64..=64)
}

/// A CryptoNote address in base58: 95 characters, 106 with a payment id; forks have 90 to 110. Pools take a worker,
/// a payment id or a difficulty behind `.`, `+` or `/`.
fn is_cryptonote_address(login: &str) -> bool {
    let address = login.split(['.', '+', '/', ':']).next().unwrap_or_default();
    (90..=120).contains(&address.len())
        && address.bytes().all(|byte| byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'O' | b'I' | b'l'))
}

/// The answer to mining.subscribe: `[[["mining.set_difficulty", "…"], ["mining.notify", "…"]], "extranonce1", size]`,
/// in older pools with one pair only.
fn is_subscription(result: &Value) -> bool {
    let named = |value: &Value| value.as_str().is_some_and(|text| text == "mining.notify");
    let pair = |value: &Value| value.as_array().is_some_and(|pair| pair.first().is_some_and(named));
    result
        .get(0)
        .and_then(Value::as_array)
        .is_some_and(|first| first.first().is_some_and(named) || first.iter().any(pair))
}

/// `[header hash, seed hash, boundary]`, 32 bytes each, perhaps with the block number behind. The boundary of any real
/// difficulty begins with zeros, which tells it from a list of transactions.
fn is_ethereum_work(result: &Value) -> bool {
    let Some(list) = result.as_array() else { return false };
    let hash = |index: usize| {
        let text = list.get(index).and_then(Value::as_str)?.strip_prefix("0x")?;
        (is_hex(text) && text.len() <= 64).then_some(text)
    };
    match (hash(0), hash(1), hash(2)) {
        (Some(header), Some(seed), Some(boundary)) => {
            let boundary_is_small = boundary.len() < 61 || boundary.starts_with("0000");
            list.len() <= 4 && header.len() == 64 && seed.len() == 64 && boundary_is_small
        }
        _ => false,
    }
}

/// `{data: 128 bytes, target: 32 bytes, …}` (Bitcoin getwork; scrypt coins the same).
fn is_getwork(result: &Value) -> bool {
    has_hex(result, "data", 160..=512) && has_hex(result, "target", 64..=64)
}

/// BIP 22, or Monero's `blocktemplate_blob`.
fn is_block_template(result: &Value) -> bool {
    let bitcoin = has_hex(result, "previousblockhash", 64..=64)
        && result.get("height").is_some_and(Value::is_number)
        && ["coinbasetxn", "coinbasevalue", "coinbaseaux"].iter().any(|key| result.get(*key).is_some());
    bitcoin || (has_hex(result, "blocktemplate_blob", 128..=usize::MAX) && result.get("difficulty").is_some())
}

/// The address in a target such as `/?miner=30@0x…@rig`.
fn ethereum_address(target: &str) -> Option<String> {
    target.match_indices("0x").find_map(|(at, _)| {
        let address = target.get(at..at + 42)?;
        let whole = !target.get(at + 42..).is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_hexdigit()));
        (whole && is_hex(address.get(2..)?)).then(|| address.to_owned())
    })
}

/// The user of `Basic …` credentials (RFC 7617).
fn basic_user(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in encoded.trim().bytes().take(TEXT_MAX).take_while(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or_default());
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let user = text.split(':').next().unwrap_or_default();
    (!user.is_empty()).then(|| cut(user))
}
