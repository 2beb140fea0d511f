//! Where one HTTP/1.1 request ends and the next begins; bodies are swallowed.

use std::mem::MaybeUninit;

/// Headers of one request.
const HEADERS_MAX: usize = 64;
/// Bytes of one request's head, of a chunk's size line and of all trailers.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1_024;

/// Reads requests off a connection's bytes, whichever way they are cut.
#[derive(Debug, Default)]
pub(super) struct RequestReader {
    place: Place,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Head,
    /// So many bytes of body are still to come.
    Body(u64),
    Chunked(Chunked),
}

#[derive(Clone, Copy, Debug)]
enum Chunked {
    /// In the digits of a chunk's size.
    Size { size: u64, digits: u32 },
    /// Behind the digits: extensions, up to the line's end.
    Extension { size: u64, bytes: usize },
    /// So many bytes of the chunk, then its line end.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Trailers, or the empty line that ends the body. `line` counts the bytes of the line at hand.
    Trailers { line: usize, bytes: usize },
}

/// What a request's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'b> {
    pub(super) method: &'b str,
    pub(super) path: &'b str,
    /// The caller wants the connection closed after the answer.
    pub(super) close: bool,
    /// The caller waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
}

/// One step of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'b> {
    /// Nothing more can be read until more bytes come. Bytes that were not used must be given again.
    Wanting,
    /// A head was read; its body follows.
    Head(Head<'b>),
    /// The request is whole.
    Whole,
}

/// What came is not a request that is served here; the status says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u16);

impl RequestReader {
    /// Reads on, and says how many of the bytes it used.
    #[inline]
    pub(super) fn next<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, Step<'b>), Refused> {
        match self.place {
            Place::Head => self.head(bytes),
            Place::Body(0) => {
                self.place = Place::Head;
                Ok((0, Step::Whole))
            }
            Place::Body(left) => {
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.place = Place::Body(left - used as u64);
                if used as u64 == left {
                    self.place = Place::Head;
                    Ok((used, Step::Whole))
                } else {
                    Ok((used, Step::Wanting))
                }
            }
            Place::Chunked(place) => self.chunked(place, bytes),
        }
    }

    #[inline]
    fn head<'b>(&mut self, bytes: &'b [u8]) -> Result<(usize, Step<'b>), Refused> {
        if bytes.is_empty() {
            return Ok((0, Step::Wanting));
        }
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let used = match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(used)) if used <= HEAD_BYTES_MAX => used,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => {
                return Ok((0, Step::Wanting));
            }
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Refused(431)),
            Err(_) => return Err(Refused(400)),
        };
        let (Some(method), Some(path), Some(version)) =
            (request.method, request.path, request.version)
        else {
            return Err(Refused(400));
        };
        let mut head = Head {
            method,
            path,
            close: version == 0,
            expects_continue: false,
        };
        self.place = body(&mut head, request.headers)?;
        Ok((used, Step::Head(head)))
    }

    fn chunked<'b>(
        &mut self,
        mut place: Chunked,
        bytes: &'b [u8],
    ) -> Result<(usize, Step<'b>), Refused> {
        let mut used = 0;
        while let Some(byte) = bytes.get(used) {
            if let Chunked::Chunk(left) = place {
                let here = bytes.len() - used;
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(here);
                used += skipped;
                place = match left - skipped as u64 {
                    0 => Chunked::ChunkEnd,
                    left => Chunked::Chunk(left),
                };
                continue;
            }
            used += 1;
            let Some(next) = after(place, *byte)? else {
                self.place = Place::Head;
                return Ok((used, Step::Whole));
            };
            place = next;
        }
        self.place = Place::Chunked(place);
        Ok((used, Step::Wanting))
    }
}

/// How the body is framed (RFC 9112, section 6), and what else of the headers matters here.
fn body(head: &mut Head<'_>, headers: &[httparse::Header<'_>]) -> Result<Place, Refused> {
    let mut length = None;
    let mut chunked = false;
    for header in headers {
        // By length first: most headers are none of these, and most lengths differ.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let stated = std::str::from_utf8(header.value)
                    .ok()
                    .and_then(|value| value.trim().parse::<u64>().ok())
                    .ok_or(Refused(400))?;
                if length.is_some_and(|length| length != stated) {
                    return Err(Refused(400));
                }
                length = Some(stated);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                if !header.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refused(501));
                }
                chunked = true;
            }
            10 if header.name.eq_ignore_ascii_case("connection") => {
                for word in header.value.split(|byte| *byte == b',') {
                    let word = word.trim_ascii();
                    if word.eq_ignore_ascii_case(b"close") {
                        head.close = true;
                    } else if word.eq_ignore_ascii_case(b"keep-alive") {
                        head.close = false;
                    }
                }
            }
            6 if header.name.eq_ignore_ascii_case("expect") => {
                head.expects_continue = header.value.eq_ignore_ascii_case(b"100-continue");
            }
            _ => {}
        }
    }
    match (chunked, length) {
        (true, Some(_)) => Err(Refused(400)),
        (true, None) => Ok(Place::Chunked(Chunked::Size { size: 0, digits: 0 })),
        (false, length) => Ok(Place::Body(length.unwrap_or(0))),
    }
}

/// The place behind one more byte outside of chunks (RFC 9112, section 7.1); `None` behind the last.
fn after(place: Chunked, byte: u8) -> Result<Option<Chunked>, Refused> {
    Ok(Some(match (place, byte) {
        (Chunked::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
            if digits < 16 =>
        {
            let digit = char::from(byte).to_digit(16).unwrap_or(0);
            Chunked::Size {
                size: size << 4 | u64::from(digit),
                digits: digits + 1,
            }
        }
        (Chunked::Size { size, digits: 1.. }, b'\r' | b';' | b' ' | b'\t') => {
            Chunked::Extension { size, bytes: 0 }
        }
        (Chunked::Extension { size: 0, .. }, b'\n') => Chunked::Trailers { line: 0, bytes: 0 },
        (Chunked::Extension { size, .. }, b'\n') => Chunked::Chunk(size),
        (Chunked::Extension { size, bytes }, _) if bytes < HEAD_BYTES_MAX => Chunked::Extension {
            size,
            bytes: bytes + 1,
        },
        (Chunked::ChunkEnd, b'\r') => Chunked::ChunkEnd,
        (Chunked::ChunkEnd, b'\n') => Chunked::Size { size: 0, digits: 0 },
        (Chunked::Trailers { line: 0, .. }, b'\n') => return Ok(None),
        (Chunked::Trailers { line: 0, bytes }, b'\r')
        | (Chunked::Trailers { bytes, .. }, b'\n') => Chunked::Trailers { line: 0, bytes },
        (Chunked::Trailers { line, bytes }, _) if bytes < HEAD_BYTES_MAX => Chunked::Trailers {
            line: line + 1,
            bytes: bytes + 1,
        },
        (Chunked::Extension { .. } | Chunked::Trailers { .. }, _) => return Err(Refused(431)),
        _ => return Err(Refused(400)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read when the bytes come in pieces of so many.
    fn read(bytes: &[u8], piece: usize) -> Result<Vec<String>, Refused> {
        let mut reader = RequestReader::default();
        let (mut seen, mut held) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            held.extend_from_slice(piece);
            let mut used_all = 0;
            loop {
                let (used, step) = reader.next(&held[used_all..])?;
                used_all += used;
                match step {
                    Step::Wanting => break,
                    Step::Head(head) => seen.push(format!(
                        "{} {}{}{}",
                        head.method,
                        head.path,
                        if head.close { " close" } else { "" },
                        if head.expects_continue {
                            " expects"
                        } else {
                            ""
                        }
                    )),
                    Step::Whole => seen.push("whole".to_owned()),
                }
            }
            held.drain(..used_all);
        }
        Ok(seen)
    }

    #[test]
    fn requests_are_told_apart_however_they_are_cut() {
        let stream = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n\
            POST /b HTTP/1.1\r\ncontent-length: 5\r\nExpect: 100-continue\r\n\r\nhelloHEAD /c HTTP/1.0\r\n\r\n\
            POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: Foo, close\r\n\r\n\
            5;name=\"a\"\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nDigest: 1\r\nOther: 2\r\n\r\n\
            GET /e HTTP/1.1\r\n\r\n";
        let expected = [
            "GET /a",
            "whole",
            "POST /b expects",
            "whole",
            "HEAD /c close",
            "whole",
            "POST /d close",
            "whole",
            "GET /e",
            "whole",
        ];
        for piece in [1, 2, 3, 7, 50, stream.len()] {
            assert_eq!(read(stream, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let long = format!(
            "GET / HTTP/1.1\r\nA: {}\r\n\r\n",
            "a".repeat(HEAD_BYTES_MAX)
        );
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(HEADERS_MAX + 1)
        );
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
        for (stream, status) in [
            ("\0\0".to_owned(), 400),
            (long, 431),
            (many, 431),
            (
                "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(),
                400,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
                400,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(),
                501,
            ),
            (format!("{chunked}Content-Length: 3\r\n\r\n"), 400),
            (format!("{chunked}\r\nzz\r\n"), 400),
            (format!("{chunked}\r\n11111111111111111\r\n"), 400),
            (
                format!("{chunked}\r\n0\r\n{}", "a".repeat(HEAD_BYTES_MAX + 1)),
                431,
            ),
        ] {
            let length = stream.len();
            assert_eq!(
                read(stream.as_bytes(), length),
                Err(Refused(status)),
                "{stream:.80}"
            );
        }
    }
}
