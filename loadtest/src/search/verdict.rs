//! What several searches say together.

use crate::result::{SearchResult, Verdict};
use crate::search::hunt::{Ending, Hunt};
use crate::search::trial::Finding;

/// Searches that differ by more than this do not confirm one another.
const SPREAD_MAX: f64 = 0.15;

/// The finding of searches that are over, in order.
pub(super) fn finding(hunts: Vec<(Hunt, Ending)>) -> Finding {
    let (hunts, endings): (Vec<Hunt>, Vec<Ending>) = hunts.into_iter().unzip();
    let verdict = verdict(&endings, contradiction(&hunts));
    let mut finding = Finding {
        spread: spread(&endings),
        verdict,
        mean_latency_ms: None,
        searches: Vec::new(),
        notes: Vec::new(),
        samples: Vec::new(),
    };
    for hunt in hunts {
        let (low, high, log) = hunt.into_log();
        finding.searches.push(SearchResult {
            low,
            high,
            trials: log.trials,
        });
        finding.samples.extend(log.samples);
        let new: Vec<String> = log
            .notes
            .into_iter()
            .filter(|note| !finding.notes.contains(note))
            .collect();
        finding.notes.extend(new);
    }
    finding.mean_latency_ms = finding
        .verdict
        .plannable()
        .and_then(|rate| mean_latency_near(&finding, rate));
    finding
}

/// The search with the lowest result.
pub(super) fn lowest(hunts: &[(Hunt, Ending)]) -> Option<&Hunt> {
    let by_low = |one: &&(Hunt, Ending), other: &&(Hunt, Ending)| {
        low_of(&one.1).total_cmp(&low_of(&other.1))
    };
    hunts.iter().min_by(by_low).map(|(hunt, _)| hunt)
}

/// The lowest rate that a search found; `None` before the first is over.
pub(super) fn lowest_rate(hunts: &[(Hunt, Ending)]) -> Option<f64> {
    hunts
        .iter()
        .map(|(_, ending)| low_of(ending))
        .min_by(f64::total_cmp)
}

/// The lowest result counts, and only results that agree count at all.
fn verdict(endings: &[Ending], contradiction: Option<(f64, f64)>) -> Verdict {
    let of_search = |number: usize, why: &str| match endings.len() {
        1 => why.to_owned(),
        _ => format!("search {}: {why}", number + 1),
    };
    for (number, ending) in endings.iter().enumerate() {
        if let Ending::Nothing { why } = ending {
            return Verdict::Invalid {
                why: of_search(number, why),
            };
        }
    }
    let lowest = endings
        .iter()
        .min_by(|one, other| low_of(one).total_cmp(&low_of(other)));
    let highest = endings.iter().map(low_of).fold(0.0, f64::max);
    let Some(lowest) = lowest else {
        return Verdict::Invalid {
            why: "no search was done".to_owned(),
        };
    };
    let low = low_of(lowest);
    if let Some((failed, held)) = contradiction {
        let why = format!(
            "{held:.0}/s held and {failed:.0}/s did not: something else than the load changes what the target carries"
        );
        return Verdict::Noisy {
            low,
            high: held.max(highest),
            why,
        };
    }
    if let Some(spread) = spread(endings).filter(|spread| *spread > SPREAD_MAX) {
        let why = format!(
            "{} searches differ by {:.0} %: something else than the load changes what the target carries",
            endings.len(),
            spread * 100.0
        );
        return Verdict::Noisy {
            low,
            high: highest,
            why,
        };
    }
    let short = endings
        .iter()
        .enumerate()
        .find_map(|(number, ending)| match ending {
            Ending::Short { why, .. } => Some(of_search(number, why)),
            _ => None,
        });
    match (short, lowest) {
        (Some(why), _) => Verdict::AtLeast { low, why },
        (None, Ending::Bracket { high, .. }) => Verdict::Confirmed { low, high: *high },
        (None, _) => Verdict::Invalid {
            why: "no rate failed".to_owned(),
        },
    }
}

/// The lowest rate that failed and the highest that held in any search, when the latter is much higher.
fn contradiction(hunts: &[Hunt]) -> Option<(f64, f64)> {
    let failed = hunts
        .iter()
        .filter_map(|hunt| hunt.book().high())
        .min_by(f64::total_cmp)?;
    let held = hunts
        .iter()
        .filter_map(|hunt| hunt.book().highest_held())
        .max_by(f64::total_cmp)?;
    (held > failed * (1.0 + SPREAD_MAX)).then_some((failed, held))
}

fn low_of(ending: &Ending) -> f64 {
    ending.low().unwrap_or(0.0)
}

/// How far the highest result lies above the lowest. A lowest one that something else than the target
/// ended is a lower bound, and differs from nothing.
fn spread(endings: &[Ending]) -> Option<f64> {
    let lowest = endings
        .iter()
        .min_by(|one, other| low_of(one).total_cmp(&low_of(other)))?;
    let highest = endings.iter().map(low_of).fold(0.0, f64::max);
    match lowest {
        Ending::Bracket { low, .. } if endings.len() > 1 => Some(highest / low - 1.0),
        _ => None,
    }
}

/// The mean latency of the carried trial whose rate is nearest.
fn mean_latency_near(finding: &Finding, rate: f64) -> Option<f64> {
    finding
        .samples
        .iter()
        .filter(|sample| sample.held != Some(false))
        .min_by(|one, other| {
            (one.rate - rate)
                .abs()
                .total_cmp(&(other.rate - rate).abs())
        })
        .map(|sample| sample.mean_latency_ms)
}
