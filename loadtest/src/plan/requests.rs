//! What is sent, read from a plan.

use std::sync::Arc;

use declare::{Kind, Node, Problems};
use http::Method;
use serde_json::Value;

use super::Protocol;
use super::caps::HEADERS_MAX;
use super::files::Files;
use super::read::read_count;
use crate::request::{
    Expect, GrpcCall, HeaderCheck, JsonCheck, Lines, Request, RequestSet, StatusSet, Template,
    TextError, check_header, check_header_text, check_path, check_path_text,
};

/// The requests of a plan; `None` with a mistake. `protocol` is `None` when the target could not be read.
pub(super) fn read(
    root: &Node,
    protocol: Option<Protocol>,
    files: &mut Files,
    problems: &mut Problems,
) -> Option<RequestSet> {
    let nodes = root.items_of("requests");
    let mut requests = Vec::with_capacity(nodes.len());
    for node in nodes {
        check_protocol(node, protocol, problems);
        let request = if node.field("grpc").is_some() {
            read_grpc(node, problems)
        } else {
            read_http(node, files, problems)
        };
        requests.extend(request);
    }
    if requests.len() < nodes.len() {
        return None;
    }
    let set = RequestSet::new(requests);
    if set.is_none()
        && let Some(at) = root.field("requests").filter(|_| !nodes.is_empty())
    {
        problems
            .error(at, "no request would ever be chosen: every `weight` is 0")
            .hint("give one of them a weight above 0");
    }
    set
}

fn check_protocol(node: &Node, protocol: Option<Protocol>, problems: &mut Problems) {
    match (protocol, node.key("grpc"), node.key("path")) {
        (Some(Protocol::Http1 | Protocol::Http2), Some(key), _) => {
            problems
                .error(key, "a gRPC request needs a gRPC target")
                .hint("write `protocol: grpc` at the target");
        }
        (Some(Protocol::Grpc), None, Some(key)) => {
            problems
                .error(key, "a gRPC target takes gRPC requests")
                .hint("write `grpc: package.Service/Method` instead of a path");
        }
        _ => {}
    }
}

/// Something is wrong, and was told.
struct Reported;

/// A request's parts, each read.
struct Written {
    path: Template,
    headers: Vec<(String, String, Template)>,
    body: Option<(String, Template)>,
    lines: Option<Arc<Lines>>,
}

impl Written {
    fn head_takes_line(&self) -> bool {
        self.path.takes_line() || self.headers.iter().any(|(.., value)| value.takes_line())
    }

    fn body_takes_line(&self) -> bool {
        self.body
            .as_ref()
            .is_some_and(|(_, body)| body.takes_line())
    }
}

fn read_http(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<Request> {
    if let Some(key) = node.key("message") {
        problems
            .error(key, "`message` is of gRPC requests")
            .hint("write `body`");
    }
    // Everything is looked at before anything is given up, so that all mistakes are told.
    let path = read_path(node, problems);
    let headers = read_headers(node, problems);
    let body = read_body(node, problems);
    let lines = match node.field("body_file") {
        Some(at) => files.lines(at, problems).map(Some).ok_or(Reported),
        None => Ok(None),
    };
    let expect = read_expect(node, problems);
    let mut written = Written {
        path: path?,
        headers: headers?,
        body: body.ok()?,
        lines: lines.ok()?,
    };
    place_lines(node, &mut written, problems)?;
    let mut request = Request::new(
        read_method(node, written.body.is_some(), problems)?,
        node.text_of("path")?,
    );
    if let Some(name) = node.text_of("name") {
        name.clone_into(&mut request.name);
    }
    request.weight = read_weight(node);
    request.expect = expect?;
    request.headers = written
        .headers
        .into_iter()
        .map(|(name, value, _)| (name, value))
        .collect();
    if let Some((text, template)) = written.body {
        if let Some(body) = template.fixed() {
            request.body = body;
        } else {
            request.body = text.into();
            request.body_template = Some(template);
        }
    }
    request.lines = written.lines;
    Some(request)
}

/// Finds out where the lines of the body file go, and whether they may stand there.
fn place_lines(node: &Node, written: &mut Written, problems: &mut Problems) -> Option<()> {
    let (in_head, in_body) = (written.head_takes_line(), written.body_takes_line());
    let at = |name: &str| node.key(name).unwrap_or(node);
    match &written.lines {
        None if in_head || in_body => {
            let users = [
                ("path", written.path.takes_line()),
                ("headers", in_head),
                ("body", true),
            ];
            let user = users.iter().find(|(_, takes)| *takes)?.0;
            problems
                .error(at(user), "`{{ line }}` has no lines to take")
                .hint("name their file with `body_file`");
            None
        }
        Some(_) if !in_head && !in_body && written.body.is_some() => {
            problems
                .error(at("body_file"), "the lines of this file go nowhere")
                .hint("write {{ line }} into `body`, or leave `body` out: then each line is one");
            None
        }
        Some(_) if !in_head && !in_body => {
            let text = "{{ line }}";
            written.body = Some((text.to_owned(), Template::parse(text).ok()?));
            Some(())
        }
        Some(lines) if in_head => check_lines(node, lines, written, problems),
        _ => Some(()),
    }
}

/// Lines that go into a path or a header must not break out of it.
fn check_lines(
    node: &Node,
    lines: &Lines,
    written: &Written,
    problems: &mut Problems,
) -> Option<()> {
    let in_path = written.path.takes_line();
    for (index, line) in lines.iter().enumerate() {
        let checked = if in_path {
            check_path_text(line)
        } else {
            check_header_text(line)
        };
        if let Err(error) = checked {
            let at = node.key("body_file").unwrap_or(node);
            problems
                .error(
                    at,
                    format!("line {} cannot be sent: {}", index + 1, error.message),
                )
                .hint(error.hint);
            return None;
        }
    }
    Some(())
}

fn read_method(node: &Node, has_body: bool, problems: &mut Problems) -> Option<Method> {
    let method = match node.field("method") {
        Some(at) => Method::from_bytes(at.text()?.as_bytes()).ok()?,
        None if has_body => Method::POST,
        None => Method::GET,
    };
    let asks_for_body = node.field("expect").and_then(|expect| expect.key("json"));
    if let Some(key) = asks_for_body.filter(|_| method == Method::HEAD) {
        problems
            .error(key, "the answer to HEAD has no body")
            .hint("ask with GET, or leave the check out");
        return None;
    }
    Some(method)
}

fn read_weight(node: &Node) -> u64 {
    node.integer_of("weight")
        .and_then(|weight| u64::try_from(weight).ok())
        .unwrap_or(1)
}

fn read_path(node: &Node, problems: &mut Problems) -> Option<Template> {
    let at = node.field("path")?;
    let template = read_template(at, at.text()?, problems)?;
    holds(at, check_path(&template), problems).then_some(template)
}

fn read_headers(node: &Node, problems: &mut Problems) -> Option<Vec<(String, String, Template)>> {
    let Some(node) = node.field("headers") else {
        return Some(Vec::new());
    };
    let count = node.fields().count();
    let mut headers = Vec::with_capacity(count.min(HEADERS_MAX));
    if count > HEADERS_MAX {
        problems
            .error(
                node,
                format!("{count} headers are more than one request may have"),
            )
            .hint(format!("{HEADERS_MAX} is the limit"));
        return None;
    }
    for (key, value) in node.fields() {
        let (Some(name), Some(text)) = (key.text(), value.text()) else {
            continue;
        };
        let Some(template) = read_template(value, text, problems) else {
            continue;
        };
        let checked = check_header(name, &template);
        let at = if check_header(name, &Template::default()).is_ok() {
            value
        } else {
            key
        };
        if holds(at, checked, problems) {
            headers.push((name.to_ascii_lowercase(), text.to_owned(), template));
        }
    }
    (headers.len() == count).then_some(headers)
}

/// A body as text: as written, or a record or list as JSON.
fn read_body(node: &Node, problems: &mut Problems) -> Result<Option<(String, Template)>, Reported> {
    let Some(at) = node.field("body") else {
        return Ok(None);
    };
    let text = match at.text() {
        Some(text) => text.to_owned(),
        None => json_text(at),
    };
    let template = read_template(at, &text, problems).ok_or(Reported)?;
    Ok(Some((text, template)))
}

fn read_template(at: &Node, text: &str, problems: &mut Problems) -> Option<Template> {
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(error) => {
            problems
                .error_within(at, error.line, error.column, error.message)
                .hint(error.hint);
            None
        }
    }
}

fn holds(at: &Node, checked: Result<(), TextError>, problems: &mut Problems) -> bool {
    match checked {
        Ok(()) => true,
        Err(error) => {
            problems.error(at, error.message).hint(error.hint);
            false
        }
    }
}

fn read_expect(node: &Node, problems: &mut Problems) -> Option<Expect> {
    let mut expect = Expect::default();
    let Some(section) = node.field("expect") else {
        return Some(expect);
    };
    let is_grpc = node.field("grpc").is_some();
    let misplaced: &[&str] = if is_grpc {
        &["status", "json"]
    } else {
        &["grpc_status"]
    };
    for name in misplaced {
        if let Some(key) = section.key(name) {
            let (of, instead) = if is_grpc {
                ("HTTP", "write `grpc_status`")
            } else {
                ("gRPC", "write `status`")
            };
            problems
                .error(key, format!("`{name}` is of {of} requests"))
                .hint(instead);
        }
    }
    let statuses = read_checks(section, "status", StatusSet::parse, problems)?;
    for set in statuses {
        expect.statuses.extend(set);
    }
    expect.headers = read_checks(section, "header", HeaderCheck::parse, problems)?;
    expect.json = read_checks(section, "json", JsonCheck::parse, problems)?;
    expect.grpc_status = read_count(Some(section), "grpc_status", 0);
    Some(expect)
}

/// One text or a list of them, each read; `None` when one of them is wrong.
fn read_checks<T>(
    section: &Node,
    name: &str,
    parse: impl Fn(&str) -> Result<T, TextError>,
    problems: &mut Problems,
) -> Option<Vec<T>> {
    let Some(field) = section.field(name) else {
        return Some(Vec::new());
    };
    let nodes = match field.text() {
        Some(_) => std::slice::from_ref(field),
        None => field.items(),
    };
    let mut checks = Vec::with_capacity(nodes.len());
    for (at, text) in nodes.iter().filter_map(|at| Some((at, at.text()?))) {
        match parse(text) {
            Ok(check) => checks.push(check),
            Err(error) => {
                problems.error(at, error.message).hint(error.hint);
            }
        }
    }
    (checks.len() == nodes.len()).then_some(checks)
}

fn read_grpc(node: &Node, problems: &mut Problems) -> Option<Request> {
    for name in ["method", "body", "body_file"] {
        if let Some(key) = node.key(name) {
            problems
                .error(key, format!("`{name}` is of HTTP requests"))
                .hint("a gRPC request has `grpc`, `message` and `headers`");
        }
    }
    let call = read_call(node, problems);
    let message = read_message(node.field("message"), problems);
    let headers = read_headers(node, problems);
    let expect = read_expect(node, problems);
    let (call, headers) = (call?, headers?);
    if let Some(at) = node
        .key("headers")
        .filter(|_| headers.iter().any(|(.., value)| value.takes_line()))
    {
        problems
            .error(at, "`{{ line }}` has no lines to take")
            .hint("a gRPC request has no `body_file`");
    }
    let mut request = Request::new(Method::POST, &format!("/{call}"));
    node.text_of("name")
        .unwrap_or(&call)
        .clone_into(&mut request.name);
    request.weight = read_weight(node);
    request.expect = expect?;
    request.headers = headers
        .into_iter()
        .map(|(name, value, _)| (name, value))
        .collect();
    request.grpc = Some(GrpcCall {
        service_method: call,
        message: message?,
    });
    Some(request)
}

/// `package.Service/Method`.
fn read_call(node: &Node, problems: &mut Problems) -> Option<String> {
    let at = node.field("grpc")?;
    let text = at.text()?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let fits = text
        .split_once('/')
        .is_some_and(|(service, method)| service.split('.').all(is_name) && is_name(method));
    if !fits {
        problems
            .error(at, format!("`{text}` is not a gRPC method"))
            .hint("write package.Service/Method");
        return None;
    }
    Some(text.to_owned())
}

fn read_message(at: Option<&Node>, problems: &mut Problems) -> Option<Value> {
    let Some(at) = at else {
        return Some(Value::Object(serde_json::Map::new()));
    };
    if at.kind() != Kind::Record {
        problems
            .error(at, "a message is a record of its fields")
            .hint("write {page: 1}");
        return None;
    }
    let text = json_text(at);
    if text.contains("{{") {
        problems
            .error(
                at,
                "a gRPC message is written once, templates in it are not filled",
            )
            .hint("write several requests, each with its weight");
        return None;
    }
    serde_json::from_str(&text).ok()
}

/// A YAML value as JSON text, fields in the order written: what stands in quotes is a text, other
/// scalars are what JSON reads them as.
fn json_text(node: &Node) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    match node.kind() {
        Kind::Null => "null".to_owned(),
        Kind::List => {
            let items: Vec<String> = node.items().iter().map(json_text).collect();
            format!("[{}]", items.join(","))
        }
        Kind::Record => {
            let fields: Vec<String> = node
                .fields()
                .map(|(key, value)| {
                    format!(
                        "{}:{}",
                        quoted(key.text().unwrap_or_default()),
                        json_text(value)
                    )
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Kind::Scalar => {
            let text = node.text().unwrap_or_default();
            let is_plain = !node.is_quoted()
                && serde_json::from_str::<Value>(text)
                    .is_ok_and(|value| value.is_number() || value.is_boolean());
            if is_plain {
                text.to_owned()
            } else {
                quoted(text)
            }
        }
    }
}
