use std::net::IpAddr;
use std::sync::Arc;

use crate::evidence::Record;
use crate::time::Span;

/// One rollout of an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    /// Unique over the case: the path of the file (or of the directory, where one holds an episode's events),
    /// with `#instance` behind it where a file holds several episodes.
    pub id: String,
    /// Name a responder would use: session id, instance id or file stem. Made unique over the case later.
    pub name: String,
    pub run: Option<String>,
    pub model: Option<String>,
    /// The program that ran the agent, with its version.
    pub agent: Option<String>,
    pub cwd: Option<String>,
    pub host: Option<String>,
    /// The task that it was given: an instance, a data set's row, a benchmark's name for it.
    pub task: Option<String>,
    /// Sandbox, container or pod in which its commands ran, where one holds for all of it.
    pub sandbox: Option<String>,
    /// Address of that sandbox on its network.
    pub sandbox_ip: Option<IpAddr>,
    /// What the trainer or the benchmark gave for it.
    pub reward: Option<f64>,
    pub reward_config: Option<String>,
    /// First and last dated record of the episode on its own clock.
    pub span: Option<Span>,
}

impl Episode {
    /// The path of the file or directory that holds it.
    pub fn path(&self) -> &str {
        self.id.split_once('#').map_or(self.id.as_str(), |(path, _)| path)
    }
}

/// Who made a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// The model under study.
    #[default]
    Policy,
    /// The program around it.
    Harness,
    /// A prefix that was replayed, not decided in this rollout.
    Replayed,
    /// A sub-agent with a context of its own.
    SubAgent,
    /// A person.
    Human,
}

/// Whether somebody was asked before a call ran, as far as the transcript says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Approval {
    /// Asked for; the answer is not recorded.
    Asked,
    /// A person, or a rule that a person made, let it run.
    Given,
    /// It was refused.
    Refused,
    /// The agent was run so that nobody is asked.
    Waived,
}

impl Approval {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Approval::Asked => "asked",
            Approval::Given => "given",
            Approval::Refused => "refused",
            Approval::Waived => "waived",
        }
    }
}

/// Where a call ran, as far as its own record says; what holds for the whole episode stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub host: Option<String>,
    pub container: Option<String>,
    pub sandbox: Option<String>,
    /// Process, in the namespace of the sandbox.
    pub pid: Option<u32>,
    /// Process group of the command, in the namespace of the sandbox.
    pub pgid: Option<u32>,
}

impl Place {
    /// Takes from `other` what is not known here.
    pub fn fill_from(&mut self, other: Place) {
        self.host = self.host.take().or(other.host);
        self.container = self.container.take().or(other.container);
        self.sandbox = self.sandbox.take().or(other.sandbox);
        self.pid = self.pid.or(other.pid);
        self.pgid = self.pgid.or(other.pgid);
    }
}

/// What an endpoint of a step says about the moment it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointKind {
    CallRecorded,
    ToolStarted,
    ToolEnded,
    ResultRecorded,
    /// Written when a whole turn was flushed: an upper bound on everything in it.
    TurnFlushed,
    FileSaved,
}

impl EndpointKind {
    /// The name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            EndpointKind::CallRecorded => "call-recorded",
            EndpointKind::ToolStarted => "tool-started",
            EndpointKind::ToolEnded => "tool-ended",
            EndpointKind::ResultRecorded => "result-recorded",
            EndpointKind::TurnFlushed => "turn-flushed",
            EndpointKind::FileSaved => "file-saved",
        }
    }
}

/// A moment of a step with what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub span: Span,
    pub kind: EndpointKind,
}

/// One tool call of an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// [`Episode::id`] of its episode, of which all its steps may hold one.
    pub episode: Arc<str>,
    /// Place in the episode: (event or line, block within it). Steps are numbered by it once all are read.
    pub order: (u64, u32),
    /// Counts the tool calls of the episode from 0. Readers leave it 0; it is set when the episode is complete.
    pub index: u32,
    /// The producer's id of the call, which its result names.
    pub call_id: Option<String>,
    pub actor: Actor,
    /// Where the call stands.
    pub record: Record,
    /// Where its result stands, if there is one.
    pub result_record: Option<Record>,
    /// Where other files tell of the same call. Readers leave it empty; it is filled when rollouts are joined.
    pub also: Vec<Record>,
    /// Not before this moment. `None` if the format has no times.
    pub start: Option<Endpoint>,
    /// Not after this moment (unless the command left something running).
    pub end: Option<Endpoint>,
    /// How long the call took where the producer says so, in nanoseconds.
    pub duration_ns: Option<i64>,
    pub tool: String,
    /// The arguments as the agent wrote them (JSON text or raw text).
    pub arguments: String,
    /// The shell command inside, if the tool runs one.
    pub command: Option<String>,
    /// What came back, cut to [`Step::OUTPUT_KEPT`] bytes.
    pub output: Option<String>,
    pub output_omitted_bytes: u64,
    /// Exit code where it is really known.
    pub exit_code: Option<i32>,
    /// The tool was told to leave the command running.
    pub background: bool,
    /// The call was refused, rejected or failed to parse: it never ran.
    pub not_executed: bool,
    /// The model that decided it, where it is not that of the episode.
    pub model: Option<String>,
    pub place: Place,
    pub approval: Option<Approval>,
    /// What the step itself was given.
    pub reward: Option<f64>,
}

/// The result of a tool call, which may stand in another record or file than the call.
#[derive(Clone, Debug, PartialEq)]
pub struct StepResult {
    /// [`Episode::id`] of its episode.
    pub episode: String,
    /// [`Step::call_id`] of the call it answers.
    pub call_id: String,
    pub record: Record,
    pub end: Option<Endpoint>,
    pub duration_ns: Option<i64>,
    pub output: Option<String>,
    pub output_omitted_bytes: u64,
    pub exit_code: Option<i32>,
    pub not_executed: bool,
    pub place: Place,
    pub approval: Option<Approval>,
    pub reward: Option<f64>,
}

impl Step {
    /// Bound on the output kept per step, in bytes.
    pub const OUTPUT_KEPT: usize = 256 * 1024;

    /// A call of the policy of which nothing is known but its tool.
    pub fn new(episode: &str, order: (u64, u32), record: Record, tool: &str) -> Self {
        Step {
            episode: Arc::from(episode),
            order,
            index: 0,
            call_id: None,
            actor: Actor::Policy,
            record,
            result_record: None,
            also: Vec::new(),
            start: None,
            end: None,
            duration_ns: None,
            tool: tool.to_owned(),
            arguments: String::new(),
            command: None,
            output: None,
            output_omitted_bytes: 0,
            exit_code: None,
            background: false,
            not_executed: false,
            model: None,
            place: Place::default(),
            approval: None,
            reward: None,
        }
    }
}

impl StepResult {
    /// A result of which nothing is known but the call that it answers.
    pub fn new(episode: &str, call_id: &str, record: Record) -> Self {
        StepResult {
            episode: episode.to_owned(),
            call_id: call_id.to_owned(),
            record,
            end: None,
            duration_ns: None,
            output: None,
            output_omitted_bytes: 0,
            exit_code: None,
            not_executed: false,
            place: Place::default(),
            approval: None,
            reward: None,
        }
    }
}

/// Where a text that is not a tool call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextOrigin {
    /// Prompt, task or a person's message.
    Prompt,
    /// Prose or reasoning of the agent.
    Agent,
    /// What the environment put into the context other than a tool result.
    Environment,
}

/// A text of an episode that is not a tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeText {
    pub episode: String,
    pub origin: TextOrigin,
    pub record: Record,
    pub span: Option<Span>,
    /// Place in the episode, comparable with [`Step::order`].
    pub order: (u64, u32),
    /// Cut to [`Step::OUTPUT_KEPT`] bytes.
    pub text: String,
}
