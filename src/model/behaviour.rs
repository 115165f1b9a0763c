use std::fmt;

use serde::Serialize;

/// What a signal or finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    Mining,
    Tunnel,
    Probing,
    Download,
    Concealment,
    Privilege,
    Persistence,
    EgressViolation,
    ValueTransfer,
    /// A line that the case or the transcript sets was crossed.
    LimitCrossed,
}

impl Behaviour {
    /// Every behaviour, in the order of reports.
    pub const ALL: [Behaviour; 10] = [
        Behaviour::Mining,
        Behaviour::Tunnel,
        Behaviour::Probing,
        Behaviour::Download,
        Behaviour::Concealment,
        Behaviour::Privilege,
        Behaviour::Persistence,
        Behaviour::EgressViolation,
        Behaviour::ValueTransfer,
        Behaviour::LimitCrossed,
    ];

    /// The name used in rules, outputs and case files.
    pub fn name(self) -> &'static str {
        match self {
            Behaviour::Mining => "mining",
            Behaviour::Tunnel => "tunnel",
            Behaviour::Probing => "probing",
            Behaviour::Download => "download",
            Behaviour::Concealment => "concealment",
            Behaviour::Privilege => "privilege",
            Behaviour::Persistence => "persistence",
            Behaviour::EgressViolation => "egress-violation",
            Behaviour::ValueTransfer => "value-transfer",
            Behaviour::LimitCrossed => "limit-crossed",
        }
    }

    /// The behaviour of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|behaviour| behaviour.name() == name)
    }

    /// MITRE ATT&CK Enterprise v19 techniques that the behaviour is consistent with.
    pub fn attack(self) -> &'static [&'static str] {
        match self {
            Behaviour::Mining => &["T1496.001"],
            Behaviour::Tunnel => &["T1572"],
            Behaviour::Probing => &["T1046"],
            Behaviour::Download => &["T1105"],
            Behaviour::Concealment => &["T1070"],
            Behaviour::Privilege => &["T1548"],
            Behaviour::Persistence => &["T1053.003"],
            Behaviour::EgressViolation => &["T1571"],
            Behaviour::ValueTransfer => &["T1657"],
            Behaviour::LimitCrossed => &["T1548"],
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How sure a rule or detector is of what it saw (not of who did it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A lead: consistent with much else. A port, an address or a load alone is never more than this.
    Weak,
    /// Hard to explain otherwise.
    Strong,
    /// The protocol itself says so.
    Certain,
}

impl Confidence {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Weak => "weak",
            Confidence::Strong => "strong",
            Confidence::Certain => "certain",
        }
    }
}
