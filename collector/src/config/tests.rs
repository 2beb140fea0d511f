//! The section against what people write.

use declare::Problems;

use super::*;

fn read_section(yaml: &str) -> Result<Config, String> {
    let node = declare::read("rampart.yaml", yaml).map_err(|problems| problems.to_string())?;
    let mut problems = Problems::new();
    declare::check(&node, &shape(), &mut problems);
    let config = Config::read(&node, &mut problems);
    if problems.is_empty() {
        Ok(config.expect("without problems there is a configuration"))
    } else {
        Err(problems.to_string())
    }
}

/// One source, written as a flow mapping.
pub(crate) fn source_of(yaml: &str) -> SourceConfig {
    read_section(&format!("sources:\n  - {yaml}\n"))
        .unwrap_or_else(|problems| panic!("{problems}"))
        .sources
        .remove(0)
}

#[test]
fn what_the_guide_shows_is_read() {
    let config = read_section(
        r#"
otlp_grpc: off
sources:
  - name: gateway
    file: {path: /var/log/nginx/functions.log}
    format: nginx-json
    function: {from: path, pattern: '^/(?<namespace>[^/]+)/(?<function>[^/?]+)', only: ["guide/*", "travel/*"]}
    outcome: {"499": client_error, "429": limited}
    labels: {unit: a}
  - name: pods
    scrape: {every: 5s, targets: ["127.0.0.1:9100", "https://[::1]/m?x=1"]}
    labels: {job: pods}
  - name: sdk
    http: {expect_every: 10s}
    format: rampart-json
"#,
    )
    .unwrap();
    let [gateway, pods, sdk] = config.sources.as_slice() else {
        panic!("{config:?}");
    };
    let Input::File(file) = &gateway.input else {
        panic!("{gateway:?}");
    };
    assert_eq!(
        (file.flush_delay, file.from_beginning),
        (Duration::from_secs(1), true)
    );
    let Input::Scrape(scrape) = &pods.input else {
        panic!("{pods:?}");
    };
    let targets: Vec<(&str, &str)> = scrape
        .targets
        .iter()
        .map(|target| (target.url.as_str(), target.instance.as_str()))
        .collect();
    assert_eq!(
        targets,
        [
            ("http://127.0.0.1:9100/metrics", "127.0.0.1:9100"),
            ("https://[::1]/m?x=1", "[::1]:443"),
        ]
    );
    assert_eq!(scrape.timeout, Duration::from_secs(5));
    let http = HttpInput {
        expect_every: Some(Duration::from_secs(10)),
    };
    assert_eq!(sdk.input, Input::Http(http));
    assert_eq!(read_section("").unwrap(), Config::empty());
}

#[test]
fn every_mistake_has_its_place_and_a_way_out() {
    for (yaml, words, message) in [
        (
            "- {name: a, kafka: {topics: [x]}}",
            "kafka",
            "kafka sources are not available in this version",
        ),
        (
            "- {name: a, otlp: {}}",
            "otlp",
            "otlp sources are not available in this version",
        ),
        (
            "- {name: a, http: {}, format: alibaba-fc}",
            "alibaba-fc",
            "format alibaba-fc is not available in this version",
        ),
        (
            "- {name: a, http: {}}\n- {name: a, http: {}}",
            "a, http: {}}",
            "already declared in line 2",
        ),
        ("- {name: a b, http: {}}", "a b", "is not a source name"),
        (
            "- {name: push, file: {path: /x}, format: rampart-json}",
            "push",
            "the name push is kept",
        ),
        (
            "- {name: a, file: {path: /x}}",
            "{name",
            "the format is missing",
        ),
        (
            "- {name: a, file: {path: '/x*/y'}, format: rampart-json}",
            "'/x*/y'",
            "only in the last part",
        ),
        (
            "- {name: a, file: {path: /x}, format: nginx-json}",
            "{name",
            "nginx's lines name no function",
        ),
        (
            "- {name: a, http: {}, function: {from: path, pattern: '^/(?<name>.*)'}}",
            "'^",
            "no group (?<function>",
        ),
        (
            "- {name: a, http: {}, function: {from: path, pattern: '^/(?<function>.*)'}}",
            "'^",
            "no group (?<namespace>",
        ),
        (
            "- {name: a, http: {}, function: {pattern: '^/(?<function>.*)'}}",
            "'^",
            "needs to know where to look",
        ),
        (
            "- {name: a, http: {}, labels: {uint: a}}",
            "uint",
            "did you mean `unit`?",
        ),
        (
            "- {name: a, http: {}, format: {map: {function: f, sucess: o}}}",
            "sucess",
            "is not a field of an invocation",
        ),
        (
            "- {name: a, http: {}, format: {map: {function: f}}}",
            "{map",
            "says nothing of the outcome",
        ),
        (
            "- {name: a, http: {}, format: {map: {function: a..b, outcome: o}}}",
            "a..b",
            "is not a path",
        ),
        (
            "- {name: a, scrape: {targets: ['h']}}",
            "'h'",
            "the port is missing",
        ),
        (
            "- {name: a, scrape: {targets: ['h:0']}}",
            "'h:0'",
            "the port must be",
        ),
        (
            "- {name: a, scrape: {targets: ['ftp://h/']}}",
            "'ftp",
            "only http and https",
        ),
        (
            "- {name: a, scrape: {targets: ['http://u:p@h/']}}",
            "'http",
            "no user or password",
        ),
        (
            "- {name: a, scrape: {targets: ['a b:1']}}",
            "'a b",
            "the host is not one",
        ),
        (
            "- {name: a, scrape: {targets: ['h:1', 'h:1']}}",
            "'h:1']",
            "named twice",
        ),
        (
            "- {name: a, scrape: {targets: ['h:1'], every: 5s, timeout: 6s}}",
            "6s",
            "not longer than every",
        ),
        (
            "- {name: a, scrape: {targets: ['h:1']}, format: nginx-json}",
            "format",
            "a scrape takes no format",
        ),
        (
            "- {name: a, scrape: {targets: ['h:1']}, labels: {9a: x}}",
            "9a",
            "is not a label name",
        ),
    ] {
        let text = format!("sources:\n{yaml}\n");
        let problems = read_section(&text).unwrap_err();
        let at = text.rfind(words).unwrap();
        let line = text[..at].matches('\n').count() + 1;
        let column = at - text[..at].rfind('\n').unwrap();
        let place = format!("rampart.yaml:{line}:{column}: ");
        assert!(
            problems.contains(&place) && problems.contains(message),
            "{yaml}\nshould say {place}{message}\nsays\n{problems}"
        );
    }
    assert!(
        read_section("otlp_grpc: 127.0.0.1:4317")
            .unwrap_err()
            .contains("not available")
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let problems = read_section("sources:\n- {name: a b, http: {}}\n- {name: c, kafka: {}}\n- {name: d, http: {}, labels: {x: y}}\n").unwrap_err();
    assert_eq!(problems.matches("rampart.yaml:").count(), 3, "{problems}");
}
