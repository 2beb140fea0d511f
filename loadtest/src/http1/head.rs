//! The head of an answer: what it says about the body. A server mostly repeats itself, so the last
//! head is remembered, and the same bytes are not read twice.

use std::mem::MaybeUninit;

use super::framing::{HEAD_BYTES_MAX, HEADERS_MAX};
use crate::outcome::Failure;

/// Largest head that is remembered, in bytes; each connection remembers one.
const REMEMBERED_BYTES_MAX: usize = 1024;

/// What a whole head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its bytes, the empty line included.
    pub(super) length: usize,
    /// 100 to 999, and never 101: we do not ask to change the protocol.
    pub(super) status: u16,
    /// Whether the other side keeps the connection open afterwards.
    pub(super) reusable: bool,
    /// How the body ends, when there is one.
    pub(super) ending: Ending,
}

/// How the headers say that a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// When the other side closes.
    Close,
}

/// Reads the heads of one connection.
#[derive(Debug, Default)]
pub(super) struct Heads {
    last: Vec<u8>,
    said: Option<Head>,
}

impl Heads {
    /// The head that `bytes` begin with, or `None` when it is not whole.
    #[inline]
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>, Failure> {
        // A head ends with its first empty line, so bytes that begin like a head begin with that head.
        if self.said.is_some() && bytes.starts_with(&self.last) {
            return Ok(self.said);
        }
        self.read_anew(bytes)
    }

    fn read_anew(&mut self, bytes: &[u8]) -> Result<Option<Head>, Failure> {
        let head = read(bytes)?;
        if let Some(head) = head.filter(|head| head.length <= REMEMBERED_BYTES_MAX) {
            self.last.clear();
            self.last
                .extend_from_slice(bytes.get(..head.length).unwrap_or_default());
            self.said = Some(head);
        }
        Ok(head)
    }
}

/// The value of a header of a whole head, by lower-case name.
pub(super) fn find<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut []);
    httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut head, bytes, &mut headers)
        .ok()?;
    head.headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

fn read(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut head,
        bytes,
        &mut headers,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Failure::HeadTooLarge);
        }
        Err(_) => return Err(Failure::Protocol),
    };
    let Some(status @ (100 | 102..=999)) = head.code else {
        return Err(Failure::Protocol);
    };
    let rules = BodyRules::read(head.version == Some(1), head.headers)?;
    Ok(Some(Head {
        length,
        status,
        reusable: rules.reusable,
        ending: rules.ending(),
    }))
}

/// How the headers say that a body ends.
struct BodyRules {
    length: Option<u64>,
    coded: bool,
    chunked: bool,
    reusable: bool,
}

impl BodyRules {
    fn read(is_1_1: bool, headers: &[httparse::Header<'_>]) -> Result<Self, Failure> {
        let mut rules = BodyRules {
            length: None,
            coded: false,
            chunked: false,
            reusable: is_1_1,
        };
        for header in headers {
            // The lengths of the three names that matter; everything else is passed over at once.
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    rules.add_length(header.value)?;
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    rules.coded = true;
                    rules.chunked = last_token(header.value).eq_ignore_ascii_case(b"chunked");
                }
                10 if header.name.eq_ignore_ascii_case("connection") => {
                    if has_token(header.value, b"close") {
                        rules.reusable = false;
                    } else if has_token(header.value, b"keep-alive") {
                        rules.reusable = true;
                    }
                }
                _ => {}
            }
        }
        // Both ways at once is how requests are smuggled: the connection is not trusted further.
        if rules.coded && rules.length.is_some() {
            rules.reusable = false;
        }
        Ok(rules)
    }

    fn add_length(&mut self, value: &[u8]) -> Result<(), Failure> {
        for part in value.split(|byte| *byte == b',') {
            let digits = part.trim_ascii();
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err(Failure::Protocol);
            }
            let length: u64 = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| digits.parse().ok())
                .ok_or(Failure::Protocol)?;
            if self.length.is_some_and(|before| before != length) {
                return Err(Failure::Protocol);
            }
            self.length = Some(length);
        }
        Ok(())
    }

    fn ending(&self) -> Ending {
        match (self.coded, self.chunked, self.length) {
            (true, true, _) => Ending::Chunked,
            (true, false, _) | (false, _, None) => Ending::Close,
            (false, _, Some(length)) => Ending::Length(length),
        }
    }
}

fn last_token(value: &[u8]) -> &[u8] {
    value
        .rsplit(|byte| *byte == b',')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

fn has_token(value: &[u8], wanted: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_is_repeated_says_the_same_and_another_says_its_own() {
        let mut heads = Heads::default();
        for (text, expected) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
                Some((200, Ending::Length(5))),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
                Some((200, Ending::Length(5))),
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r", None),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 51\r\n\r\n",
                Some((200, Ending::Length(51))),
            ),
            ("HTTP/1.1 500 No\r\n\r\n", Some((500, Ending::Close))),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
                Some((200, Ending::Length(5))),
            ),
        ] {
            let head = heads.read(text.as_bytes()).unwrap();
            assert_eq!(
                head.map(|head| (head.status, head.ending)),
                expected,
                "{text}"
            );
            assert_eq!(head, read(text.as_bytes()).unwrap(), "{text}");
        }
    }

    #[test]
    fn only_heads_of_ordinary_size_are_remembered() {
        let mut heads = Heads::default();
        let long = format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
            "x".repeat(REMEMBERED_BYTES_MAX)
        );
        for _ in 0..2 {
            let head = heads.read(long.as_bytes()).unwrap().unwrap();
            assert_eq!(head.length, long.len());
            assert!(heads.last.is_empty());
        }
    }
}
