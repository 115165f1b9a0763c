//! Dated lists of indicators: CSV with `indicator,kind,behaviour,category,confidence,source,date`, `#` comments.

use std::net::IpAddr;

use super::RuleHit;
use super::lint::{LintLevel, LintMessage};
use crate::model::{Behaviour, Confidence, Protocol};

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Indicator {
    pub value: IndicatorValue,
    pub behaviour: Behaviour,
    /// Becomes the kind of the hit: "pool-domain".
    pub category: String,
    pub confidence: Confidence,
    /// Where the entry can be checked.
    pub source: String,
    /// When it was entered, `YYYY-MM-DD`.
    pub date: String,
    /// Path of the list.
    pub path: String,
}

/// What an entry matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndicatorValue {
    /// The name and everything under it.
    Domain(String),
    Address(IpAddr),
    Port(u16, Protocol),
}

impl std::fmt::Display for IndicatorValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IndicatorValue::Domain(name) => f.write_str(name),
            IndicatorValue::Address(address) => write!(f, "{address}"),
            IndicatorValue::Port(port, protocol) => write!(f, "{port}/{protocol}"),
        }
    }
}

/// Reads a list; rows that cannot be read become messages.
pub(super) fn read(path: &str, bytes: &[u8], out: &mut Vec<Indicator>, messages: &mut Vec<LintMessage>) {
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).flexible(true).from_reader(bytes);
    for (row, record) in reader.records().enumerate() {
        let mut complain = |what: String| {
            messages.push(LintMessage {
                level: LintLevel::Error,
                path: path.to_owned(),
                rule: Some(format!("row {}", row + 1)),
                message: what,
            });
        };
        match record {
            Err(error) => complain(format!("not read: {error}")),
            Ok(record) => match entry(path, &record) {
                Ok(entry) => out.push(entry),
                Err(what) => complain(what),
            },
        }
    }
}

fn entry(path: &str, record: &csv::StringRecord) -> Result<Indicator, String> {
    let field = |at: usize, name: &str| {
        record.get(at).filter(|text| !text.is_empty()).ok_or_else(|| format!("no {name}")).map(str::to_owned)
    };
    let text = field(0, "indicator")?;
    let value = match field(1, "kind")?.as_str() {
        "domain" if text.contains('.') => IndicatorValue::Domain(text.trim_matches('.').to_ascii_lowercase()),
        "address" => IndicatorValue::Address(text.parse().map_err(|_| format!("`{text}` is not an address"))?),
        "port" => {
            let (port, protocol) = text.split_once('/').ok_or("a port is written PORT/PROTOCOL")?;
            let protocol = Protocol::parse(protocol).ok_or_else(|| format!("unknown protocol `{protocol}`"))?;
            IndicatorValue::Port(port.parse().map_err(|_| format!("`{port}` is not a port"))?, protocol)
        }
        other => return Err(format!("unknown kind `{other}` for `{text}`: domain, address or port")),
    };
    let behaviour = field(2, "behaviour")?;
    let confidence = match field(4, "confidence")?.as_str() {
        "weak" => Confidence::Weak,
        "strong" if matches!(value, IndicatorValue::Domain(_)) => Confidence::Strong,
        "strong" => return Err("an address or a port alone is weak".to_owned()),
        other => return Err(format!("unknown confidence `{other}`: weak or strong")),
    };
    Ok(Indicator {
        value,
        behaviour: Behaviour::from_name(&behaviour).ok_or_else(|| format!("unknown behaviour `{behaviour}`"))?,
        category: field(3, "category")?,
        confidence,
        source: field(5, "source")?,
        date: field(6, "date")?,
        path: path.to_owned(),
    })
}

/// An entry as a hit.
pub(super) fn hit(indicator: &Indicator) -> RuleHit<'_> {
    RuleHit {
        id: format!("{}:{}", indicator.path, indicator.value),
        title: match indicator.value {
            IndicatorValue::Domain(_) => "Name on a list of domains",
            IndicatorValue::Address(_) => "Address on a list",
            IndicatorValue::Port(..) => "Port on a list",
        },
        behaviour: indicator.behaviour,
        kind: &indicator.category,
        confidence: indicator.confidence,
        level: if indicator.confidence == Confidence::Weak { "low" } else { "high" },
        attack: indicator.behaviour.attack().to_vec(),
        command: None,
        indicator: Some(indicator),
    }
}
