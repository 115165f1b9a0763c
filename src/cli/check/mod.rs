//! `check`: incidents against what is expected of them.

mod bless;
mod compare;
mod expect;
mod found;

use std::path::{Path, PathBuf};

use clap::Args;
use coincident::report::junit;
use coincident::report::layout::{Align, Table, Tone};

use self::compare::Difference;
use self::expect::Expect;
use super::engine::{self, InForce};
use super::evidence::ReadingArgs;
use super::exit::{Exit, Outcome, Stop};
use super::interrupt;
use super::output::{self, Voice};

/// Incidents against their expect.toml: a directory with expect.toml and evidence/, or any directory above such ones
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Directories of incidents
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Write the outcome as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write what was found into each expect.toml, and say what changed. Bounds, [never] and clocks stay as they are
    #[arg(long)]
    bless: bool,
}

/// What became of one incident.
#[derive(Default)]
struct Checked {
    name: String,
    differences: Vec<Difference>,
    /// What was changed in its expect.toml.
    changes: Vec<String>,
    /// It could not be checked, and why.
    error: Option<String>,
}

impl Check {
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        let mut incidents = Vec::new();
        for directory in &self.directories {
            output::find_marked(directory, Expect::NAME, "incidents", &mut incidents)?;
        }
        incidents.sort();
        incidents.dedup();
        if incidents.is_empty() {
            return Err(Stop::usage("no expect.toml at or below these directories"));
        }
        // Opened before the work, so that a bad path fails early.
        let junit = match &self.junit {
            Some(path) => {
                let shown = path.display().to_string();
                Some((std::fs::File::create(path).map_err(|error| Stop::write(&shown, &error))?, shown))
            }
            None => None,
        };
        let checked: Vec<Checked> = incidents
            .iter()
            .map(|incident| {
                voice.progress(&format!("checking {}", incident.display()));
                self.incident(incident, voice, rules)
            })
            .collect();
        if let Some((mut file, shown)) = junit {
            let cases: Vec<junit::Case> = checked.iter().map(Checked::case).collect();
            let xml = junit::render("coincident check", &cases);
            let xml = voice.masked(xml.as_bytes());
            std::io::Write::write_all(&mut file, &xml).map_err(|error| Stop::write(&shown, &error))?;
        }
        voice.print(table(&checked, voice).as_bytes())?;
        let passed = checked.iter().filter(|checked| checked.passed()).count();
        let changes: usize = checked.iter().map(|checked| checked.changes.len()).sum();
        if self.bless {
            voice.say(&format!("{changes} changes of expect.toml; look at them before they are kept"));
        }
        voice.say(&format!("{passed} of {} incidents as expected", checked.len()));
        Ok(if passed == checked.len() { Exit::Done } else { Exit::Findings })
    }

    fn incident(&self, incident: &Path, voice: Voice, rules: &InForce) -> Checked {
        let mut checked = Checked { name: incident.display().to_string(), ..Checked::default() };
        if interrupt::is_asked_for() {
            checked.error = Some("not checked: interrupted before".to_owned());
            return checked;
        }
        match self.compared(incident, voice, rules) {
            Ok((differences, changes)) => (checked.differences, checked.changes) = (differences, changes),
            Err(Stop::Message(_, message)) => checked.error = Some(message),
            Err(Stop::ClosedPipe) => checked.error = Some("interrupted".to_owned()),
        }
        checked
    }

    fn compared(&self, incident: &Path, voice: Voice, rules: &InForce) -> Result<(Vec<Difference>, Vec<String>), Stop> {
        let path = incident.join(Expect::NAME);
        let expect = Expect::load(&path).map_err(Stop::usage)?;
        let evidence = incident.join("evidence");
        if !evidence.is_dir() {
            return Err(Stop::usage(format!("{}: no such directory; it holds the evidence", evidence.display())));
        }
        let beside = incident.join("case.toml");
        let reading = ReadingArgs { case: beside.is_file().then_some(beside), ..ReadingArgs::default() };
        let evidence = reading.resolve(&[evidence], Voice { quiet: true, ..voice })?;
        let (analysis, reading) =
            engine::analyze(evidence.take_in(Voice { quiet: true, ..voice })?, &evidence.options, rules, voice);
        // What was not read might have said otherwise.
        if !self.bless || !reading.problems(&analysis).is_empty() {
            return Ok((compare::compare(&expect, &analysis, &reading), Vec::new()));
        }
        let text =
            std::fs::read_to_string(&path).map_err(|error| Stop::usage(format!("{}: {error}", path.display())))?;
        let (text, changes) = bless::blessed(&path, &text, &analysis).map_err(Stop::usage)?;
        if !changes.is_empty() {
            output::replace(&path, text.as_bytes())?;
        }
        let expect = Expect::load(&path).map_err(Stop::usage)?;
        Ok((compare::compare(&expect, &analysis, &reading), changes))
    }
}

impl Checked {
    fn passed(&self) -> bool {
        self.error.is_none() && self.differences.iter().all(|difference| difference.warning)
    }

    fn case(&self) -> junit::Case {
        let (warnings, failures): (Vec<&Difference>, Vec<&Difference>) =
            self.differences.iter().partition(|difference| difference.warning);
        let words = |differences: Vec<&Difference>| differences.iter().map(ToString::to_string).collect();
        junit::Case {
            name: self.name.clone(),
            failures: words(failures),
            warnings: words(warnings),
            error: self.error.clone(),
        }
    }
}

fn table(all: &[Checked], voice: Voice) -> String {
    let mut table = Table::new(&[
        ("INCIDENT", Align::Left),
        ("RESULT", Align::Left),
        ("EXPECTED", Align::Left),
        ("FOUND", Align::Left),
    ])
    .wrapping(&[2]);
    for checked in all {
        let name = checked.name.as_str();
        if let Some(error) = &checked.error {
            table.toned([(name, Tone::Plain), ("error", Tone::Alarm), ("", Tone::Plain), (error, Tone::Plain)]);
        }
        for change in &checked.changes {
            let (what, words) = change.split_once(": ").unwrap_or(("changed", change));
            table.toned([(name, Tone::Plain), (what, Tone::Warning), (words, Tone::Plain), ("", Tone::Plain)]);
        }
        for difference in &checked.differences {
            let (result, tone) = match difference.warning {
                true => (format!("warning, {}", difference.wrong.name()), Tone::Warning),
                false => (difference.wrong.name().to_owned(), Tone::Alarm),
            };
            let side = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
            table.toned([
                (name.to_owned(), Tone::Plain),
                (result, tone),
                (side(&difference.expected), Tone::Plain),
                (side(&difference.found), Tone::Plain),
            ]);
        }
        if checked.passed() {
            table.row([name, "as expected", "", ""]);
        }
    }
    table.render(voice.screen, "(no incidents)")
}
