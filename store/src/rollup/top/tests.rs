//! Tops against a map that forgets nothing.

use std::collections::BTreeMap;

use model::{Outcome, Timestamp, Traffic};
use proptest::prelude::*;

use super::*;
use crate::rollup::{Rollups, TopDimension};
use crate::rows::{Invocation, InvocationRows};

const START: i64 = 1_762_790_400;

fn some(calls: u64, failed: u64) -> Counts {
    let mut counts = Counts::ZERO;
    counts.outcomes[Outcome::Ok as usize] = calls;
    counts.outcomes[Outcome::Timeout as usize] = failed;
    counts.weighted = calls + failed;
    counts.duration_us = calls * 1_000;
    counts
}

type Fact = (i64, u16, u64, u64);

fn exact(facts: &[Fact], minutes: std::ops::Range<i64>) -> BTreeMap<String, Counts> {
    let mut exact: BTreeMap<String, Counts> = BTreeMap::new();
    for (minute, value, calls, failed) in facts {
        if minutes.contains(minute) {
            let sum = exact.entry(format!("v{value}")).or_default();
            sum.merge(&some(*calls, *failed));
        }
    }
    exact
}

fn add(top: &mut Top, facts: &[Fact]) -> (usize, u64) {
    let (mut added, mut folded) = (0, 0);
    for (minute, value, calls, failed) in facts {
        let start = START + minute * MINUTE;
        let done = top.add(start, &format!("v{value}"), &some(*calls, *failed), true);
        added += usize::from(done.added);
        folded += done.calls;
    }
    (added, folded)
}

fn between(top: &Top, from: i64, to: i64) -> BTreeMap<String, Counts> {
    let told = top.between(START + from * MINUTE, START + to * MINUTE);
    told.into_iter().collect()
}

proptest! {
    #[test]
    fn exact_with_few_values(
        facts in prop::collection::vec((0..5_i64, 0..VALUES_MAX as u16, 0..90_u64, 1..9_u64), 0..300),
        (from, to) in (0..5_i64, 0..7_i64),
    ) {
        let mut top = Top::default();
        let (added, folded) = add(&mut top, &facts);
        prop_assert_eq!((added, folded), (top.len(), 0));
        prop_assert_eq!(between(&top, from, to), exact(&facts, from..to));
        let told = top.between(i64::MIN, i64::MAX);
        prop_assert!(told.windows(2).all(|pair| pair[0].1.calls() >= pair[1].1.calls()));
        top.forget(START, START + 2 * MINUTE + 1);
        prop_assert_eq!(between(&top, 0, 9), exact(&facts, 2..9));
        top.forget(START + 3_600, START + 3_600);
        prop_assert_eq!((top.len(), top.0.capacity()), (0, 0));
    }

    #[test]
    fn bounded_with_many_values(
        // Squared, so that some values are frequent.
        draws in prop::collection::vec((0..2_i64, 0..30_u64, 1..4_u64, 0..3_u64), 200..900),
        spread in 1..4_u64,
    ) {
        let facts: Vec<Fact> = draws
            .iter()
            .enumerate()
            .map(|(at, (minute, value, calls, failed))| {
                let noise = (at as u64 * 7_919) % 200;
                let value = if noise.is_multiple_of(spread) { 1_000 + noise } else { value * value % 97 };
                (*minute, value as u16, *calls, *failed)
            })
            .collect();
        let mut top = Top::default();
        let (_, folded) = add(&mut top, &facts);
        for minute in 0..2 {
            let (told, exact) = (between(&top, minute, minute + 1), exact(&facts, minute..minute + 1));
            let sum = |of: &BTreeMap<String, Counts>| {
                of.values().fold(Counts::ZERO, |mut sum, counts| { sum.merge(counts); sum })
            };
            prop_assert_eq!(sum(&told), sum(&exact), "nothing is lost");
            let other = told.get(FunctionId::OTHER).map_or(0, Counts::calls);
            prop_assert!(told.len() <= VALUES_MAX + 1);
            let all = sum(&exact).calls();
            for (value, counts) in &exact {
                let own = told.get(value).copied().unwrap_or_default();
                prop_assert!(own.calls() <= counts.calls());
                prop_assert!(own.calls() + other >= counts.calls());
                prop_assert!(own.duration_us <= counts.duration_us);
                prop_assert!(own.calls() > 0 || counts.calls() * VALUES_MAX as u64 <= all, "{} is frequent", value);
            }
        }
        let other = between(&top, 0, 2).get(FunctionId::OTHER).map_or(0, Counts::calls);
        prop_assert_eq!(other, folded);
    }
}

#[test]
fn without_room_and_too_long_values_are_folded() {
    let mut top = Top::default();
    let counts = some(3, 1);
    let folded = |calls| Folded {
        added: false,
        calls,
    };
    assert!(top.add(START, "known", &counts, true).added);
    assert_eq!(top.add(START, "new", &counts, false), folded(4));
    assert_eq!(top.add(START, "known", &counts, false), folded(0));
    let long = "x".repeat(VALUE_BYTES_MAX + 1);
    assert_eq!(top.add(START, &long, &counts, true), folded(4));
    let told: Vec<_> = top
        .between(START, START + 1)
        .into_iter()
        .map(|(value, counts)| (value, counts.calls()))
        .collect();
    assert_eq!(
        told,
        [("known".to_owned(), 8), (FunctionId::OTHER.to_owned(), 8)]
    );
}

#[test]
fn a_name_is_held_once_for_neighbouring_minutes() {
    let mut top = Top::default();
    for minute in [0, 1, 2] {
        top.add(START + minute * MINUTE, "faas", &some(1, 0), true);
    }
    let names: Vec<_> = top
        .0
        .iter()
        .map(|minute| Arc::as_ptr(&minute.values[0].value))
        .collect();
    assert!(names.iter().all(|name| std::ptr::eq(*name, names[0])));
}

#[test]
fn live_calls_are_counted_by_what_they_name() {
    let rollups = Rollups::default();
    let now = START + 600;
    let mut rows = InvocationRows::new();
    let mut call = |ago: i64, error_type: &str, served_by: &str, traffic: Traffic| {
        rows.push(&Invocation {
            ts: Timestamp::from_seconds(now - ago),
            namespace: "guide",
            function: "feed",
            unit: if ago % 2 == 0 { "a" } else { "b" },
            error_type,
            served_by,
            outcome: if error_type.is_empty() {
                Outcome::Ok
            } else {
                Outcome::FunctionError
            },
            traffic,
            ..Invocation::default()
        });
    };
    for ago in 0..5 {
        call(ago, "", "faas", Traffic::Live);
    }
    call(1, "Timeout", "java", Traffic::Live);
    call(100, "Timeout", "java", Traffic::Live);
    call(100, "", "", Traffic::Live);
    call(1, "Timeout", "cdn", Traffic::Stress);
    rollups.apply(&rows.finish(), Timestamp::from_seconds(now));
    let id = FunctionId::new("guide", "feed").unwrap();
    let told = |dimension, from, to| -> Vec<(String, u64, u64)> {
        let told = rollups.top(&id, dimension, from, to);
        told.into_iter()
            .map(|(value, counts)| (value, counts.calls(), counts.failed()))
            .collect()
    };
    let row = |value: &str, calls, failed| (value.to_owned(), calls, failed);
    assert_eq!(
        told(TopDimension::ServedBy, 0, now + 1),
        [row("faas", 5, 0), row("java", 2, 2)]
    );
    assert_eq!(
        told(TopDimension::ErrorType, 0, now + 1),
        [row("Timeout", 2, 2)]
    );
    assert_eq!(told(TopDimension::Layer, 0, now + 1), []);
    // A minute is told as a whole.
    for (from, to) in [(now - 61, now - 60), (now - 60, now + 1)] {
        assert_eq!(
            told(TopDimension::ErrorType, from, to),
            [row("Timeout", 1, 1)]
        );
    }
    assert_eq!(
        rollups.stats().top_values,
        6,
        "three values in two minutes each"
    );
    assert!(
        rollups
            .top(
                &FunctionId::new("guide", "gone").unwrap(),
                TopDimension::Layer,
                0,
                now
            )
            .is_empty()
    );
    // A quarter of an hour later nothing of it is left.
    for later in (now..now + 1_100).step_by(10) {
        let mut rows = InvocationRows::new();
        rows.push(&Invocation {
            ts: Timestamp::from_seconds(later),
            namespace: "guide",
            function: "feed",
            unit: "a",
            ..Invocation::default()
        });
        rollups.apply(&rows.finish(), Timestamp::from_seconds(later));
    }
    assert_eq!(rollups.stats().top_values, 0);
}
