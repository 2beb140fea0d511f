//! Plans as people write them: right ones, and each kind of mistake with the picture that is shown.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::Random;
use crate::request::Filling;
use crate::run::senders::Purpose;

const FULL: &str = r#"function: guide/wow-video-feed
version: "12"
digest: sha256:77ab
server: {url: "http://127.0.0.1:9650/", token_file: token}
target: {url: "http://127.0.0.1:8080/v1/", protocol: http1, keep_alive: true, redirects_max: 2}
allow: ["127.0.0.0/8"]
requests:
  - {weight: 9, method: GET, path: "/feed?page={{ rand(1, 50) }}"}
  - {name: like, weight: 1, path: /like, body_file: likes.ndjson, headers: {X-User: "{{ pick('a', 'b') }}"}, expect: {status: [200, 3xx], header: "content-type ~ application/.*", json: "/ok == true"}}
load: {rate: 300/s, arrivals: poisson, duration: 60s, warm_up: 5s, timeout: 2s, connections_max: 64, in_flight_max: 500, threads: 2, seed: 7}
objective: {p99: 100ms, success_rate: 99.5%}
capacity: {start: 20/s, max: 5000/s, soak: 5m, searches: 2, precision: 4%, pods: 2}
plan: {peak: 12000/s, growth: 30%, use: 60%, zones: 3, lose: 1, spare: 2}
limits: {publish: auto, max_change: 20%}
pod: {cpu: cgroup:/sys/fs/cgroup/pod7, metrics: "http://127.0.0.1:9100/metrics"}
abort: {production_burn: 2%, kill_file: ./rampart.stop}
output: {json: out.json, html: out.html, junit: out.xml, hgrm: out.hgrm}
"#;

const SMALL: &str =
    "target: http://127.0.0.1:8080\nrequests: [{path: /}]\nload: {rate: 10/s, duration: 30s}\n";

/// A folder with the files that plans here name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("likes.ndjson", b"{\"id\": 1}\n{\"id\": 2}\n");
    write("ids.txt", b"17\n42\n");
    write("names.txt", b"ada\nbob ross\n");
    write("empty.ndjson", b"\n \n");
    write("latin.txt", b"a\nb\xe9\n");
    write("curve.csv", b"time,qps\n0,10\n60,20\n90,20\n");
    write("bad.csv", b"time,qps\n0,10\n60;20\n");
    write("feed.pb", b"");
    folder
}

fn read_in(folder: &Path, text: &str) -> Result<Plan, String> {
    let lookup = |name: &str| (name == "PORT").then(|| "8080".to_owned());
    read("plan.yaml", text, folder, lookup).map_err(|problems| problems.to_string())
}

fn plan(text: &str) -> Plan {
    read_in(folder().path(), text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_full_plan_says_everything() {
    let folder = folder();
    let plan = read_in(folder.path(), FULL).unwrap();
    assert_eq!(plan.function.unwrap().to_string(), "guide/wow-video-feed");
    assert_eq!(
        (plan.version.as_deref(), plan.digest.as_deref()),
        (Some("12"), Some("sha256:77ab"))
    );
    let server = plan.server.unwrap();
    assert_eq!(server.url, "http://127.0.0.1:9650");
    assert_eq!(server.token_file, Some(folder.path().join("token")));
    let target = plan.target;
    assert_eq!(
        (target.host.as_str(), target.port, target.tls),
        ("127.0.0.1", 8_080, false)
    );
    assert_eq!(
        (target.base_path.as_str(), target.authority().as_str()),
        ("/v1", "127.0.0.1:8080")
    );
    assert_eq!(
        (target.protocol, target.redirects_max),
        (Protocol::Http1, 2)
    );
    assert_eq!(plan.allow.to_string(), "127.0.0.0/8");
    let stage = |seconds, from, to| Stage {
        duration: Duration::from_secs(seconds),
        from,
        to,
    };
    let load = plan.load;
    assert_eq!(
        load.model,
        LoadModel::Open {
            arrivals: Arrivals::Poisson,
            stages: vec![stage(60, 300.0, 300.0)]
        }
    );
    assert_eq!(
        (
            load.warm_up.as_secs(),
            load.duration.as_secs(),
            load.timeout.as_secs()
        ),
        (5, 60, 2)
    );
    assert_eq!(
        (
            load.connections_max,
            load.in_flight_max,
            load.threads,
            load.seed
        ),
        (64, 500, 2, 7)
    );
    let ratio = |share| Ratio::new(share).unwrap();
    assert_eq!(
        plan.objective,
        Some(Objective {
            quantile: 0.99,
            latency: Duration::from_millis(100),
            success_rate: ratio(0.995)
        })
    );
    assert_eq!(
        plan.capacity,
        CapacityPlan {
            start: 20.0,
            max: 5_000.0,
            soak: Duration::from_mins(5),
            searches: 2,
            precision: 0.04,
            pods: 2
        }
    );
    let sizing = plan.sizing.unwrap();
    assert_eq!(
        (sizing.peak, sizing.growth, sizing.utilisation),
        (12_000.0, ratio(0.3), ratio(0.6))
    );
    assert_eq!((sizing.zones, sizing.zones_lost, sizing.spare), (3, 1, 2));
    assert_eq!(
        plan.limits,
        LimitsPlan {
            publish: Publish::Auto,
            max_change: ratio(0.2)
        }
    );
    assert_eq!(plan.pod.cgroup, Some(PathBuf::from("/sys/fs/cgroup/pod7")));
    assert_eq!(plan.abort.production_burn, Some(ratio(0.02)));
    assert_eq!(plan.output.hgrm, Some(PathBuf::from("out.hgrm")));
    assert_eq!(plan.scenario_hash.len(), 64);
}

fn sent(plan: &mut Plan, index: usize) -> String {
    let envelope = plan.target.envelope("run-7");
    plan.requests.prepare(&envelope);
    let mut out = Vec::new();
    let mut filling = Filling::new(Random::new(1, 0), 1, 2);
    plan.requests.requests()[index].write_http1(&mut filling, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_read_is_what_is_sent() {
    let mut plan = plan(FULL);
    let request = &plan.requests.requests()[1];
    assert_eq!(
        (
            request.name.as_str(),
            request.weight,
            request.method.as_str()
        ),
        ("like", 1, "POST")
    );
    let judged = |status, kind: &'static [u8], body: &[u8]| {
        request.expect.judge(
            status,
            &|name| (name == "content-type").then_some(kind),
            body,
        )
    };
    assert!(judged(302, b"application/json", b"{\"ok\": true}"));
    assert!(!judged(201, b"application/json", b"{\"ok\": true}"));
    assert!(!judged(200, b"text/html", b"{\"ok\": true}"));
    assert!(!judged(200, b"application/json", b"{\"ok\": 1}"));
    let text = sent(&mut plan, 1);
    assert!(
        text.starts_with("POST /v1/like HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n"),
        "{text}"
    );
    assert!(
        text.contains("\r\nx-user: a\r\n") || text.contains("\r\nx-user: b\r\n"),
        "{text}"
    );
    assert!(
        text.ends_with(
            "\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"id\": 2}"
        ),
        "{text}"
    );
}

#[test]
fn bodies_are_texts_values_or_lines() {
    let of = |request: &str| {
        let text = SMALL.replace("{path: /}", request);
        let sent = sent(&mut plan(&text), 0);
        let (head, body) = sent.split_once("\r\n\r\n").unwrap();
        (
            head.split(" HTTP").next().unwrap().to_owned(),
            body.to_owned(),
        )
    };
    for (request, line, body) in [
        ("{path: /, body: hello}", "POST /", "hello"),
        (
            "{path: /, method: PUT, body: {id: 7, name: '7', on: true, list: [1.5, ~]}}",
            "PUT /",
            r#"{"id":7,"name":"7","on":true,"list":[1.5,null]}"#,
        ),
        (
            "{path: /, body: {n: '{{ number }}'}}",
            "POST /",
            r#"{"n":"1"}"#,
        ),
        ("{path: /, body: 'a {{ \"{{\" }} b'}", "POST /", "a {{ b"),
        (
            "{path: '/feed/{{ line }}', body_file: ids.txt}",
            "GET /feed/42",
            "",
        ),
        (
            "{path: /, body_file: names.txt, body: '<{{ line }}>'}",
            "POST /",
            "<bob ross>",
        ),
        ("{path: /, body_file: names.txt}", "POST /", "bob ross"),
    ] {
        assert_eq!(of(request), (line.to_owned(), body.to_owned()), "{request}");
    }
}

#[test]
fn a_small_plan_gets_good_defaults() {
    let plan = plan(SMALL);
    assert_eq!(plan.capacity, CapacityPlan::default());
    assert_eq!(plan.limits.publish, Publish::Ask);
    assert_eq!(
        (plan.load.timeout, plan.load.warm_up),
        (Duration::from_secs(10), Duration::ZERO)
    );
    assert_eq!(plan.load.calls(), Some(300.0));
    assert!(plan.allow.to_string().is_empty() && plan.target.keep_alive);
}

#[test]
fn loads_are_open_closed_staged_or_replayed() {
    let of = |load: &str| {
        plan(&format!(
            "target: http://127.0.0.1:8080\nrequests: [{{path: /}}]\n{load}\n"
        ))
        .load
    };
    let staged =
        of("load: {stages: [{duration: 10s, rate: 5/s}, {duration: 20s, from: 5/s, to: 15/s}]}");
    assert_eq!(
        (
            staged.duration.as_secs(),
            staged.calls(),
            staged.peak_rate()
        ),
        (30, Some(250.0), Some(15.0))
    );
    let replayed = of("load: {replay: {curve: curve.csv, scale: 0.1}}");
    assert_eq!(
        (
            replayed.duration.as_secs(),
            replayed.calls(),
            replayed.peak_rate()
        ),
        (90, Some(150.0), Some(2.0))
    );
    assert_eq!(of("load: {replay: curve.csv}").calls(), Some(1_500.0));
    let closed = of("load: {closed: {connections: 64}, duration: 30s}");
    assert_eq!(
        (closed.model.clone(), closed.calls()),
        (LoadModel::Closed { connections: 64 }, None)
    );
    let left_out = of("objective: {p99: 1s}\ncapacity: {start: 20/s}");
    assert!(left_out.is_empty());
    assert_eq!(
        left_out.model,
        LoadModel::Open {
            arrivals: Arrivals::Constant,
            stages: Vec::new()
        }
    );
    let partly = of("load: {arrivals: poisson, timeout: 1s}\nobjective: {p99: 1s}\ncapacity: {}");
    assert_eq!(
        partly.model,
        LoadModel::Open {
            arrivals: Arrivals::Poisson,
            stages: Vec::new()
        }
    );
}

#[test]
fn grpc_requests_are_calls_with_messages() {
    let text = "target: {url: \"https://feed.internal\", protocol: grpc, descriptor_set: feed.pb}\n\
                requests: [{grpc: feed.v1.Feed/Get, message: {page: 7, user: '7', tags: [a]}, headers: {x-a: b}, expect: {grpc_status: 5}}]\n\
                objective: {p99: 1s}\ncapacity: {}\n";
    let folder = folder();
    let plan = read_in(folder.path(), text).unwrap();
    assert_eq!(
        plan.target.descriptors,
        Some(Descriptors::File(folder.path().join("feed.pb")))
    );
    let request = &plan.requests.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/feed.v1.Feed/Get")
    );
    let call = request.grpc.as_ref().unwrap();
    assert_eq!(call.service_method, "feed.v1.Feed/Get");
    assert_eq!(
        call.message,
        serde_json::json!({"page": 7, "user": "7", "tags": ["a"]})
    );
    assert_eq!(request.expect.grpc_status, 5);
}

#[test]
fn the_scenario_has_a_name_that_follows_what_is_sent() {
    let hash = |text: &str| plan(text).scenario_hash;
    let base = hash(FULL);
    for same in [
        FULL.replace("rate: 300/s", "rate: 200/s"),
        FULL.replace("127.0.0.1:8080", "127.0.0.2:8080"),
        FULL.replace("version: \"12\"", "version: \"13\""),
        FULL.replace("name: like", "name: another"),
    ] {
        assert_eq!(hash(&same), base, "{same}");
    }
    for other in [
        FULL.replace("/v1/", "/v2/"),
        FULL.replace("rand(1, 50)", "rand(1, 51)"),
        FULL.replace("weight: 9", "weight: 8"),
        FULL.replace("likes.ndjson", "ids.txt"),
        FULL.replace("p99: 100ms", "p99: 101ms"),
        FULL.replace("[200, 3xx]", "[200]"),
        FULL.replace("/ok == true", "/ok exists"),
        FULL.replace("keep_alive: true", "keep_alive: false"),
        FULL.replace("pick('a', 'b')", "pick('a')"),
    ] {
        assert_ne!(hash(&other), base, "{other}");
    }
}

#[test]
fn variables_are_filled_in() {
    let text = SMALL
        .replace("8080", "${PORT}")
        .replace("path: /", "path: \"/${PORT}\"");
    let plan = plan(&text);
    assert_eq!(
        (plan.target.port, plan.requests.requests()[0].path.as_str()),
        (8_080, "/8080")
    );
}

#[test]
fn targets_are_taken_apart() {
    for (url, host, port, tls, authority, base_path) in [
        (
            "http://Feed.internal",
            "feed.internal",
            80,
            false,
            "feed.internal",
            "",
        ),
        (
            "https://feed.internal/",
            "feed.internal",
            443,
            true,
            "feed.internal",
            "",
        ),
        (
            "https://feed.internal:8443/a/b/",
            "feed.internal",
            8_443,
            true,
            "feed.internal:8443",
            "/a/b",
        ),
        (
            "http://[::1]:9700/v1",
            "::1",
            9_700,
            false,
            "[::1]:9700",
            "/v1",
        ),
        ("http://[::1]", "::1", 80, false, "[::1]", ""),
    ] {
        let target = Target::parse(url).unwrap();
        assert_eq!(
            (
                target.host.as_str(),
                target.port,
                target.tls,
                target.authority().as_str(),
                target.base_path.as_str()
            ),
            (host, port, tls, authority, base_path),
            "{url}"
        );
    }
    for url in [
        "",
        "feed",
        "//feed",
        "ftp://feed",
        "http://",
        "http://a:0",
        "http://a:70000",
        "http://a:",
        "http://a b",
        "http://u:p@a",
        "http://a/?q",
        "http://a/#f",
        "http://导航",
        "http://a/\r\nx",
    ] {
        assert!(Target::parse(url).is_err(), "{url}");
    }
}

/// The base plan with one line replaced: `(name, line that is replaced, what it becomes)`.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("a key is misspelt", "requests:", "reqests: [{path: /}]"),
    ("nothing is sent to", "target:", ""),
    ("the url has no scheme", "target:", "target: 127.0.0.1:8080"),
    (
        "the url has a user",
        "target:",
        "target: http://me:secret@127.0.0.1:8080",
    ),
    (
        "the url has a query",
        "target:",
        "target: http://127.0.0.1:8080/a?b=c",
    ),
    (
        "production without permission",
        "target:",
        "target: {url: \"https://feed.example.com\", production: true}",
    ),
    (
        "unknown protocol",
        "target:",
        "target: {url: \"http://127.0.0.1\", protocol: http3}",
    ),
    (
        "no certificate file",
        "target:",
        "target: {url: \"https://127.0.0.1\", ca_file: ca.pem}",
    ),
    (
        "tls without tls",
        "target:",
        "target: {url: \"http://127.0.0.1\", insecure_tls: true}",
    ),
    (
        "grpc without descriptors",
        "target:",
        "target: {url: \"http://127.0.0.1\", protocol: grpc}",
    ),
    (
        "reflection without grpc",
        "target:",
        "target: {url: \"http://127.0.0.1\", reflection: true}",
    ),
    (
        "not a network",
        "allow:",
        "allow: [\"10.1.2.3/8\", \"*.internal\"]",
    ),
    ("no requests", "requests:", "requests: []"),
    (
        "a path without a slash",
        "requests:",
        "requests: [{path: feed}]",
    ),
    (
        "a path with a line break",
        "requests:",
        "requests: [{path: \"/a\\r\\nx: y\"}]",
    ),
    (
        "an unknown template function",
        "requests:",
        "requests: [{path: \"/feed?page={{ random(1, 50) }}\"}]",
    ),
    (
        "a template that is not closed",
        "requests:",
        "requests: [{path: \"/feed?page={{ rand(1, 50)\"}]",
    ),
    (
        "rand the wrong way round",
        "requests:",
        "requests: [{path: /, body: \"{{ rand(9, 1) }}\"}]",
    ),
    (
        "a header that would begin another",
        "requests:",
        "requests: [{path: /, headers: {x-a: \"b\\r\\nx-evil: 1\"}}]",
    ),
    (
        "a header of its own",
        "requests:",
        "requests: [{path: /, headers: {content-length: 7}}]",
    ),
    (
        "a mark that is forged",
        "requests:",
        "requests: [{path: /, headers: {X-Rampart-Traffic: users}}]",
    ),
    (
        "a body file that is not there",
        "requests:",
        "requests: [{path: /, body_file: like.ndjson}]",
    ),
    (
        "a body file that is a folder",
        "requests:",
        "requests: [{path: /, body_file: .}]",
    ),
    (
        "a body file without lines",
        "requests:",
        "requests: [{path: /, body_file: empty.ndjson}]",
    ),
    (
        "a body file that is not text",
        "requests:",
        "requests: [{path: /, body_file: latin.txt}]",
    ),
    (
        "lines that break the path",
        "requests:",
        "requests: [{path: \"/{{ line }}\", body_file: names.txt}]",
    ),
    (
        "lines that go nowhere",
        "requests:",
        "requests: [{path: /, body: fixed, body_file: ids.txt}]",
    ),
    (
        "lines from nowhere",
        "requests:",
        "requests: [{path: \"/{{ line }}\"}]",
    ),
    (
        "weights of nothing",
        "requests:",
        "requests: [{path: /a, weight: 0}, {path: /b, weight: 0}]",
    ),
    (
        "not a status",
        "requests:",
        "requests: [{path: /, expect: {status: [200, 2x]}}]",
    ),
    (
        "not a header check",
        "requests:",
        "requests: [{path: /, expect: {header: \"content-type ~ (\"}}]",
    ),
    (
        "not a pointer",
        "requests:",
        "requests: [{path: /, expect: {json: \"ok == true\"}}]",
    ),
    (
        "a text without quotes",
        "requests:",
        "requests: [{path: /, expect: {json: [\"/ok == yes\"]}}]",
    ),
    (
        "a body of head",
        "requests:",
        "requests: [{path: /, method: HEAD, expect: {json: \"/ok exists\"}}]",
    ),
    (
        "grpc for http",
        "requests:",
        "requests: [{grpc: feed.Feed/Get}]",
    ),
    (
        "not a grpc method",
        "requests:",
        "requests: [{grpc: feed.Feed.Get}]",
    ),
    ("no load at all", "load:", ""),
    ("a load without a rate", "load:", "load: {duration: 60s}"),
    ("a load without an end", "load:", "load: {rate: 20/s}"),
    (
        "a rate without its time",
        "load:",
        "load: {rate: 20, duration: 60s}",
    ),
    (
        "two models",
        "load:",
        "load: {rate: 20/s, closed: {connections: 4}, duration: 60s}",
    ),
    (
        "too fast",
        "load:",
        "load: {rate: 2000000/s, duration: 60s}",
    ),
    ("too long", "load:", "load: {rate: 20/s, duration: 25h}"),
    (
        "too many in flight",
        "load:",
        "load: {rate: 20/s, duration: 60s, in_flight_max: 200000}",
    ),
    (
        "more callers than may be in flight",
        "load:",
        "load: {closed: {connections: 64}, duration: 60s, in_flight_max: 10}",
    ),
    (
        "production read from nowhere",
        "load:",
        "load: {rate: 20/s, duration: 60s}\nabort: {production_burn: 2%}",
    ),
    (
        "no time to answer",
        "load:",
        "load: {rate: 20/s, duration: 60s, timeout: 0s}",
    ),
    (
        "half a stage",
        "load:",
        "load: {stages: [{duration: 10s, from: 5/s}]}",
    ),
    (
        "a stage that lasts nothing",
        "load:",
        "load: {stages: [{duration: 0s, rate: 5/s}]}",
    ),
    (
        "stages with a duration",
        "load:",
        "load: {stages: [{duration: 10s, rate: 50/s}], duration: 60s}",
    ),
    (
        "a curve that is not there",
        "load:",
        "load: {replay: {curve: curves/sale.csv, scale: 2}}",
    ),
    ("a curve with a slip", "load:", "load: {replay: bad.csv}"),
    (
        "a percentile the load cannot show",
        "load:",
        "load: {rate: 4/s, duration: 60s}",
    ),
    (
        "a percentile the stages cannot show",
        "load:",
        "load: {stages: [{duration: 10s, rate: 2/s}, {duration: 10s, rate: 1/s}]}",
    ),
    (
        "a rare percentile",
        "objective:",
        "objective: {p99.9: 100ms}",
    ),
    (
        "an objective without a percentile",
        "objective:",
        "objective: {success_rate: 99%}",
    ),
    (
        "an objective of two percentiles",
        "objective:",
        "objective: {p50: 10ms, p99: 100ms}",
    ),
    (
        "a success rate without its sign",
        "objective:",
        "objective: {p99: 100ms, success_rate: 99}",
    ),
    (
        "the end below the start",
        "capacity:",
        "capacity: {start: 200/s, max: 20/s}",
    ),
    (
        "a search for nothing",
        "objective:",
        "capacity: {start: 20/s}",
    ),
    (
        "a search from nothing",
        "capacity:",
        "capacity: {start: 0/s}",
    ),
    (
        "all zones lost",
        "capacity:",
        "plan: {peak: 100/s, zones: 2, lose: 2}",
    ),
    ("a sale without a peak", "capacity:", "plan: {growth: 30%}"),
    (
        "not a control group",
        "capacity:",
        "pod: {cpu: /sys/fs/cgroup/pod7}",
    ),
    (
        "a word that is not known",
        "capacity:",
        "limits: {publish: yes}",
    ),
    (
        "a closed load to production",
        "load:",
        "load: {closed: {connections: 4}, duration: 60s}\ncapacity: {}",
    ),
    (
        "a variable that is not set",
        "target:",
        "target: http://${HOST}:${PORT}",
    ),
    (
        "a distribution of a search",
        "load:",
        "capacity: {}\noutput: {json: out.json, hgrm: out.hgrm}",
    ),
];

const BASE: [(&str, &str); 6] = [
    ("target:", "target: http://127.0.0.1:8080"),
    ("allow:", "allow: [\"127.0.0.0/8\"]"),
    ("requests:", "requests: [{path: /feed}]"),
    ("load:", "load: {rate: 20/s, duration: 60s}"),
    ("objective:", "objective: {p99: 100ms}"),
    ("capacity:", ""),
];

fn with_mistake(replaced: &str, by: &str) -> String {
    BASE.iter()
        .map(|(name, line)| if *name == replaced { by } else { line })
        .filter(|line| !line.is_empty())
        .fold(String::new(), |text, line| text + line + "\n")
}

/// Compares with a file beside this one; `UPDATE=1` rewrites it.
fn assert_golden(name: &str, actual: &str) {
    let path = format!("{}/src/plan/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} differs; UPDATE=1 rewrites it");
}

#[test]
fn every_mistake_is_drawn_with_its_way_out() {
    let folder = folder();
    let here = format!("{}/", folder.path().display());
    let mut pictures = String::new();
    for (name, replaced, by) in MISTAKES {
        let mut text = with_mistake(replaced, by);
        if *name == "a closed load to production" {
            text = text.replace(
                "http://127.0.0.1:8080",
                "{url: \"https://feed.example.com\", production: true, permission_file: p.json}",
            );
        }
        let problems = match read_in(folder.path(), &text) {
            Ok(plan) => panic!("{name}: read as {plan:?}"),
            Err(problems) => problems.replace(&here, ""),
        };
        pictures.extend(["# ", name, "\n", &problems, "\n"]);
    }
    assert_golden("mistakes.txt", &pictures);
}

#[test]
fn five_mistakes_come_together_in_the_order_of_the_text() {
    let text = r#"function: wow-video-feed
target: {url: 127.0.0.1:8080, protocl: http2}
allow: ["127.0.0.1"]
requests:
  - {path: "/feed?page={{ rnd(1, 50) }}"}
  - {method: POST, path: /like, body_file: missing.ndjson}
load: {rate: 300/s, duration: 9s}
objective: {p99.9: 100ms}
capacity: {start: 200/s, max: 20/s}
plan: {peak: 12000/s, zones: 2, lose: 2}
"#;
    let folder = folder();
    let here = format!("{}/", folder.path().display());
    let problems = read_in(folder.path(), text).unwrap_err();
    assert_golden("together.txt", &problems.replace(&here, ""));
}

#[test]
fn body_files_are_limited() {
    let folder = folder();
    let limits = [
        (
            "lines.txt",
            "x\n".repeat(caps::BODY_FILE_LINES_MAX + 1),
            "it has 1000001 lines, the limit is 1000000",
        ),
        (
            "large.txt",
            "x".repeat(caps::BODY_FILES_BYTES_MAX as usize + 1),
            "more than 64MiB together",
        ),
    ];
    for (name, text, expected) in limits {
        std::fs::write(folder.path().join(name), text).unwrap();
        let plan = SMALL.replace("path: /", &format!("path: /, body_file: {name}"));
        let problems = read_in(folder.path(), &plan).unwrap_err();
        assert!(problems.contains(expected), "{problems}");
    }
    // The sum counts, and a file that is named twice counts once.
    let nearly_all = "x".repeat(caps::BODY_FILES_BYTES_MAX as usize - 1);
    std::fs::write(folder.path().join("nearly.txt"), nearly_all).unwrap();
    let both = |one: &str, two: &str| {
        let requests = format!("{{path: /, body_file: {one}}}, {{path: /, body_file: {two}}}");
        read_in(folder.path(), &SMALL.replace("{path: /}", &requests))
    };
    let together = both("nearly.txt", "ids.txt").unwrap_err();
    assert!(together.contains("ids.txt: the body files of a plan have more than 64MiB together"));
    let once = both("ids.txt", "ids.txt").unwrap();
    let lines = |index: usize| once.requests.requests()[index].lines.clone().unwrap();
    assert!(std::sync::Arc::ptr_eq(&lines(0), &lines(1)));
}

#[test]
fn production_is_sent_to_with_a_permission_for_all_of_the_plan() {
    let key = b"a key that is long enough".as_slice();
    let now = model::Timestamp::from_seconds(1_790_000_000);
    let folder = folder();
    let write = |rate| {
        let target = Target::parse("https://feed.example.com").unwrap();
        let until = now + Duration::from_hours(1);
        let permission = Permission::sign(&target, rate, until, now, key).unwrap();
        std::fs::write(folder.path().join("p.json"), permission.to_string()).unwrap();
    };
    let production = SMALL.replace(
        "http://127.0.0.1:8080",
        "{url: \"https://feed.example.com/v1\", production: true, permission_file: p.json}",
    );
    let load = read_in(folder.path(), &production).unwrap();
    let search = production.clone() + "objective: {p90: 1s}\ncapacity: {start: 5/s, max: 40/s}\n";
    let search = read_in(folder.path(), &search).unwrap();
    let (run, capacity) = (
        Purpose::Run.highest(&load),
        Purpose::Capacity.highest(&search),
    );
    assert_eq!((run, capacity), (10.0, 40.0));
    let unreadable = check_permission(&load.target, run, Some(key), now).unwrap_err();
    assert!(
        matches!(unreadable, PermissionError::Unreadable { .. }),
        "{unreadable}"
    );
    write(10.0);
    assert_eq!(check_permission(&load.target, run, Some(key), now), Ok(()));
    assert_eq!(
        check_permission(&load.target, run, None, now),
        Err(PermissionError::Missing {
            target: "https://feed.example.com:443".to_owned()
        })
    );
    let above = check_permission(&search.target, capacity, Some(key), now).unwrap_err();
    assert!(
        matches!(above, PermissionError::RateAbove { .. }),
        "{above}"
    );
    write(40.0);
    assert_eq!(
        check_permission(&search.target, capacity, Some(key), now),
        Ok(())
    );
    assert_eq!(
        check_permission(&plan(SMALL).target, run, None, now),
        Ok(())
    );
}

#[test]
fn calls_needed_follow_the_percentile() {
    let needed = |quantile| {
        Objective {
            quantile,
            latency: Duration::from_millis(1),
            success_rate: Ratio::new(1.0).unwrap(),
        }
        .calls_needed()
    };
    assert_eq!(
        [0.5, 0.9, 0.95, 0.99, 0.999].map(needed),
        [5, 29, 59, 299, 2_995]
    );
}

#[test]
fn the_schema_has_every_key() {
    let schema = declare::json_schema(&shape(), "load plan");
    for key in FULL
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key)
        .filter(|key| !key.starts_with(' '))
    {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    let objective = &schema["properties"]["objective"]["properties"];
    assert!(objective["p99.9"].is_object() && objective["success_rate"].is_object());
}

#[test]
fn the_examples_are_plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let mut plan = read(&name, &text, &folder, |_| None)
                .unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(
                plan.function.as_ref().unwrap().to_string(),
                "guide/wow-video-feed",
                "{name}"
            );
            assert_eq!(plan.target.url, "http://127.0.0.1:9700", "{name}");
            assert!(resolve(&plan.target, &plan.allow).is_ok(), "{name}");
            for index in 0..plan.requests.requests().len() {
                assert!(!sent(&mut plan, index).is_empty());
            }
            names.push(name);
        }
    }
    names.sort();
    assert_eq!(names, ["capacity-300.yaml", "loadtest-run.yaml"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_text_is_read_without_a_panic(text in "([a-z]{1,8}: ?|\\PC|[{}\\[\\],\"'\n -]){0,80}") {
        let _ = read_in(Path::new("/nonexistent"), &text);
    }

    #[test]
    fn a_damaged_plan_is_read_without_a_panic(cut in 0..FULL.len(), length in 0_usize..60, put in "(\\PC|[{}:\\[\\]\n]|0|99999999999999999999/s|-1|NaN|~|1e308){0,3}") {
        let head: String = FULL.chars().take(cut).collect();
        let tail: String = FULL.chars().skip(cut + length).collect();
        let _ = read_in(Path::new("/nonexistent"), &(head + &put + &tail));
    }

    #[test]
    fn any_value_of_any_field_is_read_without_a_panic(field in 0..32_usize, value in "([0-9]{1,20}(/s|s|h|%|w)?|-?[0-9.e+]{1,6}|~|\\[\\]|\\{\\}|''|true|\\PC{0,6})") {
        let names = ["rate", "duration", "arrivals", "stages", "closed", "replay", "warm_up", "timeout", "connections_max",
            "in_flight_max", "threads", "seed", "p50", "p99.9", "success_rate", "start", "max", "soak", "searches", "precision",
            "pods", "peak", "growth", "use", "zones", "lose", "spare", "weight", "path", "body", "url", "redirects_max"];
        let sections = ["load", "objective", "capacity", "plan", "target"];
        for section in sections {
            let text = format!("{FULL}\n").lines().map(|line| {
                if line.starts_with(&format!("{section}:")) { format!("{section}: {{{}: {value}, url: http://a, rate: 1/s, peak: 1/s}}\n", names[field]) } else { format!("{line}\n") }
            }).collect::<String>();
            let _ = read_in(Path::new("/nonexistent"), &text);
            let _ = read_in(Path::new("/nonexistent"), &text.replace(", url: http://a, rate: 1/s, peak: 1/s", ""));
        }
    }
}
