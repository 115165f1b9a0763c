//! What a process on a GPU took away: GPU-hours, energy, money.

use super::series::{Cadence, moments};
use crate::intake::{GpuProcessFact, GpuSeries};
use crate::time::SECOND;

const HOUR_NS: f64 = 3600.0 * SECOND as f64;

/// In words, with what is assumed. `None` where a process has no times.
///
/// From its first to its last poll it was there for certain; it may have come just after the poll before and gone just
/// before the one after, so that a wait is added on both sides. How much of a shared GPU it took is not told by any
/// form: the whole GPU is counted, which is said.
pub(super) fn told(fact: &GpuProcessFact, series: &[GpuSeries], price: Option<f64>) -> Option<String> {
    let least_ns = fact.last?.lo.since(fact.first?.lo).max(0) as f64;
    let own = |one: &&GpuSeries| one.gpu == fact.gpu && !fact.gpu.is_empty();
    let near = |one: &&GpuSeries| one.evidence == fact.first_record.evidence;
    let of_gpu = series.iter().filter(own).find(near).or_else(|| series.iter().find(own));
    let by_polls = (fact.polls > 1).then(|| least_ns / (fact.polls - 1) as f64);
    let wait_ns = by_polls.or_else(|| Some(Cadence::of(moments(of_gpu?))?.usual_ns as f64));
    let most_ns = least_ns + 2.0 * wait_ns?;
    let mut told = format!("{} GPU-hours", between(least_ns / HOUR_NS, most_ns / HOUR_NS, 3));
    if let Some(watts) = of_gpu.and_then(|one| mean_power(one, fact)) {
        let kilowatt_hours = |ns: f64| ns / HOUR_NS * watts / 1000.0;
        told += &format!(
            ", {} kWh at {watts:.0} W on average",
            between(kilowatt_hours(least_ns), kilowatt_hours(most_ns), 3)
        );
    }
    if let Some(price) = price {
        let worth = between(least_ns / HOUR_NS * price, most_ns / HOUR_NS * price, 2);
        told += &format!(", worth {worth} at the declared {price} per GPU-hour");
    }
    Some(format!("{told}, the whole GPU counted as diverted while it was there"))
}

/// "0.010 to 0.012"; "0.008" where the two read the same.
fn between(least: f64, most: f64, digits: usize) -> String {
    let [least, most] = [least, most].map(|value| format!("{value:.digits$}"));
    if least == most { least } else { format!("{least} to {most}") }
}

/// Mean of the power readings of its GPU while it was there.
fn mean_power(series: &GpuSeries, fact: &GpuProcessFact) -> Option<f64> {
    let during = series.during(fact.first?.lo, fact.last?.hi);
    let (mut sum, mut count) = (0.0, 0.0);
    for power in during.filter_map(|point| point.power_w) {
        sum += f64::from(power);
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{EvidenceId, Record};
    use crate::intake::GpuPoint;
    use crate::time::{Basis, Instant, Span};

    #[test]
    fn an_hour_at_half_a_kilowatt() {
        let at = |second: i64| Some(Span::at(Instant(second * SECOND), Basis::AssumedZone));
        let record = Record { evidence: EvidenceId(0), number: 1 };
        let fact = GpuProcessFact {
            gpu: "GPU-1".to_owned(),
            pid: Some(7),
            process: Some("./x".to_owned()),
            first: at(3600),
            last: at(7200),
            first_record: record,
            last_record: record,
            polls: 61,
            memory_used_max_mib: None,
            accounted_ms: None,
            utilization_percent: None,
        };
        let point = |minute: i64, watts: f32| GpuPoint {
            power_w: Some(watts),
            ..GpuPoint::empty(Instant(minute * 60 * SECOND), minute as u64)
        };
        let points = (0..180).map(|minute| point(minute, if (60..=120).contains(&minute) { 500.0 } else { 70.0 }));
        let series =
            GpuSeries { index: Some(0), points: points.collect(), ..GpuSeries::new(EvidenceId(1), "GPU-1".to_owned()) };
        // 60 waits of one minute in an hour; one more on both sides makes 62 minutes: 1.033 hours, 0.517 kWh, 3.62.
        assert_eq!(
            told(&fact, &[series], Some(3.5)).unwrap(),
            "1.000 to 1.033 GPU-hours, 0.500 to 0.517 kWh at 500 W on average, worth 3.50 to 3.62 at the declared 3.5 per \
             GPU-hour, the whole GPU counted as diverted while it was there"
        );
        // Ten hours in 36 000 polls: a second more on both sides shows in no digit.
        let long = GpuProcessFact { polls: 36_001, last: at(39_600), ..fact.clone() };
        let said = told(&long, &[], None).unwrap();
        assert!(said.starts_with("10.000 to 10.001 GPU-hours"), "{said}");
        let said = told(&GpuProcessFact { polls: 360_001, ..long }, &[], None).unwrap();
        assert!(said.starts_with("10.000 GPU-hours"), "{said}");
        // One poll and no readings: how long is not known.
        assert_eq!(told(&GpuProcessFact { polls: 1, last: at(3600), ..fact }, &[], Some(3.5)), None);
    }
}
