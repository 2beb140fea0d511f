//! Calls that take too long.

use super::*;

fn slow(min_calls: u64) -> Latency {
    Latency {
        quantile: 0.99,
        above: Duration::from_millis(800),
        over: Duration::from_mins(1),
        enough: enough(min_calls),
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
