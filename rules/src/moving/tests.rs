//! Moving sums against rollups that are summed anew for every question.

use model::{Functions, Glob, Outcome, Timestamp, Traffic};
use proptest::prelude::*;
use store::{Invocation, InvocationRows};

use super::*;
use crate::windows::By;

const START: i64 = 1_762_790_400;

#[derive(Clone, Debug)]
struct Row {
    function: u8,
    unit: u8,
    live: bool,
    failed: bool,
    /// Completion, seconds from now.
    offset: i64,
    duration_us: i64,
    weight: u32,
}

/// What happens between two ticks.
#[derive(Clone, Debug)]
struct Turn {
    /// How far time goes on.
    pass: i64,
    rows: Vec<Row>,
    /// How far before now the windows of missing calls end.
    settled: i64,
}

fn row() -> impl Strategy<Value = Row> {
    let offset = prop_oneof![8 => -3..1_i64, 2 => -80..0_i64, 1 => -1_000..0_i64, 1 => 0..700_i64];
    let weight = prop_oneof![6 => Just(1_u32), 1 => 2..100_000_u32];
    let place = (0..6_u8, 0..3_u8, any::<bool>(), any::<bool>());
    (place, offset, 0..900_000_i64, weight).prop_map(
        |((function, unit, live, failed), offset, duration_us, weight)| Row {
            function,
            unit,
            live: live || unit == 0,
            failed,
            offset,
            duration_us,
            weight,
        },
    )
}

fn turn() -> impl Strategy<Value = Turn> {
    let pass = prop_oneof![8 => Just(1_i64), 2 => 0..4_i64, 1 => 4..90_i64, 1 => -20..0_i64];
    let settled = prop_oneof![4 => Just(2_i64), 1 => Just(0_i64), 1 => Just(60_i64)];
    (pass, prop::collection::vec(row(), 0..12), settled).prop_map(|(pass, rows, settled)| Turn {
        pass,
        rows,
        settled,
    })
}

fn commit(rollups: &Rollups, rows: &[Row], now: i64) {
    let at = Timestamp::from_seconds(now);
    let mut batch = InvocationRows::new();
    for row in rows {
        let (namespace, function) = match row.function {
            5 => ("pay", "f0".to_owned()),
            other => ("shop", format!("f{other}")),
        };
        batch.push(&Invocation {
            ts: Timestamp::from_micros((now + row.offset) * 1_000_000 - row.duration_us),
            namespace,
            function: &function,
            unit: &format!("u{}", row.unit),
            outcome: if row.failed {
                Outcome::FunctionError
            } else {
                Outcome::Ok
            },
            traffic: if row.live {
                Traffic::Live
            } else {
                Traffic::Bot
            },
            duration_us: row.duration_us,
            weight: row.weight,
            seen_at: at,
            ..Invocation::default()
        });
    }
    rollups.apply(&batch.finish(), at);
}

fn selects() -> [Select; 3] {
    let select = |pattern: &str, by: &[By]| Select {
        functions: Functions::matching(vec![Glob::new(pattern).unwrap()]),
        by: by.to_vec(),
    };
    [
        select("*", &[By::Namespace, By::Function]),
        select("shop/f*", &[By::Namespace, By::Function, By::Unit]),
        select("*", &[By::Namespace]),
    ]
}

fn listed(groups: &GroupSums) -> Vec<(String, Tally)> {
    let named = groups
        .iter()
        .map(|(key, tally)| (format!("{key:?}"), *tally));
    named.collect()
}

/// Asks for everything that rules may ask for in a tick, and compares.
fn compare(
    moving: &MovingSums,
    rollups: &Rollups,
    now: i64,
    settled: i64,
) -> Result<(), TestCaseError> {
    let limit = Duration::from_millis(300);
    for select in selects() {
        for (from, to) in [
            (now + 1 - 60, now + 1),
            (now + 1 - 300, now + 1),
            (now - settled - 60, now - settled),
            (now - settled - 10, now - settled),
            (now + 1 - 3_600, now + 1),
        ] {
            let anew = summed_anew(rollups, &select, from, to);
            let told = moving.calls(rollups, &select, from, to);
            prop_assert_eq!(
                listed(&told),
                listed(&anew),
                "calls {}..{} at {}",
                from,
                to,
                now
            );
        }
        for over in [10, 60, 300] {
            let (from, to) = (now + 1 - over, now + 1);
            let anew = slower_of(latency_of_rollups(rollups, &select, None, from, to), limit);
            let told = moving.slower(rollups, &select, limit, from, to);
            prop_assert_eq!(
                listed(&told),
                listed(&anew),
                "slower {}..{} at {}",
                from,
                to,
                now
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tell_what_rollups_tell(
        before in prop::collection::vec(row(), 0..40),
        turns in prop::collection::vec(turn(), 1..40),
    ) {
        let rollups = Rollups::new(100);
        let moving = MovingSums::default();
        let mut now = START;
        commit(&rollups, &before, now);
        for turn in turns {
            now += turn.pass;
            let (early, late) = turn.rows.split_at(turn.rows.len() / 2);
            commit(&rollups, early, now);
            compare(&moving, &rollups, now, turn.settled)?;
            // Between two questions of one tick.
            commit(&rollups, late, now);
            compare(&moving, &rollups, now, turn.settled)?;
        }
    }
}

fn steady(second: i64) -> Vec<Row> {
    let row = |function| Row {
        function,
        unit: 0,
        live: true,
        failed: second % 7 == i64::from(function),
        offset: 0,
        duration_us: 1_000,
        weight: 1,
    };
    (0..5).map(row).collect()
}

fn summed_anew(rollups: &Rollups, select: &Select, from: i64, to: i64) -> GroupSums {
    let sums = sum_rollups(rollups, select, None, from, to);
    sums.into_iter().collect()
}

/// Windows are not only right, they are moved: nothing is summed anew once they go along.
#[test]
fn windows_go_along_with_time() {
    let rollups = Rollups::new(100);
    let moving = MovingSums::default();
    let [select, ..] = selects();
    for second in 0..400 {
        let now = START + second;
        commit(&rollups, &steady(second), now);
        let moved = moving.sums(&rollups, &select, Measure::Calls, now - 59, now + 1);
        assert!(moved.is_some(), "summed anew at second {second}");
    }
    let kept = moving.kept();
    let columns: Vec<usize> = kept.streams.iter().map(Stream::len).collect();
    assert!(
        columns.iter().all(|columns| *columns < 150),
        "{columns:?} columns are kept"
    );
}

#[test]
fn more_than_fits_is_summed_anew() {
    let rollups = Rollups::new(100);
    let moving = MovingSums::default();
    let [select, ..] = selects();
    for second in 0..20 {
        let now = START + second;
        commit(&rollups, &steady(second), now);
        moving.calls(&rollups, &select, now - 59, now + 1);
        moving
            .kept()
            .streams
            .iter_mut()
            .for_each(|stream| stream.shrink(100));
        let told = moving.calls(&rollups, &select, now - 59, now + 1);
        let anew = summed_anew(&rollups, &select, now - 59, now + 1);
        assert_eq!(listed(&told), listed(&anew));
        assert!(!listed(&told).is_empty());
    }
}

#[test]
fn a_clock_that_is_set_back_begins_anew() {
    let rollups = Rollups::new(100);
    let moving = MovingSums::default();
    let [select, ..] = selects();
    for second in (0..400).chain(150..200) {
        let now = START + second;
        commit(&rollups, &steady(second), now);
        let told = moving.calls(&rollups, &select, now - 59, now + 1);
        let anew = summed_anew(&rollups, &select, now - 59, now + 1);
        assert_eq!(listed(&told), listed(&anew), "second {second}");
    }
}

/// Every reload may bring other limits and other functions; only those of now take room.
#[test]
fn what_was_asked_before_a_reload_takes_no_room() {
    let rollups = Rollups::new(100);
    let moving = MovingSums::default();
    let [select, ..] = selects();
    let mut now = START;
    for reload in 0..2 * LINEUPS_MAX {
        let pattern = Glob::new(&format!("guide/*{}", "*".repeat(reload % 200))).unwrap();
        let select = Select {
            functions: Functions::matching(vec![pattern]),
            by: select.by.clone(),
        };
        let bin = Sketch::bin_of(1 << (reload % 40));
        for _ in 0..2 {
            now += 1;
            commit(&rollups, &steady(now - START), now);
            moving.sums(&rollups, &select, Measure::Slower(bin), now - 59, now + 1);
        }
        let moved = moving.sums(&rollups, &select, Measure::Slower(bin), now - 59, now + 1);
        assert!(moved.is_some(), "summed anew after {reload} reloads");
        moving.forget();
    }
}
