//! Shares of calls.

use super::*;
use crate::windows::{Part, Portion};

fn java(side: Side, threshold: &str) -> Share {
    Share {
        part: Part::ServedBy("java".to_owned()),
        side,
        threshold: ratio(threshold),
        over: Duration::from_mins(5),
        enough: enough(100),
    }
}

#[test]
fn a_share_is_judged_by_what_is_proven() {
    let above = java(Side::Above, "5%");
    for (part, calls, expected) in [
        (0, 0, "no calls in the window"),
        (50, 99, "99 calls in the window, min_calls is 100"),
        (0, 1_000, "ok"),
        (60, 1_000, "band"),
        (90, 1_000, "breach"),
        (1_000, 1_000, "breach"),
    ] {
        let verdict = above.evaluate(&Portion { part, calls });
        assert_eq!(word(&verdict), expected, "{part} of {calls}");
    }
    let below = java(Side::Below, "90%");
    for (part, calls, expected) in [
        (950, 1_000, "ok"),
        (890, 1_000, "band"),
        (800, 1_000, "breach"),
    ] {
        let verdict = below.evaluate(&Portion { part, calls });
        assert_eq!(word(&verdict), expected, "{part} of {calls}");
    }
}

#[test]
fn the_sentence_about_a_share_names_the_part() {
    let condition = Condition::Share(java(Side::Above, "5%"));
    let evidence = Evidence {
        calls: 400,
        failed: 100,
        ..Evidence::default()
    };
    assert_eq!(
        condition.describe("guide/feed", 0.25, &evidence),
        "guide/feed: 25 % of 400 calls in 5m were served by java; the limit is 5 %"
    );
    assert_eq!(
        condition.summary(),
        "share of calls that were served by java above 5 % in 5m"
    );
}
