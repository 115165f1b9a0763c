//! Requests and notifications of the pool protocols.

use serde_json::{Map, Value};

use super::shapes::*;
use super::worth::{Share, tries_of_cryptonote, tries_of_target};
use super::{Asked, Tracker, Via, told};
use crate::formats::capture::app::Packet;
use crate::model::Secret;

/// One request, taken apart.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) params: &'a Value,
    pub(super) message: &'a Map<String, Value>,
    pub(super) packet: Packet,
    pub(super) via: Via,
}

impl Request<'_> {
    fn list(&self) -> Option<&[Value]> {
        self.params.as_array().map(Vec::as_slice)
    }

    fn text(&self, index: usize) -> Option<&str> {
        self.list()?.get(index)?.as_str()
    }

    fn named(&self, key: &str) -> Option<&str> {
        self.params.get(key)?.as_str()
    }

    fn told(&self, key: &str) -> Option<&str> {
        self.message.get(key)?.as_str()
    }
}

impl Tracker {
    /// A request or notification. `None` if the method is none of a pool protocol.
    pub(super) fn request(&mut self, request: &Request<'_>) -> Option<Asked> {
        if request.method.starts_with("mining.") {
            return Some(self.stratum(request));
        }
        let (packet, list, params) = (request.packet, request.list(), request.params);
        let ethereum = if request.via == Via::Http { "eth-getwork" } else { "eth-proxy" };
        match request.method {
            "client.reconnect" if self.is_mining() || list.is_some_and(|list| list.len() >= 2) => {
                self.reconnect(request);
            }
            "client.show_message" | "client.get_version" | "set_extranonce" | "keepalive" | "status"
                if self.is_mining() => {}
            "eth_submitLogin" | "eth_login" if list.is_some() => {
                self.proves(ethereum, packet);
                self.worth.shaped("ethash", None);
                self.logged_in(packet, request.text(0), request.told("agent"));
                self.worker(request.told("worker"));
                return Some(Asked::Login);
            }
            "eth_getWork" => {
                self.proves(ethereum, packet);
                return Some(Asked::Job);
            }
            "eth_submitWork" if list.is_some_and(|list| list.len() >= 3) => {
                self.proves(ethereum, packet);
                self.worker(request.told("worker"));
                return Some(self.share(packet));
            }
            "eth_submitHashrate" if list.is_some() => {
                self.proves(ethereum, packet);
                self.worker(request.told("worker"));
            }
            "eth_subscribe" if request.text(0) == Some("newWork") => self.proves("eth-subscribe", packet),
            "eth_subscription" if params.get("result").is_some_and(is_ethereum_work) => {
                self.proves("eth-subscribe", packet);
                self.ethereum_job(params.get("result"), packet);
            }
            "login" => return self.login(request),
            "auth" if request.named("site_key").is_some() && request.named("type").is_some() => {
                self.proves("coinhive", packet);
                self.logged_in(packet, request.named("site_key"), None);
                self.worker(request.named("user"));
            }
            "hash_accepted" if params.get("hashes").is_some() && self.is_mining() => {
                self.proves("coinhive", packet);
                let share = self.worth.share;
                self.accepted(share);
            }
            "authed" | "banned" if self.is_mining() => {}
            "submit" if is_cryptonote_share(params) => {
                self.proves("monero-login", packet);
                self.algorithm(request.named("algo"));
                return Some(self.share(packet));
            }
            "submit" if is_grin_share(params) => {
                self.proves("grin", packet);
                return Some(self.share(packet));
            }
            "solution" if is_beam_solution(request.message) => {
                self.proves("beam", packet);
                return Some(self.share(packet));
            }
            "job" => return self.pushed_job(request),
            "getjobtemplate" if self.is_mining() || self.candidate.is_some() => return Some(Asked::Job),
            "keepalived" | "getjob" if self.is_mining() || self.candidate.is_some() => return Some(Asked::Job),
            "getwork" if list.is_none_or(|list| list.len() <= 1) => {
                self.proves("getwork", packet);
                // With data it hands in a solution, without it asks for work.
                if request.text(0).is_some_and(|data| data.len() >= 160 && is_hex(data)) {
                    return Some(self.share(packet));
                }
                return Some(Asked::Job);
            }
            "getblocktemplate" | "get_block_template" | "getminingcandidate" => {
                self.proves("getblocktemplate", packet);
                // Monero's daemon takes the address that is to be paid.
                self.logged_in(packet, request.named("wallet_address"), None);
                return Some(Asked::Job);
            }
            "submitblock" | "submit_block" if request.text(0).is_some_and(is_hex) => {
                self.proves("getblocktemplate", packet);
                return Some(self.share(packet));
            }
            "submitminingsolution" if params.is_object() || list.is_some() => {
                self.proves("getblocktemplate", packet);
                return Some(self.share(packet));
            }
            _ => return None,
        }
        Some(Asked::Other)
    }

    /// Stratum and what was made of it for other coins.
    fn stratum(&mut self, request: &Request<'_>) -> Asked {
        let (packet, list) = (request.packet, request.list());
        match request.method {
            "mining.subscribe" => {
                let nicehash = request.text(1).is_some_and(|protocol| protocol.starts_with("EthereumStratum/1"));
                self.proves(if nicehash { "nicehash" } else { "stratum-v1" }, packet);
                self.logged_in(packet, None, request.text(0));
                return Asked::Subscription;
            }
            "mining.authorize" if list.is_some() => {
                self.proves("stratum-v1", packet);
                self.logged_in(packet, request.text(0), None);
                return Asked::Login;
            }
            "mining.submit" if !request.params.is_null() => {
                self.proves("stratum-v1", packet);
                // EIP-1571 and Alephium have the worker last or by name, and a token in place of a login.
                if self.mining.login.is_none() && self.dialect == Some("stratum-v1") {
                    self.name(request.text(0).or(request.named("worker")));
                }
                return self.share(packet);
            }
            "mining.notify" if list.is_some() => {
                self.proves("stratum-v1", packet);
                self.job(packet);
                self.worth.job(list.unwrap_or_default());
                self.told(told::of_notify(list.unwrap_or_default()), packet);
            }
            "mining.set_difficulty" => {
                self.proves("stratum-v1", packet);
                let told = list.map_or(Some(request.params), |list| list.first());
                self.worth.difficulty(told.and_then(number).unwrap_or_default());
            }
            "mining.set_target" => {
                self.proves("stratum-v1", packet);
                let target = request.text(0).or(request.params.as_str());
                self.worth.tries(target.and_then(tries_of_target));
            }
            // EIP-1571: EthereumStratum/2.0.0; Alephium's has its parameters in a list.
            "mining.hello" => {
                self.proves("ethereum-stratum-2", packet);
                self.logged_in(packet, None, request.named("agent").or(request.text(0)));
            }
            "mining.set" => {
                self.proves("ethereum-stratum-2", packet);
                self.algorithm(request.named("algo"));
                self.worth.tries(request.named("target").and_then(tries_of_target));
            }
            "mining.configure" => {
                self.proves("stratum-v1", packet);
                // BIP 310: rolling the version is of use for Bitcoin's function alone.
                let rolls = |value: &Value| value.as_str() == Some("version-rolling");
                if list.and_then(|list| list.first()?.as_array()).is_some_and(|names| names.iter().any(rolls)) {
                    self.worth.shaped("sha256d", None);
                }
            }
            "mining.extranonce.subscribe"
            | "mining.suggest_difficulty"
            | "mining.suggest_target"
            | "mining.get_transactions"
            | "mining.get_version"
            | "mining.multi_version"
            | "mining.set_extranonce"
            | "mining.set_version_mask"
            | "mining.set_cleanjobs"
            | "mining.set_goal"
            | "mining.submit_result"
            | "mining.capabilities"
            | "mining.noop"
            | "mining.hashrate"
            | "mining.bye"
            | "mining.ping"
            | "mining.pong" => self.proves("stratum-v1", packet),
            _ => {}
        }
        Asked::Other
    }

    /// `client.reconnect [host, port, wait]`: an empty host means the same one.
    fn reconnect(&mut self, request: &Request<'_>) {
        self.proves("stratum-v1", request.packet);
        let host = request.text(0).unwrap_or_default();
        let port = request.list().and_then(|list| list.get(1));
        let port = port.map(|port| port.as_str().map_or_else(|| port.to_string(), str::to_owned)).unwrap_or_default();
        if !host.is_empty() || !port.is_empty() {
            self.mining.redirect = Some(cut(&format!("{host}:{port}")));
        }
    }

    /// `login` with an object that has login and pass: a miner's if it names its program or algorithms, or if the
    /// login is a wallet; otherwise only together with what follows. Beam's has an `api_key` beside the method.
    fn login(&mut self, request: &Request<'_>) -> Option<Asked> {
        let packet = request.packet;
        if let Some(key) = request.told("api_key") {
            self.candidate.get_or_insert(packet);
            self.logged_in(packet, Some(key), None);
            return Some(Asked::Login);
        }
        let login = request.named("login")?;
        request.named("pass")?;
        let agent = request.named("agent");
        let algorithms = request.params.get("algo").and_then(Value::as_array);
        if agent.is_some() || algorithms.is_some() || is_cryptonote_login(login) {
            self.proves("monero-login", packet);
        } else {
            self.candidate.get_or_insert(packet);
        }
        if let Some([only]) = algorithms.map(Vec::as_slice) {
            self.algorithm(only.as_str());
        }
        self.logged_in(packet, Some(login), agent);
        self.worker(request.named("rigid"));
        Some(Asked::Login)
    }

    fn pushed_job(&mut self, request: &Request<'_>) -> Option<Asked> {
        if is_cryptonote_job(request.params) {
            self.proves("monero-login", request.packet);
            self.cryptonote_job(request.params, request.packet);
        } else if is_grin_job(request.params) {
            self.proves("grin", request.packet);
            self.grin_job(request.params, request.packet);
        } else if is_beam_job(request.message) {
            self.proves("beam", request.packet);
            self.job(request.packet);
            self.worth.shaped("beamhash", Some("beam"));
        } else {
            return None;
        }
        Some(Asked::Other)
    }

    pub(super) fn cryptonote_job(&mut self, job: &Value, packet: Packet) {
        self.job(packet);
        self.told(job.get("blob").and_then(Value::as_str).and_then(told::of_blob), packet);
        self.algorithm(job.get("algo").and_then(Value::as_str));
        self.worth.tries(job.get("target").and_then(Value::as_str).and_then(tries_of_cryptonote));
        // Only RandomX and its variants are seeded by a block (xmrig-proxy, doc/STRATUM.md).
        if has_hex(job, "seed_hash", 64..=64) {
            self.worth.shaped("randomx", None);
        }
    }

    pub(super) fn grin_job(&mut self, job: &Value, packet: Packet) {
        self.job(packet);
        self.worth.shaped("cuckatoo", Some("grin"));
        // Counted in graph weights, not in tries: shown, not summed.
        self.worth.difficulty = job.get("difficulty").and_then(Value::as_f64);
        self.worth.share = Share::Unknown;
    }

    pub(super) fn ethereum_job(&mut self, result: Option<&Value>, packet: Packet) {
        self.job(packet);
        let boundary = result.and_then(|result| result.get(2)).and_then(Value::as_str);
        self.worth.tries(boundary.and_then(tries_of_target));
    }

    /// An algorithm by name.
    pub(super) fn algorithm(&mut self, name: Option<&str>) {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            self.worth.algorithm = Some(cut(name));
        }
    }

    pub(super) fn worker(&mut self, worker: Option<&str>) {
        if self.mining.worker.is_none() {
            self.mining.worker = worker.filter(|worker| !worker.is_empty()).map(|worker| Secret::new(cut(worker)));
        }
    }
}

/// A number, also where it is written as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
