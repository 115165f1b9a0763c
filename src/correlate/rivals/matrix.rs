//! The matrix of observables and hypotheses: sums, who leads, and what that rests on.

use super::super::analysis::RivalId;
use super::counts::HYPOTHESES;

/// The leader must be this many bans ahead, else nothing is decided.
pub(super) const MARGIN: f64 = 0.3;
pub(super) const UNDECIDED: &str = "undecided";

/// P(observable | hypothesis), and whether a person's judgement gave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) p: f64,
    pub(super) judged: bool,
}

/// An observable that some source could show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observed {
    group: u8,
    cells: [Cell; HYPOTHESES],
    spread: f64,
}

impl Observed {
    pub(super) fn new(group: u8, cells: [Cell; HYPOTHESES]) -> Self {
        Observed { group, spread: spread(cells.map(|cell| cell.p)), cells }
    }
}

/// How far a row drives the hypotheses apart: largest minus smallest log10 likelihood.
pub(super) fn spread(likelihood: [f64; HYPOTHESES]) -> f64 {
    let logs = likelihood.map(f64::log10);
    logs.iter().copied().fold(f64::NEG_INFINITY, f64::max) - logs.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The two hypotheses that do best, as places in [`RivalId::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lead {
    first: usize,
    second: usize,
    decided: bool,
}

impl Lead {
    pub(super) fn name(self) -> &'static str {
        RivalId::ALL.get(self.first).filter(|_| self.decided).map_or(UNDECIDED, |hypothesis| hypothesis.name())
    }
}

/// The rows that could be observed, at most 32. Sets of rows are bits of a number: bit i is row i.
pub(super) struct Matrix(pub(super) Vec<Observed>);

impl Matrix {
    pub(super) fn cell(&self, row: usize, column: usize) -> Option<Cell> {
        self.0.get(row)?.cells.get(column).copied()
    }

    pub(super) fn spread(&self, row: usize) -> f64 {
        self.0.get(row).map_or(0.0, |row| row.spread)
    }

    /// The rows that count without the removed: of each independence group the one that says most, of equals the first.
    pub(super) fn counting(&self, removed: u32) -> Vec<usize> {
        let mut counting: Vec<usize> = Vec::new();
        for (at, row) in self.0.iter().enumerate().filter(|(at, _)| removed & (1 << at) == 0) {
            match counting.iter_mut().find(|other| self.0.get(**other).is_some_and(|other| other.group == row.group)) {
                Some(other) if row.spread > self.spread(*other) => *other = at,
                Some(_) => {}
                None => counting.push(at),
            }
        }
        counting
    }

    /// log10 likelihood of each hypothesis without the removed rows.
    pub(super) fn totals(&self, removed: u32) -> [f64; HYPOTHESES] {
        let mut totals = [0.0; HYPOTHESES];
        for row in self.counting(removed).into_iter().filter_map(|at| self.0.get(at)) {
            for (total, cell) in totals.iter_mut().zip(row.cells) {
                *total += cell.p.log10();
            }
        }
        totals
    }

    /// Who leads without the removed rows.
    pub(super) fn leader(&self, removed: u32) -> Lead {
        let totals = self.totals(removed);
        let mut order: [usize; HYPOTHESES] = std::array::from_fn(|column| column);
        let of = |column: &usize| totals.get(*column).copied().unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|a, b| of(b).total_cmp(&of(a)).then(a.cmp(b)));
        let [first, second, ..] = order;
        Lead { first, second, decided: of(&second) - of(&first) <= -MARGIN }
    }

    /// The first of the smallest sets of rows without which the leader is another, and how many sets of that size there
    /// are. Exact: sets of one size are all looked at before those of the next. Empty if no set changes it.
    pub(super) fn smallest_overturning(&self) -> (Vec<usize>, usize) {
        let (rows, leader) = (self.0.len().min(31), self.leader(0).name());
        for size in 1..=rows {
            let (mut first, mut sets) = (None, 0);
            let mut set: u32 = (1 << size) - 1;
            while set < 1 << rows {
                if self.leader(set).name() != leader {
                    first.get_or_insert(set);
                    sets += 1;
                }
                // The next number with as many bits (Gosper, HAKMEM 175).
                let low = set & set.wrapping_neg();
                let ripple = set + low;
                set = (((ripple ^ set) >> 2) / low) | ripple;
            }
            if let Some(set) = first {
                return ((0..rows).filter(|at| set & (1 << at) != 0).collect(), sets);
            }
        }
        (Vec::new(), 0)
    }

    /// The rows without any one of which the leader no longer leads, while that it speaks for the leader against the hypothesis that
    /// then leads or ties is judgement on either side.
    pub(super) fn carried_by_judged(&self) -> Vec<usize> {
        let lead = self.leader(0);
        if !lead.decided {
            return Vec::new();
        }
        let judged = |row: usize, column: usize| self.cell(row, column).is_some_and(|cell| cell.judged);
        let mut rows = self.counting(0);
        rows.retain(|row| {
            let without = self.leader(1 << row);
            let rival = if without.first == lead.first { without.second } else { without.first };
            without.name() != lead.name() && (judged(*row, lead.first) || judged(*row, rival))
        });
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of its own group that gives the agent `agent` and steering content `steered`, all else a hundredth.
    fn row(group: u8, agent: f64, steered: f64, judged: bool) -> Observed {
        let mut cells = [Cell { p: 0.01, judged }; HYPOTHESES];
        (cells[0].p, cells[1].p) = (agent, steered);
        Observed::new(group, cells)
    }

    #[test]
    fn a_single_row_that_carries_the_leader_is_found() {
        // By hand: the agent leads by log10(.9/.1) = .95; without the first row both have .5: undecided.
        let matrix = Matrix(vec![row(1, 0.9, 0.1, true), row(2, 0.5, 0.5, true)]);
        assert_eq!(matrix.leader(0).name(), "agent");
        assert_eq!(matrix.smallest_overturning(), (vec![0], 1));
        assert_eq!(matrix.carried_by_judged(), [0]);
        assert_eq!(
            Matrix(vec![row(1, 0.9, 0.1, false), row(2, 0.5, 0.5, true)]).carried_by_judged(),
            Vec::<usize>::new()
        );
    }

    #[test]
    fn two_rows_that_say_the_same_must_both_go() {
        // Either row alone keeps the agent .95 ahead; without both the third has them even. Every other pair keeps one.
        let matrix = Matrix(vec![row(1, 0.9, 0.1, true), row(2, 0.9, 0.1, true), row(3, 0.5, 0.5, true)]);
        assert_eq!(matrix.smallest_overturning(), (vec![0, 1], 1));
        assert_eq!(matrix.carried_by_judged(), Vec::<usize>::new());
        // Without any row nothing is decided.
        assert_eq!(matrix.leader(0b111).name(), "undecided");
        assert_eq!(Matrix(Vec::new()).smallest_overturning(), (Vec::new(), 0));
    }

    #[test]
    fn of_a_group_the_row_that_says_most_counts_and_the_other_takes_its_place() {
        let matrix = Matrix(vec![row(1, 0.6, 0.3, true), row(1, 0.9, 0.1, true)]);
        // By hand: the spreads are log10(.6/.01) = 1.78 and log10(.9/.01) = 1.95.
        assert_eq!(matrix.counting(0), [1]);
        assert_eq!(matrix.counting(0b10), [0]);
        assert_eq!((matrix.leader(0).name(), matrix.leader(0b10).name()), ("agent", "agent"));
        assert_eq!(matrix.smallest_overturning(), (vec![0, 1], 1));
    }

    // By hand: as in the first test, the agent leads by one row alone; here its own cell comes from counts, or that of its rival.
    #[test]
    fn judgement_on_either_side_carries_the_leader() {
        for (ours, theirs, carried) in [(true, false, 1), (false, true, 1), (false, false, 0)] {
            for steered in [0.5, 0.9] {
                let mut first = row(1, 0.9, 0.1, false);
                (first.cells[0].judged, first.cells[1].judged) = (ours, theirs);
                // Without the first row the two are even, or the other leads.
                let matrix = Matrix(vec![first, row(2, 0.5, steered, false)]);
                assert_eq!(matrix.leader(0).name(), "agent");
                assert_eq!(matrix.carried_by_judged().len(), carried, "{ours} {theirs} {steered}");
            }
        }
    }

    #[test]
    fn of_rows_that_say_as_much_the_first_counts() {
        let matrix = Matrix(vec![row(1, 0.9, 0.1, true), row(1, 0.9, 0.2, true), row(2, 0.5, 0.5, true)]);
        assert_eq!(matrix.counting(0), [0, 2]);
    }
}
