//! What a run and a search found, as it is written to files and kept by a server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{Protocol, Publish};
use crate::tally::{Tally, Times};

/// Takes results that are to be kept. The program implements it for a Rampart server.
pub trait ResultSink: Send + Sync {
    /// Hands over one result; the error is a sentence for a person.
    fn keep(&self, result: &Kept) -> Result<(), String>;
}

/// A result in the form in which a server keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kept {
    /// Of `rampart loadtest run`.
    Run(Box<RunResult>),
    /// Of `rampart loadtest capacity`.
    Capacity(Box<CapacityResult>),
}

/// What was tested, on what, when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Names this run; sent in the header `x-rampart-test`.
    pub id: String,
    /// `namespace/name` of the function.
    pub function: Option<String>,
    /// Its deployed version.
    pub version: Option<String>,
    /// Digest of its image.
    pub digest: Option<String>,
    /// Where load went.
    pub target: String,
    /// How requests were carried.
    pub protocol: Option<Protocol>,
    /// Results are comparable when this is the same.
    pub scenario_hash: String,
    /// RFC 3339.
    pub started_at: String,
    /// Seconds from the first to the last request.
    pub seconds: f64,
    /// Makes the same random choices again.
    pub seed: u64,
    /// CPU model, cores and kernel of the sender.
    pub machine: String,
    /// The machines that sent, when it was not the leader itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<WorkerSubject>,
    /// CPUs that one pod may use, when its control group says so.
    pub pod_cpus: Option<f64>,
    /// Bytes of memory that one pod may use, when its control group says so.
    pub pod_memory_bytes: Option<u64>,
}

/// A machine that sent a share of a load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerSubject {
    /// `host:port`.
    pub address: String,
    /// CPU model, cores and kernel.
    pub machine: String,
    /// How far its start may have been from the others', in ms.
    pub clock_error_ms: f64,
}

/// What `rampart loadtest run` found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// What was tested.
    pub subject: Subject,
    /// The load in words: `open, poisson, 300/s for 1m`.
    pub load: String,
    /// Everything after warm-up.
    pub total: Window,
    /// Second by second, warm-up included.
    pub seconds: Vec<Second>,
    /// Each part of the objective.
    pub thresholds: Vec<Threshold>,
    /// Seconds that `total` leaves out because the generator itself failed in them.
    #[serde(default)]
    pub left_out: u32,
    /// What went wrong with the generator in the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_why: Option<String>,
    /// Why the figures must not be believed; empty when they may.
    pub invalid: Vec<String>,
    /// Why it ended early, when it did.
    pub stopped: Option<String>,
}

/// One part of an objective, held or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// `p99 ≤ 100ms`.
    pub wanted: String,
    /// `87.2ms`.
    pub got: String,
    /// Whether it held.
    pub held: bool,
}

/// Figures of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Seconds since the first request.
    pub at: f64,
    /// Whether it belongs to the warm-up, which the totals leave out.
    pub warm_up: bool,
    /// Whether the totals leave it out because the generator itself failed in it.
    #[serde(default)]
    pub left_out: bool,
    /// Requests that came due, per second.
    pub intended: f64,
    /// Requests sent, per second.
    pub sent: f64,
    /// Successes per second.
    pub ok: f64,
    /// Refused by a flow limit (429) per second.
    pub limited: f64,
    /// Failures and unexpected answers per second.
    pub failed: f64,
    /// In flight at its end.
    pub in_flight: u64,
    /// Median latency in ms; 0 when nothing ended.
    pub p50_ms: f64,
    /// 95th percentile of latency in ms.
    pub p95_ms: f64,
    /// 99th percentile of latency in ms.
    pub p99_ms: f64,
    /// Longest latency in ms.
    pub max_ms: f64,
    /// 99th percentile of the generator's own lateness in ms.
    pub lag_p99_ms: f64,
    /// CPU of the sender, share of its threads' time.
    pub cpu: f64,
}

/// Figures of a span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its length.
    pub seconds: f64,
    /// Requests by what came of them.
    pub intended: u64,
    /// Came due and were not sent.
    pub missed: u64,
    /// Sent.
    pub sent: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Refused by a flow limit (429).
    pub limited: u64,
    /// Answered otherwise than expected.
    pub unexpected: u64,
    /// Not answered, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Answers by status.
    #[serde(deserialize_with = "by_status")]
    pub statuses: BTreeMap<u16, u64>,
    /// Connections made.
    pub connects: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Requests sent per second.
    pub sent_per_second: f64,
    /// Successes per second.
    pub ok_per_second: f64,
    /// Share of all ends that were successes, 0 to 1; 429s count as neither.
    pub success_rate: Option<f64>,
    /// What callers waited.
    pub latency: Spread,
    /// From written to done.
    pub service: Spread,
    /// Waiting for a free connection.
    pub back_pressure: Spread,
    /// The generator's own lateness.
    pub lag: Spread,
    /// The longest the generator's loop was away, in ms.
    pub loop_gap_max_ms: f64,
    /// CPU of the sender, share of its threads' time.
    pub cpu: f64,
    /// The most requests in flight.
    pub in_flight_max: u64,
}

/// Keys are text in JSON, and within a tagged enum such as [`Kept`] they are still text when they come
/// here, so they are read as such.
fn by_status<'de, D>(from: D) -> Result<BTreeMap<u16, u64>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    BTreeMap::<String, u64>::deserialize(from)?
        .into_iter()
        .map(|(status, count)| match status.parse() {
            Ok(status) => Ok((status, count)),
            Err(_) => Err(serde::de::Error::custom(format!(
                "`{status}` is not a status"
            ))),
        })
        .collect()
}

/// A distribution of times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Shortest, in ms.
    pub min_ms: f64,
    /// Mean, in ms.
    pub mean_ms: f64,
    /// Median, in ms.
    pub p50_ms: f64,
    /// In ms.
    pub p90_ms: f64,
    /// In ms.
    pub p95_ms: f64,
    /// In ms.
    pub p99_ms: f64,
    /// In ms.
    pub p999_ms: f64,
    /// In ms.
    pub p9999_ms: f64,
    /// Longest, in ms.
    pub max_ms: f64,
}

impl Spread {
    /// Reads a histogram.
    pub fn of(times: &Times) -> Self {
        let ms = |nanos: u64| nanos as f64 / 1e6;
        let at = |quantile: f64| ms(times.quantile(quantile));
        Spread {
            count: times.count(),
            min_ms: ms(times.min()),
            mean_ms: times.mean() / 1e6,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            p9999_ms: at(0.9999),
            max_ms: ms(times.max()),
        }
    }
}

impl Window {
    /// Reads a tally.
    pub fn of(tally: &Tally) -> Self {
        let counts = &tally.counts;
        let seconds = tally.span_nanos as f64 / 1e9;
        let per_second = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        let judged = counts.done() - counts.limited;
        Window {
            seconds,
            intended: counts.intended,
            missed: counts.missed,
            sent: counts.sent,
            ok: counts.ok,
            limited: counts.limited,
            unexpected: counts.unexpected,
            failures: crate::Failure::ALL
                .into_iter()
                .filter(|failure| counts.failures[*failure as usize] > 0)
                .map(|failure| (failure.word().to_owned(), counts.failures[failure as usize]))
                .collect(),
            statuses: tally.statuses.clone(),
            connects: counts.connects,
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
            sent_per_second: per_second(counts.sent),
            ok_per_second: per_second(counts.ok),
            success_rate: (judged > 0).then(|| counts.ok as f64 / judged as f64),
            latency: Spread::of(&tally.latency),
            service: Spread::of(&tally.service),
            back_pressure: Spread::of(&tally.back_pressure),
            lag: Spread::of(&tally.lag),
            loop_gap_max_ms: tally.loop_gap_nanos_max as f64 / 1e6,
            cpu: tally.cpu_share(),
            in_flight_max: tally.in_flight_max,
        }
    }
}

impl Second {
    /// Reads the tally of the second that began `at` seconds after the first request.
    pub fn of(at: f64, warm_up: bool, tally: &Tally) -> Self {
        let counts = &tally.counts;
        // The last piece of a load is shorter than a second; what little it holds is no rate.
        let seconds = (tally.span_nanos as f64 / 1e9).max(1.0);
        let per_second = |count: u64| count as f64 / seconds;
        let at_quantile = |times: &Times, quantile: f64| times.quantile(quantile) as f64 / 1e6;
        Second {
            at,
            warm_up,
            left_out: false,
            intended: per_second(counts.intended),
            sent: per_second(counts.sent),
            ok: per_second(counts.ok),
            limited: per_second(counts.limited),
            failed: per_second(counts.failed() + counts.unexpected),
            in_flight: tally.in_flight,
            p50_ms: at_quantile(&tally.latency, 0.5),
            p95_ms: at_quantile(&tally.latency, 0.95),
            p99_ms: at_quantile(&tally.latency, 0.99),
            max_ms: tally.latency.max() as f64 / 1e6,
            lag_p99_ms: at_quantile(&tally.lag, 0.99),
            cpu: tally.cpu_share(),
        }
    }
}

/// How sure a capacity search is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict")]
pub enum Verdict {
    /// Held at `low` calls per second in every search, failed at `high`.
    Confirmed {
        /// The highest rate that held.
        low: f64,
        /// The lowest rate that did not.
        high: f64,
    },
    /// Held at this rate; the generator or the allowed maximum ended the search before the pod did.
    AtLeast {
        /// The highest rate that held.
        low: f64,
        /// What ended the search.
        why: String,
    },
    /// The searches disagree by more than 15 %.
    Noisy {
        /// The lowest result.
        low: f64,
        /// The highest result.
        high: f64,
        /// What differed.
        why: String,
    },
    /// Nothing can be said, for this reason.
    Invalid {
        /// The reason, for a person.
        why: String,
    },
}

impl Verdict {
    /// The calls per second that may be planned with, when the verdict allows planning at all.
    pub fn plannable(&self) -> Option<f64> {
        match self {
            Verdict::Confirmed { low, .. } | Verdict::AtLeast { low, .. } => Some(*low),
            Verdict::Noisy { .. } | Verdict::Invalid { .. } => None,
        }
    }
}

/// What `rampart loadtest capacity` found. The verdict's own fields come first in JSON:
/// `{"verdict":"Confirmed","low":…,"high":…,"subject":{…},…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapacityResult {
    /// How sure it is, and the rates for the whole target.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was tested.
    pub subject: Subject,
    /// The objective in words: `p99 ≤ 100ms, success rate ≥ 99.9%`.
    pub objective: String,
    /// Calls per second that one pod carries: `low` by the pods behind the target.
    pub per_pod: Option<f64>,
    /// The same for each CPU that the pod may use.
    pub per_cpu: Option<f64>,
    /// Mean latency at the capacity, in ms.
    pub mean_latency_ms: Option<f64>,
    /// Limits for one pod.
    pub limits: Option<crate::sizing::Limits>,
    /// What a server is to do with them; without it they are in the result only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_publish: Option<LimitsPublish>,
    /// Pods for the sale that the plan names.
    pub pods: Option<crate::sizing::Pods>,
    /// Every search with its trials, in order.
    pub searches: Vec<SearchResult>,
    /// Observations that support or doubt the result, in sentences.
    pub hints: Vec<String>,
}

/// What a server is to do with the limits that follow from a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitsPublish {
    /// Whether it takes them.
    pub publish: Publish,
    /// Largest change against the limits in force that is taken without asking, 0 to 1.
    pub max_change: f64,
}

/// One search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// The highest rate that held, before the soak.
    pub low: Option<f64>,
    /// The lowest rate that did not.
    pub high: Option<f64>,
    /// Its trials, in order.
    pub trials: Vec<TrialResult>,
}

/// One trial, as reports show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// `warm-up`, `climb`, `bisect`, `repeat`, `soak`.
    pub purpose: String,
    /// Calls per second that were wanted.
    pub rate: f64,
    /// How long.
    pub seconds: f64,
    /// `carried`, `overloaded`, `unclear`, `invalid`.
    pub class: String,
    /// Why it was classed so, in a sentence.
    pub why: String,
    /// Latency at the objective's percentile, in ms.
    pub latency_ms: f64,
    /// Share of calls that succeeded, 0 to 1.
    pub success_rate: Option<f64>,
    /// CPUs the pod used, when known.
    pub pod_cpus: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            id: "lt-1".to_owned(),
            function: Some("guide/feed".to_owned()),
            ..Subject::default()
        }
    }

    #[test]
    fn what_is_kept_reads_back_as_it_was() {
        let run = Kept::Run(Box::new(RunResult {
            subject: subject(),
            total: Window {
                statuses: BTreeMap::from([(200, 7), (503, 1)]),
                ..Window::default()
            },
            seconds: vec![Second::default()],
            ..RunResult::default()
        }));
        let capacity = Kept::Capacity(Box::new(CapacityResult {
            verdict: Verdict::Confirmed {
                low: 300.0,
                high: 315.0,
            },
            subject: subject(),
            objective: "p99 ≤ 100ms".to_owned(),
            per_pod: Some(300.0),
            per_cpu: None,
            mean_latency_ms: Some(40.0),
            limits: Some(crate::sizing::Limits {
                qps: 300.0,
                concurrency: 15,
            }),
            limits_publish: Some(LimitsPublish {
                publish: Publish::Ask,
                max_change: 0.3,
            }),
            pods: None,
            searches: vec![],
            hints: vec![],
        }));
        for (kept, begins) in [
            (run, "{\"kind\":\"run\""),
            (
                capacity,
                "{\"kind\":\"capacity\",\"verdict\":\"Confirmed\",\"low\":300.0",
            ),
        ] {
            let text = serde_json::to_string(&kept).unwrap();
            assert!(text.starts_with(begins), "{text}");
            assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), kept, "{text}");
        }
    }
}
