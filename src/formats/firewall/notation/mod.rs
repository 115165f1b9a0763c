//! The ways in which logs write fields: `name=value`, CEF, LEEF, delimited columns, JSON.

pub(crate) mod cef;
pub(crate) mod delimited;
pub(crate) mod json;
pub(crate) mod leef;
pub(crate) mod pairs;
