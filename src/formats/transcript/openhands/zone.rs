//! The zone of a writer of naive stamps, proven by the provider's epoch.
//!
//! An action is stamped in local time right after the model's answer came; the answer carries `created`, the epoch
//! at which the provider began it. The difference is the zone plus the time the answer took. Over many actions the
//! least difference is the zone plus very little; rounded down to an offset that is in use somewhere it is the zone.

use serde_json::Value;

use super::super::json;
use super::super::stamps::Stamp;
use crate::time::{SECOND, ZoneSource};

/// Offsets in civil use, in minutes east of UTC (tz database; the quarter hours are Nepal and the Chatham Islands).
/// Quarter hours that nobody keeps are left out: an answer or a command that took 15 minutes must not look like one.
const IN_USE: &[i32] = &[
    -720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180, -150, -120, -60, 0, 60, 120, 180, 210, 240,
    270, 300, 330, 345, 360, 390, 420, 480, 540, 570, 600, 630, 660, 720, 765, 780, 825, 840,
];

/// How far a provider's clock may run ahead of the writer's.
const AHEAD_NS: i64 = 60 * SECOND;
/// The longest that the quickest answer of a file may have taken for its zone to count as proven.
const ANSWER_NS: i64 = 300 * SECOND;
/// The longest that an answer and the command behind it may have taken, for an observation that stands alone.
const COMMAND_NS: i64 = 3300 * SECOND;

/// What the events of one writer say of its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// No event has both a naive stamp and an epoch.
    NoAnchor,
    /// Seconds east of UTC.
    Proven(i32),
    /// The epochs do not fit any zone.
    Unfit {
        /// The least difference, in nanoseconds.
        least_ns: i64,
    },
}

/// Nanoseconds from the epoch of the answer to the naive stamp read as UTC. `created` cuts to whole seconds.
pub(super) fn difference(event: &Value) -> Option<i64> {
    let stamp = Stamp::parse(json::text(event, "timestamp")?).filter(|stamp| stamp.offset_s.is_none())?;
    let created = event.pointer("/tool_call_metadata/model_response/created")?;
    let created = created.as_i64().or_else(|| created.to_string().split('.').next()?.parse().ok())?;
    stamp.local.and_utc().timestamp_nanos_opt()?.checked_sub(created.checked_mul(SECOND)?)
}

/// The zone from the differences of actions.
pub(super) fn of_actions(differences: impl Iterator<Item = i64>) -> Zone {
    differences.min().map_or(Zone::NoAnchor, |least| of(least, ANSWER_NS))
}

/// The zone from the one difference of an event that stands alone in its file.
pub(super) fn of_event(event: &Value) -> Zone {
    let within = if event.get("observation").is_some() { COMMAND_NS } else { ANSWER_NS };
    difference(event).map_or(Zone::NoAnchor, |difference| of(difference, within))
}

fn of(least_ns: i64, within_ns: i64) -> Zone {
    let offset = IN_USE
        .iter()
        .rev()
        .map(|minutes| minutes * 60)
        .find(|offset| i64::from(*offset) * SECOND <= least_ns.saturating_add(AHEAD_NS));
    match offset {
        Some(offset) if least_ns.saturating_sub(i64::from(offset) * SECOND) <= within_ns => Zone::Proven(offset),
        _ => Zone::Unfit { least_ns },
    }
}

impl Zone {
    /// The offset to read naive stamps with, if it is proven.
    pub(super) fn offset(self) -> Option<i32> {
        match self {
            Zone::Proven(offset) => Some(offset),
            _ => None,
        }
    }

    /// What is odd about it, for the anomaly of its file or row.
    pub(super) fn oddity(self, declared: ZoneSource, at: Option<Stamp>) -> Option<String> {
        match (self, declared) {
            (Zone::Unfit { least_ns }, ZoneSource::AssumedUtc) => Some(format!(
                "the local stamps lie {} s after the provider's epoch at the least, which is no zone; UTC was assumed",
                least_ns / SECOND
            )),
            (Zone::Proven(offset), ZoneSource::Declared(zone)) => {
                use chrono::{Offset, TimeZone};
                let declared = zone.from_local_datetime(&at?.local).earliest()?.offset().fix().local_minus_utc();
                (declared != offset).then(|| {
                    format!(
                        "zone {zone} was declared, but the provider's epochs say {offset} s east of UTC, not {declared} s; \
                         the declared zone was used"
                    )
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * SECOND;

    #[test]
    fn the_least_difference_rounded_down_is_the_zone() {
        // Answers of 1.6 to 17.9 s in UTC+8, as measured in public evaluation files.
        let zone = of_actions([28_817_900, 28_801_600, 28_806_100].into_iter().map(|ms| ms * 1_000_000));
        assert_eq!(zone, Zone::Proven(8 * 3600));
        for (least, expected) in [
            (SECOND / 2, 0),
            (-2 * SECOND, 0),
            (-5 * HOUR + 3 * SECOND, -5 * 3600),
            (5 * HOUR + HOUR / 2 + SECOND, 19_800),
            (5 * HOUR + 3 * HOUR / 4 + 40 * SECOND, 20_700),
            (14 * HOUR + SECOND, 14 * 3600),
        ] {
            assert_eq!(of(least, ANSWER_NS), Zone::Proven(expected), "{least}");
        }
        for least in [10 * 60 * SECOND, 30 * HOUR, -20 * HOUR, i64::MIN, i64::MAX] {
            assert_eq!(of(least, ANSWER_NS), Zone::Unfit { least_ns: least });
        }
        assert_eq!(of_actions(std::iter::empty()), Zone::NoAnchor);
    }

    #[test]
    fn a_long_command_is_no_zone() {
        for minutes in [0, 15, 16, 30, 31, 45, 54] {
            assert_eq!(of(minutes * 60 * SECOND + SECOND, COMMAND_NS), Zone::Proven(0), "{minutes}");
            assert_eq!(of(8 * HOUR + minutes * 60 * SECOND, COMMAND_NS), Zone::Proven(8 * 3600), "{minutes}");
        }
    }
}
