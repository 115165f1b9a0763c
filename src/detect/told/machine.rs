//! What the machine's own clock shows, by tools that print the present.

use chrono::{LocalResult, Offset, TimeZone};
use chrono_tz::Tz;

use super::stamp::{self, Stamp, Zone};
use super::{Teller, Told};
use crate::detect::command::{CommandLine, SimpleCommand};
use crate::time::{Instant, SECOND};

/// Words of one line that may stand in front of a time that `echo` was given.
const WORDS_BEFORE: usize = 12;

pub(super) fn told(line: &CommandLine, text: &str, output: &str) -> Vec<Told> {
    let commands: Vec<&SimpleCommand> = line.commands.iter().filter(|command| runs_here(command)).collect();
    let mut told = Vec::new();
    let dates: Vec<Date> = commands.iter().filter_map(|command| Date::of(command)).collect();
    // Where several are asked for in different ways, a line tells not which of them it is by.
    if let [date, others @ ..] = dates.as_slice()
        && others.iter().all(|other| other == date)
    {
        let echoed = commands.iter().any(|command| {
            matches!(command.name(), "echo" | "printf") && command.input_from.iter().any(|from| from == "date")
        });
        let substituted = commands.iter().filter(|one| one.name() == "date").all(|one| is_substituted(one, text));
        let read = |line: &str| if substituted { date.at_end(line) } else { date.whole(line) };
        if !substituted || echoed {
            told.extend(at_most(output.lines().filter_map(read), dates.len()));
        }
    }
    let named = |name: &str| commands.iter().filter(|command| command.name() == name).count();
    let shows = |command: &&&SimpleCommand| command.args.iter().all(|arg| arg.text == "status" || arg.text == "--all");
    let statuses = commands.iter().filter(|command| command.name() == "timedatectl").filter(shows).count();
    told.extend(at_most(output.lines().filter_map(universal), statuses));
    told.extend(at_most(nvidia(output), named("nvidia-smi")));
    let prints = |command: &&&SimpleCommand| command.script.as_deref().is_some_and(prints_epoch);
    let scripts = commands.iter().filter(prints).count();
    told.extend(at_most(output.lines().filter_map(|line| epoch(line, "time.time()")), scripts));
    told
}

/// All of them, or none if there are more than that: which are of the present is not known then.
fn at_most(told: impl Iterator<Item = Told>, most: usize) -> Vec<Told> {
    let all: Vec<Told> = told.take(most + 1).collect();
    if all.len() > most { Vec::new() } else { all }
}

/// On this machine and by its clock: not behind `ssh`, in a container, or under a library that fakes the time.
fn runs_here(command: &SimpleCommand) -> bool {
    const LOCAL: [&str; 12] =
        ["sudo", "doas", "env", "nohup", "setsid", "timeout", "nice", "ionice", "time", "stdbuf", "command", "watch"];
    let local = |program: &str| LOCAL.contains(&crate::detect::command::base_name(program));
    let faked = |name: &str| name == "LD_PRELOAD" || name.starts_with("FAKETIME") || name == "DYLD_INSERT_LIBRARIES";
    command.wrappers.iter().all(|wrapper| local(&wrapper.program))
        && !command.assignments.iter().any(|(name, _)| faked(name))
        && !command.background
}

/// Whether it stands in `$( … )` or backquotes: its output is a word of another command.
fn is_substituted(command: &SimpleCommand, text: &str) -> bool {
    let before = text.get(..command.range.start).unwrap_or_default().trim_end();
    before.ends_with("$(") || before.ends_with('`')
}

/// What `date` was asked to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    /// The zone its local times are in, where the command says so.
    zone: Option<Tz>,
    /// The format prints the zone, if it has a format.
    zoned: bool,
}

impl Date {
    fn of(command: &SimpleCommand) -> Option<Date> {
        if command.name() != "date" {
            return None;
        }
        let zone = command.assignments.iter().rev().find(|(name, _)| name == "TZ").map(|(_, zone)| zone.as_str());
        let mut date = Date { zone: zone.and_then(known_zone), zoned: true };
        for arg in command.args.iter().map(|arg| arg.text.as_str()) {
            if let Some(format) = arg.strip_prefix('+') {
                date.zoned = ["%z", "%:z", "%Z", "%c", "%+"].iter().any(|part| format.contains(part));
            } else if matches!(arg, "--utc" | "--universal") {
                date.zone = Some(Tz::UTC);
            } else if arg.starts_with("--iso-8601") || arg.starts_with("--rfc-") {
            } else if let Some(letters) = arg.strip_prefix('-').filter(|rest| !rest.starts_with('-')) {
                // -I takes the rest of its word: -Is, -Iseconds.
                for letter in letters.chars().take_while(|letter| *letter != 'I') {
                    match letter {
                        'u' => date.zone = Some(Tz::UTC),
                        'R' => {}
                        _ => return None,
                    }
                }
            } else {
                // -d, -r, -f and their long forms print another time; a word without + sets the clock.
                return None;
            }
        }
        Some(date)
    }

    fn whole(&self, line: &str) -> Option<Told> {
        let line = line.trim();
        epoch(line, "date").or_else(|| self.told(&stamp::read(line)?))
    }

    fn at_end(&self, line: &str) -> Option<Told> {
        let mut rest = line.trim();
        for _ in 0..WORDS_BEFORE {
            if let Some(told) = self.whole(rest) {
                return Some(told);
            }
            rest = rest.split_once(' ')?.1.trim_start();
        }
        None
    }

    fn told(&self, stamp: &Stamp) -> Option<Told> {
        let east = match stamp.zone {
            Zone::East(east) if self.zoned => Some(east),
            // Letters and a Z that stand in the format itself say nothing; what TZ asked for does.
            _ => self.zone.and_then(|zone| match zone.offset_from_local_datetime(&stamp.local) {
                LocalResult::Single(offset) => Some(i64::from(offset.fix().local_minus_utc())),
                _ => None,
            }),
        };
        machine(stamp.east(east.unwrap_or(0))?, stamp.resolution_ns, east.is_some(), "date")
    }
}

fn known_zone(name: &str) -> Option<Tz> {
    match name {
        "UTC0" | "UTC" | "GMT" | "GMT0" => Some(Tz::UTC),
        name => name.strip_prefix(':').unwrap_or(name).parse().ok(),
    }
}

fn machine(at: Instant, resolution_ns: i64, zoned: bool, by: &'static str) -> Option<Told> {
    Some(Told { teller: Teller::Machine, at, resolution_ns, zoned, by })
}

fn epoch(line: &str, by: &'static str) -> Option<Told> {
    let (at, resolution_ns) = stamp::epoch(line.trim())?;
    machine(at, resolution_ns, true, by)
}

/// `           Universal time: Thu 2026-11-26 02:52:17 UTC`
fn universal(line: &str) -> Option<Told> {
    let stamp = stamp::read(line.trim().strip_prefix("Universal time:")?.trim())?;
    machine(stamp.east(0)?, stamp.resolution_ns, stamp.zone == Zone::East(0), "timedatectl")
}

/// `Thu Nov 26 02:52:17 2026` above the table, or `Timestamp : …` of `-q`.
fn nvidia(output: &str) -> impl Iterator<Item = Told> + '_ {
    let local = |text: &str| {
        let stamp = stamp::read(text.trim()).filter(|stamp| stamp.zone == Zone::None)?;
        machine(stamp.east(0)?, SECOND, false, "nvidia-smi")
    };
    let next = output.lines().skip(1).chain([""]);
    output.lines().zip(next).filter_map(move |(line, next)| match line.strip_prefix("Timestamp") {
        Some(rest) => local(rest.trim_start().strip_prefix(':')?),
        None if next.starts_with("+--") => local(line),
        None => None,
    })
}

/// A script of which one statement prints the seconds since 1970.
fn prints_epoch(script: &str) -> bool {
    let script: String = script.chars().filter(|c| !c.is_whitespace()).collect();
    ["print(time.time())", "print(int(time.time()))", "print(time.time_ns())"].iter().any(|call| script.contains(call))
}
