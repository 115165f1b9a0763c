//! What can be set on a GPU.

/// What somebody sets on a GPU, as far as a reading states it: what `nvidia-smi` changes with `-pl`, `-ac`, `-pm`, `-c`
/// and `-mig`. Power in watts, clocks in MHz.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GpuSettings {
    /// The limit that was asked for.
    pub power_limit_w: Option<f32>,
    /// The least of all limits in force.
    pub enforced_power_limit_w: Option<f32>,
    /// The limit that the default table shows; it does not say which of the two that is.
    pub power_cap_w: Option<f32>,
    pub application_graphics_clock_mhz: Option<f32>,
    pub application_memory_clock_mhz: Option<f32>,
    pub max_sm_clock_mhz: Option<f32>,
    pub persistence: Option<bool>,
    pub compute_mode: Option<ComputeMode>,
    pub mig: Option<bool>,
}

/// Which processes a GPU takes (`nvidia-smi -c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeMode {
    Default,
    Exclusive,
    Prohibited,
}

impl ComputeMode {
    /// The mode by the words of nvidia-smi: "Exclusive_Process", "E. Process", "Prohibited", ...
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "Default" => Some(ComputeMode::Default),
            "Exclusive_Process" | "Exclusive_Thread" | "E. Process" | "E. Thread" => Some(ComputeMode::Exclusive),
            "Prohibited" => Some(ComputeMode::Prohibited),
            _ => None,
        }
    }

    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            ComputeMode::Default => "default",
            ComputeMode::Exclusive => "exclusive",
            ComputeMode::Prohibited => "prohibited",
        }
    }
}

impl GpuSettings {
    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        *self == GpuSettings::default()
    }

    /// Each setting with its name and, where it is stated, its value for a person.
    pub fn each(&self) -> [(&'static str, Option<String>); 9] {
        let watts = |value: Option<f32>| value.map(|watts| format!("{watts:.0} W"));
        let mhz = |value: Option<f32>| value.map(|mhz| format!("{mhz:.0} MHz"));
        let switch = |value: Option<bool>| value.map(|on| if on { "on" } else { "off" }.to_owned());
        [
            ("power limit", watts(self.power_limit_w)),
            ("enforced power limit", watts(self.enforced_power_limit_w)),
            ("power cap", watts(self.power_cap_w)),
            ("application graphics clock", mhz(self.application_graphics_clock_mhz)),
            ("application memory clock", mhz(self.application_memory_clock_mhz)),
            ("maximum SM clock", mhz(self.max_sm_clock_mhz)),
            ("persistence mode", switch(self.persistence)),
            ("compute mode", self.compute_mode.map(|mode| mode.name().to_owned())),
            ("MIG mode", switch(self.mig)),
        ]
    }
}
