//! What a source says instead of a figure, counted: "[N/A]" of a GPU that cannot tell and "[GPU is lost]" are not the same.

use std::collections::BTreeMap;

/// Bound on the pairs of column and words that are told apart.
const KEPT: usize = 32;

/// Counts by column and words.
#[derive(Debug, Default)]
pub(super) struct Missing {
    counts: BTreeMap<(String, String), u64>,
    /// Beyond [`KEPT`].
    others: u64,
}

impl Missing {
    pub(super) fn note(&mut self, column: &str, words: &str) {
        let words = if words.is_empty() { "nothing" } else { words };
        let key = (column.to_owned(), words.to_owned());
        if self.counts.len() < KEPT || self.counts.contains_key(&key) {
            let count = self.counts.entry(key).or_insert(0);
            *count = count.saturating_add(1);
        } else {
            self.others = self.others.saturating_add(1);
        }
    }

    /// "power.draw says [N/A] 3 times, ...". `None` if every figure was there.
    pub(super) fn told(&self) -> Option<String> {
        let mut parts: Vec<String> = self
            .counts
            .iter()
            .map(|((column, words), count)| {
                let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
                format!("{column} says {words} {times}")
            })
            .collect();
        if self.others > 0 {
            parts.push(format!("others {} times", self.others));
        }
        (!parts.is_empty()).then(|| format!("figures that are not told: {}", parts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::{Anomaly, AnomalyKind};
    use crate::formats::firewall::testing::read;
    use crate::time::TimeContext;

    fn told(id: &str, text: &str) -> Vec<String> {
        let found = read(id, text.as_bytes(), &TimeContext::default());
        let of = |anomaly: &&Anomaly| anomaly.kind == AnomalyKind::Unsupported;
        found.anomalies.iter().filter(of).map(|anomaly| anomaly.detail.clone()).collect()
    }

    #[test]
    fn words_are_kept_by_column() {
        let head = "timestamp, index, utilization.gpu [%], power.draw [W], fan.speed [%]\n";
        let row = |second: u32, load: &str, power: &str| {
            format!("2026/11/20 00:00:{second:02}.000, 0, {load}, {power}, [N/A]\n")
        };
        let rows = [row(0, "[N/A]", "70.00 W"), row(1, "[N/A]", "[Unknown Error]"), row(2, "3 %", "[GPU is lost]")];
        // Of a column that nothing is read of nothing is missing.
        assert_eq!(
            told("nvidia-smi-gpu", &format!("{head}{}", rows.concat())),
            ["figures that are not told: power.draw says [GPU is lost] once, power.draw says [Unknown Error] once, \
              utilization.gpu says [N/A] 2 times"]
        );
        assert!(told("nvidia-smi-gpu", &format!("{head}{}", row(0, "97 %", "70.00 W"))).is_empty());
    }

    #[test]
    fn fields_of_the_long_forms() {
        let xml = |power: &str| {
            format!(
                "<nvidia_smi_log>\n<timestamp>Fri Nov 20 00:00:01 2026</timestamp>\n<gpu id=\"0\">\n\
                 <utilization>\n<gpu_util>N/A</gpu_util>\n</utilization>\n<gpu_power_readings>\n\
                 <average_power_draw>N/A</average_power_draw>\n<instant_power_draw>{power}</instant_power_draw>\n\
                 </gpu_power_readings>\n</gpu>\n</nvidia_smi_log>\n"
            )
        };
        assert_eq!(
            told("nvidia-smi-xml", &xml("70.10 W")),
            ["figures that are not told: utilization.gpu_util says N/A once"]
        );
        // One of the readings of power is enough.
        assert_eq!(
            told("nvidia-smi-xml", &xml("N/A")),
            ["figures that are not told: power says N/A once, utilization.gpu_util says N/A once"]
        );
    }
}
