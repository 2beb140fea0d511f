//! nginx's access log as JSON, one object a line.

use super::draft::{Draft, last_of_list, sum_of_list};
use super::field::{Field, Span, TextField};
use super::flat::Entry;
use super::json::{Scalar, Text};
use super::meaning::OutcomeMap;

/// The `log_format` that the format `nginx-json` reads best; it goes into nginx's `http` block.
pub const NGINX_LOG_FORMAT: &str = r#"log_format rampart escape=json
    '{"msec":$msec,"request_time":$request_time,"status":$status,'
    '"request_method":"$request_method","request_uri":"$request_uri",'
    '"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",'
    '"upstream_response_time":"$upstream_response_time",'
    '"request_id":"$request_id","http_x_rampart_test":"$http_x_rampart_test"}';
"#;

/// Fields that need more than one of them to be understood.
#[derive(Debug, Default)]
pub(crate) struct Upstream<'a> {
    status: Text<'a>,
    seconds: Text<'a>,
    uri: Text<'a>,
}

/// Takes one variable of the log line.
pub(crate) fn take<'a>(
    entry: Entry<'a>,
    draft: &mut Draft<'a>,
    upstream: &mut Upstream<'a>,
    outcomes: &OutcomeMap,
    scratch: &mut String,
) {
    let Entry { key, value, .. } = entry;
    let kept;
    let name = if let Text::Plain(name) = key {
        name
    } else {
        kept = key.read(scratch).to_owned();
        kept.as_str()
    };
    let field = match name {
        "msec" | "time_iso8601" => Field::CompletedAt,
        "request_time" => Field::Number(Span::Duration, 1e6),
        "status" => Field::HttpStatus,
        "upstream_addr" => Field::Text(TextField::Instance),
        "request_id" | "http_x_request_id" => Field::Text(TextField::RequestId),
        "http_x_rampart_test" => Field::StressMark,
        "request_uri" => Field::Text(TextField::Path),
        "upstream_status" | "upstream_response_time" | "uri" => {
            let text = value.into_text(scratch).unwrap_or_default();
            match name {
                "upstream_status" => upstream.status = text,
                "uri" => upstream.uri = text,
                _ => upstream.seconds = text,
            }
            return;
        }
        // Names of Rampart's own record may be logged as well: version, unit, trace_id, …
        name => match Field::from_name(name) {
            Some(Field::Ts | Field::CompletedAt) | None => return draft.attr(key, value, scratch),
            Some(field) => field,
        },
    };
    // msec is finer than time_iso8601; whichever comes first must not be lost to the other.
    if name == "time_iso8601" && draft.completed_at.is_some() {
        return;
    }
    draft.set(field, name, value, outcomes, scratch);
}

/// Settles what depends on several variables.
pub(crate) fn settle<'a>(draft: &mut Draft<'a>, upstream: &Upstream<'a>, scratch: &mut String) {
    if draft.text(TextField::Path).read(scratch).is_empty() {
        draft.set_text(TextField::Path, upstream.uri);
    }
    let instance = draft.text(TextField::Instance);
    let addresses = instance.read(scratch);
    // Several upstreams were tried, or an upstream group was: the last one answered. A single
    // address keeps its colon before the port.
    if addresses.contains([',', ' ']) {
        let last = addresses.rsplit([',', ' ']).find(|part| !part.is_empty());
        let last = last.unwrap_or("").to_owned();
        let last = Text::keep(&last, scratch);
        draft.set_text(TextField::Instance, last);
    } else if addresses == "-" {
        draft.set_text(TextField::Instance, Text::Absent);
    }
    let statuses = upstream.status.read(scratch);
    let last_status = last_of_list(statuses).parse::<u16>().ok();
    let retried = statuses.contains([',', ':']);
    if draft.http_status.is_none() {
        draft.http_status = last_status.filter(|status| (100..=599).contains(status));
    }
    let differs = last_status.is_some() && last_status != draft.http_status;
    if draft.duration_us.is_none() {
        draft.duration_us = sum_of_list(upstream.seconds.read(scratch));
    }
    if retried || differs {
        draft.attr(
            Text::Plain("upstream_status"),
            Scalar::Text(upstream.status),
            scratch,
        );
    }
    if retried {
        draft.attr(
            Text::Plain("upstream_response_time"),
            Scalar::Text(upstream.seconds),
            scratch,
        );
    }
}
