//! Logons (4624, 4625) and shares that were opened (5140, 5145) from another machine (Microsoft Learn, "Audit Logon", "Audit
//! File Share").

use std::borrow::Cow;

use serde_json_borrow::Value;

use super::NAMES;
use crate::formats::firewall::dialect::{Out, Outcome};
use crate::formats::firewall::fields::Field::*;
use crate::formats::firewall::fields::{Fields, text_of};
use crate::formats::firewall::notation::json;
use crate::formats::firewall::record::Record;
use crate::model::{Alert, Detail};

pub(super) fn read<'r>(id: u64, object: &'r Value<'r>, record: &'r Record<'r>, out: &mut Out<'_>) -> Outcome {
    let of_share = matches!(id, 5140 | 5145);
    let mut fields = Fields::default();
    let mut kind = None;
    let mut share = None;
    let mut target = None;
    json::leaves(object, &mut |path, value| {
        let own = path.rsplit(|byte| *byte == b'.').next().unwrap_or(path);
        let is = |name: &[u8]| own.eq_ignore_ascii_case(name);
        if is(b"IpAddress") {
            fields.set(SrcIp, value);
        } else if is(b"IpPort") {
            // Without a port of its own it is 0.
            fields.set(SrcPort, if *value == *b"0" { Cow::Borrowed(b"") } else { value });
        } else if is(if of_share { b"SubjectUserName" } else { b"TargetUserName" }) {
            fields.set(User, value);
        } else if is(b"LogonType") {
            kind = kind.take().or(Some(value));
        } else if is(b"ShareName") {
            share = share.take().or(Some(value));
        } else if is(b"RelativeTargetName") {
            target = target.take().or(Some(value));
        } else if let Some(field) = NAMES.get(own).filter(|field| matches!(field, Time | Device)) {
            fields.set(field, value);
        }
    });
    if fields.is_empty() {
        return Err("a logon or a share without the address of another machine".into());
    }
    let message = match (of_share, share, target, kind) {
        (true, Some(share), Some(target), _) => format!("{} {}", text_of(share), text_of(target)).into(),
        (true, Some(share), None, _) => text_of(share),
        (false, _, _, Some(kind)) => format!("event {id}, logon type {}", text_of(kind)).into(),
        _ => format!("event {id}").into(),
    };
    out.complete(&mut fields, record);
    let span = out.times(&mut fields);
    let alert = Alert {
        category: match id {
            4624 => "login".into(),
            4625 => "login-failed".into(),
            _ => "share".into(),
        },
        message,
        user: fields.connection.user.take(),
        action: None,
        behaviour: None,
        ..Alert::default()
    };
    out.observe(span, fields.device.take(), Some(fields.flow), Detail::Alert(alert));
    Ok(())
}
