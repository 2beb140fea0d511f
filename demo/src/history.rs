//! The demo's story as records, all at once: the same platform, users and plan of troubles, computed
//! instead of lived through. For whoever replays stored calls.

use std::time::Duration;

use model::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::fault::{FAILING_UNIT, Plan, ROUND, Trouble};
use crate::platform::{PODS_PER_UNIT, UNITS, VERSION, functions};
use crate::pod::ServiceTime;
use crate::traffic::Arrivals;

/// Records of calls as the gateway pushes them, NDJSON, function after function: `rounds` rounds of the
/// plan that begin at `begin`. A late record is one like any other afterwards.
pub fn records(seed: u64, begin: Timestamp, rounds: u32) -> impl Iterator<Item = String> {
    let length = ROUND * rounds;
    functions()
        .enumerate()
        .flat_map(move |(index, (function, qps, millis))| {
            let own_seed = seed.wrapping_add(index as u64);
            let mut rng = StdRng::seed_from_u64(own_seed.wrapping_mul(1_000));
            let service_time = ServiceTime {
                median: Duration::from_millis(millis),
                ..ServiceTime::default()
            };
            let id = function.to_string();
            Arrivals::new(qps, own_seed)
                .take_while(move |arrival| *arrival < length)
                .enumerate()
                .filter_map(move |(number, arrival)| {
                    let pod = number % (UNITS.len() * PODS_PER_UNIT);
                    let (unit, zone) = *UNITS.get(pod % UNITS.len())?;
                    let took = service_time.sample(&mut rng);
                    let outcome = match trouble_of(&id, arrival) {
                        Some(Trouble::FallsSilent) => return None,
                        Some(Trouble::UnitFails) if unit == FAILING_UNIT => "function_error",
                        Some(Trouble::FewFail) if rng.random_bool(Trouble::FEW) => "function_error",
                        _ => "ok",
                    };
                    let call = json!({
                        "ts": begin + arrival,
                        "namespace": function.namespace,
                        "function": function.name,
                        "version": VERSION,
                        "unit": unit,
                        "zone": zone,
                        "instance": format!("{}-{unit}-{}", function.name, pod / UNITS.len() + 1),
                        "duration_ms": took.as_secs_f64() * 1_000.0,
                        "outcome": outcome,
                        "served_by": "faas",
                        "traffic": "live",
                    });
                    Some(format!("{call}\n"))
                })
        })
}

/// The trouble that meets a function after this much time.
fn trouble_of(function: &str, elapsed: Duration) -> Option<Trouble> {
    let Plan::Troubled { round } = Plan::at(elapsed) else {
        return None;
    };
    let trouble = Trouble::of(round);
    (trouble.function() == Some(function)).then_some(trouble)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_history_is_seeded_and_holds_the_plan() {
        let begin: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let all = |seed| records(seed, begin, 3).collect::<Vec<_>>();
        let lines = all(3);
        assert_eq!(lines, all(3));
        assert_ne!(lines, all(4));
        // 120 calls a second for nine minutes, less 45 s of 10 a second.
        assert!((62_000..67_000).contains(&lines.len()), "{}", lines.len());
        let mut failed: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
        let mut coupon = Vec::new();
        for line in &lines {
            let call: Value = serde_json::from_str(line).unwrap();
            let at: Timestamp = call["ts"].as_str().unwrap().parse().unwrap();
            let second = at.as_seconds() - begin.as_seconds();
            let word = |name: &str| call[name].as_str().unwrap().to_owned();
            if word("outcome") != "ok" {
                failed
                    .entry((word("function"), word("unit")))
                    .or_default()
                    .push(second);
            }
            if word("function") == "coupon" {
                coupon.push(second);
            }
        }
        let places: Vec<(&str, &str)> = failed
            .keys()
            .map(|(function, unit)| (function.as_str(), unit.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("rail-recommend", "a"),
                ("rail-recommend", "b"),
                ("wow-video-feed", "b")
            ]
        );
        for ((function, _), seconds) in &failed {
            let expected = if function == "wow-video-feed" {
                30..75
            } else {
                210..270
            };
            assert!(
                seconds.iter().all(|second| expected.contains(second)),
                "{function}"
            );
        }
        assert!(!coupon.iter().any(|second| (390..435).contains(second)));
    }
}
