//! Ways in which a target answers badly, or well but unusually.

use std::borrow::Cow;
use std::time::Duration;

/// Bytes of the header that makes a head too large.
const LARGE_HEADER_BYTES: usize = 1_024 * 1_024;
/// Time between two bytes of a slow head.
const SLOW_BYTE: Duration = Duration::from_millis(10);

/// How a request is answered, instead of properly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Properly, with `Connection: close`, and closed.
    Close,
    /// Properly, and closed without having said so.
    CloseSilently,
    /// Closed without an answer.
    CloseUnanswered,
    /// Half the body, then a reset.
    Reset,
    /// Half the body, then closed.
    Cut,
    /// Half the body, then nothing more.
    Stall,
    /// In chunks, with extensions and trailers.
    Chunked,
    /// With `100 Continue` before the answer.
    Continue,
    /// With `103 Early Hints` before the answer.
    EarlyHints,
    /// `204 No Content`.
    NoContent,
    /// `304 Not Modified`, with the length of what it does not send.
    NotModified,
    /// A head of more than 1 MiB.
    LargeHead,
    /// A head that comes byte by byte, 10 ms apart.
    SlowHead,
    /// To be looked for elsewhere (302).
    Redirect {
        /// The location.
        to: String,
    },
    /// With this status and the usual body.
    Status(u16),
    /// Something that is not HTTP.
    Garbage,
}

/// A step of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Sends bytes.
    Bytes(Cow<'static, [u8]>),
    /// Waits.
    Wait(Duration),
    /// Ends the connection in order.
    Close,
    /// Ends it with a reset.
    Reset,
    /// Does nothing more until the caller gives up.
    Stall,
}

impl Fault {
    /// From a path such as `/__fault/chunked`, `/__fault/status?503` or `/__fault/redirect?/elsewhere`.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        let name = path.strip_prefix("/__fault/")?;
        let (name, value) = name.split_once('?').unwrap_or((name, ""));
        Some(match name {
            "close" => Fault::Close,
            "close-silently" => Fault::CloseSilently,
            "close-unanswered" => Fault::CloseUnanswered,
            "reset" => Fault::Reset,
            "cut" => Fault::Cut,
            "stall" => Fault::Stall,
            "chunked" => Fault::Chunked,
            "continue" => Fault::Continue,
            "early-hints" => Fault::EarlyHints,
            "no-content" => Fault::NoContent,
            "not-modified" => Fault::NotModified,
            "large-head" => Fault::LargeHead,
            "slow-head" => Fault::SlowHead,
            "redirect" => Fault::Redirect {
                to: value.to_owned(),
            },
            "status" => Fault::Status(
                value
                    .parse()
                    .ok()
                    .filter(|code| (200..=599).contains(code))?,
            ),
            "garbage" => Fault::Garbage,
            _ => return None,
        })
    }

    /// The status that is sent; 0 when none is.
    pub(super) fn status(&self) -> u16 {
        match self {
            Fault::NoContent => 204,
            Fault::NotModified => 304,
            Fault::Redirect { .. } => 302,
            Fault::Status(status) => *status,
            Fault::CloseUnanswered | Fault::Garbage => 0,
            _ => 200,
        }
    }

    /// The answer, step by step. The answer to a HEAD has no body.
    pub(super) fn pieces(&self, head_only: bool) -> Vec<Piece> {
        let (body, half) = if head_only {
            ("", "")
        } else {
            ("{\"ok\": true}\n", "{\"ok\"")
        };
        let usual =
            |more: &str| format!("HTTP/1.1 200 OK\r\n{more}Content-Length: 13\r\n\r\n{body}");
        let halved = || {
            bytes(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{half}"
            ))
        };
        let bodiless = |head: &str| vec![bytes(format!("HTTP/1.1 {head}\r\n\r\n"))];
        match self {
            Fault::Close => vec![bytes(usual("Connection: close\r\n")), Piece::Close],
            Fault::CloseSilently => vec![bytes(usual("")), Piece::Close],
            Fault::CloseUnanswered => vec![Piece::Close],
            Fault::Reset => vec![halved(), Piece::Reset],
            Fault::Cut => vec![halved(), Piece::Close],
            Fault::Stall => vec![halved(), Piece::Stall],
            Fault::Chunked => chunked(head_only),
            Fault::Continue => vec![
                Piece::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n".into()),
                bytes(usual("")),
            ],
            Fault::EarlyHints => vec![
                Piece::Bytes(
                    b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n".into(),
                ),
                bytes(usual("")),
            ],
            Fault::NoContent => bodiless("204 No Content"),
            Fault::NotModified => bodiless("304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 13"),
            Fault::LargeHead => vec![bytes(usual(&format!(
                "X-Large: {}\r\n",
                "a".repeat(LARGE_HEADER_BYTES)
            )))],
            Fault::SlowHead => slow(&usual("")),
            Fault::Redirect { to } => {
                bodiless(&format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0"))
            }
            Fault::Status(status) => vec![bytes(usual("").replacen(
                "200 OK",
                &format!("{status} As Asked"),
                1,
            ))],
            Fault::Garbage => vec![
                Piece::Bytes(b"\x16\x03\x01 no HTTP at all\r\n\r\n".into()),
                Piece::Close,
            ],
        }
    }
}

fn bytes(text: String) -> Piece {
    Piece::Bytes(text.into_bytes().into())
}

/// The usual body in three chunks, sent apart.
fn chunked(head_only: bool) -> Vec<Piece> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n";
    let mut pieces = vec![Piece::Bytes(head.as_bytes().into())];
    if !head_only {
        let apart = Duration::from_millis(1);
        pieces.extend([
            Piece::Bytes(b"5;note=\"a;b\"\r\n{\"ok\"\r\n".into()),
            Piece::Wait(apart),
            Piece::Bytes(b"007\r\n: true}\r\n1;last\r\n\n\r".into()),
            Piece::Wait(apart),
            Piece::Bytes(b"\n0;end\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n".into()),
        ]);
    }
    pieces
}

fn slow(answer: &str) -> Vec<Piece> {
    let head = answer.find("\r\n\r\n").map_or(0, |end| end + 4);
    let (head, body) = answer.as_bytes().split_at(head);
    let mut pieces = Vec::new();
    for byte in head {
        pieces.push(Piece::Bytes(vec![*byte].into()));
        pieces.push(Piece::Wait(SLOW_BYTE));
    }
    pieces.push(Piece::Bytes(body.to_vec().into()));
    pieces
}
