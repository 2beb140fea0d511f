//! Too many failures.

use super::*;

pub(super) fn success(below: &str, min_calls: u64) -> SuccessRate {
    SuccessRate {
        below: ratio(below),
        over: Duration::from_mins(1),
        enough: enough(min_calls),
        recover_above: ratio("99.5%"),
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
                ..Evidence::default()
            }
        }
    );
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
            qps_drop::dropping("50%").evaluate(&Tally { weighted, ..Tally::default() }, &lags),
            Verdict::Breach { .. }
        );
        prop_assert!(breach(weighted) || !breach(weighted + more));
    }
}
