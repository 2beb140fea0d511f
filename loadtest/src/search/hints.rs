//! Cross-checks that support or doubt a found capacity, in sentences for people. None of them changes it.

use crate::result::Verdict;
use crate::search::judge::percent;
use crate::search::trend;

/// Trials that a line or a curve needs at least.
const SAMPLES_MIN: usize = 4;
/// A pod is limited by its CPU when the found capacity is so near to what its CPU can do.
const CPU_BOUND_FROM: f64 = 0.8;
/// A measured capacity beyond this share of what the CPU can do is doubtful.
const CPU_DOUBT_FROM: f64 = 1.15;
/// Throttling below this share of the time is not worth a sentence.
const THROTTLED_MIN: f64 = 0.01;

/// What one judged trial cost and gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Calls per second that were offered.
    pub rate: f64,
    /// Calls per second that were answered as expected.
    pub ok_per_second: f64,
    /// Mean latency in ms.
    pub mean_latency_ms: f64,
    /// CPUs that the pod used, when known.
    pub pod_cpus: Option<f64>,
    /// Share of the time that the pod was kept from running by its quota, when known.
    pub throttled: Option<f64>,
    /// Whether the trial was carried; `None` when it stayed open.
    pub held: Option<bool>,
}

/// The Universal Scalability Law: with `n` calls in flight the throughput is
/// `λ·n / (1 + σ·(n − 1) + κ·n·(n − 1))` (Gunther, "Guerrilla Capacity Planning", 2007).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalability {
    /// Calls per second with one in flight.
    pub lambda: f64,
    /// The share of the work that waits in one line.
    pub sigma: f64,
    /// The cost of keeping all in step with all.
    pub kappa: f64,
}

impl Scalability {
    /// Calls per second with `in_flight` calls in flight.
    pub fn throughput(&self, in_flight: f64) -> f64 {
        let n = in_flight;
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The number in flight from which on throughput falls, and the throughput there:
    /// `√((1 − σ)/κ)`. `None` when it never falls.
    pub fn peak(&self) -> Option<(f64, f64)> {
        if self.kappa <= 0.0 || self.sigma >= 1.0 {
            return None;
        }
        let in_flight = ((1.0 - self.sigma) / self.kappa).sqrt();
        Some((in_flight, self.throughput(in_flight)))
    }
}

/// Fits the law to the trials that were answered. In flight is `X·W` by Little's law. Dividing by the
/// throughput makes the law a polynomial in `n`, `n/X = a + b·(n − 1) + c·n·(n − 1)` with `a = 1/λ`,
/// `b = σ/λ`, `c = κ/λ`, which least squares solve; a negative `b` or `c` is taken as none. `None` with
/// fewer than four trials or when they do not differ enough.
pub fn scalability(samples: &[Sample]) -> Option<Scalability> {
    let rows: Vec<([f64; 3], f64)> = samples
        .iter()
        .filter(|sample| sample.ok_per_second > 0.0 && sample.mean_latency_ms > 0.0)
        .map(|sample| {
            let n = sample.ok_per_second * sample.mean_latency_ms / 1e3;
            ([1.0, n - 1.0, n * (n - 1.0)], n / sample.ok_per_second)
        })
        .collect();
    if rows.len() < SAMPLES_MIN {
        return None;
    }
    // A coefficient below zero has no meaning, so the fit is done again without it.
    [
        [true, true, true],
        [true, true, false],
        [true, false, true],
        [true, false, false],
    ]
    .into_iter()
    .filter_map(|used| least_squares(&rows, used))
    .find(|[a, b, c]| *a > 0.0 && *b >= 0.0 && *c >= 0.0)
    .map(|[a, b, c]| Scalability {
        lambda: 1.0 / a,
        sigma: b / a,
        kappa: c / a,
    })
}

/// Solves the normal equations by Gauss–Jordan elimination; coefficients that are not used are 0.
/// Relative residuals count, so that slow trials do not outweigh the others.
fn least_squares(rows: &[([f64; 3], f64)], used: [bool; 3]) -> Option<[f64; 3]> {
    let mut equations = [[0.0_f64; 4]; 3];
    for (terms, value) in rows {
        let row: [f64; 4] = std::array::from_fn(|column| {
            let raw = terms.get(column).copied().unwrap_or(*value);
            let is_used = used.get(column).copied().unwrap_or(true);
            if is_used { raw / value } else { 0.0 }
        });
        for (equation, left) in equations.iter_mut().zip(row) {
            for (cell, right) in equation.iter_mut().zip(row) {
                *cell += left * right;
            }
        }
    }
    for (index, is_used) in used.into_iter().enumerate() {
        if !is_used {
            equations[index][index] = 1.0;
        }
    }
    for index in 0..3 {
        let pivot = equations[index];
        if pivot[index].abs() < 1e-9 {
            return None;
        }
        for (other, equation) in equations.iter_mut().enumerate() {
            // The pivot row is divided by its pivot, every other one loses its part of it.
            let factor = if other == index {
                1.0 - 1.0 / pivot[index]
            } else {
                equation[index] / pivot[index]
            };
            for (cell, above) in equation.iter_mut().zip(pivot) {
                *cell -= factor * above;
            }
        }
    }
    Some(equations.map(|[.., value]| value))
}

/// The cross-checks in sentences. `pod_cpus` is the CPU quota of all pods of the target together.
pub fn sentences(samples: &[Sample], verdict: &Verdict, pod_cpus: Option<f64>) -> Vec<String> {
    let Some(low) = verdict.plannable() else {
        return Vec::new();
    };
    [
        cpu_sentence(samples, low, pod_cpus),
        throttling_sentence(samples, low),
        scalability(samples).map(|law| law_sentence(&law, low)),
        knee_sentence(samples, low),
        Some(
            "One kind of pod was measured. The plan is unproven until a full-link test.".to_owned(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// CPU per request against the quota: what the pod could do if CPU were its only limit.
fn cpu_sentence(samples: &[Sample], low: f64, pod_cpus: Option<f64>) -> Option<String> {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| sample.held != Some(false))
        .filter_map(|sample| Some((sample.ok_per_second, sample.pod_cpus?)))
        .collect();
    if points.len() < SAMPLES_MIN {
        return None;
    }
    let (per_call, idle) = trend::theil_sen(&points).filter(|(slope, _)| *slope > 0.0)?;
    let cost = format!("A call takes {:.2} ms of CPU", per_call * 1e3);
    let Some(quota) = pod_cpus else {
        return Some(format!("{cost}; no quota is known to hold that against."));
    };
    let bound = (quota - idle.max(0.0)) / per_call;
    let share = low / bound;
    let verdict = if share > CPU_DOUBT_FROM {
        "less than what was measured: doubt one of the two"
    } else if share >= CPU_BOUND_FROM {
        "close to what was measured: CPU is the limit"
    } else {
        "far more than what was measured: something else than CPU is the limit (a lock, a pool, a call to another service)"
    };
    Some(format!(
        "{cost}: {quota:.1} CPUs suffice for {bound:.0}/s, {verdict}."
    ))
}

fn throttling_sentence(samples: &[Sample], low: f64) -> Option<String> {
    let nearest = samples
        .iter()
        .filter(|sample| sample.held == Some(true))
        .min_by(|one, other| (one.rate - low).abs().total_cmp(&(other.rate - low).abs()))?;
    let throttled = nearest.throttled.filter(|share| *share >= THROTTLED_MIN)?;
    Some(format!(
        "At {:.0}/s the CPU quota kept the pod from running for {} of the time.",
        nearest.rate,
        percent(throttled)
    ))
}

fn law_sentence(law: &Scalability, low: f64) -> String {
    let costs = format!(
        "Universal Scalability Law: contention {}, coherence {}",
        percent(law.sigma),
        percent(law.kappa)
    );
    match law.peak() {
        Some((in_flight, peak)) => format!(
            "{costs}; throughput would peak at {peak:.0}/s with {in_flight:.0} calls in flight, {:.1} times what is carried within the objective.",
            peak / low
        ),
        None => format!("{costs}; throughput does not fall with more calls in flight."),
    }
}

/// The knee: from where on latency has doubled against the lowest load.
fn knee_sentence(samples: &[Sample], low: f64) -> Option<String> {
    let mut by_rate: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.mean_latency_ms > 0.0)
        .collect();
    by_rate.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let lightest = by_rate.first()?;
    let knee = by_rate
        .iter()
        .find(|sample| sample.mean_latency_ms > 2.0 * lightest.mean_latency_ms)?;
    Some(format!(
        "Mean latency has doubled at {:.0}/s, {} of the found capacity.",
        knee.rate,
        percent((knee.rate / low * 100.0).round() / 100.0)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rate: f64, mean_latency_ms: f64, pod_cpus: Option<f64>) -> Sample {
        Sample {
            rate,
            ok_per_second: rate,
            mean_latency_ms,
            pod_cpus,
            throttled: None,
            held: Some(true),
        }
    }

    /// Trials that follow a law: rate and latency for so many in flight.
    fn lawful(law: &Scalability) -> Vec<Sample> {
        [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
            .into_iter()
            .map(|n| {
                let rate = law.throughput(n);
                sample(rate, n / rate * 1e3, None)
            })
            .collect()
    }

    #[test]
    fn the_law_is_found_again_in_what_follows_it() {
        let law = Scalability {
            lambda: 95.0,
            sigma: 0.03,
            kappa: 0.001,
        };
        let found = scalability(&lawful(&law)).unwrap();
        assert!((found.lambda / law.lambda - 1.0).abs() < 1e-6, "{found:?}");
        assert!((found.sigma / law.sigma - 1.0).abs() < 1e-5, "{found:?}");
        assert!((found.kappa / law.kappa - 1.0).abs() < 1e-5, "{found:?}");
        // n* = √((1 − 0.03)/0.001) = 31.1
        assert!((found.peak().unwrap().0 - 31.14).abs() < 0.01);
        assert_eq!(scalability(&lawful(&law)[..3]), None);
        // Nothing waits for anything: a straight line, no peak.
        let free = scalability(&lawful(&Scalability {
            lambda: 10.0,
            sigma: 0.0,
            kappa: 0.0,
        }));
        assert_eq!(free.unwrap().peak(), None);
    }

    #[test]
    fn cpu_per_call_is_held_against_the_quota() {
        // 4 ms of CPU a call and 0.1 CPU when idle: 2 CPUs carry 475/s.
        let samples: Vec<Sample> = [20.0, 80.0, 160.0, 240.0, 300.0]
            .into_iter()
            .map(|rate| sample(rate, 10.0, Some(0.1 + rate * 0.004)))
            .collect();
        for (low, quota, wanted) in [
            (
                450.0,
                Some(2.0),
                "A call takes 4.00 ms of CPU: 2.0 CPUs suffice for 475/s, close to what was measured: CPU is the limit.",
            ),
            (150.0, Some(2.0), "far more than what was measured"),
            (600.0, Some(2.0), "doubt one of the two"),
            (150.0, None, "no quota is known"),
        ] {
            let confirmed = Verdict::Confirmed {
                low,
                high: low * 1.02,
            };
            let found = sentences(&samples, &confirmed, quota);
            assert!(found[0].contains(wanted), "{found:?}");
            assert!(
                found
                    .last()
                    .unwrap()
                    .contains("unproven until a full-link test")
            );
        }
        let invalid = Verdict::Invalid {
            why: "x".to_owned(),
        };
        assert_eq!(
            sentences(&samples, &invalid, Some(2.0)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn throttling_and_the_knee_are_said() {
        let mut samples: Vec<Sample> = [(20.0, 10.0), (100.0, 11.0), (200.0, 14.0), (280.0, 21.0)]
            .into_iter()
            .map(|(rate, latency)| sample(rate, latency, None))
            .collect();
        samples[3].throttled = Some(0.12);
        let found = sentences(
            &samples,
            &Verdict::Confirmed {
                low: 300.0,
                high: 306.0,
            },
            None,
        )
        .join("\n");
        assert!(
            found
                .contains("At 280/s the CPU quota kept the pod from running for 12 % of the time."),
            "{found}"
        );
        assert!(
            found.contains("Mean latency has doubled at 280/s, 93 % of the found capacity."),
            "{found}"
        );
    }
}
