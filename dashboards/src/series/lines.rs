//! Counts and latencies per step, from whatever is kept of that time.

use std::collections::BTreeMap;
use std::time::Duration;

use inbound::ProblemDocument;
use model::{FunctionId, Timestamp};
use serde_json::Value;
use store::{Counts, Dimension, Group, QueryLimits, Selection, Store};

use super::{Curve, Grid, Labels};
use crate::locate::literal;

const MINUTE: i64 = 60;
/// Sketches of durations are kept per ten seconds.
const SKETCH: i64 = 10;
/// What latencies of rows may take; a page can do without them.
const ROWS_DEADLINE: Duration = Duration::from_secs(5);
const QUANTILES: [(&str, f64); 3] = [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)];

/// Counts per step of one group.
pub(crate) struct Line {
    pub(crate) labels: Labels,
    pub(crate) counts: Vec<Counts>,
    /// How many seconds each count covers, when that is not the step: a minute spread over seconds.
    pub(crate) covers: Option<f64>,
}

fn labels_of(group: &Group) -> Labels {
    group
        .iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

/// Live calls per step: from the counts per second while they reach back far enough, else from those
/// per minute.
pub(crate) async fn counts(
    store: &Store,
    id: &FunctionId,
    by: Option<Dimension>,
    grid: &Grid,
    now: Timestamp,
) -> Result<Vec<Line>, ProblemDocument> {
    let select = Selection::function(id.clone());
    let by: Vec<Dimension> = by.into_iter().collect();
    if grid.seconds {
        let groups = store
            .rollups()
            .timeline(&select, &by, grid.from, grid.to, grid.stride());
        let line = |(group, counts): (Group, Vec<Counts>)| Line {
            labels: labels_of(&group),
            counts,
            covers: None,
        };
        return Ok(groups.into_iter().map(line).collect());
    }
    let from = Timestamp::from_seconds(grid.from.div_euclid(MINUTE) * MINUTE);
    let to = Timestamp::from_seconds(grid.to.min(now.as_seconds() + 1));
    let minutes = store.minutes_of(id, from, to).await;
    let minutes = minutes.map_err(ProblemDocument::internal)?;
    let mut lines: BTreeMap<Labels, BTreeMap<i64, Counts>> = BTreeMap::new();
    for (key, minute, counts) in minutes {
        if select.takes(&key) {
            let value =
                |dimension: &Dimension| (dimension.as_str(), key.get(*dimension).to_owned());
            let line = lines.entry(by.iter().map(value).collect()).or_default();
            line.entry(minute).or_default().merge(&counts);
        }
    }
    Ok(lines
        .into_iter()
        .map(|(labels, minutes)| on_grid(labels, &minutes, grid))
        .collect())
}

/// Minutes laid on a grid: summed up where a step holds several, repeated where a minute holds several
/// steps.
pub(super) fn on_grid(labels: Labels, minutes: &BTreeMap<i64, Counts>, grid: &Grid) -> Line {
    let finer = grid.stride() < MINUTE;
    let counts = (0..grid.len()).map(|at| {
        let start = grid.start_of(at);
        let first = start.div_euclid(MINUTE);
        let end = if finer {
            first + 1
        } else {
            (start + grid.stride()).div_euclid(MINUTE)
        };
        let mut sum = Counts::ZERO;
        for (_, counts) in minutes.range(first..end) {
            sum.merge(counts);
        }
        sum
    });
    Line {
        labels,
        counts: counts.collect(),
        covers: finer.then_some(60.0),
    }
}

/// Quantiles of the duration per step, in milliseconds: from sketches while they are kept, else from
/// rows. Rows that take too long to read, or are gone, leave the curves out.
pub(crate) async fn latencies(
    store: &Store,
    id: &FunctionId,
    by: Option<Dimension>,
    grid: &Grid,
    now: Timestamp,
) -> Result<Vec<Curve>, ProblemDocument> {
    if grid.seconds {
        return Ok(from_sketches(store, id, by, grid));
    }
    Ok(from_rows(store, id, by, grid, now).await)
}

fn from_sketches(store: &Store, id: &FunctionId, by: Option<Dimension>, grid: &Grid) -> Vec<Curve> {
    let select = Selection::function(id.clone());
    let by: Vec<Dimension> = by.into_iter().collect();
    let mut table = Table::new(grid.len());
    let mut at = 0;
    while at < grid.len() {
        let start = grid.start_of(at).div_euclid(SKETCH) * SKETCH;
        let end = (start + SKETCH).max(grid.start_of(at) + grid.stride());
        let next = (at..grid.len())
            .find(|next| grid.start_of(*next) >= end)
            .unwrap_or(grid.len());
        for (group, sketch) in store.rollups().latency(&select, &by, start, end) {
            let labels = labels_of(&group);
            for (which, (_, q)) in QUANTILES.iter().enumerate() {
                let value = sketch.quantile_us(*q).map(|micros| micros / 1_000.0);
                table.set(&labels, which, at..next, value);
            }
        }
        at = next;
    }
    table.into_curves()
}

async fn from_rows(
    store: &Store,
    id: &FunctionId,
    by: Option<Dimension>,
    grid: &Grid,
    now: Timestamp,
) -> Vec<Curve> {
    let from = Timestamp::from_seconds(grid.from);
    let to = Timestamp::from_seconds(grid.to).min(now);
    let group = by.map_or(String::from("''"), |by| format!("\"{}\"", by.as_str()));
    let quantiles: Vec<String> = QUANTILES
        .iter()
        .map(|(_, q)| format!("approx_percentile_cont(duration_us, {q})"))
        .collect();
    let sql = format!(
        "select {group}, cast(floor((date_part('epoch', ts) - {start}) / {step}) as bigint), {} from invocations \
         where namespace = {} and \"function\" = {} and traffic = 'live' \
         and ts >= timestamp '{}' and ts < timestamp '{}' group by 1, 2",
        quantiles.join(", "),
        literal(&id.namespace),
        literal(&id.name),
        from.to_rfc3339(),
        to.to_rfc3339(),
        start = grid.from,
        step = grid.step,
    );
    let limits = QueryLimits {
        rows_max: 200_000,
        deadline: ROWS_DEADLINE,
    };
    let answer = match store.query(&sql, &limits).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::info!(%error, function = %id, "latencies of a long stretch are left out");
            return Vec::new();
        }
    };
    let mut table = Table::new(grid.len());
    for row in answer.to_json_rows() {
        let value = row.get(0).and_then(Value::as_str).unwrap_or_default();
        let labels: Labels = by
            .iter()
            .map(|by| (by.as_str(), value.to_owned()))
            .collect();
        let at = row.get(1).and_then(Value::as_u64);
        let Some(at) = at.and_then(|at| usize::try_from(at).ok()) else {
            continue;
        };
        for which in 0..QUANTILES.len() {
            let micros = row.get(which + 2).and_then(Value::as_f64);
            table.set(
                &labels,
                which,
                at..at + 1,
                micros.map(|micros| micros / 1_000.0),
            );
        }
    }
    table.into_curves()
}

/// Quantiles being filled in.
struct Table {
    len: usize,
    cells: BTreeMap<Labels, [Vec<Option<f64>>; QUANTILES.len()]>,
}

impl Table {
    fn new(len: usize) -> Self {
        Table {
            len,
            cells: BTreeMap::new(),
        }
    }

    fn set(
        &mut self,
        labels: &Labels,
        which: usize,
        steps: std::ops::Range<usize>,
        value: Option<f64>,
    ) {
        let len = self.len;
        let columns = self
            .cells
            .entry(labels.clone())
            .or_insert_with(|| std::array::from_fn(|_| vec![None; len]));
        if let Some(cells) = columns
            .get_mut(which)
            .and_then(|column| column.get_mut(steps))
        {
            cells.fill(value);
        }
    }

    fn into_curves(self) -> Vec<Curve> {
        let named = |(labels, columns): (Labels, [Vec<Option<f64>>; QUANTILES.len()])| {
            QUANTILES
                .iter()
                .zip(columns)
                .map(move |((measure, _), values)| Curve {
                    labels: labels.clone(),
                    measure,
                    values,
                })
        };
        self.cells.into_iter().flat_map(named).collect()
    }
}
