//! What a person does to a directory from outside: each byte of damage is named and put right, a copy is whole.

mod backup;
mod repair;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::ManualClock;
use store::fs::Fs;

use crate::rows::{Census, NOW, batch, census};
use crate::sim::{Bug, SimFs};
use crate::store::{clock, open_sim, options, run};

pub(super) const MANIFEST: &str = "/data/manifest";
pub(super) const PREVIOUS: &str = "/data/manifest.previous";

/// Two flushed batches in two segments, two more in the log only; stopped.
pub(super) fn stopped() -> (SimFs, Arc<ManualClock>) {
    let (fs, clock) = (SimFs::new(Bug::None), clock());
    run(async {
        for number in 0..2 {
            let store = open_sim(&fs, &clock).await.unwrap();
            store.commit(batch(0, number, 3, NOW)).await.unwrap();
            store.flush().await.unwrap();
            store.close().await;
        }
        let store = open_sim(&fs, &clock).await.unwrap();
        for number in 2..4 {
            store.commit(batch(0, number, 3, NOW)).await.unwrap();
        }
        store.close().await;
    });
    (fs, clock)
}

/// What a server shows that starts in a directory.
pub(super) fn opened(fs: &SimFs, clock: &Arc<ManualClock>, directory: &str) -> Census {
    run(async {
        let options = options(directory);
        let store = crate::store::open_sim_with(fs, clock, options)
            .await
            .unwrap();
        let seen = census(fs, &store.snapshot());
        store.close().await;
        seen
    })
}

pub(super) fn shared(fs: &SimFs) -> Arc<dyn Fs> {
    Arc::new(fs.clone())
}

/// Files whose path contains `part`, in order.
pub(super) fn paths(fs: &SimFs, part: &str) -> Vec<PathBuf> {
    fs.files()
        .into_keys()
        .filter(|path| path.to_string_lossy().contains(part))
        .collect()
}

/// A copy of a disk with one bit of one file changed.
pub(super) fn flipped(fs: &SimFs, path: &Path, at: usize) -> SimFs {
    let fs = fs.copy();
    let mut content = fs.files()[path].clone();
    content[at] ^= 1 << (at % 8);
    fs.overwrite(path, content);
    fs
}

/// The same file with another format in its header, and a checksum that fits.
pub(super) fn with_format(fs: &SimFs, path: &Path, format: u32) -> SimFs {
    let fs = fs.copy();
    let mut content = fs.files()[path].clone();
    content[8..12].copy_from_slice(&format.to_le_bytes());
    let checksum = crc32c::crc32c(&content[..12]);
    content[12..16].copy_from_slice(&checksum.to_le_bytes());
    fs.overwrite(path, content);
    fs
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);
