//! One part that is worse than the others.

use super::*;

fn worse(min_calls: u64) -> Outlier {
    Outlier {
        across: crate::windows::By::Unit,
        worse_by: ratio("2pp"),
        over: Duration::from_mins(2),
        enough: enough(min_calls),
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
        let judged = worse(200).judge(&by, tallies.iter().map(|(key, tally)| (key, tally)));
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
