//! The rival hypotheses and how the observables speak for and against each.
//!
//! Every row is an observable with P(observable | hypothesis) in five classes (0.95, 0.7, 0.5, 0.2, 0.02). Rows of one
//! independence group count once, by the row that says most. What could not be observed makes no row and is listed
//! among what would decide.

use super::analysis::{Rival, RivalId};

/// Likelihood classes.
const PP: f64 = 0.95;
const P: f64 = 0.7;
const O: f64 = 0.5;
const M: f64 = 0.2;
const MM: f64 = 0.02;

/// Whether something that would tell hypotheses apart was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seen {
    Yes,
    No,
    /// No source could have shown it.
    #[default]
    Unknown,
}

impl Seen {
    /// `Yes` or `No` where a source could have shown it.
    pub(crate) fn of(observable: bool, seen: bool) -> Self {
        match (observable, seen) {
            (false, _) => Seen::Unknown,
            (true, true) => Seen::Yes,
            (true, false) => Seen::No,
        }
    }
}

/// The observables about one group of signals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observables {
    /// A literal of the event stands in text that the agent wrote before it.
    pub(crate) literal_in_agent_text: Seen,
    /// That literal stood in content from outside before the agent wrote it.
    pub(crate) literal_in_environment: Seen,
    /// A row of failed or short logins from outside before the event.
    pub(crate) inbound_precursor: Seen,
    /// The same peer is reached when no step runs.
    pub(crate) outside_of_steps: Seen,
    /// The same peer is reached from hosts without agents.
    pub(crate) other_hosts: Seen,
    /// The onsets follow tool calls more often than chance, with controls that hold.
    pub(crate) aligned: Seen,
    /// The connections come at a fixed period.
    pub(crate) periodic: Seen,
    /// A package was installed earlier in the episode.
    pub(crate) package_install: Seen,
    /// The step is a replayed prefix.
    pub(crate) replayed: Seen,
    /// It comes from an address that one known host has to itself.
    pub(crate) own_address: Seen,
    /// The firewall refused it throughout.
    pub(crate) refused: Seen,
}

struct Row {
    group: u8,
    seen: Seen,
    yes: &'static str,
    no: &'static str,
    /// P(seen | hypothesis) in the order of [`RivalId::ALL`].
    likelihood: [f64; 9],
    /// What evidence would show it.
    decided_by: &'static str,
}

fn rows(o: &Observables) -> [Row; 11] {
    // agent, steered, third-party, replayed, external, misconfiguration, other tenant, harness, human
    [
        Row {
            group: 1,
            seen: o.literal_in_agent_text,
            yes: "the agent wrote the address or name before the event",
            no: "nothing the agent wrote names the peer",
            likelihood: [PP, PP, M, PP, MM, MM, MM, MM, MM],
            decided_by: "the transcript of the host's agent with its tool arguments",
        },
        Row {
            group: 2,
            seen: o.literal_in_environment,
            yes: "content from outside named it before the agent did",
            no: "no content from outside named it before",
            likelihood: [MM, PP, O, O, O, O, O, O, O],
            decided_by: "the files and pages that the agent read",
        },
        Row {
            group: 3,
            seen: o.inbound_precursor,
            // A row of failures, then a way in: a person with access of their own seldom fails in a row.
            yes: "a row of failed or short logins from outside came before it",
            no: "no row of logins from outside is seen before it",
            likelihood: [M, M, M, M, PP, M, O, M, M],
            decided_by: "the host's authentication log and the Ray and dashboard logs",
        },
        Row {
            group: 4,
            seen: o.outside_of_steps,
            yes: "it also happens when no step runs",
            no: "it happens only while or after steps run",
            likelihood: [MM, MM, M, MM, PP, PP, PP, P, P],
            decided_by: "traffic of the host outside of episodes",
        },
        Row {
            group: 4,
            seen: o.other_hosts,
            yes: "hosts without agents do the same",
            no: "no host without agents does the same",
            likelihood: [MM, MM, M, MM, PP, PP, P, P, P],
            decided_by: "traffic of hosts without agents",
        },
        Row {
            group: 5,
            seen: o.aligned,
            yes: "onsets follow tool calls far more often than chance",
            no: "onsets do not follow tool calls more often than chance",
            likelihood: [PP, PP, PP, PP, M, M, M, P, M],
            decided_by: "more onsets, or better clocks",
        },
        Row {
            group: 6,
            seen: o.periodic,
            yes: "it beats at a fixed period",
            no: "it has no fixed period",
            likelihood: [M, M, M, M, P, PP, O, PP, M],
            decided_by: "a longer capture",
        },
        Row {
            group: 7,
            seen: o.package_install,
            yes: "a package was installed before it in the episode",
            no: "no package was installed before it in the episode",
            likelihood: [M, O, PP, O, M, O, O, O, M],
            decided_by: "the package's own code and its install log",
        },
        Row {
            group: 8,
            seen: o.replayed,
            yes: "the step belongs to a replayed prefix",
            no: "the step was decided in this rollout",
            likelihood: [MM, O, O, PP, O, O, O, O, O],
            decided_by: "the rollout's sampling record",
        },
        Row {
            group: 9,
            seen: o.own_address,
            yes: "it comes from an address that one known host has to itself",
            no: "it comes from an address that several may share",
            likelihood: [PP, PP, PP, PP, PP, PP, M, P, PP],
            decided_by: "which container or sandbox owns the socket",
        },
        Row {
            group: 10,
            seen: o.refused,
            yes: "the firewall refuses it throughout, and it goes on",
            no: "the firewall lets it through",
            likelihood: [O, O, O, O, O, PP, O, M, O],
            decided_by: "the firewall's verdicts on it",
        },
    ]
}

/// All hypotheses, the likeliest first, each with log10 likelihood relative to the likeliest.
pub(crate) fn judge(observables: &Observables) -> Vec<Rival> {
    let rows = rows(observables);
    let mut counted: Vec<(&Row, [f64; 9])> = Vec::new();
    for row in &rows {
        let likelihood = match row.seen {
            Seen::Unknown => continue,
            Seen::Yes => row.likelihood,
            Seen::No => row.likelihood.map(|p| 1.0 - p),
        };
        match counted.iter_mut().find(|(other, _)| other.group == row.group) {
            Some(known) if diagnosticity(&likelihood) > diagnosticity(&known.1) => *known = (row, likelihood),
            Some(_) => {}
            None => counted.push((row, likelihood)),
        }
    }
    let mut rivals: Vec<Rival> = RivalId::ALL
        .into_iter()
        .enumerate()
        .map(|(column, hypothesis)| {
            let rows: Vec<(String, f64)> = counted
                .iter()
                .map(|(row, likelihood)| {
                    let text = if row.seen == Seen::Yes { row.yes } else { row.no };
                    (text.to_owned(), likelihood[column].log10())
                })
                .collect();
            Rival { hypothesis, log10_lr: rows.iter().map(|(_, log10)| log10).sum(), rows }
        })
        .collect();
    let best = rivals.iter().map(|rival| rival.log10_lr).fold(f64::NEG_INFINITY, f64::max);
    for rival in &mut rivals {
        rival.log10_lr -= best;
    }
    rivals.sort_by(|a, b| b.log10_lr.total_cmp(&a.log10_lr).then(a.hypothesis.cmp(&b.hypothesis)));
    rivals
}

/// The leading hypothesis; "undecided" if the next is within 0.3 bans.
pub(crate) fn leading(rivals: &[Rival]) -> &'static str {
    match rivals {
        [first, second, ..] if second.log10_lr > -0.3 && first.hypothesis != second.hypothesis => "undecided",
        [first, ..] => first.hypothesis.name(),
        [] => "undecided",
    }
}

/// Groups of rows that speak of a step: nothing to ask for where no step is held to have done it.
const ABOUT_THE_STEP: [u8; 3] = [2, 7, 8];

/// What was not observed and would tell the hypotheses apart, the most telling first.
pub(crate) fn would_decide(observables: &Observables, has_step: bool) -> Vec<String> {
    let rows = rows(observables);
    let asked = |row: &&Row| row.seen == Seen::Unknown && (has_step || !ABOUT_THE_STEP.contains(&row.group));
    let mut missing: Vec<&Row> = rows.iter().filter(asked).collect();
    missing.sort_by(|a, b| diagnosticity(&b.likelihood).total_cmp(&diagnosticity(&a.likelihood)));
    missing.iter().map(|row| row.decided_by.to_owned()).collect()
}

/// How far a row drives the hypotheses apart: largest minus smallest log10 likelihood.
fn diagnosticity(likelihood: &[f64; 9]) -> f64 {
    let logs = likelihood.map(f64::log10);
    logs.iter().copied().fold(f64::NEG_INFINITY, f64::max) - logs.iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_literal_and_alignment_lead_to_the_agent() {
        let rivals = judge(&Observables {
            literal_in_agent_text: Seen::Yes,
            literal_in_environment: Seen::No,
            inbound_precursor: Seen::No,
            aligned: Seen::Yes,
            replayed: Seen::No,
            ..Observables::default()
        });
        assert_eq!(leading(&rivals), "agent");
        let external = rivals.iter().find(|rival| rival.hypothesis == RivalId::ExternalCompromise).map(|r| r.log10_lr);
        // By hand: agent .95*.98*.8*.95*.98 = 0.693; external .02*.5*.05*.2*.5 = 5e-5; log10 of the ratio -4.14.
        assert!((external.unwrap_or(0.0) + 4.142).abs() < 0.01, "{external:?}");
    }

    #[test]
    fn a_beat_on_all_day_leads_to_misconfiguration() {
        let rivals = judge(&Observables {
            literal_in_agent_text: Seen::No,
            inbound_precursor: Seen::No,
            outside_of_steps: Seen::Yes,
            periodic: Seen::Yes,
            aligned: Seen::No,
            ..Observables::default()
        });
        assert_eq!(rivals[0].hypothesis, RivalId::Misconfiguration);
    }

    #[test]
    fn a_row_of_logins_before_leads_to_external_compromise() {
        let rivals = judge(&Observables {
            literal_in_agent_text: Seen::No,
            inbound_precursor: Seen::Yes,
            ..Observables::default()
        });
        assert_eq!(rivals[0].hypothesis, RivalId::ExternalCompromise);
    }

    #[test]
    fn nothing_observed_decides_nothing() {
        let rivals = judge(&Observables::default());
        assert_eq!(leading(&rivals), "undecided");
        assert_eq!(would_decide(&Observables::default(), true).len(), 11);
    }
}
