//! Pool protocols in JSON-RPC: Stratum and its kin, told by the shape of messages, never by a word in them.

mod answers;
mod noise;
mod requests;
mod shapes;
mod told;
mod v2;
mod worth;

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::Packet;
use super::http_head::Fields;
use crate::model::{Mark, Mining, Secret, wallet};
use crate::time::Instant;
pub(super) use noise::NOISE;
use requests::Request;
use shapes::{basic_user, cut, ethereum_address};
pub(super) use v2::PLAIN;
use worth::{Share, Worth};

/// Bound on the distinct methods named.
const METHODS_KEPT: usize = 256;
/// Bound on requests that wait for their answers.
const WAITING: usize = 256;

/// What a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    Stream,
    Http,
}

/// What a request asks for, for reading its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Subscription,
    Login,
    Job,
    Share(Share),
    Other,
}

/// Gathers what one conversation says of mining.
#[derive(Default)]
pub(super) struct Tracker {
    /// Set by the first message that only a miner or a pool sends.
    dialect: Option<&'static str>,
    mining: Mining,
    worth: Worth,
    /// Which sides have sent a message of the protocol: the opener first.
    spoke: [bool; 2],
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
            self.spoken(packet);
            self.proves("getwork", packet);
            self.first_login.get_or_insert(packet.record);
        }
    }

    /// The head of an answer that has a pool's own fields.
    pub(super) fn response_head(&mut self, packet: Packet) {
        self.spoken(packet);
        self.proves("getwork", packet);
    }

    /// An answer too long to be read: a block template is, and nothing else that was asked for.
    pub(super) fn large_answer(&mut self, packet: Packet) {
        if self.waiting.back().is_some_and(|(_, _, asked)| *asked == Asked::Job) {
            self.waiting.pop_back();
            self.spoken(packet);
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
    pub(super) fn finish(mut self) -> Option<(Packet, Mining)> {
        let (dialect, first) = (self.dialect?, self.first?);
        let mut proof: Vec<u64> = [self.first_login, self.first_job, self.first_share].into_iter().flatten().collect();
        if proof.is_empty() {
            proof.push(first.record);
        }
        proof.sort_unstable();
        proof.dedup();
        let login = self.mining.login.take().or_else(|| self.login.take().map(Secret::new));
        self.login_says(login.as_ref());
        let work = self.worth.work(self.mining.accepted.saturating_add(self.mining.rejected));
        let mining = Mining {
            dialect: dialect.to_owned(),
            mark: if self.spoke == [true; 2] { Mark::Exchange } else { Mark::OneSide },
            methods: self.methods.into_iter().collect(),
            agent: self.mining.agent.or(self.agent),
            login,
            algorithm: self.worth.algorithm,
            coin: self.worth.coin,
            difficulty: self.worth.difficulty,
            work,
            first: Some(first.at),
            last: self.last,
            proof,
            ..self.mining
        };
        Some((first, mining))
    }

    /// What the login says beside itself: the coin of its wallet, and the worker behind it.
    fn login_says(&mut self, login: Option<&Secret>) {
        let Some(login) = login.map(Secret::reveal) else { return };
        let account = login.split(['.', '+', '/', ' ']).next().unwrap_or_default();
        let (prefix, word) = account.rsplit_once(':').unwrap_or(("", account));
        let coin = match prefix {
            "kaspa" => Some("kaspa"),
            "cfx" => Some("conflux"),
            _ => wallet::coin(word),
        };
        self.worth.coin = coin.or(self.worth.coin);
        match coin {
            // Pools that pay in one coin for work on another say so elsewhere; in these families nobody does.
            Some("bitcoin") if self.dialect == Some("stratum-v1") => {}
            Some("litecoin" | "dogecoin") if self.dialect == Some("stratum-v1") => self.worth.shaped("scrypt", coin),
            _ => {}
        }
        if self.mining.worker.is_none() && !account.contains('@') {
            let worker = login.get(account.len() + 1..).filter(|worker| !worker.is_empty());
            self.mining.worker = worker.map(Secret::new);
        }
    }

    fn object(&mut self, message: &Map<String, Value>, packet: Packet, via: Via) {
        let id = message.get("id").filter(|id| !id.is_null());
        // Browser miners name the method "type" (coinhive-stratum-mining-proxy).
        let method = message.get("method").or_else(|| message.get("type").filter(|_| message.contains_key("params")));
        // Grin's answers repeat the method that they answer.
        let is_answer = message.contains_key("result") && !message.contains_key("params");
        let is_of_it = match method.and_then(Value::as_str).filter(|_| !is_answer) {
            Some(method) => {
                let params = message.get("params").unwrap_or(&Value::Null);
                let asked = self.request(&Request { method, params, message, packet, via });
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
                asked.is_some()
            }
            None => self.answer(id, message, packet, via),
        };
        if is_of_it {
            self.spoken(packet);
        }
        if self.is_mining() || self.candidate.is_some() {
            self.last = Some(packet.at);
        }
    }

    fn spoken(&mut self, packet: Packet) {
        if let Some(spoke) = self.spoke.get_mut(packet.side()) {
            *spoke = true;
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
            | (Some("monero-login"), "coinhive" | "grin" | "beam")
            // HTTP fields come before the body that says which of the two it is.
            | (Some("getwork"), "getblocktemplate" | "eth-getwork") => self.dialect = Some(dialect),
            _ => {}
        }
    }

    fn job(&mut self, packet: Packet) {
        self.mining.jobs = self.mining.jobs.saturating_add(1);
        self.first_job.get_or_insert(packet.record);
    }

    fn share(&mut self, packet: Packet) -> Asked {
        self.mining.shares = self.mining.shares.saturating_add(1);
        self.first_share.get_or_insert(packet.record);
        Asked::Share(self.worth.submitted())
    }

    fn accepted(&mut self, share: Share) {
        self.mining.accepted = self.mining.accepted.saturating_add(1);
        self.worth.accepted(share);
    }

    fn name(&mut self, login: Option<&str>) {
        if self.mining.login.is_none() {
            self.mining.login = login.filter(|login| !login.is_empty()).map(|login| Secret::new(cut(login)));
        }
    }

    fn logged_in(&mut self, packet: Packet, login: Option<&str>, agent: Option<&str>) {
        self.first_login.get_or_insert(packet.record);
        self.name(login);
        if self.mining.agent.is_none() {
            self.mining.agent = agent.filter(|agent| !agent.is_empty()).map(cut);
        }
    }
}
