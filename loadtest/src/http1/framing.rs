//! Where an HTTP/1.1 answer ends (RFC 9112, section 6), fed with bytes as they come.

use super::head::{Ending, Heads, find};
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
    heads: Heads,
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
    #[inline]
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
        find(&self.head, name)
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
        let Some(head) = self.heads.read(bytes)? else {
            return Ok(None);
        };
        self.status = head.status;
        if head.status < 200 {
            self.informational += 1;
            if self.informational > INFORMATIONAL_MAX {
                return Err(Failure::Protocol);
            }
            return Ok(Some(head.length));
        }
        self.stage = if want.to_head || matches!(self.status, 204 | 304) {
            Stage::Done
        } else {
            Stage::after_head(head.ending)
        };
        self.reusable = head.reusable && self.stage != Stage::UntilClose;
        Ok(Some(head.length))
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
    /// The stage in which a body begins.
    fn after_head(ending: Ending) -> Stage {
        match ending {
            Ending::Length(0) => Stage::Done,
            Ending::Length(length) => Stage::Length(length),
            Ending::Chunked => CHUNK_SIZE,
            Ending::Close => Stage::UntilClose,
        }
    }

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

#[cfg(test)]
mod tests;
