//! One side against another.

use super::*;
use crate::releases::Roles;

fn versions(own: &str, other: &str) -> Compare {
    Compare {
        sides: Sides::Versions(own.to_owned(), other.to_owned()),
        worse_by: ratio("1pp"),
        over: Duration::from_mins(5),
        enough: enough(200),
    }
}

#[test]
fn a_side_must_be_provably_worse() {
    let condition = versions("gray", "base");
    for (own, other, expected) in [
        (calls(0, 0), calls(900, 1), "no calls in the window"),
        (
            calls(199, 99),
            calls(900, 1),
            "199 calls in the window, min_calls is 200",
        ),
        (
            calls(900, 90),
            calls(199, 0),
            "base has 199 calls in the window, min_calls is 200",
        ),
        (calls(1_000, 1), calls(9_000, 9), "ok"),
        (calls(300, 6), calls(9_000, 9), "band"),
        (calls(1_000, 60), calls(9_000, 9), "breach"),
        // Both fail alike: it is not the version.
        (calls(1_000, 500), calls(9_000, 4_500), "ok"),
    ] {
        let verdict = condition.evaluate(&own, &other);
        assert_eq!(word(&verdict), expected, "{own:?} {other:?}");
    }
}

#[test]
fn gray_is_everything_but_the_version_that_most_calls_go_to() {
    let seen = [
        ("v1".to_owned(), calls(900, 1)),
        ("v2".to_owned(), calls(90, 5)),
        ("v3".to_owned(), calls(10, 2)),
    ];
    assert_eq!(
        versions("gray", "base").of_versions(&seen, Roles::default()),
        (calls(100, 7), calls(900, 1))
    );
    assert_eq!(
        versions("v3", "v2").of_versions(&seen, Roles::default()),
        (calls(10, 2), calls(90, 5))
    );
    assert_eq!(
        versions("v9", "base").of_versions(&seen[..0], Roles::default()),
        (calls(0, 0), calls(0, 0))
    );
}

#[test]
fn releases_say_who_is_gray_and_who_is_base() {
    let seen = [
        ("v1".to_owned(), calls(900, 1)),
        ("v2".to_owned(), calls(90, 5)),
        ("v3".to_owned(), calls(10, 2)),
    ];
    let (v1, v2, v3) = (calls(900, 1), calls(90, 5), calls(10, 2));
    let nothing = calls(0, 0);
    // (gray, base, what gray has, what base has)
    for (gray, base, gray_has, base_has) in [
        (Some("v3"), Some("v2"), v3, v2),
        // Even when most calls go to gray, base is not gray.
        (Some("v1"), None, v1, v2),
        (None, Some("v2"), calls(910, 3), v2),
        (Some("v9"), Some("v1"), nothing, v1),
    ] {
        assert_eq!(
            versions("gray", "base").of_versions(&seen, Roles { gray, base }),
            (gray_has, base_has),
            "{gray:?} {base:?}"
        );
    }
}

#[test]
fn the_sentence_about_a_comparison_names_both() {
    let evidence = Evidence {
        calls: 1_000,
        failed: 60,
        baseline: Some(0.999),
        ..Evidence::default()
    };
    assert_eq!(
        Condition::Compare(versions("gray", "base")).describe("guide/feed", 0.94, &evidence),
        "guide/feed: 94 % of 1000 calls of version gray succeeded in 5m; base is at 99.9 %"
    );
}
