//! An evaluation as a table, as CSV and as a page with plots.

use polars::prelude::PolarsResult;
use serde_json::json;

use super::columns::{self, exact, integers, words};
use super::escape;
use super::layout::{Align, Screen, Table, Tone};
use crate::evaluate::{Bar, Curves, Evaluation, Measure};

fn value(measure: &Measure) -> String {
    measure.value.map_or_else(String::new, |value| format!("{value:.3}"))
}

fn interval(measure: &Measure) -> String {
    measure.interval.map_or_else(String::new, |(low, high)| format!("{low:.3} … {high:.3}"))
}

fn bar(measure: &Measure) -> String {
    match measure.bar {
        Bar::AtMost(bar) => format!("at most {bar}"),
        Bar::AtLeast(bar) => format!("at least {bar}"),
        Bar::None => String::new(),
    }
}

fn outcome(measure: &Measure) -> &'static str {
    match measure.is_met() {
        Some(true) => "met",
        Some(false) => "missed",
        None => "",
    }
}

/// For a terminal.
pub fn table(evaluation: &Evaluation, screen: Screen) -> String {
    let mut table = Table::new(&[
        ("WORLDS", Align::Left),
        ("MEASURE", Align::Left),
        ("OF", Align::Right),
        ("VALUE", Align::Right),
        ("95 %", Align::Left),
        ("BAR", Align::Left),
        ("", Align::Left),
    ]);
    for measure in &evaluation.measures {
        let tone = if measure.is_met() == Some(false) { Tone::Alarm } else { Tone::Plain };
        let plain = |text: String| (text, Tone::Plain);
        table.toned([
            plain(measure.cell.clone()),
            plain(measure.measure.to_owned()),
            plain(measure.count.to_string()),
            plain(value(measure)),
            plain(interval(measure)),
            plain(bar(measure)),
            (outcome(measure).to_owned(), tone),
        ]);
    }
    table.render(screen, "(nothing was measured)")
}

/// Columns: worlds, measure, of, value, low, high, bar, outcome. Unknown cells are empty.
///
/// # Errors
/// When the table cannot be built.
pub fn csv(evaluation: &Evaluation) -> PolarsResult<Vec<u8>> {
    let all = &evaluation.measures;
    columns::Table(vec![
        words("worlds", all.iter().map(|one| &one.cell)),
        words("measure", all.iter().map(|one| one.measure)),
        integers("of", all.iter().map(|one| Some(one.count))),
        exact("value", all.iter().map(|one| one.value)),
        exact("low", all.iter().map(|one| one.interval.map(|(low, _)| low))),
        exact("high", all.iter().map(|one| one.interval.map(|(_, high)| high))),
        words("bar", all.iter().map(bar)),
        words("outcome", all.iter().map(outcome)),
    ])
    .csv()
}

/// One object per measure.
pub fn jsonl(evaluation: &Evaluation) -> String {
    let line = |one: &Measure| {
        let mut object = json!({ "type": "measure", "worlds": one.cell, "measure": one.measure, "of": one.count });
        let mut add = |name: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                object[name] = value;
            }
        };
        add("value", one.value.map(Into::into));
        add("low", one.interval.map(|(low, _)| low.into()));
        add("high", one.interval.map(|(_, high)| high.into()));
        add("bar", Some(bar(one)).filter(|bar| !bar.is_empty()).map(Into::into));
        add("outcome", Some(outcome(one)).filter(|text| !text.is_empty()).map(Into::into));
        escape::json(object.to_string()) + "\n"
    };
    evaluation.measures.iter().map(line).collect()
}

/// One page: the table, reliability and risk against coverage. Nothing is loaded, no script is needed.
pub fn html(evaluation: &Evaluation) -> String {
    let row = |one: &Measure| {
        let class = if one.is_met() == Some(false) { " class=\"missed\"" } else { "" };
        let cells = [one.cell.clone(), one.measure.to_owned()].map(|text| format!("<td>{}</td>", escape::xml(&text)));
        let figures = [one.count.to_string(), value(one), interval(one), bar(one), outcome(one).to_owned()]
            .map(|text| format!("<td class=\"figure\">{}</td>", escape::xml(&text)));
        format!("<tr{class}>{}{}</tr>\n", cells.concat(), figures.concat())
    };
    let rows: String = evaluation.measures.iter().map(row).collect();
    let plots = plots(&evaluation.curves);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>coincident: evaluation</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>How well findings match what happened</h1>\n\
         <p>{} worlds with known truth. Intervals are 95 % by Wilson.</p>\n{plots}\n<h2>Measures</h2>\n\
         <table>\n<thead><tr><th scope=\"col\">Worlds</th><th scope=\"col\">Measure</th><th scope=\"col\">Of</th>\
         <th scope=\"col\">Value</th><th scope=\"col\">95 %</th><th scope=\"col\">Bar</th><th scope=\"col\">Outcome</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</main>\n</body>\n</html>\n",
        evaluation.worlds
    )
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:1rem}\
main{max-width:70rem;margin:auto}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.25rem .75rem;border-bottom:1px solid #8886;vertical-align:top}\
.figure{font-variant-numeric:tabular-nums;white-space:nowrap}\
.missed td:last-child{font-weight:bold;text-decoration:underline}\
.plots{display:flex;flex-wrap:wrap;gap:2rem}\
figure{margin:0}\
svg{max-width:100%;height:auto}\
svg text{font:12px system-ui,sans-serif;fill:currentColor}\
.axis{stroke:currentColor;fill:none}\
.ideal{stroke:currentColor;stroke-dasharray:4 4;opacity:.5}\
.curve{stroke:#2a78c8;stroke-width:2;fill:none}\
.point{fill:#2a78c8}";

/// Side of a plot, and the margin for its words.
const SIDE: f64 = 320.0;
const MARGIN: f64 = 48.0;

fn plots(curves: &Curves) -> String {
    if curves.reliability.is_empty() {
        return String::new();
    }
    let stated: Vec<(f64, f64)> = curves.reliability.iter().map(|(stated, right, _)| (*stated, *right)).collect();
    let most = curves.risk_coverage.iter().map(|(_, risk)| *risk).fold(0.05, f64::max);
    let scaled: Vec<(f64, f64)> = curves.risk_coverage.iter().map(|(share, risk)| (*share, risk / most)).collect();
    format!(
        "<div class=\"plots\">\n{}{}</div>",
        figure(
            "Reliability: ten groups of answers of equal size. On the dashed line what is stated is what comes true.",
            ("stated probability", "share that was right", "1"),
            &stated,
            true
        ),
        figure(
            "Risk and coverage: the surest answers first, and the share of them that is wrong.",
            ("share of connections answered", "share wrong", &format!("{most:.2}")),
            &scaled,
            false
        )
    )
}

fn figure(caption: &str, (x, y, top): (&str, &str, &str), points: &[(f64, f64)], ideal: bool) -> String {
    let at = |(x, y): &(f64, f64)| (MARGIN + x * SIDE, MARGIN / 2.0 + (1.0 - y) * SIDE);
    let path: Vec<String> = points.iter().map(at).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let marks: String = if ideal {
        points
            .iter()
            .map(at)
            .map(|(x, y)| format!("<circle class=\"point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"))
            .collect()
    } else {
        String::new()
    };
    let (left, bottom, right, above) = (MARGIN, MARGIN / 2.0 + SIDE, MARGIN + SIDE, MARGIN / 2.0);
    let line = if ideal {
        format!("<line class=\"ideal\" x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{above}\"/>")
    } else {
        String::new()
    };
    format!(
        "<figure>\n<svg viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" aria-label=\"{label}\">\
         <path class=\"axis\" d=\"M{left},{above} V{bottom} H{right}\"/>{line}\
         <polyline class=\"curve\" points=\"{path}\"/>{marks}\
         <text x=\"{mid}\" y=\"{below}\" text-anchor=\"middle\">{x}</text>\
         <text x=\"{left}\" y=\"{foot}\" text-anchor=\"middle\">0</text><text x=\"{right}\" y=\"{foot}\" text-anchor=\"middle\">1</text>\
         <text x=\"{beside}\" y=\"{top_y}\" text-anchor=\"end\">{top}</text>\
         <text transform=\"translate(14 {middle}) rotate(-90)\" text-anchor=\"middle\">{y}</text></svg>\n\
         <figcaption>{label}</figcaption>\n</figure>\n",
        w = SIDE + 1.5 * MARGIN,
        h = SIDE + 1.5 * MARGIN,
        label = escape::xml(caption),
        path = path.join(" "),
        mid = left + SIDE / 2.0,
        below = bottom + 34.0,
        foot = bottom + 16.0,
        beside = left - 6.0,
        top_y = above + 4.0,
        middle = above + SIDE / 2.0,
    )
}
