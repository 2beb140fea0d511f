//! What the store promises about rows, from the outside: over a file system that loses what was not
//! synced, over damaged files, through flushes, restarts and full disks.

#![allow(clippy::unwrap_used, clippy::duration_suboptimal_units)]
#![allow(clippy::print_stdout)] // figures, for whoever asks with --nocapture

mod budget;
mod damage;
mod faults;
mod flush;
mod full_disk;
mod killed;
mod lies;
mod limits;
mod loadtests;
mod manifest;
mod merged;
mod parquet;
mod planted;
mod polling;
mod power_loss;
mod random;
mod rows;
mod second_home;
mod sim;
mod store;
mod tidy;
mod upkeep;
mod windows;

/// Whether this run is `make soak`, which has time for every case instead of a sample.
fn soaks() -> bool {
    std::env::var_os("SOAK").is_some()
}
