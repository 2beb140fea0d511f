//! One call logged by several layers, in counts per second, per minute and per layer.

use model::{FunctionId, Glob, Outcome, Timestamp};

use crate::minutes::{minute_rows, sum_minutes};
use crate::rollup::*;
use crate::rows::{Invocation, InvocationRows};

const START: i64 = 1_762_790_400;

/// Calls of `guide/feed` by layer and second of completion.
fn batch(rows: &[(&str, i64)]) -> RecordBatch {
    let mut builder = InvocationRows::new();
    for (layer, second) in rows {
        builder.push(&Invocation {
            ts: Timestamp::from_seconds(*second),
            namespace: "guide",
            function: "feed",
            layer,
            unit: if *layer == "function" { "a" } else { "" },
            instance: layer,
            error_type: "Failed",
            outcome: Outcome::FunctionError,
            ..Invocation::default()
        });
    }
    builder.finish()
}

fn seen(rollups: &Rollups) -> Vec<(i64, u64)> {
    let lines = rollups.timeline(&Selection::default(), &[], START, START + 100, 1);
    let counts = lines.into_iter().flat_map(|(_, line)| line).enumerate();
    counts
        .filter(|(_, counts)| !counts.is_zero())
        .map(|(at, counts)| (at as i64, counts.calls()))
        .collect()
}

fn top(rollups: &Rollups, dimension: TopDimension) -> Vec<(String, u64)> {
    let id = FunctionId::new("guide", "feed").unwrap();
    let told = rollups.top(&id, dimension, START, START + 100);
    told.into_iter()
        .map(|(value, counts)| (value, counts.calls()))
        .collect()
}

#[test]
fn from_the_first_outer_row_on_only_the_outermost_counts() {
    let rollups = Rollups::default();
    let apply = |rows: &[(&str, i64)]| {
        let deltas = rollups.apply(&batch(rows), Timestamp::from_seconds(START + 50));
        deltas.iter().map(|delta| delta.counts.calls()).sum::<u64>()
    };
    let mut all = Vec::new();
    let mut step = |rows: &[(&'static str, i64)], counted: u64| {
        all.extend_from_slice(rows);
        assert_eq!(apply(rows), counted, "{rows:?}");
    };
    // Nobody else told of these.
    step(&[("function", START + 1), ("function", START + 2)], 2);
    // The sidecar is there from 5 on; the same batch may bring the function's row first.
    step(&[("function", START + 5), ("sidecar", START + 5)], 1);
    step(&[("function", START + 6), ("sidecar", START + 6)], 1);
    // Late, but of a time when only the function told.
    step(&[("function", START + 3)], 1);
    // The gateway is there from 10 on; rows without a layer count as ever.
    step(
        &[
            ("gateway", START + 10),
            ("sidecar", START + 10),
            ("function", START + 10),
        ],
        1,
    );
    step(
        &[
            ("", START + 11),
            ("mesh", START + 11),
            ("function", START + 11),
        ],
        2,
    );
    step(&[("sidecar", START + 9)], 1);
    let expected = [
        (1, 1),
        (2, 1),
        (3, 1),
        (5, 1),
        (6, 1),
        (9, 1),
        (10, 1),
        (11, 2),
    ];
    assert_eq!(seen(&rollups), expected);
    assert_eq!(rollups.stats().inner_rows, 5);
    let layers = [("function", 7), ("sidecar", 4), ("gateway", 1), ("mesh", 1)];
    let told = top(&rollups, TopDimension::Layer);
    assert_eq!(told, layers.map(|(layer, calls)| (layer.to_owned(), calls)));
    let id = FunctionId::new("guide", "feed").unwrap();
    assert_eq!(
        rollups.instances(&id, START),
        4,
        "every layer may name the pod"
    );

    // The table `minutes`, summed up later, says the same.
    let minutes = minute_rows(&batch(&all), &rollups);
    let sum: u64 = sum_minutes([&minutes], i64::MIN..i64::MAX)
        .iter()
        .map(|(_, _, counts)| counts.calls())
        .sum();
    assert_eq!(sum, expected.iter().map(|(_, calls)| calls).sum::<u64>());
}

#[test]
fn what_is_configured_counts_from_the_beginning() {
    let layers = CountedLayers::new(vec![(Glob::new("guide/*").unwrap(), Layer::Sidecar)]);
    let rollups = Rollups::default().counting(layers);
    let rows = [
        ("function", START + 1),
        ("gateway", START + 1),
        ("sidecar", START + 1),
        ("", START + 2),
    ];
    rollups.apply(&batch(&rows), Timestamp::from_seconds(START + 50));
    assert_eq!(seen(&rollups), [(1, 1), (2, 1)]);
    let minutes = minute_rows(&batch(&rows), &rollups);
    let sums = sum_minutes([&minutes], i64::MIN..i64::MAX);
    assert_eq!(
        sums.iter()
            .map(|(_, _, counts)| counts.calls())
            .sum::<u64>(),
        2
    );
    let told = top(&rollups, TopDimension::ErrorType);
    assert_eq!(told, [("Failed".to_owned(), 2)]);
}

#[test]
fn a_layer_that_is_not_counted_makes_no_series() {
    let layers = CountedLayers::new(vec![(Glob::new("guide/*").unwrap(), Layer::Gateway)]);
    let rollups = Rollups::default().counting(layers);
    let now = Timestamp::from_seconds(START + 50);
    rollups.apply(&batch(&[("function", START + 1)]), now);
    assert_eq!((rollups.stats().series, rollups.stats().inner_rows), (0, 1));
    rollups.apply(
        &batch(&[("gateway", START + 1), ("function", START + 1)]),
        now,
    );
    let units = rollups.sum(&Selection::default(), &[Dimension::Unit], START, START + 50);
    assert_eq!(units.len(), 1, "no silent unit `a`: {units:?}");
}
