//! The fields of an invocation record by the names they have in formats and mappings.

/// Fields that hold text; the index of each in a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    Namespace,
    Function,
    Version,
    Alias,
    RequestId,
    TraceId,
    Instance,
    Region,
    Zone,
    Unit,
    Trigger,
    ErrorType,
    ServedBy,
    Layer,
    /// The path of a request, from which a pattern may take the function.
    Path,
}

impl TextField {
    pub(crate) const COUNT: usize = TextField::Path as usize + 1;
}

/// Which duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Duration,
    Init,
    Queue,
}

/// One field of a line. Several names may mean the same field in different units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field {
    /// When the call began.
    Ts,
    /// When the call was complete; `ts` follows from it.
    CompletedAt,
    Text(TextField),
    /// A bare number of units, with µs per unit.
    Number(Span, f64),
    /// Text with a unit.
    Spelled(Span),
    Attempt,
    ColdStart,
    MemoryLimit,
    MemoryMax,
    Outcome,
    HttpStatus,
    Traffic,
    /// Any value but empty and `0` marks a load test's call.
    StressMark,
    Weight,
}

impl Field {
    /// Names a mapping may use, in the order of the documentation.
    pub(crate) const NAMES: [&'static str; 34] = [
        "ts",
        "completed_at",
        "namespace",
        "function",
        "version",
        "alias",
        "request_id",
        "attempt",
        "trace_id",
        "instance",
        "region",
        "zone",
        "unit",
        "trigger",
        "duration_us",
        "duration_ms",
        "duration_s",
        "duration",
        "init_us",
        "init_ms",
        "queue_us",
        "queue_ms",
        "cold_start",
        "memory_limit",
        "memory_max",
        "outcome",
        "status",
        "http_status",
        "error_type",
        "served_by",
        "traffic",
        "layer",
        "weight",
        "path",
    ];

    /// The field with this name.
    #[inline]
    pub(crate) fn from_name(name: &str) -> Option<Field> {
        use TextField as T;
        Some(match name {
            "ts" => Field::Ts,
            "completed_at" => Field::CompletedAt,
            "namespace" => Field::Text(T::Namespace),
            "function" => Field::Text(T::Function),
            "version" => Field::Text(T::Version),
            "alias" => Field::Text(T::Alias),
            "request_id" => Field::Text(T::RequestId),
            "attempt" => Field::Attempt,
            "trace_id" => Field::Text(T::TraceId),
            "instance" => Field::Text(T::Instance),
            "region" => Field::Text(T::Region),
            "zone" => Field::Text(T::Zone),
            "unit" => Field::Text(T::Unit),
            "trigger" => Field::Text(T::Trigger),
            "duration_us" => Field::Number(Span::Duration, 1.0),
            "duration_ms" => Field::Number(Span::Duration, 1e3),
            "duration_s" => Field::Number(Span::Duration, 1e6),
            "duration" => Field::Spelled(Span::Duration),
            "init_us" => Field::Number(Span::Init, 1.0),
            "init_ms" => Field::Number(Span::Init, 1e3),
            "queue_us" => Field::Number(Span::Queue, 1.0),
            "queue_ms" => Field::Number(Span::Queue, 1e3),
            "cold_start" => Field::ColdStart,
            "memory_limit" => Field::MemoryLimit,
            "memory_max" => Field::MemoryMax,
            "outcome" => Field::Outcome,
            "status" | "http_status" => Field::HttpStatus,
            "error_type" => Field::Text(T::ErrorType),
            "served_by" => Field::Text(T::ServedBy),
            "traffic" => Field::Traffic,
            "layer" => Field::Text(T::Layer),
            "weight" => Field::Weight,
            "path" => Field::Text(T::Path),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_name_is_a_field() {
        for name in Field::NAMES {
            assert!(Field::from_name(name).is_some(), "{name}");
        }
        assert_eq!(Field::from_name("sucess"), None);
    }
}
