//! One source of the section.

use std::sync::Arc;
use std::time::Duration;

use declare::{Node, Problems};
use model::{FunctionId, Labels, Outcome};
use regex::Regex;

use super::shape::FORMATS;
use super::{FileInput, HttpInput, Input, PUSH, ScrapeInput, SourceConfig, Target};
use crate::formats::{
    Field, Format, FunctionPattern, FunctionSource, Mapping, Meaning, OutcomeMap, TextField,
};

const NAME_BYTES_MAX: usize = 64;
const FLUSH_DELAY: Duration = Duration::from_secs(1);
const SCRAPE_EVERY: Duration = Duration::from_secs(15);
const SCRAPE_EVERY_MIN: Duration = Duration::from_millis(100);
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
const SCRAPE_BODY_BYTES_MAX: usize = 16 << 20;
const SCRAPE_SAMPLES_MAX: usize = 100_000;
const NOT_AVAILABLE: &str = "not available in this version";

/// Labels of a source whose lines are calls.
const CALL_LABELS: [(&str, TextField); 9] = [
    ("unit", TextField::Unit),
    ("zone", TextField::Zone),
    ("region", TextField::Region),
    ("version", TextField::Version),
    ("alias", TextField::Alias),
    ("instance", TextField::Instance),
    ("layer", TextField::Layer),
    ("trigger", TextField::Trigger),
    ("served_by", TextField::ServedBy),
];

/// Reads one source; `None` when it cannot be made sense of, which has been reported.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<SourceConfig> {
    for kind in ["kafka", "otlp"] {
        if let Some(key) = node.field(kind).and(node.key(kind)) {
            problems
                .error(key, format!("{kind} sources are {NOT_AVAILABLE}"))
                .hint("use file, scrape or http");
        }
    }
    let name = name(node, problems)?;
    let input = if let Some(file) = node.field("file") {
        Input::File(read_file(file, problems)?)
    } else if let Some(http) = node.field("http") {
        Input::Http(HttpInput {
            expect_every: http.duration_of("expect_every"),
        })
    } else if let Some(scrape) = node.field("scrape") {
        return Some(scrape_source(node, scrape, &name, problems));
    } else {
        return None;
    };
    let format = read_format(node, &input, problems)?;
    let function = read_function(node, &format, problems)?;
    let meaning = Meaning {
        source: name.clone(),
        function,
        outcomes: read_outcomes(node),
        labels: call_labels(node, problems),
    };
    Some(SourceConfig {
        name,
        input,
        format,
        meaning: Arc::new(meaning),
    })
}

fn name(node: &Node, problems: &mut Problems) -> Option<String> {
    let at = node.field("name")?;
    let text = at.as_text()?;
    let possible = !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !possible {
        problems
            .error(at, format!("{text:?} is not a source name"))
            .hint("use 1 to 64 letters, digits, - and _");
        return None;
    }
    if text == PUSH && node.field("http").is_none() {
        problems.error(at, "the name push is kept for pushed lines");
    }
    Some(text.to_owned())
}

fn read_file(file: &Node, problems: &mut Problems) -> Option<FileInput> {
    let at = file.field("path")?;
    let path = at.as_text()?;
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    if path.is_empty() || path.ends_with('/') {
        problems.error(at, "write the path of a file");
    }
    if directory.contains(['*', '?']) {
        problems
            .error(at, "a pattern may stand only in the last part of the path")
            .hint("declare one source for each directory");
    }
    Some(FileInput {
        path: path.to_owned(),
        flush_delay: file.duration_of("flush_delay").unwrap_or(FLUSH_DELAY),
        from_beginning: file.text_of("start") != Some("end"),
    })
}

fn scrape_source(node: &Node, scrape: &Node, name: &str, problems: &mut Problems) -> SourceConfig {
    for field in ["format", "function", "outcome"] {
        if let Some(key) = node.field(field).and(node.key(field)) {
            problems
                .error(key, format!("a scrape takes no {field}"))
                .hint("metrics name themselves; leave it out");
        }
    }
    let path = scrape.text_of("path").unwrap_or("/metrics");
    if let Some(at) = scrape.field("path").filter(|_| !path.starts_with('/')) {
        problems.error(at, "a path begins with /");
    }
    let every = scrape.duration_of("every").unwrap_or(SCRAPE_EVERY);
    if let Some(at) = scrape.field("every").filter(|_| every < SCRAPE_EVERY_MIN) {
        problems.error(at, "a target is scraped at most ten times a second");
    }
    let timeout = scrape.duration_of("timeout");
    if let Some(at) = scrape.field("timeout")
        && timeout.is_some_and(|timeout| timeout > every || timeout.is_zero())
    {
        problems.error(
            at,
            "the timeout must be longer than 0s and not longer than every",
        );
    }
    let targets: Vec<Target> = scrape
        .items_of("targets")
        .iter()
        .filter_map(|item| target(item, path, problems))
        .collect();
    report_twice(&targets, scrape, problems);
    let bytes = scrape
        .bytes_of("body_bytes_max")
        .map_or(SCRAPE_BODY_BYTES_MAX, |bytes| {
            usize::try_from(bytes.get()).unwrap_or(usize::MAX)
        });
    let samples = scrape.field("samples_max").and_then(Node::integer);
    SourceConfig {
        name: name.to_owned(),
        input: Input::Scrape(ScrapeInput {
            targets,
            every,
            timeout: timeout.unwrap_or(SCRAPE_TIMEOUT.min(every)),
            honor_labels: scrape.boolean_of("honor_labels").unwrap_or(false),
            body_bytes_max: bytes,
            samples_max: samples
                .and_then(|samples| usize::try_from(samples).ok())
                .unwrap_or(SCRAPE_SAMPLES_MAX),
            labels: scrape_labels(node, name, problems),
        }),
        format: Format::RampartJson,
        meaning: Arc::new(Meaning::of_source(name)),
    }
}

/// `host:port` or a URL with `http` or `https`.
fn target(at: &Node, path: &str, problems: &mut Problems) -> Option<Target> {
    let text = at.as_text()?;
    let url = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}{path}")
    };
    let refuse = |problems: &mut Problems, why: &str| {
        problems
            .error(at, format!("{text:?} is not a target: {why}"))
            .hint("write host:port, or a URL such as https://host:port/metrics");
        None
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return refuse(problems, "there is no host");
    };
    if scheme != "http" && scheme != "https" {
        return refuse(problems, "only http and https can be scraped");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        return refuse(problems, "a target carries no user or password");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let plain_host = host.trim_start_matches('[').trim_end_matches(']');
    let possible = !plain_host.is_empty()
        && plain_host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
        && (!plain_host.contains(':') || host.starts_with('['));
    if !possible {
        return refuse(problems, "the host is not one");
    }
    let default = if scheme == "https" { 443 } else { 80 };
    let port = match port {
        None if text.contains("://") => default,
        None => return refuse(problems, "the port is missing"),
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return refuse(problems, "the port must be 1 to 65535"),
        },
    };
    Some(Target {
        instance: format!("{host}:{port}"),
        url,
    })
}

fn report_twice(targets: &[Target], scrape: &Node, problems: &mut Problems) {
    for (index, target) in targets.iter().enumerate() {
        let before = targets.get(..index).unwrap_or(&[]);
        if before.contains(target)
            && let Some(at) = scrape.items_of("targets").get(index)
        {
            problems.error(at, format!("target {} is named twice", target.instance));
        }
    }
}

fn scrape_labels(node: &Node, name: &str, problems: &mut Problems) -> Labels {
    let mut labels = Labels::from_pairs([("job", name)]);
    for (key, value) in node.field("labels").into_iter().flat_map(Node::fields) {
        let (Some(label), Some(text)) = (key.key_text(), value.as_text()) else {
            continue;
        };
        if !Labels::is_name(label) || label == "__name__" {
            problems
                .error(key, format!("{label:?} is not a label name"))
                .hint("use letters, digits and _, not starting with a digit");
        } else if label == "instance" {
            problems
                .error(key, "the label instance is the target's own")
                .hint("leave it out, or use another name");
        } else if text.len() > Labels::VALUE_BYTES_MAX {
            problems.error(value, "the label's value is too long");
        } else {
            labels.set(label, text);
        }
    }
    labels
}

fn call_labels(node: &Node, problems: &mut Problems) -> Vec<(TextField, String)> {
    let mut labels = Vec::new();
    for (key, value) in node.field("labels").into_iter().flat_map(Node::fields) {
        let (Some(label), Some(text)) = (key.key_text(), value.as_text()) else {
            continue;
        };
        if let Some((_, field)) = CALL_LABELS.iter().find(|(name, _)| *name == label) {
            labels.push((*field, text.to_owned()));
            continue;
        }
        let names = CALL_LABELS.map(|(name, _)| name);
        let hint = match declare::closest(label, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use {}", names.join(", ")),
        };
        problems
            .error(key, format!("calls have no label {label:?}"))
            .hint(hint);
    }
    labels
}

fn read_outcomes(node: &Node) -> OutcomeMap {
    let pairs = node.field("outcome").into_iter().flat_map(Node::fields);
    OutcomeMap::new(pairs.filter_map(|(word, outcome)| {
        let outcome = Outcome::from_word(outcome.as_text()?)?;
        Some((word.key_text()?.to_owned(), outcome))
    }))
}

fn read_format(node: &Node, input: &Input, problems: &mut Problems) -> Option<Format> {
    let Some(at) = node.field("format") else {
        if matches!(input, Input::Http(_)) {
            return Some(Format::RampartJson);
        }
        problems
            .error(node, "the format is missing")
            .hint("write format: nginx-json, rampart-json or {map: …}");
        return None;
    };
    match at.as_text() {
        Some("rampart-json") => Some(Format::RampartJson),
        Some("nginx-json") => Some(Format::NginxJson),
        Some(other) => {
            problems
                .error(at, format!("format {other} is {NOT_AVAILABLE}"))
                .hint(format!("use {} or {{map: …}}", FORMATS.join(", ")));
            None
        }
        None => read_mapping(at, node, problems).map(Format::Mapped),
    }
}

fn read_mapping(at: &Node, node: &Node, problems: &mut Problems) -> Option<Mapping> {
    let mut mapping = Mapping::default();
    let mut named = Vec::new();
    for (key, value) in at.field("map")?.fields() {
        let (Some(field), Some(path)) = (key.key_text(), value.as_text()) else {
            continue;
        };
        named.push(field);
        if Field::from_name(field).is_none() {
            let hint = match declare::closest(field, Field::NAMES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use {}", Field::NAMES.join(", ")),
            };
            problems
                .error(key, format!("{field:?} is not a field of an invocation"))
                .hint(hint);
        } else if let Err(error) = mapping.add(field, path) {
            problems.error(value, error.to_string());
        }
    }
    let has = |name: &str| named.contains(&name);
    if !has("outcome") && !has("status") && !has("http_status") {
        problems
            .error(at, "the map says nothing of the outcome")
            .hint("map outcome, or http_status from which it follows");
    }
    let from = node.field("function").and_then(|f| f.text_of("from"));
    if !has(from.unwrap_or("function")) {
        problems.error(
            at,
            format!("the map says nothing of {}", from.unwrap_or("function")),
        );
    }
    Some(mapping)
}

fn read_function(node: &Node, format: &Format, problems: &mut Problems) -> Option<FunctionSource> {
    let Some(at) = node.field("function") else {
        if *format == Format::NginxJson {
            problems
                .error(node, "nginx's lines name no function")
                .hint("write function: {from: path, pattern: '^/(?<namespace>[^/]+)/(?<function>[^/?]+)'}");
            return None;
        }
        return Some(FunctionSource::default());
    };
    let namespace = at.text_of("namespace");
    if let Some(at) = at.field("namespace")
        && !namespace.is_some_and(|text| FunctionId::is_part(text) && !text.contains('/'))
    {
        problems.error(at, "a namespace is 1 to 256 printable characters without /");
    }
    let pattern = match (at.text_of("from"), at.field("pattern")) {
        (Some(from), Some(pattern)) => {
            let from = match from {
                "path" => TextField::Path,
                _ => TextField::Function,
            };
            let regex = named_groups(pattern, namespace.is_some(), problems)?;
            Some(FunctionPattern { from, regex })
        }
        (Some(_), None) => {
            problems.error(at, "from needs a pattern");
            None
        }
        (None, Some(pattern)) => {
            problems
                .error(pattern, "the pattern needs to know where to look")
                .hint("add from: path or from: function");
            None
        }
        (None, None) => {
            if *format == Format::NginxJson {
                problems
                    .error(at, "nginx's lines name no function")
                    .hint("add from: path and a pattern");
            }
            None
        }
    };
    let default = FunctionSource::default();
    Some(FunctionSource {
        namespace: namespace.map_or(default.namespace, str::to_owned),
        pattern,
        only: at.items_of("only").iter().filter_map(Node::glob).collect(),
    })
}

/// Compiles the pattern and sees that it has the groups that are needed.
fn named_groups(at: &Node, fixed_namespace: bool, problems: &mut Problems) -> Option<Regex> {
    // A pattern that does not compile has been reported by its shape.
    let regex = regex::RegexBuilder::new(at.as_text()?)
        .size_limit(1 << 20)
        .build()
        .ok()?;
    let has = |name: &str| regex.capture_names().any(|group| group == Some(name));
    if !has("function") {
        problems
            .error(at, "the pattern has no group (?<function>…)")
            .hint("name the part that is the function, such as (?<function>[^/?]+)");
    }
    if !fixed_namespace && !has("namespace") {
        problems
            .error(at, "the pattern has no group (?<namespace>…)")
            .hint("name the part that is the namespace, or fix it with namespace:");
    }
    Some(regex)
}
