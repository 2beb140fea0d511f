//! Bodies that are read and written without a type of their own, as the API describes them.

#![allow(dead_code)] // never made, only described

use std::collections::BTreeMap;

use model::Timestamp;
use utoipa::ToSchema;

/// One call of a function.
#[derive(ToSchema)]
pub(super) struct Invocation {
    /// When it began; the moment of receipt when left out.
    ts: Option<Timestamp>,
    /// The function's namespace; `default` when left out.
    namespace: Option<String>,
    /// The function's name.
    function: String,
    /// The deployed version.
    version: Option<String>,
    /// The cell it ran in.
    unit: Option<String>,
    /// The data centre it ran in.
    zone: Option<String>,
    /// The pod it ran in.
    instance: Option<String>,
    /// The request.
    request_id: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: Option<f64>,
    /// `ok`, `function_error`, `timeout`, `oom`, `platform_error`, `client_error` or `limited`.
    outcome: Option<String>,
    /// The status it was answered with; tells the outcome when that is left out.
    http_status: Option<u16>,
    /// Whether it waited for an instance to start.
    cold_start: Option<bool>,
    /// Which hop answered: `faas`, `java`, `cdn`.
    served_by: Option<String>,
    /// `live`, `stress`, `probe` or `bot`.
    traffic: Option<String>,
    /// Anything else.
    attrs: Option<BTreeMap<String, String>>,
}

/// What was taken of a batch.
#[derive(ToSchema)]
pub(super) struct Ingested {
    /// Rows that are on disk and visible now.
    accepted: u64,
    /// Lines that could not be read.
    rejected: u64,
    /// The first of them.
    errors: Vec<RefusedLine>,
}

/// A line that could not be read.
#[derive(ToSchema)]
pub(super) struct RefusedLine {
    /// Its number, counted from 1.
    line: usize,
    /// Why.
    reason: String,
}
