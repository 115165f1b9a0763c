use std::path::Path;

use serde::Deserialize;

/// `expect.toml`: what an analysis of the incident must find.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expect {
    /// All findings of level medium and high, no more and no fewer: one entry per step.
    pub(crate) finding: Vec<ExpectFinding>,
    /// All that no step explains, in any order.
    pub(crate) unexplained: Vec<ExpectUnexplained>,
    /// Clocks, as far as anything is expected of them.
    pub(crate) clock: Vec<ExpectClock>,
    pub(crate) never: Never,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectFinding {
    pub(crate) episode: String,
    pub(crate) step: u32,
    pub(crate) behaviour: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectUnexplained {
    pub(crate) behaviour: String,
    pub(crate) leading: String,
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

impl Expect {
    pub(crate) const NAME: &'static str = "expect.toml";

    /// Reads the file; the error names file, place and what is allowed.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
            format!("{shown}:{line}: {}", error.message())
        })
    }
}
