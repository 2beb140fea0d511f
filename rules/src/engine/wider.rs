//! Conditions that look at more than one sum: shares, comparisons, error budgets, answers of queries.

use std::collections::BTreeMap;

use super::evaluate::{Span, Verdicts, newest, whole_seconds};
use super::sums::Sums;
use crate::condition::{Compare, Pair, Share, Sides, Slo, Sql, Verdict, Why};
use crate::releases::Roles;
use crate::rule::Rule;
use crate::windows::{By, EvaluationError, GroupKey, GroupSums, Select, Spent, SpentDays, Tally};

pub(super) fn share(
    condition: &Share,
    rule: &Rule,
    sums: &Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    let to = span.now.as_seconds() + 1;
    let from = to - whole_seconds(condition.over);
    sums.view
        .portions(&rule.select, &condition.part, from, to)
        .into_iter()
        .map(|(key, portion)| (key, condition.evaluate(&portion)))
        .collect()
}

pub(super) fn compare(
    condition: &Compare,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Vec<(GroupKey, Verdict)> {
    match &condition.sides {
        Sides::Versions(..) => {
            let by_version = Select {
                functions: rule.select.functions.clone(),
                by: [rule.select.by.as_slice(), &[By::Version]].concat(),
            };
            let mut functions: BTreeMap<GroupKey, Vec<(String, Tally)>> = BTreeMap::new();
            for (key, tally) in newest(&by_version, condition.over, sums, span, None).iter() {
                let version = key.get(&by_version.by, By::Version).unwrap_or("");
                functions
                    .entry(key.without(&by_version.by, By::Version))
                    .or_default()
                    .push((version.to_owned(), *tally));
            }
            let judged = functions.into_iter().map(|(key, versions)| {
                let function = key.function_id(&rule.select.by);
                let roles = function.map_or_else(Roles::default, |function| {
                    span.releases.roles(&function, span.now)
                });
                let (own, other) = condition.of_versions(&versions, roles);
                (key, condition.evaluate(&own, &other))
            });
            judged.collect()
        }
        Sides::ServedBy(own, other) => {
            let to = span.now.as_seconds() + 1;
            let from = to - whole_seconds(condition.over);
            let served = sums.view.served(&rule.select, from, to).into_iter();
            let judged = served.map(|(key, hops)| {
                let side = |wanted: &str| {
                    let hop = hops.iter().find(|(hop, _)| hop == wanted);
                    hop.map_or_else(Tally::default, |(_, tally)| *tally)
                };
                let verdict = condition.evaluate(&side(own), &side(other));
                (key, verdict)
            });
            judged.collect()
        }
        Sides::Functions(own, other) => {
            let mut side = |function: &model::FunctionId| {
                let tallies = newest(&rule.select, condition.over, sums, span, Some(function));
                let first = tallies.iter().next();
                first.map(|(key, tally)| (key.clone(), *tally))
            };
            let other = side(other).map_or_else(Tally::default, |(_, tally)| tally);
            let own = side(own).into_iter();
            own.map(|(key, tally)| (key, condition.evaluate(&tally, &other)))
                .collect()
        }
    }
}

/// What a group had in windows that reach back over days.
type Days = BTreeMap<GroupKey, Spent>;

pub(super) fn slo(condition: &Slo, rule: &Rule, sums: &mut Sums<'_>, span: Span<'_>) -> Verdicts {
    let days = match sums.view.spent(&rule.select, condition.period, span.now) {
        Ok(spent) => Some(up_to_now(&spent, &rule.select, sums, span)),
        // Hours are known without the days before them.
        Err(EvaluationError::HistoryUnread) => None,
        Err(error) => return Err(error),
    };
    let mut verdicts: BTreeMap<GroupKey, Verdict> = BTreeMap::new();
    for pair in condition.burn.pairs() {
        let Some(long) = window(pair, days.as_ref(), rule, sums, span) else {
            continue;
        };
        let short = newest(&rule.select, pair.short, sums, span, None);
        for (key, tally) in long.iter() {
            let short = short.get(key);
            let left = days
                .as_ref()
                .and_then(|days| days.get(key))
                .and_then(|spent| condition.left(&spent.period));
            let found = condition.evaluate(pair, tally, &short, left);
            match verdicts.get_mut(key) {
                Some(known) => *known = graver(std::mem::replace(known, found.clone()), found),
                None => {
                    verdicts.insert(key.clone(), found);
                }
            }
        }
    }
    if verdicts.is_empty() && days.is_none() {
        return Err(EvaluationError::HistoryUnread);
    }
    Ok(verdicts.into_iter().collect())
}

/// Calls of the long window; `None` while its days are unread.
fn window(
    pair: &Pair,
    days: Option<&Days>,
    rule: &Rule,
    sums: &mut Sums<'_>,
    span: Span<'_>,
) -> Option<GroupSums> {
    const DAY_HOURS: u64 = 24;
    let hours = pair.long.as_secs() / 3_600;
    if hours < DAY_HOURS {
        return Some(newest(&rule.select, pair.long, sums, span, None));
    }
    let of = |spent: &Spent| {
        if hours == DAY_HOURS {
            spent.day
        } else {
            spent.three_days
        }
    };
    let days = days?;
    let spent = days.iter();
    Some(spent.map(|(key, spent)| (key.clone(), of(spent))).collect())
}

/// Whole hours, and what came after them.
fn up_to_now(spent: &SpentDays, select: &Select, sums: &mut Sums<'_>, span: Span<'_>) -> Days {
    let mut days: Days = spent.groups.iter().cloned().collect();
    let since = sums.get(select, None, spent.until, span.now.as_seconds() + 1);
    for (key, tally) in since.iter() {
        let spent = days.entry(key.clone()).or_default();
        for sum in [&mut spent.day, &mut spent.three_days, &mut spent.period] {
            sum.merge(tally);
        }
    }
    days
}

/// Of two pairs of windows the one that says more: a breach, then what is not recovered, then anything known.
fn graver(one: Verdict, other: Verdict) -> Verdict {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Breach { .. } => 3,
        Verdict::Ok {
            recovered: false, ..
        } => 2,
        Verdict::Ok { .. } => 1,
        Verdict::Unknown { .. } => 0,
    };
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}

pub(super) fn sql(condition: &Sql, rule: &Rule, sums: &Sums<'_>) -> Verdicts {
    let answer = sums.view.answer(&rule.name, &condition.text)?;
    let breaches = answer.iter().map(|(key, value)| {
        let verdict = match key.function_id(&rule.select.by) {
            Some(function) if !rule.select.takes(&function.to_string()) => {
                Verdict::Unknown { why: Why::NotSeen }
            }
            _ => Verdict::Breach {
                value: *value,
                evidence: crate::condition::Evidence::default(),
            },
        };
        (key.clone(), verdict)
    });
    Ok(breaches.collect())
}
