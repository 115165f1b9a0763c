//! What a shell and `man` want to know of the program. Both need nothing but its arguments.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::{Exit, Outcome, Stop};
use super::output::{OutputDir, Voice};

/// Completions of verbs, options and their values, as a script for a shell
#[derive(Args, Debug)]
pub(crate) struct Completions {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The manual: one page on standard output, or a page per verb into a directory
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// A new or empty directory for the pages
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Write into a directory that is not empty, replacing pages of these names
    #[arg(long, requires = "directory")]
    force: bool,
}

impl Completions {
    pub(crate) fn run(&self, voice: Voice) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "coincident", &mut script);
        voice.print(&script)?;
        Ok(Exit::Done)
    }
}

impl Man {
    pub(crate) fn run(&self, voice: Voice) -> Outcome {
        let mut command = super::command().disable_help_subcommand(true);
        command.build();
        let Some(directory) = &self.directory else {
            voice.print(&page(command)?)?;
            return Ok(Exit::Done);
        };
        let mut pages = Vec::new();
        collect(&command, &mut pages)?;
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        OutputDir::open(directory, &names, self.force, &[])?.write(&pages)?;
        voice.say(&format!("{} pages in {}", pages.len(), directory.display()));
        Ok(Exit::Done)
    }
}

/// The pages of a command and of all below it, under the names that `man` looks for: `coincident-rules-list.1`.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Stop> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((format!("{name}.1"), page(command.clone())?));
    command.get_subcommands().try_for_each(|verb| collect(verb, pages))
}

fn page(command: Command) -> Result<Vec<u8>, Stop> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|error| Stop::write("the manual page", &error))?;
    Ok(page)
}
