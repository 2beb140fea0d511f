//! The one thread that writes the log: takes what waits, writes it at once, syncs, makes it visible,
//! and only then tells those who wait.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use model::{SharedClock, Timestamp};
use tokio::sync::{Notify, broadcast};

use crate::batch::Position;
use crate::budget::Share;
use crate::catalogue::Catalogue;
use crate::commit::{CommitError, Committed, Deltas, Health, Queue, Turn, Waiting, disk_full};
use crate::events;
use crate::fs::{Fs, Lock};
use crate::idempotency::Ledger;
use crate::options::{Durability, Options};
use crate::rollup::Rollups;
use crate::schema::Table;
use crate::wal::{Group, SegmentWriter, WalError};

/// How long the thread sleeps at most when nothing comes.
const PATIENCE: Duration = Duration::from_hours(1);
/// Batches of one group are merged into one up to this many rows.
const MERGE_ROWS_MAX: usize = 65_536;

/// Those who want to hear of every group of commits.
#[derive(Default)]
pub(crate) struct Subscribers(Mutex<Vec<broadcast::Sender<Arc<Deltas>>>>);

impl Subscribers {
    /// A receiver that may fall `capacity` groups behind before it is told that it lags.
    pub(crate) fn subscribe(&self, capacity: usize) -> broadcast::Receiver<Arc<Deltas>> {
        let (sender, receiver) = broadcast::channel(capacity.clamp(1, 1 << 16));
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        senders.retain(|sender| sender.receiver_count() > 0);
        senders.push(sender);
        receiver
    }

    fn send(&self, deltas: Deltas) {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let deltas = Arc::new(deltas);
        senders.retain(|sender| sender.send(Arc::clone(&deltas)).is_ok());
    }
}

/// What is written to disk, and when.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) directory: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) sync_interval: Duration,
    pub(crate) commit_window: Duration,
    pub(crate) commit_bytes: usize,
    pub(crate) disk_free_bytes_min: u64,
    pub(crate) flush_bytes: u64,
}

impl Policy {
    pub(crate) fn of(options: &Options) -> Self {
        Policy {
            directory: options.directory.clone(),
            durability: options.durability,
            sync_interval: options.sync_interval,
            commit_window: options.commit_window,
            commit_bytes: options.commit_bytes,
            disk_free_bytes_min: options.disk_free_bytes_min,
            flush_bytes: options.flush_bytes,
        }
    }
}

/// Everything the thread works with.
pub(crate) struct Committer {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: SharedClock,
    pub(crate) policy: Policy,
    pub(crate) queue: Arc<Queue>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) rollups: Arc<Rollups>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) subscribers: Arc<Subscribers>,
    pub(crate) health: Arc<Health>,
    /// What rows in memory are counted in.
    pub(crate) memory: Arc<Share>,
    /// Told when memory holds enough to be flushed.
    pub(crate) flush_wanted: Arc<Notify>,
    pub(crate) wal: SegmentWriter,
    /// The sequence number of the next commit.
    pub(crate) next: u64,
    /// Keeps the directory locked while this thread may write.
    pub(crate) _lock: Arc<dyn Lock>,
}

/// Whatever ends the thread, nobody is left waiting and nobody believes the store is well.
struct LastWords {
    queue: Arc<Queue>,
    health: Arc<Health>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.health.break_down("the thread that commits has failed");
        }
        self.queue.close();
        while let Turn::Group(rest) = self.queue.next(Duration::ZERO, Duration::ZERO, 0) {
            let error = self.health.check().err().unwrap_or(CommitError::Closing);
            refuse(rest, &error);
        }
    }
}

impl Committer {
    /// Commits groups until the queue is closed.
    pub(crate) fn run(mut self) {
        let _last_words = LastWords {
            queue: Arc::clone(&self.queue),
            health: Arc::clone(&self.health),
        };
        let mut unsynced_since = None;
        loop {
            let patience = match unsynced_since {
                None => PATIENCE,
                Some(since) => {
                    let waited = self.clock.elapsed().saturating_sub(since);
                    self.policy.sync_interval.saturating_sub(waited)
                }
            };
            let Policy {
                commit_window,
                commit_bytes,
                ..
            } = self.policy;
            match self.queue.next(patience, commit_window, commit_bytes) {
                Turn::Group(group) => self.commit(group),
                Turn::Idle => {}
                Turn::Closed => break,
            }
            if self.policy.durability == Durability::Interval {
                unsynced_since = self.sync_if_due(unsynced_since);
            }
        }
        if self.health.check().is_ok()
            && let Err(error) = self.wal.close()
        {
            self.health.break_down(&error.to_string());
        }
    }

    /// For [`Durability::Interval`]: syncs when the interval is over.
    fn sync_if_due(&mut self, unsynced_since: Option<Duration>) -> Option<Duration> {
        let now = self.clock.elapsed();
        let since = unsynced_since.unwrap_or(now);
        if now.saturating_sub(since) < self.policy.sync_interval {
            return Some(since);
        }
        if let Err(error) = self.wal.sync() {
            self.health.break_down(&error.to_string());
        }
        None
    }

    /// One group, from the log to the answers.
    fn commit(&mut self, group: Vec<Waiting>) {
        let now = self.clock.now();
        match self.write(&group, now) {
            Ok(bytes) => {
                let first = self.next;
                self.next += group.len() as u64;
                self.publish(group, first, now, bytes);
            }
            Err(error) => refuse(group, &error),
        }
    }

    /// Writes a group to the log; when this returns `Ok`, it is as durable as was asked for.
    fn write(&mut self, group: &[Waiting], now: Timestamp) -> Result<u64, CommitError> {
        self.health.check()?;
        let bytes = group.iter().map(|waiting| waiting.body.len() as u64).sum();
        if self.disk_is_low(bytes) {
            return Err(disk_full());
        }
        let mut records = Group::default();
        for (waiting, sequence) in group.iter().zip(self.next..) {
            records
                .add(sequence, now, &waiting.body)
                .map_err(|error| CommitError::Invalid(error.to_string()))?;
        }
        let written = self
            .wal
            .append(&records, now)
            .and_then(|()| match self.policy.durability {
                Durability::Sync => self.wal.sync(),
                Durability::Interval | Durability::None => Ok(()),
            });
        match written {
            Ok(()) => Ok(bytes),
            Err(WalError::Full) => Err(disk_full()),
            Err(broken) => Err(self.health.break_down(&broken.to_string())),
        }
    }

    /// Whether `bytes` more would leave less free than is kept.
    fn disk_is_low(&self, bytes: u64) -> bool {
        let kept = self.policy.disk_free_bytes_min.saturating_add(bytes);
        self.fs
            .free_bytes(&self.policy.directory)
            .is_ok_and(|free| free < kept)
    }

    /// Makes a durable group visible and answers those who wait for it.
    fn publish(&mut self, group: Vec<Waiting>, first: u64, now: Timestamp, bytes: u64) {
        let elapsed = self.clock.elapsed();
        let last = first + group.len() as u64 - 1;
        let rows = merge(&group);
        let row_count: u64 = rows.iter().map(|(_, rows)| rows.num_rows() as u64).sum();
        let mut changes = Vec::new();
        for (table, rows) in &rows {
            if *table == Table::Invocations {
                changes.extend(self.rollups.apply(rows, now));
            }
        }
        let mut positions: Vec<Position> = Vec::new();
        let mut answers = Vec::with_capacity(group.len());
        let mut queued_bytes = 0;
        for (mut waiting, sequence) in group.into_iter().zip(first..) {
            queued_bytes += waiting.permit.hand_over();
            positions.extend(waiting.batch.positions);
            if let Some(idempotency) = &waiting.batch.idempotency {
                self.ledger.insert(idempotency, sequence, now, elapsed);
            }
            answers.push((
                waiting.answer,
                sequence,
                waiting.reservation,
                waiting.permit,
            ));
        }
        let growth = self.catalogue.publish(rows, positions, last, elapsed);
        self.memory.exchange(queued_bytes, growth);
        if self.catalogue.memory_bytes() >= self.policy.flush_bytes {
            self.flush_wanted.notify_one();
        }
        events::committed(answers.len() as u64, row_count, bytes);
        if !changes.is_empty() {
            self.subscribers.send(Deltas {
                sequence: last,
                changes,
                at: now,
            });
        }
        for (answer, sequence, reservation, permit) in answers {
            drop((reservation, permit));
            let committed = Committed {
                sequence,
                repeated: None,
            };
            // Whoever went away in the meantime finds the rows committed all the same.
            let _ = answer.send(Ok(committed));
        }
    }
}

fn refuse(group: Vec<Waiting>, error: &CommitError) {
    for waiting in group {
        drop((waiting.reservation, waiting.permit));
        let _ = waiting.answer.send(Err(error.clone()));
    }
}

/// The rows of a group per table, small batches merged, in the order of their commits.
fn merge(group: &[Waiting]) -> Vec<(Table, RecordBatch)> {
    let mut tables: HashMap<Table, Vec<RecordBatch>> = HashMap::new();
    for waiting in group {
        for (table, rows) in waiting.batch.tables() {
            tables.entry(table).or_default().push(rows.clone());
        }
    }
    let mut merged = Vec::new();
    for (table, batches) in tables {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if batches.len() > 1
            && rows <= MERGE_ROWS_MAX
            && let Ok(one) = concat_batches(&table.schema(), &batches)
        {
            merged.push((table, one));
        } else {
            merged.extend(batches.into_iter().map(|batch| (table, batch)));
        }
    }
    merged
}
