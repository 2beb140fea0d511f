//! What a scalar's text means. Each kind of leaf has one function, used by [`crate::check`] for its
//! reason and by the typed readers of [`Node`] for its value, so that the two never disagree.

use std::time::Duration;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use model::{Bytes, FunctionId, Glob, Matcher, Rate, Ratio};

use crate::Node;
use crate::suggest::did_you_mean;

/// Why a text is not the leaf it should be, and the way out if one is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Reason {
    fn new(message: String) -> Self {
        Reason {
            message,
            hint: None,
        }
    }

    /// An error that quotes the text in its own way, with the quotes that problems use.
    fn from_error(text: &str, error: &impl ToString) -> Self {
        let message = error.to_string();
        let quoted = format!("{text:?}");
        Reason::new(match message.strip_prefix(&quoted) {
            Some(rest) => format!("{}{rest}", quote(text)),
            None => message,
        })
    }
}

/// A text in backticks, on one line and not endless.
pub(crate) fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut short: String = text
        .chars()
        .take(CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}

pub(crate) fn boolean(node: &Node) -> Result<bool, Reason> {
    let text = node.as_text().unwrap_or_default();
    match text {
        "true" if !node.is_quoted() => Ok(true),
        "false" if !node.is_quoted() => Ok(false),
        _ => Err(Reason {
            message: format!("{} is neither `true` nor `false`", shown(node)),
            hint: match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" => Some("write true".to_owned()),
                "no" | "off" | "false" => Some("write false".to_owned()),
                _ => None,
            },
        }),
    }
}

pub(crate) fn integer(node: &Node, min: i64, max: i64) -> Result<i64, Reason> {
    let number: i64 = plain(node)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Reason {
            message: format!("{} is not a whole number", shown(node)),
            hint: unquoted_hint(node),
        })?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(Reason::new(out_of_range(node, number_range(min, max))))
    }
}

pub(crate) fn number(node: &Node, min: f64, max: f64) -> Result<f64, Reason> {
    let number = plain(node)
        .filter(|text| text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)))
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|number| number.is_finite())
        .ok_or_else(|| Reason {
            message: format!("{} is not a number", shown(node)),
            hint: unquoted_hint(node),
        })?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(Reason::new(out_of_range(node, float_range(min, max))))
    }
}

/// The text of an unquoted scalar: quotes make a number a text.
fn plain(node: &Node) -> Option<&str> {
    node.as_text().filter(|_| !node.is_quoted())
}

fn shown(node: &Node) -> String {
    let text = node.as_text().unwrap_or_default();
    if node.is_quoted() {
        format!("the text {}", quote(text))
    } else {
        quote(text)
    }
}

fn unquoted_hint(node: &Node) -> Option<String> {
    let looks_right = node.as_text()?.parse::<f64>().is_ok();
    (node.is_quoted() && looks_right).then(|| "leave the quotes out".to_owned())
}

fn out_of_range(node: &Node, range: String) -> String {
    let text = node.as_text().unwrap_or_default();
    format!("{} is out of range: it must be {range}", quote(text))
}

pub(crate) fn number_range(min: i64, max: i64) -> String {
    match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (min, i64::MAX) => format!("at least {min}"),
        (i64::MIN, max) => format!("at most {max}"),
        (min, max) => format!("between {min} and {max}"),
    }
}

pub(crate) fn float_range(min: f64, max: f64) -> String {
    match (
        min.is_finite() && min > f64::MIN,
        max.is_finite() && max < f64::MAX,
    ) {
        (false, false) => "a number".to_owned(),
        (true, false) => format!("at least {min}"),
        (false, true) => format!("at most {max}"),
        (true, true) => format!("between {min} and {max}"),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, Reason> {
    model::parse_duration(text).map_err(|error| Reason::from_error(text, &error))
}

pub(crate) fn ratio(text: &str) -> Result<Ratio, Reason> {
    Ratio::parse(text).map_err(|error| Reason::from_error(text, &error))
}

pub(crate) fn rate(text: &str) -> Result<Rate, Reason> {
    Rate::parse(text).map_err(|error| Reason::from_error(text, &error))
}

pub(crate) fn bytes(text: &str) -> Result<Bytes, Reason> {
    Bytes::parse(text).map_err(|error| Reason::from_error(text, &error))
}

pub(crate) fn glob(text: &str) -> Result<Glob, Reason> {
    Glob::new(text).map_err(|error| Reason::from_error(text, &error))
}

pub(crate) fn matcher(text: &str) -> Result<Matcher, Reason> {
    text.parse()
        .map_err(|error: model::MatcherError| Reason::from_error(text, &error))
}

pub(crate) fn function_id(text: &str) -> Result<FunctionId, Reason> {
    text.parse()
        .map_err(|error: model::FunctionIdError| Reason::from_error(text, &error))
}

pub(crate) fn local_time(text: &str) -> Result<NaiveDateTime, Reason> {
    let well_formed = matches!(text.len(), 16 | 19);
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .filter(|_| well_formed)
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .ok_or_else(|| Reason {
            message: format!("{} is not a local time", quote(text)),
            hint: Some("write it as 2026-11-10T20:00, without a time zone".to_owned()),
        })
}

pub(crate) fn time_zone(text: &str) -> Result<Tz, Reason> {
    text.parse().map_err(|_| Reason {
        message: format!("{} is not a time zone", quote(text)),
        hint: did_you_mean(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()))
            .or_else(|| Some("use an IANA name such as Asia/Shanghai or UTC".to_owned())),
    })
}

/// `http://host[:port][/…]` or https; a host must be there, and nothing that a request line or a
/// terminal could trip over.
pub(crate) fn url(text: &str) -> Result<(), Reason> {
    let refuse = |why: &str| Reason {
        message: format!("{} is not a URL: {why}", quote(text)),
        hint: Some("write it as https://host/path".to_owned()),
    };
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or_else(|| refuse("it must begin with http:// or https://"))?;
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refuse("it holds a space or a control character"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = split_port(host_and_port);
    if host.is_empty() {
        return Err(refuse("the host is missing"));
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => {
            Err(refuse("the port must be a number up to 65535"))
        }
        _ => Ok(()),
    }
}

/// `host:port`, where the host is a name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn socket_address(text: &str) -> Result<(), Reason> {
    let refuse = |why: &str| Reason {
        message: format!("{} is not an address: {why}", quote(text)),
        hint: Some("write it as 127.0.0.1:9650, [::1]:9650 or host:9650".to_owned()),
    };
    let (host, port) = split_port(text);
    if host.is_empty() {
        return Err(refuse("the host is missing"));
    }
    let is_host = |c: char| c.is_alphanumeric() || "-._[]:%".contains(c);
    if !host.chars().all(is_host) || (host.contains(':') && !host.starts_with('[')) {
        return Err(refuse("that is not a host"));
    }
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err(refuse("the port must be a number up to 65535")),
        None => Err(refuse("the port is missing")),
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// Compiles a regular expression within the size that matchers allow too.
pub(crate) fn regex(text: &str) -> Result<(), Reason> {
    const PROGRAM_BYTES_MAX: usize = 1 << 20;
    regex::RegexBuilder::new(text)
        .size_limit(PROGRAM_BYTES_MAX)
        .build()
        .map(|_| ())
        .map_err(|error| {
            let message = error.to_string();
            // The last line says what is wrong; those before it draw the pattern.
            let why = message.lines().last().unwrap_or_default();
            Reason::new(format!(
                "{} is not a regular expression: {}",
                quote(text),
                why.trim_start_matches("error: ")
            ))
        })
}

/// The typed readers. Each gives a value only when the leaf is well formed and never reports:
/// [`crate::check`] already has.
impl Node {
    /// A text; numbers and booleans written without quotes are texts too.
    pub fn text(&self) -> Option<&str> {
        self.as_text()
    }

    /// `true` or `false`, unquoted.
    pub fn boolean(&self) -> Option<bool> {
        boolean(self).ok()
    }

    /// A whole number.
    pub fn integer(&self) -> Option<i64> {
        integer(self, i64::MIN, i64::MAX).ok()
    }

    /// A finite number.
    pub fn number(&self) -> Option<f64> {
        number(self, f64::MIN, f64::MAX).ok()
    }

    /// A duration such as `1m30s`.
    pub fn duration(&self) -> Option<Duration> {
        duration(self.as_text()?).ok()
    }

    /// A share such as `99.5%`.
    pub fn ratio(&self) -> Option<Ratio> {
        ratio(self.as_text()?).ok()
    }

    /// A rate such as `5/s`.
    pub fn rate(&self) -> Option<Rate> {
        rate(self.as_text()?).ok()
    }

    /// A size such as `20MiB`.
    pub fn bytes(&self) -> Option<Bytes> {
        bytes(self.as_text()?).ok()
    }

    /// A pattern over `namespace/name`.
    pub fn glob(&self) -> Option<Glob> {
        glob(self.as_text()?).ok()
    }

    /// A label matcher.
    pub fn matcher(&self) -> Option<Matcher> {
        matcher(self.as_text()?).ok()
    }

    /// A function, `namespace/name`.
    pub fn function_id(&self) -> Option<FunctionId> {
        function_id(self.as_text()?).ok()
    }

    /// A local time such as `2026-11-10T20:00`, with or without seconds.
    pub fn local_time(&self) -> Option<NaiveDateTime> {
        local_time(self.as_text()?).ok()
    }

    /// An IANA time zone.
    pub fn time_zone(&self) -> Option<Tz> {
        time_zone(self.as_text()?).ok()
    }
}

macro_rules! of_field {
    ($($(#[$doc:meta])* $name:ident => $leaf:ident -> $value:ty;)+) => {
        /// Shorthands: the field with this name, read as a leaf.
        impl Node {
            $($(#[$doc])* pub fn $name(&self, field: &str) -> Option<$value> {
                self.field(field).and_then(Node::$leaf)
            })+
        }
    };
}

of_field! {
    /// [`Node::text`] of a field.
    text_of => text -> &str;
    /// [`Node::boolean`] of a field.
    boolean_of => boolean -> bool;
    /// [`Node::integer`] of a field.
    integer_of => integer -> i64;
    /// [`Node::number`] of a field.
    number_of => number -> f64;
    /// [`Node::duration`] of a field.
    duration_of => duration -> Duration;
    /// [`Node::ratio`] of a field.
    ratio_of => ratio -> Ratio;
    /// [`Node::rate`] of a field.
    rate_of => rate -> Rate;
    /// [`Node::bytes`] of a field.
    bytes_of => bytes -> Bytes;
    /// [`Node::glob`] of a field.
    glob_of => glob -> Glob;
    /// [`Node::matcher`] of a field.
    matcher_of => matcher -> Matcher;
    /// [`Node::function_id`] of a field.
    function_id_of => function_id -> FunctionId;
    /// [`Node::local_time`] of a field.
    local_time_of => local_time -> NaiveDateTime;
    /// [`Node::time_zone`] of a field.
    time_zone_of => time_zone -> Tz;
}

/// Shorthands for fields that hold several nodes.
impl Node {
    /// The items of the list in this field; none when it is absent.
    pub fn items_of(&self, field: &str) -> &[Node] {
        self.field(field).map_or(&[], Node::items)
    }

    /// The texts of the list in this field; none when it is absent.
    pub fn texts_of(&self, field: &str) -> impl Iterator<Item = &str> {
        self.items_of(field).iter().filter_map(Node::as_text)
    }
}
