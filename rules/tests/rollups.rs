//! What rules read out of real rollups, beside a list that is counted by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use model::{FunctionId, Functions, Glob, Outcome, Timestamp, Traffic};
use proptest::prelude::*;
use rules::{By, GroupKey, Select, Tally, latency_of_rollups, sum_rollups};
use store::{Invocation, InvocationRows, Rollups, Sketch};

const NOW: i64 = 1_795_000_000;

#[derive(Clone, Debug)]
struct Call {
    ago: i64,
    function: usize,
    unit: usize,
    outcome: usize,
    traffic: usize,
    weight: u32,
    duration_us: i64,
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
        1_i64..2_000_000,
    )
        .prop_map(
            |(ago, function, unit, outcome, traffic, weight, duration_us)| Call {
                ago,
                function,
                unit,
                outcome,
                // Mostly live.
                traffic: traffic.saturating_sub(3).min(Traffic::ALL.len() - 1),
                weight,
                duration_us,
            },
        )
}

fn key(call: &Call, by: &[By]) -> GroupKey {
    let values = by.iter().map(|by| match by {
        By::Namespace => "guide".to_owned(),
        By::Function => FUNCTIONS[call.function].to_owned(),
        By::Unit => UNITS[call.unit].to_owned(),
        By::Version | By::Zone => String::new(),
    });
    GroupKey::new(values.collect())
}

fn is_watched(call: &Call, select: &Select) -> bool {
    Traffic::ALL[call.traffic] == Traffic::Live
        && select.takes(&format!("guide/{}", FUNCTIONS[call.function]))
}

fn rollups_of(calls: &[Call]) -> Rollups {
    let rollups = Rollups::new(100);
    let mut rows = InvocationRows::new();
    for call in calls {
        rows.push(&Invocation {
            // Rows say when a call began; it counts where it was complete.
            ts: Timestamp::from_micros((NOW - call.ago) * 1_000_000 - call.duration_us),
            duration_us: call.duration_us,
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
    rollups
}

fn counted_by_hand(calls: &[Call], select: &Select, over: i64) -> BTreeMap<GroupKey, Tally> {
    let mut sums: BTreeMap<GroupKey, Tally> = BTreeMap::new();
    for call in calls {
        if call.ago >= over || !is_watched(call, select) {
            continue;
        }
        let outcome = Outcome::ALL[call.outcome];
        sums.entry(key(call, &select.by))
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
        let rollups = rollups_of(&calls);
        let by = [
            vec![By::Namespace, By::Function],
            vec![By::Namespace, By::Function, By::Unit],
            vec![By::Unit],
            vec![],
        ][pick].clone();
        let select = Select { functions: Functions::matching(vec![Glob::new("guide/feed*").unwrap()]), by };
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

    #[test]
    fn durations_are_those_of_the_watched_calls(calls in prop::collection::vec(call(), 0..200), tens in 1_i64..9) {
        let rollups = rollups_of(&calls);
        let by = vec![By::Namespace, By::Function, By::Unit];
        let select = Select { functions: Functions::matching(vec![Glob::new("guide/feed*").unwrap()]), by };
        // A window reaches back to the beginning of ten seconds.
        let from = (NOW + 1 - 10 * tens).div_euclid(10) * 10;
        let mut expected: BTreeMap<GroupKey, Sketch> = BTreeMap::new();
        for call in calls.iter().filter(|call| NOW - call.ago >= from && is_watched(call, &select)) {
            expected.entry(key(call, &select.by)).or_default().add(call.duration_us);
        }
        let found = latency_of_rollups(&rollups, &select, None, NOW + 1 - 10 * tens, NOW + 1);
        prop_assert!(found.is_sorted_by(|left, right| left.0 < right.0), "{:?}", found);
        let found: BTreeMap<GroupKey, Sketch> = found.into_iter().collect();
        prop_assert_eq!(found, expected);
    }
}
