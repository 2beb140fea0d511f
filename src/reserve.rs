//! Room for alerting's records on a disk that others have filled: a file that is given up when a start
//! finds no space, so that people can be told.

use std::io;
use std::path::Path;

/// What opening the operational state and noting pages take, in bytes.
pub const RESERVE_BYTES: usize = 4 << 20;
const FILE_NAME: &str = "reserve";
/// Written first, so that a half written file is never taken for a whole one.
const TEMPORARY_NAME: &str = "reserve.tmp";

/// Sets the room aside unless that was done before. Call it while there is plenty.
pub fn keep(data_dir: &Path) -> io::Result<()> {
    let path = data_dir.join(FILE_NAME);
    if path.exists() {
        return Ok(());
    }
    let temporary = data_dir.join(TEMPORARY_NAME);
    // Not zeros, which some file systems store as nothing.
    let written = std::fs::write(&temporary, vec![0x5a_u8; RESERVE_BYTES])
        .and_then(|()| std::fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Gives the room up when less than as much is free. Says whether it did.
pub fn give_up_if_full(data_dir: &Path, free_bytes: Option<u64>) -> bool {
    let full = free_bytes.is_some_and(|free| free < RESERVE_BYTES as u64);
    full && std::fs::remove_file(data_dir.join(FILE_NAME)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_kept_until_it_is_needed_and_then_again() {
        let folder = tempfile::tempdir().unwrap();
        let kept = || std::fs::metadata(folder.path().join(FILE_NAME)).map(|file| file.len());
        assert!(!give_up_if_full(folder.path(), Some(0)), "nothing to give");
        for _ in 0..2 {
            keep(folder.path()).unwrap();
            keep(folder.path()).unwrap();
            assert_eq!(kept().unwrap(), RESERVE_BYTES as u64);
            let enough = RESERVE_BYTES as u64;
            assert!(!give_up_if_full(folder.path(), Some(enough)));
            assert!(!give_up_if_full(folder.path(), None));
            assert!(give_up_if_full(folder.path(), Some(enough - 1)));
            assert!(kept().is_err());
        }
    }
}
