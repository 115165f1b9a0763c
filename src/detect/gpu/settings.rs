//! Limits and modes of a GPU that were changed while it was watched, or between two looks at it.

use std::collections::{BTreeMap, BTreeSet};

use super::{label, signal};
use crate::evidence::{EvidenceId, Record};
use crate::intake::{GpuSeries, GpuSettingsFact};
use crate::model::{Confidence, Signal};
use crate::time::{Basis, Instant, Span};

/// So many changes of one setting are told one by one; where it changes more often, something governs it.
const TOLD: usize = 4;

/// A reading with its evidence.
type Reading<'a> = (EvidenceId, &'a GpuSettingsFact);
/// A value with the reading that states it.
type Stated<'a> = (EvidenceId, &'a GpuSettingsFact, String);
/// The last reading of the old value and the first of the new.
type Change<'a> = (Stated<'a>, Stated<'a>);

/// A setting that reads otherwise than before: weak, for administrators and schedulers set limits as well, and by
/// whom it was set no form tells. When lies between two readings, which both are cited.
///
/// Readings of several files are put in one order where their GPU has a UUID; an index is one per machine.
pub fn settings_changed(series: &[GpuSeries]) -> Vec<Signal> {
    let mut by_gpu: BTreeMap<(Option<EvidenceId>, &str), Vec<Reading<'_>>> = BTreeMap::new();
    for one in series {
        let alone = if one.gpu.contains('-') { None } else { Some(one.evidence) };
        let readings = by_gpu.entry((alone, one.gpu.as_str())).or_default();
        readings.extend(one.settings.iter().map(|stated| (one.evidence, stated)));
    }
    let mut signals = Vec::new();
    for ((_, gpu), mut readings) in by_gpu {
        readings.sort_by_key(|(evidence, stated)| (stated.at, *evidence, stated.record));
        let mut last: BTreeMap<&'static str, Stated<'_>> = BTreeMap::new();
        let mut changes: BTreeMap<&'static str, Vec<Change<'_>>> = BTreeMap::new();
        for (evidence, stated) in readings {
            for (name, value) in stated.settings.each() {
                let Some(value) = value else { continue };
                let now = (evidence, stated, value);
                match last.insert(name, now.clone()) {
                    Some(before) if before.2 != now.2 => changes.entry(name).or_default().push((before, now)),
                    _ => {}
                }
            }
        }
        // What was set in one go is one act.
        let mut at_once: BTreeMap<(Instant, Instant), Vec<(&'static str, Change<'_>)>> = BTreeMap::new();
        for (name, changes) in changes {
            if changes.len() > TOLD {
                signals.extend(governed(gpu, name, &changes, series));
                continue;
            }
            for change in changes {
                at_once.entry((change.0.1.at, change.1.1.at)).or_default().push((name, change));
            }
        }
        for ((lo, hi), changes) in at_once {
            let what: Vec<String> =
                changes.iter().map(|(name, (before, now))| format!("{name} from {} to {}", before.2, now.2)).collect();
            let records: BTreeSet<Record> = changes.iter().flat_map(|(_, (before, now))| cited(before, now)).collect();
            signals.push(told(
                format!("{}: {} between two readings", label(gpu, series), what.join(", ")),
                Span { lo, hi, basis: Basis::AssumedZone },
                records,
            ));
        }
    }
    signals
}

/// A setting that changes again and again.
fn governed(gpu: &str, name: &str, changes: &[Change<'_>], series: &[GpuSeries]) -> Option<Signal> {
    let ((before, first), (last, now)) = (changes.first()?, changes.last()?);
    let values: BTreeSet<&str> = changes.iter().flat_map(|(a, b)| [a.2.as_str(), b.2.as_str()]).collect();
    let values: Vec<&str> = values.into_iter().take(TOLD).collect();
    Some(told(
        format!(
            "{}: {name} changed {} times, among {}: something governs it",
            label(gpu, series),
            changes.len(),
            values.join(", ")
        ),
        Span { lo: before.1.at, hi: now.1.at, basis: Basis::AssumedZone },
        cited(before, first).into_iter().chain(cited(last, now)).collect(),
    ))
}

fn cited(before: &Stated<'_>, now: &Stated<'_>) -> [Record; 2] {
    let record = |stated: &Stated<'_>| Record { evidence: stated.0, number: stated.1.record };
    [record(before), record(now)]
}

fn told(summary: String, span: Span, records: BTreeSet<Record>) -> Signal {
    signal("gpu-setting-changed", Confidence::Weak, summary, Some(span), records.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::firewall::testing::read;
    use crate::intake::testing::{facts, fold};
    use crate::model::GpuSettings;
    use crate::time::{SECOND, TimeContext};

    fn stated(second: i64, settings: GpuSettings) -> GpuSettingsFact {
        GpuSettingsFact { at: Instant(second * SECOND), record: second as u64 + 2, settings }
    }

    fn limit(watts: f32) -> GpuSettings {
        GpuSettings { power_limit_w: Some(watts), persistence: Some(true), ..GpuSettings::default() }
    }

    fn series(evidence: u32, gpu: &str, settings: Vec<GpuSettingsFact>) -> GpuSeries {
        GpuSeries { settings, ..GpuSeries::new(EvidenceId(evidence), gpu.to_owned()) }
    }

    #[test]
    fn a_change_lies_between_two_readings() {
        let lowered = GpuSettings { persistence: Some(false), ..limit(250.0) };
        let readings =
            vec![stated(0, limit(700.0)), stated(60, limit(700.0)), stated(61, lowered), stated(90, lowered)];
        let found = settings_changed(&[series(0, "0", readings)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].summary.as_str(), found[0].confidence),
            (
                "GPU 0: persistence mode from on to off, power limit from 700 W to 250 W between two readings",
                Confidence::Weak
            )
        );
        let span = found[0].span.unwrap();
        assert_eq!((span.lo, span.hi), (Instant(60 * SECOND), Instant(61 * SECOND)));
        assert_eq!(found[0].records.iter().map(|record| record.number).collect::<Vec<_>>(), [62, 63]);
    }

    #[test]
    fn between_snapshots_by_uuid_and_not_by_index() {
        let two = |gpu: &str| {
            [series(0, gpu, vec![stated(0, limit(700.0))]), series(1, gpu, vec![stated(900, limit(300.0))])]
        };
        assert_eq!(settings_changed(&two("GPU-aa")).len(), 1);
        assert!(settings_changed(&two("0")).is_empty());
        // What a form does not state has not changed.
        let silent = GpuSettings { mig: Some(false), ..GpuSettings::default() };
        let readings = vec![stated(0, limit(700.0)), stated(5, silent), stated(9, limit(700.0))];
        assert!(settings_changed(&[series(0, "0", readings)]).is_empty());
    }

    #[test]
    fn what_goes_back_and_forth_is_one_signal() {
        let readings = (0..100).map(|second| stated(second, limit(if second % 2 == 0 { 700.0 } else { 500.0 })));
        let found = settings_changed(&[series(0, "0", readings.collect())]);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("power limit changed 99 times"), "{}", found[0].summary);
    }

    #[test]
    fn from_rows_to_the_change() {
        let mut rows =
            "timestamp, index, power.limit [W], enforced.power.limit [W], clocks.applications.graphics [MHz], \
                        persistence_mode, compute_mode, mig.mode.current\n"
                .to_owned();
        for second in 0..30 {
            let watts = if second < 12 { 700 } else { 350 };
            rows += &format!(
                "2026/11/20 00:00:{second:02}.000, 3, {watts}.00 W, {watts}.00 W, [N/A], Enabled, Default, Disabled\n"
            );
        }
        let found = read("nvidia-smi-gpu", rows.as_bytes(), &TimeContext::default());
        let mut sink = fold(EvidenceId(0));
        found.observations.iter().for_each(|observation| sink.observation(observation));
        let facts = facts(sink);
        // Two readings of each of two runs.
        assert_eq!(facts.gpu[0].settings.len(), 4);
        let found = settings_changed(&facts.gpu);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].summary,
            "GPU 3: enforced power limit from 700 W to 350 W, power limit from 700 W to 350 W between two readings"
        );
        // Second 11 is line 13, the header being line 1.
        assert_eq!(found[0].records.iter().map(|record| record.number).collect::<Vec<_>>(), [13, 14]);
    }
}
