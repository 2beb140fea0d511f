//! Where an HTTP/1.1 answer ends (RFC 9112, section 6), fed with bytes as they come.

use std::mem::MaybeUninit;

use crate::outcome::Failure;

/// Largest head that is read, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most headers that are read.
pub const HEADERS_MAX: usize = 128;
/// Longest line of a chunk's size with its extensions, and longest trailer, in bytes.
pub const LINE_BYTES_MAX: usize = 8 * 1024;
/// Largest part of a body that is kept for an expectation, in bytes; the rest is read and dropped.
pub const BODY_KEPT_BYTES_MAX: usize = 1 << 20;
/// Most informational answers (1xx) before the answer itself.
pub const INFORMATIONAL_MAX: u32 = 16;

/// What is to be kept of an answer, and whether it can have a body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// It answers a HEAD request.
    pub to_head: bool,
    /// The head is asked for headers later.
    pub headers: bool,
    /// The body is looked at later.
    pub body: bool,
}

/// One answer while it arrives.
#[derive(Debug, Default)]
pub struct Answer {
    stage: Stage,
    status: u16,
    reusable: bool,
    informational: u32,
    head: Vec<u8>,
    body: Vec<u8>,
    begun: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Head,
    /// So many bytes of body are left.
    Length(u64),
    /// Within the line of a chunk's size; digits read so far, and whether an extension has begun.
    ChunkSize {
        size: u64,
        digits: u8,
        extension: bool,
        line: usize,
    },
    ChunkData(u64),
    /// The line end after a chunk's data: 0, or 1 after its `\r`.
    ChunkEnd(u8),
    /// Within a trailer line of so many bytes.
    Trailer {
        line: usize,
    },
    /// Until the other side closes.
    UntilClose,
    Done,
}

/// The beginning of a chunk's size line.
const CHUNK_SIZE: Stage = Stage::ChunkSize {
    size: 0,
    digits: 0,
    extension: false,
    line: 0,
};

impl Answer {
    /// Makes ready for the next answer and keeps the memory.
    pub fn reset(&mut self) {
        self.stage = Stage::Head;
        self.status = 0;
        self.reusable = false;
        self.informational = 0;
        self.begun = false;
        self.head.clear();
        self.body.clear();
    }

    /// Whether the answer is whole.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether any byte of it has come.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Its status, once the head is whole.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the connection may carry another request after it.
    pub fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// Its body, as far as it was wanted.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The value of a header by lower-case name; only when headers were wanted.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut head,
            &self.head,
            &mut headers,
        );
        parsed.ok()?;
        head.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// Takes bytes and says how many belonged to this answer; fewer than given only when it is whole.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8], want: Want) -> Result<usize, Failure> {
        self.begun |= !bytes.is_empty();
        let mut at = 0;
        while at < bytes.len() && self.stage != Stage::Done {
            let rest = bytes.get(at..).unwrap_or_default();
            at += match self.stage {
                Stage::Head => self.feed_head(rest, want)?,
                Stage::Length(left) => self.feed_length(rest, left, want),
                Stage::UntilClose => {
                    self.keep_body(rest, want);
                    rest.len()
                }
                _ => self.feed_chunked(rest, want)?,
            };
        }
        Ok(at)
    }

    /// The other side closed: fine for an answer that ends so, a failure within any other.
    pub fn close(&mut self) -> Result<(), Failure> {
        if self.stage == Stage::UntilClose {
            self.stage = Stage::Done;
            self.reusable = false;
            return Ok(());
        }
        Err(Failure::Closed)
    }

    fn feed_head(&mut self, bytes: &[u8], want: Want) -> Result<usize, Failure> {
        if self.head.is_empty() {
            return match self.parse_head(bytes, want)? {
                Some(length) => {
                    if want.headers && self.status >= 200 {
                        self.head
                            .extend_from_slice(bytes.get(..length).unwrap_or_default());
                    }
                    Ok(length)
                }
                None => self.hold_head(bytes),
            };
        }
        let held = self.head.len();
        self.hold_head(bytes)?;
        // A head ends with a line end, so bytes without one need no second look.
        if memchr::memchr(b'\n', bytes).is_none() {
            return Ok(bytes.len());
        }
        let whole = std::mem::take(&mut self.head);
        let parsed = self.parse_head(&whole, want);
        self.head = whole;
        match parsed? {
            Some(length) => {
                if want.headers && self.status >= 200 {
                    self.head.truncate(length);
                } else {
                    self.head.clear();
                }
                Ok(length.saturating_sub(held))
            }
            None => Ok(bytes.len()),
        }
    }

    fn hold_head(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        if self.head.len() + bytes.len() > HEAD_BYTES_MAX {
            return Err(Failure::HeadTooLarge);
        }
        self.head.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Reads a head and decides how the body ends; gives the head's length when it is whole.
    fn parse_head(&mut self, bytes: &[u8], want: Want) -> Result<Option<usize>, Failure> {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut head,
            bytes,
            &mut headers,
        );
        let length = match parsed {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Failure::HeadTooLarge),
            Err(_) => return Err(Failure::Protocol),
        };
        if length > HEAD_BYTES_MAX {
            return Err(Failure::HeadTooLarge);
        }
        self.status = head.code.unwrap_or(0);
        match self.status {
            101 => return Err(Failure::Protocol), // we never ask to change the protocol
            100..=199 => {
                self.informational += 1;
                if self.informational > INFORMATIONAL_MAX {
                    return Err(Failure::Protocol);
                }
                return Ok(Some(length));
            }
            200..=999 => {}
            _ => return Err(Failure::Protocol),
        }
        let body = BodyRules::read(head.version == Some(1), head.headers)?;
        self.reusable = body.reusable;
        self.stage = if want.to_head || matches!(self.status, 204 | 304) {
            Stage::Done
        } else {
            body.stage()
        };
        if self.stage == Stage::UntilClose {
            self.reusable = false;
        }
        Ok(Some(length))
    }

    fn feed_length(&mut self, bytes: &[u8], left: u64, want: Want) -> usize {
        let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.keep_body(bytes.get(..taken).unwrap_or_default(), want);
        let left = left - taken as u64;
        self.stage = if left == 0 {
            Stage::Done
        } else {
            Stage::Length(left)
        };
        taken
    }

    fn feed_chunked(&mut self, bytes: &[u8], want: Want) -> Result<usize, Failure> {
        if let Stage::ChunkData(left) = self.stage {
            let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.keep_body(bytes.get(..taken).unwrap_or_default(), want);
            let left = left - taken as u64;
            self.stage = if left == 0 {
                Stage::ChunkEnd(0)
            } else {
                Stage::ChunkData(left)
            };
            return Ok(taken);
        }
        let byte = bytes.first().copied().unwrap_or_default();
        self.stage = self.stage.after_byte(byte)?;
        Ok(1)
    }

    fn keep_body(&mut self, bytes: &[u8], want: Want) {
        if want.body {
            let room = BODY_KEPT_BYTES_MAX - self.body.len();
            self.body
                .extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
        }
    }
}

impl Stage {
    /// The stages between chunks, byte by byte.
    fn after_byte(self, byte: u8) -> Result<Stage, Failure> {
        match (self, byte) {
            (Stage::ChunkSize { size, digits, .. }, b'\n') => match (digits, size) {
                (0, _) => Err(Failure::Protocol),
                (_, 0) => Ok(Stage::Trailer { line: 0 }),
                (_, size) => Ok(Stage::ChunkData(size)),
            },
            (Stage::ChunkSize { line, .. } | Stage::Trailer { line }, _)
                if line >= LINE_BYTES_MAX =>
            {
                Err(Failure::Protocol)
            }
            (
                Stage::ChunkSize {
                    size,
                    digits,
                    extension,
                    line,
                },
                byte,
            ) => {
                let line = line + 1;
                match char::from(byte).to_digit(16) {
                    Some(digit) if !extension => {
                        // Sixteen hexadecimal digits fill the number.
                        let size = size
                            .checked_mul(16)
                            .and_then(|size| size.checked_add(u64::from(digit)))
                            .ok_or(Failure::Protocol)?;
                        Ok(Stage::ChunkSize {
                            size,
                            digits: digits.saturating_add(1),
                            extension,
                            line,
                        })
                    }
                    None if !extension && !matches!(byte, b';' | b' ' | b'\t' | b'\r') => {
                        Err(Failure::Protocol)
                    }
                    _ => Ok(Stage::ChunkSize {
                        size,
                        digits,
                        extension: true,
                        line,
                    }),
                }
            }
            (Stage::ChunkEnd(0), b'\r') => Ok(Stage::ChunkEnd(1)),
            (Stage::ChunkEnd(_), b'\n') => Ok(CHUNK_SIZE),
            (Stage::Trailer { line: 0 }, b'\n') => Ok(Stage::Done),
            (Stage::Trailer { .. }, b'\n') | (Stage::Trailer { line: 0 }, b'\r') => {
                Ok(Stage::Trailer { line: 0 })
            }
            (Stage::Trailer { line }, _) => Ok(Stage::Trailer { line: line + 1 }),
            _ => Err(Failure::Protocol),
        }
    }
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

    fn stage(&self) -> Stage {
        match (self.coded, self.chunked, self.length) {
            (true, true, _) => CHUNK_SIZE,
            (true, false, _) | (false, _, None) => Stage::UntilClose,
            (false, _, Some(0)) => Stage::Done,
            (false, _, Some(length)) => Stage::Length(length),
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
mod tests;
