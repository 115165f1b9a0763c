//! Rule files to rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use rsigma_eval::{CompiledRule, compile_rule};
use rsigma_parser::{Detection, Level, Modifier, SigmaCollection, SigmaRule, parse_sigma_yaml};
use sha2::{Digest, Sha256};

use super::aside::{self, Aside};
use super::indicator::{self, Indicator, IndicatorValue};
use super::lint::{self, LintLevel, LintMessage};
use super::{LogSource, RuleInfo, RuleSet};
use crate::evidence::hexadecimal;
use crate::model::{Behaviour, Confidence};

/// Bound on the size of one rule file, in bytes.
const LARGEST_FILE: u64 = 16 << 20;
/// Bound on the depth of folders.
const DEEPEST: usize = 16;

type Files = Vec<(String, Vec<u8>)>;

/// The rule files under a folder, and those that could not be read.
pub(super) fn read_dir(root: &Path) -> io::Result<(Files, Vec<LintMessage>)> {
    let mut files = Vec::new();
    let mut messages = Vec::new();
    let mut folders = vec![(root.to_path_buf(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        let complain = |path: &str, message: String| LintMessage {
            level: LintLevel::Error,
            path: path.to_owned(),
            rule: None,
            message,
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(error) => {
                messages.push(complain(&prefix, format!("not read: {error}")));
                continue;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    messages.push(complain(&prefix, format!("not read: {error}")));
                    continue;
                }
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && !name.starts_with('.') {
                if depth < DEEPEST {
                    folders.push((entry.path(), format!("{path}/"), depth + 1));
                } else {
                    messages.push(complain(&path, "deeper than 16 folders: not read".to_owned()));
                }
            } else if kind.is_file() && [".yml", ".yaml", ".csv"].iter().any(|ending| name.ends_with(ending)) {
                let size = entry.metadata().map(|metadata| metadata.len()).unwrap_or(0);
                if size > LARGEST_FILE {
                    messages.push(complain(&path, "larger than 16 MiB: not read".to_owned()));
                    continue;
                }
                match fs::read(entry.path()) {
                    Ok(bytes) => files.push((path, bytes)),
                    Err(error) => messages.push(complain(&path, format!("not read: {error}"))),
                }
            }
        }
    }
    Ok((files, messages))
}

fn of_whole(path: &str, level: LintLevel, message: String) -> LintMessage {
    LintMessage { level, path: path.to_owned(), rule: None, message }
}

/// Whether a file is a list of indicators, if a wrong one: others have CSV among their rules that is none.
fn is_list(path: &str, bytes: &[u8]) -> bool {
    let header = bytes.split(|byte| *byte == b'\n').find(|line| !line.starts_with(b"#"));
    path.split('/').rev().skip(1).any(|folder| folder == "indicators")
        || header.is_some_and(|line| line.starts_with(b"indicator,"))
}

/// The rules of a file, after what is wrong with the file as a whole.
fn parsed(path: &str, bytes: &[u8], messages: &mut Vec<LintMessage>) -> Option<SigmaCollection> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        messages.push(of_whole(path, LintLevel::Error, "not UTF-8".to_owned()));
        return None;
    };
    let collection = match parse_sigma_yaml(text) {
        Ok(collection) => collection,
        Err(error) => {
            messages.push(of_whole(path, LintLevel::Error, format!("not a Sigma rule: {error}")));
            return None;
        }
    };
    messages.extend(collection.errors.iter().map(|error| {
        if aside::is_aggregation(error) {
            let what = "detection.condition counts over time (`| count()`, `| near`), which is not evaluated";
            return of_whole(path, LintLevel::SetAside(Aside::Counts), what.to_owned());
        }
        of_whole(path, LintLevel::Error, format!("not a Sigma rule: {error}"))
    }));
    let correlations = collection.correlations.iter().map(|one| (&one.title, "correlations are not evaluated"));
    let filters = collection.filters.iter().map(|one| (&one.title, "filters are not applied"));
    messages.extend(correlations.chain(filters).map(|(title, message)| LintMessage {
        rule: Some(title.clone()),
        ..of_whole(path, LintLevel::SetAside(Aside::Counts), message.to_owned())
    }));
    Some(collection)
}

/// Makes a rule set of files, in any order.
pub(super) fn build(mut files: Files, mut messages: Vec<LintMessage>) -> RuleSet {
    files.sort();
    let mut hash = Sha256::new();
    for (path, bytes) in &files {
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    let version = hexadecimal(&hash.finalize());
    let mut rules = Vec::new();
    let mut compiled = Vec::new();
    let mut indicators: Vec<Indicator> = Vec::new();
    let mut ids: BTreeSet<String> = BTreeSet::new();
    let mut collections: Vec<(&String, SigmaCollection)> = Vec::new();
    for (path, bytes) in &files {
        if path.ends_with(".csv") {
            if is_list(path, bytes) {
                indicator::read(path, bytes, &mut indicators, &mut messages);
            } else {
                let what = "no list: its first line is no header of one, and it is in no folder indicators";
                messages.push(of_whole(path, LintLevel::SetAside(Aside::NoRule), what.to_owned()));
            }
        } else if let Some(collection) = parsed(path, bytes, &mut messages) {
            collections.push((path, collection));
        }
    }
    let counted = aside::counted(collections.iter().map(|(_, collection)| collection));
    for (path, collection) in &collections {
        for rule in &collection.rules {
            if let Some((info, rule)) = one(path, rule, (&mut ids, &counted), &mut messages) {
                rules.push(info);
                compiled.push(rule);
            }
        }
    }
    indicators.sort();
    let mut set = RuleSet {
        rules,
        version,
        indicators,
        compiled,
        domains: BTreeMap::new(),
        addresses: BTreeMap::new(),
        ports: BTreeMap::new(),
        messages,
    };
    for (at, indicator) in set.indicators.iter().enumerate() {
        let earlier = match &indicator.value {
            IndicatorValue::Domain(name) => set.domains.insert(name.clone(), at),
            IndicatorValue::Address(address) => set.addresses.insert(*address, at),
            IndicatorValue::Port(port, protocol) => set.ports.insert((*port, protocol.0), at),
        };
        if earlier.is_some() {
            set.messages.push(LintMessage {
                level: LintLevel::Warning,
                path: indicator.path.clone(),
                rule: Some(indicator.value.to_string()),
                message: "listed more than once".to_owned(),
            });
        }
    }
    set.messages.sort_by(|a, b| (&a.path, &a.rule, a.level, &a.message).cmp(&(&b.path, &b.rule, b.level, &b.message)));
    set
}

fn one(
    path: &str,
    rule: &SigmaRule,
    (ids, counted): (&mut BTreeSet<String>, &BTreeSet<&str>),
    messages: &mut Vec<LintMessage>,
) -> Option<(RuleInfo, CompiledRule)> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let source = logsource(rule);
    let mut aside = aside::why(rule, source, counted);
    match rule.id.as_deref() {
        None | Some("") => errors.push("no id: give it a random UUID".to_owned()),
        Some(id) if aside.is_none() && !ids.insert(id.to_owned()) => {
            errors.push(format!("id {id} is taken by an earlier rule"))
        }
        Some(id) if !is_uuid(id) => warnings.push(format!("id {id} is not a UUID")),
        Some(_) => {}
    }
    for field in source.map(|source| lint::unknown_fields(rule, source)).unwrap_or_default() {
        warnings.push(format!("field {field} does not exist in this log source: a condition on it never holds"));
    }
    if rule.falsepositives.is_empty() {
        warnings.push("no falsepositives: say what else it could be".to_owned());
    }
    let level = match rule.level {
        Some(Level::Informational) => "informational",
        Some(Level::Low) => "low",
        Some(Level::Medium) => "medium",
        Some(Level::High) => "high",
        Some(Level::Critical) => "critical",
        None => {
            warnings.push("no level: taken as medium".to_owned());
            "medium"
        }
    };
    let attack = lint::attack(rule, &mut |message| warnings.push(message));
    let compiled = match compile_rule(&without_needless_all(rule)) {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            errors.push(format!("not compiled: {error}"));
            None
        }
    };
    let ours = compiled.as_ref().and_then(|compiled| compiled.custom_attributes.get("coincident"));
    let text = |key: &str| ours.and_then(|ours| ours.get(key)).and_then(|value| value.as_str());
    let behaviour = match text("behaviour") {
        Some(name) => Behaviour::from_name(name).or_else(|| {
            errors.push(format!("unknown behaviour `{name}`"));
            None
        }),
        None => from_attack(&attack).or_else(|| {
            let told = if attack.is_empty() { "none".to_owned() } else { attack.join(", ") };
            let message =
                format!("no coincident.behaviour, and no ATT&CK technique in its tags that tells it ({told})");
            aside.get_or_insert((Aside::Behaviour, message));
            None
        }),
    };
    let confidence = match text("confidence") {
        Some("weak") => Some(Confidence::Weak),
        Some("strong") => Some(Confidence::Strong),
        Some("certain") => Some(Confidence::Certain),
        Some(other) => {
            errors.push(format!("unknown confidence `{other}`: weak, strong or certain"));
            None
        }
        None if matches!(level, "high" | "critical") => Some(Confidence::Strong),
        None => Some(Confidence::Weak),
    };
    let kind = text("kind").map_or_else(|| slug(&rule.title), str::to_owned);
    let failed = !errors.is_empty() || aside.is_some();
    if let (true, Some((why, message))) = (errors.is_empty(), aside) {
        let level = LintLevel::SetAside(why);
        messages.push(LintMessage { rule: Some(rule.title.clone()), ..of_whole(path, level, message) });
        return None;
    }
    let all = errors
        .into_iter()
        .map(|text| (LintLevel::Error, text))
        .chain(warnings.into_iter().map(|text| (LintLevel::Warning, text)));
    messages.extend(all.map(|(level, message)| LintMessage {
        level,
        path: path.to_owned(),
        rule: Some(rule.title.clone()),
        message,
    }));
    if failed {
        return None;
    }
    let info = RuleInfo {
        id: rule.id.clone()?,
        title: rule.title.clone(),
        behaviour: behaviour?,
        kind,
        confidence: confidence?,
        level: level.to_owned(),
        attack,
        logsource: source?,
        path: path.to_owned(),
    };
    Some((info, compiled?))
}

/// The rule without `|all` where there is one value: all of one is one, and SigmaHQ has such rules, but the engine refuses.
fn without_needless_all(rule: &SigmaRule) -> SigmaRule {
    fn walk(detection: &mut Detection) {
        match detection {
            Detection::AllOf(items) => {
                for item in items.iter_mut().filter(|item| item.values.len() == 1) {
                    item.field.modifiers.retain(|modifier| *modifier != Modifier::All);
                }
            }
            Detection::AnyOf(parts) | Detection::And(parts) => parts.iter_mut().for_each(walk),
            Detection::Keywords(_) | Detection::ArrayMatch { .. } | Detection::Conditional { .. } => {}
        }
    }
    let mut rule = rule.clone();
    rule.detection.named.values_mut().for_each(walk);
    rule
}

fn logsource(rule: &SigmaRule) -> Option<LogSource> {
    let product = rule.logsource.product.as_deref();
    match rule.logsource.category.as_deref()? {
        "process_creation" if matches!(product, None | Some("linux")) => Some(LogSource::Command),
        "network_connection" if matches!(product, None | Some("linux")) => Some(LogSource::Connection),
        "dns" | "dns_query" if matches!(product, None | Some("linux")) => Some(LogSource::Dns),
        "firewall" => Some(LogSource::Firewall),
        _ => None,
    }
}

/// The behaviour that a foreign rule's techniques speak of.
fn from_attack(ids: &[String]) -> Option<Behaviour> {
    ids.iter().find_map(|id| match id.split('.').next()? {
        "T1496" => Some(Behaviour::Mining),
        "T1572" | "T1090" | "T1095" | "T1219" => Some(Behaviour::Tunnel),
        "T1046" | "T1018" | "T1016" | "T1049" | "T1613" | "T1135" => Some(Behaviour::Probing),
        "T1105" | "T1608" => Some(Behaviour::Download),
        "T1070" | "T1564" | "T1036" | "T1027" | "T1140" | "T1685" | "T1686" | "T1690" | "T1562" => {
            Some(Behaviour::Concealment)
        }
        "T1548" | "T1611" | "T1068" => Some(Behaviour::Privilege),
        "T1053" | "T1543" | "T1098" | "T1136" | "T1546" | "T1547" | "T1037" => Some(Behaviour::Persistence),
        "T1657" => Some(Behaviour::ValueTransfer),
        _ => None,
    })
}

fn slug(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
