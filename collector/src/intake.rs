//! What all sources share: the store, the clock, watermarks, what is known of each source, and
//! where refused lines go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{FunctionId, SharedClock};
use store::{Batch, CommitError, Committed, Store};
use tokio::sync::watch;

use crate::dead_letters::DeadLetters;
use crate::events;
use crate::formats::Decoded;
use crate::ledger::Ledger;
use crate::watermark::{Promise, Watermarks};

/// The longest pause between two attempts to commit what a file or target gave.
const COMMIT_RETRY_MAX: Duration = Duration::from_secs(5);

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
        self.watermarks().declare(source, promise);
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

    /// Books a chunk that was committed: counts, watermark, feeds, dead letters.
    pub(crate) fn book(&self, ledger: &Ledger, decoded: &Decoded, bytes: u64) {
        let now = self.clock.now();
        let source = ledger.source();
        events::rows(source, decoded.accepted, bytes);
        self.refused(ledger, decoded);
        ledger.delivered(decoded.accepted, bytes, now);
        self.delivered(source, &decoded.functions);
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

    fn delivered(&self, source: &str, functions: &[FunctionId]) {
        self.watermarks()
            .delivered(source, functions, self.clock.now());
    }

    /// Commits a batch that can be waited for, as long as it takes. `None` when told to stop first.
    pub(crate) async fn commit_patiently(
        &self,
        ledger: &Ledger,
        batch: Batch,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Committed> {
        let mut pause = Duration::from_millis(50);
        let mut failed = false;
        loop {
            let error = match self.store.commit(batch.clone()).await {
                Ok(committed) => {
                    // What else is wrong with the source is not mended by a commit.
                    if failed {
                        ledger.works();
                    }
                    return Some(committed);
                }
                Err(error) => error,
            };
            failed = true;
            ledger.fails(&error.to_string());
            if let CommitError::Full { retry_after, .. } = error {
                pause = pause.max(retry_after);
            }
            pause = pause.min(COMMIT_RETRY_MAX);
            if pause_or_stop(pause, stop).await {
                return None;
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
