//! What all sources share: the store, the clock, watermarks, what is known of each source, and
//! where refused lines go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{SharedClock, Timestamp};
use store::{Batch, CommitError, Store};
use tokio::sync::watch;

use crate::dead_letters::DeadLetters;
use crate::events;
use crate::formats::Decoded;
use crate::ledger::Ledger;
use crate::watermark::{Promise, Watermarks};

/// The longest pause between two attempts to commit what a file or target gave.
const COMMIT_RETRY_MAX: Duration = Duration::from_secs(5);

/// What came of waiting for a commit.
#[derive(Debug)]
pub(crate) enum Patience {
    /// It is durable and visible.
    Committed,
    /// It is not, and will never be as it stands.
    Impossible(CommitError),
    /// The source was told to stop before it could be.
    Stopped,
}

/// Shared by everything that takes rows in.
pub(crate) struct Intake {
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) dead_letters: DeadLetters,
    watermarks: Mutex<Watermarks>,
    ledgers: Mutex<BTreeMap<String, Arc<Ledger>>>,
}

impl Intake {
    pub(crate) fn new(store: Store, clock: SharedClock, dead_letters: DeadLetters) -> Self {
        Intake {
            store,
            clock,
            dead_letters,
            watermarks: Mutex::new(Watermarks::new()),
            ledgers: Mutex::new(BTreeMap::new()),
        }
    }

    pub(crate) fn watermarks(&self) -> MutexGuard<'_, Watermarks> {
        // What a panicking holder left behind is whole: every change is one assignment or insert.
        self.watermarks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn ledgers_locked(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Ledger>>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the books of a source; one that is known keeps its counts.
    pub(crate) fn open(
        &self,
        source: &str,
        kind: &'static str,
        format: &'static str,
        promise: Promise,
    ) -> Arc<Ledger> {
        self.watermarks().declare(source, promise, self.clock.now());
        let mut ledgers = self.ledgers_locked();
        let ledger = ledgers
            .entry(source.to_owned())
            .and_modify(|ledger| {
                if !ledger.is_of(kind, format) {
                    *ledger = Arc::new(Ledger::new(source, kind, format));
                }
            })
            .or_insert_with(|| Arc::new(Ledger::new(source, kind, format)));
        Arc::clone(ledger)
    }

    /// Closes the books of a source that is gone.
    pub(crate) fn close(&self, source: &str) {
        self.watermarks().remove(source);
        self.ledgers_locked().remove(source);
    }

    pub(crate) fn ledger(&self, source: &str) -> Option<Arc<Ledger>> {
        self.ledgers_locked().get(source).cloned()
    }

    pub(crate) fn ledgers(&self) -> Vec<Arc<Ledger>> {
        self.ledgers_locked().values().cloned().collect()
    }

    /// Books what arrived and was committed: counts, watermark, feeds, dead letters.
    pub(crate) fn book(&self, ledger: &Ledger, decoded: &Decoded, bytes: u64, arrived: Timestamp) {
        let now = self.clock.now();
        let source = ledger.source();
        events::rows(source, decoded.accepted, bytes);
        self.refused(ledger, decoded);
        ledger.delivered(decoded.accepted, bytes, now);
        self.watermarks()
            .delivered(source, &decoded.functions, decoded.newest, arrived);
    }

    /// Books lines that became nothing.
    pub(crate) fn refused(&self, ledger: &Ledger, decoded: &Decoded) {
        events::decoded(ledger.source(), decoded);
        ledger.decoded(decoded);
        let now = self.clock.now();
        for refusal in &decoded.refusals {
            self.dead_letters.keep(ledger.source(), refusal, now);
        }
    }

    /// Commits a batch that can be waited for, as long as it takes unless it can never succeed.
    /// A commit that was begun is always waited for: it may succeed however long it takes.
    pub(crate) async fn commit_patiently(
        &self,
        ledger: &Ledger,
        batch: Batch,
        stop: &mut watch::Receiver<bool>,
    ) -> Patience {
        let mut pause = Duration::from_millis(50);
        let mut failed = false;
        loop {
            let error = match self.store.commit(batch.clone()).await {
                Ok(_) => {
                    // What else is wrong with the source is not mended by a commit.
                    if failed {
                        ledger.works();
                    }
                    return Patience::Committed;
                }
                Err(
                    error @ (CommitError::TooLarge { .. }
                    | CommitError::Schema(_)
                    | CommitError::Invalid(_)),
                ) => return Patience::Impossible(error),
                Err(error) => error,
            };
            failed = true;
            ledger.fails(&error.to_string());
            if let CommitError::Full { retry_after, .. } = error {
                pause = pause.max(retry_after);
            }
            pause = pause.min(COMMIT_RETRY_MAX);
            if pause_or_stop(pause, stop).await {
                return Patience::Stopped;
            }
            pause *= 2;
        }
    }
}

/// Waits, and says whether it was told to stop meanwhile.
pub(crate) async fn pause_or_stop(pause: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    // The sender is gone only when the collector is, which ends waiting as well.
    tokio::time::timeout(pause, stop.wait_for(|stop| *stop))
        .await
        .is_ok()
}
