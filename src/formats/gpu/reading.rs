//! A reading of a GPU that comes field by field, under the names that the forms of `nvidia-smi -q` have for them.

use std::borrow::Cow;

use super::csv::{Unit, is_status, value};
use super::missing::Missing;
use crate::evidence::quoted;
use crate::model::{ComputeMode, GpuProcess, GpuSample};

/// One GPU in the making.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Where it begins.
    pub(super) record: u64,
    pub(super) sample: GpuSample<'static>,
    /// Rank of the power reading that is held: the better one stays.
    power_rank: u8,
    /// Values that are neither a quantity nor a status.
    pub(super) unreadable: Vec<String>,
    /// Figures in place of which there are words: path and words.
    statuses: Vec<(String, String)>,
}

/// Bound on the values named in one anomaly.
const UNREADABLE_KEPT: usize = 8;

/// A status in any form: those of the CSV, and the words of `-q`.
pub(super) fn says_nothing(text: &str) -> bool {
    is_status(text)
        || matches!(
            text,
            "Requested functionality has been deprecated"
                | "Function Not Found"
                | "Insufficient Permissions"
                | "GPU is lost"
        )
}

/// An owned text, unless it stands for none.
pub(super) fn named(text: &str) -> Option<Cow<'static, str>> {
    (!says_nothing(text)).then(|| Cow::Owned(text.to_owned()))
}

/// A quantity in that unit, or in none.
pub(super) fn quantity(text: &str, unit: Option<Unit>) -> Option<f64> {
    let text = text.trim();
    // Forms that glue the unit to the number: "19818MiB", "629W", "38C".
    let at = text.find(|letter: char| letter.is_ascii_alphabetic()).filter(|at| *at > 0 && !text.contains(' '));
    let spaced = at.and_then(|at| Some(format!("{} {}", text.get(..at)?, text.get(at..)?)));
    let (number, found) = value(spaced.as_deref().unwrap_or(text))?;
    (found.is_none() || found == unit).then_some(number)
}

/// A switch by the words of any form.
pub(super) fn switched(text: &str) -> Option<bool> {
    match text {
        "Enabled" | "On" => Some(true),
        "Disabled" | "Off" => Some(false),
        _ => None,
    }
}

impl Reading {
    pub(super) fn new(record: u64) -> Reading {
        Reading { record, ..Reading::default() }
    }

    /// Takes a field: its path below the GPU in the names of the XML (`-q -x`), or in those of the text (`-q`) in lower
    /// case with underscores.
    pub(super) fn set(&mut self, path: &str, text: &str) {
        let text = text.trim();
        match path {
            "uuid" | "gpu_uuid" => self.sample.gpu_uuid = named(text),
            "product_name" => self.sample.name = named(text),
            "utilization.gpu_util" | "utilization.gpu" => {
                self.sample.utilization_percent = self.number(path, text, Some(Unit::Percent));
            }
            "utilization.memory_util" | "utilization.memory" => {
                self.sample.memory_utilization_percent = self.number(path, text, Some(Unit::Percent));
            }
            "fb_memory_usage.used" => self.sample.memory_used_mib = self.number(path, text, Some(Unit::Mib)),
            "fb_memory_usage.total" => self.sample.memory_total_mib = self.number(path, text, Some(Unit::Mib)),
            "clocks.sm_clock" | "clocks.sm" => self.sample.sm_clock_mhz = self.number(path, text, Some(Unit::Mhz)),
            "temperature.gpu_temp" | "temperature.gpu_current_temp" => {
                self.sample.temperature_c = self.number(path, text, None);
            }
            // What power.draw means since driver 530 is the average: it is the one to compare.
            "power_readings.power_draw" | "gpu_power_readings.power_draw" => self.power(path, text, 3),
            "gpu_power_readings.average_power_draw" => self.power(path, text, 2),
            "gpu_power_readings.instant_power_draw" | "gpu_power_readings.instantaneous_power_draw" => {
                self.power(path, text, 1);
            }
            _ => self.setting(path, text),
        }
    }

    /// What somebody set. Limits have had new names since schema v12 (driver 525): "requested" is what was asked for,
    /// "current" what is enforced.
    fn setting(&mut self, path: &str, text: &str) {
        let figure = |unit: Unit| quantity(text, Some(unit)).map(|figure| figure as f32);
        let settings = &mut self.sample.settings;
        // Driver 610 puts them below a head of their own.
        match path.replacen("gpu_ceiling_power_limit.", "", 1).as_str() {
            "power_readings.power_limit" | "gpu_power_readings.requested_power_limit" => {
                settings.power_limit_w = figure(Unit::Watt);
            }
            "power_readings.enforced_power_limit" | "gpu_power_readings.current_power_limit" => {
                settings.enforced_power_limit_w = figure(Unit::Watt);
            }
            "applications_clocks.graphics_clock" | "applications_clocks.graphics" => {
                settings.application_graphics_clock_mhz = figure(Unit::Mhz);
            }
            "applications_clocks.mem_clock" | "applications_clocks.memory" => {
                settings.application_memory_clock_mhz = figure(Unit::Mhz);
            }
            "max_clocks.sm_clock" | "max_clocks.sm" => settings.max_sm_clock_mhz = figure(Unit::Mhz),
            "persistence_mode" => settings.persistence = switched(text),
            "compute_mode" => settings.compute_mode = ComputeMode::of(text),
            "mig_mode.current_mig" | "mig_mode.current" => settings.mig = switched(text),
            _ => {}
        }
    }

    fn power(&mut self, path: &str, text: &str, rank: u8) {
        if let Some(power) = self.number(path, text, Some(Unit::Watt)).filter(|_| rank > self.power_rank) {
            (self.sample.power_w, self.power_rank) = (Some(power), rank);
        }
    }

    /// Hands on what stood in place of figures. Of several readings of power one is enough.
    pub(super) fn note_missing(&self, missing: &mut Missing) {
        let is_power = |path: &str| path.contains("power_readings.");
        for (path, words) in self.statuses.iter().filter(|(path, _)| !is_power(path)) {
            missing.note(path, words);
        }
        if let Some((_, words)) = self.statuses.iter().find(|(path, _)| is_power(path) && self.sample.power_w.is_none())
        {
            missing.note("power", words);
        }
    }

    pub(super) fn number(&mut self, path: &str, text: &str, unit: Option<Unit>) -> Option<f64> {
        let found = quantity(text, unit);
        if found.is_none() && says_nothing(text) && self.statuses.len() < UNREADABLE_KEPT {
            self.statuses.push((path.to_owned(), text.to_owned()));
        }
        if found.is_none() && !says_nothing(text) && self.unreadable.len() < UNREADABLE_KEPT {
            self.unreadable.push(format!("{path} {}", quoted(text)));
        }
        found
    }
}

/// A process in the making.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) record: u64,
    pub(super) process: GpuProcess<'static>,
}

impl Running {
    /// Takes a field by its name in the XML, or in the text in lower case with underscores.
    pub(super) fn set(&mut self, key: &str, text: &str) {
        let text = text.trim();
        match key {
            "pid" | "process_id" => self.process.pid = text.parse().ok(),
            "process_name" | "name" => self.process.process = named(text),
            "used_memory" | "used_gpu_memory" | "max_memory_usage" => {
                self.process.memory_used_mib = quantity(text, Some(Unit::Mib));
            }
            "gpu_util" | "gpu_utilization" => self.process.utilization_percent = quantity(text, Some(Unit::Percent)),
            "memory_util" | "memory_utilization" => {
                self.process.memory_utilization_percent = quantity(text, Some(Unit::Percent));
            }
            // Active time of its context; 0 while it runs (nvmlAccountingStats_t, NVML).
            "time" => self.process.accounted_ms = text.trim_end_matches("ms").trim().parse().ok(),
            _ => {}
        }
    }
}
