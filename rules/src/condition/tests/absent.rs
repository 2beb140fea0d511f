//! No calls at all.

use super::*;

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
