//! Decompression in bounded steps. A length that a stream announces is never trusted.

use std::io::{self, BufRead, ErrorKind, Read};

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use tokio::sync::Semaphore;

use crate::{BodyLimits, ProblemDocument, events};

/// What is decompressed in one step; the output grows by no more before limits are looked at.
const STEP_BYTES: usize = 64 << 10;
/// Compressed bodies above this are decompressed off the async threads.
const INLINE_BYTES_MAX: usize = 16 << 10;
/// Large bodies decompressed at the same time; with the cap on each this bounds their memory.
const LARGE_IN_FLIGHT_MAX: usize = 8;
/// Largest window of a zstd frame, 2²³ = 8 MiB, as RFC 9659 fixes it for `Content-Encoding`.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const ACCEPTED: &str = "gzip, zstd";

static LARGE_IN_FLIGHT: Semaphore = Semaphore::const_new(LARGE_IN_FLIGHT_MAX);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// The one encoding that the headers name; several layers are not accepted.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ProblemDocument> {
        let mut named = headers.get_all(header::CONTENT_ENCODING).iter();
        let (first, second) = (named.next(), named.next());
        let word = match (first.map(|value| value.to_str()), second) {
            (None, _) => return Ok(Encoding::Identity),
            (Some(Ok(word)), None) => word.trim().to_ascii_lowercase(),
            _ => "several, or unreadable".to_owned(),
        };
        match word.as_str() {
            "" | "identity" => Ok(Encoding::Identity),
            "gzip" | "x-gzip" => Ok(Encoding::Gzip),
            "zstd" => Ok(Encoding::Zstd),
            other => Err(not_accepted(other)),
        }
    }
}

fn not_accepted(word: &str) -> ProblemDocument {
    events::body_refused("encoding");
    let shown: String = word.chars().take(64).collect();
    ProblemDocument::unsupported_media_type(format!("content encoding `{shown}` is not read here"))
        .field("Content-Encoding")
        .hint(format!("accepted are {ACCEPTED} and none"))
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED))
}

/// Undoes one encoding, off the async threads when the body is large.
pub(crate) async fn decompress(
    encoding: Encoding,
    raw: Bytes,
    limits: &BodyLimits,
) -> Result<Bytes, ProblemDocument> {
    if encoding == Encoding::Identity || raw.is_empty() {
        return Ok(raw);
    }
    let bytes_max = limits.decompressed_max_of(raw.len());
    if raw.len() <= INLINE_BYTES_MAX {
        return expand(encoding, &raw, bytes_max).map_err(|cause| cause.explain(encoding));
    }
    let turn = tokio::time::timeout(limits.read_deadline, LARGE_IN_FLIGHT.acquire());
    let Ok(Ok(permit)) = turn.await else {
        events::body_refused("busy");
        return Err(ProblemDocument::unavailable(
            "too many large bodies are being decompressed",
            std::time::Duration::from_secs(1),
        ));
    };
    tokio::task::spawn_blocking(move || {
        let _held = permit;
        expand(encoding, &raw, bytes_max)
    })
    .await
    .map_err(ProblemDocument::internal)?
    .map_err(|cause| cause.explain(encoding))
}

enum ExpandError {
    TooLarge { bytes_max: usize },
    Damaged(io::Error),
}

impl ExpandError {
    fn explain(self, encoding: Encoding) -> ProblemDocument {
        let name = if encoding == Encoding::Gzip {
            "gzip"
        } else {
            "zstd"
        };
        match self {
            ExpandError::TooLarge { bytes_max } => {
                events::body_refused("expands_too_far");
                ProblemDocument::too_large(format!(
                    "the {name} body expands to more than the {bytes_max} bytes allowed for its size"
                ))
                .hint("send smaller batches")
            }
            ExpandError::Damaged(cause) if cause.kind() == ErrorKind::UnexpectedEof => {
                events::body_refused("truncated");
                ProblemDocument::bad_request(format!("the {name} body is truncated"))
                    .hint("the sender must finish the compressed stream before sending it")
            }
            ExpandError::Damaged(cause) => {
                events::body_refused("damaged");
                ProblemDocument::bad_request(format!("the body is not valid {name}: {cause}"))
                    .field("Content-Encoding")
            }
        }
    }
}

fn expand(encoding: Encoding, raw: &[u8], bytes_max: usize) -> Result<Bytes, ExpandError> {
    match encoding {
        Encoding::Identity => Ok(Bytes::copy_from_slice(raw)),
        Encoding::Gzip => drain(MultiGzDecoder::new(raw), bytes_max),
        Encoding::Zstd => drain(zstd_reader(raw).map_err(ExpandError::Damaged)?, bytes_max),
    }
}

fn zstd_reader<R: BufRead>(raw: R) -> io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn drain(mut source: impl Read, bytes_max: usize) -> Result<Bytes, ExpandError> {
    let mut expanded = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let count = match source.read(&mut step) {
            Ok(0) => return Ok(expanded.into()),
            Ok(count) => count,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            Err(cause) => return Err(ExpandError::Damaged(cause)),
        };
        if expanded.len() + count > bytes_max {
            return Err(ExpandError::TooLarge { bytes_max });
        }
        expanded.extend_from_slice(step.get(..count).unwrap_or_default());
    }
}
