//! The last configuration that was in force, kept so that a restart over a bad edit still starts.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::ConfigFiles;

const NAME: &str = "configuration.json";

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("last-good").join(NAME)
}

/// Remembers these files; whole or not at all.
pub fn save(data_dir: &Path, files: &ConfigFiles) -> io::Result<()> {
    let target = path(data_dir);
    let folder = data_dir.join("last-good");
    // The texts may hold secrets that their own files keep private.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    let temporary = target.with_extension("json.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(files)?)?;
    file.sync_all()?;
    fs::rename(&temporary, &target)?;
    File::open(folder)?.sync_all()
}

/// The files remembered, if there are any that can be read.
pub fn load(data_dir: &Path) -> Option<ConfigFiles> {
    serde_json::from_slice(&fs::read(path(data_dir)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::TextFile;

    #[test]
    fn remembers_whole_files_and_survives_rubbish() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), None);
        let files = ConfigFiles {
            main: Some(TextFile {
                name: "rampart.yaml".into(),
                text: "listen: 127.0.0.1:0\n".into(),
            }),
            ..ConfigFiles::default()
        };
        save(folder.path(), &files).unwrap();
        let mode = fs::metadata(path(folder.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "others could read secrets in it");
        assert_eq!(load(folder.path()), Some(files));
        fs::write(path(folder.path()), b"{").unwrap();
        assert_eq!(load(folder.path()), None);
    }
}
