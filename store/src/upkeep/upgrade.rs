//! Takes up a newer format: from then on everything new is written in it, and older binaries refuse the directory.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::{UpkeepError, failed_at, load_manifest, lock};
use crate::format::FormatVersion;
use crate::fs::Fs;
use crate::manifest::{self, Manifest};

/// The directory's format before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Upgraded {
    /// What it was in.
    pub from: FormatVersion,
    /// What it is in now; the same when there was nothing to do.
    pub to: FormatVersion,
}

/// Takes up the newest format this binary knows, in a directory that no server uses. Files there are stay as they
/// are and are read in their own version. There is no way back except a backup.
pub fn upgrade(fs: &Arc<dyn Fs>, directory: &Path) -> Result<Upgraded, UpkeepError> {
    upgrade_to(fs, directory, FormatVersion::NEWEST)
}

/// The step itself is one durable write of the manifest: interrupted, the directory is in the one or the other.
fn upgrade_to(
    fs: &Arc<dyn Fs>,
    directory: &Path,
    to: FormatVersion,
) -> Result<Upgraded, UpkeepError> {
    load_manifest(fs.as_ref(), directory)?;
    let _lock = lock(fs.as_ref(), directory)?;
    let loaded = load_manifest(fs.as_ref(), directory)?;
    let path = directory.join(manifest::FILE_NAME);
    let Some(from) = loaded.version.filter(|_| !loaded.damaged) else {
        let reason = "it does not read to its end".to_owned();
        return Err(UpkeepError::Damaged { path, reason });
    };
    if from < to {
        Manifest::write(Arc::clone(fs), directory, loaded.state, to).map_err(failed_at(&path))?;
    }
    Ok(Upgraded {
        from,
        to: from.max(to),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use model::{ManualClock, SharedClock, Timestamp};

    use super::*;
    use crate::fs::DiskFs;
    use crate::wal::{Group, MAGIC, SegmentWriter, Segments};
    use crate::{OpenError, Options, Store};

    const NOW: Timestamp = Timestamp::from_seconds(1_794_745_800);
    /// A version that only this test knows.
    const SECOND: u32 = 2;

    async fn new_store() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("store");
        let clock: SharedClock = ManualClock::at(NOW);
        let options = Options {
            commit_window: Duration::ZERO,
            ..Options::new(&directory)
        };
        Store::open(options, clock).await.unwrap().close().await;
        (folder, directory)
    }

    fn header_of(path: &Path, magic: crate::journal::Magic) -> u32 {
        let content = std::fs::read(path).unwrap();
        assert_eq!(content[..8], magic);
        u32::from_le_bytes(content[8..12].try_into().unwrap())
    }

    #[tokio::test]
    async fn a_second_version_is_taken_up_and_then_refused_by_who_does_not_know_it() {
        let (_folder, directory) = new_store().await;
        let fs: Arc<dyn Fs> = Arc::new(DiskFs);
        let same = upgrade(&fs, &directory).unwrap();
        assert_eq!(
            (same.from, same.to),
            (FormatVersion::OLDEST, FormatVersion::NEWEST)
        );

        let second = FormatVersion::new(SECOND).unwrap();
        let upgraded = upgrade_to(&fs, &directory, second).unwrap();
        assert_eq!(
            (upgraded.from, upgraded.to),
            (FormatVersion::OLDEST, second)
        );
        for name in [manifest::FILE_NAME, manifest::PREVIOUS_NAME] {
            assert_eq!(header_of(&directory.join(name), manifest::MAGIC), SECOND);
        }

        let refused = upgrade(&fs, &directory).unwrap_err();
        assert!(matches!(refused, UpkeepError::Newer { found, .. } if found == second));
        let clock: SharedClock = ManualClock::at(NOW);
        let opened = Store::open(Options::new(&directory), clock).await;
        let Err(refused) = opened.map(|_| ()) else {
            panic!("a store of a newer format opened")
        };
        assert!(matches!(refused, OpenError::Newer { found, .. } if found == second));
        assert!(
            refused
                .to_string()
                .contains("newer rampart (store format 2, this one reads up to 1)"),
            "{refused}"
        );
    }

    #[test]
    fn a_segment_is_written_in_the_version_of_its_directory() {
        let folder = tempfile::tempdir().unwrap();
        let second = FormatVersion::new(SECOND).unwrap();
        let fs: Arc<dyn Fs> = Arc::new(DiskFs);
        let mut writer =
            SegmentWriter::new(fs, folder.path(), second, 1 << 20, Segments::default());
        let mut group = Group::default();
        group.add(1, NOW, b"body").unwrap();
        writer.append(&group, NOW).unwrap();
        let path = folder.path().join("00000000000000000001.wal");
        assert_eq!(header_of(&path, MAGIC), SECOND);
    }
}
