//! Rollups against a list of calls that is searched anew for every question.

mod hours;
mod layers;

use std::collections::BTreeMap;

use model::{FunctionId, Functions, Glob, Outcome, Timestamp, Traffic};
use proptest::prelude::*;

use super::sketch::{bin_of, packed_bins};
use super::*;
use crate::rows::{Invocation, InvocationRows};

const START: i64 = 1_762_790_400;

#[derive(Clone, Debug)]
struct Row {
    function: u8,
    version: u8,
    unit: u8,
    traffic: usize,
    outcome: usize,
    /// Completion, seconds from now.
    offset: i64,
    micros: i64,
    duration_us: i64,
    weight: u32,
    cold_start: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let place = (0..5_u8, 0..3_u8, 0..2_u8, 0..2_usize, 0..7_usize);
    let offset = prop_oneof![6 => -30..1_i64, 2 => -1_200..900_i64, 2 => -23_000..0_i64, 1 => Just(-900), 1 => Just(600)];
    let duration = prop_oneof![8 => 0..2_000_000_i64, 1 => -5_000..0_i64, 1 => Just(i64::MAX)];
    (
        place,
        offset,
        0..1_000_000_i64,
        duration,
        1..4_u32,
        any::<bool>(),
    )
        .prop_map(
            |(
                (function, version, unit, traffic, outcome),
                offset,
                micros,
                duration_us,
                weight,
                cold_start,
            )| Row {
                function,
                version,
                unit,
                traffic,
                outcome,
                offset,
                micros,
                duration_us,
                weight,
                cold_start,
            },
        )
}

impl Row {
    fn key(&self) -> SeriesKey {
        SeriesKey {
            namespace: format!("ns{}", self.function % 2),
            function: format!("fn{}", self.function),
            version: if self.version == 0 {
                String::new()
            } else {
                self.version.to_string()
            },
            unit: format!("u{}", self.unit),
            zone: String::new(),
            traffic: Traffic::ALL[self.traffic],
        }
    }

    /// Whether it came too late for seconds and sketches.
    fn late(&self) -> bool {
        self.offset < -BACK_SECONDS
    }

    fn completed(&self, now: i64) -> i64 {
        (now + self.offset) * MICROS + self.micros
    }

    fn push(&self, now: i64, rows: &mut InvocationRows) {
        let key = self.key();
        rows.push(&Invocation {
            ts: Timestamp::from_micros(self.completed(now) - clamped(self.duration_us) as i64),
            namespace: &key.namespace,
            function: &key.function,
            version: &key.version,
            unit: &key.unit,
            traffic: key.traffic,
            outcome: Outcome::ALL[self.outcome],
            duration_us: self.duration_us,
            weight: self.weight,
            cold_start: self.cold_start,
            ..Invocation::default()
        });
    }
}

/// Every call that was believed, as it came.
#[derive(Default)]
struct Model {
    calls: Vec<(SeriesKey, i64, Row)>,
    now: i64,
    late: u64,
    corrected: u64,
    future: u64,
}

impl Model {
    fn apply(&mut self, rows: &[Row], now: i64) -> BTreeMap<(SeriesKey, i64), Counts> {
        self.now = now;
        let mut deltas: BTreeMap<(SeriesKey, i64), Counts> = BTreeMap::new();
        for row in rows {
            if row.offset < -BACK_SECONDS {
                self.late += 1;
                if ten_of(now + row.offset) >= ten_of(now - TENS_SECONDS) {
                    self.corrected += 1;
                    self.calls.push((row.key(), now + row.offset, row.clone()));
                }
            } else if row.offset > AHEAD_SECONDS {
                self.future += 1;
            } else {
                let second = now + row.offset;
                count(deltas.entry((row.key(), second)).or_default(), row);
                self.calls.push((row.key(), second, row.clone()));
            }
        }
        deltas
    }

    fn groups<A: Default>(
        &self,
        select: &Selection,
        by: &[Dimension],
        mut add: impl FnMut(&mut A, i64, &Row),
    ) -> BTreeMap<Group, A> {
        let mut groups: BTreeMap<Group, A> = BTreeMap::new();
        for (key, second, row) in &self.calls {
            if select.takes(key) {
                let values = by
                    .iter()
                    .map(|dimension| (*dimension, key.get(*dimension).to_owned()));
                add(
                    groups.entry(Group(values.collect())).or_default(),
                    *second,
                    row,
                );
            }
        }
        groups
    }
}

fn count(counts: &mut Counts, row: &Row) {
    counts.add(
        Outcome::ALL[row.outcome],
        row.weight,
        row.cold_start,
        clamped(row.duration_us),
    );
}

fn selections() -> Vec<Selection> {
    let glob = |text: &str| Functions::matching(vec![Glob::new(text).unwrap()]);
    vec![
        Selection::default(),
        Selection::default().with_traffic(&[]),
        Selection::function("ns1/fn3".parse().unwrap()),
        Selection::function("ns0/absent".parse().unwrap()),
        Selection::of(glob("ns0/*")).with_traffic(&[Traffic::Stress]),
        Selection::default().where_is(Dimension::Unit, "u1"),
        Selection::default()
            .where_is(Dimension::Version, "1")
            .where_is(Dimension::Version, ""),
    ]
}

fn groupings() -> Vec<(Vec<Dimension>, Vec<Dimension>)> {
    use Dimension::{Function, Namespace, Traffic, Unit, Version};
    vec![
        (vec![], vec![]),
        (vec![Function], vec![Namespace, Function]),
        (vec![Unit, Function, Unit], vec![Unit, Namespace, Function]),
        (vec![Version], vec![Version]),
        (vec![Traffic, Namespace], vec![Traffic, Namespace]),
    ]
}

fn batch(rows: &[Row], now: i64) -> RecordBatch {
    let mut builder = InvocationRows::new();
    for row in rows {
        row.push(now, &mut builder);
    }
    builder.finish()
}

/// Where a window begins, how long it is, and its steps.
fn window() -> impl Strategy<Value = (i64, (i64, i64))> {
    let back = prop_oneof![-1_000..700_i64, -24_000..0_i64];
    let minutes = (0..1_000_i64, 1..70_i64);
    let hours = (0..25_000_i64, prop_oneof![Just(600), 100..900_i64]);
    (back, prop_oneof![minutes, hours])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn agrees_with_the_list(
        steps in prop::collection::vec(
            (prop_oneof![5 => 0..200_i64, 1 => 200..9_000_i64], prop::collection::vec(row(), 0..60)), 1..14),
        windows in prop::collection::vec(window(), 4),
    ) {
        let rollups = Rollups::default();
        let mut model = Model::default();
        let mut now = START;
        for (passed, rows) in &steps {
            now += passed;
            let deltas = rollups.apply(&batch(rows, now), Timestamp::from_seconds(now));
            let told: BTreeMap<_, _> = deltas
                .iter()
                .map(|delta| (((*delta.series).clone(), delta.second), delta.counts))
                .collect();
            prop_assert_eq!(told.len(), deltas.len(), "a delta was not merged");
            prop_assert_eq!(told, model.apply(rows, now));
        }
        let stats = rollups.stats();
        prop_assert_eq!((stats.late_rows, stats.corrected_rows, stats.future_rows), (model.late, model.corrected, model.future));
        for (back, (length, step)) in windows {
            check_seconds(&rollups, &model, (now + back, now + back + length), step as usize)?;
            for select in selections() {
                for (by, dimensions) in groupings() {
                    check(&rollups, &model, &select, (&by, &dimensions), now + back, length, step)?;
                }
            }
        }
    }

    #[test]
    fn quantiles_are_within_one_percent(
        durations in prop::collection::vec(
            prop_oneof![0..50_i64, 0..100_000_i64, 0..5_000_000_000_i64, -9..0_i64], 1..400),
        cut in 0..400_usize,
    ) {
        let (mut whole, mut head, mut tail) = (Sketch::new(), Sketch::new(), Sketch::new());
        for (at, duration) in durations.iter().enumerate() {
            whole.add(*duration);
            if at < cut { head.add(*duration) } else { tail.add(*duration) }
        }
        head.merge(&tail);
        prop_assert_eq!(&head, &whole);
        prop_assert_eq!(&Sketch::of_bins(packed_bins(&whole.pack())), &whole);
        prop_assert_eq!(packed_bins(&whole.pack()).map(|(_, count)| count).sum::<u64>(), whole.count());
        let mut sorted: Vec<f64> = durations.iter().map(|duration| clamped(*duration) as f64).collect();
        sorted.sort_by(f64::total_cmp);
        for q in [0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
            let exact = sorted[(q * (sorted.len() - 1) as f64).floor() as usize];
            let told = whole.quantile_us(q).unwrap();
            prop_assert!((told - exact).abs() <= exact * 0.01 + 1e-6, "q {} exact {} told {}", q, exact, told);
        }
    }
}

/// Each second of each series once, however few are looked at in one go.
fn check_seconds(
    rollups: &Rollups,
    model: &Model,
    (from, to): (i64, i64),
    seconds_max: usize,
) -> Result<(), TestCaseError> {
    let mut expected: BTreeMap<(SeriesKey, i64), Counts> = BTreeMap::new();
    let horizon = model.now - BACK_SECONDS;
    for (key, second, row) in &model.calls {
        if (from.max(horizon)..to).contains(second) {
            count(expected.entry((key.clone(), *second)).or_default(), row);
        }
    }
    let mut told: BTreeMap<(SeriesKey, i64), Counts> = BTreeMap::new();
    for function in rollups.functions() {
        let mut reached = from;
        while reached < to {
            let before = reached;
            let mut twice = false;
            reached = rollups.each_second(
                &function.id,
                (reached, to),
                seconds_max,
                |key, second, counts| {
                    twice |= told.insert(((**key).clone(), second), counts).is_some();
                },
            );
            prop_assert!(!twice && reached > before, "{} at {}", function.id, before);
        }
    }
    prop_assert_eq!(told, expected);
    Ok(())
}

fn check(
    rollups: &Rollups,
    model: &Model,
    select: &Selection,
    (by, dimensions): (&[Dimension], &[Dimension]),
    from: i64,
    length: i64,
    step: i64,
) -> Result<(), TestCaseError> {
    let (to, horizon) = (from + length, model.now - BACK_SECONDS);
    let place = |second: i64| {
        if second < horizon {
            ten_of(second)
        } else {
            second
        }
    };
    let first = if from < horizon {
        ten_of(from).max(ten_of(model.now - TENS_SECONDS))
    } else {
        from
    };
    let end = if to <= horizon { ten_of(to + 9) } else { to };
    let wanted = |second: i64| (first..end).contains(&place(second));
    let sums = model.groups(select, dimensions, |sum: &mut Counts, second, row| {
        if wanted(second) {
            count(sum, row);
        }
    });
    let told: BTreeMap<_, _> = rollups.sum(select, by, from, to).into_iter().collect();
    // What was idle for hours is forgotten, so only groups with calls must be there.
    prop_assert!(told.keys().all(|group| sums.contains_key(group)));
    let busy = |sums: BTreeMap<Group, Counts>| -> BTreeMap<Group, Counts> {
        sums.into_iter()
            .filter(|(_, counts)| !counts.is_zero())
            .collect()
    };
    prop_assert_eq!(
        busy(told),
        busy(sums),
        "sum {:?} by {:?} from {} to {}",
        select,
        by,
        from - model.now,
        to - model.now
    );

    let points = (length as usize)
        .div_ceil(step as usize)
        .min(TIMELINE_POINTS_MAX);
    let lines = model.groups(select, dimensions, |line: &mut Vec<Counts>, second, row| {
        line.resize(points, Counts::ZERO);
        let at = ((place(second) - from).max(0) / step) as usize;
        if wanted(second) && at < points {
            count(&mut line[at], row);
        }
    });
    let told: BTreeMap<_, _> = rollups
        .timeline(select, by, from, to, step)
        .into_iter()
        .collect();
    let busy = |lines: BTreeMap<Group, Vec<Counts>>| -> BTreeMap<Group, Vec<Counts>> {
        let lines = lines.into_iter();
        lines
            .filter(|(_, line)| line.iter().any(|counts| !counts.is_zero()))
            .collect()
    };
    prop_assert_eq!(busy(told), busy(lines));

    let tens = from.max(horizon).div_euclid(10)..(to + 9).div_euclid(10);
    let sketches = model.groups(select, dimensions, |sketch: &mut Sketch, second, row| {
        if tens.contains(&second.div_euclid(10)) && !row.late() {
            sketch.add(row.duration_us);
        }
    });
    let told: BTreeMap<_, _> = rollups.latency(select, by, from, to).into_iter().collect();
    let busy = |sketches: BTreeMap<Group, Sketch>| -> BTreeMap<Group, Sketch> {
        sketches
            .into_iter()
            .filter(|(_, sketch)| !sketch.is_empty())
            .collect()
    };
    prop_assert_eq!(busy(told), busy(sketches));
    Ok(())
}

fn plain(function: u8, offset: i64) -> Row {
    Row {
        function,
        version: 0,
        unit: 0,
        traffic: 0,
        outcome: 0,
        offset,
        micros: 0,
        duration_us: 1_000,
        weight: 1,
        cold_start: false,
    }
}

#[test]
fn what_exceeds_the_cap_is_counted_as_other() {
    let rollups = Rollups::new(2);
    let rows: Vec<Row> = (0..5).map(|function| plain(function, -1)).collect();
    let deltas = rollups.apply(&batch(&rows, START), Timestamp::from_seconds(START));
    assert_eq!(deltas.len(), 3, "three functions share one delta");
    let by_function = rollups.sum(
        &Selection::default(),
        &[Dimension::Function],
        START - 10,
        START,
    );
    let calls: Vec<_> = by_function
        .iter()
        .map(|(group, counts)| (group.function_id().unwrap().to_string(), counts.calls()))
        .collect();
    let expected = [("__other__/__other__", 3), ("ns0/fn0", 1), ("ns1/fn1", 1)];
    assert_eq!(calls, expected.map(|(id, calls)| (id.to_owned(), calls)));
    let stats = rollups.stats();
    assert_eq!((stats.other_rows, stats.series, stats.functions), (3, 3, 3));
}

#[test]
fn idle_series_are_forgotten_and_make_room() {
    let rollups = Rollups::new(2);
    let mut now = START;
    let apply = |rows: &[Row], now| rollups.apply(&batch(rows, now), Timestamp::from_seconds(now));
    apply(&[plain(0, 0), plain(1, 0)], now);
    let id: FunctionId = "ns0/fn0".parse().unwrap();
    assert_eq!(
        rollups.function(&id).unwrap().last_seen,
        Timestamp::from_seconds(START)
    );
    while now < START + IDLE_SECONDS + 120 {
        now += 30;
        apply(&[plain(1, 0)], now);
    }
    let names: Vec<_> = rollups
        .functions()
        .iter()
        .map(|seen| seen.id.to_string())
        .collect();
    assert_eq!(names, ["ns1/fn1"]);
    apply(&[plain(2, 0)], now);
    assert_eq!(
        rollups.stats().other_rows,
        0,
        "the freed place was not given away"
    );
    assert!(rollups.function(&"ns0/fn2".parse().unwrap()).is_some());
}

#[test]
fn a_clock_that_jumps_and_returns_goes_on_counting() {
    for jump in [-86_400, -300, 300, 86_400] {
        let rollups = Rollups::default();
        let mut now = START;
        for step in 0..600 {
            now += 1;
            // Our clock jumps; the functions' clocks go on.
            let wall = if (200..400).contains(&step) {
                now + jump
            } else {
                now
            };
            rollups.apply(&batch(&[plain(0, 0)], now), Timestamp::from_seconds(wall));
        }
        let sum = rollups.sum(&Selection::default(), &[], now - 59, now + 1);
        assert_eq!(sum[0].1.calls(), 60, "after a jump of {jump} s");
    }
}

#[test]
fn bins_grow_with_durations() {
    let mut before = 0;
    for exponent in 0..220 {
        let bin = bin_of((1.1_f64.powi(exponent)) as u64);
        assert!(bin >= before);
        before = bin;
    }
    assert_eq!((bin_of(0), bin_of(1)), (0, 1));
}

#[test]
fn a_batch_of_another_table_adds_nothing() {
    let logs = crate::rows::LogRows::new().finish();
    assert!(Rollups::default().apply(&logs, Timestamp::EPOCH).is_empty());
}

#[test]
fn instances_that_answered_live_calls_are_counted_for_a_while() {
    let rollups = Rollups::new(SERIES_MAX);
    let now = Timestamp::from_seconds(START);
    let mut rows = InvocationRows::new();
    let mut call = |instance: &str, ago: i64, traffic: Traffic| {
        rows.push(&Invocation {
            ts: Timestamp::from_seconds(START - ago),
            namespace: "guide",
            function: "feed",
            instance,
            unit: if ago % 2 == 0 { "a" } else { "b" },
            outcome: Outcome::Ok,
            traffic,
            ..Invocation::default()
        });
    };
    for ago in [3, 50, 4] {
        call("pod-1", ago, Traffic::Live);
    }
    call("pod-2", 50, Traffic::Live);
    call("pod-3", 120, Traffic::Live);
    call("pod-4", 1, Traffic::Stress);
    call("", 1, Traffic::Live);
    rollups.apply(&rows.finish(), now);
    let id = FunctionId::new("guide", "feed").unwrap();
    let since = |seconds: i64| rollups.instances(&id, START - seconds);
    assert_eq!((since(10), since(60), since(600)), (1, 2, 3));
    assert_eq!(rollups.stats().instances, 3);
    assert_eq!(rollups.stats().other_instances, 0);
    assert_eq!(
        rollups.instances(&FunctionId::new("guide", "gone").unwrap(), 0),
        0
    );
}

fn sums_of(followed: &Followed) -> BTreeMap<(u32, i64), Tally> {
    let mut sums: BTreeMap<(u32, i64), Tally> = BTreeMap::new();
    for it in &followed.counted {
        sums.entry((it.series, it.second))
            .or_default()
            .merge(&it.tally);
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// One who follows from the beginning and one who joins late know the same.
    #[test]
    fn followers_are_told_what_is_counted(
        batches in prop::collection::vec((prop::collection::vec(row(), 0..20), 0..3_i64), 1..12),
    ) {
        let rollups = Rollups::new(100);
        let early = rollups.follow(START - BACK_SECONDS);
        let mut told = Followed::default();
        let mut now = START;
        for (rows, pass) in &batches {
            now += pass;
            rollups.apply(&batch(rows, now), Timestamp::from_seconds(now));
            let more = early.take();
            prop_assert!(!more.lost);
            told.born.extend(more.born);
            told.counted.extend(more.counted);
            told.timed.extend(more.timed);
        }
        let late = rollups.follow(now - BACK_SECONDS).take();
        let since = |sums: BTreeMap<(u32, i64), Tally>| -> BTreeMap<(u32, i64), Tally> {
            // Minutes go over into tens as a whole.
            sums.into_iter().filter(|((_, second), _)| *second >= now - BACK_SECONDS + 60).collect()
        };
        prop_assert_eq!(since(sums_of(&told)), since(sums_of(&late)));
        let calls = |followed: &Followed| -> u64 {
            let whole = now - BACK_SECONDS + 60;
            let timed = followed.timed.iter().filter(|it| it.second >= whole);
            timed.map(|it| it.calls).sum()
        };
        prop_assert_eq!(calls(&told), calls(&late));
        let live = |(_, key): &(u32, Arc<SeriesKey>)| key.traffic == Traffic::Live;
        prop_assert!(told.born.iter().all(live));
        prop_assert_eq!(told.born.len(), late.born.len());
    }
}

#[test]
fn a_follower_that_falls_behind_is_told_so() {
    let rollups = Rollups::new(100);
    let follower = rollups.follow(START);
    for second in 0..1_001 {
        let now = START + second;
        rollups.apply(&batch(&[plain(0, 0)], now), Timestamp::from_seconds(now));
    }
    let followed = follower.take();
    assert!(followed.lost && followed.counted.is_empty());
    assert_eq!(rollups.follow(START + 900).take().counted.len(), 101);
}

#[test]
fn nobody_is_told_who_is_gone() {
    let rollups = Rollups::new(100);
    drop(rollups.follow(START));
    rollups.apply(
        &batch(&[plain(0, 0)], START),
        Timestamp::from_seconds(START),
    );
    assert!(!rollups.read().followers.any());
}
