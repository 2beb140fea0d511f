//! The handle others hold: commit, query, flush, close.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use model::{FunctionId, SharedClock, Timestamp};
use tokio::sync::{Notify, broadcast, oneshot};

use crate::batch::{Batch, Idempotency};
use crate::catalogue::Catalogue;
use crate::commit::{CommitError, Committed, Deltas, Gate, Health, Queue, QueueLimits, Waiting};
use crate::committer::{Committer, Policy, Subscribers};
use crate::events;
use crate::flush::{FlushError, Flusher};
use crate::fs::{DiskFs, Fs, Lock};
use crate::idempotency::{Begin, Ledger};
use crate::journal::PAYLOAD_BYTES_MAX;
use crate::options::{Options, Retention};
use crate::recovery::{Found, OpenError, Recovered, recover};
use crate::rollup::{Counts, Rollups, SeriesKey};
use crate::snapshot::Snapshot;
use crate::sql::{QueryAnswer, QueryEngine, QueryError, QueryLimits};
use crate::stats::{Stats, TableStats};
use crate::wal::{SegmentWriter, encode};

/// How often it is looked whether something is due.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);
/// How often retention and merging are looked at.
const TIDY_INTERVAL: Duration = Duration::from_mins(1);
/// How long a flush that failed waits.
const FLUSH_RETRY: Duration = Duration::from_secs(10);
/// Hours merged at once, so that a flush need not wait long.
const MERGES_MAX: usize = 8;

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    clock: SharedClock,
    queue: Arc<Queue>,
    gate: Arc<Gate>,
    catalogue: Arc<Catalogue>,
    rollups: Arc<Rollups>,
    ledger: Arc<Ledger>,
    subscribers: Arc<Subscribers>,
    health: Arc<Health>,
    flusher: Arc<Flusher>,
    flush_wanted: Arc<Notify>,
    engine: QueryEngine,
    segments: crate::wal::Segments,
    found: Found,
    running: Mutex<Running>,
    due: Mutex<Due>,
}

/// What ends when the store is closed.
struct Running {
    committer: Option<JoinHandle<()>>,
    lock: Option<Arc<dyn Lock>>,
}

/// When background work is next due, in monotonic time.
#[derive(Default)]
struct Due {
    flush_retry: Duration,
    tidy: Duration,
}

impl Store {
    /// Opens a directory, or makes a new store in it. Reads the log back first, which takes about as
    /// long as writing its last quarter of an hour took the disk.
    pub async fn open(options: Options, clock: SharedClock) -> Result<Store, OpenError> {
        Self::open_on(Arc::new(DiskFs), options, clock).await
    }

    /// The same on another file system, such as a simulated one. SQL reads Parquet from the machine's
    /// file system only.
    pub async fn open_on(
        fs: Arc<dyn Fs>,
        options: Options,
        clock: SharedClock,
    ) -> Result<Store, OpenError> {
        let opening = tokio::task::spawn_blocking(move || {
            let recovered = recover(&fs, &options, &clock)?;
            Shared::start(fs, options, clock, recovered)
        });
        let shared = match opening.await {
            Ok(opened) => opened?,
            Err(failed) => return Err(OpenError::Replay(failed.to_string())),
        };
        tokio::spawn(maintain(
            Arc::downgrade(&shared),
            Arc::clone(&shared.flush_wanted),
        ));
        Ok(Store { shared })
    }

    /// Commits a batch. Returns when it is durable (as [`crate::Durability`] says) and visible; a
    /// batch whose key was seen before is not written again. May be dropped: the batch is then
    /// committed or not, as a whole.
    pub async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let shared = &self.shared;
        shared.health.check()?;
        let batch = conform(batch)?;
        if batch.is_empty() {
            return Ok(Committed {
                sequence: shared.catalogue.sequence(),
                repeated: None,
            });
        }
        let mut reservation = None;
        if let Some(Idempotency { key, .. }) = &batch.idempotency {
            match shared.ledger.begin(key, || shared.clock.elapsed()).await {
                Begin::New(reserved) => reservation = Some(reserved),
                Begin::Repeated { answer, sequence } => {
                    return Ok(Committed {
                        sequence,
                        repeated: Some(answer),
                    });
                }
            }
        }
        let permit = shared.admit(&batch)?;
        let body = encode(&batch).map_err(|error| CommitError::Invalid(error.to_string()))?;
        if body.len() + 16 > PAYLOAD_BYTES_MAX {
            return Err(CommitError::Invalid(
                "it is too large, send less at once".to_owned(),
            ));
        }
        let (answer, told) = oneshot::channel();
        shared.queue.push(Waiting {
            batch,
            body,
            answer,
            reservation,
            permit,
        })?;
        told.await
            .unwrap_or_else(|_| Err(shared.health.check().err().unwrap_or(CommitError::Closing)))
    }

    /// How far a source has been read, as committed last.
    pub fn position(&self, source: &str) -> Option<String> {
        self.shared.catalogue.position(source)
    }

    /// Hears of every group of commits from now on. A receiver that falls more than `capacity` groups
    /// behind is told so and reads [`Store::rollups`] again.
    pub fn deltas(&self, capacity: usize) -> broadcast::Receiver<Arc<Deltas>> {
        self.shared.subscribers.subscribe(capacity)
    }

    /// Counts per second and latencies of the last quarter of an hour, counts per ten seconds of the
    /// last hours.
    pub fn rollups(&self) -> &Rollups {
        &self.shared.rollups
    }

    /// Counts per series and minute of completion, for minutes that begin in `from..to`: the series,
    /// the minute (Unix seconds / 60), the counts.
    pub async fn minutes(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(SeriesKey, i64, Counts)>, QueryError> {
        self.shared.engine.minutes(self.snapshot(), from, to).await
    }

    /// The same of one function, which reads only what concerns it.
    pub async fn minutes_of(
        &self,
        function: &FunctionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(SeriesKey, i64, Counts)>, QueryError> {
        let engine = &self.shared.engine;
        engine.minutes_of(self.snapshot(), function, from, to).await
    }

    /// Answers one SELECT over the tables as they are now.
    pub async fn query(&self, sql: &str, limits: &QueryLimits) -> Result<QueryAnswer, QueryError> {
        self.shared.engine.query(self.snapshot(), sql, limits).await
    }

    /// How long rows of each table stay.
    pub fn retention(&self) -> &Retention {
        &self.shared.options.retention
    }

    /// The limits of a query that brings none.
    pub fn query_limits(&self) -> &QueryLimits {
        &self.shared.options.query
    }

    /// Everything visible now. Its files stay until it is dropped.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            rollups: Some(Arc::clone(&self.shared.rollups)),
            ..self.shared.catalogue.snapshot()
        }
    }

    /// What the store holds.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Whether commits are accepted; `false` after the disk has failed.
    pub fn healthy(&self) -> bool {
        self.shared.health.check().is_ok()
    }

    /// Moves everything in memory to Parquet now.
    pub async fn flush(&self) -> Result<(), FlushError> {
        self.in_background(|flusher| flusher.flush().map(|_| ()))
            .await
    }

    /// Drops what is past its retention and merges small files now; both also happen by themselves.
    pub async fn tidy(&self) -> Result<(), FlushError> {
        self.in_background(tidy).await
    }

    /// Lets nothing in any more, finishes what is queued, makes it durable, and unlocks the directory.
    pub async fn close(self) {
        let shared = Arc::clone(&self.shared);
        let closing = tokio::task::spawn_blocking(move || shared.close());
        if let Err(failed) = closing.await {
            tracing::error!(%failed, "closing the store failed");
        }
    }

    async fn in_background(
        &self,
        work: impl FnOnce(&Flusher) -> Result<(), FlushError> + Send + 'static,
    ) -> Result<(), FlushError> {
        let flusher = Arc::clone(&self.shared.flusher);
        match tokio::task::spawn_blocking(move || work(&flusher)).await {
            Ok(done) => done,
            Err(failed) => Err(FlushError::Rows(failed.to_string())),
        }
    }
}

/// Puts columns in order and refuses what no record can hold.
fn conform(mut batch: Batch) -> Result<Batch, CommitError> {
    let rows: Vec<_> = batch
        .tables()
        .map(|(table, rows)| table.conform(rows).map(|rows| (table, rows)))
        .collect::<Result<_, _>>()
        .map_err(|error| CommitError::Schema(Arc::new(error)))?;
    (
        batch.invocations,
        batch.logs,
        batch.samples,
        batch.loadtests,
    ) = (None, None, None, None);
    for (table, rows) in rows {
        batch.set(table, rows);
    }
    if let Some(Idempotency { key, answer }) = &batch.idempotency {
        let (key_max, answer_max) = (Idempotency::KEY_BYTES_MAX, Idempotency::ANSWER_BYTES_MAX);
        if key.is_empty() || key.len() > key_max || answer.len() > answer_max {
            return Err(CommitError::Invalid(format!(
                "an idempotency key has 1 to {key_max} bytes and its answer at most {answer_max}"
            )));
        }
    }
    Ok(batch)
}

impl Shared {
    fn start(
        fs: Arc<dyn Fs>,
        options: Options,
        clock: SharedClock,
        recovered: Recovered,
    ) -> Result<Arc<Shared>, OpenError> {
        let queue = Arc::new(Queue::default());
        let subscribers = Arc::new(Subscribers::default());
        let flush_wanted = Arc::new(Notify::new());
        let committer = Committer {
            wal: SegmentWriter::new(
                Arc::clone(&fs),
                &recovered.wal_directory,
                recovered.version,
                options.segment_bytes_max,
                recovered.segments.clone(),
            ),
            fs,
            clock: Arc::clone(&clock),
            policy: Policy {
                directory: options.directory.clone(),
                durability: options.durability,
                sync_interval: options.sync_interval,
                commit_window: options.commit_window,
                commit_bytes: options.commit_bytes,
                disk_free_bytes_min: options.disk_free_bytes_min,
                flush_bytes: options.flush_bytes,
            },
            queue: Arc::clone(&queue),
            catalogue: Arc::clone(&recovered.catalogue),
            rollups: Arc::clone(&recovered.rollups),
            ledger: Arc::clone(&recovered.ledger),
            subscribers: Arc::clone(&subscribers),
            health: Arc::clone(&recovered.health),
            flush_wanted: Arc::clone(&flush_wanted),
            next: recovered.next,
            _lock: Arc::clone(&recovered.lock),
        };
        let committer = std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(OpenError::Thread)?;
        let gate = Gate::new(QueueLimits {
            rows_max: options.queue_rows_max,
            bytes_max: options.queue_bytes_max,
            memory_bytes_max: options.memory_bytes_max,
        });
        Ok(Arc::new(Shared {
            engine: QueryEngine::new(options.query_memory_bytes_max, Arc::clone(&clock))
                .counting(Arc::clone(&recovered.rollups)),
            options,
            clock,
            queue,
            gate: Arc::new(gate),
            catalogue: recovered.catalogue,
            rollups: recovered.rollups,
            ledger: recovered.ledger,
            subscribers,
            health: recovered.health,
            flusher: recovered.flusher,
            flush_wanted,
            segments: recovered.segments,
            found: recovered.found,
            running: Mutex::new(Running {
                committer: Some(committer),
                lock: Some(recovered.lock),
            }),
            due: Mutex::default(),
        }))
    }

    fn admit(&self, batch: &Batch) -> Result<crate::commit::Permit, CommitError> {
        let memory = self.catalogue.memory_bytes();
        let admitted = self.gate.admit(batch.rows(), batch.bytes(), memory);
        if matches!(admitted, Err(CommitError::Full { .. })) {
            self.flush_wanted.notify_one();
        }
        admitted
    }

    /// Background work that is due now.
    fn maintain(&self) {
        let now = self.clock.elapsed();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if self.flush_is_due(now)
            && due.flush_retry <= now
            && let Err(error) = self.flusher.flush()
        {
            events::flush_failed(&error.to_string());
            due.flush_retry = now + FLUSH_RETRY;
        }
        if due.tidy <= now {
            due.tidy = now + TIDY_INTERVAL;
            if let Err(error) = tidy(&self.flusher) {
                events::flush_failed(&error.to_string());
            }
        }
    }

    fn flush_is_due(&self, now: Duration) -> bool {
        let old = self
            .catalogue
            .oldest_in_memory()
            .is_some_and(|oldest| now.saturating_sub(oldest) >= self.options.flush_after);
        let bytes = self.catalogue.memory_bytes();
        old || bytes >= self.options.flush_bytes || bytes >= self.options.memory_bytes_max / 2
    }

    fn stats(&self) -> Stats {
        let sizes = self.catalogue.sizes();
        let (queue_rows, queue_bytes) = self.gate.load();
        let (wal_segments, wal_bytes) = self.segments.size();
        let tables = sizes.tables.iter().map(|(table, sizes)| {
            let [memory_rows, file_rows, file_bytes, files] = *sizes;
            let stats = TableStats {
                memory_rows,
                file_rows,
                file_bytes,
                files,
            };
            (table.name(), stats)
        });
        let last_flush = self.flusher.last_flush.lock();
        Stats {
            healthy: self.health.check().is_ok(),
            stopped_because: self.health.reason().map(|reason| reason.to_string()),
            sequence: sizes.sequence,
            flushed_sequence: sizes.flushed,
            queue_rows: queue_rows as u64,
            queue_bytes: queue_bytes as u64,
            memory_bytes: sizes.memory_bytes,
            memory_bytes_max: self.options.memory_bytes_max,
            wal_segments,
            wal_bytes,
            tables: tables.collect(),
            found: self.found,
            rollups: self.rollups.stats(),
            last_flush: *last_flush.unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn close(&self) {
        self.queue.close();
        let committer = self.running().committer.take();
        if let Some(committer) = committer
            && committer.join().is_err()
        {
            tracing::error!("the thread that commits had failed");
        }
        // Waits for a flush under way; later ones find the store closed.
        let manifest = self.flusher.manifest();
        self.flusher.closed.store(true, Ordering::SeqCst);
        drop(manifest);
        self.running().lock = None;
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    /// Without [`Store::close`] the thread still ends; what was acknowledged is in the log.
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Retention, merging, and removing what they left.
fn tidy(flusher: &Flusher) -> Result<(), FlushError> {
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

/// Looks for due work until the store is gone.
async fn maintain(shared: Weak<Shared>, flush_wanted: Arc<Notify>) {
    loop {
        let _ = tokio::time::timeout(MAINTENANCE_INTERVAL, flush_wanted.notified()).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.flusher.closed.load(Ordering::SeqCst) {
            return;
        }
        if tokio::task::spawn_blocking(move || shared.maintain())
            .await
            .is_err()
        {
            tracing::error!("background work of the store has failed");
        }
    }
}
