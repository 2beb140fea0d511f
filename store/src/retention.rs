//! Whole hours are dropped when all their rows are past the table's retention, never earlier.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use model::{Timestamp, whole_micros};

use crate::events;
use crate::flush::{FlushError, Flusher, remove};
use crate::manifest::{Edit, TableFile};
use crate::partition::{directory_of, end_of};
use crate::schema::Table;
use crate::second_home::objects_of;

/// Whether every row an hour can hold is past `retention`.
pub(crate) fn is_expired(hour: i64, retention: Duration, now: Timestamp) -> bool {
    end_of(hour) + retention < now
}

/// A difference between wall and monotonic time, from one look to the next, that is no jump.
const DRIFT_MAX: Duration = Duration::from_mins(5);
/// Rows that came within this time testify what time it is.
const TESTIMONY_AGE_MAX: Duration = Duration::from_hours(1);
/// How far the wall clock may be ahead of the newest of them.
const AHEAD_OF_ROWS_MAX: Duration = Duration::from_hours(24);

/// Compares the wall clock with monotonic time. What it jumped ahead is not counted as time that has
/// passed, since what is dropped on its word is gone for good; a clock set back is believed.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    wall: Timestamp,
    elapsed: Duration,
    /// The jumps ahead since the start.
    ahead_us: i64,
}

impl ClockWatch {
    pub(crate) fn new(wall: Timestamp, elapsed: Duration) -> Self {
        ClockWatch {
            wall,
            elapsed,
            ahead_us: 0,
        }
    }

    /// The time without the jumps.
    fn look(&mut self, wall: Timestamp, elapsed: Duration) -> Timestamp {
        let passed = whole_micros(elapsed.saturating_sub(self.elapsed));
        let shown = wall.as_micros().saturating_sub(self.wall.as_micros());
        let step = shown.saturating_sub(passed);
        if step.unsigned_abs() > DRIFT_MAX.as_micros() as u64 {
            self.ahead_us = self.ahead_us.saturating_add(step).max(0);
        }
        (self.wall, self.elapsed) = (wall, elapsed);
        Timestamp::from_micros(wall.as_micros().saturating_sub(self.ahead_us))
    }
}

impl Flusher {
    /// The time that retention goes by; `None` while nothing may be dropped.
    pub(crate) fn retention_now(&self) -> Option<Timestamp> {
        let (wall, elapsed) = (self.clock.now(), self.clock.elapsed());
        let mut watch = self
            .clock_watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = watch.look(wall, elapsed);
        if watch.ahead_us > 0 {
            events::clock_doubted("jumped", watch.ahead_us.unsigned_abs() / 1_000_000);
        }
        match self.catalogue.newest() {
            Some((newest, came))
                if elapsed.saturating_sub(came) <= TESTIMONY_AGE_MAX
                    && newest + AHEAD_OF_ROWS_MAX < now =>
            {
                events::clock_doubted("ahead of rows", now.since(newest).as_secs());
                None
            }
            _ => Some(now),
        }
    }

    /// Drops the hours that are past their retention. Says how many files went.
    pub(crate) fn expire(&self) -> Result<usize, FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        let Some(now) = self.retention_now() else {
            return Ok(0);
        };
        let expired: Vec<Arc<TableFile>> = Table::ALL
            .into_iter()
            .flat_map(|table| self.catalogue.files(table))
            .filter(|file| is_expired(file.hour, self.retention.of(file.table), now))
            .collect();
        if expired.is_empty() {
            return Ok(0);
        }
        let edit = Edit {
            removed: expired.iter().map(|file| file.path.clone()).collect(),
            leaving: objects_of(&expired),
            ..Edit::default()
        };
        self.record(&mut manifest, edit)?;
        events::expired(expired.len(), expired.iter().map(|file| file.rows).sum());
        let elapsed = self.clock.elapsed();
        self.catalogue.replace_files(&expired, Vec::new(), elapsed);
        Ok(expired.len())
    }

    /// The monotonic time by which files that were merged are removed; later than now when the disk is
    /// filling up, since then space is worth more than their time.
    fn removable_at(&self) -> Duration {
        let free = self.fs.free_bytes(&self.directory);
        if free.is_ok_and(|free| free < self.disk_free_bytes_min.saturating_mul(2)) {
            return Duration::MAX;
        }
        self.clock.elapsed()
    }

    /// Removes the files that were dropped from the catalogue, that no query reads any more and whose
    /// time is over.
    pub(crate) fn sweep(&self) {
        let manifest = self.manifest();
        if self.check_health().is_err() {
            return;
        }
        // While nothing comes in, nothing else lets go of the log.
        self.remove_segments(manifest.state().flushed);
        for file in self.catalogue.take_removable(self.removable_at()) {
            remove(self.fs.as_ref(), &self.directory.join(&file.path));
            let hour = self.directory.join(directory_of(file.table, file.hour));
            // Fails while other files are in it, which is as good.
            if self.fs.remove_dir(&hour).is_ok()
                && let Some(day) = hour.parent()
            {
                let _ = self.fs.remove_dir(day);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_row_is_dropped_before_its_time(
            row_us in -4_000_000_000_000_000_i64..4_000_000_000_000_000,
            retention_s in 0_u64..40_000_000,
            ahead_us in 0_i64..60_000_000_000_000,
        ) {
            let row = Timestamp::from_micros(row_us);
            let retention = Duration::from_secs(retention_s);
            let now = Timestamp::from_micros(row_us + ahead_us);
            let hour = row.floor_to(Duration::from_hours(1)).as_seconds();
            if is_expired(hour, retention, now) {
                prop_assert!(now.since(row) > retention);
            } else {
                prop_assert!(now.since(row) <= retention + Duration::from_hours(1));
            }
        }
    }
}
