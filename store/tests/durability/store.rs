//! Opening stores for tests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{ManualClock, SharedClock};
use store::fs::Fs;
use store::{OpenError, Options, Store};

use crate::rows::NOW;
use crate::sim::SimFs;

pub(crate) fn options(directory: impl AsRef<Path>) -> Options {
    Options {
        commit_window: Duration::ZERO,
        disk_free_bytes_min: 1 << 20,
        merged_files_kept: Duration::ZERO,
        ..Options::new(directory.as_ref())
    }
}

pub(crate) fn clock() -> Arc<ManualClock> {
    ManualClock::at(NOW)
}

pub(crate) async fn open_sim(fs: &SimFs, clock: &Arc<ManualClock>) -> Result<Store, OpenError> {
    open_sim_with(fs, clock, options("/data")).await
}

pub(crate) async fn open_sim_with(
    fs: &SimFs,
    clock: &Arc<ManualClock>,
    options: Options,
) -> Result<Store, OpenError> {
    open_on(fs.clone(), clock, options).await
}

pub(crate) async fn open_on(
    fs: impl Fs,
    clock: &Arc<ManualClock>,
    options: Options,
) -> Result<Store, OpenError> {
    let clock: SharedClock = Arc::<ManualClock>::clone(clock);
    Store::open_on(Arc::new(fs), options, clock).await
}

pub(crate) async fn open_disk(options: Options, clock: &Arc<ManualClock>) -> Store {
    let clock: SharedClock = Arc::<ManualClock>::clone(clock);
    Store::open(options, clock).await.unwrap()
}

/// Runs a test's future; background work that hangs would hang the test.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}
