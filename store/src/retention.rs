//! Whole hours are dropped when all their rows are past the table's retention, never earlier.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use crate::events;
use crate::flush::{FlushError, Flusher, remove};
use crate::manifest::{Edit, TableFile};
use crate::partition::{directory_of, end_of};
use crate::schema::Table;

/// Whether every row an hour can hold is past `retention`.
pub(crate) fn is_expired(hour: i64, retention: Duration, now: Timestamp) -> bool {
    end_of(hour) + retention < now
}

impl Flusher {
    /// Drops the hours that are past their retention. Says how many files went.
    pub(crate) fn expire(&self) -> Result<usize, FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        let now = self.clock.now();
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
            ..Edit::default()
        };
        self.record(&mut manifest, edit)?;
        events::expired(expired.len(), expired.iter().map(|file| file.rows).sum());
        self.catalogue.replace_files(&expired, Vec::new());
        Ok(expired.len())
    }

    /// Removes the files that were dropped from the catalogue and that no query reads any more.
    pub(crate) fn sweep(&self) {
        let _manifest = self.manifest();
        for file in self.catalogue.take_removable() {
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
