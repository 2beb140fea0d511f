//! More calls than a share of what the live pods carry, as load tests measured it.

use std::time::Duration;

use declare::{Problems, Record, Shape};
use model::{Labels, Ratio, format_duration};
use serde_json::{Value, json};

use super::{About, Evidence, Kind, Measure, Verdict, Why, percent, read_window};
use crate::capacity::{Capacity, PodsGauge};
use crate::layers::Layers;
use crate::windows::Tally;

/// Breach: the mean rate over the window is more than a share of (capacity of one pod x live pods).
#[derive(Clone, Debug, PartialEq)]
pub struct AboveCapacity {
    /// The share of the capacity above which it fires.
    pub above: Ratio,
    /// The window.
    pub over: Duration,
    /// What counts pods beside the instances that are seen to answer.
    pub pods: Option<PodsGauge>,
}

pub(super) fn fields(record: Record) -> Record {
    record
        .field(
            "above_capacity",
            Shape::Ratio,
            "fires over this share of what the live pods carry by the newest valid load test, such as 80%",
        )
        .field(
            "pods",
            Shape::Record(
                Record::new("pods", "a metric that counts pods")
                    .required("metric", Shape::Text, "the metric's name")
                    .field(
                        "label",
                        Shape::Text,
                        "the label that names the function; `function` if left out",
                    ),
            ),
            "a metric that counts pods beside the instances seen to answer; the larger number counts",
        )
}

pub(super) fn read(record: &Layers<'_>, problems: &mut Problems) -> Option<AboveCapacity> {
    let above = record.ratio("above_capacity")?;
    if above.get() <= 0.0 {
        problems
            .error(
                record.place_of("above_capacity"),
                "`above_capacity: 0%` fires at the first call",
            )
            .hint("write the share at which there is still time to add pods, such as 80%");
        return None;
    }
    let pods = match record.record("pods") {
        Some(pods) => Some(read_gauge(&pods, problems)?),
        None => None,
    };
    Some(AboveCapacity {
        above,
        over: read_window(record, "over", Duration::from_mins(1), problems),
        pods,
    })
}

fn read_gauge(pods: &Layers<'_>, problems: &mut Problems) -> Option<PodsGauge> {
    let metric = pods.text("metric")?;
    // The colon of recording rules is the only letter that a metric may have and a label may not.
    if !Labels::is_name(&metric.replace(':', "_")) {
        problems
            .error(
                pods.place_of("metric"),
                format!("`{metric}` is not a metric name"),
            )
            .hint("use letters, digits, _ and :, not starting with a digit");
        return None;
    }
    let label = pods.text("label").unwrap_or("function");
    if !Labels::is_name(label) {
        problems
            .error(
                pods.place_of("label"),
                format!("`{label}` is not a label name"),
            )
            .hint("use letters, digits and _, not starting with a digit");
        return None;
    }
    Some(PodsGauge {
        metric: metric.to_owned(),
        label: label.to_owned(),
    })
}

impl AboveCapacity {
    /// The verdict about one function: its calls, what a pod carries, and how many pods live.
    pub fn evaluate(&self, tally: &Tally, capacity: &Capacity, pods: Option<f64>) -> Verdict {
        let per_pod = match capacity {
            Capacity::PerPod(per_pod) if *per_pod > 0.0 => *per_pod,
            Capacity::PerPod(_) | Capacity::Untested => {
                return Verdict::Unknown { why: Why::Untested };
            }
            Capacity::Unusable { why } => {
                let why = Why::CapacityUnusable(why.clone());
                return Verdict::Unknown { why };
            }
        };
        let Some(pods) = pods.filter(|pods| *pods > 0.0) else {
            return Verdict::Unknown { why: Why::NoPods };
        };
        let carried = per_pod * pods;
        let value = tally.qps(self.over) / carried;
        if value > self.above.get() {
            Verdict::Breach {
                value,
                evidence: Evidence {
                    calls: tally.weighted,
                    failed: tally.failed,
                    baseline: Some(carried),
                    pods: Some(pods),
                    ..Evidence::default()
                },
            }
        } else {
            Verdict::Ok {
                value,
                recovered: true,
            }
        }
    }
}

impl Kind for AboveCapacity {
    fn word(&self) -> &'static str {
        "qps"
    }

    fn about(&self) -> About {
        About::Traffic
    }

    fn measure(&self) -> Measure {
        Measure::Share
    }

    fn over(&self) -> Duration {
        self.over
    }

    fn threshold(&self) -> f64 {
        self.above.get()
    }

    fn describe(&self, who: &str, value: f64, evidence: &Evidence) -> String {
        let carried = evidence.baseline.unwrap_or(0.0);
        let pods = evidence.pods.unwrap_or(0.0);
        format!(
            "{who}: {} of {} QPS over {}, {} of what {}; the limit is {}",
            number(value * carried),
            number(carried),
            format_duration(self.over),
            whole_percent(value),
            if (pods - 1.0).abs() < f64::EPSILON {
                "1 pod carries".to_owned()
            } else {
                format!("{} pods carry", number(pods))
            },
            percent(self.above.get())
        )
    }

    fn summary(&self) -> String {
        format!(
            "calls above {} of capacity over {}",
            percent(self.above.get()),
            format_duration(self.over)
        )
    }

    fn to_json(&self) -> Value {
        let mut qps = json!({
            "above_capacity": self.above.to_string(),
            "over": format_duration(self.over),
        });
        if let (Some(PodsGauge { metric, label }), Some(qps)) = (&self.pods, qps.as_object_mut()) {
            qps.insert("pods".to_owned(), json!({"metric": metric, "label": label}));
        }
        json!({ "qps": qps })
    }
}

/// `251`, or `2.5` where a whole number would say too little.
fn number(value: f64) -> String {
    if value.abs() >= 10.0 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.1}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// `0.837` as `84 %`.
fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
