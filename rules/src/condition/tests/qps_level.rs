//! Fixed numbers of calls.

use super::*;

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
