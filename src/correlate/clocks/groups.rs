//! Which files share a clock, which clock is the reference, and what is said of a clock before anything was compared.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::rotation;
use crate::correlate::analysis::{Clock, Grade};
use crate::evidence::EvidenceId;
use crate::formats::Kind;
use crate::intake::{CaseFile, Intake, Source};
use crate::time::{Basis, YearSource};

/// A group of files that share a clock.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) members: Vec<EvidenceId>,
    pub(super) basis: Basis,
    /// Addresses of the hosts that its transcripts ran on, as far as the case declares them.
    pub(super) addresses: Vec<IpNet>,
}

/// Transcripts share a clock per host they ran on, or per format where the host is not known; without a capture to
/// compare hosts against, all that state UTC offsets are one. Pieces of a rotated log share one. Everything else has one per
/// file, but GPU files one per directory (two queries of the same tool on the same machine).
pub(super) fn groups(intake: &Intake, case: &CaseFile) -> Vec<Group> {
    let sources = &intake.sources;
    let hosts: BTreeMap<&str, &str> =
        intake.episodes.iter().filter_map(|episode| Some((episode.path(), episode.host.as_deref()?))).collect();
    let captured = sources.iter().any(|source| source.kind == Some(Kind::Capture) && source.records > 0);
    let rotated = rotation::names(sources);
    let mut groups: BTreeMap<(Kind, String), Vec<EvidenceId>> = BTreeMap::new();
    for (index, source) in sources.iter().enumerate() {
        let Some(kind) = source.kind.filter(|_| source.records > 0) else { continue };
        let key = match kind {
            Kind::Transcript if !captured && source.basis == Some(Basis::ExplicitOffset) => String::new(),
            Kind::Transcript => {
                let host = hosts.get(source.path.as_str()).copied();
                host.or(source.format).unwrap_or_default().to_owned()
            }
            Kind::Gpu => source.path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()),
            Kind::Firewall | Kind::Capture => rotated[index].clone(),
        };
        groups.entry((kind, key)).or_default().push(EvidenceId(index as u32));
    }
    groups
        .into_iter()
        .map(|((kind, key), members)| {
            let paths: Vec<&str> = members.iter().map(|id| sources[id.0 as usize].path.as_str()).collect();
            let name = match (paths.as_slice(), kind) {
                ([one], _) => (*one).to_owned(),
                (several, Kind::Transcript) => {
                    format!("{} {key} × {}", common_folder(several), several.len()).replace("  ", " ")
                }
                (several, _) => format!("{} × {}", several[0], several.len()),
            };
            let basis = members.iter().filter_map(|id| sources[id.0 as usize].basis).max().unwrap_or(Basis::OrderOnly);
            let hosts: BTreeSet<&str> = paths.iter().filter_map(|path| hosts.get(path).copied()).collect();
            let declared = hosts.into_iter().filter_map(|host| case.host(host));
            let addresses = declared.flat_map(|host| host.addresses.iter().copied()).collect();
            Group { name: name.trim().to_owned(), kind, members, basis, addresses }
        })
        .collect()
}

fn common_folder(paths: &[&str]) -> String {
    let mut common: Vec<&str> = paths[0].split('/').collect();
    common.pop();
    for path in paths {
        let shared = common.iter().zip(path.split('/')).take_while(|(a, b)| **a == *b).count();
        common.truncate(shared);
    }
    if common.is_empty() { String::new() } else { format!("{}/", common.join("/")) }
}

/// The capture with most packets; else the source with an explicit offset and most records, one that is `off` UTC by its
/// own account only where there is no other; else any dated one.
pub(super) fn reference(groups: &[Group], sources: &[Source], off: &BTreeSet<usize>) -> Option<usize> {
    let records = |group: &Group| group.members.iter().map(|id| sources[id.0 as usize].records).sum::<u64>();
    let states_utc = |group: &Group| group.basis == Basis::ExplicitOffset;
    let best = |wanted: &dyn Fn(&Group) -> bool| {
        (0..groups.len()).filter(|row| wanted(&groups[*row])).max_by_key(|row| {
            (!(states_utc(&groups[*row]) && off.contains(row)), records(&groups[*row]), usize::MAX - row)
        })
    };
    best(&|group| group.kind == Kind::Capture && group.basis.is_dated())
        .or_else(|| best(&states_utc))
        .or_else(|| best(&|group| group.basis.is_dated()))
        .or_else(|| best(&|_| true))
}

/// A clock before anything was compared.
pub(super) fn assumed(group: &Group, intake: &Intake, reference: bool) -> Clock {
    let source = &intake.sources[group.members[0].0 as usize];
    let declared = source.declared_zone || source.declared_offset_ns != 0;
    let (grade, method) = match (reference, declared, group.basis) {
        (true, ..) => (Grade::A, "reference"),
        (_, true, _) => (Grade::B, "declared"),
        (_, _, Basis::ExplicitOffset) => (Grade::C, "as stated"),
        (_, _, Basis::OrderOnly) => (Grade::D, "order only"),
        _ => (Grade::D, "assumed"),
    };
    let mut notes = Vec::new();
    match group.basis {
        Basis::AssumedZone => notes.push("zone assumed UTC".to_owned()),
        Basis::AssumedYear => {
            let year = source.first.map(|first| chrono::Datelike::year(&first.to_utc()));
            let year = year.map_or_else(String::new, |year| year.to_string());
            notes.push(match &source.year {
                YearSource::ByRecord(years) if years.first != years.last => {
                    format!(
                        "years {} to {} from the order of records and the dated sources beside it",
                        years.first, years.last
                    )
                }
                YearSource::Declared(_) => format!("year {year} declared"),
                _ => format!("year {year} from the dated sources beside it"),
            });
            if let YearSource::ByRecord(years) = &source.year
                && !years.also_possible.is_empty()
            {
                notes.push(format!(
                    "the last may be of {} as well: declare it with --year",
                    listed(&years.also_possible)
                ));
            }
        }
        Basis::UnknownYear => notes.push("year unknown: declare it with --year".to_owned()),
        Basis::BootRelative => notes.push(match source.boots.len() {
            0 | 1 => "seconds since boot".to_owned(),
            boots => format!("seconds since {boots} boots, each shown on days of its own from 1970-01-01 on"),
        }),
        Basis::OrderOnly => notes.push("no times: order only".to_owned()),
        _ => {}
    }
    Clock {
        name: group.name.clone(),
        sources: group.members.clone(),
        basis: group.basis,
        reference,
        offset_ns: 0,
        support_ns: (0, 0),
        zone_error_ns: 0,
        grade,
        pairs: 0,
        inliers: 0,
        peak_ratio: 0.0,
        runner_up_ns: None,
        segments: Vec::new(),
        untied: Vec::new(),
        utc: None,
        writers: None,
        points: Vec::new(),
        points_of: 0,
        method: method.to_owned(),
        notes,
    }
}

fn listed(years: &[i32]) -> String {
    years.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
