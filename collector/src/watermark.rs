//! Up to when each source is known complete, and what that says about one function. Pure: the
//! time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::{FunctionId, Ratio, Timestamp};

/// Functions whose sources are remembered.
pub(crate) const FUNCTIONS_MAX: usize = 100_000;
/// A source that has not delivered a function for so long no longer counts as feeding it.
pub(crate) const FEED_AGE_MAX: Duration = Duration::from_hours(24);
/// How far ahead a heartbeat may lie, as for rows.
pub(crate) const HEARTBEAT_AHEAD_MAX: Duration = crate::formats::AHEAD_MAX;

/// How a source shows how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It is read here: a file to its end, a target by scraping it. Whoever reads it says how far.
    Read,
    /// It is pushed: by heartbeats, and by batches of which one comes at least this often.
    Pushed {
        /// `expect_every`; without it and without heartbeats, silence says nothing.
        expect_every: Option<Duration>,
    },
}

/// How much of a window is known to have arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Completeness {
    /// Share of the function's sources that have passed the end of the window; `None` is unknown.
    pub known: Option<Ratio>,
    /// Which sources are late, or why nothing can be said; empty when all is there.
    pub why: String,
}

#[derive(Clone, Debug)]
struct Mark {
    promise: Promise,
    complete_until: Option<Timestamp>,
    heartbeat: Option<Timestamp>,
    last_batch: Option<Timestamp>,
    /// Stands in feeds instead of the name.
    number: u32,
}

impl Mark {
    /// Up to when the source is complete; never moves backwards while the promise stays.
    fn watermark(&self) -> Option<Timestamp> {
        match self.promise {
            Promise::Read => self.complete_until,
            Promise::Pushed { expect_every } => self.heartbeat.or_else(|| {
                let last_batch = self.last_batch?;
                Some(last_batch + expect_every?)
            }),
        }
    }

    /// Whether it can be told at all how far the source is.
    fn is_silent(&self) -> bool {
        self.promise == Promise::Pushed { expect_every: None } && self.heartbeat.is_none()
    }
}

/// The watermarks of all sources, and which source feeds which function.
#[derive(Debug, Default)]
pub struct Watermarks {
    sources: BTreeMap<String, Mark>,
    feeds: HashMap<FunctionId, Vec<(u32, Timestamp)>>,
    next_number: u32,
}

impl Watermarks {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source, or changes what it promises; what is known of it stays.
    pub fn declare(&mut self, source: &str, promise: Promise) {
        if let Some(mark) = self.sources.get_mut(source) {
            mark.promise = promise;
            return;
        }
        let mark = Mark {
            promise,
            complete_until: None,
            heartbeat: None,
            last_batch: None,
            number: self.next_number,
        };
        self.next_number += 1;
        self.sources.insert(source.to_owned(), mark);
    }

    /// Forgets a source; it no longer counts for any function.
    pub fn remove(&mut self, source: &str) {
        if let Some(mark) = self.sources.remove(source) {
            self.feeds.retain(|_, feeds| {
                feeds.retain(|(number, _)| *number != mark.number);
                !feeds.is_empty()
            });
        }
    }

    /// A source that is read here has been read up to `until`.
    pub fn advance(&mut self, source: &str, until: Timestamp) {
        if let Some(mark) = self.sources.get_mut(source) {
            mark.complete_until = mark.complete_until.max(Some(until));
        }
    }

    /// A pusher says how far it is. An older heartbeat than the newest changes nothing.
    pub fn heartbeat(&mut self, source: &str, until: Timestamp) {
        if let Some(mark) = self.sources.get_mut(source) {
            mark.heartbeat = mark.heartbeat.max(Some(until));
        }
    }

    /// A batch came at `now`, with rows of these functions.
    pub fn delivered(&mut self, source: &str, functions: &[FunctionId], now: Timestamp) {
        let Some(mark) = self.sources.get_mut(source) else {
            return;
        };
        mark.last_batch = mark.last_batch.max(Some(now));
        let number = mark.number;
        for function in functions {
            self.feed(function, number, now);
        }
    }

    fn feed(&mut self, function: &FunctionId, number: u32, now: Timestamp) {
        let Some(feeds) = self.feeds.get_mut(function) else {
            if self.feeds.len() < FUNCTIONS_MAX {
                self.feeds.insert(function.clone(), vec![(number, now)]);
            }
            return;
        };
        match feeds.iter_mut().find(|(known, _)| *known == number) {
            Some((_, seen)) => *seen = now.max(*seen),
            None => feeds.push((number, now)),
        }
    }

    /// What stood in the tables before: a source delivered this function at `seen`.
    pub fn recall(&mut self, source: &str, function: &FunctionId, seen: Timestamp) {
        if let Some(number) = self.sources.get(source).map(|mark| mark.number) {
            self.feed(function, number, seen);
        }
    }

    /// Up to when a source is complete.
    pub fn of_source(&self, source: &str) -> Option<Timestamp> {
        self.sources.get(source)?.watermark()
    }

    /// Up to when all sources of a function are complete; `None` when one of them cannot tell, or
    /// none has delivered it.
    pub fn of_function(&self, function: &FunctionId) -> Option<Timestamp> {
        let feeding = self.feeding(Some(function), Timestamp::MAX);
        let marks = feeding.iter().map(|(_, mark)| mark.watermark());
        marks.min().flatten()
    }

    /// How much of the window up to `to` is there, for one function or for all.
    pub fn completeness(&self, function: Option<&FunctionId>, to: Timestamp) -> Completeness {
        let unknown = |why: String| Completeness { known: None, why };
        let feeding = self.feeding(function, to);
        if feeding.is_empty() {
            return unknown(match function {
                Some(function) => format!("no source has delivered {function} yet"),
                None => "no source has delivered anything yet".to_owned(),
            });
        }
        if let Some((name, _)) = feeding.iter().find(|(_, mark)| mark.is_silent()) {
            return unknown(format!(
                "source {name} sends no heartbeat and has no expect_every, so its silence says nothing"
            ));
        }
        let late: Vec<&str> = feeding
            .iter()
            .filter(|(_, mark)| mark.watermark().is_none_or(|until| until < to))
            .map(|(name, _)| *name)
            .collect();
        let passed = feeding.len() - late.len();
        Completeness {
            known: Ratio::new(passed as f64 / feeding.len() as f64),
            why: if late.is_empty() {
                String::new()
            } else {
                format!("late: {}", late.join(", "))
            },
        }
    }

    /// The sources that count: those that deliver the function, or all that can be expected to.
    fn feeding(&self, function: Option<&FunctionId>, to: Timestamp) -> Vec<(&str, &Mark)> {
        let feeds = function.and_then(|function| self.feeds.get(function));
        // A function beyond the memory may come from anywhere.
        let everywhere =
            function.is_none() || (feeds.is_none() && self.feeds.len() >= FUNCTIONS_MAX);
        let counts = |mark: &Mark| {
            if everywhere {
                return mark.last_batch.is_some()
                    || mark.heartbeat.is_some()
                    || mark.promise == Promise::Read;
            }
            let horizon = if to == Timestamp::MAX {
                Timestamp::EPOCH
            } else {
                to - FEED_AGE_MAX
            };
            feeds.is_some_and(|feeds| {
                feeds
                    .iter()
                    .any(|(number, seen)| *number == mark.number && *seen >= horizon)
            })
        };
        self.sources
            .iter()
            .filter(|(_, mark)| counts(mark))
            .map(|(name, mark)| (name.as_str(), mark))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn feed() -> FunctionId {
        FunctionId::new("guide", "feed").unwrap()
    }

    fn pushed(seconds: u64) -> Promise {
        Promise::Pushed {
            expect_every: Some(Duration::from_secs(seconds)),
        }
    }

    fn known(marks: &Watermarks, to: i64) -> Option<f64> {
        marks
            .completeness(Some(&feed()), at(to))
            .known
            .map(Ratio::get)
    }

    #[test]
    fn one_source_of_each_kind() {
        // (promise, what happens, window end, share)
        type Story = fn(&mut Watermarks);
        let batch: Story = |marks| marks.delivered("s", &[feed()], at(0));
        let read: Story = |marks| {
            marks.delivered("s", &[feed()], at(0));
            marks.advance("s", at(8));
            marks.advance("s", at(5));
        };
        let beat: Story = |marks| {
            marks.delivered("s", &[feed()], at(0));
            marks.heartbeat("s", at(30));
            marks.heartbeat("s", at(20));
        };
        for (promise, story, to, share) in [
            (Promise::Read, batch, 0, Some(0.0)),
            (Promise::Read, read, 8, Some(1.0)),
            (Promise::Read, read, 9, Some(0.0)),
            (pushed(10), batch, 10, Some(1.0)),
            (pushed(10), batch, 11, Some(0.0)),
            (pushed(10), beat, 30, Some(1.0)),
            (pushed(10), beat, 31, Some(0.0)),
            (Promise::Pushed { expect_every: None }, batch, 0, None),
            (Promise::Pushed { expect_every: None }, beat, 30, Some(1.0)),
        ] {
            let mut marks = Watermarks::new();
            marks.declare("s", promise);
            story(&mut marks);
            assert_eq!(known(&marks, to), share, "{promise:?} to {to}");
        }
    }

    #[test]
    fn only_sources_that_deliver_the_function_count() {
        let mut marks = Watermarks::new();
        for source in ["a", "b", "other"] {
            marks.declare(source, Promise::Read);
        }
        let none = marks.completeness(Some(&feed()), at(0));
        assert_eq!(
            (none.known, none.why.as_str()),
            (None, "no source has delivered guide/feed yet")
        );
        marks.delivered("a", &[feed()], at(0));
        marks.recall("b", &feed(), at(0));
        marks.delivered("other", &[FunctionId::new("x", "y").unwrap()], at(0));
        marks.advance("a", at(60));
        let half = marks.completeness(Some(&feed()), at(60));
        assert_eq!(
            (half.known.map(Ratio::get), half.why.as_str()),
            (Some(0.5), "late: b")
        );
        assert_eq!(marks.of_function(&feed()), None);
        marks.advance("b", at(50));
        assert_eq!(marks.of_function(&feed()), Some(at(50)));

        marks.remove("b");
        assert_eq!(known(&marks, 60), Some(1.0));
        // Declared again it is a new source that has delivered nothing.
        marks.declare("b", Promise::Read);
        assert_eq!(known(&marks, 60), Some(1.0));
    }

    #[test]
    fn a_feed_of_yesterday_no_longer_counts() {
        let mut marks = Watermarks::new();
        marks.declare("old", Promise::Read);
        marks.declare("new", Promise::Read);
        let day = i64::try_from(FEED_AGE_MAX.as_secs()).unwrap();
        marks.delivered("old", &[feed()], at(0));
        marks.delivered("new", &[feed()], at(day));
        marks.advance("new", at(day + 1));
        assert_eq!(known(&marks, day), Some(0.5));
        assert_eq!(known(&marks, day + 1), Some(1.0));
    }

    #[test]
    fn the_whole_counts_every_source_that_may_be_expected() {
        let mut marks = Watermarks::new();
        marks.declare("push", Promise::Pushed { expect_every: None });
        assert_eq!(marks.completeness(None, at(0)).known, None);
        marks.declare("file", Promise::Read);
        assert_eq!(marks.completeness(None, at(0)).why, "late: file");
        marks.advance("file", at(1));
        assert_eq!(marks.completeness(None, at(0)).known, Ratio::new(1.0));
        marks.delivered("push", &[], at(0));
        assert_eq!(marks.completeness(None, at(0)).known, None);
    }
}
