//! How many pods functions have by a metric that counts them, read out of the samples once a minute.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::{FunctionId, Timestamp};
use serde_json::Value;
use store::{QueryLimits, Store};

use crate::capacity::PodsGauge;
use crate::condition::Condition;
use crate::events;
use crate::rule::Rule;

/// A sample older than this counts no pod any more.
const FRESH_FOR: Duration = Duration::from_mins(3);
/// What reading one metric may take.
const LIMITS: QueryLimits = QueryLimits {
    rows_max: 20_000,
    deadline: Duration::from_secs(10),
};

/// What ticks look up. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Gauges {
    ready: Arc<RwLock<HashMap<PodsGauge, Pods>>>,
}

/// Pods by what the label says, as `namespace/name` or as a bare name.
type Pods = HashMap<String, f64>;

impl Gauges {
    /// Pods of a function by this metric; `None` when no fresh sample names it.
    pub(crate) fn pods(&self, gauge: &PodsGauge, function: &FunctionId) -> Option<f64> {
        let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        let pods = ready.get(gauge)?;
        pods.get(&function.to_string())
            .or_else(|| pods.get(&function.name))
            .copied()
    }

    /// Reads every metric that a rule asks for.
    pub(crate) async fn refresh(&self, store: &Store, rules: &[Arc<Rule>], now: Timestamp) {
        let mut read = HashMap::new();
        for gauge in asked(rules) {
            match samples(store, &gauge, now).await {
                Ok(pods) => {
                    read.insert(gauge, pods);
                }
                Err(why) => events::gauge_unread(&gauge.metric, &why),
            }
        }
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = read;
    }
}

fn asked(rules: &[Arc<Rule>]) -> HashSet<PodsGauge> {
    let all = rules.iter().flat_map(|rule| rule.all_settings());
    all.filter_map(|settings| match &settings.condition {
        Condition::AboveCapacity(condition) => condition.pods.clone(),
        _ => None,
    })
    .collect()
}

/// The newest value of each series, summed by function. Names were checked when the rule was read, so
/// they hold nothing that SQL would take for its own.
async fn samples(store: &Store, gauge: &PodsGauge, now: Timestamp) -> Result<Pods, String> {
    let sql = format!(
        "SELECT labels['{}'] AS function, labels['namespace'] AS namespace, \
         last_value(value ORDER BY ts) AS pods FROM samples \
         WHERE name = '{}' AND ts >= TIMESTAMP '{}' GROUP BY 1, 2, series",
        gauge.label,
        gauge.metric,
        now - FRESH_FOR
    );
    let answer = Box::pin(store.query(&sql, &LIMITS))
        .await
        .map_err(|error| crate::driver::chain(&error))?;
    let mut pods = Pods::new();
    for row in answer.to_json_rows() {
        let text = |at: usize| row.get(at).and_then(Value::as_str);
        let Some(name) = text(0).filter(|name| !name.is_empty()) else {
            continue;
        };
        // A stale marker is not a number.
        let Some(count) = row.get(2).and_then(Value::as_f64) else {
            continue;
        };
        let key = match text(1) {
            Some(namespace) if !name.contains('/') => format!("{namespace}/{name}"),
            _ => name.to_owned(),
        };
        *pods.entry(key).or_default() += count.max(0.0);
    }
    Ok(pods)
}

#[cfg(test)]
mod tests {
    use model::{Labels, ManualClock};
    use store::{Batch, Options, Sample, SampleRows};

    use super::*;
    use crate::set::RuleSet;

    #[tokio::test(flavor = "multi_thread")]
    async fn pods_come_from_the_newest_sample_of_each_series() {
        let directory = tempfile::tempdir().unwrap();
        let noon: Timestamp = "2026-11-19T12:00:00Z".parse().unwrap();
        let clock = ManualClock::at(noon);
        let store = Store::open(Options::new(directory.path()), clock)
            .await
            .unwrap();
        let mut samples = SampleRows::new();
        for (ago, labels, value) in [
            (70, [("deployment", "feed"), ("namespace", "guide")], 9.0),
            (10, [("deployment", "feed"), ("namespace", "guide")], 3.0),
            (10, [("deployment", "feed"), ("namespace", "travel")], 5.0),
            (10, [("deployment", "guide/search"), ("zone", "a")], 2.0),
            (10, [("deployment", "guide/search"), ("zone", "b")], 4.0),
            (10, [("deployment", "book"), ("zone", "b")], 7.0),
            (400, [("deployment", "old"), ("namespace", "guide")], 8.0),
        ] {
            samples.push(&Sample {
                ts_ms: (noon - Duration::from_secs(ago)).as_millis(),
                name: "deployment_ready",
                labels: &Labels::from_pairs(labels),
                value,
            });
        }
        let batch = Batch {
            samples: Some(samples.finish()),
            ..Batch::default()
        };
        store.commit(batch).await.unwrap();
        let rules = "version: rampart/v1\nrules:\n  - alert: Near\n    functions: ['*']\n    \
                     qps: {above_capacity: 80%, pods: {metric: deployment_ready, label: deployment}}\n";
        let set = RuleSet::parse("rules.yaml", rules).unwrap();
        let gauges = Gauges::default();
        gauges.refresh(&store, set.rules(), noon).await;
        let gauge = PodsGauge {
            metric: "deployment_ready".to_owned(),
            label: "deployment".to_owned(),
        };
        for (function, pods) in [
            ("guide/feed", Some(3.0)),
            ("travel/feed", Some(5.0)),
            ("guide/search", Some(6.0)),
            ("any/book", Some(7.0)),
            ("guide/old", None),
        ] {
            let id = function.parse().unwrap();
            assert_eq!(gauges.pods(&gauge, &id), pods, "{function}");
        }
        store.close().await;
    }
}
