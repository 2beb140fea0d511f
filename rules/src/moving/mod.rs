//! Sums over windows that go along with time: each second they take in what came and let go of what left,
//! instead of being summed anew. Exactly what [`sum_rollups`] would tell, which stays for windows that nobody
//! asks for twice, and as the model in the tests. Only while a clock that was set back by minutes catches up again
//! may calls be missing that came a quarter of an hour late.
//!
//! Owns: the newest seconds of all live series as columns, and the sums of the windows over them. Never: what
//! a rule makes of them. Entry point: [`MovingSums`].
//!
//! [`sum_rollups`]: crate::sum_rollups

mod column;
mod lineup;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Followed, Follower, Rollups, SeriesKey, Sketch, Tally};

use crate::condition::WINDOW_MAX;
use crate::view::{latency_of_rollups, sum_rollups};
use crate::windows::{GroupSums, Select, slower_of};
use lineup::Lineup;
use stream::{Measure, Stream};

/// How much memory columns take; windows that reach before those that fit are summed anew.
const COLUMNS_BYTES_MAX: usize = 256 << 20;
/// How many selections are told apart.
const LINEUPS_MAX: usize = 64;
/// How many durations are asked about.
const MEASURES_MAX: usize = 16;
/// Windows end at most a minute before now; a clock that was set back by more than that begins anew.
const STEP_BACK_MAX: i64 = 120;

/// Sums of live calls, kept for one engine over one [`Rollups`]. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MovingSums {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    follower: Option<Follower>,
    /// By number.
    series: Vec<Option<Arc<SeriesKey>>>,
    lineups: Vec<Lineup>,
    streams: Vec<Stream>,
    /// What somebody asked for that is not followed yet.
    asked: Vec<Measure>,
    newest: i64,
}

impl MovingSums {
    /// Begins anew with the next question: what nobody asks for any more takes no room from what is asked now.
    pub(crate) fn forget(&self) {
        *self.kept() = Kept::default();
    }

    /// Calls by group over the seconds `[from, to)`.
    pub fn calls(&self, rollups: &Rollups, select: &Select, from: i64, to: i64) -> GroupSums {
        let moving = self.sums(rollups, select, Measure::Calls, from, to);
        moving.unwrap_or_else(|| {
            let anew = sum_rollups(rollups, select, None, from, to);
            anew.into_iter().collect()
        })
    }

    /// The same of calls by their duration, over the tens that begin in `[from, to)`, the first being that
    /// in which `from` lies: `failed` are those that took longer.
    pub fn slower(
        &self,
        rollups: &Rollups,
        select: &Select,
        limit: Duration,
        from: i64,
        to: i64,
    ) -> GroupSums {
        let bin = Sketch::bin_of(model::whole_micros(limit));
        let moving = self.sums(rollups, select, Measure::Slower(bin), from, to);
        moving.unwrap_or_else(|| {
            let anew = latency_of_rollups(rollups, select, None, from, to);
            slower_of(anew, limit)
        })
    }

    /// `None` when they have to be summed anew.
    fn sums(
        &self,
        rollups: &Rollups,
        select: &Select,
        measure: Measure,
        from: i64,
        to: i64,
    ) -> Option<GroupSums> {
        if to - from > WINDOW_MAX.as_secs().cast_signed() {
            return None;
        }
        let mut kept = self.kept();
        kept.catch_up(rollups, measure, to);
        let lineup = kept.lineup(select)?;
        let Kept {
            lineups, streams, ..
        } = &mut *kept;
        let stream = streams.iter_mut().find(|it| it.measure == measure)?;
        let sums = stream.sums(lineup, lineups, from, to)?;
        let keys = &lineups.get(lineup)?.keys;
        Some(GroupSums::new(Arc::clone(keys), sums))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes in what came since the last question.
    fn catch_up(&mut self, rollups: &Rollups, measure: Measure, to: i64) {
        let known = self.streams.iter().any(|it| it.measure == measure);
        if !known && !self.asked.contains(&measure) && self.asked.len() < MEASURES_MAX {
            self.asked.push(measure);
        }
        let set_back = to < self.newest - STEP_BACK_MAX;
        // Several may be asked for the first time in one tick; the next begins anew with all of them.
        let missing = self.asked.len() > self.streams.len() && to > self.newest;
        self.newest = if set_back { to } else { self.newest.max(to) };
        if self.follower.is_none() || set_back || missing {
            self.begin(rollups, to);
        }
        let followed = self.follower.as_ref().map(Follower::take);
        let Some(mut followed) = followed else { return };
        if followed.lost {
            self.begin(rollups, to);
            followed = self
                .follower
                .as_ref()
                .map(Follower::take)
                .unwrap_or_default();
        }
        self.take_in(&followed);
    }

    /// Begins anew with what the rollups know.
    fn begin(&mut self, rollups: &Rollups, to: i64) {
        let from = to - WINDOW_MAX.as_secs().cast_signed();
        self.follower = Some(rollups.follow(from));
        self.series.clear();
        self.lineups.clear();
        // A ten is whole only if all its seconds are.
        let whole = from + Rollups::SKETCH_SECONDS;
        let streams = self
            .asked
            .iter()
            .map(|measure| Stream::new(*measure, whole, to));
        self.streams = streams.collect();
    }

    fn take_in(&mut self, followed: &Followed) {
        for (at, series) in &followed.born {
            let at = *at as usize;
            if self.series.len() <= at {
                self.series.resize(at + 1, None);
            }
            if let Some(own) = self.series.get_mut(at) {
                *own = Some(Arc::clone(series));
            }
        }
        for (number, lineup) in self.lineups.iter_mut().enumerate() {
            if let Some(moved) = lineup.take_in(&followed.born) {
                for stream in &mut self.streams {
                    stream.rearrange(number, &moved, lineup.keys.len());
                }
            }
        }
        for stream in &mut self.streams {
            match stream.measure {
                Measure::Calls => {
                    for it in &followed.counted {
                        stream.add(it.series, it.second, &it.tally, &self.lineups);
                    }
                }
                Measure::Slower(limit) => {
                    for it in &followed.timed {
                        let tally = Tally {
                            counted: it.calls,
                            failed: if it.bin > limit { it.calls } else { 0 },
                            weighted: it.calls,
                        };
                        stream.add(it.series, it.second, &tally, &self.lineups);
                    }
                }
            }
        }
        let share = COLUMNS_BYTES_MAX / self.streams.len().max(1);
        for stream in &mut self.streams {
            stream.shrink(share);
        }
    }

    /// The number of a selection; `None` when there are too many.
    fn lineup(&mut self, select: &Select) -> Option<usize> {
        if let Some(at) = self.lineups.iter().position(|it| it.select == *select) {
            return Some(at);
        }
        if self.lineups.len() >= LINEUPS_MAX {
            return None;
        }
        let mut lineup = Lineup::new(select);
        let known = self.series.iter().enumerate();
        let known: Vec<(u32, Arc<SeriesKey>)> = known
            .filter_map(|(at, series)| Some((at as u32, Arc::clone(series.as_ref()?))))
            .collect();
        lineup.take_in(&known);
        self.lineups.push(lineup);
        Some(self.lineups.len() - 1)
    }
}
