use std::path::Path;

use coincident::report::when::parse_rfc3339;
use coincident::time::{Instant, SECOND};
use serde::Deserialize;
use toml::Spanned;

/// `expect.toml`: what an analysis of the incident must find.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Expect {
    pub(crate) unexpected: Policy,
    pub(crate) findings: Vec<FindingEntry>,
    pub(crate) unexplained: Vec<UnexplainedEntry>,
    /// Clocks, as far as anything is expected of them.
    pub(crate) clocks: Vec<ExpectClock>,
    pub(crate) never: Never,
}

/// What becomes of findings of level medium and high, and of unexplained groups, that no entry is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Policy {
    #[default]
    Fail,
    Warn,
    Pass,
}

/// How many are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) least: usize,
    pub(crate) most: Option<usize>,
    /// Nothing is said of the number: one for each entry of its kind.
    pub(crate) plain: bool,
}

impl Bounds {
    pub(crate) fn hold(self, count: usize) -> bool {
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }

    /// "exactly 2", "at least 1", "none".
    pub(crate) fn words(self) -> String {
        match (self.least, self.most) {
            (0, Some(0)) => "none".to_owned(),
            (least, Some(most)) if least == most => format!("exactly {least}"),
            (0, Some(most)) => format!("at most {most}"),
            (least, None) => format!("at least {least}"),
            (least, Some(most)) => format!("{least} to {most}"),
        }
    }
}

/// Findings, by whatever is named of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FindingEntry {
    pub(crate) episode: Option<String>,
    pub(crate) step: Option<u32>,
    pub(crate) behaviour: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) initiator: Option<String>,
    /// When its first moment is, and how far from it that may be, in nanoseconds.
    pub(crate) time: Option<(Instant, i64)>,
    pub(crate) bounds: Bounds,
}

/// Groups that no step explains, by whatever is named of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnexplainedEntry {
    pub(crate) behaviour: Option<String>,
    pub(crate) leading: Option<String>,
    pub(crate) bounds: Bounds,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectClock {
    pub(crate) source: String,
    /// Exactly.
    pub(crate) zone_error_h: f64,
    /// The offset without the zone error lies in this range, in seconds.
    pub(crate) residual_s: [f64; 2],
}

/// What may not be found at any level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Never {
    pub(crate) episodes: Vec<String>,
    pub(crate) behaviours: Vec<String>,
}

/// The file as serde reads it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    unexpected: Policy,
    finding: Vec<Spanned<RawFinding>>,
    unexplained: Vec<Spanned<RawUnexplained>>,
    clock: Vec<ExpectClock>,
    never: Never,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawFinding {
    episode: Option<String>,
    step: Option<u32>,
    behaviour: Option<String>,
    level: Option<String>,
    initiator: Option<String>,
    time: Option<String>,
    within_s: Option<f64>,
    exactly: Option<usize>,
    at_least: Option<usize>,
    at_most: Option<usize>,
    absent: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawUnexplained {
    behaviour: Option<String>,
    leading: Option<String>,
    exactly: Option<usize>,
    at_least: Option<usize>,
    at_most: Option<usize>,
    absent: Option<bool>,
}

fn bounds(
    exactly: Option<usize>,
    at_least: Option<usize>,
    at_most: Option<usize>,
    absent: Option<bool>,
) -> Result<Bounds, String> {
    let stated = |least, most| Ok(Bounds { least, most, plain: false });
    match (exactly, at_least, at_most, absent) {
        (None, None, None, None) => Ok(Bounds { least: 1, most: Some(1), plain: true }),
        (Some(exactly), None, None, None) => stated(exactly, Some(exactly)),
        (None, None, None, Some(true)) => stated(0, Some(0)),
        (None, None, None, Some(false)) => Err("absent = false says nothing; leave it out".to_owned()),
        (None, Some(least), Some(most), None) if least > most => Err("at_least is more than at_most".to_owned()),
        (None, least, most, None) => stated(least.unwrap_or_default(), most),
        _ => Err("give one of exactly, absent, or at_least and at_most".to_owned()),
    }
}

impl RawFinding {
    fn checked(&self) -> Result<FindingEntry, String> {
        let bounds = bounds(self.exactly, self.at_least, self.at_most, self.absent)?;
        if bounds.plain && (self.episode.is_none() || self.step.is_none() || self.behaviour.is_none()) {
            return Err("name episode, step and behaviour; or say how many there may be: exactly, at_least, at_most, \
                        absent"
                .to_owned());
        }
        if let Some(level) = self.level.as_deref().filter(|level| !["low", "medium", "high"].contains(level)) {
            return Err(format!("level {level:?}: one of low, medium, high"));
        }
        let time = match (&self.time, self.within_s) {
            (None, None) => None,
            (Some(time), Some(within)) if (0.0..=1e9).contains(&within) => {
                let message = || format!("time {time:?}: give RFC 3339 with an offset, 2026-11-20T14:13:46Z");
                Some((parse_rfc3339(time).ok_or_else(message)?, (within * SECOND as f64) as i64))
            }
            (Some(_), _) => return Err("a time needs within_s: how many seconds off it may be, from 0".to_owned()),
            (None, Some(_)) => return Err("within_s needs a time".to_owned()),
        };
        let (episode, behaviour) = (self.episode.clone(), self.behaviour.clone());
        let (level, initiator) = (self.level.clone(), self.initiator.clone());
        Ok(FindingEntry { episode, step: self.step, behaviour, level, initiator, time, bounds })
    }
}

impl RawUnexplained {
    fn checked(&self) -> Result<UnexplainedEntry, String> {
        let bounds = bounds(self.exactly, self.at_least, self.at_most, self.absent)?;
        if bounds.plain && (self.behaviour.is_none() || self.leading.is_none()) {
            return Err("name behaviour and leading; or say how many there may be: exactly, at_least, at_most, absent"
                .to_owned());
        }
        Ok(UnexplainedEntry { behaviour: self.behaviour.clone(), leading: self.leading.clone(), bounds })
    }
}

impl Expect {
    pub(crate) const NAME: &'static str = "expect.toml";

    /// Reads the file; the error names file, place and what is allowed.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        Self::parse(&shown, &text)
    }

    pub(crate) fn parse(shown: &str, text: &str) -> Result<Self, String> {
        let line = |start: usize| text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            format!("{shown}:{}: {}", line(start), error.message())
        })?;
        let placed = |start: usize, message: String| format!("{shown}:{}: {message}", line(start));
        let findings = raw
            .finding
            .iter()
            .map(|entry| entry.get_ref().checked().map_err(|message| placed(entry.span().start, message)));
        let unexplained = raw
            .unexplained
            .iter()
            .map(|entry| entry.get_ref().checked().map_err(|message| placed(entry.span().start, message)));
        Ok(Expect {
            unexpected: raw.unexpected,
            findings: findings.collect::<Result<_, _>>()?,
            unexplained: unexplained.collect::<Result<_, _>>()?,
            clocks: raw.clock,
            never: raw.never,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_have_a_place() {
        let said = |text: &str| Expect::parse("e.toml", text).unwrap_err();
        let entry = "\n[[finding]]\nepisode = \"a\"\nstep = 1\n";
        assert!(said(entry).starts_with("e.toml:2: name episode, step and behaviour"), "{}", said(entry));
        for (rest, says) in [
            ("exactly = 1\nabsent = true", "give one of"),
            ("absent = false", "says nothing"),
            ("at_least = 2\nat_most = 1", "more than at_most"),
            ("at_least = 1\ntime = \"2026-11-20T14:13:46Z\"", "within_s"),
            ("at_least = 1\nwithin_s = 1.0", "needs a time"),
            ("at_least = 1\ntime = \"noon\"\nwithin_s = 1.0", "RFC 3339"),
            ("at_least = 1\nlevel = \"grave\"", "one of low, medium, high"),
            ("at_lest = 1", "unknown field `at_lest`"),
        ] {
            assert!(said(&format!("{entry}{rest}")).contains(says), "{rest}: {}", said(&format!("{entry}{rest}")));
        }
        assert!(said("unexpected = \"ignore\"").contains("fail"), "{}", said("unexpected = \"ignore\""));
        assert!(said("[[unexplained]]\n").contains("name behaviour and leading"));
    }
}
