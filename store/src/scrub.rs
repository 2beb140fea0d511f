//! Files are read back while there is time and their checksums compared: a bit that flips on disk
//! decodes to a wrong value without a complaint. A damaged file is put aside.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use crate::catalogue::Removal;
use crate::events;
use crate::flush::{FlushError, Flusher};
use crate::fs::Fs;
use crate::manifest::{Edit, TableFile};
use crate::recovery::{QUARANTINE, put_aside};
use crate::schema::Table;
use crate::second_home::Place;

/// What one round reads at most; a larger file is a round of its own.
const ROUND_BYTES_MAX: u64 = 256 << 20;
const BUFFER_BYTES: usize = 256 << 10;

impl Flusher {
    /// Reads back some files that were not since the start, those with the newest rows first. Says
    /// how many were damaged. What does not read is left alone until the next round: the disk may.
    pub(crate) fn scrub(&self) -> Result<usize, FlushError> {
        self.check_health()?;
        let mut damaged = 0;
        let mut bytes = 0;
        for file in self.not_scrubbed() {
            bytes += file.bytes;
            if bytes > ROUND_BYTES_MAX && bytes > file.bytes {
                break;
            }
            let path = self.directory.join(&file.path);
            let sound = match file.checksum {
                None => true,
                Some(checksum) => match is_sound(self.fs.as_ref(), &path, checksum) {
                    Ok(sound) => sound,
                    Err(error) => {
                        events::file_unreadable(&path, &error);
                        continue;
                    }
                },
            };
            if !sound {
                self.quarantine(&file)?;
                damaged += 1;
            }
            let mut scrubbed = self.scrubbed.lock().unwrap_or_else(PoisonError::into_inner);
            scrubbed.insert(file.path.clone());
        }
        Ok(damaged)
    }

    fn not_scrubbed(&self) -> Vec<Arc<TableFile>> {
        let mut files: Vec<_> = Table::ALL
            .into_iter()
            .flat_map(|table| self.catalogue.files(table))
            .collect();
        let mut scrubbed = self.scrubbed.lock().unwrap_or_else(PoisonError::into_inner);
        let there: BTreeSet<&String> = files.iter().map(|file| &file.path).collect();
        scrubbed.retain(|path| there.contains(path));
        drop(there);
        files.retain(|file| file.place.is_local() && !scrubbed.contains(&file.path));
        files.sort_by_key(|file| (std::cmp::Reverse(file.to_us), file.path.clone()));
        files
    }

    /// Moves the file away first: whoever has not opened it yet gets an error, never a wrong value. A
    /// crash in between leaves a file that the manifest misses, which the next start counts.
    pub(crate) fn quarantine(&self, file: &Arc<TableFile>) -> Result<(), FlushError> {
        let mut manifest = self.manifest();
        self.check_health()?;
        let held = self.catalogue.files(file.table);
        if held.iter().all(|held| held.path != file.path) {
            return Ok(());
        }
        events::file_damaged(&self.directory.join(&file.path), file.rows);
        put_aside(self.fs.as_ref(), &self.directory, &file.path).map_err(|error| {
            FlushError::Rows(format!(
                "{} is damaged and cannot be moved to {QUARANTINE}/: {error}",
                file.path
            ))
        })?;
        let elapsed = self.clock.elapsed();
        if file.place == Place::Both {
            let away = TableFile {
                place: Place::Away,
                ..file.as_ref().clone()
            };
            let edit = Edit {
                added: vec![away.clone()],
                ..Edit::default()
            };
            self.record_move(&mut manifest, edit)?;
            self.catalogue
                .replace_file(file, away, Removal::Nothing, elapsed);
            return Ok(());
        }
        let edit = Edit {
            removed: vec![file.path.clone()],
            ..Edit::default()
        };
        self.record(&mut manifest, edit)?;
        self.catalogue
            .replace_files(std::slice::from_ref(file), Vec::new(), elapsed);
        Ok(())
    }
}

/// Whether a file's content has this checksum.
pub(crate) fn is_sound(fs: &dyn Fs, path: &Path, expected: u32) -> io::Result<bool> {
    let mut read = fs.read(path)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut checksum = 0;
    loop {
        match read.read(&mut buffer) {
            Ok(0) => return Ok(checksum == expected),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                checksum = crc32c::crc32c_append(checksum, bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
