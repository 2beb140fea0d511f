//! Verdicts by table: what the counts say, and what they cannot say.

use std::time::Duration;

use chrono_tz::Tz;
use model::{Rate, Ratio, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::capacity::Capacity;
use crate::windows::{Against, LagRate, Recent, Tally};

fn ratio(text: &str) -> Ratio {
    Ratio::parse(text).unwrap()
}

fn rate(text: &str) -> Rate {
    Rate::parse(text).unwrap()
}

fn success(below: &str, min_calls: u64) -> SuccessRate {
    SuccessRate {
        below: ratio(below),
        over: Duration::from_mins(1),
        min_calls,
        confidence: ratio("99.9%"),
        recover_above: ratio("99.5%"),
    }
}

fn calls(counted: u64, failed: u64) -> Tally {
    Tally {
        counted,
        failed,
        weighted: counted,
    }
}

/// `ok`, `band` (ok, not recovered), `breach` or the reason.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ok {
            recovered: true, ..
        } => "ok".to_owned(),
        Verdict::Ok { .. } => "band".to_owned(),
        Verdict::Breach { .. } => "breach".to_owned(),
        Verdict::Unknown { why } => why.to_string(),
    }
}

#[test]
fn success_rate_judges_what_is_proven() {
    let condition = success("99%", 100);
    for (counted, failed, expected) in [
        (0, 0, "no calls in the window"),
        (99, 99, "99 calls in the window, min_calls is 100"),
        (100, 0, "ok"),
        (100, 4, "band"),
        (100, 5, "breach"),
        (100, 100, "breach"),
        (1_000, 5, "ok"),
        (1_000, 9, "band"),
        // 97.5 % of a thousand is proof, of a hundred it is luck.
        (1_000, 25, "breach"),
    ] {
        let verdict = condition.evaluate(&calls(counted, failed));
        assert_eq!(word(&verdict), expected, "{failed} of {counted} failed");
    }
    let throttled = Tally {
        weighted: 7,
        ..Tally::default()
    };
    assert_eq!(
        word(&condition.evaluate(&throttled)),
        "none of the calls in the window counts towards the success rate"
    );
    assert_eq!(
        condition.evaluate(&calls(402, 116)),
        Verdict::Breach {
            value: 286.0 / 402.0,
            evidence: Evidence {
                calls: 402,
                failed: 116,
                baseline: None,
                pods: None
            }
        }
    );
}

#[test]
fn the_sentence_is_one_a_person_can_act_on() {
    let evidence = Evidence {
        calls: 402,
        failed: 116,
        ..Evidence::default()
    };
    let condition = Condition::SuccessRate(success("99%", 100));
    assert_eq!(
        condition.describe("guide/wow-video-feed in unit b", 286.0 / 402.0, &evidence),
        "guide/wow-video-feed in unit b: 71.14 % of 402 calls succeeded in 1m; the objective is 99 %"
    );
    let fallen = Evidence {
        baseline: Some(120.0),
        ..Evidence::default()
    };
    assert_eq!(
        Condition::QpsDrop(dropping("50%")).describe("guide/feed", 30.0, &fallen),
        "guide/feed: 30/s over 5m, 75 % less than the usual 120/s at this time"
    );
}

fn near(percent: &str) -> AboveCapacity {
    AboveCapacity {
        above: ratio(percent),
        over: Duration::from_mins(1),
        pods: None,
    }
}

#[test]
fn calls_are_judged_by_what_the_live_pods_carry() {
    let condition = near("80%");
    let per_pod = Capacity::PerPod(100.0);
    for (qps, capacity, pods, expected) in [
        (240, &per_pod, Some(3.0), "ok"),
        (241, &per_pod, Some(3.0), "breach"),
        // One more pod carries it.
        (241, &per_pod, Some(4.0), "ok"),
        (
            241,
            &per_pod,
            None,
            "it is not known how many pods there are: records name no instance, and no metric counts them",
        ),
        (
            241,
            &Capacity::Untested,
            Some(3.0),
            "no load test has measured what a pod carries",
        ),
        (
            241,
            &Capacity::Unusable {
                why: "version 13 is in production, 12 was tested".into(),
            },
            Some(3.0),
            "the measured capacity cannot be used: version 13 is in production, 12 was tested",
        ),
    ] {
        let verdict = condition.evaluate(&calls(qps * 60, 0), capacity, pods);
        assert_eq!(word(&verdict), expected, "{qps} {capacity:?} {pods:?}");
    }
    // Not knowing the capacity is no lack of data: `no_data: alert` must not page for it.
    assert!(!Why::Untested.is_no_data() && !Why::NoPods.is_no_data());
}

#[test]
fn the_sentence_about_capacity_carries_the_numbers() {
    let condition = Condition::AboveCapacity(near("80%"));
    let Verdict::Breach { value, evidence } =
        near("80%").evaluate(&calls(251 * 60, 0), &Capacity::PerPod(100.0), Some(3.0))
    else {
        panic!("251 of 300 is more than 80 %");
    };
    assert_eq!(
        condition.describe("guide/feed", value, &evidence),
        "guide/feed: 251 of 300 QPS over 1m, 84 % of what 3 pods carry; the limit is 80 %"
    );
    let one = Evidence {
        baseline: Some(2.5),
        pods: Some(1.0),
        ..Evidence::default()
    };
    assert_eq!(
        condition.describe("guide/rare", 0.92, &one),
        "guide/rare: 2.3 of 2.5 QPS over 1m, 92 % of what 1 pod carries; the limit is 80 %"
    );
}

/// The figures every reader can check against the binomial distribution.
#[test]
fn chance_breaks_thresholds_as_often_as_the_binomial_says() {
    let at = |confidence: &str, per_minute: f64| {
        SuccessRate {
            confidence: ratio(confidence),
            ..success("99%", 100)
        }
        .expected_false_breaches(per_minute)
    };
    let usual = at("95%", 100.0).unwrap();
    assert!((200.0..240.0).contains(&usual), "{usual}");
    let sure = at("99.9%", 100.0).unwrap();
    assert!((0.05..0.2).contains(&sure), "{sure}");
    assert_eq!(at("99.9%", 60.0), None, "60 calls a minute never reach 100");
}

fn dropping(drop: &str) -> QpsDrop {
    QpsDrop {
        drop: ratio(drop),
        against: Against {
            days: vec![1, 7, 14],
            over: Duration::from_mins(5),
            zone: Tz::UTC,
        },
        aggregate: Aggregate::Median,
        min_baseline: rate("5/s"),
    }
}

#[test]
fn a_drop_needs_every_day_that_was_asked() {
    use LagRate::{LeftOut, Missing, Present};
    let table = [
        (
            100.0,
            vec![Present(100.0), Present(110.0), Present(90.0)],
            "ok",
        ),
        (
            49.0,
            vec![Present(100.0), Present(110.0), Present(90.0)],
            "breach",
        ),
        (
            50.0,
            vec![Present(100.0), Present(110.0), Present(90.0)],
            "breach",
        ),
        (
            51.0,
            vec![Present(100.0), Present(110.0), Present(90.0)],
            "ok",
        ),
        // To zero: the series is gone, the baseline is not.
        (
            0.0,
            vec![Present(100.0), Present(110.0), Present(90.0)],
            "breach",
        ),
        // One odd day does not move the median.
        (
            60.0,
            vec![Present(100.0), Present(100.0), Present(5_000.0)],
            "ok",
        ),
        (
            0.0,
            vec![Present(100.0), Missing, Present(90.0)],
            "2 of 3 earlier days have calls on record",
        ),
        (0.0, vec![], "0 of 3 earlier days have calls on record"),
        (0.0, vec![Present(100.0), LeftOut, Present(90.0)], "breach"),
        (
            0.0,
            vec![Present(100.0), LeftOut, Missing],
            "1 of 2 earlier days have calls on record",
        ),
        (
            0.0,
            vec![LeftOut, LeftOut, LeftOut],
            "every earlier day is left out as a sale or incident",
        ),
        (
            0.0,
            vec![Present(4.0), Present(4.0), Present(4.9)],
            "usual traffic is 4/s, min_baseline is 5/s",
        ),
    ];
    for (qps, lags, expected) in table {
        let tally = Tally {
            weighted: (qps * 300.0) as u64,
            ..Tally::default()
        };
        let verdict = dropping("50%").evaluate(&tally, &lags);
        assert_eq!(word(&verdict), expected, "{qps}/s against {lags:?}");
    }
}

#[test]
fn several_days_become_one_number() {
    let rates = [4.0, 1.0, 3.0, 10.0];
    for (aggregate, expected) in [
        (Aggregate::Median, 3.5),
        (Aggregate::Mean, 4.5),
        (Aggregate::Min, 1.0),
        (Aggregate::Max, 10.0),
    ] {
        assert_eq!(
            aggregate.of(&mut rates.clone()),
            Some(expected),
            "{aggregate:?}"
        );
        assert_eq!(aggregate.of(&mut []), None);
    }
    assert_eq!(Aggregate::Median.of(&mut [3.0, 9.0, 1.0]), Some(3.0));
}

#[test]
fn silence_needs_somebody_who_used_to_call() {
    let now = Timestamp::from_seconds(1_000_000);
    let condition = Absent {
        absent_for: Duration::from_mins(2),
        min_baseline: rate("1/s"),
    };
    let recent = |ago: u64, usual: f64| Recent {
        last_seen: now - Duration::from_secs(ago),
        usual,
    };
    for (weighted, recent, expected) in [
        (1, None, "ok"),
        (0, Some(recent(120, 3.0)), "breach"),
        (0, Some(recent(21_000, 3.0)), "breach"),
        (0, Some(recent(22_000, 3.0)), "no calls in the last 6 hours"),
        (0, None, "no calls in the last 6 hours"),
        (
            0,
            Some(recent(120, 0.5)),
            "usual traffic is 0.5/s, min_baseline is 1/s",
        ),
    ] {
        let tally = Tally {
            weighted,
            ..Tally::default()
        };
        let verdict = condition.evaluate(&tally, recent.as_ref(), now);
        assert_eq!(word(&verdict), expected, "{weighted} calls, {recent:?}");
    }
}

#[test]
fn levels_are_strict() {
    let level = |side, threshold: &str| QpsLevel {
        side,
        threshold: rate(threshold),
        over: Duration::from_mins(1),
    };
    for (side, weighted, expected) in [
        (Side::Below, 299, "breach"),
        (Side::Below, 300, "ok"),
        (Side::Above, 300, "ok"),
        (Side::Above, 301, "breach"),
    ] {
        let tally = Tally {
            weighted,
            ..Tally::default()
        };
        let verdict = level(side, "5/s").evaluate(&tally);
        assert_eq!(word(&verdict), expected, "{side:?} {weighted}");
    }
}

proptest! {
    /// More failures never make a verdict better, and a rate at or above the threshold never fires.
    #[test]
    fn success_rate_is_monotonic(counted in 1_u64..3_000, failed in 0_u64..3_000, more in 0_u64..100) {
        let condition = success("99%", 20);
        let failed = failed.min(counted);
        let worse = (failed + more).min(counted);
        let breach = |failed| matches!(condition.evaluate(&calls(counted, failed)), Verdict::Breach { .. });
        prop_assert!(!breach(failed) || breach(worse));
        if (counted - failed) as f64 / counted as f64 >= 0.99 {
            prop_assert!(!breach(failed));
        }
    }

    /// Everything failing fires at any traffic that reaches `min_calls`.
    #[test]
    fn total_failure_always_fires(counted in 20_u64..1_000_000) {
        let verdict = success("90%", 100).evaluate(&calls(counted, counted));
        prop_assert_eq!(matches!(verdict, Verdict::Breach { .. }), counted >= 100);
    }

    #[test]
    fn more_calls_never_turn_a_fine_rate_into_a_drop(base in 5.0_f64..1_000.0, weighted in 0_u64..1_000_000, more in 0_u64..1_000) {
        let lags = [LagRate::Present(base); 3];
        let breach = |weighted| matches!(
            dropping("50%").evaluate(&Tally { weighted, ..Tally::default() }, &lags),
            Verdict::Breach { .. }
        );
        prop_assert!(breach(weighted) || !breach(weighted + more));
    }
}

fn slow(min_calls: u64) -> Latency {
    Latency {
        quantile: 0.99,
        above: Duration::from_millis(800),
        over: Duration::from_mins(1),
        min_calls,
        confidence: ratio("99.9%"),
        recover_below: Duration::from_millis(500),
    }
}

fn durations(quick: u64, slow_ms: &[(u64, i64)]) -> store::Sketch {
    let mut sketch = store::Sketch::new();
    (0..quick).for_each(|_| sketch.add(20_000));
    for (count, millis) in slow_ms {
        (0..*count).for_each(|_| sketch.add(millis * 1_000));
    }
    sketch
}

#[test]
fn latency_judges_what_is_proven() {
    for (quick, slower, expected) in [
        (0, &[][..], "no calls in the window"),
        (
            90,
            &[(9, 900)][..],
            "99 calls in the window, min_calls is 100",
        ),
        (100, &[], "ok"),
        // Four of a hundred may be luck, five are not.
        (96, &[(4, 900)], "band"),
        (95, &[(5, 900)], "breach"),
        (9_900, &[(99, 900)], "ok"),
        (0, &[(100, 900)], "breach"),
        // Just at the threshold is not over it; between it and `recover_below` an episode goes on.
        (0, &[(100, 800)], "band"),
        (0, &[(100, 501)], "band"),
        (0, &[(100, 480)], "ok"),
    ] {
        let verdict = slow(100).evaluate(&durations(quick, slower));
        assert_eq!(word(&verdict), expected, "{quick} quick, {slower:?}");
    }
    let verdict = slow(100).evaluate(&durations(365, &[(37, 1_240)]));
    let Verdict::Breach { value, evidence } = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!((evidence.calls, evidence.failed), (402, 37));
    assert!((value / 1.24 - 1.0).abs() <= store::Sketch::RELATIVE_ACCURACY);
    let said = Condition::Latency(slow(100)).describe("guide/feed", value, &evidence);
    assert!(said.starts_with("guide/feed: p99 is 1.2"), "{said}");
    assert!(
        said.ends_with("s in 1m; 37 of 402 calls took longer than 800ms"),
        "{said}"
    );
}

fn worse(min_calls: u64) -> Outlier {
    Outlier {
        across: crate::windows::By::Unit,
        worse_by: ratio("2pp"),
        over: Duration::from_mins(2),
        min_calls,
        confidence: ratio("99.9%"),
    }
}

#[test]
fn an_outlier_is_worse_than_the_others_together() {
    for (own, others, expected) in [
        (calls(0, 0), calls(1_000, 0), "no calls in the window"),
        (
            calls(199, 199),
            calls(1_000, 0),
            "199 calls in the window, min_calls is 200",
        ),
        (
            calls(400, 400),
            calls(0, 0),
            "the other units have 0 calls in the window, min_calls is 200",
        ),
        (calls(400, 0), calls(1_000, 0), "ok"),
        (calls(400, 0), calls(1_000, 900), "ok"),
        // All are bad alike.
        (calls(400, 200), calls(1_000, 500), "ok"),
        // 4 points worse, seen over too few calls to prove 2.
        (calls(200, 8), calls(1_000, 0), "band"),
        (calls(2_000, 100), calls(4_000, 4), "breach"),
        (calls(200, 200), calls(200, 0), "breach"),
    ] {
        let verdict = worse(200).evaluate(&own, &others);
        assert_eq!(word(&verdict), expected, "{own:?} beside {others:?}");
    }
}

proptest! {
    /// Parts are compared with everything else of their own function, however keys are ordered.
    #[test]
    fn every_part_is_judged_beside_the_rest_of_its_function(
        parts in proptest::collection::btree_map((0_u8..3, 0_u8..4), (0_u64..2_000, 0.0_f64..1.0), 0..12)
    ) {
        use crate::windows::{By, GroupKey};
        let by = [By::Namespace, By::Function, By::Unit];
        let tallies: Vec<(GroupKey, Tally)> = parts
            .iter()
            .map(|((function, unit), (counted, share))| {
                let key = ["ns".to_owned(), format!("f{function}"), format!("u{unit}")];
                (GroupKey::new(key.to_vec()), calls(*counted, (*counted as f64 * share) as u64))
            })
            .collect();
        let judged = worse(200).judge(&by, &tallies);
        prop_assert_eq!(judged.len(), tallies.len());
        for ((key, verdict), (own_key, own)) in judged.iter().zip(&tallies) {
            prop_assert_eq!(key, own_key);
            let function = key.get(&by, By::Function);
            let mut others = Tally::default();
            for (other, tally) in &tallies {
                if other != key && other.get(&by, By::Function) == function {
                    others.merge(tally);
                }
            }
            prop_assert_eq!(verdict, &worse(200).evaluate(own, &others));
        }
    }
}
