use super::command::CommandLine;
use crate::model::{Behaviour, Confidence};
pub struct RuleSet;
impl RuleSet {
    pub fn embedded() -> Self {
        RuleSet
    }
}
pub struct CommandContext<'a> {
    pub line: &'a CommandLine,
    pub text: &'a str,
}
impl<'a> CommandContext<'a> {
    pub fn new(line: &'a CommandLine, text: &'a str) -> Self {
        CommandContext { line, text }
    }
}
pub struct RuleHit {
    pub rule: String,
    pub title: String,
    pub behaviour: Behaviour,
    pub kind: String,
    pub confidence: Confidence,
}
impl RuleSet {
    pub fn command(&self, _c: &CommandContext<'_>) -> Vec<RuleHit> {
        Vec::new()
    }
    pub fn dns(&self, _n: &str) -> Vec<RuleHit> {
        Vec::new()
    }
}
