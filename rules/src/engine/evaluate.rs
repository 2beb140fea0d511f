//! One rule over its windows: a verdict for each group.

use std::cell::Cell;
use std::time::Duration;

use model::{FunctionId, Ratio, Timestamp};

use super::found::{Found, Sieve};
use super::joins::Known;
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
use crate::windows::{By, EvaluationError, GroupKey, GroupSums, Select, Tally};

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
pub(super) type Seen = Result<Found, EvaluationError>;

/// What a rule finds. Verdicts come one by one only where the sieve wants them.
pub(super) fn evaluate(
    rule: &Rule,
    settings: &Settings,
    detection: Option<&Detection>,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    only: Option<&FunctionId>,
    sieve: Sieve<'_>,
) -> Seen {
    let poured = |verdicts: Vec<(GroupKey, Verdict)>| Ok(sieve.pour(verdicts));
    match &settings.condition {
        Condition::SuccessRate(condition) => {
            success_rate(condition, rule, settings, sums, span, only, sieve)
        }
        Condition::FailsEarly(_) | Condition::FallsEarly(_) => Ok(detection
            .map_or_else(Found::default, |detection| {
                detection.verdicts(only, span.now, sieve)
            })),
        Condition::Latency(condition) => Ok(latency(condition, rule, sums, span, sieve)),
        Condition::Outlier(condition) => poured(outlier(condition, rule, sums, span)),
        Condition::Share(condition) => poured(wider::share(condition, rule, sums, span)),
        Condition::Compare(condition) => poured(wider::compare(condition, rule, sums, span)),
        Condition::Slo(condition) => poured(wider::slo(condition, rule, sums, span)?),
        Condition::Sql(condition) => poured(wider::sql(condition, rule, sums)?),
        Condition::QpsLevel(condition) => match condition.side {
            Side::Above => Ok(above(condition, rule, sums, span, sieve)),
            Side::Below => below(condition, rule, settings, sums, span, sieve),
        },
        Condition::AboveCapacity(condition) => poured(above_capacity(condition, rule, sums, span)),
        Condition::QpsDrop(condition) => {
            drop_of_calls(condition, rule, settings, sums, span, sieve)
        }
        Condition::Absent(condition) => absent(condition, rule, settings, sums, span, sieve),
        Condition::TelemetryLate(condition) => poured(telemetry_late(condition, sums, span)),
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
) -> GroupSums {
    let to = span.now.as_seconds() + 1;
    sums.get(select, only, to - whole_seconds(over), to)
}

pub(super) fn whole_seconds(over: Duration) -> i64 {
    i64::try_from(over.as_secs()).unwrap_or(i64::MAX)
}

/// A verdict for each group with calls.
fn each_called(groups: &GroupSums, sieve: Sieve<'_>, verdict: impl Fn(&Tally) -> Verdict) -> Found {
    let keys = groups.keys();
    let mut sifting = sieve.sift(keys.len(), |at| keys.get(at));
    for (at, (key, tally)) in keys.iter().zip(groups.sums()).enumerate() {
        if !tally.is_zero() {
            let wanted = sifting.wants(at);
            sifting.take(wanted, key, verdict(tally));
        }
    }
    sifting.end()
}

/// A verdict for each group that has calls or is known to have had some.
fn each_known<K: Send + Sync + 'static>(
    groups: &GroupSums,
    known: &Known<K>,
    sums: &mut Sums<'_>,
    sieve: Sieve<'_>,
    mut verdict: impl FnMut(&GroupKey, &Tally, Option<&K>, &mut Sums<'_>) -> Verdict,
) -> Found {
    let pairs = sums.join(groups, known);
    let key_at = |at: usize| {
        let pair = pairs.get(at)?;
        match pair.group() {
            Some(group) => groups.keys().get(group),
            None => known.get(pair.known()?).map(|(key, _)| key),
        }
    };
    let mut sifting = sieve.sift(pairs.len(), key_at);
    for (at, pair) in pairs.iter().enumerate() {
        let tally = pair.group().and_then(|group| groups.sums().get(group));
        let tally = tally.copied().unwrap_or_default();
        let known = pair.known().and_then(|at| known.get(at));
        if tally.is_zero() && known.is_none() {
            continue;
        }
        let Some(key) = key_at(at) else { continue };
        let found = verdict(key, &tally, known.map(|(_, known)| known), sums);
        let wanted = sifting.wants(at);
        sifting.take(wanted, key, found);
    }
    sifting.end()
}

fn success_rate(
    condition: &SuccessRate,
    rule: &Rule,
    settings: &Settings,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    only: Option<&FunctionId>,
    sieve: Sieve<'_>,
) -> Seen {
    let tallies = newest(&rule.select, condition.over, sums, span, only);
    if settings.no_data == NoData::Alert && only.is_none() {
        // Groups that are silent now are known from the last hours.
        let recents = sums.view.recent(&rule.select, span.now)?;
        return Ok(each_known(
            &tallies,
            &recents,
            sums,
            sieve,
            |_, tally, _, _| condition.evaluate(tally),
        ));
    }
    Ok(each_called(&tallies, sieve, |tally| {
        condition.evaluate(tally)
    }))
}

/// Durations lie in pieces of ten seconds, so the window reaches back to the beginning of one. How many calls
/// were slow is known of every group; all durations are only asked for where a verdict is wanted.
fn latency(
    condition: &Latency,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    sieve: Sieve<'_>,
) -> Found {
    let to = span.now.as_seconds() + 1;
    let from = to - whole_seconds(condition.over);
    if sieve.is_open() {
        let durations = sums.latency(&rule.select, None, from, to);
        let judged = durations.iter();
        let judged = judged.map(|(key, durations)| (key.clone(), condition.evaluate(durations)));
        return sieve.pour(judged.collect());
    }
    let groups = sums.slower(&rule.select, condition.above, from, to);
    let keys = groups.keys();
    let mut sifting = sieve.sift(keys.len(), |at| keys.get(at));
    for (at, (key, tally)) in keys.iter().zip(groups.sums()).enumerate() {
        if tally.is_zero() {
            continue;
        }
        let wanted = sifting.wants(at);
        if !wanted && condition.is_well(tally.failed, tally.counted) {
            sifting.pass();
            continue;
        }
        // One function's durations; without a function among the dimensions there are few groups.
        let function = key.function_id(&rule.select.by);
        let durations = sums.latency(&rule.select, function.as_ref(), from, to);
        let own = durations.binary_search_by(|(own, _)| own.cmp(key)).ok();
        if let Some((_, durations)) = own.and_then(|at| durations.get(at)) {
            sifting.take(wanted, key, condition.evaluate(durations));
        }
    }
    sifting.end()
}

fn outlier(
    condition: &Outlier,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    let tallies = newest(&rule.select, condition.over, sums, span, None);
    condition.judge(&rule.select.by, tallies.iter())
}

fn above(
    condition: &QpsLevel,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    sieve: Sieve<'_>,
) -> Found {
    let tallies = newest(&rule.select, condition.over, sums, span, None);
    each_called(&tallies, sieve, |tally| condition.evaluate(tally))
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
    sieve: Sieve<'_>,
) -> Seen {
    let window = Window::settled(condition.over, settings.min_completeness, sums, span);
    let recents = sums.view.recent(&rule.select, span.now)?;
    Ok(judge(&window, rule, sums, &recents, sieve, |tally, _| {
        condition.evaluate(tally)
    }))
}

fn absent(
    condition: &Absent,
    rule: &Rule,
    settings: &Settings,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    sieve: Sieve<'_>,
) -> Seen {
    let window = Window::settled(condition.absent_for, settings.min_completeness, sums, span);
    let recents = sums.view.recent(&rule.select, span.now)?;
    Ok(judge(
        &window,
        rule,
        sums,
        &recents,
        sieve,
        |tally, recent| condition.evaluate(tally, recent, span.now),
    ))
}

fn drop_of_calls(
    condition: &QpsDrop,
    rule: &Rule,
    settings: &Settings,
    sums: &mut Sums<'_>,
    span: Span<'_>,
    sieve: Sieve<'_>,
) -> Seen {
    let window = Window::settled(
        condition.against.over,
        settings.min_completeness,
        sums,
        span,
    );
    let baselines = sums
        .view
        .baseline(&rule.select, &condition.against, span.now)?;
    Ok(judge(
        &window,
        rule,
        sums,
        &baselines,
        sieve,
        |tally, lags| condition.evaluate(tally, lags.map_or(&[], Vec::as_slice)),
    ))
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
fn judge<K: Send + Sync + 'static>(
    window: &Window,
    rule: &Rule,
    sums: &mut Sums<'_>,
    known: &Known<K>,
    sieve: Sieve<'_>,
    verdict: impl Fn(&Tally, Option<&K>) -> Verdict,
) -> Found {
    let present = sums.get(&rule.select, None, window.from, window.to);
    let by: &[By] = &rule.select.by;
    each_known(&present, known, sums, sieve, |key, tally, known, sums| {
        if window.behind {
            let why = Why::Blind("newer data is late".to_owned());
            return Verdict::Unknown { why };
        }
        let found = verdict(tally, known);
        let held = matches!(found, Verdict::Breach { .. })
            .then(|| window.blindness(key.function_id(by).as_ref(), sums))
            .flatten();
        held.map_or(found, |why| Verdict::Unknown { why })
    })
}
