//! What is counted, told to those who keep sums of their own. Each follower has a list of what came since it
//! last asked; it is told live calls only, since nobody keeps sums of others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::Traffic;

use super::directory::Directory;
use super::{Counts, Rollups, SKETCH_SECONDS, SeriesKey, Tally};

/// How many changes of each kind wait for one follower.
const WAITING_MAX: usize = if cfg!(test) { 1_000 } else { 1 << 20 };

/// What was added to one series in one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The number of the series.
    pub series: u32,
    /// Unix seconds of completion.
    pub second: i64,
    /// What was added.
    pub tally: Tally,
}

/// Calls of one series that took about the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    /// The number of the series.
    pub series: u32,
    /// The beginning of the ten seconds in which they completed.
    pub second: i64,
    /// See [`crate::Sketch::bin_of`].
    pub bin: u16,
    /// How many they are.
    pub calls: u64,
}

/// What came since a follower last asked.
#[derive(Debug, Default)]
pub struct Followed {
    /// Series with their numbers. A number that was told before is another series' from now on.
    pub born: Vec<(u32, Arc<SeriesKey>)>,
    /// Calls by second.
    pub counted: Vec<Counted>,
    /// Calls by duration.
    pub timed: Vec<Timed>,
    /// More came than waits: what was told no longer adds up, and [`Rollups::follow`] begins anew.
    pub lost: bool,
}

/// One who is told what is counted, until it is dropped.
#[derive(Debug)]
pub struct Follower {
    waiting: Arc<Mutex<Followed>>,
}

impl Follower {
    /// What came since the last time, whole batches only.
    pub fn take(&self) -> Followed {
        std::mem::take(&mut *lock(&self.waiting))
    }
}

impl Rollups {
    /// Follows what is counted. The first that is told is all that is known from `from_second` on, as far as
    /// seconds reach back.
    pub fn follow(&self, from_second: i64) -> Follower {
        let mut directory = self.write();
        let waiting = Arc::new(Mutex::new(directory.known_from(from_second)));
        directory.followers.0.push(Arc::downgrade(&waiting));
        Follower { waiting }
    }
}

impl Directory {
    fn known_from(&self, from_second: i64) -> Followed {
        let from = from_second.max(self.horizon());
        let mut known = Followed::default();
        for (at, series) in self.series.numbered() {
            if series.key.traffic != Traffic::Live {
                continue;
            }
            known.born.push((at, Arc::clone(&series.key)));
            series.seconds.each(from, i64::MAX, |second, cell| {
                known.counted.push(Counted {
                    series: at,
                    second,
                    tally: Tally::from(&Counts::from(*cell)),
                });
            });
            let first = from.div_euclid(SKETCH_SECONDS);
            series.latencies.each(first, |ten, bin, calls| {
                known.timed.push(Timed {
                    series: at,
                    second: ten * SKETCH_SECONDS,
                    bin,
                    calls,
                });
            });
        }
        known
    }
}

/// All followers.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Weak<Mutex<Followed>>>);

impl Followers {
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn tell_born(&mut self, at: u32, key: &Arc<SeriesKey>) {
        if key.traffic == Traffic::Live {
            self.each(|waiting| waiting.born.push((at, Arc::clone(key))));
        }
    }

    pub(super) fn tell(&mut self, counted: &[Counted], timed: &[Timed]) {
        self.each(|waiting| {
            waiting.counted.extend_from_slice(counted);
            waiting.timed.extend_from_slice(timed);
        });
    }

    fn each(&mut self, tell: impl Fn(&mut Followed)) {
        self.0.retain(|follower| {
            let Some(follower) = follower.upgrade() else {
                return false;
            };
            let mut waiting = lock(&follower);
            if !waiting.lost {
                tell(&mut waiting);
            }
            if waiting.is_too_long() {
                *waiting = Followed {
                    lost: true,
                    ..Followed::default()
                };
            }
            true
        });
    }
}

impl Followed {
    fn is_too_long(&self) -> bool {
        let longest = self.counted.len().max(self.timed.len());
        longest.max(self.born.len()) > WAITING_MAX
    }
}

fn lock(waiting: &Mutex<Followed>) -> MutexGuard<'_, Followed> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
