//! The steps and events of a finding on one time axis, drawn with characters.
//!
//! One row per step and per kind of event. Nothing of it is text out of evidence but the kinds of events, which rules
//! name. Without a screen it is as wide as on one of 100 columns: the same bytes whoever looks.

use super::super::layout::{Screen, Tone};
use super::super::lines::{SignalLine, StepLine};
use super::super::when::{DisplayZone, duration, parse_rfc3339};
use crate::time::{Instant, SECOND};

/// Columns of the drawing with its labels, where nobody says how wide the screen is.
const WIDTH: usize = 100;
const NARROWEST: usize = 60;
const WIDEST: usize = 140;
/// Longer labels are cut: the kinds of a rule set of one's own may be of any length.
const LABEL: usize = 30;
/// More steps than this share one row.
const STEP_ROWS: usize = 10;

/// Between ticks, in nanoseconds: what people count in.
const DISTANCES: [i64; 27] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    60 * SECOND,
    120 * SECOND,
    300 * SECOND,
    600 * SECOND,
    900 * SECOND,
    1_800 * SECOND,
    3_600 * SECOND,
    7_200 * SECOND,
    10_800 * SECOND,
    21_600 * SECOND,
    43_200 * SECOND,
    DAY,
];
const DAY: i64 = 86_400 * SECOND;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Step,
    Event,
}

/// A row of the drawing: spans of one kind.
struct Lane {
    label: String,
    what: What,
    spans: Vec<(Instant, Instant)>,
}

/// Low and high end of what a line says, if anything dates it.
pub(super) fn span(time: Option<&str>, time_hi: Option<&str>) -> Option<(Instant, Instant)> {
    let low = parse_rfc3339(time?)?;
    let high = time_hi.and_then(parse_rfc3339).unwrap_or(low);
    Some((low, high.max(low)))
}

/// The drawing, every line ended. `None` if nothing is dated.
pub(super) fn draw(steps: &[StepLine], signals: &[&SignalLine], screen: Screen) -> Option<String> {
    let (lanes, undated) = lanes(steps, signals);
    let spans = || lanes.iter().flat_map(|lane| &lane.spans);
    let (first, last) = (spans().map(|span| span.0).min()?, spans().map(|span| span.1).max()?);
    // A moment alone stands in the middle of two seconds.
    let (first, last) = if first == last { (first.plus(-SECOND), last.plus(SECOND)) } else { (first, last) };
    let width = screen.width.map_or(WIDTH, usize::from).clamp(NARROWEST, WIDEST);
    let labels = lanes.iter().map(|lane| lane.label.chars().count()).max().unwrap_or_default();
    // One blank in front, two between label and axis, one spare at the edge.
    let axis = Axis { first, last, columns: width.saturating_sub(labels + 4).max(20) };
    let range = DisplayZone::default().range(first, last);
    let legend = format!("{range}, a column is {}: █ step, ━ event, ● event within one column", axis.grain());
    let mut out = screen.paragraph(Tone::Faint, &legend);
    let blank = " ".repeat(labels + 3);
    let ticks = axis.ticks();
    out.push_str(format!("{blank}{}", axis.tick_labels(&ticks)).trim_end());
    out.push_str(&format!("\n{blank}{}\n", axis.rule(&ticks)));
    for lane in &lanes {
        let padding = " ".repeat(labels - lane.label.chars().count());
        out.push_str(format!(" {}{padding}  {}", lane.label, axis.lane(lane, &ticks)).trim_end());
        out.push('\n');
    }
    if undated > 0 {
        out.push_str(&screen.paragraph(Tone::Plain, &format!("Not drawn, since nothing dates them: {undated}.")));
    }
    Some(out)
}

/// Rows in their order, and how many steps and events nothing dates.
fn lanes(steps: &[StepLine], signals: &[&SignalLine]) -> (Vec<Lane>, usize) {
    let mut undated = 0;
    let mut lanes: Vec<Lane> = Vec::new();
    let mut add = |label: String, what: What, all: Vec<Option<(Instant, Instant)>>| {
        undated += all.iter().filter(|span| span.is_none()).count();
        let spans: Vec<(Instant, Instant)> = all.into_iter().flatten().collect();
        if !spans.is_empty() {
            lanes.push(Lane { label: plain(&label), what, spans });
        }
    };
    let of_step = |step: &StepLine| span(step.time.as_deref(), step.time_hi.as_deref());
    if steps.len() > STEP_ROWS {
        add(format!("{} steps", steps.len()), What::Step, steps.iter().map(of_step).collect());
    } else {
        steps.iter().for_each(|step| add(format!("step {}", step.index), What::Step, vec![of_step(step)]));
    }
    let mut kinds: Vec<&str> = Vec::new();
    for signal in signals {
        if !kinds.contains(&signal.kind.as_str()) {
            kinds.push(&signal.kind);
        }
    }
    for kind in kinds {
        let of_kind: Vec<&&SignalLine> = signals.iter().filter(|signal| signal.kind == kind).collect();
        let label = match of_kind.as_slice() {
            [one] => format!("{} {kind}", one.id),
            many => format!("{kind} × {}", many.len()),
        };
        let spans = of_kind.iter().map(|signal| span(signal.time.as_deref(), signal.time_hi.as_deref())).collect();
        add(label, What::Event, spans);
    }
    (lanes, undated)
}

/// A label in characters that are one column wide each.
fn plain(label: &str) -> String {
    label.chars().take(LABEL).map(|c| if (' '..='~').contains(&c) || c == '×' { c } else { '?' }).collect()
}

struct Axis {
    first: Instant,
    last: Instant,
    columns: usize,
}

impl Axis {
    fn range(&self) -> i128 {
        (i128::from(self.last.0) - i128::from(self.first.0)).max(1)
    }

    fn column(&self, at: Instant) -> usize {
        let into = i128::from(at.0) - i128::from(self.first.0);
        let most = self.columns.saturating_sub(1);
        usize::try_from(into * most as i128 / self.range()).unwrap_or_default().min(most)
    }

    fn grain(&self) -> String {
        duration(u64::try_from(self.range() / self.columns.max(1) as i128).unwrap_or(u64::MAX))
    }

    /// Between ticks: the least round length that leaves room for the labels.
    fn distance(&self) -> i64 {
        let fits = |distance: i64| {
            let columns = i128::from(distance) * self.columns as i128 / self.range();
            columns >= 2 + label(Instant(0), distance).len() as i128
        };
        DISTANCES.into_iter().find(|distance| fits(*distance)).unwrap_or_else(|| {
            // Days, doubled until they fit; a range of 64 bits of nanoseconds is reached within 17 doublings.
            (0..17).map(|doubled| DAY << doubled).find(|distance| fits(*distance)).unwrap_or(i64::MAX)
        })
    }

    /// Columns of the ticks and what stands above them.
    fn ticks(&self) -> Vec<(usize, String)> {
        let distance = self.distance();
        let mut at = self.first.0.div_euclid(distance).saturating_mul(distance);
        let mut ticks = Vec::new();
        while at <= self.last.0 {
            if at >= self.first.0 {
                ticks.push((self.column(Instant(at)), label(Instant(at), distance)));
            }
            let Some(next) = at.checked_add(distance) else { break };
            at = next;
        }
        ticks
    }

    fn tick_labels(&self, ticks: &[(usize, String)]) -> String {
        let mut line = String::new();
        for (column, label) in ticks {
            // The last label may reach beyond the axis: it goes where there is room.
            let column = (*column).min(self.columns.saturating_sub(label.len()));
            let length = line.chars().count();
            if column >= length && (length == 0 || column > length) {
                line.push_str(&" ".repeat(column - length));
                line.push_str(label);
            }
        }
        line
    }

    fn rule(&self, ticks: &[(usize, String)]) -> String {
        let tick = |column: usize| ticks.iter().any(|(at, _)| *at == column);
        (0..self.columns).map(|column| if tick(column) { '┬' } else { '─' }).collect()
    }

    fn lane(&self, lane: &Lane, ticks: &[(usize, String)]) -> String {
        let mut line = vec![' '; self.columns];
        for (column, _) in ticks {
            if let Some(cell) = line.get_mut(*column) {
                *cell = '┊';
            }
        }
        for (from, to) in &lane.spans {
            let (from, to) = (self.column(*from), self.column(*to));
            let drawn = match lane.what {
                What::Step => '█',
                What::Event if from == to => '●',
                What::Event => '━',
            };
            for cell in line.iter_mut().take(to + 1).skip(from) {
                // A moment within a longer event stays visible.
                *cell = if *cell == '●' { '●' } else { drawn };
            }
        }
        line.into_iter().collect()
    }
}

/// What a tick says: no finer than the distance between ticks.
fn label(at: Instant, distance: i64) -> String {
    let format = match distance {
        DAY.. => "%Y-%m-%d",
        SECOND.. => "%H:%M:%S",
        _ => "%H:%M:%S%.3f",
    };
    at.to_utc().format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(index: u32, time: &str, time_hi: &str) -> StepLine {
        StepLine { index, time: Some(time.to_owned()), time_hi: Some(time_hi.to_owned()), ..StepLine::default() }
    }

    fn signal(id: &str, kind: &str, time: &str, time_hi: Option<&str>) -> SignalLine {
        SignalLine {
            id: id.to_owned(),
            kind: kind.to_owned(),
            time: Some(time.to_owned()),
            time_hi: time_hi.map(str::to_owned),
            ..SignalLine::default()
        }
    }

    #[test]
    fn steps_and_events_stand_on_one_axis() {
        let steps = [step(4, "2026-11-20T14:14:14.000000000Z", "2026-11-20T14:14:18.000000000Z")];
        let signals = [
            signal("S-0001", "monero-login", "2026-11-20T14:14:16.000000000Z", Some("2026-11-20T14:15:01.000000000Z")),
            signal("S-0002", "pool-name", "2026-11-20T14:14:15.000000000Z", None),
            signal("S-0003", "pool-name", "2026-11-20T14:14:40.000000000Z", None),
            SignalLine { id: "S-0004".to_owned(), kind: "gpu\u{202e}".to_owned(), ..SignalLine::default() },
        ];
        let signals: Vec<&SignalLine> = signals.iter().collect();
        let drawn = draw(&steps, &signals, Screen::default()).unwrap();
        insta::assert_snapshot!(drawn);
        // The legend is a sentence: it is wrapped on a screen, and of any length elsewhere.
        assert!(drawn.lines().skip(1).all(|line| line.chars().count() <= WIDTH), "{drawn}");
        let narrow = draw(&steps, &signals, Screen { color: false, width: Some(72) }).unwrap();
        assert!(narrow.lines().all(|line| line.chars().count() <= 72), "{narrow}");
    }

    #[test]
    fn odd_ranges_are_drawn_and_nothing_dated_is_not() {
        assert!(draw(&[StepLine::default()], &[], Screen::default()).is_none());
        assert!(draw(&[step(1, "nonsense", "")], &[], Screen::default()).is_none());
        let moments = [
            ("2026-11-20T14:14:14.000000000Z", "2026-11-20T14:14:14.000000000Z"),
            ("2026-11-20T14:14:14.000000000Z", "2026-11-20T14:14:14.000000001Z"),
            ("2026-11-20T23:59:59.000000000Z", "2026-11-21T00:00:01.000000000Z"),
            ("1678-01-01T00:00:00.000000000Z", "2262-04-01T00:00:00.000000000Z"),
            ("2026-11-20T14:14:14.000000000Z", "2026-11-20T14:14:13.000000000Z"),
        ];
        for (from, to) in moments {
            let drawn = draw(&[step(1, from, to)], &[], Screen::default()).unwrap();
            let axis: Vec<&str> = drawn.lines().skip(1).collect();
            assert!(axis.iter().any(|line| line.contains('█')), "{drawn}");
            assert!(axis.iter().all(|line| line.chars().count() <= WIDTH), "{drawn}");
        }
    }

    #[test]
    fn many_steps_share_a_row() {
        let steps: Vec<StepLine> = (0..40_u32)
            .map(|index| step(index, &format!("2026-11-20T14:14:{:02}Z", index), "2026-11-20T14:14:59Z"))
            .collect();
        let drawn = draw(&steps, &[], Screen::default()).unwrap();
        assert!(drawn.contains(" 40 steps  █") && drawn.lines().count() == 4, "{drawn}");
    }
}
