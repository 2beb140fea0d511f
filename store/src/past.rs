//! Calls of the past, in the order in which they were complete: what replays them to rollups needs.

use std::collections::VecDeque;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use model::{Glob, Timestamp};

use crate::rollup::{Delta, Rollups, clamped};
use crate::sql::{QueryAnswer, QueryError, QueryLimits};
use crate::store::Store;

/// The columns of `invocations` that rollups count by.
const COLUMNS: &str = "ts, duration_us, weight, cold_start, outcome, namespace, \"function\", \
    version, unit, zone, traffic, instance, error_type, layer, served_by";
/// How long before it was complete a call may have begun.
const REACH_SECONDS: i64 = 900;
/// Calls shorter than this are not looked for further back.
const USUAL_SECONDS: i64 = 10;
const MICROS: i64 = 1_000_000;

/// Calls by the second in which they were complete.
#[derive(Clone, Debug, Default)]
pub struct Completed {
    /// Seconds (Unix) that had calls, in order, with their rows.
    seconds: VecDeque<(i64, RecordBatch)>,
    /// Whether there were more rows than the limit let through; what is here is no whole then.
    pub truncated: bool,
}

impl Completed {
    /// How many calls are left to give.
    pub fn rows(&self) -> usize {
        self.seconds.iter().map(|(_, rows)| rows.num_rows()).sum()
    }

    /// Gives rollups what was complete before the second `until`, which is their time from then on,
    /// and tells what it added.
    pub fn give(&mut self, rollups: &Rollups, until: i64) -> Vec<Delta> {
        let now = Timestamp::from_seconds(until);
        let mut added = Vec::new();
        while let Some((_, rows)) = self.seconds.pop_front_if(|(second, _)| *second < until) {
            added.extend(rollups.apply(&rows, now));
        }
        rollups.pass_to(now);
        added
    }
}

impl Store {
    /// Calls that were complete in the seconds `from..to`, of functions that match a pattern; all
    /// traffic and all layers. Calls that took more than a quarter of an hour are not found.
    pub async fn completed(
        &self,
        functions: &Glob,
        from: i64,
        to: i64,
        limits: &QueryLimits,
    ) -> Result<Completed, QueryError> {
        let answer = self.query(&sql(functions, from, to), limits).await?;
        by_second(&answer, from, to).map_err(|error| QueryError::Failed(error.to_string()))
    }
}

fn sql(functions: &Glob, from: i64, to: i64) -> String {
    let instant = |second: i64| {
        let at = Timestamp::from_seconds(second);
        format!("to_timestamp_micros({})", at.as_micros())
    };
    let only = match functions.as_str() {
        "*" => String::new(),
        exact if !exact.contains(['*', '?']) => {
            format!(" and function_id = '{}'", exact.replace('\'', "''"))
        }
        pattern => format!(" and function_id like '{}'", like(pattern)),
    };
    format!(
        "select {COLUMNS} from invocations where ts >= {} and ts < {} \
         and (ts >= {} or duration_us >= {}){only}",
        instant(from - REACH_SECONDS),
        instant(to),
        instant(from - USUAL_SECONDS),
        USUAL_SECONDS * MICROS,
    )
}

/// A pattern as SQL's LIKE writes it.
fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for sign in pattern.chars() {
        match sign {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => like.extend(['\\', sign]),
            '\'' => like.push_str("''"),
            other => like.push(other),
        }
    }
    like
}

fn by_second(
    answer: &QueryAnswer,
    from: i64,
    to: i64,
) -> Result<Completed, arrow::error::ArrowError> {
    let rows = concat_batches(&answer.schema, &answer.batches)?;
    let mut order = completions(&rows);
    order.retain(|(second, _)| (from..to).contains(second));
    order.sort_unstable();
    let places = UInt32Array::from_iter_values(order.iter().map(|(_, row)| *row));
    let rows = take_record_batch(&rows, &places)?;
    let mut seconds = VecDeque::new();
    let mut begin = 0;
    for run in order.chunk_by(|left, right| left.0 == right.0) {
        if let Some((second, _)) = run.first() {
            seconds.push_back((*second, rows.slice(begin, run.len())));
        }
        begin += run.len();
    }
    Ok(Completed {
        seconds,
        truncated: answer.truncated,
    })
}

/// The second in which each row was complete, as rollups take it, and the row.
fn completions(rows: &RecordBatch) -> Vec<(i64, u32)> {
    let column = |name: &str| rows.column_by_name(name);
    let began =
        column("ts").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let took = column("duration_us").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(began), Some(took)) = (began, took) else {
        return Vec::new();
    };
    let complete = began
        .values()
        .iter()
        .zip(took.values())
        .enumerate()
        .filter(|(row, _)| began.is_valid(*row) && took.is_valid(*row))
        .filter_map(|(row, (began, took))| {
            let at = began.saturating_add_unsigned(clamped(*took));
            Some((at.div_euclid(MICROS), u32::try_from(row).ok()?))
        });
    complete.collect()
}

#[cfg(test)]
mod tests {
    use model::{ManualClock, Outcome};

    use super::*;
    use crate::{Batch, Invocation, InvocationRows, Options};

    const BEGIN: i64 = 1_795_000_000;

    fn rows(calls: &[(i64, i64, &str)]) -> RecordBatch {
        let mut rows = InvocationRows::new();
        for (ts_ms, duration_ms, function) in calls {
            rows.push(&Invocation {
                ts: Timestamp::from_millis(BEGIN * 1_000 + ts_ms),
                duration_us: duration_ms * 1_000,
                namespace: "guide",
                function,
                unit: "a",
                outcome: Outcome::Ok,
                weight: 1,
                ..Invocation::default()
            });
        }
        rows.finish()
    }

    #[tokio::test]
    async fn calls_come_in_the_order_of_their_ends_and_rollups_count_them() {
        let folder = tempfile::tempdir().unwrap();
        let now = ManualClock::at(Timestamp::from_seconds(BEGIN + 1_000));
        let store = Store::open(Options::new(folder.path()), now).await.unwrap();
        let calls = [
            (4_900, 200, "feed"),
            (0, 5_000, "feed"),
            (5_100, 100, "search"),
            // It began long before the stretch and ends in it.
            (-700_000, 707_500, "feed"),
            (9_999, 1, "feed"),
            (2_000, 10, "feed_new"),
        ];
        store
            .commit(Batch {
                invocations: Some(rows(&calls)),
                ..Batch::default()
            })
            .await
            .unwrap();
        let limits = QueryLimits::default();
        let ask = async |glob: &str, from: i64, to: i64| {
            let glob = Glob::new(glob).unwrap();
            let found = store.completed(&glob, BEGIN + from, BEGIN + to, &limits);
            found.await.unwrap()
        };
        let seconds = |found: &Completed| -> Vec<(i64, usize)> {
            let seconds = found.seconds.iter();
            seconds
                .map(|(second, rows)| (second - BEGIN, rows.num_rows()))
                .collect()
        };
        let mut found = ask("*", 3, 10).await;
        assert_eq!(seconds(&found), [(5, 3), (7, 1)]);
        assert!(!found.truncated);
        assert_eq!(
            seconds(&ask("guide/feed", 0, 12).await),
            [(5, 2), (7, 1), (10, 1)]
        );
        // `_` stands for itself, `*` for anything.
        assert_eq!(seconds(&ask("guide/feed_*", 0, 12).await), [(2, 1)]);
        assert_eq!(seconds(&ask("g?ide/s*", 0, 12).await), [(5, 1)]);

        let rollups = Rollups::new(100);
        let counted = |rollups: &Rollups| {
            let select = crate::Selection::default();
            let sums = rollups.sum(&select, &[], BEGIN, BEGIN + 12);
            sums.iter().map(|(_, counts)| counts.calls()).sum::<u64>()
        };
        assert_eq!(found.rows(), 4);
        assert_eq!(found.give(&rollups, BEGIN + 5), []);
        assert_eq!(found.give(&rollups, BEGIN + 6).len(), 2);
        assert_eq!((counted(&rollups), found.rows()), (3, 1));
        found.give(&rollups, BEGIN + 10);
        assert_eq!((counted(&rollups), found.rows()), (4, 0));
    }
}
