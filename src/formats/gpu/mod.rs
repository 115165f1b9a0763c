//! GPU telemetry.

mod columns;
#[cfg(test)]
mod corpus;
mod csv;
mod documents;
mod dumps;
mod form;
mod json_forms;
mod list;
mod metric;
mod missing;
mod monitor;
mod out;
mod prometheus;
mod query;
mod query_text;
mod reading;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod xml;

use super::Format;

pub use query::{QueryAccounted, QueryApps, QueryGpu};

/// All forms of telemetry.
#[rustfmt::skip]
pub(crate) static FORMS: &[&dyn Format] = &[
    &QueryGpu,
    &QueryApps,
    &QueryAccounted,
    &table::TABLE,
    &list::LIST,
    &query_text::QUERY_TEXT,
    &xml::QUERY_XML,
    &monitor::DMON,
    &monitor::PMON,
    &monitor::DCGMI,
    &prometheus::SCRAPE,
    &dumps::RANGE,
    &dumps::TELEGRAF_LINES,
    &dumps::TELEGRAF_JSON,
    &json_forms::GPUSTAT,
    &json_forms::MORPHEUS,
    &json_forms::ROCM,
    &json_forms::AMD,
];
