//! Our own structures as events of the rule engine: field by field, without a detour through JSON.

use std::borrow::Cow;

use rsigma_eval::event::{Event, EventValue};
use serde_json::Value;

use super::{CommandContext, ConnectionContext, DnsContext};
use crate::detect::command::{SimpleCommand, base_name};
use crate::model::Action;

/// Fields of `process_creation`.
pub(super) const COMMAND_FIELDS: &[&str] = &[
    "CommandLine",
    "Image",
    "ParentCommandLine",
    "Forward",
    "Redirect",
    "RedirectMode",
    "Environment",
    "InputFrom",
    "Script",
    "Launcher",
    "Decoded",
    "Runs",
];
/// Fields of `network_connection`.
pub(super) const CONNECTION_FIELDS: &[&str] =
    &["DestinationIp", "DestinationPort", "DestinationHostname", "Initiated", "Protocol", "SourceIp", "SourcePort"];
/// Fields of `firewall`.
pub(super) const FIREWALL_FIELDS: &[&str] = &["action", "src_ip", "src_port", "dst_ip", "dst_port", "protocol"];
/// Fields of `dns`.
pub(super) const DNS_FIELDS: &[&str] = &["query", "QueryName", "record_type"];

fn text(value: &str) -> EventValue<'_> {
    EventValue::Str(Cow::Borrowed(value))
}

fn texts<'a>(values: impl Iterator<Item = Cow<'a, str>>) -> Option<EventValue<'a>> {
    let all: Vec<EventValue<'a>> = values.map(EventValue::Str).collect();
    (!all.is_empty()).then_some(EventValue::Array(all))
}

/// A command, or one of the programs wrapped around it.
pub(super) struct CommandEvent<'a> {
    whole: &'a str,
    command: &'a SimpleCommand,
    /// The wrapper that this event stands for.
    wrapped: bool,
    image: String,
    line: String,
    forwards: Vec<&'static str>,
    runs: i64,
    pub(super) index: usize,
}

/// The events of a line: for each command the programs wrapped around it, then itself.
pub(super) fn commands<'a>(context: &CommandContext<'a>) -> Vec<CommandEvent<'a>> {
    let mut runs: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
    for command in &context.line.commands {
        *runs.entry(command.name()).or_default() += 1;
    }
    let image = |program: &str| if program.contains('/') { program.to_owned() } else { format!("/{program}") };
    let mut out = Vec::new();
    for (index, command) in context.line.commands.iter().enumerate() {
        for wrapper in &command.wrappers {
            out.push(CommandEvent {
                whole: context.text,
                command,
                wrapped: true,
                image: image(&wrapper.program),
                line: format!("{} {}", wrapper.program, wrapper.args.join(" ")),
                forwards: Vec::new(),
                runs: 1,
                index,
            });
        }
        let forwards = command.ssh().map(|call| call.forwards.iter().map(|forward| forward.kind.name()).collect());
        out.push(CommandEvent {
            whole: context.text,
            command,
            wrapped: false,
            image: if command.program.is_empty() { String::new() } else { image(&command.program) },
            line: command.line(),
            forwards: forwards.unwrap_or_default(),
            runs: runs.get(command.name()).copied().unwrap_or(1),
            index,
        });
    }
    out
}

impl Event for CommandEvent<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        match path {
            "CommandLine" => return (!self.line.is_empty()).then(|| text(&self.line)),
            "Image" => return (!self.image.is_empty()).then(|| text(&self.image)),
            "ParentCommandLine" => return Some(text(self.whole)),
            _ if self.wrapped => return None,
            _ => {}
        }
        let command = self.command;
        let written = |redirect: &&crate::detect::command::Redirect| {
            redirect.operator != "<" && !redirect.operator.ends_with("&1")
        };
        match path {
            "Forward" => texts(self.forwards.iter().map(|name| Cow::Borrowed(*name))),
            "Redirect" => texts(
                command.redirects.iter().filter(written).map(|redirect| Cow::Borrowed(redirect.target.text.as_str())),
            ),
            "RedirectMode" => {
                texts(command.redirects.iter().filter(written).map(|redirect| {
                    Cow::Borrowed(if redirect.operator.ends_with(">>") { "append" } else { "truncate" })
                }))
            }
            "Environment" => {
                texts(command.assignments.iter().map(|(name, value)| Cow::Owned(format!("{name}={value}"))))
            }
            "InputFrom" => {
                texts(command.input_from.iter().map(|program| Cow::Owned(format!("/{}", base_name(program)))))
            }
            "Script" => command.script.as_deref().map(text),
            "Launcher" => texts(command.launchers.iter().map(|launcher| Cow::Borrowed(launcher.name()))),
            "Decoded" => Some(text(if command.decoded { "true" } else { "false" })),
            "Runs" => Some(EventValue::Int(self.runs)),
            _ => None,
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        pred(&self.line)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        vec![Cow::Borrowed(self.line.as_str())]
    }

    fn to_json(&self) -> Value {
        json(self, COMMAND_FIELDS)
    }
}

/// A connection, in the fields of `network_connection` or of `firewall`.
pub(super) struct ConnectionEvent<'a> {
    pub(super) context: &'a ConnectionContext<'a>,
    pub(super) firewall: bool,
}

impl Event for ConnectionEvent<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let context = self.context;
        let owned = |value: String| EventValue::Str(Cow::Owned(value));
        let port = |port: Option<u16>| port.map(|port| EventValue::Int(i64::from(port)));
        match (path, self.firewall) {
            ("DestinationIp", false) | ("dst_ip", true) => context.dst.map(|address| owned(address.to_string())),
            ("SourceIp", false) | ("src_ip", true) => context.src.map(|address| owned(address.to_string())),
            ("DestinationPort", false) | ("dst_port", true) => port(context.dst_port),
            ("SourcePort", false) | ("src_port", true) => port(context.src_port),
            ("Protocol", false) | ("protocol", true) => context.protocol.map(|protocol| owned(protocol.to_string())),
            ("DestinationHostname", false) => context.hostname.map(text),
            ("Initiated", false) => context.initiated.map(|initiated| text(if initiated { "true" } else { "false" })),
            ("action", true) => context.action.map(|action| text(action_name(action))),
            _ => None,
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.all_string_values().iter().any(|value| pred(value))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let fields = if self.firewall { FIREWALL_FIELDS } else { CONNECTION_FIELDS };
        let values = fields.iter().filter_map(|field| self.get_field(field));
        values.filter_map(|value| value.as_str().map(|value| Cow::Owned(value.into_owned()))).collect()
    }

    fn to_json(&self) -> Value {
        json(self, if self.firewall { FIREWALL_FIELDS } else { CONNECTION_FIELDS })
    }
}

fn action_name(action: Action) -> &'static str {
    action.name()
}

/// A looked-up name.
pub(super) struct DnsEvent<'a> {
    pub(super) context: &'a DnsContext<'a>,
}

impl Event for DnsEvent<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        match path {
            "query" | "QueryName" => Some(text(self.context.query)),
            "record_type" => self.context.record_type.map(text),
            _ => None,
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        pred(self.context.query)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        vec![Cow::Borrowed(self.context.query)]
    }

    fn to_json(&self) -> Value {
        json(self, DNS_FIELDS)
    }
}

fn json(event: &impl Event, fields: &[&str]) -> Value {
    let known = fields.iter().filter_map(|field| Some(((*field).to_owned(), event.get_field(field)?.to_json())));
    Value::Object(known.collect())
}
