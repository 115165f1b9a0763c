//! Formats that many write, read by their common names where no vendor's reader claims the record.

pub(crate) mod cef;
pub(crate) mod ecs;
pub(crate) mod kv;
pub(crate) mod leef;
pub(crate) mod ocsf;
