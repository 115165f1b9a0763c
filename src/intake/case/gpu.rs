//! What the case says of GPUs: whose they are, and when.

use chrono::DateTime;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::{CaseError, Pattern, Reader};
use crate::time::Instant;

/// What is known of GPUs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuFacts {
    /// Processes that belong on the GPUs. `None` if nothing is said, which is not the same as none.
    pub allocated: Option<Vec<Pattern>>,
    pub price_per_gpu_hour: Option<f64>,
    pub host: Option<String>,
    /// Which GPUs were given to whom and when; what none of them covers was given to nobody. Empty if nothing is said.
    pub allotments: Vec<GpuAllotment>,
}

/// GPUs that were given to somebody for a time (`[[gpu.allotment]]`).
#[derive(Clone, Debug, PartialEq)]
pub struct GpuAllotment {
    /// `None` means every GPU.
    pub gpus: Option<Vec<GpuName>>,
    /// In UTC; `None` is open.
    pub from: Option<Instant>,
    /// In UTC; `None` is open.
    pub to: Option<Instant>,
    /// The processes that they were given to; `None` means any.
    pub processes: Option<Vec<Pattern>>,
}

/// A GPU by the number that nvidia-smi counts it by, or by its UUID or the beginning of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuName {
    Index(u32),
    Uuid(String),
}

impl GpuAllotment {
    /// Whether it is of that GPU. `None` if what is known of the GPU does not tell.
    pub fn is_of(&self, index: Option<u32>, uuid: Option<&str>) -> Option<bool> {
        let Some(names) = &self.gpus else { return Some(true) };
        let mut unknown = false;
        for name in names {
            let same = match name {
                GpuName::Index(wanted) => index.map(|index| index == *wanted),
                GpuName::Uuid(wanted) => uuid.and_then(|uuid| match starts_alike(uuid, wanted) {
                    // A slice of a GPU has a UUID of its own; which GPU it is cut from is not known here.
                    false if uuid.starts_with("MIG-") => None,
                    same => Some(same),
                }),
            };
            match same {
                Some(true) => return Some(true),
                Some(false) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(false)
    }

    /// Whether it is for that process; of a process without a name it may be.
    pub fn is_for(&self, process: Option<&str>) -> bool {
        let (Some(patterns), Some(process)) = (&self.processes, process) else { return true };
        patterns.iter().any(|pattern| pattern.as_str() == process || pattern.matches(process))
    }
}

fn starts_alike(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}

/// As serde reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGpu {
    allocated: Option<Vec<Spanned<String>>>,
    price_per_gpu_hour: Option<Spanned<f64>>,
    host: Option<String>,
    #[serde(default)]
    allotment: Vec<RawAllotment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllotment {
    gpu: Option<Spanned<Value>>,
    from: Option<Spanned<Value>>,
    to: Option<Spanned<Value>>,
    processes: Option<Vec<Spanned<String>>>,
}

/// The facts, with every value checked.
pub(super) fn facts(raw: RawGpu, reader: &Reader<'_>) -> Result<GpuFacts, CaseError> {
    let patterns = |what: &str, list: &Option<Vec<Spanned<String>>>| {
        let parse = |list: &Vec<Spanned<String>>| {
            list.iter().map(|pattern| reader.value(what, pattern, Pattern::new)).collect::<Result<Vec<_>, _>>()
        };
        list.as_ref().map(parse).transpose()
    };
    let mut allotments = Vec::new();
    for one in &raw.allotment {
        let wrong = |what: &str, at: &Spanned<Value>, message: String| reader.wrong(what, at, message);
        let moment = |what: &str, at: &Option<Spanned<Value>>| match at {
            Some(at) => instant(at.get_ref()).map(Some).map_err(|message| wrong(what, at, message)),
            None => Ok(None),
        };
        let (from, to) = (moment("from", &one.from)?, moment("to", &one.to)?);
        if let (Some(from), Some(to), Some(at)) = (from, to, &one.to)
            && from >= to
        {
            return Err(wrong("to", at, "an allotment ends after it begins".to_owned()));
        }
        let gpus = match &one.gpu {
            Some(at) => gpus(at.get_ref()).map_err(|message| wrong("gpu", at, message))?,
            None => None,
        };
        allotments.push(GpuAllotment { gpus, from, to, processes: patterns("processes", &one.processes)? });
    }
    let price = raw.price_per_gpu_hour.as_ref();
    Ok(GpuFacts {
        allocated: patterns("allocated", &raw.allocated)?,
        price_per_gpu_hour: price.map(|price| reader.price("price_per_gpu_hour", price)).transpose()?,
        host: raw.host,
        allotments,
    })
}

/// A moment with its offset from UTC, as a string or as TOML's own date and time.
fn instant(value: &Value) -> Result<Instant, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Datetime(time) => time.to_string(),
        other => other.to_string(),
    };
    let at = DateTime::parse_from_rfc3339(&text).ok().and_then(|time| time.timestamp_nanos_opt());
    at.map(Instant).ok_or_else(|| {
        format!("{text:?} is no time with an offset from UTC; give one such as 2026-11-20T08:00:00+08:00")
    })
}

/// `all`, an index, a UUID, or a list of these. `None` means every GPU.
fn gpus(value: &Value) -> Result<Option<Vec<GpuName>>, String> {
    let wrong = |value: &Value| {
        format!("{value} names no GPU; give \"all\", an index such as 0, a UUID such as \"GPU-5f0c1a9e\", or a list")
    };
    let one = |value: &Value| match value {
        Value::Integer(index) => u32::try_from(*index).map(GpuName::Index).map_err(|_| wrong(value)),
        Value::String(text) if text.starts_with("GPU-") || text.starts_with("MIG-") => Ok(GpuName::Uuid(text.clone())),
        Value::String(text) => text.parse().map(GpuName::Index).map_err(|_| wrong(value)),
        _ => Err(wrong(value)),
    };
    match value {
        Value::String(text) if text == "all" => Ok(None),
        Value::Array(list) if list.is_empty() => Err(wrong(value)),
        Value::Array(list) => list.iter().map(one).collect::<Result<Vec<_>, _>>().map(Some),
        _ => one(value).map(|name| Some(vec![name])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::CaseFile;

    fn allotments(text: &str) -> Result<Vec<GpuAllotment>, String> {
        CaseFile::parse(text, "case.toml").map(|case| case.gpu.allotments).map_err(|error| error.to_string())
    }

    #[test]
    fn gpus_by_index_uuid_list_or_all() {
        let text = "[[gpu.allotment]]\ngpu = [0, \"2\"]\nfrom = 2026-11-20T08:00:00+08:00\nto = \"2026-11-20T12:30:00Z\"\n\
                    [[gpu.allotment]]\ngpu = \"GPU-5F0C\"\nprocesses = [\"/opt/conda/bin/*\"]\n\
                    [[gpu.allotment]]\ngpu = \"all\"\n";
        let all = allotments(text).unwrap();
        // 2026-11-20T00:00:00Z is day 20777 since 1970: 20777 * 86400.
        assert_eq!(all[0].from, Some(Instant(1_795_132_800 * 1_000_000_000)));
        assert_eq!(all[0].to, Some(Instant((1_795_132_800 + 45_000) * 1_000_000_000)));
        let is_of = |at: usize, index, uuid| all[at].is_of(index, uuid);
        assert_eq!(
            (is_of(0, Some(2), None), is_of(0, Some(1), None), is_of(0, None, Some("GPU-1"))),
            (Some(true), Some(false), None)
        );
        assert_eq!(
            (is_of(1, Some(0), Some("GPU-5f0c1a9e-31")), is_of(1, None, Some("GPU-1"))),
            (Some(true), Some(false))
        );
        assert_eq!(
            (is_of(1, None, Some("MIG-1")), is_of(1, Some(0), None), is_of(2, None, None)),
            (None, None, Some(true))
        );
        assert!(all[1].is_for(Some("/opt/conda/bin/python3")) && !all[1].is_for(Some("./x")) && all[1].is_for(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| allotments(text).unwrap_err();
        assert!(error("[[gpu.allotment]]\nfrom = \"2026-11-20 08:00\"\n").contains("case.toml:2: from:"));
        assert!(error("[[gpu.allotment]]\nfrom = 2026-11-20T08:00:00\n").contains("no time with an offset"));
        assert!(error("[[gpu.allotment]]\ngpu = -1\n").contains("names no GPU"));
        let backwards = "[[gpu.allotment]]\nfrom = 2026-11-20T08:00:00Z\nto = 2026-11-20T08:00:00Z\n";
        assert!(error(backwards).contains("ends after it begins"));
    }
}
