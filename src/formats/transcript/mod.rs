//! Agent transcripts: who decided what, when, and what came back.
//!
//! Every reader walks its file once, front to back. A call and its result are reported apart, because they may stand
//! in different lines or files; they meet again by episode and call id. A stamp in a transcript is never the moment
//! when the command ran: each endpoint of a step says what its stamp means.

mod account;
mod agentsight;
mod aider;
mod atif;
mod autogen;
mod chat;
mod claude_code;
mod cline;
mod codex;
mod copilot;
mod gemini;
mod iflow;
mod inspect;
mod json;
mod kimi;
mod mcp;
mod messages;
mod mini_swe;
mod openclaw;
mod opencode;
mod openhands;
mod pickle;
mod printed;
mod protocol;
mod qwen;
mod rock;
mod roll;
mod rollouts;
mod scan;
mod shell;
mod spans;
mod stamps;
mod swe_agent;
mod tau;
mod terminal;
mod text;
mod told;
mod verifiers;

pub use agentsight::AgentSight;
pub use aider::Aider;
pub use atif::Atif;
pub use autogen::AutoGen;
pub use chat::Chat;
pub use claude_code::ClaudeCode;
pub use cline::Cline;
pub use codex::Codex;
pub use copilot::CopilotCli;
pub use gemini::GeminiCli;
pub use iflow::IFlow;
pub use inspect::Inspect;
pub use kimi::KimiCli;
pub use mcp::Mcp;
pub use mini_swe::MiniSwe;
pub use openclaw::OpenClaw;
pub use opencode::{OpenCode, OpenCodeDatabase};
pub use openhands::OpenHands;
pub use pickle::Pickle;
pub use qwen::QwenCode;
pub use rock::{Rock, RockSandbox};
pub use roll::{RollDump, RollWorker};
pub use rollouts::Rollouts;
pub(in crate::formats) use shell::quoted;
pub use spans::{LangSmith, Langfuse, MlFlow, OpenAiAgents, OtelSpans, Weave};
pub use swe_agent::{SweAgent, SweAgentLog};
pub use tau::Tau;
pub use terminal::{Asciicast, DockerEvents, Script, ShellHistory, TerminalBench};
pub use verifiers::Verifiers;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod samples;
