//! The shape of the section `collector:`.

use declare::{Record, Shape};
use model::Outcome;

/// Formats this version reads.
pub(super) const FORMATS: [&str; 2] = ["nginx-json", "rampart-json"];
/// Every named format; those not in [`FORMATS`] are known, but not read by this version.
const NAMED_FORMATS: &[&str] = &[
    "nginx-json",
    "rampart-json",
    "envoy-json",
    "alibaba-fc",
    "aws-lambda",
    "openwhisk",
    "midway",
    "sentinel-metrics",
    "otlp",
];
/// The words of an outcome.
const OUTCOMES: [&str; 7] = [
    Outcome::Ok.as_str(),
    Outcome::FunctionError.as_str(),
    Outcome::Timeout.as_str(),
    Outcome::Oom.as_str(),
    Outcome::PlatformError.as_str(),
    Outcome::ClientError.as_str(),
    Outcome::Limited.as_str(),
];

/// What the section `collector:` may hold.
pub fn shape() -> Shape {
    Record::new("collector", "Where calls and metrics come from.")
        .field(
            "otlp_grpc",
            Shape::Any,
            "A separate listener for OpenTelemetry over gRPC; only `off` in this version.",
        )
        .field(
            "sources",
            Shape::list(source()),
            "Sources, each with one way in and what its lines mean.",
        )
        .into()
}

fn source() -> Record {
    Record::new("source", "One source of calls or metrics.")
        .required(
            "name",
            Shape::Text,
            "Its name in rows, metrics and the API: letters, digits, `-` and `_`.",
        )
        .field(
            "file",
            file().into(),
            "Lines appended to files on this machine.",
        )
        .field(
            "scrape",
            scrape().into(),
            "Prometheus metrics fetched from targets.",
        )
        .field(
            "http",
            http().into(),
            "Lines pushed to `POST /api/v1/invocations`.",
        )
        .field("kafka", Shape::Any, "Not available in this version.")
        .field("otlp", Shape::Any, "Not available in this version.")
        .field(
            "format",
            Shape::Either(vec![Shape::Choice(NAMED_FORMATS), mapped().into()]),
            "How lines are written; pushed lines are `rampart-json` unless said otherwise.",
        )
        .field(
            "function",
            function().into(),
            "How the function of a line is found.",
        )
        .field(
            "outcome",
            Shape::map("status or word of the source", Shape::Choice(&OUTCOMES)),
            "What the source's own words and statuses stand for.",
        )
        .field(
            "labels",
            Shape::map("label", Shape::Text),
            "What holds for every line that does not say otherwise: unit, zone, region, version, …",
        )
        .exactly_one(&["file", "scrape", "http", "kafka", "otlp"])
}

fn file() -> Record {
    Record::new("file source", "Lines appended to files on this machine.")
        .required(
            "path",
            Shape::Text,
            "The file; `*` and `?` in its last part take several. Compressed files are left out.",
        )
        .field(
            "flush_delay",
            Shape::Duration,
            "How long the writer may hold a line back before it is in the file (1s).",
        )
        .field(
            "start",
            Shape::Choice(&["beginning", "end"]),
            "Where a file is begun that was never read before (beginning).",
        )
}

fn scrape() -> Record {
    Record::new("scrape source", "Prometheus metrics fetched from targets.")
        .required(
            "targets",
            Shape::List {
                item: Box::new(Shape::Text),
                min: 1,
                max: super::TARGETS_MAX,
            },
            "`host:port`, or a whole URL.",
        )
        .field("every", Shape::Duration, "How often (15s).")
        .field(
            "timeout",
            Shape::Duration,
            "How long one scrape may take (10s, or `every` if that is shorter).",
        )
        .field("path", Shape::Text, "The path of targets without one (/metrics).")
        .field(
            "honor_labels",
            Shape::Bool,
            "Whether a scraped label wins over one of this source; else it is renamed to exported_….",
        )
        .field(
            "body_bytes_max",
            Shape::Bytes,
            "The largest answer taken (16MiB).",
        )
        .field(
            "samples_max",
            Shape::Integer {
                min: 1,
                max: 1_000_000,
            },
            "The most samples taken from one target (100000).",
        )
}

fn http() -> Record {
    Record::new("http source", "Lines pushed to `POST /api/v1/invocations`.").field(
        "expect_every",
        Shape::Duration,
        "A batch comes at least this often; how silence is told from a late pipeline.",
    )
}

fn mapped() -> Record {
    Record::new(
        "mapped format",
        "Any JSON line, with a path for every field.",
    )
    .required(
        "map",
        Shape::map("field of an invocation", Shape::Text),
        "Field to path: names with dots between them, `\\.` for a dot inside a name.",
    )
}

fn function() -> Record {
    Record::new("function source", "How the function of a line is found.")
        .field(
            "from",
            Shape::Choice(&["path", "function"]),
            "The field that `pattern` looks at.",
        )
        .field(
            "pattern",
            Shape::Regex,
            "A regular expression with the group `function`, and `namespace` unless that is fixed.",
        )
        .field(
            "only",
            Shape::list(Shape::Glob),
            "Take these functions and skip the rest.",
        )
        .field(
            "namespace",
            Shape::Text,
            "The namespace of lines that name none.",
        )
}
