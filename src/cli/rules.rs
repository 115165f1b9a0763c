use std::path::PathBuf;

use clap::{Args, Subcommand};
use coincident::model::Behaviour;
use coincident::report::layout::{Align, Table, Tone};
use rsigma_parser::lint::{Severity, lint_yaml_str};
use rsigma_parser::parse_sigma_yaml;

use super::engine::{self, Rule};
use super::exit::{Exit, Outcome, Stop};
use super::output::{Voice, print};

/// The rules in force, and checks of rule files
#[derive(Args, Debug)]
pub(crate) struct Rules {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The rules in force, or those of files
    #[command(after_help = Exit::HELP)]
    List {
        /// Sigma rule files, or directories of them
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Checks Sigma rule files; exit code 1 if one has errors
    #[command(after_help = Exit::HELP)]
    Lint {
        /// Sigma rule files, or directories of them
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

impl Rules {
    pub(crate) fn run(&self, voice: Voice) -> Outcome {
        match &self.what {
            What::List { paths } if paths.is_empty() => list(&engine::rules_in_force(), voice),
            What::List { paths } => {
                let mut rules = Vec::new();
                let mut exit = Exit::Done;
                for (path, text) in files(paths)? {
                    match parse_sigma_yaml(&text) {
                        Ok(parsed) => rules.extend(parsed.rules.iter().map(row)),
                        Err(error) => {
                            voice.insist(&format!("{path}: {error}"));
                            exit = Exit::Unread;
                        }
                    }
                }
                list(&rules, voice)?;
                Ok(exit)
            }
            What::Lint { paths } => lint(&files(paths)?, voice),
        }
    }
}

fn row(rule: &rsigma_parser::SigmaRule) -> Rule {
    let parts = [&rule.logsource.product, &rule.logsource.category, &rule.logsource.service];
    Rule {
        id: rule.id.clone().unwrap_or_default(),
        title: rule.title.clone(),
        behaviour: behaviour(rule).unwrap_or_default().to_owned(),
        level: rule.level.map(|level| format!("{level:?}").to_lowercase()).unwrap_or_default(),
        source: parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("/"),
    }
}

/// The behaviour that a rule names, as the attribute `behaviour` or the tag `coincident.NAME`.
fn behaviour(rule: &rsigma_parser::SigmaRule) -> Option<&str> {
    let attribute = rule.custom_attributes.get("behaviour").and_then(|value| value.as_str());
    attribute.or_else(|| rule.tags.iter().find_map(|tag| tag.strip_prefix("coincident.")))
}

fn list(rules: &[Rule], voice: Voice) -> Outcome {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("BEHAVIOUR", Align::Left),
        ("LEVEL", Align::Left),
        ("LOOKS AT", Align::Left),
        ("TITLE", Align::Left),
    ]);
    for rule in rules {
        table.row([&rule.id, &rule.behaviour, &rule.level, &rule.source, &rule.title]);
    }
    print(table.render(voice.screen, "(no rules)").as_bytes())?;
    Ok(Exit::Done)
}

/// The YAML files at and below the paths with their text, sorted.
fn files(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Stop> {
    let (found, errors) = coincident::evidence::walk(paths);
    if let Some(error) = errors.first() {
        return Err(Stop::usage(error.to_string()));
    }
    let named = |path: &PathBuf| paths.contains(path);
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let mut files = Vec::new();
    for file in found.into_iter().filter(|file| named(&file.path) || yaml(&file.path)) {
        let shown = file.path.display().to_string();
        let text = std::fs::read_to_string(&file.path).map_err(|error| Stop::usage(format!("{shown}: {error}")))?;
        files.push((shown, text));
    }
    if files.is_empty() {
        return Err(Stop::usage("no rule files (.yml, .yaml) at these paths"));
    }
    Ok(files)
}

fn lint(files: &[(String, String)], voice: Voice) -> Outcome {
    let mut table = Table::new(&[
        ("FILE", Align::Left),
        ("SEVERITY", Align::Left),
        ("CHECK", Align::Left),
        ("WHERE", Align::Left),
        ("MESSAGE", Align::Left),
    ]);
    let mut errors = 0;
    let mut row = |file: &str, severity: &str, check: &str, place: &str, message: &str| {
        let tone = match severity {
            "error" => Tone::Alarm,
            "warning" => Tone::Warning,
            _ => Tone::Plain,
        };
        errors += usize::from(severity == "error");
        table.toned([file, severity, check, place, message].map(|cell| (cell, tone)));
    };
    for (path, text) in files {
        for warning in lint_yaml_str(text) {
            let severity = match warning.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
                Severity::Hint => "hint",
            };
            if voice.verbose || warning.severity != Severity::Hint {
                row(path, severity, &warning.rule.to_string(), &warning.path, &warning.message);
            }
        }
        match parse_sigma_yaml(text) {
            Err(error) => row(path, "error", "parse", "/", &error.to_string()),
            Ok(parsed) => {
                for error in &parsed.errors {
                    row(path, "error", "parse", "/", error);
                }
                for rule in &parsed.rules {
                    if behaviour(rule).and_then(Behaviour::from_name).is_none() {
                        let known: Vec<&str> = Behaviour::ALL.iter().map(|behaviour| behaviour.name()).collect();
                        let message = format!("{:?} names no behaviour; one of {}", rule.title, known.join(", "));
                        row(path, "error", "behaviour", "/", &message);
                    }
                }
            }
        }
    }
    print(table.render(voice.screen, "(nothing to say)").as_bytes())?;
    voice.say(&format!("{} files, {errors} errors", files.len()));
    Ok(if errors > 0 { Exit::Findings } else { Exit::Done })
}
