//! Reading the log at a start. What is read goes to memory, and from there to files beside the reading
//! where it is more than memory may hold.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use model::{SharedClock, Timestamp};

use super::{OpenError, QUARANTINE, Recovered, io_error, newer};
use crate::budget::Share;
use crate::events;
use crate::flush::{FlushError, Flusher, LOG_HORIZON};
use crate::fs::Fs;
use crate::manifest::KeptKey;
use crate::options::Options;
use crate::rollup::Rollups;
use crate::wal::{self, Record, ReplayError};

/// Reads the log: what is in Parquet already goes to the rollups only, the rest to memory as well. The
/// rollups see the batches at the times at which they were committed, so that they are what they were.
pub(super) fn replay(
    fs: &dyn Fs,
    options: &Options,
    clock: &SharedClock,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    let flushed = recovered.catalogue.sequence();
    let now = clock.now();
    let mut found = recovered.found;
    let quarantine = options.directory.join(QUARANTINE);
    let directory = recovered.wal_directory.clone();
    let mut whole = flushed == 0;
    let mut first = None;
    let mut spill = Spill::new(&recovered.flusher);
    let replayed = wal::replay(fs, &directory, &quarantine, |mut record, _| {
        if first.is_none() {
            whole |= record.sequence == 1;
            first = Some(record.committed_at);
        }
        if reaches_rollups(record.committed_at, now) {
            count(&recovered.rollups, &record, now);
        } else {
            // What is too old to be counted is as if it were not there.
            whole = false;
            first = Some(now - LOG_HORIZON);
        }
        if record.sequence > flushed {
            found.replayed_records += 1;
            found.replayed_rows += record.batch.rows() as u64;
            record.batch.own_memory();
            spill.make_room(record.batch.bytes() as u64)?;
            restore(recovered, record, now, clock.elapsed());
        }
        Ok(())
    });
    let spilled = spill.settle(0);
    let replayed = replayed.map_err(|error| match error {
        ReplayError::Newer(found) => newer(&options.directory, found),
        ReplayError::Io { path, source } => io_error(path, source),
        ReplayError::Apply(reason) => OpenError::Replay(reason),
    })?;
    spilled.map_err(OpenError::Replay)?;
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
            Some(Err(panic)) => std::panic::resume_unwind(panic),
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
