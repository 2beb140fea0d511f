//! Up to when each source is known complete, and what that says about one function. Pure: the
//! time is an argument.

mod mark;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::{FunctionId, Ratio, Timestamp};

use mark::Mark;
pub use mark::Promise;

/// Functions whose sources are remembered.
pub(crate) const FUNCTIONS_MAX: usize = 100_000;
/// A source that has not delivered a function for so long no longer counts as feeding it.
pub(crate) const FEED_AGE_MAX: Duration = Duration::from_hours(24);
/// How far ahead a heartbeat may lie, as for rows.
pub(crate) const HEARTBEAT_AHEAD_MAX: Duration = crate::formats::AHEAD_MAX;

/// A window that ended so long ago should be there from every source that keeps to its schedule,
/// so that slower schedules are no reason to call the whole incomplete.
const SETTLED_AFTER: Duration = Duration::from_secs(30);

/// How much of a window is known to have arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Completeness {
    /// Share of the function's sources that have passed the end of the window; `None` is unknown.
    pub known: Option<Ratio>,
    /// Which sources are late, or why nothing can be said; empty when all is there.
    pub why: String,
}

/// Whether what stood in the tables before the start has been learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Recall {
    #[default]
    Running,
    Done,
    /// It ended early, because of this.
    RanOut(String),
}

/// The watermarks of all sources, and which source feeds which function.
#[derive(Debug, Default)]
pub struct Watermarks {
    sources: BTreeMap<String, Mark>,
    feeds: HashMap<FunctionId, Vec<(u32, Timestamp)>>,
    next_number: u32,
    recall: Recall,
}

impl Watermarks {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source, or changes what it promises; what is known of it stays. It is judged from
    /// `now` on.
    pub fn declare(&mut self, source: &str, promise: Promise, now: Timestamp) {
        if let Some(mark) = self.sources.get_mut(source) {
            mark.declare(promise, now);
            return;
        }
        let mark = Mark::new(promise, self.next_number, now);
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
            mark.advance(until);
        }
    }

    /// A pusher says at `now` how far it is.
    pub fn heartbeat(&mut self, source: &str, until: Timestamp, now: Timestamp) {
        if let Some(mark) = self.sources.get_mut(source) {
            mark.beat(until, now);
        }
    }

    /// A source showed that it lives, and nothing else: a batch that came before came again.
    pub fn alive(&mut self, source: &str, now: Timestamp) {
        if let Some(mark) = self.sources.get_mut(source) {
            mark.alive(now);
        }
    }

    /// A batch arrived, with rows of these functions; its newest call was complete at `newest`.
    pub fn delivered(
        &mut self,
        source: &str,
        functions: &[FunctionId],
        newest: Option<Timestamp>,
        arrived: Timestamp,
    ) {
        let Some(mark) = self.sources.get_mut(source) else {
            return;
        };
        mark.batch(newest, arrived);
        let number = mark.number;
        for function in functions {
            self.feed(function, number, arrived);
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

    /// All that stood in the tables was recalled, or why not all of it.
    pub fn recalled(&mut self, ended_early: Option<String>) {
        self.recall = ended_early.map_or(Recall::Done, Recall::RanOut);
    }

    /// Up to when a source is complete.
    pub fn of_source(&self, source: &str) -> Option<Timestamp> {
        self.sources.get(source)?.watermark()
    }

    /// Whether a source keeps to its schedule; `None` when it has none.
    pub fn is_on_time(&self, source: &str, now: Timestamp) -> Option<bool> {
        let mark = self.sources.get(source)?;
        (!mark.promises_nothing()).then(|| mark.is_on_time(now))
    }

    /// The share of the sources that are on time by their own promise, of those that feed one function
    /// or of all; `None` when none promises anything. This is for people: a source that may lag by ten
    /// seconds and lags by five is on time, though the newest window is not complete.
    pub fn on_time(&self, function: Option<&FunctionId>, now: Timestamp) -> Option<f64> {
        let feeding = function.map(|function| self.feeding(function, Timestamp::MAX));
        let marks: Vec<&Mark> = match &feeding {
            Some(feeding) => feeding.iter().map(|(_, mark)| *mark).collect(),
            None => self.sources.values().collect(),
        };
        let promising: Vec<&&Mark> = marks
            .iter()
            .filter(|mark| !mark.promises_nothing())
            .collect();
        let on_time = promising.iter().filter(|mark| mark.is_on_time(now)).count();
        (!promising.is_empty()).then(|| on_time as f64 / promising.len() as f64)
    }

    /// Up to when all sources of a function are complete; `None` when one of them cannot tell, or
    /// none has delivered it.
    pub fn of_function(&self, function: &FunctionId) -> Option<Timestamp> {
        let feeding = self.feeding(function, Timestamp::MAX);
        let marks = feeding.iter().map(|(_, mark)| mark.watermark());
        marks.min().flatten()
    }

    /// How much of the window up to `to` is there at `now`, for one function or for all.
    pub fn completeness(
        &self,
        function: Option<&FunctionId>,
        to: Timestamp,
        now: Timestamp,
    ) -> Completeness {
        match function {
            Some(function) => self.of_one(function, to, now),
            None => self.of_all(to, now),
        }
    }

    fn of_one(&self, function: &FunctionId, to: Timestamp, now: Timestamp) -> Completeness {
        let feeding = self.feeding(function, to);
        if feeding.is_empty() {
            return unknown(match &self.recall {
                Recall::Done => format!("no source has delivered {function} yet"),
                Recall::Running => {
                    format!("which source fed {function} before the start is being looked up")
                }
                Recall::RanOut(why) => {
                    format!("which source fed {function} before the start is not known: {why}")
                }
            });
        }
        if let Some((name, _)) = feeding.iter().find(|(_, mark)| mark.promises_nothing()) {
            return says_nothing(name);
        }
        share(&feeding, now, |mark| mark.watermark() >= Some(to))
    }

    /// Every source counts that has promised something. Scrapes give no calls, so only their
    /// schedule matters; so it does for windows that should be there by now.
    fn of_all(&self, to: Timestamp, now: Timestamp) -> Completeness {
        let all = || {
            self.sources
                .iter()
                .map(|(name, mark)| (name.as_str(), mark))
        };
        let expected: Vec<(&str, &Mark)> =
            all().filter(|(_, mark)| !mark.promises_nothing()).collect();
        if expected.is_empty() {
            return match all().find(|(_, mark)| mark.has_delivered()) {
                Some((name, _)) => says_nothing(name),
                None => unknown("no source has delivered anything yet".to_owned()),
            };
        }
        let settled = to + SETTLED_AFTER <= now;
        share(&expected, now, |mark| {
            (mark.gives_calls() && mark.watermark() >= Some(to))
                || ((settled || !mark.gives_calls()) && mark.is_on_time(now))
        })
    }

    /// The sources that deliver a function.
    fn feeding(&self, function: &FunctionId, to: Timestamp) -> Vec<(&str, &Mark)> {
        let feeds = self.feeds.get(function);
        // A function beyond the memory may come from anywhere.
        let everywhere = feeds.is_none() && self.feeds.len() >= FUNCTIONS_MAX;
        let horizon = if to == Timestamp::MAX {
            Timestamp::EPOCH
        } else {
            to - FEED_AGE_MAX
        };
        let feeds_it = |mark: &Mark| {
            feeds.is_some_and(|feeds| {
                feeds
                    .iter()
                    .any(|(number, seen)| *number == mark.number && *seen >= horizon)
            })
        };
        self.sources
            .iter()
            .filter(|(_, mark)| mark.gives_calls() && (everywhere || feeds_it(mark)))
            .map(|(name, mark)| (name.as_str(), mark))
            .collect()
    }
}

fn unknown(why: String) -> Completeness {
    Completeness { known: None, why }
}

fn says_nothing(source: &str) -> Completeness {
    unknown(format!(
        "source {source} sends no heartbeat and has no expect_every, so its silence says nothing"
    ))
}

/// The share of sources that have passed; of the others, which are late and which only slower.
fn share(
    sources: &[(&str, &Mark)],
    now: Timestamp,
    passed: impl Fn(&Mark) -> bool,
) -> Completeness {
    let missing: Vec<_> = sources.iter().filter(|(_, mark)| !passed(mark)).collect();
    let names = |on_time: bool| {
        let names = missing
            .iter()
            .filter(|(_, mark)| mark.is_on_time(now) == on_time);
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let why: Vec<String> = [("late", names(false)), ("not there yet", names(true))]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word}: {names}"))
        .collect();
    let passed = sources.len() - missing.len();
    Completeness {
        known: Ratio::new(passed as f64 / sources.len() as f64),
        why: why.join("; "),
    }
}

#[cfg(test)]
mod tests;
