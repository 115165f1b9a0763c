use clap::{Args, ValueEnum};
use coincident::report::dictionary;

use super::exit::{Exit, Outcome};
use super::output::Voice;

/// Every column and key of the results, with its type, its unit and what it means
#[derive(Args, Debug)]
pub(crate) struct Schema {
    /// What is printed on standard output
    #[arg(long, value_name = "FORMAT", default_value = "markdown")]
    format: SchemaFormat,
}

/// How the dictionary is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemaFormat {
    /// A page with every table, the timeline and the JSON lines
    Markdown,
    /// The JSON lines of analyze as JSON Schema (draft 2020-12)
    JsonSchema,
}

impl Schema {
    pub(crate) fn run(&self, voice: Voice) -> Outcome {
        let text = match self.format {
            SchemaFormat::Markdown => dictionary::markdown()?,
            SchemaFormat::JsonSchema => dictionary::json_schema(),
        };
        voice.print(text.as_bytes())?;
        Ok(Exit::Done)
    }
}
