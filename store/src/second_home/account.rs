//! What the manifest is told about files that move.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Place;
use crate::catalogue::{Removal, by_partition};
use crate::compact::choose;
use crate::events;
use crate::flush::{FlushError, Flusher};
use crate::manifest::{Edit, TableFile};
use crate::partition::end_of;
use crate::schema::Table;

/// An hour is moved this long after its end, when hardly a row comes late any more: each would change the
/// hour's file, which would move again.
pub(super) const MOVED_AFTER: Duration = Duration::from_hours(1);

/// Counts per minute stay on the machine's disk this long whatever is asked for: baselines read four weeks, and
/// whether somebody is paged must not depend on an object store.
const MINUTES_STAY: Duration = Duration::from_hours(29 * 24);

fn stays(table: Table, keep_local: Duration) -> Duration {
    match table {
        Table::Minutes => keep_local.max(MINUTES_STAY),
        _ => keep_local,
    }
}

impl Flusher {
    /// Files of closed hours that only this machine has and that nobody merges any more, the oldest first.
    pub(super) fn to_move(&self) -> Vec<Arc<TableFile>> {
        let now = self.clock.now();
        let mut files = Vec::new();
        for table in Table::ALL {
            for (hour, files_of_hour) in by_partition(self.catalogue.files(table)) {
                let local: Vec<_> = files_of_hour
                    .into_iter()
                    .filter(|file| file.place.is_local())
                    .collect();
                if end_of(hour) + MOVED_AFTER < now && choose(&local, now).len() < 2 {
                    let unmoved = |file: &Arc<TableFile>| file.place == Place::Local;
                    files.extend(local.into_iter().filter(unmoved));
                }
            }
        }
        files.sort_by_key(|file| (file.hour, file.path.clone()));
        files
    }

    /// Notes that an object is about to be written: should it never be finished, it is removed. `false`
    /// when the file is gone.
    pub(super) fn claim(&self, file: &TableFile) -> Result<bool, FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        let state = manifest.state();
        if state.files.get(&file.path) != Some(file) {
            return Ok(false);
        }
        if state.leaving.contains(&file.path) {
            return Ok(true);
        }
        let edit = Edit {
            leaving: vec![file.path.clone()],
            ..Edit::default()
        };
        self.record(&mut manifest, edit).map(|()| true)
    }

    /// Notes that the second home has a file. `false` when it went meanwhile: the object goes too.
    pub(super) fn arrived(&self, file: &Arc<TableFile>) -> Result<bool, FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        if manifest.state().files.get(&file.path) != Some(file.as_ref()) {
            return Ok(false);
        }
        let both = TableFile {
            place: Place::Both,
            ..file.as_ref().clone()
        };
        let edit = Edit {
            added: vec![both.clone()],
            left: vec![file.path.clone()],
            ..Edit::default()
        };
        self.record_move(&mut manifest, edit)?;
        let now = self.clock.elapsed();
        self.catalogue
            .replace_file(file, both, Removal::Nothing, now);
        Ok(true)
    }

    /// Lets go of local copies whose hour ended `keep_local` ago, those of counts per minute later. Says how many.
    pub(super) fn leave_to_second_home(&self, keep_local: Duration) -> Result<usize, FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        let Some(now) = self.retention_now() else {
            return Ok(0);
        };
        let files: Vec<Arc<TableFile>> = Table::ALL
            .into_iter()
            .flat_map(|table| self.catalogue.files(table))
            .filter(|file| file.place == Place::Both)
            .filter(|file| end_of(file.hour) + stays(file.table, keep_local) < now)
            .collect();
        if files.is_empty() {
            return Ok(0);
        }
        let away = |file: &Arc<TableFile>| TableFile {
            place: Place::Away,
            ..file.as_ref().clone()
        };
        let edit = Edit {
            added: files.iter().map(away).collect(),
            ..Edit::default()
        };
        self.record_move(&mut manifest, edit)?;
        let elapsed = self.clock.elapsed();
        for file in &files {
            self.catalogue
                .replace_file(file, away(file), Removal::LocalCopy, elapsed);
        }
        events::left_to_second_home(files.len());
        Ok(files.len())
    }

    /// Objects that nothing needs any more and no query reads.
    pub(super) fn leaving(&self) -> Vec<String> {
        let manifest = self.manifest();
        let read: BTreeSet<String> = self.catalogue.condemned_paths();
        let leaving = manifest.state().leaving.iter();
        leaving
            .filter(|path| !read.contains(*path))
            .cloned()
            .collect()
    }

    /// Notes that objects are gone.
    pub(super) fn left(&self, paths: Vec<String>) -> Result<(), FlushError> {
        if paths.is_empty() {
            return Ok(());
        }
        let mut manifest = self.manifest();
        self.check_health()?;
        let edit = Edit {
            left: paths,
            ..Edit::default()
        };
        self.record(&mut manifest, edit)
    }
}
