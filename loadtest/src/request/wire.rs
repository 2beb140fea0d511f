//! A request compiled: for HTTP/1.1 one text, for HTTP/2 its parts; only what varies is made up later.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use super::lines::is_json;
use super::template::write_digits;
use super::{
    Envelope, Filling, Lines, Parts, Request, TEST_HEADER, TRAFFIC_HEADER, TRAFFIC_STRESS, Template,
};
use crate::random::Random;

/// What goes out for one kind of request.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire {
    /// The whole HTTP/1.1 request when nothing in it varies.
    fixed: Option<Bytes>,
    /// Otherwise its request line and headers, up to the length of the body.
    head: Template,
    body: Body,
    scheme: &'static str,
    authority: String,
    path: Template,
    /// The same as a text, when it does not vary.
    fixed_path: Option<String>,
    headers: Vec<(HeaderName, Template)>,
    /// The same with values, when none varies.
    fixed_headers: Option<Vec<(HeaderName, HeaderValue)>>,
}

#[derive(Clone, Debug, Default)]
enum Body {
    /// Nothing, and no length either.
    #[default]
    Absent,
    Fixed(Bytes),
    /// A line of the body file as it stands.
    Line,
    Template(Template),
}

impl Wire {
    pub(super) fn new(request: &Request, envelope: &Envelope) -> Self {
        let body = Body::of(request);
        let mut path = Template::literal(&envelope.base_path);
        path.append(compile(&request.path));
        let authority = request
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map_or(envelope.authority.as_str(), |(_, value)| value)
            .to_owned();
        let headers = headers(request, envelope, &body);
        let head = head(&request.method, &path, &authority, &headers, envelope);
        Wire {
            fixed: fixed(&head, &body),
            head,
            body,
            scheme: envelope.scheme,
            authority,
            fixed_path: path.fixed().map(to_text),
            path,
            fixed_headers: headers
                .iter()
                .map(|(name, value)| Some((name.clone(), to_value(value.fixed()?))))
                .collect(),
            headers,
        }
    }

    #[inline]
    pub(super) fn fixed_http1(&self) -> Option<&Bytes> {
        self.fixed.as_ref()
    }

    pub(super) fn write_http1(
        &self,
        filling: &mut Filling,
        lines: Option<&Lines>,
        out: &mut Vec<u8>,
    ) {
        let line = lines.map_or(&b""[..], |lines| lines.line_in_turn(filling.number));
        self.head.write(filling, line, out);
        match &self.body {
            Body::Absent => out.extend_from_slice(END_OF_HEAD),
            Body::Fixed(body) => write_with_length(body, out),
            Body::Line => write_with_length(line, out),
            Body::Template(template) => {
                // The length stands before the body and is known after it: the body is moved once.
                out.extend_from_slice(CONTENT_LENGTH);
                let length_at = out.len();
                out.extend_from_slice(END_OF_HEAD);
                let body_at = out.len();
                template.write(filling, line, out);
                let mut digits = Vec::with_capacity(DIGITS_MAX);
                write_digits((out.len() - body_at) as u64, &mut digits);
                out.splice(length_at..length_at, digits);
            }
        }
    }

    pub(super) fn parts<'a>(
        &'a self,
        method: &'a Method,
        filling: &mut Filling,
        lines: Option<&Lines>,
    ) -> Parts<'a> {
        let number = filling.number;
        let line = lines.map_or(&b""[..], |lines| lines.line_in_turn(number));
        let path = match &self.fixed_path {
            Some(path) => Cow::Borrowed(path.as_str()),
            None => Cow::Owned(to_text(fill(&self.path, filling, line))),
        };
        let headers = match &self.fixed_headers {
            Some(headers) => Cow::Borrowed(headers.as_slice()),
            None => Cow::Owned(
                self.headers
                    .iter()
                    .map(|(name, value)| (name.clone(), to_value(fill(value, filling, line))))
                    .collect(),
            ),
        };
        let body = match &self.body {
            Body::Absent => Bytes::new(),
            Body::Fixed(body) => body.clone(),
            Body::Line => lines.map_or_else(Bytes::new, |lines| lines.in_turn(number)),
            Body::Template(template) => fill(template, filling, line),
        };
        Parts {
            method,
            scheme: self.scheme,
            authority: &self.authority,
            path,
            headers,
            body,
        }
    }
}

const CONTENT_LENGTH: &[u8] = b"\r\ncontent-length: ";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Digits of the largest length.
const DIGITS_MAX: usize = 20;

impl Body {
    fn of(request: &Request) -> Self {
        match &request.body_template {
            Some(template) if template.is_line() => Body::Line,
            Some(template) => template
                .fixed()
                .map_or_else(|| Body::Template(template.clone()), Body::Fixed),
            None if !request.body.is_empty() => Body::Fixed(request.body.clone()),
            // A method that means to bring something says that it brings nothing (RFC 9110, 8.6).
            None if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) => {
                Body::Fixed(Bytes::new())
            }
            None => Body::Absent,
        }
    }

    /// Whether it is JSON; of a body that varies a sample is looked at.
    fn is_json(&self, lines: Option<&Lines>) -> bool {
        match self {
            Body::Absent => false,
            Body::Fixed(body) => is_json(body),
            Body::Line => lines.is_some_and(Lines::all_json),
            Body::Template(template) => {
                let mut sample = Filling::new(Random::new(0, 0), 0, 1);
                let line = lines.map_or(&b""[..], |lines| lines.line_in_turn(0));
                is_json(&fill(template, &mut sample, line))
            }
        }
    }
}

/// All headers but `host`, `connection` and `content-length`.
fn headers(request: &Request, envelope: &Envelope, body: &Body) -> Vec<(HeaderName, Template)> {
    let given = |wanted: &str| {
        request
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    };
    let mut headers: Vec<(&str, Template)> = Vec::new();
    if !given("user-agent") {
        headers.push(("user-agent", Template::literal("rampart")));
    }
    headers.push((TEST_HEADER, Template::literal(&envelope.run_id)));
    headers.push((TRAFFIC_HEADER, Template::literal(TRAFFIC_STRESS)));
    for (name, value) in &request.headers {
        if !name.eq_ignore_ascii_case("host") {
            headers.push((name, compile(value)));
        }
    }
    let is_json = || body.is_json(request.lines.as_deref());
    if request.grpc.is_none() && !given("content-type") && is_json() {
        headers.push(("content-type", Template::literal("application/json")));
    }
    headers
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value)))
        .collect()
}

/// The request line and headers of HTTP/1.1, each but the last with its end.
fn head(
    method: &Method,
    path: &Template,
    authority: &str,
    headers: &[(HeaderName, Template)],
    envelope: &Envelope,
) -> Template {
    let mut head = Template::literal(method.as_str());
    head.push_literal(" ");
    head.append(path.clone());
    head.push_literal(&format!(" HTTP/1.1\r\nhost: {authority}"));
    for (name, value) in headers {
        head.push_literal(&format!("\r\n{name}: "));
        head.append(value.clone());
    }
    if !envelope.keep_alive {
        head.push_literal("\r\nconnection: close");
    }
    head
}

fn fixed(head: &Template, body: &Body) -> Option<Bytes> {
    let mut bytes = head.fixed()?.to_vec();
    match body {
        Body::Absent => bytes.extend_from_slice(END_OF_HEAD),
        Body::Fixed(body) => write_with_length(body, &mut bytes),
        Body::Line | Body::Template(_) => return None,
    }
    Some(bytes.into())
}

fn write_with_length(body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(CONTENT_LENGTH);
    write_digits(body.len() as u64, out);
    out.extend_from_slice(END_OF_HEAD);
    out.extend_from_slice(body);
}

fn fill(template: &Template, filling: &mut Filling, line: &[u8]) -> Bytes {
    let mut out = Vec::new();
    template.write(filling, line, &mut out);
    out.into()
}

fn to_text(bytes: Bytes) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text that is no template stands for itself; a plan's were read before.
fn compile(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|_| Template::literal(text))
}

/// A value that could not be sent is left empty; a plan's were checked before.
fn to_value(bytes: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| HeaderValue::from_static(""))
}
