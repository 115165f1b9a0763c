//! A clock's offset over time, drawn with characters: what its pairs allow, and the line that was found.

use super::when::{duration, signed_duration, thousands};
use super::{DisplayZone, Screen, escape};
use crate::correlate::Clock;
use crate::time::{Instant, SECOND};

/// Columns and rows of the field; columns shrink with a narrow screen.
const COLUMNS: usize = 72;
const FEWEST_COLUMNS: usize = 20;
const ROWS: usize = 11;
/// What a screen needs beside the field: the label of a row, and the frame.
const LABEL: usize = 18;
/// The field shows at least so much beside the line, up and down, in nanoseconds.
const LEAST_NS: i128 = SECOND as i128 / 2;

/// The field, a character per cell.
type Field = Vec<Vec<char>>;

/// The plot of a clock. Empty where no pair tells anything.
///
/// Up is the offset (source minus reference), to the right the time of the reference, both even. A cell has `·` where an
/// agreeing pair allows its offset, `×` where one does that disagrees, `━` where the line runs.
pub fn offsets(clock: &Clock, screen: Screen) -> String {
    let (Some(first), Some(last)) = (clock.points.first(), clock.points.last()) else { return String::new() };
    let (from, to) = (first.at_ns, last.at_ns);
    let wide = screen.width.map_or(COLUMNS, |width| usize::from(width).saturating_sub(LABEL + 4));
    let columns = wide.clamp(FEWEST_COLUMNS, COLUMNS);
    let correction = clock.correction();
    let line: Vec<i64> = (0..columns)
        .map(|column| correction.offset_on_reference_ns(at_share(from, to, column, columns.saturating_sub(1))))
        .collect();
    let (low, high) = extent(clock, &line);
    let row_of = |offset: i64| share(low, high, offset, ROWS - 1).map(|row| ROWS - 1 - row);
    let column_of = |at: i64| share(i128::from(from), i128::from(to), at, columns - 1).unwrap_or(0);
    let mut field: Field = vec![vec![' '; columns]; ROWS];
    let mut put = |row: usize, column: usize, mark: char| {
        if let Some(cell) = field.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell = mark;
        }
    };
    let mut outside = 0_u64;
    // Agreeing pairs cover those that disagree: whether a cell is allowed at all comes first.
    for agrees in [false, true] {
        for point in clock.points.iter().filter(|point| point.agrees == agrees) {
            let within = |ns: i64| i128::from(ns).clamp(low, high) as i64;
            let seen = i128::from(point.hi_ns) >= low && i128::from(point.lo_ns) <= high;
            let (Some(top), Some(bottom)) = (row_of(within(point.hi_ns)), row_of(within(point.lo_ns))) else {
                continue;
            };
            if !seen {
                outside += 1;
                continue;
            }
            for row in top..=bottom {
                put(row, column_of(point.at_ns), if agrees { '·' } else { '×' });
            }
        }
    }
    for (column, offset) in line.iter().enumerate() {
        if let Some(row) = row_of(*offset) {
            put(row, column, '━');
        }
    }
    let mut out = format!(
        " {}: offset against the reference, {} of {} pairs agree\n",
        escape::terminal(&clock.name),
        thousands(clock.inliers as u64),
        thousands(clock.pairs as u64)
    );
    for (row, cells) in field.iter().enumerate() {
        let up = ROWS - 1 - row;
        let label =
            if up.is_multiple_of(5) { signed_duration(at_share_wide(low, high, up, ROWS - 1)) } else { String::new() };
        let tick = if up.is_multiple_of(5) { '┤' } else { '│' };
        let cells: String = cells.iter().collect();
        out.push_str(format!(" {label:>LABEL$} {tick}{}", cells.trim_end()).trim_end());
        out.push('\n');
    }
    out.push_str(&format!(" {:LABEL$} └{}\n", "", "─".repeat(columns)));
    let moment = |ns: i64| DisplayZone::default().seconds(Instant(ns));
    let (begin, end) = (moment(from), moment(to));
    let gap = columns.saturating_sub(begin.len() + end.len());
    let ends = if gap == 0 { format!("{begin} … {end}") } else { format!("{begin}{}{end}", " ".repeat(gap)) };
    out.push_str(&format!(" {:LABEL$}  {ends}\n", ""));
    let scale = |span: i128, parts: usize| {
        let ns = u64::try_from(span.max(0)).unwrap_or(u64::MAX) / parts.max(1) as u64;
        // Two digits of a second below a minute: a step is no round number.
        if ns < 60 * SECOND as u64 { format!("{:.2} s", ns as f64 / SECOND as f64) } else { duration(ns) }
    };
    let mut below = vec![
        format!("a row is {}", scale(high - low, ROWS - 1)),
        format!("a column {}", scale(i128::from(to) - i128::from(from), columns - 1)),
    ];
    if outside > 0 {
        below.push(format!("pairs: {} outside", thousands(outside)));
    }
    if clock.points.len() < clock.points_of {
        let (drawn, all) = (clock.points.len() as u64, clock.points_of as u64);
        below.push(format!("pairs: {} of {} drawn", thousands(drawn), thousands(all)));
    }
    for line in ["· agreeing pairs allow it; × others do; ━ found", &below.join("; ")] {
        out.push_str(&format!(" {:LABEL$}  {line}\n", ""));
    }
    out
}

/// What the field spans: the line, and as much again on either side as the support is wide.
fn extent(clock: &Clock, line: &[i64]) -> (i128, i128) {
    let support = i128::from(clock.support_ns.1) - i128::from(clock.support_ns.0);
    let beside = support.max(LEAST_NS);
    let least = line.iter().copied().min().unwrap_or(clock.offset_ns);
    let most = line.iter().copied().max().unwrap_or(clock.offset_ns);
    (i128::from(least) - beside, i128::from(most) + beside)
}

/// Which of `parts + 1` even places between `low` and `high` a value is nearest to; `None` outside.
fn share(low: i128, high: i128, value: i64, parts: usize) -> Option<usize> {
    let (value, length) = (i128::from(value) - low, (high - low).max(1));
    let place = (value * 2 * parts as i128 + length).div_euclid(2 * length);
    usize::try_from(place).ok().filter(|place| *place <= parts)
}

fn at_share(low: i64, high: i64, part: usize, parts: usize) -> i64 {
    at_share_wide(i128::from(low), i128::from(high), part, parts)
}

fn at_share_wide(low: i128, high: i128, part: usize, parts: usize) -> i64 {
    let at = low + (high - low) * part as i128 / parts.max(1) as i128;
    at.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::ClockPoint;
    use crate::report::fixture;

    /// The firewall of the fixture (offset -0.6 s, support -0.9 to -0.2 s) with pairs a minute apart.
    fn clock() -> Clock {
        let mut clock = fixture::analysis().clocks[1].clone();
        let start = 1_795_132_800 * SECOND;
        clock.points = (0..8)
            .map(|n| ClockPoint {
                at_ns: start + n * 60 * SECOND,
                lo_ns: -900_000_000,
                hi_ns: -200_000_000,
                agrees: true,
            })
            .collect();
        clock.points.push(ClockPoint {
            at_ns: start + 480 * SECOND,
            lo_ns: 3600 * SECOND,
            hi_ns: 3601 * SECOND,
            agrees: false,
        });
        clock
    }

    // By hand: the field spans -0.6 s ± 0.7 s in 10 steps of 140 ms: -1.3, -0.6 and +0.1 s are labelled. Pairs reach from
    // -0.9 s (row 2.9 from below: 3) to -0.2 s (7.9: 8). Eight minutes over 71 columns: a pair every 8.9.
    #[test]
    fn a_level_clock() {
        let plot = offsets(&clock(), Screen::default());
        let lines: Vec<&str> = plot.lines().collect();
        let labelled: Vec<(usize, &str)> =
            [1, 6, 11].map(|at| (at, lines[at].split('┤').next().unwrap().trim())).to_vec();
        assert_eq!(labelled, [(1, "+0.1 s"), (6, "-0.6 s"), (11, "-1.3 s")], "{plot}");
        let marks = |at: usize, mark: char| lines[at].chars().filter(|cell| *cell == mark).count();
        let dots: Vec<usize> = (1..12).map(|at| marks(at, '·')).collect();
        assert_eq!(dots, [0, 0, 8, 8, 8, 0, 8, 8, 0, 0, 0], "{plot}");
        assert_eq!(marks(6, '━'), 72);
        let columns: Vec<usize> =
            lines[3].chars().skip(1 + LABEL + 2).enumerate().filter(|cell| cell.1 == '·').map(|cell| cell.0).collect();
        // Column n * 60 s * 71 / 480 s, rounded.
        assert_eq!(columns, [0, 9, 18, 27, 36, 44, 53, 62]);
        assert!(lines[13].contains("2026-11-20 00:00:00Z") && lines[13].ends_with("2026-11-20 00:08:00Z"), "{plot}");
        assert!(
            plot.contains("8 of 9 pairs agree")
                && plot.contains("pairs: 1 outside")
                && plot.contains("a row is 0.14 s")
        );
    }

    #[test]
    fn nothing_is_drawn_of_what_is_not_known() {
        assert_eq!(offsets(&fixture::analysis().clocks[2], Screen::default()), "");
    }

    #[test]
    fn a_narrow_screen_has_fewer_columns() {
        let narrow = offsets(&clock(), Screen { color: false, width: Some(60) });
        let longest = narrow.lines().filter(|line| line.contains('─')).map(|line| line.chars().count()).max();
        assert_eq!(longest, Some(1 + LABEL + 2 + 60 - LABEL - 4));
    }

    #[test]
    fn ends_of_the_range_do_not_overflow() {
        let mut clock = clock();
        clock.points = [i64::MIN, 0, i64::MAX]
            .map(|at| ClockPoint { at_ns: at, lo_ns: i64::MIN, hi_ns: i64::MAX, agrees: at == 0 })
            .to_vec();
        clock.support_ns = (i64::MIN, i64::MAX);
        for offset in [i64::MIN, 0, i64::MAX] {
            clock.offset_ns = offset;
            assert!(offsets(&clock, Screen::default()).contains('└'));
        }
    }
}
