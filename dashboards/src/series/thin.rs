//! Makes long curves short without losing a peak: of every stretch the smallest, the largest and the
//! last point of each curve stay.

use std::collections::BTreeSet;

use super::Curves;

/// Curves that decide which points stay. With more, points that only others would keep may go.
const DECIDING_MAX: usize = 4;

/// At most about `points` points. All curves keep the same times.
pub(crate) fn thin(curves: Curves, points: usize) -> Curves {
    let len = curves.time.len();
    if len <= points {
        return curves;
    }
    let deciding = curves.series.len().clamp(1, DECIDING_MAX);
    let stretches = (points / (2 * deciding + 1)).max(1);
    let width = len.div_ceil(stretches);
    let mut kept = BTreeSet::from([0, len - 1]);
    for start in (0..len).step_by(width) {
        let end = (start + width).min(len);
        kept.insert(end - 1);
        for curve in curves.series.iter().take(DECIDING_MAX) {
            let known = (start..end).filter_map(|at| Some((at, curve.values.get(at).copied()??)));
            let order = |one: &(usize, f64), other: &(usize, f64)| one.1.total_cmp(&other.1);
            kept.extend(known.clone().min_by(order).map(|(at, _)| at));
            kept.extend(known.max_by(order).map(|(at, _)| at));
        }
    }
    let mut thinned = curves;
    thinned.time = pick(&thinned.time, &kept);
    for curve in &mut thinned.series {
        curve.values = pick(&curve.values, &kept);
    }
    thinned
}

fn pick<T: Copy>(values: &[T], kept: &BTreeSet<usize>) -> Vec<T> {
    kept.iter()
        .filter_map(|at| values.get(*at).copied())
        .collect()
}
