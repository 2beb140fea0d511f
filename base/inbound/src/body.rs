//! Reading a body: streamed, under a deadline, never more than a limit.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::decompress::{Encoding, decompress};
use crate::{ProblemDocument, events};

/// How much is read, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes as they arrive, compressed or not.
    pub compressed_bytes_max: usize,
    /// Bytes after decompression.
    pub decompressed_bytes_max: usize,
    /// Decompressed bytes for each compressed one, above the floor.
    pub ratio_max: usize,
    /// Up to here any ratio is fine: small repetitive batches compress extremely well.
    pub ratio_floor_bytes: usize,
    /// The whole body must have arrived by then.
    pub read_deadline: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        BodyLimits {
            compressed_bytes_max: 20 << 20,
            decompressed_bytes_max: 128 << 20,
            ratio_max: 100,
            ratio_floor_bytes: 1 << 20,
            read_deadline: Duration::from_secs(30),
        }
    }
}

impl BodyLimits {
    /// The default limits with a smaller cap on both forms, for documents such as JSON commands.
    pub fn small(bytes_max: usize) -> Self {
        BodyLimits {
            compressed_bytes_max: bytes_max,
            decompressed_bytes_max: bytes_max,
            ..Self::default()
        }
    }

    /// What a body of this compressed size may become.
    pub(crate) fn decompressed_max_of(&self, compressed: usize) -> usize {
        compressed
            .saturating_mul(self.ratio_max)
            .max(self.ratio_floor_bytes)
            .min(self.decompressed_bytes_max)
    }
}

/// Reads a whole body: `identity`, `gzip` (any number of members) or `zstd` (any number of frames).
///
/// Errors: 408 when it arrives too slowly, 413 when it is over a limit in either form, 415 for
/// another `Content-Encoding`, 400 when it breaks off or is not what it says it is.
pub async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limits: &BodyLimits,
) -> Result<Bytes, ProblemDocument> {
    let encoding = Encoding::of(headers)?;
    refuse_announced(headers, limits)?;
    let raw = match tokio::time::timeout(limits.read_deadline, collect(body, limits)).await {
        Ok(collected) => collected?,
        Err(_elapsed) => return Err(too_slow(limits)),
    };
    decompress(encoding, raw, limits).await
}

/// A length that is announced as too large is believed; no other length is.
fn refuse_announced(headers: &HeaderMap, limits: &BodyLimits) -> Result<(), ProblemDocument> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    match announced {
        Some(length) if length > limits.compressed_bytes_max as u64 => Err(too_large(limits)),
        _ => Ok(()),
    }
}

async fn collect(mut body: Body, limits: &BodyLimits) -> Result<Bytes, ProblemDocument> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|cause| {
            events::body_refused("broken_off");
            ProblemDocument::bad_request(format!("the body broke off: {cause}"))
        })?;
        let Ok(chunk) = frame.into_data() else {
            continue; // trailers carry nothing that is read here
        };
        if all.len().saturating_add(chunk.len()) > limits.compressed_bytes_max {
            return Err(too_large(limits));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

fn too_large(limits: &BodyLimits) -> ProblemDocument {
    events::body_refused("too_large");
    ProblemDocument::too_large(format!(
        "the body is larger than {} bytes",
        limits.compressed_bytes_max
    ))
    .hint("send smaller batches, or compress them")
}

fn too_slow(limits: &BodyLimits) -> ProblemDocument {
    events::body_refused("too_slow");
    ProblemDocument::new(
        408,
        format!(
            "the body did not arrive within {} s",
            limits.read_deadline.as_secs()
        ),
    )
    .hint("send smaller batches, or compress them")
    // What is left of the body still lies in the connection, so it cannot be used again.
    .header(header::CONNECTION, HeaderValue::from_static("close"))
}
