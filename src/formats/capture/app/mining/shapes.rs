//! Shapes of messages that only miners and pools exchange.

use serde_json::{Map, Value};

use crate::evidence::excerpt;
use crate::model::wallet;

/// Bound on the length of a name kept from a message.
const TEXT_MAX: usize = 512;

pub(super) fn cut(text: &str) -> String {
    excerpt(text, TEXT_MAX).into_owned()
}

pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn has_hex(value: &Value, key: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    value.get(key).and_then(Value::as_str).is_some_and(|text| is_hex(text) && lengths.contains(&text.len()))
}

/// A job identifier is text for most pools and a number for some.
pub(super) fn has_id(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|id| id.is_string() || id.is_number())
}

/// `{blob, job_id, target}`: the hashing blob has at least the 76 bytes of a block header and the transactions' root;
/// the target is 4 or 8 bytes (xmrig-proxy, doc/STRATUM.md).
pub(super) fn is_cryptonote_job(job: &Value) -> bool {
    has_hex(job, "blob", 128..=8192) && has_id(job, "job_id") && has_hex(job, "target", 1..=64)
}

/// `{job_id, nonce, result}` with 4 (some forks: 8 and more) bytes of nonce and 32 of hash.
pub(super) fn is_cryptonote_share(share: &Value) -> bool {
    has_id(share, "job_id") && has_hex(share, "nonce", 8..=32) && has_hex(share, "result", 64..=64)
}

/// A login that is a CryptoNote address. Pools take a worker, a payment id or a difficulty behind `.`, `+` or `/`.
pub(super) fn is_cryptonote_login(login: &str) -> bool {
    wallet::is_cryptonote(login.split(['.', '+', '/', ':']).next().unwrap_or_default())
}

/// `{difficulty, height, job_id, pre_pow}`: the header before its proof (mimblewimble/grin, doc/stratum.md).
pub(super) fn is_grin_job(job: &Value) -> bool {
    has_hex(job, "pre_pow", 200..=2048)
        && has_id(job, "job_id")
        && is_number(job, "height")
        && is_number(job, "difficulty")
}

/// `{edge_bits, height, job_id, nonce, pow}` with a cycle of 42 edges.
pub(super) fn is_grin_share(share: &Value) -> bool {
    let cycle = share.get("pow").and_then(Value::as_array);
    is_number(share, "edge_bits") && is_number(share, "nonce") && cycle.is_some_and(|cycle| cycle.len() == 42)
}

/// `{id, height, difficulty, input}` beside the method (BeamMW wiki, Beam mining protocol API).
pub(super) fn is_beam_job(message: &Map<String, Value>) -> bool {
    let input = message.get("input").and_then(Value::as_str);
    input.is_some_and(|input| input.len() == 64 && is_hex(input))
        && ["height", "difficulty"].iter().all(|key| message.get(*key).is_some_and(Value::is_number))
}

/// `{id, nonce, output}` beside the method: 8 bytes of nonce and 104 of proof.
pub(super) fn is_beam_solution(message: &Map<String, Value>) -> bool {
    let hex = |key: &str| message.get(key).and_then(Value::as_str).filter(|text| is_hex(text)).map(str::len);
    hex("nonce") == Some(16) && hex("output").is_some_and(|length| (128..=512).contains(&length))
}

fn is_number(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(Value::is_number)
}

/// The answer to mining.subscribe: `[[["mining.set_difficulty", "…"], ["mining.notify", "…"]], "extranonce1", size]`,
/// in older pools with one pair only.
pub(super) fn is_subscription(result: &Value) -> bool {
    let named = |value: &Value| value.as_str().is_some_and(|text| text == "mining.notify");
    let pair = |value: &Value| value.as_array().is_some_and(|pair| pair.first().is_some_and(named));
    result
        .get(0)
        .and_then(Value::as_array)
        .is_some_and(|first| first.first().is_some_and(named) || first.iter().any(pair))
}

/// `[header hash, seed hash, boundary]`, 32 bytes each, perhaps with the block number behind. The boundary of any real
/// difficulty begins with zeros, which tells it from a list of transactions.
pub(super) fn is_ethereum_work(result: &Value) -> bool {
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
pub(super) fn is_getwork(result: &Value) -> bool {
    has_hex(result, "data", 160..=512) && has_hex(result, "target", 64..=64)
}

/// BIP 22, or Monero's `blocktemplate_blob`.
pub(super) fn is_block_template(result: &Value) -> bool {
    let bitcoin = has_hex(result, "previousblockhash", 64..=64)
        && result.get("height").is_some_and(Value::is_number)
        && ["coinbasetxn", "coinbasevalue", "coinbaseaux"].iter().any(|key| result.get(*key).is_some());
    bitcoin || (has_hex(result, "blocktemplate_blob", 128..=usize::MAX) && result.get("difficulty").is_some())
}

/// The address in a target such as `/?miner=30@0x…@rig`.
pub(super) fn ethereum_address(target: &str) -> Option<String> {
    target.match_indices("0x").find_map(|(at, _)| {
        let address = target.get(at..at + 42)?;
        let whole = !target.get(at + 42..).is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_hexdigit()));
        (whole && is_hex(address.get(2..)?)).then(|| address.to_owned())
    })
}

/// The user of `Basic …` credentials (RFC 7617).
pub(super) fn basic_user(authorization: &str) -> Option<String> {
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
