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

/// A moment of a step with what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub span: Span,
    pub kind: EndpointKind,
}

/// One tool call of an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// [`Episode::id`] of its episode.
    pub episode: String,
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
}

impl Step {
    /// Bound on the output kept per step, in bytes.
    pub const OUTPUT_KEPT: usize = 256 * 1024;
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
