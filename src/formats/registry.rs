//! Every format, in one list. Adding one costs a line here.

use std::sync::LazyLock;

use super::{Format, Match, capture, firewall, gpu, transcript};
use crate::evidence::Head;

/// The formats of logs: one for each dialect of [`firewall::DIALECTS`].
static LOGS: LazyLock<Vec<firewall::Log>> =
    LazyLock::new(|| firewall::DIALECTS.iter().map(|dialect| firewall::Log(*dialect)).collect());

/// All formats, in the order of documentation: those of logs, and these.
pub static FORMATS: LazyLock<Vec<&'static dyn Format>> = LazyLock::new(|| {
    let logs = LOGS.iter().map(|log| log as &dyn Format);
    logs.chain(OTHERS.iter().copied()).chain(gpu::FORMS.iter().copied()).collect()
});

#[rustfmt::skip]
static OTHERS: &[&dyn Format] = &[
    &firewall::parquet::Parquet,
    &capture::pcap::Pcap,
    &capture::pcapng::PcapNg,
    &transcript::ClaudeCode,
    &transcript::Codex,
    &transcript::OpenHands,
    &transcript::SweAgent,
    &transcript::SweAgentLog,
    &transcript::Chat,
    &transcript::GeminiCli,
    &transcript::QwenCode,
    &transcript::OpenCode,
    &transcript::OpenCodeDatabase,
    &transcript::KimiCli,
    &transcript::CopilotCli,
    &transcript::Cline,
    &transcript::OpenClaw,
    &transcript::Mcp,
    &transcript::AgentSight,
    &transcript::Rock,
    &transcript::RockSandbox,
    &transcript::IFlow,
    &transcript::RollDump,
    &transcript::RollWorker,
    &transcript::Rollouts,
    &transcript::Verifiers,
    &transcript::Tau,
    &transcript::AutoGen,
    &transcript::Pickle,
    &transcript::MiniSwe,
    &transcript::Atif,
    &transcript::Inspect,
    &transcript::Asciicast,
    &transcript::TerminalBench,
    &transcript::Script,
    &transcript::ShellHistory,
    &transcript::Aider,
    &transcript::DockerEvents,
    &transcript::OtelSpans,
    &transcript::MlFlow,
    &transcript::OpenAiAgents,
    &transcript::LangSmith,
    &transcript::Langfuse,
    &transcript::Weave,
];

/// What one format said of a file.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub format: &'static str,
    pub matched: Match,
}

/// Asks every format; the best first, formats without a match left out. Ties keep the order of [`FORMATS`], and the
/// runner-up is shown to the user.
pub fn probe(head: &Head) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = FORMATS
        .iter()
        .map(|format| Candidate { format: format.id(), matched: format.probe(head) })
        .filter(|candidate| candidate.matched != Match::No)
        .collect();
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.matched.rank()));
    candidates
}

/// The format of that id.
pub fn by_id(id: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.id() == id)
}
