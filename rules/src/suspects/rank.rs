//! What explains the failures: where their share is far above the share of the traffic.

use serde::Serialize;
use utoipa::ToSchema;

/// Fewer failures than this explain nothing.
const FAILURES_MIN: u64 = 5;
/// A suspect has at least this share of the failures.
pub(super) const FAILURES_SHARE_MIN: f64 = 0.5;
/// Its share of the failures is above its share of the calls by at least this.
pub(super) const EXCESS_MIN: f64 = 0.2;

/// One value of a dimension, as it was counted.
#[derive(Clone, Debug)]
pub struct Share {
    /// `unit`, `version`, …
    pub dimension: &'static str,
    /// Its value; an empty one is no suspect.
    pub value: String,
    /// Failures there.
    pub failures: u64,
    /// Calls there; `None` for what only failures have, such as the type of the error.
    pub calls: Option<u64>,
    /// ok / (ok + failures) there.
    pub success_rate: Option<f64>,
}

/// The second value of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Also {
    /// `unit`, `version`, `zone` or `served_by`.
    pub dimension: &'static str,
    /// Its value.
    pub value: String,
}

/// One value that failures gather at, or a pair of them.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Explanation {
    /// `unit`, `version`, `zone`, `instance`, `layer`, `served_by` or `error_type`.
    pub dimension: &'static str,
    /// Its value.
    pub value: String,
    /// The second value of a pair: both hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub also: Option<Also>,
    /// Failures there.
    pub failures: u64,
    /// Its share of all failures, 0 to 1.
    pub failures_share: f64,
    /// Its share of all calls, 0 to 1; null for what only failures have.
    pub calls_share: Option<f64>,
    /// ok / (ok + failures) there.
    pub success_rate: Option<f64>,
}

/// Ranks by how far the share of the failures is above the share of the calls. Of two that say the
/// same, the one named first stays first, so callers name the wider dimension first. What only
/// failures have comes last: it says what happens, not where.
pub fn rank(shares: impl Iterator<Item = Share>, failures: u64, calls: u64) -> Vec<Explanation> {
    if failures < FAILURES_MIN {
        return Vec::new();
    }
    let mut ranked: Vec<(f64, Explanation)> = shares
        .filter(|share| !share.value.is_empty())
        .filter_map(|share| {
            let failures_share = share.failures as f64 / failures as f64;
            let calls_share = share.calls.map(|own| own as f64 / calls.max(1) as f64);
            // Whole percents: two that name the same calls may be counted a moment apart.
            let excess =
                calls_share.map_or(0.0, |own| ((failures_share - own) * 100.0).round() / 100.0);
            let tells = calls_share.is_none() || excess >= EXCESS_MIN;
            (failures_share >= FAILURES_SHARE_MIN && tells).then_some((
                excess,
                Explanation {
                    dimension: share.dimension,
                    value: share.value,
                    also: None,
                    failures: share.failures,
                    failures_share,
                    calls_share,
                    success_rate: share.success_rate,
                },
            ))
        })
        .collect();
    ranked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    ranked
        .into_iter()
        .map(|(_, explanation)| explanation)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(dimension: &'static str, value: &str, failures: u64, calls: Option<u64>) -> Share {
        Share {
            dimension,
            value: value.to_owned(),
            failures,
            calls,
            success_rate: None,
        }
    }

    #[test]
    fn what_has_more_failures_than_traffic_explains_them() {
        let shares = [
            share("unit", "a", 1, Some(500)),
            share("unit", "b", 99, Some(500)),
            // Everything is version 7, so it explains nothing.
            share("version", "7", 100, Some(1_000)),
            share("instance", "pod-3", 99, Some(250)),
            share("error_type", "Timeout", 80, None),
            share("zone", "", 100, Some(10)),
        ];
        let ranked = rank(shares.into_iter(), 100, 1_000);
        let named: Vec<_> = ranked
            .iter()
            .map(|found| (found.dimension, found.value.as_str()))
            .collect();
        assert_eq!(
            named,
            [
                ("instance", "pod-3"),
                ("unit", "b"),
                ("error_type", "Timeout")
            ]
        );
        assert!((ranked[1].failures_share - 0.99).abs() < 1e-9);
        assert_eq!(ranked[1].calls_share, Some(0.5));
    }

    #[test]
    fn a_few_failures_and_even_ones_explain_nothing() {
        let one = || [share("unit", "b", 4, Some(10))].into_iter();
        assert!(rank(one(), 4, 100).is_empty());
        let even = [
            share("unit", "a", 50, Some(500)),
            share("unit", "b", 50, Some(500)),
        ];
        assert!(rank(even.into_iter(), 100, 1_000).is_empty());
    }
}
