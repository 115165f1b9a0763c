//! What the evidence says, in the words of the project: observations, conversations, steps, episodes, signals.

pub mod agentic;
mod behaviour;
mod conversation;
pub mod credential;
mod flow;
mod gpu;
mod mining;
mod observation;
mod probe;
mod secret;
mod signal;
mod step;
mod tunnel;
pub mod wallet;

pub use behaviour::{Behaviour, Confidence};
pub use conversation::{Connection as ConversationStart, Conversation, ConversationKey, Rules, Segment, Segments, Sum};
pub use flow::{Flow, Protocol, is_private};
pub use gpu::{ComputeMode, GpuSettings};
pub use mining::{JobTime, Mining, Work};
pub use observation::{
    Action, Alert, Certificate, Connection, Detail, Direction, Dns, Execution, GpuProcess, GpuSample, Http, Lease, Ntp,
    Observation, Ssh, SshMessage, Tls,
};
pub use probe::{Oddity, Probe};
pub use secret::{Secret, mask};
pub use signal::{Signal, SignalSource};
pub use step::{Actor, Approval, Endpoint, EndpointKind, Episode, EpisodeText, Place, Step, StepResult, TextOrigin};
pub use tunnel::{File, Mark, Tunnel, TunnelClass};
