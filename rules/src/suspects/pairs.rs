//! Pairs of values that explain failures better than either value alone: version 7, but only in unit b.

use std::collections::BTreeMap;

use super::rank::{Also, EXCESS_MIN, Explanation, FAILURES_SHARE_MIN};
use crate::wilson;

/// A pair says more than either of its values when its excess is higher by at least this.
const GAIN_MIN: f64 = 0.05;
/// Pairs are many guesses, so what speaks for one must be proven at 99.9 %.
const Z: f64 = 3.29;
/// Fewer failures in all than this speak for no pair.
const FAILURES_MIN: u64 = 10;

/// Calls that have all their values in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The values, in the order of the dimensions that cells are told apart by.
    pub values: Vec<String>,
    /// Calls.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were ok.
    pub ok: u64,
}

/// What some cells have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    calls: u64,
    failures: u64,
    ok: u64,
}

impl Sum {
    fn add(&mut self, cell: &Cell) {
        self.calls += cell.calls;
        self.failures += cell.failures;
        self.ok += cell.ok;
    }

    /// Its share of a whole's failures.
    fn gathered(&self, whole: &Sum) -> f64 {
        self.failures as f64 / whole.failures.max(1) as f64
    }

    /// Its share of a whole's calls.
    fn share(&self, whole: &Sum) -> f64 {
        self.calls as f64 / whole.calls.max(1) as f64
    }

    /// How far its share of the failures is above its share of the calls.
    fn excess(&self, whole: &Sum) -> f64 {
        self.gathered(whole) - self.share(whole)
    }
}

/// The pairs, the best first; at most one for two dimensions, or two that share the failures. `cells`
/// are told apart by `dimensions` and hold all calls. Values that nobody named make no pair.
pub fn pairs(dimensions: &[&'static str], cells: &[Cell]) -> Vec<Explanation> {
    let mut whole = Sum::default();
    for cell in cells {
        whole.add(cell);
    }
    if whole.failures < FAILURES_MIN {
        return Vec::new();
    }
    let alone: Vec<BTreeMap<&str, Sum>> = (0..dimensions.len())
        .map(|at| sum_by(cells, |cell| value(cell, at)))
        .collect();
    let excess_alone = |at: usize, value: &str| {
        let sum = alone.get(at).and_then(|sums| sums.get(value));
        sum.map_or(0.0, |sum| sum.excess(&whole))
    };
    let mut found = Vec::new();
    for (first, dimension) in dimensions.iter().enumerate() {
        for (second, other) in dimensions.iter().enumerate().skip(first + 1) {
            let both = sum_by(cells, |cell| {
                Some((value(cell, first)?, value(cell, second)?))
            });
            for ((value, also), sum) in both {
                let better_than = excess_alone(first, value).max(excess_alone(second, also));
                if tells(&sum, &whole, better_than) {
                    let named = [(*dimension, value), (*other, also)];
                    found.push((sum.excess(&whole), explanation(named, &sum, &whole)));
                }
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().map(|(_, pair)| pair).collect()
}

fn tells(sum: &Sum, whole: &Sum, better_than: f64) -> bool {
    let excess = sum.excess(whole);
    sum.gathered(whole) >= FAILURES_SHARE_MIN
        && excess >= EXCESS_MIN.max(better_than + GAIN_MIN)
        && wilson::interval(sum.failures, whole.failures, Z).lower > sum.share(whole)
}

fn explanation(named: [(&'static str, &str); 2], sum: &Sum, whole: &Sum) -> Explanation {
    let [(dimension, value), (other, also)] = named;
    let judged = sum.ok + sum.failures;
    Explanation {
        dimension,
        value: value.to_owned(),
        also: Some(Also {
            dimension: other,
            value: also.to_owned(),
        }),
        failures: sum.failures,
        failures_share: sum.gathered(whole),
        calls_share: Some(sum.share(whole)),
        success_rate: (judged > 0).then(|| sum.ok as f64 / judged as f64),
    }
}

/// The value of a dimension, if the cell names one.
fn value(cell: &Cell, at: usize) -> Option<&str> {
    let value = cell.values.get(at).map(String::as_str);
    value.filter(|value| !value.is_empty())
}

fn sum_by<'a, K: Ord>(cells: &'a [Cell], key: impl Fn(&'a Cell) -> Option<K>) -> BTreeMap<K, Sum> {
    let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
    for cell in cells {
        if let Some(key) = key(cell) {
            sums.entry(key).or_default().add(cell);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACES: [&str; 3] = ["unit", "version", "zone"];

    fn cell(values: [&str; 3], calls: u64, failures: u64) -> Cell {
        Cell {
            values: values.map(str::to_owned).to_vec(),
            calls,
            failures,
            ok: calls - failures,
        }
    }

    fn named(found: &[Explanation]) -> Vec<String> {
        let name = |one: &Explanation| {
            let also = one.also.as_ref().unwrap();
            format!(
                "{} {}, {} {}",
                one.dimension, one.value, also.dimension, also.value
            )
        };
        found.iter().map(name).collect()
    }

    #[test]
    fn a_pair_is_named_where_it_says_more_than_its_values() {
        let even = |failures: [u64; 4]| {
            let [a6, a7, b6, b7] = failures;
            [
                cell(["a", "6", "z"], 400, a6),
                cell(["a", "7", "z"], 100, a7),
                cell(["b", "6", "z"], 400, b6),
                cell(["b", "7", "z"], 100, b7),
            ]
        };
        // (failures of a6, a7, b6, b7; the pairs)
        let cases: [([u64; 4], &[&str]); 6] = [
            ([0, 1, 2, 97], &["unit b, version 7"]),
            // The whole unit fails, or the whole version.
            ([0, 0, 80, 20], &[]),
            ([0, 50, 0, 50], &[]),
            // As many as everywhere.
            ([40, 10, 40, 10], &[]),
            // Too few to say.
            ([0, 0, 0, 9], &[]),
            ([0, 0, 1, 11], &["unit b, version 7"]),
        ];
        for (failures, pairs_there) in cases {
            assert_eq!(
                named(&pairs(&PLACES, &even(failures))),
                pairs_there,
                "{failures:?}"
            );
        }
        let found = pairs(&PLACES, &even([0, 1, 2, 97]));
        assert!((found[0].failures_share - 0.97).abs() < 1e-9);
        assert_eq!(
            (found[0].calls_share, found[0].success_rate),
            (Some(0.1), Some(0.03))
        );
    }

    #[test]
    fn a_value_that_nobody_named_makes_no_pair() {
        let cells = [
            cell(["a", "", ""], 900, 0),
            cell(["b", "", ""], 50, 50),
            cell(["b", "7", ""], 50, 0),
        ];
        assert_eq!(named(&pairs(&PLACES, &cells)), Vec::<String>::new());
    }

    /// Every pair, straight from what a pair has to be.
    fn by_definition(cells: &[Cell]) -> Vec<(usize, String, usize, String)> {
        let all = |take: &dyn Fn(&Cell) -> bool| {
            let mut sum = Sum::default();
            for cell in cells.iter().filter(|cell| take(cell)) {
                sum.add(cell);
            }
            sum
        };
        let whole = all(&|_| true);
        let mut found = Vec::new();
        if whole.failures < 10 {
            return found;
        }
        for first in 0..3 {
            for second in first + 1..3 {
                for one in cells {
                    let (value, also) = (&one.values[first], &one.values[second]);
                    if value.is_empty() || also.is_empty() {
                        continue;
                    }
                    let both =
                        all(&|cell| cell.values[first] == *value && cell.values[second] == *also);
                    let left = all(&|cell| cell.values[first] == *value);
                    let right = all(&|cell| cell.values[second] == *also);
                    let excess = |sum: &Sum| {
                        sum.failures as f64 / whole.failures as f64
                            - sum.calls as f64 / whole.calls as f64
                    };
                    let gathered = both.failures as f64 / whole.failures as f64;
                    let proven = wilson::interval(both.failures, whole.failures, 3.29).lower;
                    if gathered >= 0.5
                        && excess(&both) >= 0.2
                        && excess(&both) >= excess(&left).max(excess(&right)) + 0.05
                        && proven > both.calls as f64 / whole.calls as f64
                    {
                        found.push((first, value.clone(), second, also.clone()));
                    }
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    fn cells() -> impl Strategy<Value = Vec<Cell>> {
        let one = (0_usize..3, 0_usize..3, 0_usize..3, 1_u64..400, 0_u64..=100);
        prop::collection::vec(one, 0..24).prop_map(|all| {
            let word = |at: usize| ["", "x", "y"][at].to_owned();
            let cell = |(unit, version, zone, calls, percent): (usize, usize, usize, u64, u64)| {
                // Mostly healthy.
                let failures = if percent > 80 {
                    calls * percent / 100
                } else {
                    calls * percent / 4_000
                };
                Cell {
                    values: vec![word(unit), word(version), word(zone)],
                    calls,
                    failures,
                    ok: calls - failures,
                }
            };
            all.into_iter().map(cell).collect()
        })
    }

    proptest! {
        #[test]
        fn pairs_are_what_the_definition_says(cells in cells()) {
            let found = pairs(&PLACES, &cells);
            let place = |name: &str| PLACES.iter().position(|own| *own == name).unwrap();
            let mut told: Vec<_> = found.iter().map(|one| {
                let also = one.also.as_ref().unwrap();
                (place(one.dimension), one.value.clone(), place(also.dimension), also.value.clone())
            }).collect();
            told.sort();
            prop_assert_eq!(told, by_definition(&cells));
            let excess = |one: &Explanation| one.failures_share - one.calls_share.unwrap();
            prop_assert!(found.is_sorted_by(|one, other| excess(one) >= excess(other)));
        }

        #[test]
        fn a_planted_pair_is_found_whatever_the_traffic(
            calls in prop::collection::vec(100_u64..2_000, 9), unit in 0_usize..3, version in 0_usize..3, healthy in 0_u64..3
        ) {
            let words = ["1", "2", "3"];
            let cells: Vec<Cell> = (0..9).map(|at| {
                let (own_unit, own_version) = (at / 3, at % 3);
                let calls = calls[at];
                let failures = if (own_unit, own_version) == (unit, version) { calls } else { calls * healthy / 1_000 };
                cell([words[own_unit], words[own_version], ""], calls, failures)
            }).collect();
            let whole: u64 = cells.iter().map(|cell| cell.calls).sum();
            let own = calls[unit * 3 + version] as f64 / whole as f64;
            let of = |take: &dyn Fn(usize) -> bool| (0..9).filter(|at| take(*at)).map(|at| calls[at]).sum::<u64>() as f64 / whole as f64;
            let (row, column) = (of(&|at| at / 3 == unit), of(&|at| at % 3 == version));
            // Where the pair is not nearly all of its unit or version, and not most of the traffic.
            prop_assume!(own < 0.6 && row.min(column) > own + 0.1);
            let expected = format!("unit {}, version {}", words[unit], words[version]);
            prop_assert_eq!(named(&pairs(&PLACES, &cells)), vec![expected]);
        }
    }
}
