//! Answers of the pool protocols.

use serde_json::{Map, Value};

use super::shapes::*;
use super::worth::{Share, tries_of_getwork, tries_of_target};
use super::{Asked, Tracker, Via};
use crate::formats::capture::app::Packet;

impl Tracker {
    /// An answer. Whether it is one to a request of a pool protocol, or has the shape of one.
    pub(super) fn answer(
        &mut self,
        id: Option<&Value>,
        message: &Map<String, Value>,
        packet: Packet,
        via: Via,
    ) -> bool {
        let error = message.get("error").filter(|error| !error.is_null() && **error != Value::Bool(false));
        let Some(result) = message.get("result").or(error) else { return false };
        let asked = id.and_then(|id| {
            let id = id.to_string();
            let at = self.waiting.iter().position(|(from, known, _)| *from != packet.from_opener && *known == id)?;
            self.waiting.remove(at).map(|(_, _, asked)| asked)
        });
        if let Some(Asked::Share(share)) = asked {
            self.judged(share, result, error, message);
            return true;
        }
        let ethereum = if via == Via::Http { "eth-getwork" } else { "eth-proxy" };
        let is_job = asked == Some(Asked::Job);
        if let Some(job) = result.get("job").filter(|job| is_cryptonote_job(job)) {
            self.proves("monero-login", packet);
            self.cryptonote_job(job, packet);
        } else if asked.is_some() && is_cryptonote_job(result) {
            self.proves("monero-login", packet);
            self.cryptonote_job(result, packet);
        } else if is_grin_job(result) {
            self.proves("grin", packet);
            self.grin_job(result, packet);
        } else if is_subscription(result) {
            self.proves("stratum-v1", packet);
            if result.pointer("/0/2").and_then(Value::as_str).is_some_and(|name| name.starts_with("EthereumStratum/1"))
            {
                self.proves("nicehash", packet);
            }
        } else if is_ethereum_work(result) {
            self.proves(ethereum, packet);
            self.ethereum_job(Some(result), packet);
        } else if is_getwork(result) {
            self.proves("getwork", packet);
            self.job(packet);
            self.worth.tries(result.get("target").and_then(Value::as_str).and_then(tries_of_getwork));
        } else if is_block_template(result) {
            self.proves("getblocktemplate", packet);
            self.job(packet);
            // A block template asks for whole blocks.
            let target = result.get("target").and_then(Value::as_str).and_then(tries_of_target);
            self.worth.tries(target.or_else(|| result.get("difficulty").and_then(Value::as_f64)));
        } else {
            return asked.is_some() && (is_job || self.is_mining());
        }
        true
    }

    /// The answer to a share.
    fn judged(&mut self, share: Share, result: &Value, error: Option<&Value>, message: &Map<String, Value>) {
        let status = result.get("status").or(Some(result)).and_then(Value::as_str);
        // submitblock answers null where the block was taken (BIP 22).
        let taken = result.as_bool() == Some(true)
            || status.is_some_and(|status| status.eq_ignore_ascii_case("ok") || status.starts_with("blockfound"))
            || (result.is_null() && self.dialect == Some("getblocktemplate") && message.contains_key("error"));
        if taken && error.is_none() {
            self.accepted(share);
            return;
        }
        let told = message.get("reject-reason").or(error);
        let text = told.and_then(|told| told.get("message").or_else(|| told.get(1)).unwrap_or(told).as_str());
        self.mining.reject(text.or(status).unwrap_or("no reason given"));
    }
}
