//! What the store promises about rows, from the outside: over a file system that loses what was not
//! synced, over damaged files, through flushes, restarts and full disks.

#![allow(clippy::unwrap_used, clippy::duration_suboptimal_units)]

mod budget;
mod damage;
mod flush;
mod full_disk;
mod limits;
mod loadtests;
mod manifest;
mod merged;
mod power_loss;
mod random;
mod rows;
mod sim;
mod store;
mod tidy;
