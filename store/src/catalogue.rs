//! What is visible: rows in memory and Parquet files, behind one lock, so that whoever looks sees each
//! row exactly once while rows move from one to the other.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use model::Timestamp;

use crate::batch::Position;
use crate::manifest::TableFile;
use crate::memtable::Memtable;
use crate::schema::Table;
use crate::snapshot::{Snapshot, SnapshotFile};

/// Rows that are on their way to Parquet, and what was true when they were set apart.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    pub(crate) rows: Arc<Memtable>,
    /// The last commit among them.
    pub(crate) sequence: u64,
    pub(crate) positions: BTreeMap<String, String>,
}

/// What goes with a file that is not answered with any more, or not from where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// The file on the machine's disk.
    LocalCopy,
    /// Nothing; it is only remembered for as long as a query may be reading it.
    Nothing,
}

/// A file that a query may still be reading.
struct Condemned {
    file: Arc<TableFile>,
    /// Until when, in monotonic time, it stays in any case.
    until: Duration,
    removal: Removal,
}

impl Condemned {
    fn is_held(&self, elapsed: Duration) -> bool {
        Arc::strong_count(&self.file) > 1 || self.until > elapsed
    }
}

#[derive(Default)]
struct Visible {
    active: Memtable,
    frozen: Option<Frozen>,
    files: BTreeMap<Table, Vec<Arc<TableFile>>>,
    condemned: Vec<Condemned>,
    positions: BTreeMap<String, String>,
    sequence: u64,
    flushed: u64,
    /// The latest time of a row, and when, in monotonic time, rows came last.
    newest: Option<(Timestamp, Duration)>,
}

/// What is visible.
pub(crate) struct Catalogue {
    directory: PathBuf,
    visible: Mutex<Visible>,
    memory_bytes: AtomicU64,
}

/// Sizes, for statistics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) sequence: u64,
    pub(crate) flushed: u64,
    pub(crate) memory_bytes: u64,
    /// Per table: rows in memory, rows in files, bytes in files, number of files.
    pub(crate) tables: BTreeMap<Table, [u64; 4]>,
    /// Files in the second home, their bytes, files that are there only, theirs.
    pub(crate) away: [u64; 4],
}

impl Catalogue {
    pub(crate) fn new(
        directory: &Path,
        files: impl IntoIterator<Item = TableFile>,
        positions: BTreeMap<String, String>,
        flushed: u64,
    ) -> Self {
        let mut visible = Visible {
            positions,
            sequence: flushed,
            flushed,
            ..Visible::default()
        };
        for file in files {
            visible
                .files
                .entry(file.table)
                .or_default()
                .push(Arc::new(file));
        }
        Catalogue {
            directory: directory.to_path_buf(),
            visible: Mutex::new(visible),
            memory_bytes: AtomicU64::new(0),
        }
    }

    /// Makes durable rows visible, together with the positions they were read up to. Says by how many
    /// bytes memory grew.
    pub(crate) fn publish(
        &self,
        rows: Vec<(Table, RecordBatch)>,
        positions: impl IntoIterator<Item = Position>,
        sequence: u64,
        elapsed: Duration,
    ) -> i64 {
        let newest = rows
            .iter()
            .filter_map(|(table, rows)| table.time_range(rows))
            .map(|(_, to)| to)
            .max();
        let mut visible = self.lock();
        visible.note_newest(newest, elapsed);
        visible.active.begin(elapsed);
        for (table, rows) in rows {
            visible.active.push(table, rows);
        }
        for position in positions {
            visible.positions.insert(position.source, position.value);
        }
        visible.sequence = sequence;
        self.count_memory(&visible)
    }

    /// Sets apart everything visible that is not in files yet. What an earlier flush set apart and
    /// could not write comes first; `None` when there is nothing.
    pub(crate) fn freeze(&self) -> Option<Frozen> {
        let mut visible = self.lock();
        if visible.frozen.is_none() && visible.sequence > visible.flushed {
            visible.frozen = Some(Frozen {
                rows: Arc::new(std::mem::take(&mut visible.active)),
                sequence: visible.sequence,
                positions: visible.positions.clone(),
            });
        }
        visible.frozen.clone()
    }

    /// Puts files in the place of the rows that were set apart. Says by how many bytes memory grew,
    /// which is less than nothing.
    pub(crate) fn replace_frozen(&self, sequence: u64, files: Vec<TableFile>) -> i64 {
        let mut visible = self.lock();
        visible.frozen = None;
        visible.flushed = sequence;
        visible.add_files(files);
        self.count_memory(&visible)
    }

    /// Puts files in the place of others (none, when they expired), which stay on disk until `until`
    /// in monotonic time and until nobody reads them.
    pub(crate) fn replace_files(
        &self,
        removed: &[Arc<TableFile>],
        added: Vec<TableFile>,
        until: Duration,
    ) {
        let mut visible = self.lock();
        for gone in removed {
            if let Some(files) = visible.files.get_mut(&gone.table) {
                files.retain(|file| file.path != gone.path);
            }
            let removal = if gone.place.is_local() {
                Removal::LocalCopy
            } else {
                Removal::Nothing
            };
            visible.condemned.push(Condemned {
                file: Arc::clone(gone),
                until,
                removal,
            });
        }
        visible.add_files(added);
    }

    /// Says anew where a file is. What goes with the old place goes after `until` in monotonic time, once
    /// nobody reads it.
    pub(crate) fn replace_file(
        &self,
        old: &Arc<TableFile>,
        new: TableFile,
        removal: Removal,
        until: Duration,
    ) {
        let mut visible = self.lock();
        let files = visible.files.entry(old.table).or_default();
        if let Some(file) = files.iter_mut().find(|file| file.path == old.path) {
            *file = Arc::new(new);
        }
        visible.condemned.push(Condemned {
            file: Arc::clone(old),
            until,
            removal,
        });
    }

    /// The paths of files that a query may still be reading where they were.
    pub(crate) fn condemned_paths(&self) -> BTreeSet<String> {
        let visible = self.lock();
        let condemned = visible.condemned.iter();
        condemned.map(|gone| gone.file.path.clone()).collect()
    }

    /// Condemned files that no query reads any more and whose time, in monotonic time, is over. Each
    /// is given out once; what cannot be removed is an orphan that the next start removes.
    pub(crate) fn take_removable(&self, elapsed: Duration) -> Vec<Arc<TableFile>> {
        let mut visible = self.lock();
        let condemned = std::mem::take(&mut visible.condemned);
        // A query may read a file as it was before it moved.
        let held: BTreeSet<String> = condemned
            .iter()
            .filter(|gone| gone.is_held(elapsed))
            .map(|gone| gone.file.path.clone())
            .collect();
        let (kept, over): (Vec<_>, Vec<_>) = condemned
            .into_iter()
            .partition(|gone| held.contains(&gone.file.path));
        visible.condemned = kept;
        over.into_iter()
            .filter(|gone| gone.removal == Removal::LocalCopy)
            .map(|gone| gone.file)
            .collect()
    }

    /// The files of one table.
    pub(crate) fn files(&self, table: Table) -> Vec<Arc<TableFile>> {
        self.lock().files.get(&table).cloned().unwrap_or_default()
    }

    /// Everything visible now. Files stay while the snapshot lives.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let visible = self.lock();
        let mut snapshot = Snapshot::default();
        let memtables = visible.frozen.iter().map(|frozen| frozen.rows.as_ref());
        for memtable in memtables.chain([&visible.active]) {
            for table in Table::ALL {
                let rows = memtable.rows(table).cloned();
                snapshot.memory.entry(table).or_default().extend(rows);
            }
        }
        let mut held = Vec::new();
        for (table, files) in &visible.files {
            held.extend(files.iter().cloned());
            let files = files.iter().map(|file| self.as_snapshot_file(file));
            snapshot.files.insert(*table, files.collect());
        }
        snapshot.lease = Some(Arc::new(held) as Arc<dyn Any + Send + Sync>);
        snapshot
    }

    fn as_snapshot_file(&self, file: &TableFile) -> SnapshotFile {
        SnapshotFile {
            path: self.directory.join(&file.path),
            bytes: file.bytes,
            rows: file.rows,
            from: Timestamp::from_micros(file.from_us),
            to: Timestamp::from_micros(file.to_us),
            away: (!file.place.is_local()).then(|| file.path.clone()),
        }
    }

    /// How far a source has been read.
    pub(crate) fn position(&self, source: &str) -> Option<String> {
        self.lock().positions.get(source).cloned()
    }

    /// The last visible commit.
    pub(crate) fn sequence(&self) -> u64 {
        self.lock().sequence
    }

    /// Monotonic time since which a commit waits in memory; `None` when all are in files.
    pub(crate) fn oldest_in_memory(&self) -> Option<Duration> {
        let visible = self.lock();
        let frozen = visible
            .frozen
            .as_ref()
            .and_then(|frozen| frozen.rows.began());
        frozen.or(visible.active.began())
    }

    /// Notes rows that are there from before the start.
    pub(crate) fn note_newest(&self, newest: Timestamp, elapsed: Duration) {
        self.lock().note_newest(Some(newest), elapsed);
    }

    /// The latest time of a row, and when, in monotonic time, rows came last.
    pub(crate) fn newest(&self) -> Option<(Timestamp, Duration)> {
        self.lock().newest
    }

    /// Memory that rows take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// Sizes, for statistics.
    pub(crate) fn sizes(&self) -> Sizes {
        let visible = self.lock();
        let mut sizes = Sizes {
            sequence: visible.sequence,
            flushed: visible.flushed,
            memory_bytes: self.memory_bytes(),
            ..Sizes::default()
        };
        for file in visible.files.values().flatten() {
            let counted = [
                file.place.is_away(),
                file.place.is_away(),
                !file.place.is_local(),
                !file.place.is_local(),
            ];
            let amounts = [1, file.bytes, 1, file.bytes];
            for ((sum, counts), amount) in sizes.away.iter_mut().zip(counted).zip(amounts) {
                *sum += if counts { amount } else { 0 };
            }
        }
        for table in Table::ALL {
            let frozen = visible
                .frozen
                .as_ref()
                .map_or(0, |f| f.rows.row_count(table));
            let files = visible.files.get(&table).map_or(&[][..], Vec::as_slice);
            sizes.tables.insert(
                table,
                [
                    frozen + visible.active.row_count(table),
                    files.iter().map(|file| file.rows).sum(),
                    files.iter().map(|file| file.bytes).sum(),
                    files.len() as u64,
                ],
            );
        }
        sizes
    }

    /// Notes what memory is taken now, and says by how much that is more than before.
    fn count_memory(&self, visible: &Visible) -> i64 {
        let frozen = visible
            .frozen
            .as_ref()
            .map_or(0, |frozen| frozen.rows.bytes());
        let now = (frozen + visible.active.bytes()) as u64;
        let before = self.memory_bytes.swap(now, Ordering::Relaxed);
        now.cast_signed().wrapping_sub(before.cast_signed())
    }

    fn lock(&self) -> MutexGuard<'_, Visible> {
        self.visible.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visible {
    fn note_newest(&mut self, newest: Option<Timestamp>, elapsed: Duration) {
        let before = self.newest.map(|(newest, _)| newest);
        if let Some(newest) = newest {
            self.newest = Some((before.map_or(newest, |before| before.max(newest)), elapsed));
        }
    }

    fn add_files(&mut self, files: Vec<TableFile>) {
        for file in files {
            self.files
                .entry(file.table)
                .or_default()
                .push(Arc::new(file));
        }
    }
}

/// Files by partition: the table and when its hour begins.
pub(crate) fn by_partition(files: Vec<Arc<TableFile>>) -> HashMap<i64, Vec<Arc<TableFile>>> {
    let mut partitions: HashMap<i64, Vec<Arc<TableFile>>> = HashMap::new();
    for file in files {
        partitions.entry(file.hour).or_default().push(file);
    }
    partitions
}
