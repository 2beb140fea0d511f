//! Reading the log at a start: one thread reads and decodes, one takes in what was read, and one writes files where
//! it is more than memory may hold.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, Builder, JoinHandle, ScopedJoinHandle};
use std::time::Duration;

use model::{SharedClock, Timestamp};

use super::{Found, OpenError, QUARANTINE, Recovered, io_error, newer};
use crate::budget::Share;
use crate::events;
use crate::flush::{FlushError, Flusher, LOG_HORIZON};
use crate::fs::Fs;
use crate::manifest::KeptKey;
use crate::options::Options;
use crate::rollup::Rollups;
use crate::wal::{self, Record, ReplayError};

/// Records that are read ahead of the one that is taken in; with the one being read, two more are in memory.
const READ_AHEAD: usize = 1;

/// Reads the log: what is in Parquet already goes to the rollups only, the rest to memory as well. The
/// rollups see the batches at the times at which they were committed, so that they are what they were.
pub(super) fn replay(
    fs: &dyn Fs,
    options: &Options,
    clock: &SharedClock,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    let quarantine = &options.directory.join(QUARANTINE);
    let directory = &recovered.wal_directory;
    let mut intake = Intake::new(recovered, clock);
    let flushed = intake.flushed;
    let (sender, records) = sync_channel(READ_AHEAD);
    let (replayed, taken) = thread::scope(|scope| {
        let reader = Builder::new().name("replay-read".to_owned());
        let reader = reader.spawn_scoped(scope, move || {
            wal::replay(fs, directory, quarantine, |mut record, _| {
                if record.sequence > flushed {
                    record.batch.own_memory();
                }
                let sent = sender.send(record);
                sent.map_err(|_| "it was not taken in".to_owned())
            })
        });
        // What is not taken in ends the reading, too.
        let taken = { records }
            .into_iter()
            .try_for_each(|record| intake.take(record));
        (reader.map(ScopedJoinHandle::join), taken)
    });
    let written = intake.spill.settle(0);
    let Intake {
        whole,
        first,
        now,
        mut found,
        ..
    } = intake;
    taken.and(written).map_err(OpenError::Replay)?;
    let replayed = replayed
        .map_err(OpenError::Thread)?
        .unwrap_or_else(|panic| resume_unwind(panic))
        .map_err(|error| match error {
            ReplayError::Newer(found) => newer(&options.directory, found),
            ReplayError::Io { path, source } => io_error(path, source),
            ReplayError::Apply(reason) => OpenError::Replay(reason),
        })?;
    if !whole {
        // A call may complete ten minutes after its commit.
        let first = first.unwrap_or(now).as_seconds();
        recovered.rollups.begin_at(first + Rollups::AHEAD_SECONDS);
    }
    recovered.rollups.pass_to(now);
    found.torn += replayed.torn;
    found.quarantined += replayed.quarantined;
    recovered.found = found;
    recovered.next = recovered.next.max(replayed.last + 1);
    for segment in replayed.segments {
        recovered.segments.push(segment);
    }
    events::replayed(
        found.replayed_records,
        found.replayed_rows,
        recovered.next - 1,
    );
    Ok(())
}

/// Takes in the records of the log, in order.
struct Intake<'a> {
    recovered: &'a Recovered,
    clock: &'a SharedClock,
    /// What is in Parquet.
    flushed: u64,
    now: Timestamp,
    /// Whether the rollups are given all that ever was.
    whole: bool,
    /// From when on they are.
    first: Option<Timestamp>,
    found: Found,
    spill: Spill<'a>,
}

impl<'a> Intake<'a> {
    fn new(recovered: &'a Recovered, clock: &'a SharedClock) -> Self {
        let flushed = recovered.catalogue.sequence();
        Intake {
            recovered,
            clock,
            flushed,
            now: clock.now(),
            whole: flushed == 0,
            first: None,
            found: recovered.found,
            spill: Spill::new(&recovered.flusher),
        }
    }

    fn take(&mut self, record: Record) -> Result<(), String> {
        if self.first.is_none() {
            self.whole |= record.sequence == 1;
            self.first = Some(record.committed_at);
        }
        if reaches_rollups(record.committed_at, self.now) {
            count(&self.recovered.rollups, &record, self.now);
        } else {
            // What is too old to be counted is as if it were not there.
            self.whole = false;
            self.first = Some(self.now - LOG_HORIZON);
        }
        if record.sequence > self.flushed {
            self.found.replayed_records += 1;
            self.found.replayed_rows += record.batch.rows() as u64;
            self.spill.make_room(record.batch.bytes() as u64)?;
            restore(self.recovered, record, self.now, self.clock.elapsed());
        }
        Ok(())
    }
}

/// Counts a record at its time, or now where the clock was ahead then.
fn count(rollups: &Rollups, record: &Record, now: Timestamp) {
    if let Some(invocations) = &record.batch.invocations {
        rollups.apply(invocations, record.committed_at.min(now));
    }
}

fn reaches_rollups(committed_at: Timestamp, now: Timestamp) -> bool {
    committed_at + LOG_HORIZON >= now
}

fn restore(recovered: &Recovered, record: Record, now: Timestamp, elapsed: Duration) {
    let Record {
        sequence,
        committed_at,
        batch,
    } = record;
    let rows = batch
        .tables()
        .map(|(table, rows)| (table, rows.clone()))
        .collect();
    if let Some(idempotency) = batch.idempotency {
        let key = KeptKey {
            key: idempotency.key,
            answer: idempotency.answer,
            sequence,
            at: committed_at,
        };
        recovered.ledger.restore(key, now, elapsed);
    }
    let growth = recovered
        .catalogue
        .publish(rows, batch.positions, sequence, elapsed);
    recovered.flusher.budget.ingest.exchange(0, growth);
}

/// Puts rows into files while the log is read on, before it holds more than memory may.
struct Spill<'a> {
    flusher: &'a Arc<Flusher>,
    share: &'a Share,
    /// Rows go to files from here on: half of ingest's share, so that as much again may come while they are
    /// written. What fits is written once the store is open.
    from_bytes: u64,
    running: Option<JoinHandle<Result<bool, FlushError>>>,
}

impl<'a> Spill<'a> {
    fn new(flusher: &'a Arc<Flusher>) -> Self {
        let share = &flusher.budget.ingest;
        Spill {
            flusher,
            share,
            from_bytes: share.bytes_max() / 2,
            running: None,
        }
    }

    /// Before `bytes` more are taken to memory.
    fn make_room(&mut self, bytes: u64) -> Result<(), String> {
        if self.held_with(bytes) < self.from_bytes {
            return Ok(());
        }
        let under_way = self.running.as_ref().is_some_and(|run| !run.is_finished());
        if under_way && self.held_with(bytes) < self.from_bytes.saturating_mul(2) {
            return Ok(());
        }
        self.settle(bytes)?;
        if self.held_with(bytes) >= self.from_bytes {
            self.begin(bytes)?;
        }
        if self.held_with(bytes) > self.share.bytes_max() {
            self.settle(bytes)?;
        }
        Ok(())
    }

    /// What memory will hold; nothing while it is empty, since then there is nothing to write.
    fn held_with(&self, bytes: u64) -> u64 {
        match self.flusher.catalogue.memory_bytes() {
            0 => 0,
            held => held + bytes,
        }
    }

    fn begin(&mut self, bytes: u64) -> Result<(), String> {
        let flusher = Arc::clone(self.flusher);
        let thread = Builder::new().name("replay-flush".to_owned());
        match thread.spawn(move || flusher.flush()) {
            Ok(run) => self.running = Some(run),
            // No thread to be had: then reading waits.
            Err(_) => self.judge(self.flusher.flush(), bytes)?,
        }
        Ok(())
    }

    /// Waits for what is being written, before `bytes` more are taken to memory.
    fn settle(&mut self, bytes: u64) -> Result<(), String> {
        match self.running.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(flushed)) => self.judge(flushed, bytes),
            Some(Err(panic)) => resume_unwind(panic),
        }
    }

    /// That rows could not be written is no harm as long as memory has room.
    fn judge(&self, flushed: Result<bool, FlushError>, bytes: u64) -> Result<(), String> {
        let Err(error) = flushed else {
            return Ok(());
        };
        let bytes_max = self.share.bytes_max();
        if self.held_with(bytes) > bytes_max {
            return Err(format!(
                "it holds more than the {bytes_max} bytes of memory that rows may take, and {error}; \
                 or raise store.memory_bytes_max"
            ));
        }
        events::flush_failed(&error.to_string());
        Ok(())
    }
}
