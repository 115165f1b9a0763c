use std::path::PathBuf;

use clap::Args;
use coincident::simulate::{self, Clocks, Family, FirewallForm, Launch, Missing, Recipe, TranscriptForm, Wording};
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::exit::{Exit, Outcome, Stop};
use super::output::Voice;

/// Worlds with known truth, in the real formats: evidence/ to analyse, truth.json to hold the outcome against
#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// A new or empty directory; each world becomes a directory in it
    #[arg(long, short, value_name = "DIR", required = true)]
    output: PathBuf,
    /// How many worlds
    #[arg(long, value_name = "N", default_value_t = 1)]
    worlds: u32,
    /// The same seed makes the same worlds, byte for byte
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Who is behind it: quiet, agent, steered, third-party, intruder, misconfiguration, tenant, tenant-in-step, harness,
    /// operator, scan, control-plane
    #[arg(long, value_name = "FAMILY", default_value = "agent", value_parser = named::<Family>)]
    family: Family,
    /// How a guilty agent names its peer: mixed, literal, opaque
    #[arg(long, value_name = "WORDING", default_value = "mixed", value_parser = named::<Wording>)]
    wording: Wording,
    /// How it starts what goes on: mixed, foreground, background, delayed
    #[arg(long, value_name = "LAUNCH", default_value = "mixed", value_parser = named::<Launch>)]
    launch: Launch,
    /// What transcripts are written as: claude-code, codex, swe-agent (which has no times)
    #[arg(long, value_name = "FORM", default_value = "claude-code", value_parser = named::<TranscriptForm>)]
    transcripts: TranscriptForm,
    /// What the firewall writes: netfilter, aws-vpc-flow
    #[arg(long, value_name = "FORM", default_value = "netfilter", value_parser = named::<FirewallForm>)]
    firewall: FirewallForm,
    /// Sandboxes that work at the same time
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    sandboxes: u32,
    /// All sandboxes behind one address
    #[arg(long)]
    shared_address: bool,
    /// Addresses and ports are translated on both sides of the firewall: its log is from inside, the capture from outside
    #[arg(long)]
    translated: bool,
    /// Calls open several connections: redirects, mirrors behind one name
    #[arg(long)]
    several_connections: bool,
    /// Leave out of the evidence: capture, firewall, gpu, case-file, guilty-transcript, guilty-steps; may be given several times
    #[arg(long, value_name = "SOURCE", value_parser = ["capture", "firewall", "gpu", "case-file", "guilty-transcript", "guilty-steps"])]
    without: Vec<String>,
    /// Of the steps in transcripts, and of the results, so many in a hundred are missing
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    missing_steps: u32,
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    missing_results: u32,
    /// Seconds that the firewall's clock is ahead of the capture's
    #[arg(long, value_name = "S", default_value_t = 0.0, allow_negative_numbers = true)]
    firewall_offset: f64,
    /// Hours by which the firewall's local time differs from UTC
    #[arg(long, value_name = "H", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-12..=14))]
    firewall_zone: i32,
    /// Seconds that the transcripts' clock is ahead, and its drift in parts per million
    #[arg(long, value_name = "S", default_value_t = 0.0, allow_negative_numbers = true)]
    transcripts_offset: f64,
    #[arg(long, value_name = "PPM", default_value_t = 0.0, allow_negative_numbers = true)]
    transcripts_drift: f64,
    /// Connections a second and sandbox that no step opens
    #[arg(long, value_name = "RATE", default_value_t = 0.02)]
    noise: f64,
    /// How many times the family does what it does
    #[arg(long, value_name = "N", default_value_t = 8)]
    acts: u32,
    /// Seconds of evidence
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(300..=86_400))]
    seconds: u32,
}

/// Parses a name as in `truth.json`; the error lists what there is.
pub(crate) fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(deserializer).map_err(|error| error.to_string())
}

impl Simulate {
    pub(crate) fn run(&self, voice: Voice) -> Outcome {
        let shown = self.output.display().to_string();
        std::fs::create_dir_all(&self.output).map_err(|error| Stop::write(&shown, &error))?;
        let mut entries = std::fs::read_dir(&self.output).map_err(|error| Stop::write(&shown, &error))?;
        if entries.next().is_some() {
            return Err(Stop::usage(format!(
                "{shown}: not empty, and nothing is overwritten; give -o a new directory"
            )));
        }
        let recipe = self.recipe();
        for number in 0..self.worlds {
            let world = simulate::world(&recipe, self.seed, u64::from(number));
            voice.progress(&format!("writing {}", world.name));
            let directory = self.output.join(&world.name);
            world.write(&directory).map_err(|error| Stop::write(&directory.display().to_string(), &error))?;
        }
        voice.say(&format!("{} worlds in {shown}; `coincident evaluate {shown}` measures over them", self.worlds));
        Ok(Exit::Done)
    }

    fn recipe(&self) -> Recipe {
        let without = |source: &str| self.without.iter().any(|given| given == source);
        Recipe {
            family: self.family,
            wording: self.wording,
            launch: self.launch,
            transcripts: self.transcripts,
            firewall: self.firewall,
            sandboxes: self.sandboxes,
            shared_address: self.shared_address,
            translated: self.translated,
            several_connections: self.several_connections,
            clocks: Clocks {
                firewall_s: self.firewall_offset,
                firewall_zone_h: self.firewall_zone,
                transcripts_s: self.transcripts_offset,
                transcripts_ppm: self.transcripts_drift,
            },
            missing: Missing {
                capture: without("capture"),
                firewall: without("firewall"),
                gpu: without("gpu"),
                case_file: without("case-file"),
                guilty_transcript: without("guilty-transcript"),
                guilty_steps: without("guilty-steps"),
                steps_percent: self.missing_steps,
                results_percent: self.missing_results,
            },
            noise_per_s: self.noise,
            acts: self.acts,
            seconds: self.seconds,
        }
    }
}
