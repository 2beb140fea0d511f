//! Error budgets.

use super::*;

fn objective(percent: &str, burn: Burn) -> Slo {
    Slo {
        objective: ratio(percent),
        period: Duration::from_hours(720),
        burn,
        enough: enough(100),
    }
}

#[test]
fn the_factors_of_thirty_days_are_those_of_the_book() {
    let slo = objective("99.9%", Burn::Any);
    let factors: Vec<String> = slo
        .burn
        .pairs()
        .iter()
        .map(|pair| {
            let (long, short) = (pair.long.as_secs() / 3_600, pair.short.as_secs() / 60);
            format!("{:.1} in {long}h and {short}m", slo.factor(pair))
        })
        .collect();
    assert_eq!(
        factors,
        [
            "14.4 in 1h and 5m",
            "6.0 in 6h and 30m",
            "3.0 in 24h and 120m",
            "1.0 in 72h and 360m"
        ]
    );
    assert_eq!(Burn::Fast.pairs().len(), 2);
    assert_eq!(Burn::Slow.pairs()[0].long, Duration::from_hours(24));
}

#[test]
fn both_windows_must_burn_and_the_long_one_provably() {
    let slo = objective("99.9%", Burn::Fast);
    let hour = &slo.burn.pairs()[0];
    for (long, short, expected) in [
        (calls(0, 0), calls(0, 0), "no calls in the window"),
        (
            calls(99, 99),
            calls(9, 9),
            "99 calls in the window, min_calls is 100",
        ),
        (calls(100_000, 1_000), calls(8_000, 8), "ok"),
        (calls(100_000, 3_000), calls(8_000, 8), "ok"),
        (calls(100_000, 1_000), calls(8_000, 800), "band"),
        (calls(100_000, 1_450), calls(8_000, 800), "band"),
        (calls(100_000, 1_700), calls(8_000, 800), "breach"),
    ] {
        let verdict = slo.evaluate(hour, &long, &short, None);
        assert_eq!(word(&verdict), expected, "{long:?} {short:?}");
    }
}

#[test]
fn the_sentence_tells_what_is_left() {
    let slo = objective("99.9%", Burn::Fast);
    let left = slo.left(&calls(1_000_000, 250));
    assert!((left.unwrap() - 0.75).abs() < 1e-9);
    assert_eq!(slo.left(&calls(0, 0)), None);
    let verdict = slo.evaluate(
        &slo.burn.pairs()[0],
        &calls(100_000, 3_000),
        &calls(8_000, 800),
        left,
    );
    let Verdict::Breach { value, evidence } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        Condition::Slo(slo).describe("guide/feed", value, &evidence),
        "guide/feed: 3000 of 100000 calls failed in 1h, 30.0 times what 99.9 % in 30d allows, and still in the last 5m; 75 % of the budget is left"
    );
}
