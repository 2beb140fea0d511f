//! What a plan file may hold.

use declare::{Record, Shape};

use super::caps::{
    ALLOW_ENTRIES_MAX, CHECKS_MAX, CONNECTIONS_MAX, CURVE_SCALE_MAX, IN_FLIGHT_REQUESTS_MAX,
    PODS_MAX, REDIRECTS_MAX, REQUESTS_MAX, SEARCHES_MAX, STAGES_MAX, THREADS_MAX, WEIGHT_MAX,
};
use super::objective::PERCENTILES;

/// The shape of a plan file, for checking and for `rampart schema loadtest`.
pub fn shape() -> Shape {
    let plan = Record::new(
        "load plan",
        "what to send, where and how much, and what must hold",
    )
    .required(
        "target",
        Shape::Either(vec![target().into(), Shape::Url]),
        "where load goes; a URL alone, or with how it is reached",
    )
    .field(
        "allow",
        up_to(ALLOW_ENTRIES_MAX, Shape::Text),
        "networks, addresses and hosts that may be sent to; nothing if left out",
    )
    .required(
        "requests",
        Shape::List {
            item: Box::new(request().into()),
            min: 1,
            max: REQUESTS_MAX,
        },
        "what is sent, chosen by weight",
    )
    .field(
        "load",
        load().into(),
        "how much and when; may be left out with `capacity`",
    )
    .field(
        "objective",
        objective().into(),
        "what must hold for a load to count as carried",
    )
    .field(
        "capacity",
        capacity().into(),
        "how the capacity of a pod is searched",
    );
    surroundings(plan).into()
}

/// What a plan says beside the load itself.
fn surroundings(plan: Record) -> Record {
    plan.field(
        "function",
        Shape::FunctionId,
        "the function that is tested; results are kept under it",
    )
    .field("version", Shape::Text, "its deployed version")
    .field(
        "digest",
        Shape::Text,
        "digest of its image; results of another digest are stale",
    )
    .field(
        "server",
        Shape::Either(vec![server().into(), Shape::Url]),
        "the Rampart server that results go to and production is watched with",
    )
    .field(
        "plan",
        sizing().into(),
        "the sale that pods are counted for",
    )
    .field(
        "limits",
        limits().into(),
        "what happens to the flow limits that follow from a capacity",
    )
    .field("pod", pod().into(), "where the pod's own figures are read")
    .field("abort", abort().into(), "what stops a run early")
    .field(
        "output",
        output().into(),
        "files that results are written to",
    )
}

fn server() -> Record {
    Record::new("server", "a Rampart server")
        .required("url", Shape::Url, "its address")
        .field(
            "token_file",
            Shape::Text,
            "a file that holds the token to send",
        )
}

fn limits() -> Record {
    Record::new("limits section", "what happens to the limits that follow")
        .field(
            "publish",
            Shape::Choice(&["never", "ask", "auto"]),
            "whether the server takes them; ask if left out",
        )
        .field(
            "max_change",
            Shape::Ratio,
            "largest change that is taken without asking; 30% if left out",
        )
}

fn pod() -> Record {
    Record::new("pod section", "where the pod's own figures are read")
        .field(
            "cpu",
            Shape::Text,
            "cgroup:/sys/fs/cgroup/…, its control group's folder",
        )
        .field("metrics", Shape::Url, "its Prometheus endpoint")
}

fn abort() -> Record {
    Record::new("abort section", "what stops a run early")
        .field(
            "production_burn",
            Shape::Ratio,
            "share of failed production calls at which the run stops",
        )
        .field(
            "kill_file",
            Shape::Text,
            "the run stops when this file is there",
        )
}

fn up_to(max: usize, item: Shape) -> Shape {
    Shape::List {
        item: Box::new(item),
        min: 0,
        max,
    }
}

/// One text or a list of them.
fn texts() -> Shape {
    Shape::Either(vec![Shape::Text, up_to(CHECKS_MAX, Shape::Text)])
}

fn count(min: i64, max: impl Into<i64>) -> Shape {
    Shape::Integer {
        min,
        max: max.into(),
    }
}

fn target() -> Record {
    Record::new("target", "where load goes and how it is reached")
        .required(
            "url",
            Shape::Url,
            "scheme, host, port; a path is put before every request's",
        )
        .field(
            "protocol",
            Shape::Choice(&["http1", "http2", "grpc"]),
            "how requests are carried; http1 if left out",
        )
        .field(
            "keep_alive",
            Shape::Bool,
            "use connections again; true if left out",
        )
        .field(
            "ca_file",
            Shape::Text,
            "root certificates (PEM) trusted instead of the public ones",
        )
        .field("insecure_tls", Shape::Bool, "accept any certificate")
        .field(
            "production",
            Shape::Bool,
            "it serves real users: a signed permission is needed",
        )
        .field(
            "permission_file",
            Shape::Text,
            "the permission of a production target",
        )
        .field(
            "redirects_max",
            count(0, REDIRECTS_MAX),
            "redirects followed; 0, if left out, takes the redirect as the answer",
        )
        .field(
            "descriptor_set",
            Shape::Text,
            "of gRPC: a compiled descriptor set (protoc -o)",
        )
        .field(
            "reflection",
            Shape::Bool,
            "of gRPC: ask the target for its descriptors",
        )
}

fn request() -> Record {
    Record::new("request", "one kind of request")
        .field("name", Shape::Text, "what reports call it; method and path if left out")
        .field("weight", count(0, WEIGHT_MAX), "how often among the others; 1 if left out")
        .field(
            "method",
            Shape::Choice(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            "GET if left out, POST with a body",
        )
        .field("path", Shape::Text, "path and query; may hold {{ rand(1, 50) }} and the like")
        .field("headers", Shape::map("header", Shape::Text), "headers; may hold templates")
        .field("body", Shape::Any, "a text, which may hold templates, or values sent as JSON")
        .field(
            "body_file",
            Shape::Text,
            "a file whose lines stand where {{ line }} does; each is a body where it stands nowhere",
        )
        .field("expect", expect().into(), "what counts as a success; any status below 400 if left out")
        .field("grpc", Shape::Text, "of gRPC: package.Service/Method")
        .field("message", Shape::Any, "of gRPC: the message's fields")
        .exactly_one(&["path", "grpc"])
}

fn expect() -> Record {
    Record::new(
        "expect section",
        "what an answer must be to count as a success",
    )
    .field("status", texts(), "200, 2xx or a list of them")
    .field(
        "header",
        texts(),
        "\"content-type: text/html\", or with ~ a regular expression",
    )
    .field(
        "json",
        texts(),
        "\"/ok == true\"; ==, !=, <, <=, >, >=, exists or absent",
    )
    .field(
        "grpc_status",
        count(0, 16),
        "of gRPC: the status' number; 0 if left out",
    )
}

fn stage() -> Record {
    Record::new("stage", "a span of time with a rate")
        .required("duration", Shape::Duration, "how long")
        .field("rate", Shape::Rate, "calls per second, all the while")
        .field("from", Shape::Rate, "calls per second at its start")
        .field("to", Shape::Rate, "calls per second at its end")
}

fn closed() -> Record {
    Record::new(
        "closed load",
        "callers who wait for their answer before they go on",
    )
    .required("connections", count(1, CONNECTIONS_MAX), "how many callers")
}

fn replay() -> Record {
    Record::new("replay", "a recorded curve")
        .required(
            "curve",
            Shape::Text,
            "a CSV file: seconds or RFC 3339 time, calls per second",
        )
        .field(
            "scale",
            Shape::Number {
                min: 0.000_001,
                max: CURVE_SCALE_MAX,
            },
            "what its rates are multiplied with",
        )
}

fn load() -> Record {
    Record::new("load", "how much is sent, and when")
        .field("rate", Shape::Rate, "calls per second, for `duration`")
        .field("duration", Shape::Duration, "how long, after the warm-up")
        .field(
            "arrivals",
            Shape::Choice(&["constant", "poisson"]),
            "callers come evenly or by chance; constant if left out",
        )
        .field(
            "stages",
            up_to(STAGES_MAX, stage().into()),
            "rates one after the other",
        )
        .field(
            "closed",
            closed().into(),
            "callers who wait; their latency hides what waiting costs",
        )
        .field(
            "replay",
            Shape::Either(vec![Shape::Text, replay().into()]),
            "a recorded curve",
        )
        .field(
            "warm_up",
            Shape::Duration,
            "time before anything is counted; 0s if left out",
        )
        .field(
            "timeout",
            Shape::Duration,
            "no answer by then is a failure; 10s if left out",
        )
        .field(
            "connections_max",
            count(1, CONNECTIONS_MAX),
            "1024 if left out",
        )
        .field(
            "in_flight_max",
            count(1, IN_FLIGHT_REQUESTS_MAX),
            "10000 if left out",
        )
        .field(
            "threads",
            count(0, THREADS_MAX),
            "sending threads; 0, if left out, fits the CPUs",
        )
        .field(
            "seed",
            count(0, i64::MAX),
            "makes the same random choices again; 1 if left out",
        )
}

fn objective() -> Record {
    let mut objective = Record::new("objective", "what must hold for a load to count as carried");
    for (name, _) in PERCENTILES {
        objective = objective.field(
            name,
            Shape::Duration,
            "this share of calls is faster, from the instant they were due",
        );
    }
    objective
        .field(
            "success_rate",
            Shape::Ratio,
            "share of calls that succeed; 99.9% if left out",
        )
        .exactly_one(&["p50", "p90", "p95", "p99", "p99.9"])
}

fn capacity() -> Record {
    Record::new("capacity section", "how the capacity of a pod is searched")
        .field(
            "start",
            Shape::Rate,
            "where the search begins; 20/s if left out",
        )
        .field("max", Shape::Rate, "where it ends; 10000/s if left out")
        .field(
            "soak",
            Shape::Duration,
            "how long the found load is held; 5m if left out",
        )
        .field(
            "searches",
            count(1, SEARCHES_MAX),
            "whole searches, the lowest counts; 3 if left out",
        )
        .field(
            "precision",
            Shape::Ratio,
            "width of the bracket at the end; 5% if left out",
        )
        .field(
            "pods",
            count(1, PODS_MAX),
            "pods behind the target; 1 if left out",
        )
}

fn sizing() -> Record {
    Record::new("plan section", "the sale that pods are counted for")
        .required(
            "peak",
            Shape::Rate,
            "expected calls per second over all pods",
        )
        .field("growth", Shape::Ratio, "on top of it; 0% if left out")
        .field(
            "use",
            Shape::Ratio,
            "share of a pod's capacity used at peak; 70% if left out",
        )
        .field(
            "zones",
            count(1, PODS_MAX),
            "data centres the pods are spread over; 1 if left out",
        )
        .field(
            "lose",
            count(0, PODS_MAX),
            "how many of them may be lost; 0 if left out",
        )
        .field("spare", count(0, PODS_MAX), "pods on top; 0 if left out")
}

fn output() -> Record {
    Record::new("output section", "files that results are written to")
        .field("json", Shape::Text, "the whole result")
        .field("html", Shape::Text, "a page with charts, in one file")
        .field(
            "junit",
            Shape::Text,
            "JUnit XML: a test case for each part of the objective",
        )
        .field(
            "hgrm",
            Shape::Text,
            "the percentile distribution of a run in HdrHistogram's text form",
        )
}
