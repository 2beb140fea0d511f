//! More calls than the live pods carry.

use super::*;

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
