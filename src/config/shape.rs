//! The shape of the main file: its sections, their keys and what they are for.

use declare::{Record, Shape};

/// The shape of `rampart.yaml`.
pub fn main() -> Shape {
    Shape::Record(
        Record::new("rampart", "The main configuration of Rampart.")
            .field(
                "listen",
                Shape::SocketAddress,
                "Address and port for pages, API and ingest; 127.0.0.1:9650 by default.",
            )
            .field(
                "external_url",
                Shape::Url,
                "The address that links in messages point to; may have a path.",
            )
            .field(
                "data_dir",
                Shape::Text,
                "Where tables and state are kept; ./rampart-data by default.",
            )
            .field(
                "outbound",
                outbound(),
                "Where requests to hosts built from data may go.",
            )
            .field(
                "events",
                events(),
                "Dated things, named once and used by modes and shifts.",
            )
            .field(
                "mode",
                rules::mode_shape(),
                "When the sale thresholds hold; otherwise everyday ones do.",
            )
            .field(
                "store",
                store(),
                "Durability, retention and memory of the tables.",
            )
            .field(
                "collector",
                collector::shape(),
                "Where function logs and metrics come from.",
            )
            .field(
                "teams",
                alerting::Teams::shape(),
                "Who owns which functions and where its chat is.",
            )
            .field("functions", functions(), "Single functions.")
            .field(
                "rules",
                files_of(
                    "rules",
                    "Files with rules; without any the starter pack watches and nobody is told.",
                    Shape::some(Shape::Text),
                ),
                "Rules.",
            )
            .field(
                "alerting",
                file_of(
                    "alerting",
                    "The file with routes, receivers, escalations and people.",
                ),
                "Who is told.",
            )
            .field("auth", auth(), "Who may do what.")
            .field("state", super::state::shape(), STATE),
    )
}

const STATE: &str = "Where incidents, silences and the mode are kept; in data_dir by default.";

fn outbound() -> Shape {
    let networks = Shape::list(Shape::Text);
    Shape::Record(Record::new("outbound", "Hosts written in configuration are always allowed; hosts built from data need this list.").field(
        "allow",
        networks,
        "Networks (10.0.0.0/8) and hosts (example.com:443) that may be reached although their address was built from data.",
    ))
}

fn events() -> Shape {
    let event = Record::new("event", "A stretch of local time.")
        .required(
            "from",
            Shape::LocalTime,
            "First moment, such as 2026-11-10T20:00.",
        )
        .required("to", Shape::LocalTime, "First moment after it.")
        .field(
            "time_zone",
            Shape::TimeZone,
            "The zone both are meant in; UTC by default.",
        );
    Shape::map("event name", event)
}

fn store() -> Shape {
    let retention = Record::new("retention", "How long rows are kept, by table.")
        .field(
            "invocations",
            Shape::Duration,
            "One row per call; 7d by default.",
        )
        .field("logs", Shape::Duration, "Function logs; 3d by default.")
        .field(
            "samples",
            Shape::Duration,
            "Scraped samples; 7d by default.",
        )
        .field(
            "minutes",
            Shape::Duration,
            "Counts per minute, which baselines need; 400d by default.",
        )
        .field(
            "loadtests",
            Shape::Duration,
            "Results of load tests and the limits they led to; 400d by default.",
        );
    Shape::Record(
        Record::new("store", "The tables.")
            .field(
                "durability",
                Shape::Choice(&["sync", "interval", "none"]),
                "sync: on disk before it is acknowledged. interval: up to a second may be lost with the power. none: what the system had not written may be lost.",
            )
            .field("retention", Shape::Record(retention), "How long rows are kept.")
            .field("object_store", object_store(), "Where closed hours go besides.")
            .field("memory_bytes_max", Shape::Bytes, "Memory for rows not yet in files, queries, and writing and merging files, each with its share; beyond theirs ingest answers 429 and a query ends with an error. At least 64MiB; 2GiB by default."),
    )
}

fn functions() -> Shape {
    let layer = Shape::Choice(&["gateway", "sidecar", "function"]);
    Shape::Record(Record::new("functions", "What is true of single functions.").field(
        "counted_layer",
        Shape::map("pattern of functions", layer),
        "Whose rows are the calls when several log each call; the first pattern that matches decides, without one the outermost layer seen.",
    ))
}

fn object_store() -> Shape {
    Shape::Record(
        Record::new(
            "object_store",
            "A second home of closed hours: what is acknowledged is always on the local disk first.",
        )
        .required(
            "url",
            Shape::Text,
            "The bucket, and what the names of objects begin with: s3://bucket/rampart.",
        )
        .field(
            "endpoint",
            Shape::Url,
            "The address of an object store that is not Amazon's but speaks S3.",
        )
        .field("region", Shape::Text, "us-east-1 by default.")
        .field(
            "addressing",
            Shape::Choice(&["path", "host"]),
            "Whether the bucket stands in the path or in the host's name; path by default.",
        )
        .field(
            "access_key",
            Shape::Text,
            "Who asks; without it and its secret, AWS_* variables and the machine's role say so.",
        )
        .field(
            "secret_key",
            Shape::Text,
            "The key's secret, better taken from ${A_VARIABLE}.",
        )
        .field(
            "secret_key_file",
            Shape::Text,
            "A file that holds the key's secret.",
        )
        .field(
            "keep_local",
            Shape::Duration,
            "How long after its end an hour stays on the local disk as well; 1d by default.",
        ),
    )
}

fn auth() -> Shape {
    let token = Record::new("token", "A bearer token.")
        .required("name", Shape::Text, "The name that records and logs show.")
        .required(
            "role",
            Shape::Choice(&["ingest", "viewer", "responder", "admin"]),
            "What it may do; ingest tokens cannot read.",
        )
        .field(
            "token",
            Shape::Text,
            "The token itself, better taken from ${A_VARIABLE}.",
        )
        .field("token_file", Shape::Text, "A file that holds the token.")
        .exactly_one(&["token", "token_file"]);
    let tokens = Shape::list(token);
    Shape::Record(Record::new("auth", "Authentication.").field("tokens", tokens, "Bearer tokens. Without any only loopback is listened on and every local caller may do everything."))
}

fn files_of(name: &'static str, doc: &'static str, files: Shape) -> Shape {
    Shape::Record(Record::new(name, doc).required(
        "files",
        files,
        "Paths relative to this file; `*` and `?` may stand in the last part.",
    ))
}

fn file_of(name: &'static str, doc: &'static str) -> Shape {
    Shape::Record(Record::new(name, doc).required(
        "file",
        Shape::Text,
        "Path relative to this file.",
    ))
}
