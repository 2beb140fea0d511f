//! Work that comes due by itself: flushing, and beside it retention and merging.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use model::SharedClock;
use tokio::sync::Notify;

use crate::catalogue::Catalogue;
use crate::events;
use crate::flush::{FlushError, Flusher};
use crate::second_home::Mover;

/// How often it is looked whether something is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often retention and merging are looked at.
const TIDY_INTERVAL: Duration = Duration::from_mins(1);
/// How long a flush that failed waits.
const FLUSH_RETRY: Duration = Duration::from_secs(10);
/// Hours merged at once, so that retention need not wait long.
const MERGES_MAX: usize = 8;

/// When something is next due, in monotonic time.
#[derive(Default)]
struct Due {
    flush_retry: Duration,
    tidy: Duration,
}

/// What keeps a store in order.
pub(crate) struct Maintenance {
    pub(crate) clock: SharedClock,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) flusher: Arc<Flusher>,
    /// Told when rows should go to Parquet before their time.
    pub(crate) flush_wanted: Arc<Notify>,
    pub(crate) flush_after: Duration,
    pub(crate) flush_bytes: u64,
    due: Mutex<Due>,
}

impl Maintenance {
    pub(crate) fn new(
        clock: SharedClock,
        flusher: Arc<Flusher>,
        flush_wanted: Arc<Notify>,
        flush_after: Duration,
        flush_bytes: u64,
    ) -> Arc<Self> {
        Arc::new(Maintenance {
            clock,
            catalogue: Arc::clone(&flusher.catalogue),
            flusher,
            flush_wanted,
            flush_after,
            flush_bytes,
            due: Mutex::default(),
        })
    }

    /// Looks for due work until the store is gone. A merge may take long, so flushing does not wait
    /// for it.
    pub(crate) fn start(self: &Arc<Self>) {
        let (weak, wanted) = (Arc::downgrade(self), Arc::clone(&self.flush_wanted));
        tokio::spawn(async move {
            loop {
                let _ = tokio::time::timeout(LOOK_INTERVAL, wanted.notified()).await;
                if !look(&weak, Maintenance::flush_if_due).await {
                    return;
                }
            }
        });
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_INTERVAL).await;
                if !look(&weak, Maintenance::tidy_if_due).await {
                    return;
                }
            }
        });
        self.start_moving();
    }

    /// Moves closed hours, which waits for the network and so has a task of its own.
    fn start_moving(self: &Arc<Self>) {
        if self.flusher.home.as_ref().is_none_or(|home| !home.moves) {
            return;
        }
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_INTERVAL).await;
                let Some(maintenance) = weak.upgrade() else {
                    return;
                };
                let flusher = &maintenance.flusher;
                match &flusher.home {
                    Some(home) if !flusher.closed.load(Ordering::SeqCst) => {
                        Mover { flusher, home }.move_if_due().await;
                    }
                    _ => return,
                }
            }
        });
    }

    fn flush_if_due(&self) {
        self.count();
        let now = self.clock.elapsed();
        if !self.flush_is_due(now) || self.due().flush_retry > now {
            return;
        }
        if let Err(error) = self.flusher.flush() {
            events::flush_failed(&error.to_string());
            self.due().flush_retry = now + FLUSH_RETRY;
        }
    }

    fn flush_is_due(&self, now: Duration) -> bool {
        let old = self
            .catalogue
            .oldest_in_memory()
            .is_some_and(|oldest| now.saturating_sub(oldest) >= self.flush_after);
        let bytes = self.catalogue.memory_bytes();
        old || bytes >= self.flush_bytes || bytes >= self.flusher.budget.ingest.bytes_max() / 2
    }

    fn tidy_if_due(&self) {
        let now = self.clock.elapsed();
        if self.due().tidy > now {
            return;
        }
        self.due().tidy = now + TIDY_INTERVAL;
        if let Err(error) = tidy(&self.flusher) {
            events::flush_failed(&error.to_string());
        }
    }

    /// Tells the program's metrics what memory is taken.
    fn count(&self) {
        let budget = &self.flusher.budget;
        budget.keys.set(self.flusher.ledger.bytes());
        events::memory(&budget.stats());
    }

    fn due(&self) -> std::sync::MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Retention, merging, and removing what they left.
pub(crate) fn tidy(flusher: &Flusher) -> Result<(), FlushError> {
    let expired = flusher.expire();
    // Merging needs space, which on a full disk only removing makes.
    flusher.sweep();
    // What is damaged must not be merged.
    let scrubbed = flusher.scrub();
    let merged = merge(flusher);
    flusher.sweep();
    expired.map(|_| ()).and(scrubbed.map(|_| ())).and(merged)
}

fn merge(flusher: &Flusher) -> Result<(), FlushError> {
    for _ in 0..MERGES_MAX {
        if !flusher.compact()? {
            break;
        }
    }
    Ok(())
}

/// Does one piece of work off the threads that wait; `false` once the store is gone or closed.
async fn look(maintenance: &Weak<Maintenance>, work: fn(&Maintenance)) -> bool {
    let Some(maintenance) = maintenance.upgrade() else {
        return false;
    };
    if maintenance.flusher.closed.load(Ordering::SeqCst) {
        return false;
    }
    let worked = tokio::task::spawn_blocking(move || work(&maintenance)).await;
    if worked.is_err() {
        tracing::error!("background work of the store has failed");
    }
    true
}
