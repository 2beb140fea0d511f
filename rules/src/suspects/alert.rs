//! Suspects for an alert that begins: read from the windows, within a deadline.

use std::time::Duration;

use model::{AlertStatus, FunctionId, Functions, Glob, Timestamp};

use super::{Cell, Explanation, Share, pairs, rank, sentence};
use crate::condition::Condition;
use crate::engine::{Change, Engine};
use crate::windows::{By, GroupKey, Part, Select, Tally, Windows};

/// The annotation that names them.
pub(crate) const ANNOTATION: &str = "suspects";
/// How long alerts wait for them.
pub(crate) const DEADLINE: Duration = Duration::from_millis(300);
/// Alerts that are looked at in one step; the others go out without.
const ALERTS_MAX: usize = 200;
/// The shortest stretch that is compared: what failed before the alert tells as much.
const OVER_MIN: Duration = Duration::from_mins(1);
/// The longest: what the alert is about must not drown in what was before.
const OVER_MAX: Duration = Duration::from_mins(5);
/// Where calls run, the widest first.
const PLACES: [By; 3] = [By::Unit, By::Version, By::Zone];
/// Where calls run and who answered them.
const DIMENSIONS: [&str; 3] = ["unit", "version", "zone"];

/// An alert about failures of one function.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Which of the changes tells it.
    index: usize,
    function: FunctionId,
    /// What its label set fixes already.
    fixed: Vec<(By, String)>,
    over: Duration,
}

/// The alerts among changes that suspects are wanted for.
pub(crate) fn wanted(engine: &Engine, changes: &[Change]) -> Vec<Wanted> {
    let begun = changes.iter().enumerate().filter(|(_, change)| {
        let alert = change.tell.as_ref();
        alert.is_some_and(|alert| alert.status == AlertStatus::Firing)
    });
    let wanted = begun.filter_map(|(index, change)| {
        let rule = engine.rules().find(|rule| rule.name == change.rule)?;
        let settings = rule.settings(engine.mode());
        if !is_about_failures(&settings.condition) {
            return None;
        }
        let key = GroupKey::from_labels(&change.labels, &rule.select.by)?;
        let fixed = PLACES.into_iter().filter_map(|by| {
            let value = key.get(&rule.select.by, by)?;
            Some((by, value.to_owned()))
        });
        Some(Wanted {
            index,
            function: key.function_id(&rule.select.by)?,
            fixed: fixed.collect(),
            over: settings.condition.over().clamp(OVER_MIN, OVER_MAX),
        })
    });
    wanted.take(ALERTS_MAX).collect()
}

fn is_about_failures(condition: &Condition) -> bool {
    match condition {
        Condition::SuccessRate(_)
        | Condition::FailsEarly(_)
        | Condition::Compare(_)
        | Condition::Outlier(_)
        | Condition::Slo(_) => true,
        Condition::Share(share) => matches!(share.part, Part::Outcome(_) | Part::ErrorType(_)),
        _ => false,
    }
}

impl Wanted {
    /// Says it beside the alert, and in the episode, so that its end says it too.
    pub(crate) fn say(&self, suspects: String, engine: &mut Engine, changes: &mut [Change]) {
        let Some(change) = changes.get_mut(self.index) else {
            return;
        };
        let told = [change.tell.as_mut(), change.episode.as_mut()];
        for alert in told.into_iter().flatten() {
            alert
                .annotations
                .insert(ANNOTATION.to_owned(), suspects.clone());
        }
        engine.annotate(&change.rule, &change.labels, ANNOTATION, suspects);
    }

    /// What explains the failures best, in a sentence; `None` where they are spread evenly.
    pub(crate) fn find(&self, view: &dyn Windows, now: Timestamp) -> Option<String> {
        let to = now.as_seconds() + 1;
        let from = to - i64::try_from(self.over.as_secs()).unwrap_or(60);
        let exact = Glob::new(&self.function.to_string()).ok()?;
        let select = Select {
            functions: Functions::matching(vec![exact]),
            by: [&[By::Namespace, By::Function][..], &PLACES].concat(),
        };
        let tallies = view.sum(&select, Some(&self.function), from, to);
        let cells: Vec<Cell> = tallies
            .iter()
            .filter(|(key, _)| {
                let mut fixed = self.fixed.iter();
                fixed.all(|(by, value)| key.get(&select.by, *by) == Some(value))
            })
            .map(|(key, tally)| cell(key, &select.by, tally))
            .collect();
        let mut found = alone(&cells);
        if self.fixed.is_empty() {
            found.extend(served(view, &select, from, to));
        }
        found.extend(pairs(&DIMENSIONS, &cells));
        let excess = |one: &Explanation| one.failures_share - one.calls_share.unwrap_or(1.0);
        // Of two that say the same the wider stays, which stands first.
        let best = found.into_iter().reduce(|best, one| {
            if excess(&one) > excess(&best) + 1e-9 {
                one
            } else {
                best
            }
        });
        best.map(|best| sentence(&best))
    }
}

/// Which hop answered, where hops are told.
fn served(view: &dyn Windows, select: &Select, from: i64, to: i64) -> Vec<Explanation> {
    let select = Select {
        functions: select.functions.clone(),
        by: vec![By::Namespace, By::Function],
    };
    let served = view.served(&select, from, to);
    let hops = served.first().map_or(&[][..], |(_, hops)| hops);
    let cells: Vec<Cell> = hops
        .iter()
        .map(|(hop, tally)| cell_of(vec![hop.clone()], tally))
        .collect();
    let (failures, calls) = whole(&cells);
    let shares = cells.iter().map(|cell| share("served_by", cell, 0));
    rank(shares, failures, calls)
}

fn cell(key: &GroupKey, by: &[By], tally: &Tally) -> Cell {
    let values = PLACES.map(|place| key.get(by, place).unwrap_or("").to_owned());
    cell_of(values.to_vec(), tally)
}

fn cell_of(values: Vec<String>, tally: &Tally) -> Cell {
    Cell {
        values,
        calls: tally.counted,
        failures: tally.failed,
        ok: tally.succeeded(),
    }
}

fn whole(cells: &[Cell]) -> (u64, u64) {
    cells.iter().fold((0, 0), |(failures, calls), cell| {
        (failures + cell.failures, calls + cell.calls)
    })
}

fn share(dimension: &'static str, cell: &Cell, at: usize) -> Share {
    let judged = cell.ok + cell.failures;
    Share {
        dimension,
        value: cell.values.get(at).cloned().unwrap_or_default(),
        failures: cell.failures,
        calls: Some(cell.calls),
        success_rate: (judged > 0).then(|| cell.ok as f64 / judged as f64),
    }
}

/// Values that explain the failures by themselves.
fn alone(cells: &[Cell]) -> Vec<Explanation> {
    let (failures, calls) = whole(cells);
    let shares = DIMENSIONS.iter().enumerate().flat_map(|(at, dimension)| {
        let mut values: std::collections::BTreeMap<&str, Cell> = std::collections::BTreeMap::new();
        for cell in cells {
            let value = cell.values.get(at).map_or("", String::as_str);
            let sum = values.entry(value).or_insert_with(|| Cell {
                values: vec![value.to_owned()],
                calls: 0,
                failures: 0,
                ok: 0,
            });
            sum.calls += cell.calls;
            sum.failures += cell.failures;
            sum.ok += cell.ok;
        }
        let shares = values.into_values().map(|sum| share(dimension, &sum, 0));
        shares.collect::<Vec<_>>()
    });
    rank(shares, failures, calls)
}
