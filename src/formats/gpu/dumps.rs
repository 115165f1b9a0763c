//! What collectors keep: range queries of Prometheus, and Telegraf's line protocol and JSON.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::documents::{Documents, Numbers, figure};
use super::form::Form;
use super::json_forms::is_json;
use super::metric::{Labels, Samples, is_known_exporter, of_name};
use super::out::{Lines, Out};
use crate::model::GpuSample;

/// The answer of Prometheus to a query (`/api/v1/query_range`, `/api/v1/query`).
pub(super) static RANGE: Form = Form {
    id: "prometheus-gpu",
    title: "Prometheus query_range and query JSON with metrics of dcgm-exporter or nvidia_gpu_exporter",
    record: "reading",
    probe: |head| {
        let known = head.contains("\"DCGM_FI_") || head.contains("\"nvidia_smi_");
        (is_json(head) && head.contains("\"resultType\"") && known).then_some("results of Prometheus with GPU metrics")
    },
    reader: || Box::new(Documents::<Samples>::new(range, |samples, out| samples.flush(out), "")),
};

/// Telegraf with its input nvidia_smi, written as JSON.
pub(super) static TELEGRAF_JSON: Form = Form {
    id: "telegraf-gpu-json",
    title: "Telegraf JSON with measurements of its input nvidia_smi, one per line or in batches",
    record: "reading",
    probe: |head| {
        let marks = ["\"fields\"", "\"tags\"", "\"timestamp\""];
        let ours = is_json(head) && marks.iter().all(|mark| head.contains(mark));
        (ours && (head.contains("\"name\":\"nvidia_smi\"") || head.contains("\"name\": \"nvidia_smi\"")))
            .then_some("measurements of the input nvidia_smi of Telegraf")
    },
    reader: || Box::new(Documents::<()>::new(telegraf, |(), _| {}, "")),
};

/// The same in the line protocol of InfluxDB.
pub(super) static TELEGRAF_LINES: Form = Form {
    id: "telegraf-gpu",
    title: "Telegraf or InfluxDB line protocol with measurements of the input nvidia_smi",
    record: "line",
    probe: |head| {
        let first = head.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
        measurement(first).map(|_| "a line of the input nvidia_smi of Telegraf")
    },
    reader: || Box::new(Influx),
};

fn range(document: &Value, samples: &mut Samples, numbers: &mut Numbers, out: &mut Out<'_>) -> bool {
    let Some(series) = document.get("data").and_then(|data| data.get("result")).and_then(Value::as_array) else {
        return false;
    };
    for one in series {
        let labels: Labels = one
            .get("metric")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let name = labels.get("__name__").map(String::as_str).unwrap_or_default();
        let Some((measure, factor)) = of_name(name) else {
            let reason = if is_known_exporter(name) { "a metric that is not used" } else { "not a metric of GPUs" };
            out.unread(numbers.next(), reason, name);
            continue;
        };
        let many = one.get("values").and_then(Value::as_array).into_iter().flatten();
        for pair in many.chain(one.get("value")) {
            let record = numbers.next();
            let time = pair.get(0).and_then(Value::as_f64);
            let value = pair.get(1).and_then(Value::as_str).and_then(|text| text.parse::<f64>().ok());
            match (time, value) {
                (Some(time), Some(value)) => {
                    out.record();
                    out.forget_order();
                    samples.take(record, Some(time), measure, &labels, value * factor, out);
                }
                _ => out.unread(record, "not a pair of time and figure", name),
            }
        }
    }
    true
}

/// Fields of telegraf/plugins/inputs/nvidia_smi.
fn sample(field: &dyn Fn(&str) -> Option<f64>, tag: &dyn Fn(&str) -> Option<String>) -> GpuSample<'static> {
    GpuSample {
        gpu: tag("index").and_then(|index| index.parse().ok()),
        gpu_uuid: tag("uuid").map(Cow::Owned),
        name: tag("name").map(Cow::Owned),
        utilization_percent: field("utilization_gpu"),
        memory_utilization_percent: field("utilization_memory"),
        memory_used_mib: field("memory_used"),
        memory_total_mib: field("memory_total"),
        power_w: field("power_draw"),
        sm_clock_mhz: field("clocks_current_sm"),
        temperature_c: field("temperature_gpu"),
        ..GpuSample::default()
    }
}

fn telegraf(document: &Value, (): &mut (), numbers: &mut Numbers, out: &mut Out<'_>) -> bool {
    let batch = document.get("metrics").and_then(Value::as_array);
    let one: Vec<&Map<String, Value>> = match batch {
        Some(batch) => batch.iter().filter_map(Value::as_object).collect(),
        None => document.as_object().into_iter().collect(),
    };
    let mut found = false;
    for metric in one {
        let name = metric.get("name").and_then(Value::as_str).unwrap_or_default();
        let (Some(fields), Some(tags)) =
            (metric.get("fields").and_then(Value::as_object), metric.get("tags").and_then(Value::as_object))
        else {
            continue;
        };
        found = true;
        let number = numbers.next();
        if name != "nvidia_smi" {
            out.unread(number, "another measurement than nvidia_smi", name);
            continue;
        }
        let field = |key: &str| fields.get(key).and_then(figure);
        let tag = |key: &str| tags.get(key).and_then(Value::as_str).map(str::to_owned);
        // Seconds, or as json_timestamp_units says: told by their size, that of years after 2001.
        let span = metric.get("timestamp").and_then(figure).and_then(|stamp| out.epoch(number, seconds(stamp)));
        out.record();
        out.sample(number, span, sample(&field, &tag));
    }
    found
}

fn seconds(stamp: f64) -> f64 {
    match stamp {
        _ if stamp > 1e17 => stamp / 1e9,
        _ if stamp > 1e14 => stamp / 1e6,
        _ if stamp > 1e11 => stamp / 1e3,
        _ => stamp,
    }
}

struct Influx;

/// Pieces between separators that no backslash and no quotes protect.
fn pieces(text: &str, separator: u8) -> Vec<&str> {
    let (mut found, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                found.extend(text.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    found.extend(text.get(from..));
    found
}

/// Tags, fields and time of a line of the measurement: `nvidia_smi,index=0,uuid=GPU-... utilization_gpu=0i,... 1580000000000000000`.
type Measurement = (Labels, Labels, Option<f64>);

fn measurement(line: &str) -> Option<Measurement> {
    let line = line.trim();
    line.strip_prefix("nvidia_smi,")?;
    let parts = pieces(line, b' ');
    let (tags, fields) = (*parts.first()?, *parts.get(1)?);
    let pairs = |text: &str| -> Labels {
        pieces(text, b',')
            .into_iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.replace('\\', ""), value.trim_matches('"').replace('\\', "")))
            .collect()
    };
    let time = match parts.get(2) {
        Some(stamp) => Some(seconds(stamp.parse().ok()?)),
        None => None,
    };
    let fields = pairs(fields);
    (!fields.is_empty()).then(|| (pairs(tags), fields, time))
}

impl Lines for Influx {
    fn ends_lines(&self) -> bool {
        true
    }

    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        if line.trim().is_empty() || line.starts_with('#') {
            return;
        }
        let Some((tags, fields, time)) = measurement(line) else {
            out.unread(number, "not a line of the measurement nvidia_smi", line);
            return;
        };
        let span = time.and_then(|seconds| out.epoch(number, seconds));
        // Whole numbers end with "i" or "u".
        let field = |key: &str| fields.get(key).and_then(|value| value.trim_end_matches(['i', 'u']).parse().ok());
        out.record();
        out.sample(number, span, sample(&field, &|key| tags.get(key).cloned()));
    }

    fn end(&mut self, _: &mut Out<'_>) {}
}
