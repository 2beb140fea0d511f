//! The most a plan may ask for. Nothing in a plan lifts these.

use std::time::Duration;

/// Calls per second.
pub const RATE_PER_SECOND_MAX: f64 = 1_000_000.0;
/// Requests in flight.
pub const IN_FLIGHT_REQUESTS_MAX: u32 = 100_000;
/// Connections open at once.
pub const CONNECTIONS_MAX: u32 = 100_000;
/// A run, its warm-up included.
pub const RUN_DURATION_MAX: Duration = Duration::from_hours(24);
/// Waiting for one answer.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(5);
/// Sending threads.
pub const THREADS_MAX: u32 = 256;
/// Kinds of requests.
pub const REQUESTS_MAX: usize = 1_000;
/// Headers of one request.
pub const HEADERS_MAX: usize = 64;
/// Checks of one answer, of each kind.
pub const CHECKS_MAX: usize = 100;
/// How often one request may be chosen among the others.
pub const WEIGHT_MAX: i64 = 1_000_000;
/// All body files of a plan together.
pub const BODY_FILES_BYTES_MAX: u64 = 64 << 20;
/// Lines of one body file.
pub const BODY_FILE_LINES_MAX: usize = 1_000_000;
/// Stages of a load.
pub const STAGES_MAX: usize = 1_000;
/// A replayed curve's file.
pub const CURVE_BYTES_MAX: u64 = 8 << 20;
/// Points of a replayed curve: a day of seconds.
pub const CURVE_POINTS_MAX: usize = 86_401;
/// How much larger than recorded a curve may be replayed.
pub const CURVE_SCALE_MAX: f64 = 10_000.0;
/// Networks and hosts that may be sent to.
pub const ALLOW_ENTRIES_MAX: usize = 1_000;
/// Redirects followed for one call.
pub const REDIRECTS_MAX: i64 = 10;
/// Whole searches for a capacity.
pub const SEARCHES_MAX: i64 = 10;
/// Pods behind a target, zones, spare pods.
pub const PODS_MAX: i64 = 100_000;
