//! Numbers of many functions at once, summed up from the counts per second.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use alerting::Teams;
use model::{Alert, FunctionId, Outcome, Severity, Timestamp};
use serde::Serialize;
use store::{Counts, Dimension, FunctionSeen, Group, Rollups, Selection, Sketch};
use utoipa::ToSchema;

use crate::past::Past;

/// An instance that answered within this time lives.
const ALIVE_SECONDS: i64 = 60;

/// How a function is doing: the loudest alert that fires, else `ok`, or `idle` without calls.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // the words as the API describes them
pub(crate) enum Status {
    Critical,
    Warning,
    Info,
    Ok,
    Idle,
}

/// One function's numbers over the range. Shares and latencies are null without calls.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FunctionRow {
    /// The function's namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) function: String,
    /// The team that owns it.
    pub(crate) owner: Option<String>,
    /// Live calls in the range, each as many as its record stands for.
    pub(crate) calls: u64,
    /// Calls per second.
    pub(crate) qps: f64,
    /// Calls per second in the same range earlier, as `compare` asked.
    pub(crate) qps_before: Option<f64>,
    /// ok / (ok + failures), 0 to 1.
    pub(crate) success_rate: Option<f64>,
    /// Calls that failed: function errors, timeouts, out of memory, platform errors.
    pub(crate) errors: u64,
    /// Median duration in milliseconds.
    pub(crate) p50_ms: Option<f64>,
    /// 95th percentile of the duration in milliseconds.
    pub(crate) p95_ms: Option<f64>,
    /// 99th percentile of the duration in milliseconds.
    pub(crate) p99_ms: Option<f64>,
    /// Calls refused by a flow limit.
    pub(crate) limited: u64,
    /// Calls that waited for an instance to start.
    pub(crate) cold_starts: u64,
    /// Distinct instances that answered within a minute; null when records name none.
    pub(crate) pods: Option<u64>,
    /// The loudest alert that fires (`critical`, `warning`, `info`), else `ok`, or `idle` without calls.
    #[schema(value_type = Status)]
    pub(crate) status: &'static str,
    /// Since when that alert fires.
    pub(crate) since: Option<Timestamp>,
    /// The first call known.
    pub(crate) first_seen: Timestamp,
    /// The newest call known.
    pub(crate) last_seen: Timestamp,
    /// Calls per part of the range, oldest first, when `spark` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) spark: Option<Vec<u64>>,
    /// Failed calls per part; absent where none failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) spark_errors: Option<Vec<u64>>,
}

/// The loudest firing alert of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loudest {
    pub(crate) severity: Severity,
    pub(crate) since: Timestamp,
}

/// The loudest firing alert of each function; of equally loud ones the oldest.
pub(crate) fn loudest<'a>(
    alerts: impl Iterator<Item = &'a Alert>,
) -> BTreeMap<FunctionId, Loudest> {
    let mut firing: BTreeMap<FunctionId, Loudest> = BTreeMap::new();
    for alert in alerts {
        let id = alert.function_id().and_then(|id| id.parse().ok());
        let Some(id) = id else { continue };
        let own = Loudest {
            severity: alert.severity(),
            since: alert.starts_at,
        };
        let held = firing.entry(id).or_insert(own);
        if (own.severity, held.since) > (held.severity, own.since) {
            *held = own;
        }
    }
    firing
}

/// What was summed up for a stretch of seconds, of one function or of all.
pub(crate) struct Numbers {
    counts: HashMap<FunctionId, Vec<Counts>>,
    latencies: HashMap<FunctionId, Sketch>,
    pods: HashMap<FunctionId, u64>,
    range: Duration,
    sparks: bool,
}

impl Numbers {
    /// Sums the last `range` up to and with the running second; `parts` cuts it into that many steps.
    pub(crate) fn sum(
        rollups: &Rollups,
        select: &Selection,
        range: Duration,
        parts: Option<u64>,
        now: Timestamp,
    ) -> Numbers {
        let (from, to) = ((now - range).as_seconds() + 1, now.as_seconds() + 1);
        let step = range.as_secs().div_ceil(parts.unwrap_or(1)).max(1);
        let by = [Dimension::Function];
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let counts: HashMap<FunctionId, Vec<Counts>> =
            by_function(rollups.timeline(select, &by, from, to, step));
        let alive = now.as_seconds() - ALIVE_SECONDS + 1;
        let pods = counts.keys();
        let pods = pods.map(|id| (id.clone(), rollups.instances(id, alive)));
        Numbers {
            pods: pods.filter(|(_, pods)| *pods > 0).collect(),
            counts,
            latencies: by_function(rollups.latency(select, &by, from, to)),
            range,
            sparks: parts.is_some(),
        }
    }

    /// All its calls in the range.
    pub(crate) fn total(&self, id: &FunctionId) -> Counts {
        let parts = self.counts.get(id).map(Vec::as_slice).unwrap_or_default();
        parts.iter().fold(Counts::ZERO, |mut sum, part| {
            sum.merge(part);
            sum
        })
    }

    /// One function's row.
    pub(crate) fn row(
        &self,
        seen: FunctionSeen,
        teams: &Teams,
        firing: Option<&Loudest>,
        past: &Past,
    ) -> FunctionRow {
        let counts = self.total(&seen.id);
        let quantile = |q: f64| Some(self.latencies.get(&seen.id)?.quantile_us(q)? / 1_000.0);
        let status = match (firing, counts.calls()) {
            (Some(loudest), _) => loudest.severity.as_str(),
            (None, 0) => "idle",
            (None, _) => "ok",
        };
        let parts = self.counts.get(&seen.id).filter(|_| self.sparks);
        let spark = |of: fn(&Counts) -> u64| parts.map(|parts| parts.iter().map(of).collect());
        FunctionRow {
            owner: teams
                .owner(&seen.id.to_string())
                .map(|team| team.name.clone()),
            calls: counts.weighted,
            qps: counts.weighted as f64 / self.range.as_secs_f64(),
            qps_before: past.qps(&seen.id),
            success_rate: counts.success_rate(),
            errors: counts.failed(),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            limited: counts.of(Outcome::Limited),
            cold_starts: counts.cold_starts,
            pods: self.pods.get(&seen.id).copied(),
            status,
            since: firing.map(|loudest| loudest.since),
            first_seen: seen.first_seen,
            last_seen: seen.last_seen,
            spark: spark(|part| part.weighted),
            spark_errors: spark(Counts::failed).filter(|_| counts.failed() > 0),
            namespace: seen.id.namespace,
            function: seen.id.name,
        }
    }
}

fn by_function<T>(groups: Vec<(Group, T)>) -> HashMap<FunctionId, T> {
    groups
        .into_iter()
        .filter_map(|(group, value)| Some((group.function_id()?, value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{AlertStatus, Labels};

    use super::*;

    fn alert(function: &str, severity: &str, second: i64) -> Alert {
        let labels = [
            ("alertname", "A"),
            ("namespace", "guide"),
            ("function", function),
            ("severity", severity),
        ];
        Alert {
            status: AlertStatus::Firing,
            labels: Labels::from_pairs(labels),
            annotations: BTreeMap::new(),
            starts_at: Timestamp::from_seconds(second),
            ends_at: None,
            generator_url: String::new(),
        }
    }

    #[test]
    fn the_loudest_counts_and_of_equals_the_oldest() {
        let alerts = [
            alert("feed", "warning", 5),
            alert("feed", "critical", 30),
            alert("feed", "critical", 20),
            alert("feed", "info", 1),
            alert("other", "info", 9),
        ];
        let firing = loudest(alerts.iter());
        let of = |name: &str| firing[&FunctionId::new("guide", name).unwrap()];
        assert_eq!(
            (of("feed").severity, of("feed").since.as_seconds()),
            (Severity::Critical, 20)
        );
        assert_eq!(of("other").severity, Severity::Info);
    }
}
