//! One rule over its windows: a verdict for each group.

use std::cell::Cell;
use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;

use model::{FunctionId, Ratio, Timestamp};

use super::{sums::Sums, wider};
use crate::capacity::Capacity;
use crate::condition::{
    AboveCapacity, Absent, Condition, Latency, Outlier, QpsDrop, QpsLevel, SuccessRate,
    TelemetryLate,
};
use crate::condition::{Side, Verdict, Why};
use crate::detection::Detection;
use crate::releases::Releases;
use crate::rule::{NoData, Rule, Settings};
use crate::sight::Completeness;
use crate::windows::{EvaluationError, GroupKey, Select, Tally};

/// How far before now a window about missing calls may end, newest first: sources that push in
/// batches are never complete up to this second.
const SETTLED_LADDER: [u64; 7] = [0, 2, 5, 10, 20, 30, 60];
/// Where it ends when no rung is complete for everything: each function still has its own say.
const SETTLED_OTHERWISE: u64 = 10;

/// When an evaluation happens, since when there has been no gap, and how far the rule has judged.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) now: Timestamp,
    pub(super) watched_since: Timestamp,
    /// The latest end (Unix seconds) of a settled window that this rule was judged by.
    pub(super) judged_to: &'a Cell<i64>,
    /// Which versions have roles.
    pub(super) releases: &'a Releases,
}

pub(super) type Verdicts = Result<Vec<(GroupKey, Verdict)>, EvaluationError>;

pub(super) fn evaluate(
    rule: &Rule,
    settings: &Settings,
    detection: Option<&Detection>,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    only: Option<&FunctionId>,
) -> Verdicts {
    match &settings.condition {
        Condition::SuccessRate(condition) => {
            success_rate(condition, rule, settings, sums, span, only)
        }
        Condition::FailsEarly(_) | Condition::FallsEarly(_) => {
            Ok(detection.map_or_else(Vec::new, |detection| detection.verdicts(only, span.now)))
        }
        Condition::Latency(condition) => Ok(latency(condition, rule, sums, span)),
        Condition::Outlier(condition) => Ok(outlier(condition, rule, sums, span)),
        Condition::Share(condition) => Ok(wider::share(condition, rule, sums, span)),
        Condition::Compare(condition) => Ok(wider::compare(condition, rule, sums, span)),
        Condition::Slo(condition) => wider::slo(condition, rule, sums, span),
        Condition::Sql(condition) => wider::sql(condition, rule, sums),
        Condition::QpsLevel(condition) => match condition.side {
            Side::Above => Ok(above(condition, rule, sums, span)),
            Side::Below => below(condition, rule, settings, sums, span),
        },
        Condition::AboveCapacity(condition) => Ok(above_capacity(condition, rule, sums, span)),
        Condition::QpsDrop(condition) => drop_of_calls(condition, rule, settings, sums, span),
        Condition::Absent(condition) => absent(condition, rule, settings, sums, span),
        Condition::TelemetryLate(condition) => Ok(telemetry_late(condition, sums, span)),
    }
}

/// The window that ends with the current second, which counts although it is not over: failures
/// seen are facts.
pub(super) fn newest(
    select: &Select,
    over: Duration,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    only: Option<&FunctionId>,
) -> Rc<Vec<(GroupKey, Tally)>> {
    let to = span.now.as_seconds() + 1;
    sums.get(select, only, to - whole_seconds(over), to)
}

pub(super) fn whole_seconds(over: Duration) -> i64 {
    i64::try_from(over.as_secs()).unwrap_or(i64::MAX)
}

fn success_rate(
    condition: &SuccessRate,
    rule: &Rule,
    settings: &Settings,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    only: Option<&FunctionId>,
) -> Verdicts {
    let tallies = newest(&rule.select, condition.over, sums, span, only);
    if settings.no_data == NoData::Alert && only.is_none() {
        // Groups that are silent now are known from the last hours.
        let recents = sums.view.recent(&rule.select, span.now)?;
        return Ok(side_by_side(&tallies, &recents)
            .map(|(key, tally, _)| (key.clone(), condition.evaluate(&tally)))
            .collect());
    }
    Ok(tallies
        .iter()
        .map(|(key, tally)| (key.clone(), condition.evaluate(tally)))
        .collect())
}

/// Durations lie in pieces of ten seconds, so the window reaches back to the beginning of one.
fn latency(
    condition: &Latency,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    let to = span.now.as_seconds() + 1;
    sums.latency(&rule.select, to - whole_seconds(condition.over), to)
        .iter()
        .map(|(key, durations)| (key.clone(), condition.evaluate(durations)))
        .collect()
}

fn outlier(
    condition: &Outlier,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    let tallies = newest(&rule.select, condition.over, sums, span, None);
    condition.judge(&rule.select.by, &tallies)
}

fn above(
    condition: &QpsLevel,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    newest(&rule.select, condition.over, sums, span, None)
        .iter()
        .map(|(key, tally)| (key.clone(), condition.evaluate(tally)))
        .collect()
}

fn above_capacity(
    condition: &AboveCapacity,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    let tallies = newest(&rule.select, condition.over, sums, span, None);
    let judged = tallies.iter().filter_map(|(key, tally)| {
        let function = key.function_id(&rule.select.by)?;
        let capacity = sums.view.capacity(&function);
        let pods = match capacity {
            Capacity::PerPod(_) => sums.view.pods(&function, condition.pods.as_ref(), span.now),
            _ => None,
        };
        Some((key.clone(), condition.evaluate(tally, &capacity, pods)))
    });
    judged.collect()
}

fn below(
    condition: &QpsLevel,
    rule: &Rule,
    settings: &Settings,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Verdicts {
    let window = Window::settled(condition.over, settings.min_completeness, sums, span);
    let recents = sums.view.recent(&rule.select, span.now)?;
    Ok(judge(&window, rule, sums, &recents, |tally, _| {
        condition.evaluate(tally)
    }))
}

fn absent(
    condition: &Absent,
    rule: &Rule,
    settings: &Settings,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Verdicts {
    let window = Window::settled(condition.absent_for, settings.min_completeness, sums, span);
    let recents = sums.view.recent(&rule.select, span.now)?;
    Ok(judge(&window, rule, sums, &recents, |tally, recent| {
        condition.evaluate(tally, recent, span.now)
    }))
}

fn drop_of_calls(
    condition: &QpsDrop,
    rule: &Rule,
    settings: &Settings,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Verdicts {
    let window = Window::settled(
        condition.against.over,
        settings.min_completeness,
        sums,
        span,
    );
    let baselines = sums
        .view
        .baseline(&rule.select, &condition.against, span.now)?;
    Ok(judge(&window, rule, sums, &baselines, |tally, lags| {
        condition.evaluate(tally, lags.map_or(&[], Vec::as_slice))
    }))
}

fn telemetry_late(
    condition: &TelemetryLate,
    sums: &Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    let to = span.now - TelemetryLate::SETTLED;
    let completeness = sums.view.completeness(None, to - TelemetryLate::OVER, to);
    vec![(GroupKey::new(vec![]), condition.evaluate(completeness))]
}

/// A window about missing calls.
pub(super) struct Window {
    pub(super) from: i64,
    pub(super) to: i64,
    over: Duration,
    watched: bool,
    needed: Ratio,
    /// It ends before one that was judged already: the pipeline has come to a halt, and judging the
    /// past again would fire and resolve by what is long over.
    behind: bool,
}

impl Window {
    /// The newest window whose data has settled.
    pub(super) fn settled(
        over: Duration,
        needed: Ratio,
        sums: &mut Sums<'_>,
        span: Span<'_>,
    ) -> Window {
        let length = whole_seconds(over);
        let ends_at =
            |settled: u64| span.now.as_seconds() - whole_seconds(Duration::from_secs(settled));
        let complete = SETTLED_LADDER.into_iter().find(|settled| {
            let to = ends_at(*settled);
            matches!(
                sums.completeness(to - length, to),
                Completeness::Known(share) if *share >= needed
            )
        });
        let to = ends_at(complete.unwrap_or(SETTLED_OTHERWISE));
        let judged_to = span.judged_to.get();
        span.judged_to.set(judged_to.max(to));
        Window {
            behind: to < judged_to,
            from: to - length,
            to,
            over,
            watched: second(to - length) >= span.watched_since,
            needed,
        }
    }

    /// Why nothing can be said about this function yet, if so.
    pub(super) fn blindness(&self, function: Option<&FunctionId>, sums: &Sums<'_>) -> Option<Why> {
        if !self.watched {
            return Some(Why::JustStarted { over: self.over });
        }
        match sums
            .view
            .completeness(function, second(self.from), second(self.to))
        {
            Completeness::Unknown { why } => Some(Why::Blind(why)),
            Completeness::Known(share) if share < self.needed => Some(Why::Incomplete {
                share: share.get(),
                needed: self.needed.get(),
            }),
            Completeness::Known(_) => None,
        }
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_seconds(second)
}

/// A verdict for each group that has calls in the window or is known to have had some; only a breach
/// asks whether the calls may merely be late, because that is the only verdict that later calls can
/// overturn for the better.
fn judge<K>(
    window: &Window,
    rule: &Rule,
    sums: &mut Sums<'_>,
    known: &[(GroupKey, K)],
    verdict: impl Fn(&Tally, Option<&K>) -> Verdict,
) -> Vec<(GroupKey, Verdict)> {
    let present = sums.get(&rule.select, None, window.from, window.to);
    side_by_side(&present, known)
        .map(|(key, tally, known)| {
            if window.behind {
                let why = Why::Blind("newer data is late".to_owned());
                return (key.clone(), Verdict::Unknown { why });
            }
            let found = verdict(&tally, known);
            let held = matches!(found, Verdict::Breach { .. })
                .then(|| window.blindness(key.function_id(&rule.select.by).as_ref(), sums))
                .flatten();
            match held {
                Some(why) => (key.clone(), Verdict::Unknown { why }),
                None => (key.clone(), found),
            }
        })
        .collect()
}

/// Both lists merged by group, without hashing ten thousand keys for each rule and tick: [`Windows`]
/// gives them in order.
///
/// [`Windows`]: crate::windows::Windows
fn side_by_side<'a, K>(
    present: &'a [(GroupKey, Tally)],
    known: &'a [(GroupKey, K)],
) -> impl Iterator<Item = (&'a GroupKey, Tally, Option<&'a K>)> {
    let (mut present, mut known) = (present.iter().peekable(), known.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (present.peek(), known.peek()) {
            (Some((left, _)), Some((right, _))) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let tally = if order.is_le() { present.next() } else { None };
        let known = if order.is_ge() { known.next() } else { None };
        let key = tally.map(|(key, _)| key).or(known.map(|(key, _)| key))?;
        let tally = tally.map_or_else(Tally::default, |(_, tally)| *tally);
        Some((key, tally, known.map(|(_, known)| known)))
    })
}
