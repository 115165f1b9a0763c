//! Recordings of terminals and what shells remember: witnesses of what was entered, whoever entered it.
//!
//! A terminal does not know who types. A line whose keys came one after the other was typed by a person; a line that came
//! in one piece was sent by a program (or pasted), and is taken for the agent's unless the harness is known to send it.

mod cast;
mod docker;
mod history;
mod screen;
mod script;
mod timing;
mod trial;

pub use cast::Asciicast;
pub use docker::DockerEvents;
pub use history::ShellHistory;
pub use script::Script;
pub use trial::TerminalBench;
