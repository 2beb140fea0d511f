//! How much may be on its way in at once, and how the rest is turned away.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use inbound::{BodyLimits, ProblemDocument};
use store::CommitError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::events;

/// Lines in one request.
pub(super) const ROWS_MAX: usize = 250_000;
/// How large a body may be.
pub(super) const BODY_LIMITS: BodyLimits = BodyLimits {
    compressed_bytes_max: 20 << 20,
    decompressed_bytes_max: 64 << 20,
    ratio_max: 100,
    ratio_floor_bytes: 1 << 20,
    read_deadline: Duration::from_secs(30),
};
/// Requests being read, decoded or committed.
const REQUESTS_IN_FLIGHT_MAX: usize = 512;
/// Body bytes of all of them together.
const BODY_BYTES_IN_FLIGHT_MAX: usize = 256 << 20;
/// What a request is taken for before its length is known.
const BODY_BYTES_GUESS: usize = 64 << 10;
/// When to come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// When to come back to a store that has failed or is closing.
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Bytes are counted in units of this, as a semaphore counts no further than 32 bits at once.
const UNIT: usize = 1 << 10;

/// Who may come in.
#[derive(Debug)]
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    units: Arc<Semaphore>,
    decoders: Semaphore,
}

/// A request's share; dropping it makes room.
#[derive(Debug)]
pub(super) struct Permit {
    _request: OwnedSemaphorePermit,
    share: OwnedSemaphorePermit,
    units: Arc<Semaphore>,
}

impl Admission {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Admission {
            requests: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)),
            units: Arc::new(Semaphore::new(BODY_BYTES_IN_FLIGHT_MAX / UNIT)),
            // More decoders than cores only take turns, each with its rows in memory.
            decoders: Semaphore::new(cores),
        }
    }

    /// Lets a request in, or turns it away at once: who waits here holds memory.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Permit, ProblemDocument> {
        let request = Arc::clone(&self.requests)
            .try_acquire_owned()
            .map_err(|_full| turned_away("requests"))?;
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok())
            .unwrap_or(BODY_BYTES_GUESS);
        let share = Arc::clone(&self.units)
            .try_acquire_many_owned(units_of(length))
            .map_err(|_full| turned_away("bytes"))?;
        Ok(Permit {
            _request: request,
            share,
            units: Arc::clone(&self.units),
        })
    }

    /// Waits for a turn to decode.
    pub(super) async fn decoder_turn(&self) -> Result<SemaphorePermit<'_>, ProblemDocument> {
        self.decoders
            .acquire()
            .await
            .map_err(ProblemDocument::internal)
    }
}

impl Permit {
    /// Takes the share of a body whose true length is known now.
    pub(super) fn grow_to(mut self, bytes: usize) -> Result<Self, ProblemDocument> {
        let more = units_of(bytes).saturating_sub(self.share.num_permits() as u32);
        let more = Arc::clone(&self.units)
            .try_acquire_many_owned(more)
            .map_err(|_full| turned_away("bytes"))?;
        self.share.merge(more);
        Ok(self)
    }
}

fn units_of(bytes: usize) -> u32 {
    u32::try_from(bytes.min(BODY_LIMITS.decompressed_bytes_max) / UNIT + 1).unwrap_or(u32::MAX)
}

fn turned_away(what: &'static str) -> ProblemDocument {
    events::turned_away(what);
    ProblemDocument::too_many_requests(
        "more is coming in than can be stored; nothing of this request was taken",
        RETRY_AFTER,
    )
}

/// What a sender is told when its batch was not committed.
pub(super) fn refusal(error: &CommitError) -> ProblemDocument {
    let detail = error.to_string();
    match error {
        // A full disk does not pass by itself within a retry or two, as a full queue does.
        CommitError::Full {
            what: "disk",
            retry_after,
        } => {
            events::turned_away("disk");
            ProblemDocument::unavailable(detail, *retry_after)
        }
        CommitError::Full { retry_after, .. } => {
            events::turned_away("store");
            ProblemDocument::too_many_requests(detail, *retry_after)
        }
        CommitError::TooLarge { .. } => ProblemDocument::too_large(detail),
        CommitError::Storage(_) | CommitError::Closing => {
            events::turned_away("storage");
            ProblemDocument::unavailable(detail, RETRY_AFTER_FAILURE)
        }
        CommitError::Schema(_) | CommitError::Invalid(_) => ProblemDocument::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(length: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, length.to_string().parse().unwrap());
        headers
    }

    #[test]
    fn turns_away_what_does_not_fit_and_takes_it_when_there_is_room() {
        let admission = Admission::new();
        let body = BODY_LIMITS.decompressed_bytes_max - 2 * UNIT;
        let held: Vec<_> = (0..BODY_BYTES_IN_FLIGHT_MAX / body)
            .map(|_| admission.admit(&headers(body)).unwrap())
            .collect();
        let refused = admission.admit(&headers(body)).unwrap_err();
        assert_eq!(refused.status(), 429);
        let small = admission.admit(&headers(10)).unwrap();
        assert_eq!(small.grow_to(body).unwrap_err().status(), 429);
        drop(held);
        let grown = admission.admit(&headers(10)).unwrap().grow_to(body);
        assert!(grown.is_ok());
    }

    #[test]
    fn what_a_sender_is_told() {
        let full = |what| CommitError::Full {
            what,
            retry_after: Duration::from_secs(5),
        };
        let storage = CommitError::Storage("the disk failed".into());
        let large = CommitError::TooLarge {
            rows: 2,
            bytes: 2,
            rows_max: 1,
            bytes_max: 1,
        };
        for (error, status) in [
            (full("queue"), 429),
            (full("memory"), 429),
            (full("disk"), 503),
            (storage, 503),
            (CommitError::Closing, 503),
            (large, 413),
            (CommitError::Invalid("x".to_owned()), 500),
        ] {
            assert_eq!(refusal(&error).status(), status, "{error}");
        }
    }
}
