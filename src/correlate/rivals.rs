//! The rival hypotheses and how the observables speak for and against each.
//!
//! Every row is an observable with P(observable | hypothesis): from counts of the case where it gives them
//! ([`counts`]), else from five classes (0.95, 0.7, 0.5, 0.2, 0.02) that are marked as judged. Rows of one independence
//! group count once, by the row that says most. What could not be observed makes no row and is listed among what would
//! decide. [`matrix`] asks what the ranking rests on.

mod counts;
mod matrix;

use std::collections::BTreeSet;

use super::analysis::{Judgement, MissingRow, Rival, RivalCell, RivalId, RivalRow};
use counts::{Counted, HYPOTHESES};
pub(crate) use counts::{Followed, Idle, Naming, Repeats, Strangers};
use matrix::{Cell, Matrix, Observed, spread};

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

/// How somebody from outside came in, or tried to, before the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Precursor {
    /// A row of failures; else a way in that was open, which a person with access of their own may have used as well.
    pub(crate) forced: bool,
    /// What it was, for a person.
    pub(crate) words: String,
}

/// The observables about one group of signals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observables {
    /// A literal of the event stands in text that the agent wrote before it.
    pub(crate) literal_in_agent_text: Seen,
    /// How often benign commands have it, and benign calls name their peer.
    pub(crate) naming: Option<Naming>,
    /// That literal stood in content from outside before the agent wrote it.
    pub(crate) literal_in_environment: Seen,
    /// Somebody came in from outside before the event, or failed to again and again ...
    pub(crate) inbound_precursor: Seen,
    /// ... namely so.
    pub(crate) precursor: Option<Precursor>,
    /// The same peer is reached when no step runs.
    pub(crate) outside_of_steps: Seen,
    pub(crate) idle: Option<Idle>,
    /// The same peer is reached from hosts without agents.
    pub(crate) other_hosts: Seen,
    pub(crate) strangers: Option<Strangers>,
    /// The onsets follow tool calls more often than chance, with controls that hold.
    pub(crate) aligned: Seen,
    pub(crate) followed: Option<Followed>,
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
    /// The program that owns its socket or GPU descends from the tool's shell ...
    pub(crate) descends_from_tool: Seen,
    /// ... or from a service that runs programs for others ...
    pub(crate) service_parent: Seen,
    /// ... namely so, for a person.
    pub(crate) ancestry: Option<String>,
    /// The same command stands in episodes of another reward configuration or model.
    pub(crate) same_command: Seen,
    pub(crate) repeats: Option<Repeats>,
    /// What the agent said right before the call states what it is for.
    pub(crate) stated_purpose: Seen,
    /// A wallet, key, name or address of it is known from elsewhere ...
    pub(crate) known_elsewhere: Seen,
    /// ... namely so, for a person.
    pub(crate) known_as: Option<String>,
    /// The call says that it was blocked, and nothing it asked for got through.
    pub(crate) intent_only: Seen,
}

struct Row {
    id: &'static str,
    group: u8,
    seen: Seen,
    yes: String,
    no: &'static str,
    /// P(seen | hypothesis) in the order of [`RivalId::ALL`], by judgement.
    likelihood: [f64; HYPOTHESES],
    /// P(what was seen | hypothesis) where the case's counts give it.
    counted: Option<Counted>,
    /// How much of what is so the sources show: 1 unless a list or a count that is known to miss most of it has it.
    reach: f64,
    /// What evidence would show it.
    decided_by: &'static str,
}

impl Row {
    fn cells(&self) -> Option<[Cell; HYPOTHESES]> {
        let judged = match self.seen {
            Seen::Unknown => return None,
            Seen::Yes => self.likelihood,
            // What shows nothing by its absence is no row.
            Seen::No if self.reach <= 0.0 => return None,
            // P(shown | h) = reach P(it is so | h); of what is shown, the reach is the same factor everywhere.
            Seen::No => self.likelihood.map(|p| 1.0 - self.reach * p),
        };
        let mut cells = judged.map(|p| Cell { p, judged: true });
        for (cell, counted) in cells.iter_mut().zip(self.counted.iter().flat_map(|counted| counted.p)) {
            if let Some(p) = counted {
                *cell = Cell { p, judged: false };
            }
        }
        Some(cells)
    }
}

const PROCESS_TREE: &str = "the host's process tree with parents (auditd, Falco, other exec traces)";

/// Rows that speak of a step: nothing to ask for where no step is held to have done it.
const ABOUT_THE_STEP: [&str; 6] =
    ["literal-in-environment", "package-install", "replayed", "same-command", "stated-purpose", "intent-only"];

fn rows(o: &Observables) -> [Row; 17] {
    let seen = |seen: Seen| match seen {
        Seen::Unknown => None,
        Seen::Yes => Some(true),
        Seen::No => Some(false),
    };
    let row = |group, id, state, (yes, no): (&str, _), likelihood, decided_by| Row {
        id,
        group,
        seen: state,
        yes: yes.to_owned(),
        no,
        likelihood,
        counted: None,
        reach: 1.0,
        decided_by,
    };
    let from_outside = o.precursor.as_ref();
    let ancestry = |seen: Seen, plain| o.ancestry.as_deref().filter(|_| seen == Seen::Yes).unwrap_or(plain);
    // A row of failures, then a way in: a person with access of their own seldom fails in a row.
    let human = if from_outside.is_none_or(|precursor| precursor.forced) { M } else { P };
    // agent, steered, third-party, replayed, external, misconfiguration, other tenant, harness, human
    [
        Row {
            counted: o.naming.and_then(|naming| naming.counted(seen(o.literal_in_agent_text)?)),
            ..row(
                1,
                "literal-in-agent-text",
                o.literal_in_agent_text,
                ("the agent wrote the address or name before the event", "nothing the agent wrote names the peer"),
                [PP, PP, M, PP, MM, MM, MM, MM, MM],
                "the transcript of the host's agent with its tool arguments",
            )
        },
        row(
            2,
            "literal-in-environment",
            o.literal_in_environment,
            ("content from outside named it before the agent did", "no content from outside named it before"),
            [MM, PP, O, O, O, O, O, O, O],
            "the files and pages that the agent read",
        ),
        row(
            3,
            "inbound-precursor",
            o.inbound_precursor,
            (
                from_outside.map_or("a row of failed or short logins from outside came before it", |one| &one.words),
                "no login from outside and no session to SSH, Ray, Docker or Jupyter is seen before it",
            ),
            [M, M, M, M, PP, M, O, M, human],
            "the host's authentication log and the logs of Ray, Docker and Jupyter",
        ),
        Row {
            counted: o.idle.and_then(|idle| idle.counted(seen(o.outside_of_steps)?)),
            ..row(
                4,
                "outside-of-steps",
                o.outside_of_steps,
                ("it also happens when no step runs", "it happens only while or after steps run"),
                [MM, MM, M, MM, PP, PP, PP, P, P],
                "traffic of the host outside of episodes",
            )
        },
        Row {
            counted: o.strangers.and_then(|strangers| strangers.counted(seen(o.other_hosts)?)),
            ..row(
                4,
                "other-hosts",
                o.other_hosts,
                ("hosts without agents do the same", "no host without agents does the same"),
                // Who has come into one host need not have touched another.
                [MM, MM, M, MM, O, PP, P, P, P],
                "traffic of hosts without agents",
            )
        },
        Row {
            counted: o.followed.and_then(|followed| followed.counted(seen(o.aligned)?)),
            ..row(
                5,
                "aligned",
                o.aligned,
                (
                    "onsets follow tool calls far more often than chance",
                    "onsets do not follow tool calls more often than chance",
                ),
                [PP, PP, PP, PP, M, M, M, P, M],
                "more onsets, or better clocks",
            )
        },
        row(
            6,
            "periodic",
            o.periodic,
            ("it beats at a fixed period", "it has no fixed period"),
            [M, M, M, M, P, PP, O, PP, M],
            "a longer capture",
        ),
        row(
            7,
            "package-install",
            o.package_install,
            (
                "a package was installed by it or before it in the episode",
                "no package was installed by it or before it",
            ),
            [M, O, PP, O, M, O, O, O, M],
            "the package's own code and its install log",
        ),
        row(
            8,
            "replayed",
            o.replayed,
            ("the step belongs to a replayed prefix", "the step was decided in this rollout"),
            [MM, O, O, PP, O, O, O, O, O],
            "the rollout's sampling record",
        ),
        row(
            9,
            "own-address",
            o.own_address,
            (
                "it comes from an address that one known host has to itself",
                "it comes from an address that several may share",
            ),
            [PP, PP, PP, PP, PP, PP, M, P, PP],
            "which container or sandbox owns the socket",
        ),
        row(
            10,
            "refused",
            o.refused,
            ("the firewall refuses it throughout, and it goes on", "the firewall lets it through"),
            [O, O, O, O, O, PP, O, M, O],
            "the firewall's verdicts on it",
        ),
        row(
            11,
            "descends-from-tool",
            o.descends_from_tool,
            (
                ancestry(o.descends_from_tool, "the program that owns it descends from the tool's shell"),
                "the program that owns it does not descend from a tool's shell",
            ),
            [PP, PP, PP, PP, MM, MM, MM, MM, M],
            PROCESS_TREE,
        ),
        row(
            11,
            "service-parent",
            o.service_parent,
            (
                ancestry(o.service_parent, "the program that owns it descends from a service (sshd, Ray, cron, CI)"),
                "the program that owns it does not descend from a service (sshd, Ray, cron, CI)",
            ),
            [MM, MM, MM, MM, PP, P, P, PP, P],
            PROCESS_TREE,
        ),
        Row {
            counted: o.repeats.map(|repeats| repeats.counted()),
            ..row(
                12,
                "same-command",
                o.same_command,
                (
                    "the same command is given under other reward configurations or models",
                    "no other reward configuration or model gives the same command",
                ),
                [O, P, P, P, O, O, O, O, O],
                "transcripts of other reward configurations and models",
            )
        },
        // Of one independence group with what the agent wrote in the call: both are its own words about one act.
        row(
            1,
            "stated-purpose",
            o.stated_purpose,
            (
                "what the agent said right before the call states its purpose (weak: it may be told after the fact)",
                "what the agent said right before the call does not state such a purpose",
            ),
            [P, P, MM, P, MM, MM, MM, MM, MM],
            "what the agent said before the call (its reasoning, where the transcript keeps it)",
        ),
        Row {
            reach: M,
            ..row(
                13,
                "known-elsewhere",
                o.known_elsewhere,
                (
                    o.known_as.as_deref().unwrap_or("its wallet, key, name or address is known from elsewhere"),
                    "no wallet, key, name or address of it stands in the case's list of known ones",
                ),
                [M, O, P, M, PP, MM, O, MM, M],
                "lists of wallets, keys and addresses that others have met ([intel] of the case file)",
            )
        },
        // The same refusals as those of the row on the firewall's verdicts.
        Row {
            reach: 0.0,
            ..row(
                10,
                "intent-only",
                o.intent_only,
                ("the call says that it was blocked, and nothing it asked for got through", ""),
                [P, P, M, P, MM, MM, MM, MM, MM],
                "the output of the call, and verdicts on its peer",
            )
        },
    ]
}

/// The judgement of one group of signals.
pub(crate) struct Judged {
    /// All hypotheses, the likeliest first, each with log10 likelihood relative to the likeliest.
    pub(crate) rivals: Vec<Rival>,
    pub(crate) judgement: Judgement,
    /// Judged rows, in words, without any one of which the leader would not lead.
    pub(crate) carried: Vec<String>,
}

/// Holds the observables against every hypothesis. `has_step`: a step is held to have done it.
pub(crate) fn judge(observables: &Observables, has_step: bool) -> Judged {
    let rows = rows(observables);
    let text = |row: &Row| if row.seen == Seen::Yes { row.yes.clone() } else { row.no.to_owned() };
    let (observed, about): (Vec<Observed>, Vec<&Row>) =
        rows.iter().filter_map(|row| Some((Observed::new(row.group, row.cells()?), row))).unzip();
    let matrix = Matrix(observed);
    let counted = matrix.counting(0);
    let totals = matrix.totals(0);
    let best = totals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut rivals: Vec<Rival> = RivalId::ALL
        .into_iter()
        .zip(totals)
        .enumerate()
        .map(|(column, (hypothesis, total))| {
            let cell = |at: usize| {
                let cell = matrix.cell(at, column)?;
                let observable = about.get(at).map(|row| text(row))?;
                Some(RivalCell { observable, log10_p: cell.p.log10(), judged: cell.judged })
            };
            let rows: Vec<RivalCell> = counted.iter().filter_map(|at| cell(*at)).collect();
            let inconsistent = rows.iter().filter(|cell| cell.log10_p <= -1.0).count();
            Rival { hypothesis, log10_lr: total - best, rows, inconsistent }
        })
        .collect();
    rivals.sort_by(|a, b| b.log10_lr.total_cmp(&a.log10_lr).then(a.hypothesis.cmp(&b.hypothesis)));
    let (overturning, sets) = matrix.smallest_overturning();
    let judgement = Judgement {
        rows: about
            .iter()
            .enumerate()
            .map(|(at, row)| RivalRow {
                id: row.id,
                observable: text(row),
                counts: row.counted.as_ref().map_or_else(String::new, |counted| counted.words.clone()),
                spread: matrix.spread(at),
                counts_in: counted.contains(&at),
                leader_without: matrix.leader(1 << at).name(),
            })
            .collect(),
        overturned_without: overturning.iter().filter_map(|at| about.get(*at)).map(|row| row.id).collect(),
        overturning_sets: sets,
        missing: missing(&rows, &totals, has_step),
        withheld: None,
    };
    let carried = matrix.carried_by_judged().into_iter().filter_map(|at| about.get(at)).map(|row| text(row)).collect();
    Judged { rivals, judgement, carried }
}

/// The leading hypothesis; "undecided" if the next is within 0.3 bans.
pub(crate) fn leading(rivals: &[Rival]) -> &'static str {
    match rivals {
        [first, second, ..] if second.log10_lr > -matrix::MARGIN && first.hypothesis != second.hypothesis => {
            matrix::UNDECIDED
        }
        [first, ..] => first.hypothesis.name(),
        [] => matrix::UNDECIDED,
    }
}

/// What was not observed and would tell the hypotheses apart, the most telling first: by the spread of its outcomes,
/// each weighed by how probable the hypotheses make it, and these by how they fare so far. Ties in the order of rows.
fn missing(rows: &[Row], totals: &[f64; HYPOTHESES], has_step: bool) -> Vec<MissingRow> {
    let best = totals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = totals.map(|total| 10_f64.powf(total - best));
    let sum: f64 = weights.iter().sum();
    let asked = |row: &&Row| row.seen == Seen::Unknown && (has_step || !ABOUT_THE_STEP.contains(&row.id));
    let mut missing: Vec<MissingRow> = rows
        .iter()
        .filter(asked)
        .map(|row| {
            let yes: f64 = weights.iter().zip(row.likelihood).map(|(weight, p)| weight * p).sum::<f64>() / sum;
            let expected = yes * spread(row.likelihood) + (1.0 - yes) * spread(row.likelihood.map(|p| 1.0 - p));
            MissingRow { source: row.decided_by.to_owned(), expected_spread: expected }
        })
        .collect();
    missing.sort_by(|a, b| b.expected_spread.total_cmp(&a.expected_spread));
    // One source may decide several rows: what it tells most counts.
    let mut asked: BTreeSet<String> = BTreeSet::new();
    missing.retain(|row| asked.insert(row.source.clone()));
    missing
}

#[cfg(test)]
mod tests;
