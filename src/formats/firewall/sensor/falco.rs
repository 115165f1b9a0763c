//! Alerts of Falco (<https://falco.org/docs/concepts/outputs/formatting/>), fields by
//! <https://falco.org/docs/reference/rules/supported-fields/>.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::bytes::{split_once, text};
use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names, text_of};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::notation::pairs::{SPACIOUS, pairs};
use crate::formats::firewall::record::Record;
use crate::formats::firewall::syslog::Stamp;
use crate::formats::firewall::verdict::behaviour;
use crate::model::{self, Alert, Detail, Execution};

/// The format.
pub(crate) struct Falco;

/// Fields of system calls, in the names of rules and in those that texts of the default rules give them.
const FALCO: &[(&str, Field)] = &[
    ("fd.cip", SrcIp),
    ("fd.cport", SrcPort),
    ("fd.sip", DstIp),
    ("fd.sport", DstPort),
    ("fd.l4proto", Protocol),
    ("fd.sip.name", Domain),
    ("server_ip", DstIp),
    ("server_port", DstPort),
    ("client_ip", SrcIp),
    ("client_port", SrcPort),
    ("lport", SrcPort),
    ("c2_domain", Domain),
    ("evt.type", State),
    ("evt_type", State),
    ("proc.exepath", Process),
    ("proc_exepath", Process),
    ("proc.name", Process),
    ("process", Process),
    ("proc.pid", Pid),
    ("pid", Pid),
    ("user.name", User),
    ("user", User),
    ("k8s.ns.name", InZone),
    ("k8s_ns", InZone),
    ("container.id", InZone),
    ("container_id", InZone),
];

/// Between which ends, as `client->server`.
const TUPLES: [&str; 2] = ["fd.name", "connection"];
const COMMANDS: [&str; 2] = ["proc.cmdline", "command"];
const PARENTS: [&str; 2] = ["proc.pname", "parent"];

const PRIORITIES: [&[u8]; 8] =
    [b"Emergency", b"Alert", b"Critical", b"Error", b"Warning", b"Notice", b"Informational", b"Debug"];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[FALCO]));

impl Dialect for Falco {
    fn id(&self) -> &'static str {
        "falco"
    }

    fn title(&self) -> &'static str {
        "Falco alerts (JSON output, text of standard output, files and syslog)"
    }

    fn signature(&self) -> &'static str {
        "Falco alerts (rule, priority, output_fields)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        if record.json.is_some() {
            return record.names("output_fields") && record.names("rule") && record.names("priority");
        }
        message(record).is_some()
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let mut seen = Seen::default();
        let mut dated = false;
        if let Some(object) = record.json {
            let Some(inner) = json::dotted(object, "output_fields") else { return Err("no fields".into()) };
            json::leaves(inner, &mut |name, value| seen.take(name, value));
            for (name, field) in [("rule", Rule), ("output", Message), ("time", Time), ("hostname", Device)] {
                if let Some(value) = record.text(name) {
                    seen.fields.set(field, value);
                }
            }
        } else {
            let Some((stamp, rest)) = message(record) else { return Err("no alert".into()) };
            seen.fields.time = stamp;
            dated = stamp.is_some();
            let (rule, inside) = match split_once(rest, b"(") {
                Some((rule, inside)) => (rule, inside),
                // Older rules write their fields without brackets.
                None => (rest, rest),
            };
            let inside = inside.trim_ascii_end();
            pairs(inside.strip_suffix(b")").unwrap_or(inside), SPACIOUS)
                .for_each(|(name, value)| seen.take(name, value));
            seen.fields.put(Rule, rule);
            seen.fields.put(Message, rest);
        }
        if dated {
            // What looks like the headers of syslog is the alert's own time and its first words.
            return seen.tell(&Record::new(record.line), out);
        }
        seen.tell(record, out)
    }
}

/// The time, if it has a date, and the text of an alert: `14:34:46.123456789: Notice text (name=value ...)`.
fn message<'r>(record: &Record<'r>) -> Option<(Option<Stamp>, &'r [u8])> {
    let of = |text: &'r [u8]| {
        let (time, rest) = split_once(text, b": ")?;
        let clock = time.len() >= 8 && time.first()?.is_ascii_digit() && time.contains(&b':');
        let after = PRIORITIES.iter().find_map(|priority| rest.strip_prefix(*priority)?.strip_prefix(b" "))?;
        clock.then(|| (Stamp::read(time), after))
    };
    let relayed = matches!(record.peeled.program, None | Some(b"falco"));
    of(record.line).or_else(|| of(record.peeled.message).filter(|_| relayed))
}

/// What an alert says.
#[derive(Default)]
struct Seen<'r> {
    fields: Fields<'r>,
    command: Option<Cow<'r, str>>,
    directory: Option<Cow<'r, str>>,
    parent: Option<u32>,
    parent_process: Option<Cow<'r, str>>,
}

impl<'r> Seen<'r> {
    fn take(&mut self, name: &[u8], value: Cow<'r, [u8]>) {
        // What does not apply to an event is written so.
        if *value == *b"<NA>" || value.is_empty() {
            return;
        }
        let is = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        if is(&TUPLES) {
            if let Some((client, server)) = split_once(&value, b"->") {
                self.fields.set(Src, Cow::Owned(client.to_vec()));
                self.fields.set(Dst, Cow::Owned(server.to_vec()));
            }
        } else if is(&COMMANDS) {
            self.command.get_or_insert_with(|| text_of(value));
        } else if name == b"proc.cwd" {
            self.directory.get_or_insert_with(|| text_of(value));
        } else if name == b"proc.ppid" {
            self.parent = self.parent.or_else(|| text(&value).parse().ok());
        } else if is(&PARENTS) {
            self.parent_process.get_or_insert_with(|| text_of(value));
        } else if let Some(field) = NAMES.get(name) {
            self.fields.set(field, value);
        }
    }

    /// The connection or the program that ran, and the alert.
    fn tell(mut self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let call = self.fields.connection.state.take();
        let call = call.as_deref();
        self.fields.connection.direction = match call {
            Some("connect" | "sendto" | "sendmsg") => Some(model::Direction::Outbound),
            Some("accept" | "accept4") => Some(model::Direction::Inbound),
            _ => None,
        };
        out.complete(&mut self.fields, record);
        let span = out.times(&mut self.fields);
        let host = self.fields.device.take();
        let rule = self.fields.connection.rule.clone().unwrap_or_default();
        let user = self.fields.connection.user.clone();
        let behaviour = behaviour(&rule);
        let message = match self.fields.message.take() {
            Some(output) if !output.starts_with(&*rule) => Cow::Owned(format!("{rule}: {output}")),
            Some(output) => output,
            None => rule,
        };
        let flow = (!self.fields.is_empty()).then_some(self.fields.flow);
        if let Some(command) = self.command.filter(|_| matches!(call, Some("execve" | "execveat"))) {
            let connection = &self.fields.connection;
            let execution = Execution {
                command,
                process: connection.process.clone(),
                pid: connection.pid,
                parent_pid: self.parent,
                parent_process: self.parent_process,
                user: user.clone(),
                directory: self.directory,
            };
            out.observe(span, host.clone(), None, Detail::Execution(execution));
        } else if flow.is_some() {
            self.fields.connection.parent_pid = self.parent;
            out.observe(span, host.clone(), flow, Detail::Connection(self.fields.connection()));
        }
        let alert = Alert { category: "falco".into(), message, user, action: None, behaviour, ..Alert::default() };
        out.observe(span, host, flow, Detail::Alert(alert));
        Ok(())
    }
}
