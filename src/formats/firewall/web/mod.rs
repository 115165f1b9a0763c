//! Gateways that one rents: web proxies, resolvers and firewalls in the cloud, as they export what they saw.

pub(crate) mod cato;
pub(crate) mod cloudflare;
pub(crate) mod netskope;
pub(crate) mod squid;
pub(crate) mod umbrella;
pub(crate) mod zscaler;

use std::borrow::Cow;

use serde_json_borrow::Value;

use super::fields::{Field, Fields, Names};
use super::notation::json;

/// Takes the fields of an object by the last part of their paths: exports put the record into an envelope ("event",
/// "result") or not. Times of 0 are none.
fn take<'v>(object: &'v Value<'_>, names: &Names, fields: &mut Fields<'v>) {
    json::leaves(object, &mut |path, value| {
        let own = path.rsplit(|byte| *byte == b'.').next().unwrap_or(path);
        let Some(field) = names.get(path).or_else(|| names.get(own)) else { return };
        if matches!(field, Field::Start | Field::End | Field::Time) && &*value == b"0" {
            return;
        }
        fields.set(field, value);
    });
}

/// A value by its name, in an envelope of that name or not.
fn within<'v>(object: &'v Value<'_>, envelope: &str, name: &str) -> Option<Cow<'v, [u8]>> {
    json::text(object, name).or_else(|| json::text(json::dotted(object, envelope)?, name))
}
