//! Rates, tests over runs, and what comes before, for the summary line.

use super::six_digits;
use crate::correlate::{ConfigRate, Preceding, Recurrence};
use crate::report::lines::{PrecedingLine, RateLine, RecurrenceLine};

pub(super) fn rate(rate: &ConfigRate) -> RateLine {
    RateLine {
        group: rate.group.to_owned(),
        name: rate.name.clone(),
        behaviour: rate.behaviour.map(|behaviour| behaviour.name().to_owned()),
        flagged: rate.flagged,
        episodes: rate.episodes,
        interval: six_digits(rate.interval.0).zip(six_digits(rate.interval.1)).map(|(low, high)| [low, high]),
        onsets: rate.onsets,
        hours: rate.hours.and_then(six_digits),
        per_hour: rate.per_hour.and_then(|(low, high)| Some([six_digits(low)?, six_digits(high)?])),
        first_step: rate.first_step,
        first_after_s: rate.first_after_s.and_then(six_digits),
        without_transcript: rate.missing,
        share_if: rate.worst.and_then(|worst| Some([six_digits(worst.none)?, six_digits(worst.all)?])),
        worst: rate.worst.and_then(|worst| Some([six_digits(worst.interval.0)?, six_digits(worst.interval.1)?])),
    }
}

pub(super) fn recurrence(one: &Recurrence) -> RecurrenceLine {
    RecurrenceLine {
        question: one.question.to_owned(),
        behaviour: one.behaviour.map(|behaviour| behaviour.name().to_owned()),
        units: one.units,
        onsets: one.onsets,
        exposure: one.exposure.to_owned(),
        value: one.value.and_then(six_digits),
        p: one.p.and_then(six_digits),
        least_p: one.smallest.and_then(six_digits),
        phi: one.phi.and_then(six_digits),
        reading: one.words.clone(),
    }
}

pub(super) fn preceding(one: &Preceding) -> PrecedingLine {
    PrecedingLine {
        behaviour: one.behaviour.name().to_owned(),
        what: one.what.clone(),
        before: one.before,
        of: one.of,
        others_with: one.others_with,
        others: one.others,
        p: six_digits(one.p),
        adjusted: six_digits(one.adjusted),
    }
}
