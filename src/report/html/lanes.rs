//! The timeline in lanes: episodes with their flagged calls, what the network shows, what firewalls let through and
//! refused, what GPUs drew. One axis for all.

use std::collections::BTreeMap;

use super::Told;
use super::markup::{paragraph, percent, text};
use crate::correlate::{EpisodeRow, GpuTrace};
use crate::model::Behaviour;
use crate::time::Instant;

/// So many episodes and GPUs have a lane of their own.
const EPISODES: usize = 40;
const GPUS: usize = 16;
/// Marks of a lane nearer to each other than this share of the axis are one.
const APART: f64 = 1.0 / 1500.0;
/// Stretches that verdicts are counted over.
const STRETCHES: usize = 240;
/// Heights, in pixels.
const MARKS: usize = 18;
const CURVE: usize = 46;
const AXIS: usize = 20;

/// The stretch of time that lanes show.
struct Axis {
    from: Instant,
    length: f64,
}

impl Axis {
    fn share(&self, at: Instant) -> f64 {
        at.since(self.from) as f64 / self.length
    }
}

/// A bar in a lane, as shares of the axis.
struct Mark {
    from: f64,
    to: f64,
    class: &'static str,
    label: String,
    /// How many were put together.
    number: usize,
    link: Option<String>,
}

pub(super) fn body(told: &Told<'_>) -> String {
    let Some((from, to)) = extent(told) else { return paragraph("Nothing in the evidence is dated.") };
    let axis = Axis { from, length: to.since(from).max(1) as f64 };
    let mut lanes = vec![lane("time", &ticks(told, &axis), AXIS)];
    let (episodes, left) = episodes(told, &axis);
    lanes.extend(episodes);
    lanes.extend(signals(told, &axis));
    lanes.extend(verdicts(told, &axis));
    let traces = &told.analysis.gpu;
    lanes.extend(traces.iter().take(GPUS).map(|trace| curves(trace, &axis)));
    let mut html = "<p class=\"control\" hidden>\
        <button type=\"button\" data-act=\"in\">Zoom in</button> <button type=\"button\" data-act=\"out\">Zoom out</button> \
        <button type=\"button\" data-act=\"left\">Earlier</button> <button type=\"button\" data-act=\"right\">Later</button> \
        <button type=\"button\" data-act=\"whole\">All</button> <output id=\"stretch\"></output></p>\n"
        .to_owned();
    let milliseconds = |at: Instant| at.0.div_euclid(1_000_000);
    html.push_str(&format!(
        "<div class=\"lanes\" tabindex=\"0\" role=\"group\" aria-label=\"Timeline in lanes; plus, minus, arrows and 0 move it\" data-from=\"{}\" data-to=\"{}\">\n{}</div>\n",
        milliseconds(from),
        milliseconds(to),
        lanes.concat()
    ));
    html.push_str(&paragraph(
        "Grey: an episode from its first to its last call; dark: calls that findings name. Coloured: signals, by behaviour. \
         Green above, red below: connections that firewalls let through and refused. Curves: a GPU's power (or load), its most in each stretch. \
         Marks too near to each other to be told apart are drawn as one.",
    ));
    if left > 0 {
        html.push_str(&paragraph(&format!("{left} more flagged episodes have no lane; episodes.csv has all.")));
    }
    let left = traces.len().saturating_sub(GPUS);
    if left > 0 {
        html.push_str(&paragraph(&format!("{left} more GPUs have no lane.")));
    }
    html
}

/// From the first to the last thing that is drawn.
fn extent(told: &Told<'_>) -> Option<(Instant, Instant)> {
    let analysis = told.analysis;
    let episodes = analysis.episodes.iter().flat_map(|episode| [episode.first, episode.last]).flatten();
    let signals = analysis.signals.iter().filter_map(|signal| signal.span).flat_map(|span| [span.lo, span.hi]);
    let gpu = analysis.gpu.iter().flat_map(|trace| trace.points.iter().map(|point| point.at));
    let verdicts = analysis.conversations.iter().filter(|row| row.allowed + row.denied > 0).map(|row| row.first);
    let all = episodes.chain(signals).chain(gpu).chain(verdicts);
    all.fold(None, |extent, at| match extent {
        None => Some((at, at)),
        Some((first, last)) => Some((at.min(first), at.max(last))),
    })
}

fn lane(name: &str, inside: &str, height: usize) -> String {
    // The end of a path tells lanes apart.
    let parts: Vec<&str> = name.rsplitn(3, '/').collect();
    let short = match parts.as_slice() {
        [last, before, _] => format!("…/{before}/{last}"),
        _ => name.to_owned(),
    };
    format!(
        "<div class=\"lane\"><div class=\"name\" title=\"{}\">{}</div><svg height=\"{height}\"><svg class=\"view\" x=\"0\" width=\"100%\" height=\"{height}\">{inside}</svg></svg></div>\n",
        text(name),
        text(&short)
    )
}

fn ticks(told: &Told<'_>, axis: &Axis) -> String {
    const TICKS: u32 = 4;
    let tick = |nth: u32| {
        let share = f64::from(nth) / f64::from(TICKS);
        let at = axis.from.plus((axis.length * share) as i64);
        let anchor = match nth {
            0 => "start",
            TICKS => "end",
            _ => "middle",
        };
        format!(
            "<text x=\"{}\" y=\"14\" text-anchor=\"{anchor}\">{}</text>",
            percent(share),
            text(&told.zone.seconds(at))
        )
    };
    (0..=TICKS).map(tick).collect()
}

/// Marks as SVG, those too near to each other put together.
fn drawn(mut marks: Vec<Mark>) -> String {
    marks.sort_by(|a, b| a.from.total_cmp(&b.from).then(a.to.total_cmp(&b.to)));
    let mut joined: Vec<Mark> = Vec::new();
    for mark in marks {
        match joined.last_mut() {
            Some(last) if last.class == mark.class && last.link == mark.link && mark.from - last.to < APART => {
                last.to = last.to.max(mark.to);
                last.number += mark.number;
            }
            _ => joined.push(mark),
        }
    }
    let one = |mark: &Mark| {
        let more = if mark.number > 1 { format!(" (and {} more)", mark.number - 1) } else { String::new() };
        let rect = format!(
            "<rect class=\"{}\" x=\"{}\" width=\"{}\" y=\"4\" height=\"10\"><title>{}{more}</title></rect>",
            mark.class,
            percent(mark.from),
            // A width of nothing is not drawn at all (SVG 2, section 10.2).
            percent((mark.to - mark.from).max(0.000_02)),
            text(&mark.label)
        );
        match &mark.link {
            Some(id) => format!(
                "<a href=\"#{id}\" aria-label=\"{label}{more}\">{rect}</a>",
                id = text(id),
                label = text(&mark.label)
            ),
            None => rect,
        }
    };
    joined.iter().map(one).collect()
}

/// A lane per flagged episode, and how many have none.
fn episodes(told: &Told<'_>, axis: &Axis) -> (Vec<String>, usize) {
    let flagged: Vec<&EpisodeRow> = told.analysis.episodes.iter().filter(|row| !row.findings.is_empty()).collect();
    let in_full: Vec<&str> = told.in_full().iter().map(|finding| finding.id.as_str()).collect();
    let one = |row: &&EpisodeRow| {
        let mut marks = Vec::new();
        if let (Some(first), Some(last)) = (row.first, row.last) {
            let label = format!("{}, {} calls", row.name, row.steps);
            marks.push(Mark {
                from: axis.share(first),
                to: axis.share(last),
                class: "episode",
                label,
                number: 1,
                link: None,
            });
        }
        let mut calls = Vec::new();
        for finding in told.analysis.findings.iter().filter(|finding| row.findings.contains(&finding.id)) {
            for step in &finding.steps {
                let Some(span) = step.span else { continue };
                let label = format!("{} step {}: {}", finding.id, step.index, finding.behaviour.name());
                let link = in_full.contains(&finding.id.as_str()).then(|| finding.id.clone());
                calls.push(Mark {
                    from: axis.share(span.lo),
                    to: axis.share(span.hi),
                    class: "call",
                    label,
                    number: 1,
                    link,
                });
            }
        }
        lane(&row.name, &(drawn(marks) + &drawn(calls)), MARKS)
    };
    (flagged.iter().take(EPISODES).map(one).collect(), flagged.len().saturating_sub(EPISODES))
}

fn class_of(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Mining => "mining",
        Behaviour::Tunnel => "tunnel",
        Behaviour::Probing => "probing",
        _ => "other",
    }
}

/// A lane per behaviour and source of signals.
fn signals(told: &Told<'_>, axis: &Axis) -> Vec<String> {
    let mut held: BTreeMap<&str, &str> = BTreeMap::new();
    for finding in told.in_full() {
        for id in &finding.signals {
            held.entry(id).or_insert(&finding.id);
        }
    }
    let mut lanes: BTreeMap<(Behaviour, &str), Vec<Mark>> = BTreeMap::new();
    for signal in &told.analysis.signals {
        let Some(span) = signal.span else { continue };
        lanes.entry((signal.behaviour, crate::report::jsonl::signal_source(signal.source))).or_default().push(Mark {
            from: axis.share(span.lo),
            to: axis.share(span.hi),
            class: class_of(signal.behaviour),
            label: format!("{} {}: {}", signal.id, signal.kind, signal.summary),
            number: 1,
            link: held.get(signal.id.as_str()).map(|id| (*id).to_owned()),
        });
    }
    lanes
        .into_iter()
        .map(|((behaviour, source), marks)| lane(&format!("{} ({source})", behaviour.name()), &drawn(marks), MARKS))
        .collect()
}

/// What firewalls let through (above) and refused (below), over time.
fn verdicts(told: &Told<'_>, axis: &Axis) -> Option<String> {
    let mut counts = vec![(0_u64, 0_u64); STRETCHES];
    for row in told.analysis.conversations.iter() {
        let place = (axis.share(row.first) * STRETCHES as f64) as usize;
        if let Some((allowed, denied)) = counts.get_mut(place.min(STRETCHES - 1)) {
            *allowed = allowed.saturating_add(row.allowed);
            *denied = denied.saturating_add(row.denied);
        }
    }
    let most = counts.iter().map(|(allowed, denied)| (*allowed).max(*denied)).max().filter(|most| *most > 0)?;
    // Few refusals beside many connections would not show on an even scale.
    let height = |count: u64| (count as f64).ln_1p() / (most as f64).ln_1p() * (CURVE as f64 / 2.0 - 1.0);
    let middle = CURVE as f64 / 2.0;
    let bars: String = counts
        .iter()
        .enumerate()
        .flat_map(|(place, (allowed, denied))| {
            let x = percent(place as f64 / STRETCHES as f64);
            let bar = |class: &str, count: u64, y: f64| {
                format!(
                    "<rect class=\"{class}\" x=\"{x}\" width=\"{}\" y=\"{y:.1}\" height=\"{:.1}\"><title>{count} {class}</title></rect>",
                    percent(0.8 / STRETCHES as f64),
                    height(count)
                )
            };
            let up = (*allowed > 0).then(|| bar("allowed", *allowed, middle - height(*allowed)));
            let down = (*denied > 0).then(|| bar("denied", *denied, middle));
            [up, down].into_iter().flatten()
        })
        .collect();
    Some(lane("firewall: let through, refused (log scale)", &bars, CURVE))
}

/// A GPU's power, or its load where no power is told.
fn curves(trace: &GpuTrace, axis: &Axis) -> String {
    let power = trace.points.iter().any(|point| point.power_w.is_some());
    let value = |point: &crate::correlate::GpuTracePoint| if power { point.power_w } else { point.utilization_percent };
    let most = trace.points.iter().filter_map(value).fold(1.0_f32, f32::max);
    let mut path = String::new();
    let mut pen = 'M';
    for point in &trace.points {
        let Some(value) = value(point) else {
            pen = 'M';
            continue;
        };
        let (x, y) = (axis.share(point.at) * 1000.0, (1.0 - f64::from(value / most)) * 40.0 + 3.0);
        path.push_str(&format!("{pen}{x:.2},{y:.1}"));
        pen = 'L';
    }
    let memory = trace
        .points
        .iter()
        .filter_map(|point| point.memory_used_mib)
        .fold(None, |most: Option<f32>, one| Some(most.map_or(one, |most| most.max(one))));
    let unit = if power { "W" } else { "% load" };
    let memory = memory.map_or_else(String::new, |memory| format!(", memory up to {memory:.0} MiB"));
    let name = format!("{} (GPU): up to {most:.0} {unit}{memory}", trace.name);
    lane(
        &name,
        &format!(
            "<svg viewBox=\"0 0 1000 {CURVE}\" preserveAspectRatio=\"none\" width=\"100%\" height=\"{CURVE}\"><path class=\"curve\" d=\"{path}\"/></svg>"
        ),
        CURVE,
    )
}
