//! Scrapes of exporters in the text format of Prometheus (exposition format 0.0.4) and OpenMetrics.

use super::form::Form;
use super::metric::{Labels, Samples, is_known_exporter, of_name};
use super::out::{Lines, Out};

/// What `/metrics` of an exporter gave.
pub(super) static SCRAPE: Form = Form {
    id: "gpu-metrics",
    title: "Prometheus text of dcgm-exporter and nvidia_gpu_exporter, one scrape or several in one file",
    record: "line",
    probe: |head| {
        let known = |line: &str| {
            let name = line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).unwrap_or(line);
            is_known_exporter(name) && (line.starts_with('#') || series(line).is_some())
        };
        let is_comment = |line: &&str| line.starts_with("# ");
        let mut lines = head.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next()?;
        let text = is_comment(&first) || series(first).is_some();
        (text && std::iter::once(first).chain(lines).any(known)).then_some("metrics of a known GPU exporter")
    },
    reader: || Box::new(Scrape::default()),
};

#[derive(Default)]
struct Scrape {
    samples: Samples,
}

/// `name{label="value",...} figure [milliseconds]`.
fn series(line: &str) -> Option<(&str, Labels, f64, Option<f64>)> {
    let end = line.find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':')))?;
    let (name, rest) = (line.get(..end)?, line.get(end..)?);
    if name.is_empty() {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    let time = match words.next() {
        Some(ms) => Some(ms.parse::<f64>().ok()? / 1000.0),
        None => None,
    };
    Some((name, labels, value, time))
}

/// `label="value",...}` and what stands behind it; `\\`, `\"` and `\n` are escapes.
fn labels(text: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, behind) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = behind.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(name.trim().to_owned(), value);
        rest = behind.get(end + 1..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

impl Lines for Scrape {
    fn ends_lines(&self) -> bool {
        true
    }

    fn advice(&self) -> &'static str {
        ": a scrape has none; take them from the database of Prometheus (query_range)"
    }

    fn line(&mut self, number: u64, line: &str, out: &mut Out<'_>) {
        if line.trim().is_empty() || line.starts_with("# ") {
            return;
        }
        let Some((name, labels, value, time)) = series(line) else {
            out.unread(number, "not a metric", line);
            return;
        };
        out.record();
        if let Some((measure, factor)) = of_name(name) {
            self.samples.take(number, time, measure, &labels, value * factor, out);
        }
    }

    fn end(&mut self, out: &mut Out<'_>) {
        self.samples.flush(out);
    }
}
