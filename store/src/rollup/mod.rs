//! Counts per second and latency per ten seconds, for every series of the last quarter of an hour, and
//! counts per ten seconds for the six hours before.
//!
//! A call belongs to the second it *completed* in. Rows that complete more than [`Rollups::BACK_SECONDS`]
//! before now are late: they change no second, only their ten if that is still kept, and the table
//! `minutes`. Rows more than [`Rollups::AHEAD_SECONDS`] after now are not believed.

pub(crate) mod bytes;
pub(crate) mod calls;
mod cell;
mod counts;
mod directory;
mod follow;
mod instances;
mod latency;
pub(crate) mod layers;
mod nibbles;
mod place;
mod read;
mod run;
mod seconds;
mod select;
pub(crate) mod sketch;
mod slots;
mod stats;
mod sweep;
mod tally;
mod tens;
#[cfg(test)]
mod tests;
mod top;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arrow::array::RecordBatch;
use model::{FunctionId, Timestamp};
use serde::Serialize;

use calls::{Call, Calls, Gathering};
use directory::Directory;
use instances::Answered;
use top::NamedCalls;

pub use counts::Counts;
pub use follow::{Counted, Followed, Follower, Timed};
pub use layers::{CountedLayers, Layer};
pub use select::{Dimension, Group, Selection, SeriesKey};
pub use sketch::Sketch;
pub use stats::RollupStats;
pub use tally::Tally;
pub use top::TopDimension;

/// How long a second stays in the hot form, where sums over any window cost the same.
pub(crate) const HOT_SECONDS: i64 = 60;
/// How far back seconds and sketches reach.
pub(crate) const BACK_SECONDS: i64 = 900;
/// How far back tens reach.
pub(crate) const TENS_SECONDS: i64 = 6 * 3_600;
/// How much memory tens take in all; beyond it the oldest are forgotten early.
pub(crate) const TENS_BYTES_MAX: usize = 1 << 30;
/// How far ahead of now a row may complete and still be believed.
pub(crate) const AHEAD_SECONDS: i64 = 600;
/// How much time one latency sketch covers.
pub(crate) const SKETCH_SECONDS: i64 = 10;
/// How long a series without traffic is remembered: as long as a ten of it may be kept.
pub(crate) const IDLE_SECONDS: i64 = TENS_SECONDS + AHEAD_SECONDS;
/// How many series are told apart unless asked otherwise.
pub(crate) const SERIES_MAX: usize = 400_000;
/// How many instances of one function are told apart.
pub(crate) const INSTANCES_OF_ONE_MAX: usize = 4_096;
/// How many instances are told apart in all.
pub(crate) const INSTANCES_MAX: usize = 262_144;
/// How many points one timeline has at most.
pub(crate) const TIMELINE_POINTS_MAX: usize = 10_000;

const TEN: i64 = 10;
const DURATION_MAX_US: i64 = 3_600_000_000;
const MICROS: i64 = 1_000_000;

/// A duration as counting takes it: not negative, at most an hour.
pub(crate) fn clamped(micros: i64) -> u64 {
    micros.clamp(0, DURATION_MAX_US).unsigned_abs()
}

/// When the ten begins in which a second lies.
fn ten_of(second: i64) -> i64 {
    second.div_euclid(TEN).saturating_mul(TEN)
}

/// What one batch added to one series in one second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Which series.
    pub series: Arc<SeriesKey>,
    /// Unix seconds of completion.
    pub second: i64,
    /// What was added.
    pub counts: Counts,
}

/// A function that had traffic in the last hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionSeen {
    /// Which function.
    pub id: FunctionId,
    /// Its earliest completion since it is remembered.
    pub first_seen: Timestamp,
    /// Its latest completion.
    pub last_seen: Timestamp,
}

/// The rollups. Readers see whole batches only.
#[derive(Debug)]
pub struct Rollups {
    directory: RwLock<Directory>,
}

impl Default for Rollups {
    fn default() -> Self {
        Self::new(SERIES_MAX)
    }
}

impl Rollups {
    /// How far back seconds and sketches reach, in seconds.
    pub const BACK_SECONDS: i64 = BACK_SECONDS;
    /// How far back counts per ten seconds reach, in seconds.
    pub const TENS_SECONDS: i64 = TENS_SECONDS;
    /// How far ahead of now a row may complete and still be believed, in seconds.
    pub const AHEAD_SECONDS: i64 = AHEAD_SECONDS;
    /// How much time one latency sketch covers, in seconds.
    pub const SKETCH_SECONDS: i64 = SKETCH_SECONDS;
    /// How many points a timeline has at most.
    pub const TIMELINE_POINTS_MAX: usize = TIMELINE_POINTS_MAX;

    /// Empty rollups that tell at most `series_max` series apart; calls of further ones are counted
    /// under the function `__other__/__other__`.
    pub fn new(series_max: usize) -> Self {
        Rollups {
            directory: RwLock::new(Directory::new(series_max)),
        }
    }

    /// The same, counting these layers of functions instead of the outermost seen.
    pub fn counting(self, layers: CountedLayers) -> Self {
        self.write().layers = layers;
        self
    }

    /// Empty rollups that count what these count and tell as many series apart.
    pub fn anew(&self) -> Self {
        let directory = self.read();
        Rollups::new(directory.series_max).counting(directory.layers.clone())
    }

    /// Says that nothing that completed before this second was given to the rollups, though there was
    /// something: a log that was read back does not reach further.
    pub(crate) fn begin_at(&self, second: i64) {
        self.write().begin_at(second);
    }

    /// Lets time pass without a batch.
    pub fn pass_to(&self, now: Timestamp) {
        self.write().pass_to(now);
    }

    /// Counts a batch of `invocations` and gives what it added to seconds, merged per series and
    /// second, in order of series and time. A batch without the table's columns adds nothing.
    pub fn apply(&self, invocations: &RecordBatch, now: Timestamp) -> Vec<Delta> {
        let Some(calls) = Calls::of(invocations) else {
            tracing::error!("a batch without the columns of invocations reached the rollups");
            return Vec::new();
        };
        let mut arrivals = Arrivals::new(now, self.read().tens_from_at(now));
        let mut latencies = Vec::with_capacity(invocations.num_rows());
        let mut answered = Answered::default();
        let mut named = NamedCalls::default();
        let horizon = now.as_seconds() - BACK_SECONDS;
        let gathering = calls.gather(
            |call, _| arrivals.bucket_of(call),
            |key, row, call| {
                let second = call.completed.div_euclid(MICROS);
                if second < horizon {
                    return;
                }
                latencies.push(Latency::of(key, call));
                if let Some(instance) = calls.instance(row) {
                    answered.note(key, instance, call.completed);
                }
                if let Some(values) = calls.named(row) {
                    named.note(key, values, second, call);
                }
            },
        );
        latencies.sort_unstable();
        self.write().apply(&Applied {
            calls: &calls,
            gathering: &gathering,
            latencies: &latencies,
            answered: &answered,
            named: &named,
            arrivals: &arrivals,
        })
    }

    /// What is held and what was turned away.
    pub fn stats(&self) -> RollupStats {
        self.read().stats()
    }

    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One batch, gathered before the lock is taken.
struct Applied<'a> {
    calls: &'a Calls,
    gathering: &'a Gathering,
    /// Sorted by series, time and bin.
    latencies: &'a [Latency],
    answered: &'a Answered,
    named: &'a NamedCalls,
    arrivals: &'a Arrivals,
}

/// One call's place among the sketches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Latency {
    key: u32,
    ten: i64,
    bin: u16,
}

impl Latency {
    fn of(key: u32, call: &Call) -> Latency {
        Latency {
            key,
            ten: call.completed.div_euclid(SKETCH_SECONDS * MICROS),
            bin: sketch::bin_of(call.duration_us),
        }
    }
}

/// Tells rows in time from those too late or too early.
struct Arrivals {
    now: Timestamp,
    /// The first ten that is kept.
    tens_from: i64,
    late_rows: u64,
    corrected_rows: u64,
    future_rows: u64,
}

impl Arrivals {
    fn new(now: Timestamp, tens_from: i64) -> Self {
        Arrivals {
            now,
            tens_from,
            late_rows: 0,
            corrected_rows: 0,
            future_rows: 0,
        }
    }

    /// The second a call is counted in, or the beginning of its ten, which lies before all seconds.
    fn bucket_of(&mut self, call: &Call) -> Option<i64> {
        let second = call.completed.div_euclid(MICROS);
        let now = self.now.as_seconds();
        if second < now - BACK_SECONDS {
            self.late_rows += 1;
            let kept = ten_of(second) >= self.tens_from;
            self.corrected_rows += u64::from(kept);
            kept.then(|| ten_of(second))
        } else if second > now + AHEAD_SECONDS {
            self.future_rows += 1;
            None
        } else {
            Some(second)
        }
    }
}

/// Functions by id, for exact questions.
type FunctionIndex = HashMap<FunctionId, u32>;
