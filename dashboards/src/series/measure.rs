//! What can be drawn of a line of counts.

use inbound::ProblemDocument;
use model::{Outcome, Timestamp};
use store::Counts;

use super::{Curve, Grid, Labels, Line};

const WORDS: &str = "qps, success_rate, errors, outcomes, latency, limited, cold_starts";

/// Which curves are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // a set of words
pub(crate) struct Measures {
    qps: bool,
    success_rate: bool,
    errors: bool,
    outcomes: bool,
    limited: bool,
    cold_starts: bool,
    /// Quantiles of the duration.
    pub(crate) latency: bool,
}

impl Measures {
    /// Reads `qps,latency`; QPS and success rate when nothing is said.
    pub(crate) fn read(text: Option<&str>) -> Result<Measures, ProblemDocument> {
        let mut wanted = Measures::default();
        for word in text.unwrap_or("qps,success_rate").split(',') {
            match word.trim() {
                "qps" => wanted.qps = true,
                "success_rate" => wanted.success_rate = true,
                "errors" => wanted.errors = true,
                "outcomes" => wanted.outcomes = true,
                "latency" => wanted.latency = true,
                "limited" => wanted.limited = true,
                "cold_starts" => wanted.cold_starts = true,
                other => {
                    return Err(ProblemDocument::bad_request(format!(
                        "there is no measure {other:?}"
                    ))
                    .field("measures")
                    .hint(format!("use some of {WORDS}")));
                }
            }
        }
        Ok(wanted)
    }

    /// The same without quantiles, which are not drawn of the past.
    pub(crate) fn without_latency(self) -> Measures {
        Measures {
            latency: false,
            ..self
        }
    }
}

/// The curves of one line.
pub(crate) fn curves(line: &Line, grid: &Grid, wanted: Measures, now: Timestamp) -> Vec<Curve> {
    let per_second = |of: &dyn Fn(&Counts) -> u64| -> Vec<Option<f64>> {
        let rates = line.counts.iter().enumerate().map(|(at, counts)| {
            let seconds = line.covers.unwrap_or_else(|| grid.seconds_of(at, now));
            Some(of(counts) as f64 / seconds)
        });
        rates.collect()
    };
    let curve = |measure: &'static str, labels: Labels, values| Curve {
        labels,
        measure,
        values,
    };
    let plain = |measure, values| curve(measure, line.labels.clone(), values);
    let mut curves = Vec::new();
    if wanted.qps {
        curves.push(plain("qps", per_second(&|counts| counts.weighted)));
    }
    if wanted.success_rate {
        let shares = line.counts.iter().map(Counts::success_rate).collect();
        curves.push(plain("success_rate", shares));
    }
    if wanted.errors {
        curves.push(plain("errors", per_second(&Counts::failed)));
    }
    if wanted.limited {
        let values = per_second(&|counts| counts.of(Outcome::Limited));
        curves.push(plain("limited", values));
    }
    if wanted.cold_starts {
        curves.push(plain(
            "cold_starts",
            per_second(&|counts| counts.cold_starts),
        ));
    }
    if wanted.outcomes {
        for outcome in Outcome::ALL {
            if line.counts.iter().any(|counts| counts.of(*outcome) > 0) {
                let mut labels = line.labels.clone();
                labels.insert("outcome", outcome.as_str().to_owned());
                let values = per_second(&|counts| counts.of(*outcome));
                curves.push(curve("outcome", labels, values));
            }
        }
    }
    curves
}
