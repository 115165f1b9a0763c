use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use coincident::detect::rules::RuleSet;
use coincident::model::Behaviour;
use coincident::report::rules::{self, Complaint};
use rsigma_parser::lint::{Severity, lint_yaml_str};
use rsigma_parser::{SigmaRule, parse_sigma_yaml};

use super::Format;
use super::engine::InForce;
use super::exit::{Exit, Outcome, Stop};
use super::output::Voice;

/// The rules in force, and checks of rule files
#[derive(Args, Debug)]
pub(crate) struct Rules {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The rules in force: those of --rules, else those that come with the program
    List {
        /// What is printed on standard output
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: Format,
    },
    /// Checks rules; exit code 1 if one has errors. What is set aside is sound and has nothing to look at here
    Lint {
        /// Directories of rules and lists, or Sigma rule files; by default the rules in force
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

impl Rules {
    pub(crate) fn run(&self, voice: Voice, rules: &InForce) -> Outcome {
        match &self.what {
            What::List { format } => {
                match format {
                    Format::Table => voice.print(rules::table(&rules.set, voice.screen).as_bytes())?,
                    Format::Csv => voice.print(&rules::csv(&rules.set))?,
                    Format::Jsonl => voice.print(rules::jsonl(&rules.set).as_bytes())?,
                }
                voice.say(&counts(&rules.set));
                Ok(Exit::Done)
            }
            What::Lint { paths } => {
                let mut complaints = Vec::new();
                if paths.is_empty() {
                    voice.say(&counts(&rules.set));
                    let aside = rules::set_aside(&rules.set);
                    if !aside.is_empty() {
                        voice.say(&format!("set aside: {aside}"));
                    }
                    complaints = rules::complaints(&rules.set);
                }
                for path in paths {
                    complaints.extend(if path.is_dir() { directory(path, voice)? } else { file(path)? });
                }
                complaints.retain(|one| voice.verbose || one.severity != "hint");
                voice.print(rules::lint_table(&complaints, voice.screen).as_bytes())?;
                let errors = complaints.iter().filter(|one| one.severity == "error").count();
                voice.say(&format!("{errors} errors"));
                Ok(if errors > 0 { Exit::Findings } else { Exit::Done })
            }
        }
    }
}

fn counts(set: &RuleSet) -> String {
    format!("{} rules, {} indicators, version {}", set.rules.len(), set.indicators.len(), set.version)
}

fn directory(path: &Path, voice: Voice) -> Result<Vec<Complaint>, Stop> {
    let rules = InForce::load(path)?;
    voice.say(&format!("{}: {}", path.display(), counts(&rules.set)));
    let aside = rules::set_aside(&rules.set);
    if !aside.is_empty() {
        voice.say(&format!("{}: set aside: {aside}", path.display()));
    }
    let beneath = |one: Complaint| Complaint { path: path.join(&one.path).display().to_string(), ..one };
    Ok(rules::complaints(&rules.set).into_iter().map(beneath).collect())
}

/// The checks of the Sigma parser, and of the block that is ours.
fn file(path: &Path) -> Result<Vec<Complaint>, Stop> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Stop::usage(format!("{shown}: {error}")))?;
    let complaint = |severity, place: String, message| Complaint { path: shown.clone(), severity, place, message };
    let mut all: Vec<Complaint> = lint_yaml_str(&text)
        .into_iter()
        // The block of this project is an extension that the specification provides for.
        .filter(|warning| warning.path != "/coincident")
        .map(|warning| {
            let severity = match warning.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
                Severity::Hint => "hint",
            };
            complaint(severity, format!("{} {}", warning.rule, warning.path), warning.message)
        })
        .collect();
    let alone = RuleSet::of_file(&shown, text.clone().into_bytes());
    all.extend(rules::complaints(&alone).into_iter().filter(|one| one.severity == "set aside"));
    let counts_over_time = all.iter().any(|one| one.message.contains("counts over time"));
    match parse_sigma_yaml(&text) {
        Err(error) => all.push(complaint("error", "parse".to_owned(), error.to_string())),
        Ok(parsed) => {
            let errors = parsed.errors.iter().filter(|_| !counts_over_time);
            all.extend(errors.map(|error| complaint("error", "parse".to_owned(), error.clone())));
            for rule in &parsed.rules {
                if let Some(name) = behaviour(rule).filter(|name| Behaviour::from_name(name).is_none()) {
                    let known: Vec<&str> = Behaviour::ALL.iter().map(|behaviour| behaviour.name()).collect();
                    let message = format!("{name:?} is no behaviour; one of {}", known.join(", "));
                    all.push(complaint("error", format!("{} coincident.behaviour", rule.title), message));
                }
            }
        }
    }
    Ok(all)
}

fn behaviour(rule: &SigmaRule) -> Option<&str> {
    rule.custom_attributes.get("coincident")?.get("behaviour")?.as_str()
}
