//! Fewer calls than on earlier days.

use super::*;

pub(super) fn dropping(drop: &str) -> QpsDrop {
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
