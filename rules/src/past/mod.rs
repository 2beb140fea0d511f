//! Stored calls lived through again: the same engine over the same kind of view, on a clock that the
//! stored seconds drive. What would have fired ([`backtest`]), and why a rule did or did not fire
//! at an instant ([`explain`]).
//!
//! What a replay cannot know, it says: how late data was then, what a sequential test had learned by
//! then, what a query would have answered then.

pub(crate) mod at_work;
pub(crate) mod backtest;
pub(crate) mod explain;
mod fired;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use model::{Mode, Ratio, Timestamp, format_duration};
use store::{QueryError, Store};

use crate::capacity::CapacitySource;
use crate::condition::Condition;
use crate::ledger::LedgerError;
use crate::releases::Releases;
use crate::rule::Rule;
use crate::sight::{Completeness, Sight};

pub use backtest::{Backtest, BacktestReport, Gap, RuleReport};
pub use explain::{Explained, Told};
pub use fired::Fired;

/// What a replay reads.
#[derive(Clone)]
pub struct Past {
    /// Calls and counts per minute.
    pub store: Store,
    /// What pods carry by the newest load tests; what they carried then is not asked.
    pub tested: Arc<dyn CapacitySource>,
    /// Stretches in which the mode was rush.
    pub rushes: Vec<(Timestamp, Timestamp)>,
    /// Who was gray and who was base.
    pub releases: Arc<Releases>,
}

impl Past {
    fn mode_at(&self, at: Timestamp) -> Mode {
        let is_rush = |(from, to): &(Timestamp, Timestamp)| *from <= at && at < *to;
        if self.rushes.iter().any(is_rush) {
            Mode::Rush
        } else {
            Mode::Daily
        }
    }
}

/// Why the past cannot be lived through.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// Nothing lies between the two.
    #[error("the stretch ends before it begins")]
    Backwards,
    /// It is longer than a replay takes on.
    #[error("the stretch is longer than {days} days", days = Backtest::SPAN_MAX.as_secs() / 86_400)]
    TooLong,
    /// It is not over yet.
    #[error("{0} lies in the future")]
    Future(Timestamp),
    /// The store could not tell.
    #[error("the stored calls cannot be read")]
    Query(#[from] QueryError),
    /// One second does not fit.
    #[error("more than {rows} calls were complete in the second {at}")]
    Crowded {
        /// Which second.
        at: Timestamp,
        /// How many rows fit.
        rows: usize,
    },
    /// What was told then cannot be read.
    #[error("what was told cannot be read")]
    Ledger(#[from] LedgerError),
    /// Others are asking already.
    #[error("other replays are under way")]
    Busy,
    /// A bug in Rampart.
    #[error("the replay broke off: {0}")]
    Broken(String),
}

/// Nobody recorded how late data was, so all of it counts as in time.
struct Hindsight;

impl Sight for Hindsight {
    fn completeness(
        &self,
        _: Option<&model::FunctionId>,
        _: Timestamp,
        _: Timestamp,
    ) -> Completeness {
        match Ratio::new(1.0) {
            Some(all) => Completeness::Known(all),
            None => Completeness::Unknown { why: String::new() },
        }
    }
}

/// What a replay of this rule leaves out, if anything.
fn left_out(rule: &Rule, since: Timestamp) -> Option<String> {
    rule.all_settings()
        .find_map(|settings| match &settings.condition {
            Condition::Sql(_) => {
                Some("queries cannot be asked of the past; it was not judged".to_owned())
            }
            Condition::FailsEarly(_) | Condition::FallsEarly(_) => Some(format!(
                "what the test had learned by then is not kept; here it learned from {since} on"
            )),
            Condition::Slo(slo) => Some(format!(
                "windows of days were not judged, nor what was left of the {} budget",
                format_duration(slo.period)
            )),
            Condition::AboveCapacity(_) => {
                Some("the capacity is that of the newest load test, not of that time".to_owned())
            }
            _ => None,
        })
}

/// How long a rule must have watched before it can have come to where it stands, of `for` and
/// `keep_firing_for` what fits.
fn warm_up_of(rule: &Rule) -> Duration {
    const LEAST: Duration = Duration::from_mins(15);
    const MOST: Duration = Duration::from_hours(6);
    let needed = rule.all_settings().map(|settings| {
        let over = match &settings.condition {
            Condition::FailsEarly(_) | Condition::FallsEarly(_) => Duration::from_hours(1),
            Condition::Slo(_) => MOST,
            condition => condition.over(),
        };
        over + settings.hold + settings.keep_firing_for + rule.every
    });
    needed.max().unwrap_or(LEAST).clamp(LEAST, MOST)
}
