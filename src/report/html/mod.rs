//! The report as one page: it loads nothing, reads without a script, and lets a little be explored with one.
//!
//! Evidence stands in it as text alone. Its Content Security Policy (W3C, CSP Level 3) allows the page's own style and
//! script by their digests and nothing else: should markup ever get through, it does not run.

mod chance;
mod evidence;
mod finding;
mod findings;
mod lanes;
mod markup;
mod rivals;
mod summary;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::DisplayZone;
use super::lines::{FindingLine, Line, SignalLine, SourceLine, SummaryLine};
use crate::correlate::Analysis;
use markup::text;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// So many findings are told in full, the most serious first; the table has all.
const TOLD: usize = 200;

/// The lines by what they are.
struct Told<'a> {
    analysis: &'a Analysis,
    zone: DisplayZone,
    sources: Vec<&'a SourceLine>,
    signals: std::collections::BTreeMap<&'a str, &'a SignalLine>,
    /// The most serious first, of equals in their own order.
    findings: Vec<&'a FindingLine>,
    lines: &'a [Line],
    summary: SummaryLine,
}

impl<'a> Told<'a> {
    fn new(analysis: &'a Analysis, lines: &'a [Line], zone: DisplayZone) -> Self {
        let mut told = Told {
            analysis,
            zone,
            sources: Vec::new(),
            signals: std::collections::BTreeMap::new(),
            findings: Vec::new(),
            lines,
            summary: SummaryLine::default(),
        };
        for line in lines {
            match line {
                Line::Source(source) => told.sources.push(source),
                Line::Signal(signal) => drop(told.signals.insert(&signal.id, signal)),
                Line::Finding(finding) => told.findings.push(finding),
                Line::Summary(summary) => told.summary = (**summary).clone(),
                Line::Unexplained(_) | Line::Uncovered(_) | Line::Anomaly(_) => {}
            }
        }
        told.findings.sort_by_key(|finding| rank(&finding.level));
        told
    }

    /// Those that are told in full.
    fn in_full(&self) -> &[&'a FindingLine] {
        self.findings.get(..TOLD.min(self.findings.len())).unwrap_or_default()
    }
}

fn rank(level: &str) -> u8 {
    match level {
        "high" => 0,
        "medium" => 1,
        _ => 2,
    }
}

/// A part of the page with its place in the contents.
struct Section {
    id: &'static str,
    title: &'static str,
    body: String,
}

/// The page, with times in a zone. `lines` are those of [`super::jsonl::lines`] for the same analysis; targets of signals may
/// be missing.
pub fn render(analysis: &Analysis, lines: &[Line], zone: DisplayZone) -> String {
    let told = Told::new(analysis, lines, zone);
    let sections = [
        Section { id: "summary", title: "Summary", body: summary::body(&told) },
        Section { id: "findings", title: "Findings", body: findings::body(&told) },
        Section { id: "timeline", title: "Timeline", body: lanes::body(&told) },
        Section { id: "details", title: "Findings in full", body: finding::all(&told) },
        Section { id: "unexplained", title: "Not explained by any step", body: findings::unexplained(&told) },
        Section { id: "uncovered", title: "Steps without coverage", body: findings::uncovered(&told) },
        Section { id: "chance", title: "Alignment and its controls", body: chance::alignment(&told) },
        Section { id: "recurrence", title: "Recurrence", body: chance::recurrence(&told) },
        Section { id: "clocks", title: "Clocks", body: evidence::clocks(&told) },
        Section { id: "evidence", title: "Evidence", body: evidence::sources(&told) },
        Section { id: "limits", title: "Limits", body: summary::limits(&told) },
    ];
    let contents: String =
        sections.iter().map(|one| format!("<li><a href=\"#{}\">{}</a></li>\n", one.id, one.title)).collect();
    let body: String = sections
        .iter()
        .map(|one| {
            format!(
                "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{body}</section>\n",
                id = one.id,
                title = one.title,
                body = one.body
            )
        })
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{style}'; \
         script-src '{script}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>coincident: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the report</a>\n\
         <header>\n<h1>What lines up with what</h1>\n<p>{headline}</p>\n</header>\n\
         <nav aria-label=\"Contents\">\n<ul>\n{contents}</ul>\n</nav>\n<main id=\"main\">\n{body}</main>\n\
         <footer>\n<p>Written by coincident {version}. Times are on the reference clock, shown in {zone}. \
         The same in full: findings.jsonl; digests of evidence, rules and outputs: manifest.json.</p>\n</footer>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        style = digest(STYLE),
        script = digest(SCRIPT),
        title = text(&summary::title(&told)),
        headline = text(&summary::headline(&told)),
        version = env!("CARGO_PKG_VERSION"),
        zone = text(zone.0.name()),
    )
}

/// A source expression of the policy.
fn digest(content: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(content.as_bytes())))
}

#[cfg(test)]
mod tests;
