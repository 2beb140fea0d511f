//! One pushed line as the API describes it; lines are read field by field, so no type says this.

#![allow(dead_code)] // never made, only described

use std::collections::BTreeMap;

use model::Timestamp;
use utoipa::ToSchema;

/// One call of a function. `function` is required, and `outcome` or `http_status`; null is the same as
/// left out, and any other key is kept as an attribute.
#[derive(ToSchema)]
pub(super) struct Invocation {
    /// When it began, also as a number since 1970.
    ts: Option<Timestamp>,
    /// When it was complete; `ts` follows from the duration. The moment of arrival when neither is there.
    completed_at: Option<Timestamp>,
    /// The function's namespace. When left out, a `function` written as `namespace/name` is taken apart
    /// at its first `/`; else it is `default`.
    namespace: Option<String>,
    /// The function's name.
    function: String,
    /// The deployed version.
    version: Option<String>,
    /// The alias it was called by.
    alias: Option<String>,
    /// The request.
    request_id: Option<String>,
    /// Which attempt of the request, from 0.
    attempt: Option<u16>,
    /// The trace.
    trace_id: Option<String>,
    /// The pod it ran in.
    instance: Option<String>,
    /// The cloud region it ran in.
    region: Option<String>,
    /// The data centre it ran in.
    zone: Option<String>,
    /// The cell it ran in, which can be switched away from.
    unit: Option<String>,
    /// What caused it: `http`, `timer`, ….
    trigger: Option<String>,
    /// How long it took, in µs; 0 when no duration is said.
    duration_us: Option<f64>,
    /// The same, in milliseconds.
    duration_ms: Option<f64>,
    /// The same, in seconds.
    duration_s: Option<f64>,
    /// The same with its unit, such as `12ms`, `1.5s` or `1m30s`.
    duration: Option<String>,
    /// How long the instance took to start, in µs.
    init_us: Option<f64>,
    /// The same, in milliseconds.
    init_ms: Option<f64>,
    /// How long the call waited, in µs.
    queue_us: Option<f64>,
    /// The same, in milliseconds.
    queue_ms: Option<f64>,
    /// Whether it waited for an instance to start.
    cold_start: Option<bool>,
    /// The memory it may use, in bytes.
    memory_limit: Option<u64>,
    /// The memory it used at most, in bytes.
    memory_max: Option<u64>,
    /// `ok`, `function_error`, `timeout`, `oom`, `platform_error`, `client_error` or `limited`; a source
    /// may declare words of its own.
    outcome: Option<String>,
    /// The same as `http_status`.
    status: Option<u16>,
    /// The status it was answered with, 0 when no answer was begun; tells the outcome when that is left
    /// out.
    http_status: Option<u16>,
    /// The error's kind, in the platform's words.
    error_type: Option<String>,
    /// Which hop answered: `faas`, `java`, `cdn`.
    served_by: Option<String>,
    /// `live` when left out, `stress`, `probe` or `bot`.
    traffic: Option<String>,
    /// Who wrote the line.
    layer: Option<String>,
    /// How many calls the line stands for, 1 to 1 000 000; 1 when left out.
    weight: Option<u32>,
    /// The request's path, for sources that take the function from it.
    path: Option<String>,
    /// Attributes, at most 32 a call.
    attrs: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::PartialSchema;

    use super::*;
    use crate::formats::Field;

    #[test]
    fn every_field_that_is_read_is_described_and_no_other() {
        let described = serde_json::to_value(Invocation::schema()).unwrap();
        let described: BTreeSet<&str> = described["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let read: BTreeSet<&str> = Field::NAMES.into_iter().chain(["attrs"]).collect();
        assert_eq!(described, read);
    }
}
