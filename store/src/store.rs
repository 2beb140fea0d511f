//! The handle others hold: commit, query, flush, close.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use model::{FunctionId, SharedClock, Timestamp};
use tokio::sync::{Notify, broadcast, oneshot};

use crate::batch::{Batch, Idempotency};
use crate::catalogue::Catalogue;
use crate::commit::{CommitError, Committed, Deltas, Gate, Health, Queue, QueueLimits, Waiting};
use crate::committer::{Committer, Policy, Subscribers};
use crate::flush::{FlushError, Flusher};
use crate::fs::{DiskFs, Fs};
use crate::idempotency::{Begin, Ledger};
use crate::journal::PAYLOAD_BYTES_MAX;
use crate::maintenance::{Maintenance, tidy};
use crate::options::{Options, Retention};
use crate::recovery::{Found, OpenError, Recovered, recover};
use crate::rollup::{Counts, Rollups, SeriesKey};
use crate::second_home::{MoveError, Moved, Mover};
use crate::snapshot::Snapshot;
use crate::sql::{QueryAnswer, QueryEngine, QueryError, QueryLimits};
use crate::stats::{Stats, TableStats};
use crate::wal::{SegmentWriter, encode};

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
    maintenance: Arc<Maintenance>,
    engine: QueryEngine,
    segments: crate::wal::Segments,
    found: Found,
    /// The thread that commits, until the store is closed.
    committer: Mutex<Option<JoinHandle<()>>>,
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
        shared.maintenance.start();
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

    /// The same, to be kept.
    pub fn shared_rollups(&self) -> Arc<Rollups> {
        Arc::clone(&self.shared.rollups)
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

    /// Moves closed hours to their second home now, as much as one round may; it also happens by itself.
    /// Does nothing without one.
    pub async fn move_closed_hours(&self) -> Result<Moved, MoveError> {
        let flusher = &self.shared.flusher;
        match &flusher.home {
            Some(home) => Mover { flusher, home }.round().await,
            None => Ok(Moved::default()),
        }
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
        let budget = recovered.flusher.budget.clone();
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
            policy: Policy::of(&options),
            queue: Arc::clone(&queue),
            catalogue: Arc::clone(&recovered.catalogue),
            rollups: Arc::clone(&recovered.rollups),
            ledger: Arc::clone(&recovered.ledger),
            subscribers: Arc::clone(&subscribers),
            health: Arc::clone(&recovered.health),
            memory: Arc::clone(&budget.ingest),
            flush_wanted: Arc::clone(&flush_wanted),
            next: recovered.next,
            _lock: recovered.lock,
        };
        let committer = std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(OpenError::Thread)?;
        let limits = QueueLimits {
            rows_max: options.queue_rows_max,
            bytes_max: options.queue_bytes_max,
        };
        let maintenance = Maintenance::new(
            Arc::clone(&clock),
            Arc::clone(&recovered.flusher),
            flush_wanted,
            options.flush_after,
            options.flush_bytes,
        );
        Ok(Arc::new(Shared {
            engine: QueryEngine::within(budget.query, Arc::clone(&clock))
                .counting(Arc::clone(&recovered.rollups))
                .reading(options.second_home.clone()),
            options,
            clock,
            queue,
            gate: Arc::new(Gate::new(limits, budget.ingest)),
            catalogue: recovered.catalogue,
            rollups: recovered.rollups,
            ledger: recovered.ledger,
            subscribers,
            health: recovered.health,
            flusher: recovered.flusher,
            maintenance,
            segments: recovered.segments,
            found: recovered.found,
            committer: Mutex::new(Some(committer)),
        }))
    }

    fn admit(&self, batch: &Batch) -> Result<crate::commit::Permit, CommitError> {
        let admitted = self.gate.admit(batch.rows(), batch.bytes());
        if matches!(admitted, Err(CommitError::Full { .. })) {
            self.maintenance.flush_wanted.notify_one();
        }
        admitted
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
        let budget = &self.flusher.budget;
        budget.keys.set(self.ledger.bytes());
        Stats {
            healthy: self.health.check().is_ok(),
            stopped_because: self.health.reason().map(|reason| reason.to_string()),
            sequence: sizes.sequence,
            flushed_sequence: sizes.flushed,
            queue_rows: queue_rows as u64,
            queue_bytes: queue_bytes as u64,
            memory_bytes: sizes.memory_bytes,
            memory_bytes_max: budget.ingest.bytes_max(),
            memory: budget.stats(),
            wal_segments,
            wal_bytes,
            tables: tables.collect(),
            second_home: self.flusher.second_home_stats(&sizes),
            found: self.found,
            rollups: self.rollups.stats(),
            last_flush: *last_flush.unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn close(&self) {
        self.queue.close();
        let committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(committer) = committer
            && committer.join().is_err()
        {
            tracing::error!("the thread that commits had failed");
        }
        // Waits for a flush under way; later ones find the store closed.
        let manifest = self.flusher.manifest();
        self.flusher.closed.store(true, Ordering::SeqCst);
        drop(manifest);
        // A merge notices within a few rows.
        drop(self.flusher.merging.lock());
        *self
            .flusher
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Shared {
    /// Without [`Store::close`] the thread still ends; what was acknowledged is in the log.
    fn drop(&mut self) {
        self.queue.close();
    }
}
