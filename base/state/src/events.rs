//! What this crate logs and counts, in one place.

use std::fmt::Display;
use std::path::Path;

pub(crate) fn group_committed(jobs: usize) {
    metrics::counter!("rampart_state_commits_total").increment(1);
    metrics::counter!("rampart_state_jobs_total").increment(jobs as u64);
}

pub(crate) fn group_failed(jobs: usize, cause: &dyn Display) {
    metrics::counter!("rampart_state_failed_groups_total").increment(1);
    tracing::error!(jobs, %cause, "state was not written");
}

pub(crate) fn migrated(room: &str, from: i64, to: i64) {
    tracing::info!(room, from, to, "tables migrated");
}

pub(crate) fn copied_before_migration(copy: &Path) {
    tracing::info!(copy = %copy.display(), "state file copied before migrating it");
}

pub(crate) fn close_failed(cause: &dyn Display) {
    tracing::warn!(%cause, "state file not closed cleanly; it is complete all the same");
}
