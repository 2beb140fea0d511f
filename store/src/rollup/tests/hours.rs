//! Counts of hours: late rows, jumps of the clock, a start in the middle, memory.

use model::{FunctionId, Outcome, Timestamp};

use crate::rollup::*;
use crate::rows::{Invocation, InvocationRows};

const START: i64 = 1_762_790_400;

/// Counts calls of one function that completed at these seconds.
fn apply(rollups: &Rollups, function: &str, seconds: impl Iterator<Item = i64>, now: i64) {
    let mut rows = InvocationRows::new();
    for second in seconds {
        rows.push(&Invocation {
            ts: Timestamp::from_seconds(second),
            namespace: "guide",
            function,
            outcome: Outcome::Ok,
            ..Invocation::default()
        });
    }
    rollups.apply(&rows.finish(), Timestamp::from_seconds(now));
}

fn calls(rollups: &Rollups, from: i64, to: i64) -> u64 {
    let sums = rollups.sum(&Selection::default(), &[], from, to);
    sums.first().map_or(0, |(_, counts)| counts.calls())
}

#[test]
fn six_hours_of_a_steady_function_are_told_by_the_ten() {
    let rollups = Rollups::default();
    for second in (START..START + 22_000).step_by(5) {
        apply(&rollups, "feed", [second, second].into_iter(), second);
    }
    let now = START + 21_995;
    let from = ten_of(now - TENS_SECONDS);
    assert_eq!(rollups.complete_from(), Timestamp::from_seconds(from));
    let lines = rollups.timeline(&Selection::default(), &[], from, now + 1, 10);
    let steps: Vec<u64> = lines[0].1.iter().map(Counts::calls).collect();
    assert_eq!(steps.len(), 2_161);
    assert!(steps.iter().all(|calls| *calls == 4), "{steps:?}");
    assert_eq!(calls(&rollups, 0, now + 1), 4 * 2_161);
    // The beginning is that of the ten it lies in.
    assert_eq!(calls(&rollups, from + 7, now + 1), 4 * 2_161);
    assert_eq!(calls(&rollups, from, from + 21), 12);
    // A curve by the minute that does not begin on a ten loses nothing.
    let lines = rollups.timeline(&Selection::default(), &[], from + 3, now + 1, 60);
    assert_eq!(lines[0].1.iter().map(Counts::calls).sum::<u64>(), 4 * 2_161);
}

#[test]
fn late_rows_correct_their_ten_and_nothing_else() {
    let rollups = Rollups::default();
    let now = START + 20_000;
    apply(&rollups, "feed", [now].into_iter(), now);
    let before = rollups.stats();
    let late = [
        now - 901,
        now - 5_000,
        now - 5_001,
        now - 21_600,
        now - 21_612,
    ];
    let mut rows = InvocationRows::new();
    for second in late {
        rows.push(&Invocation {
            ts: Timestamp::from_seconds(second),
            namespace: "guide",
            function: "feed",
            instance: "pod-1",
            error_type: "Late",
            ..Invocation::default()
        });
    }
    let deltas = rollups.apply(&rows.finish(), Timestamp::from_seconds(now));
    assert!(deltas.is_empty(), "rules look at seconds: {deltas:?}");
    assert_eq!(calls(&rollups, now - 900, now + 1), 1);
    assert_eq!(calls(&rollups, now - 910, now + 1), 2);
    assert_eq!(calls(&rollups, now - 5_010, now - 4_990), 2);
    assert_eq!(calls(&rollups, 0, now + 1), 5);
    let stats = rollups.stats();
    assert_eq!((stats.late_rows, stats.corrected_rows), (5, 4));
    assert!(stats.tens_bytes > before.tens_bytes);
    assert_eq!((stats.instances, stats.top_values), (0, 0));
    let id = FunctionId::new("guide", "feed").unwrap();
    let sketch = rollups.latency(&Selection::function(id), &[], 0, now + 1);
    assert_eq!(sketch[0].1.count(), 1);
}

#[test]
fn a_clock_that_jumps_counts_every_call_once() {
    for jump in [-300, 300, 3_600, 18_000] {
        let rollups = Rollups::default();
        let mut now = START;
        for step in 0..600 {
            now += 1;
            let wall = if (200..400).contains(&step) {
                now + jump
            } else {
                now
            };
            apply(&rollups, "feed", [now].into_iter(), wall);
        }
        assert_eq!(calls(&rollups, START, now + 1), 600, "after {jump} s");
        while now < START + 8_000 {
            now += 1;
            apply(&rollups, "feed", [now].into_iter(), now);
        }
        assert_eq!(calls(&rollups, START, now + 1), 8_000, "after {jump} s");
    }
}

#[test]
fn idle_series_give_their_memory_back() {
    let rollups = Rollups::default();
    let mut now = START;
    for _ in 0..400 {
        now += 10;
        for function in ["a", "b", "c", "d"] {
            apply(&rollups, function, [now].into_iter(), now);
        }
    }
    let busy = rollups.stats().tens_bytes;
    assert!(busy > 0);
    let gone = now + IDLE_SECONDS + 200;
    while now < gone {
        now += 30;
        apply(&rollups, "e", std::iter::empty(), now);
    }
    let stats = rollups.stats();
    assert_eq!((stats.tens_bytes, stats.series, stats.functions), (0, 0, 0));
}

#[test]
fn what_was_before_the_start_is_said_not_to_be_known() {
    let rollups = Rollups::default();
    let now = START + 10_000;
    rollups.begin_at(now - 3_605);
    let complete = Timestamp::from_seconds(now - 3_600);
    apply(
        &rollups,
        "feed",
        [now - 3_601, now - 3_600, now].into_iter(),
        now,
    );
    assert_eq!(rollups.complete_from(), complete);
    assert_eq!(calls(&rollups, 0, now + 1), 2, "part of a ten is none");
    let later = now + 20_000;
    apply(&rollups, "feed", [later].into_iter(), later);
    let kept = Timestamp::from_seconds(ten_of(later - TENS_SECONDS));
    assert_eq!(rollups.complete_from(), kept);
    // A log that reaches hardly back does not take seconds away.
    rollups.begin_at(later + 600);
    let horizon = Timestamp::from_seconds(ten_of(later - BACK_SECONDS));
    assert_eq!(rollups.complete_from(), horizon);
}

#[test]
fn with_too_many_tens_the_oldest_go_first() {
    let rollups = Rollups::default();
    let budget = 40_000;
    rollups.write().tens_bytes_max = budget;
    let names: Vec<String> = (0..20).map(|number| format!("f{number}")).collect();
    let (mut now, mut most) = (START, 0);
    while now < START + TENS_SECONDS {
        now += 10;
        for name in &names {
            apply(&rollups, name, [now].into_iter(), now);
        }
        most = most.max(rollups.stats().tens_bytes);
    }
    let chunk_of_each = 20 * 800;
    assert!(most < budget as u64 + chunk_of_each, "{most} B of {budget}");
    let complete = rollups.complete_from().as_seconds();
    assert!(
        complete > now - TENS_SECONDS + 3_600,
        "reaches {} s",
        now - complete
    );
    assert_eq!(
        rollups.stats().reach_seconds,
        (now - complete).unsigned_abs()
    );
    let told = (now - complete).unsigned_abs() / 10 + 1;
    assert_eq!(calls(&rollups, 0, now + 1), told * 20);
}
