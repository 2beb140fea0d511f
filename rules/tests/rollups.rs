//! What rules read out of real rollups, beside a list that is counted by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use model::{FunctionId, Glob, Outcome, Timestamp, Traffic};
use proptest::prelude::*;
use rules::{By, GroupKey, Select, Tally, sum_rollups};
use store::{Invocation, InvocationRows, Rollups};

const NOW: i64 = 1_795_000_000;

#[derive(Clone, Debug)]
struct Call {
    ago: i64,
    function: usize,
    unit: usize,
    outcome: usize,
    traffic: usize,
    weight: u32,
}

const FUNCTIONS: [&str; 3] = ["feed", "search", "feed-new"];
const UNITS: [&str; 3] = ["", "a", "b"];

fn call() -> impl Strategy<Value = Call> {
    (
        0_i64..90,
        0_usize..3,
        0_usize..3,
        0_usize..7,
        0_usize..6,
        1_u32..4,
    )
        .prop_map(|(ago, function, unit, outcome, traffic, weight)| Call {
            ago,
            function,
            unit,
            outcome,
            // Mostly live.
            traffic: traffic.saturating_sub(3).min(Traffic::ALL.len() - 1),
            weight,
        })
}

fn counted_by_hand(calls: &[Call], select: &Select, over: i64) -> BTreeMap<GroupKey, Tally> {
    let mut sums: BTreeMap<GroupKey, Tally> = BTreeMap::new();
    for call in calls {
        let id = format!("guide/{}", FUNCTIONS[call.function]);
        if call.ago >= over || Traffic::ALL[call.traffic] != Traffic::Live || !select.takes(&id) {
            continue;
        }
        let values = select.by.iter().map(|by| match by {
            By::Namespace => "guide".to_owned(),
            By::Function => FUNCTIONS[call.function].to_owned(),
            By::Unit => UNITS[call.unit].to_owned(),
            By::Version | By::Zone => String::new(),
        });
        let outcome = Outcome::ALL[call.outcome];
        sums.entry(GroupKey::new(values.collect()))
            .or_default()
            .merge(&Tally {
                counted: u64::from(outcome.counts()),
                failed: u64::from(outcome.failed()),
                weighted: u64::from(call.weight),
            });
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_are_what_a_hand_would_count(calls in prop::collection::vec(call(), 0..200), over in 1_i64..90, pick in 0_usize..4) {
        let rollups = Rollups::new(100);
        let mut rows = InvocationRows::new();
        for call in &calls {
            rows.push(&Invocation {
                ts: Timestamp::from_seconds(NOW - call.ago),
                namespace: "guide",
                function: FUNCTIONS[call.function],
                unit: UNITS[call.unit],
                outcome: Outcome::ALL[call.outcome],
                traffic: Traffic::ALL[call.traffic],
                weight: call.weight,
                ..Invocation::default()
            });
        }
        rollups.apply(&rows.finish(), Timestamp::from_seconds(NOW));
        let by = [
            vec![By::Namespace, By::Function],
            vec![By::Namespace, By::Function, By::Unit],
            vec![By::Unit],
            vec![],
        ][pick].clone();
        let select = Select { functions: vec![Glob::new("guide/feed*").unwrap()], by };
        let sums = |only: Option<&FunctionId>| -> BTreeMap<GroupKey, Tally> {
            sum_rollups(&rollups, &select, only, NOW + 1 - over, NOW + 1).into_iter().collect()
        };
        let expected = counted_by_hand(&calls, &select, over);
        prop_assert_eq!(sums(None), expected.clone());
        let in_order = sum_rollups(&rollups, &select, None, NOW + 1 - over, NOW + 1);
        prop_assert!(in_order.is_sorted_by(|left, right| left.0 < right.0), "{:?}", in_order);
        if select.by.contains(&By::Function) {
            let feed: FunctionId = "guide/feed".parse().unwrap();
            let only: BTreeMap<GroupKey, Tally> = expected
                .into_iter()
                .filter(|(key, _)| key.function_id(&select.by).as_ref() == Some(&feed))
                .collect();
            prop_assert_eq!(sums(Some(&feed)), only);
        }
    }
}
