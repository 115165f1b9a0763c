//! One finding in full: steps and events side by side, its strength term by term, its rivals, what it rests on.

use super::Told;
use super::findings::{command, limits};
use super::markup::{Cell, figure, level, list, paragraph, percent, table, text, words};
use super::rivals;
use crate::report::catalogues;
use crate::report::explain::{self, places, when};
use crate::report::lines::{FindingLine, StabilityLine, StrengthLine};
use crate::report::table::hypothesis;
use crate::report::when::bans;

/// All findings that are told in full. The first few are open.
pub(super) fn all(told: &Told<'_>) -> String {
    const OPEN: usize = 3;
    let one = |(at, finding): (usize, &&FindingLine)| one(told, finding, at < OPEN);
    let html: String = told.in_full().iter().enumerate().map(one).collect();
    if html.is_empty() { paragraph("None.") } else { html }
}

fn one(told: &Told<'_>, finding: &FindingLine, open: bool) -> String {
    let id = text(&finding.id);
    let title = format!("{} in {}", finding.behaviour, finding.episode);
    let run = finding.run.as_ref().map_or_else(String::new, |run| format!(", run {run}"));
    let what = format!(
        "{}{run}. Strength {} ({} bans), consistent with {}.",
        finding.summary,
        finding.strength.words,
        bans(finding.strength.log10_lr),
        catalogues::in_words(finding)
    );
    let who = explain::started_by(&finding.initiator, finding.judgement.withheld.as_deref());
    let decide = explain::would_decide(&finding.would_decide);
    format!(
        "<details class=\"finding\" id=\"{id}\"{open}>\n<summary><h3>{id} {title}</h3> {level}</summary>\n\
         {what}{who}{decide}<h4>Steps and events</h4>\n{side}<h4>Strength</h4>\n{ladder}{terms}\
         <h4>Rivals</h4>\n{matrix}{judgement}<h4>Stability</h4>\n{stability}<h4>Limits</h4>\n{limits}</details>\n",
        open = if open { " open" } else { "" },
        title = text(&title),
        level = level(&finding.level),
        what = paragraph(&what),
        who = paragraph(&who) + &paragraph(finding.persistence.as_deref().unwrap_or("")),
        decide = paragraph(&decide),
        side = side_by_side(told, finding),
        ladder = ladder(&finding.strength),
        terms = terms(&finding.strength),
        matrix = rivals::matrix(&finding.rivals),
        judgement = rivals::judgement(&finding.judgement),
        stability = stability(finding.stability.as_ref()),
        limits = limits(&finding.limits),
    )
}

fn side_by_side(told: &Told<'_>, finding: &FindingLine) -> String {
    let mut rows: Vec<(Option<&str>, u8, Vec<Cell>)> = Vec::new();
    for step in &finding.steps {
        let what = format!("<b>{}</b> {}: {}", step.index, text(&step.tool), command(step));
        let place = format!("{} {}", step.path, step.locator);
        let time = when(step.time.as_deref(), step.time_hi.as_deref());
        rows.push((step.time.as_deref(), 0, vec![figure(&time), Cell::Words(what), words(""), words(&place)]));
    }
    for signal in finding.signals.iter().filter_map(|id| told.signals.get(id.as_str())) {
        let what = format!("{} {} ({}): {}", signal.id, signal.kind, signal.confidence, signal.summary);
        let time = when(signal.time.as_deref(), signal.time_hi.as_deref());
        let records = places(&signal.records);
        rows.push((signal.time.as_deref(), 1, vec![figure(&time), words(""), words(&what), words(&records)]));
    }
    // Nine digits in UTC sort as text; what has no time comes last.
    rows.sort_by_key(|(time, kind, _)| (time.is_none(), *time, *kind));
    let rows: Vec<Vec<Cell>> = rows.into_iter().map(|(_, _, cells)| cells).collect();
    table(&format!("Steps and events of {}", finding.id), &["Time", "Step", "Event", "Where"], &rows, "None.")
}

/// The sum grown term by term, over the verbal scale.
fn ladder(strength: &StrengthLine) -> String {
    const LOWEST: f64 = -3.0;
    const HIGHEST: f64 = 7.0;
    const ROW: usize = 22;
    let share = |bans: f64| (bans.clamp(LOWEST, HIGHEST) - LOWEST) / (HIGHEST - LOWEST);
    let mut rows = String::new();
    let mut at = 0.0;
    let bars = strength.terms.iter().filter_map(|term| Some((term.term.as_str(), term.log10_lr?)));
    let mut bars: Vec<(&str, f64, f64)> = bars
        .map(|(name, bans)| {
            at += bans;
            (name, at - bans, at)
        })
        .collect();
    bars.push(("total", 0.0, strength.log10_lr.unwrap_or(at)));
    for (row, (name, from, to)) in bars.iter().enumerate() {
        let class = match (*name, to >= from) {
            ("total", _) => "total",
            (_, true) => "for",
            (_, false) => "against",
        };
        rows.push_str(&format!(
            "<rect class=\"{class}\" x=\"{}\" width=\"{}\" y=\"{}\" height=\"12\"/><text x=\"{}\" y=\"{}\">{} {}</text>\n",
            percent(share(from.min(*to))),
            percent((share(from.max(*to)) - share(from.min(*to))).max(0.002)),
            row * ROW + 6,
            percent(share(from.max(*to)) + 0.01),
            row * ROW + 17,
            text(name),
            bans(Some(to - from)),
        ));
    }
    let grid: String = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0]
        .iter()
        .map(|bans| {
            let x = percent(share(*bans));
            format!(
                "<line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"{}\"/><text x=\"{x}\" y=\"{}\">{bans}</text>\n",
                bars.len() * ROW,
                bars.len() * ROW + 14,
            )
        })
        .collect();
    format!(
        "<svg class=\"ladder\" width=\"100%\" height=\"{}\" role=\"img\" aria-label=\"The strength grown term by term; the table below has the numbers\">\n{grid}{rows}</svg>\n",
        bars.len() * ROW + 18
    )
}

fn terms(strength: &StrengthLine) -> String {
    let row = |term: &crate::report::lines::TermLine| {
        vec![
            Cell::Head(text(&term.term)),
            words(&term.observed),
            words(&term.counts),
            figure(&bans(term.log10_lr)),
            words(&term.cap),
            words(&places(&term.records)),
        ]
    };
    let mut rows: Vec<Vec<Cell>> = strength.terms.iter().map(row).collect();
    let total = figure(&bans(strength.log10_lr));
    rows.push(vec![Cell::Head("total".to_owned()), words(""), words(""), total, words(""), words("")]);
    let heads = ["Term", "Observed", "Counts", "log10", "Cap", "Records"];
    let mut html = table("Terms of the strength: this step against no step", &heads, &rows, "None.");
    html.push_str(&paragraph(&explain::shares(strength).unwrap_or_default()));
    let scale: Vec<String> = explain::SCALE.iter().map(|(range, words)| format!("{range}: {words}")).collect();
    html.push_str(&paragraph(&format!("The scale (after ENFSI 2015), in bans. {}.", scale.join("; "))));
    html
}

fn stability(stability: Option<&StabilityLine>) -> String {
    let Some(stability) = stability else {
        return paragraph("Not tested: ask for it by analyze --stability.");
    };
    let row = |one: &crate::report::lines::WithoutLine| {
        let found = match (one.found, one.other_steps) {
            (true, false) => "yes",
            (true, true) => "by other steps",
            (false, _) => "no",
        };
        let weight = if one.found { bans(one.log10_lr) } else { String::new() };
        let initiator = one.initiator.as_deref().map(hypothesis).unwrap_or_default();
        vec![Cell::Head(text(&one.name)), words(found), figure(&weight), words(initiator)]
    };
    let rows: Vec<Vec<Cell>> = stability.without.iter().map(row).collect();
    let heads = ["Without", "Found", "log10", "Held to have started it"];
    let mut html = table("The same analysis with less evidence", &heads, &rows, "Nothing could be left out.");
    html.push_str(&list(&stability.sentences));
    html
}
