//! Texts that go into a request's head, and what an answer's headers must say.

use http::{HeaderName, HeaderValue};
use model::{MatchOperator, Matcher};

use super::{TEST_HEADER, TRAFFIC_HEADER, Template, TextError};

/// Headers that follow from how the connection is used; a plan may not say otherwise.
const OWN_HEADERS: [(&str, &str); 9] = [
    ("connection", "say it with `keep_alive` of the target"),
    ("keep-alive", "say it with `keep_alive` of the target"),
    ("content-length", "it is counted from the body"),
    ("transfer-encoding", "bodies are sent with their length"),
    ("te", "bodies are sent with their length"),
    ("trailer", "bodies are sent with their length"),
    ("upgrade", "say it with `protocol` of the target"),
    (TEST_HEADER, "it always names the run"),
    (TRAFFIC_HEADER, "it always marks the load as such"),
];

/// How much of an answer's value is shown.
pub(super) const SHOWN_CHARS_MAX: usize = 80;

/// Refuses a path that is not one, or that would end the request line early.
pub fn check_path(path: &Template) -> Result<(), TextError> {
    let first = path.texts().next().unwrap_or(b"");
    if !first.starts_with(b"/") {
        return Err(TextError::new(
            "a path begins with `/`",
            "write the path alone, the target has scheme and host",
        ));
    }
    path.texts().try_for_each(check_path_text)
}

/// Refuses what may not stand anywhere in a path.
pub(crate) fn check_path_text(text: &[u8]) -> Result<(), TextError> {
    match text
        .iter()
        .find(|byte| !byte.is_ascii_graphic() || **byte == b'#')
    {
        None => Ok(()),
        Some(b'#') => Err(TextError::new(
            "a path holds no `#`: what follows it is never sent",
            "leave it out, or write %23",
        )),
        Some(b' ') => Err(TextError::new("a path holds no space", "write %20")),
        Some(byte) if byte.is_ascii() => Err(TextError::new(
            "a path holds no line break or other control character",
            "leave it out, or write it as % and two hexadecimal digits",
        )),
        Some(_) => Err(TextError::new(
            "a path holds ASCII characters only",
            "write others as % and two hexadecimal digits for each byte of UTF-8",
        )),
    }
}

/// Refuses headers that are none, that would break out of their line, or that a plan may not set.
pub fn check_header(name: &str, value: &Template) -> Result<(), TextError> {
    let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        TextError::new(
            "this is not a header name",
            "a name has letters, digits and -, such as x-user-id",
        )
    })?;
    if let Some((own, why)) = OWN_HEADERS.iter().find(|(own, _)| known == *own) {
        return Err(TextError::new(
            format!("`{own}` cannot be set by a plan"),
            *why,
        ));
    }
    if known == http::header::HOST && value.fixed().is_none() {
        return Err(TextError::new(
            "`host` cannot differ between requests",
            "write one name",
        ));
    }
    value.texts().try_for_each(check_header_text)
}

/// Refuses what may not stand anywhere in a header's value.
pub(crate) fn check_header_text(text: &[u8]) -> Result<(), TextError> {
    if HeaderValue::from_bytes(text).is_ok() {
        return Ok(());
    }
    Err(TextError::new(
        "a header holds no line break or other control character",
        "leave it out: it would begin a header or a request of its own",
    ))
}

/// What one header of an answer must say.
#[derive(Clone, Debug)]
pub struct HeaderCheck {
    name: String,
    wanted: Matcher,
    written: String,
}

impl HeaderCheck {
    /// Reads `content-type: application/json` (exactly this value) or `content-type ~ application/.*`
    /// (a regular expression over the whole value).
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let at = text.find([':', '~']).ok_or_else(|| {
            TextError::new(
                format!("`{text}` is not a header check"),
                "write \"content-type: application/json\" or \"content-type ~ application/.*\"",
            )
        })?;
        let (name, rest) = text.split_at(at);
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| {
            TextError::new(
                format!("`{}` is not a header name", name.trim()),
                "a name has letters, digits and -, such as content-type",
            )
        })?;
        let (operator, value) = match rest.strip_prefix('~') {
            Some(pattern) => (MatchOperator::Matches, pattern),
            None => (MatchOperator::Equal, rest.get(1..).unwrap_or("")),
        };
        let wanted = Matcher::new("header", operator, value.trim()).map_err(|error| {
            TextError::new(error.to_string(), "it is matched against the whole value")
        })?;
        Ok(HeaderCheck {
            name: name.as_str().to_owned(),
            wanted,
            written: text.to_owned(),
        })
    }

    /// The header's name in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether an answer's value fits; one that is absent or not text does not.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        value
            .and_then(|value| std::str::from_utf8(value).ok())
            .is_some_and(|value| self.wanted.matches_value(value.trim()))
    }

    /// What is wrong with a value that does not fit: `with content-type "text/html"; the plan expects
    /// content-type: application/json`.
    pub(super) fn what_lacks(&self, value: Option<&[u8]>) -> String {
        let got = match value {
            None => format!("without {}", self.name),
            Some(value) => {
                let text: String = String::from_utf8_lossy(value)
                    .chars()
                    .take(SHOWN_CHARS_MAX)
                    .collect();
                // As a literal, so that nothing in it steers a terminal.
                format!("with {} {text:?}", self.name)
            }
        };
        format!("{got}; the plan expects {}", self.written)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}
