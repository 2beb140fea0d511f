//! Copies closed hours to their second home, and removes the objects that nothing needs any more.
//!
//! The order makes every crash harmless: an object is named as leaving before its first byte is sent; it is
//! the file's second place from the moment its whole content, checked against the file's checksum, is there;
//! the local copy goes later still.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::task::spawn_blocking;

use super::{SecondHome, SecondHomeStats};
use crate::catalogue::Sizes;
use crate::events;
use crate::flush::{FlushError, Flusher};
use crate::fs::FsRead;
use crate::manifest::TableFile;

/// What is sent at once. S3 takes no smaller part than 5 MiB, except the last.
const PART_BYTES: u64 = 8 << 20;
/// Files moved in one round, so that local copies and objects that leave need not wait long.
const ROUND_FILES_MAX: usize = 256;
/// How often it is looked whether something is to be moved.
const ROUND_INTERVAL: Duration = Duration::from_mins(1);
/// How long a second home that failed is left alone at most.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(16);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Files the second home has now.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Local copies that were let go of.
    pub left_local: u64,
    /// Objects removed.
    pub removed: u64,
}

/// Why nothing more was moved. What was before it stays moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The store itself.
    #[error(transparent)]
    Store(#[from] FlushError),
    /// The object store refused or was not there.
    #[error("{0}")]
    Home(#[from] object_store::Error),
    /// What arrived is not what was sent.
    #[error("{object} has {found} bytes there instead of {sent}")]
    Shorter {
        /// The object.
        object: String,
        /// Its length there.
        found: u64,
        /// The file's.
        sent: u64,
    },
    /// A file did not read.
    #[error("{path} does not read: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// When the next round comes due, in monotonic time, and how the last went.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    due: Duration,
    wait: Duration,
    failing: Option<(Timestamp, String)>,
}

impl Pace {
    /// Whether a round is due; if so, none is for a while.
    fn take_turn(&mut self, elapsed: Duration) -> bool {
        let due = self.due <= elapsed;
        if due {
            self.due = elapsed + ROUND_INTERVAL;
        }
        due
    }

    fn note(&mut self, outcome: &Result<Moved, MoveError>, now: Timestamp, elapsed: Duration) {
        let Err(error) = outcome else {
            *self = Pace {
                due: self.due,
                ..Pace::default()
            };
            return;
        };
        self.wait = (self.wait * 2).clamp(ROUND_INTERVAL, RETRY_AFTER_MAX);
        self.due = elapsed + self.wait;
        let since = self.failing.take().map_or(now, |(since, _)| since);
        self.failing = Some((since, error.to_string()));
    }
}

/// Moves what a flusher's catalogue holds.
pub(crate) struct Mover<'a> {
    pub(crate) flusher: &'a Arc<Flusher>,
    pub(crate) home: &'a SecondHome,
}

impl Mover<'_> {
    /// A round if one is due.
    pub(crate) async fn move_if_due(&self) {
        if !self.flusher.pace().take_turn(self.flusher.clock.elapsed()) {
            return;
        }
        if let Err(error) = self.round().await
            && !matches!(error, MoveError::Store(FlushError::Closed))
        {
            events::move_failed(self.home.name(), &error.to_string());
        }
    }

    /// Removes objects, copies files, lets go of local copies: as much as a round may.
    pub(crate) async fn round(&self) -> Result<Moved, MoveError> {
        let outcome = self.try_round().await;
        let clock = &self.flusher.clock;
        let (now, elapsed) = (clock.now(), clock.elapsed());
        self.flusher.pace().note(&outcome, now, elapsed);
        outcome
    }

    async fn try_round(&self) -> Result<Moved, MoveError> {
        let mut moved = Moved {
            removed: self.remove_leaving().await?,
            ..Moved::default()
        };
        let files = self.in_background(|flusher| Ok(flusher.to_move())).await?;
        for file in files.into_iter().take(ROUND_FILES_MAX) {
            if self.move_file(&file).await? {
                moved.files += 1;
                moved.bytes += file.bytes;
            }
        }
        let keep_local = self.home.keep_local;
        let left = self
            .in_background(move |flusher| flusher.leave_to_second_home(keep_local))
            .await?;
        moved.left_local = left as u64;
        Ok(moved)
    }

    async fn remove_leaving(&self) -> Result<u64, MoveError> {
        let leaving = self.in_background(|flusher| Ok(flusher.leaving())).await?;
        let mut gone = Vec::new();
        let mut outcome = Ok(());
        for path in leaving.into_iter().take(ROUND_FILES_MAX) {
            match self.home.store().delete(&self.home.object(&path)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => gone.push(path),
                Err(error) => {
                    outcome = Err(error.into());
                    break;
                }
            }
        }
        let removed = gone.len() as u64;
        self.in_background(move |flusher| flusher.left(gone))
            .await?;
        outcome.map(|()| removed)
    }

    /// Gives a file its second place. `false` when it has gone, or is not what was once written.
    async fn move_file(&self, file: &Arc<TableFile>) -> Result<bool, MoveError> {
        let claimed = Arc::clone(file);
        if !self
            .in_background(move |flusher| flusher.claim(&claimed))
            .await?
        {
            return Ok(false);
        }
        let checksum = self.send(file).await?;
        if file.checksum.is_some_and(|expected| expected != checksum) {
            let damaged = Arc::clone(file);
            self.in_background(move |flusher| flusher.quarantine(&damaged))
                .await?;
            return Ok(false);
        }
        let object = self.home.object(&file.path);
        let found = self.home.store().head(&object).await?.size;
        if found != file.bytes {
            return Err(MoveError::Shorter {
                object: object.to_string(),
                found,
                sent: file.bytes,
            });
        }
        let arrived = Arc::clone(file);
        self.in_background(move |flusher| flusher.arrived(&arrived))
            .await
    }

    /// Writes the object, a part at a time. Gives the checksum of what was sent.
    async fn send(&self, file: &TableFile) -> Result<u32, MoveError> {
        let object = self.home.object(&file.path);
        let store = self.home.store();
        let path = self.flusher.directory.join(&file.path);
        let unreadable = |source| MoveError::Read {
            path: file.path.clone(),
            source,
        };
        let mut open = self.flusher.fs.open(&path).map_err(unreadable)?;
        if file.bytes <= PART_BYTES {
            let (part, _) = read_part(open, 0, file.bytes).await.map_err(unreadable)?;
            let checksum = crc32c::crc32c(&part);
            store.put(&object, PutPayload::from_bytes(part)).await?;
            return Ok(checksum);
        }
        let mut upload = store.put_multipart(&object).await?;
        let (mut at, mut checksum) = (0, 0);
        while at < file.bytes {
            let bytes = PART_BYTES.min(file.bytes - at);
            let (part, back) = read_part(open, at, bytes).await.map_err(unreadable)?;
            open = back;
            at += bytes;
            checksum = crc32c::crc32c_append(checksum, &part);
            let sent = upload.put_part(PutPayload::from_bytes(part)).await;
            if let Err(error) = sent {
                // Parts of an upload that is never finished cost money in most stores.
                let _ = upload.abort().await;
                return Err(error.into());
            }
        }
        upload.complete().await?;
        Ok(checksum)
    }

    async fn in_background<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Flusher) -> Result<T, FlushError> + Send + 'static,
    ) -> Result<T, MoveError> {
        let flusher = Arc::clone(self.flusher);
        let worked = spawn_blocking(move || work(&flusher)).await;
        Ok(worked.map_err(|failed| FlushError::Rows(failed.to_string()))??)
    }
}

/// Reads exactly so many bytes off the threads that wait. Gives the file back.
async fn read_part(
    open: Box<dyn FsRead>,
    at: u64,
    bytes: u64,
) -> io::Result<(Bytes, Box<dyn FsRead>)> {
    let reading = spawn_blocking(move || {
        let mut part = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        let mut read = 0;
        while let Some(rest) = part.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match open.read_at(at + read as u64, rest)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => read += count,
            }
        }
        Ok((Bytes::from(part), open))
    });
    reading.await.map_err(io::Error::other)?
}

impl Flusher {
    pub(super) fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What there is in the second home; `None` when there is neither.
    pub(crate) fn second_home_stats(&self, sizes: &Sizes) -> Option<SecondHomeStats> {
        let [files, bytes, away_files, away_bytes] = sizes.away;
        if self.home.is_none() && files == 0 {
            return None;
        }
        let pace = self.pace();
        let leaving = self.leaving_objects.load(Ordering::Relaxed);
        Some(SecondHomeStats {
            name: self.home.as_ref().map(|home| home.name().to_owned()),
            files,
            bytes,
            away_files,
            away_bytes,
            leaving,
            failing_since: pace.failing.as_ref().map(|(since, _)| *since),
            failure: pace.failing.as_ref().map(|(_, failure)| failure.clone()),
        })
    }
}
