//! Events of Falco (<https://falco.org/docs/reference/rules/supported-fields/>), JSON output.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::formats::firewall::dialect::{Dialect, Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Field, Fields, Names};
use crate::formats::firewall::notation::json::string;
use crate::formats::firewall::record::Record;
use crate::formats::firewall::verdict::behaviour;
use crate::model::{Alert, Detail};

/// The format.
pub(crate) struct Falco;

/// The client of a connection before its local and remote ends, which do not say who opened.
const OUTPUT: &[(&str, Field)] = &[
    ("time", Time),
    ("hostname", Device),
    ("output_fields.fd.cip", SrcIp),
    ("output_fields.fd.cport", SrcPort),
    ("output_fields.fd.sip", DstIp),
    ("output_fields.fd.sport", DstPort),
    ("output_fields.fd.l4proto", Protocol),
    ("output_fields.fd.sip.name", Domain),
    ("output_fields.proc.name", Process),
    ("output_fields.proc.pid", Pid),
    ("output_fields.user.name", User),
    ("output_fields.k8s.ns.name", InZone),
    ("rule", Rule),
];

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[OUTPUT]));

impl Dialect for Falco {
    fn id(&self) -> &'static str {
        "falco"
    }

    fn title(&self) -> &'static str {
        "Falco events (JSON output), those of network connections with their ends"
    }

    fn signature(&self) -> &'static str {
        "Falco events (rule, priority, output_fields)"
    }

    fn claims(&self, record: &Record<'_>) -> bool {
        record.names("output_fields") && record.names("rule") && record.names("priority")
    }

    fn read<'r>(&self, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
        let Some(object) = record.json else { return Err("no object".into()) };
        let mut fields = Fields::default();
        fields.take_leaves(&NAMES, object);
        // "10.0.0.5:50012->203.0.113.9:3333", client first.
        if fields.is_empty()
            && let Some(name) = string(object, "output_fields.fd.name")
            && let Some((client, server)) = name.split_once("->")
        {
            fields.set(Src, Cow::Owned(client.as_bytes().to_vec()));
            fields.set(Dst, Cow::Owned(server.as_bytes().to_vec()));
        }
        // Templates that were not filled are no values.
        fields.impossible = None;
        let (host, user) = (fields.device.clone(), fields.connection.user.clone());
        let flow = (!fields.is_empty()).then_some(fields.flow);
        let moment = fields.time;
        if flow.is_some() {
            out.connection(fields, record)?;
        }
        let rule = string(object, "rule").unwrap_or_default();
        let output = string(object, "output").unwrap_or_default();
        let command = string(object, "output_fields.proc.cmdline").unwrap_or_default();
        let behaviour = behaviour(&rule).or_else(|| behaviour(&command));
        let message = if output.is_empty() { rule } else { format!("{rule}: {output}") };
        let alert = Alert { category: "falco".into(), message: message.into(), user, action: None, behaviour };
        let span = out.span(moment.or(record.peeled.stamp));
        out.observe(span, host, flow, Detail::Alert(alert));
        Ok(())
    }
}
