//! Agent transcripts: who decided what, when, and what came back.
//!
//! Every reader walks its file once, front to back. A call and its result are reported apart, because they may stand
//! in different lines or files; they meet again by episode and call id. A stamp in a transcript is never the moment
//! when the command ran: each endpoint of a step says what its stamp means.

mod account;
mod chat;
mod claude_code;
mod codex;
mod json;
mod messages;
mod openhands;
mod printed;
mod scan;
mod shell;
mod stamps;
mod swe_agent;

pub use chat::Chat;
pub use claude_code::ClaudeCode;
pub use codex::Codex;
pub use openhands::OpenHands;
pub(in crate::formats) use shell::quoted;
pub use swe_agent::SweAgent;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod samples;
