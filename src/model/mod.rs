//! What the evidence says, in the words of the project: observations, conversations, steps, episodes, signals.

mod behaviour;
mod conversation;
mod flow;
mod observation;
mod signal;
mod step;
mod tunnel;

pub use behaviour::{Behaviour, Confidence};
pub use conversation::{Connection as ConversationStart, Conversation, ConversationKey, Segment};
pub use flow::{Flow, Protocol};
pub use observation::{
    Action, Alert, Connection, Detail, Direction, Dns, GpuProcess, GpuSample, Http, Mining, Observation, Ssh,
    SshMessage, Tls,
};
pub use signal::{Signal, SignalSource};
pub use step::{Actor, Endpoint, EndpointKind, Episode, EpisodeText, Step, StepResult, TextOrigin};
pub use tunnel::{File, Mark, Tunnel, TunnelClass};
