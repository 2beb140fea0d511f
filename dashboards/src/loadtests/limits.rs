//! What each function's pods carry and are held to, for people and for Sentinel.

use model::{FunctionId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::LoadTests;
use super::book::{Limits, Tested};

/// Every function that was tested or has limits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LimitsList)]
pub(crate) struct List {
    /// In order of function.
    pub(crate) limits: Vec<FunctionLimits>,
    /// The moment these are of.
    pub(crate) as_of: Timestamp,
}

/// What one function's pods carry, and the limits that follow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionLimits {
    /// `namespace/name`.
    pub(crate) function: String,
    /// The version that was tested.
    pub(crate) version: Option<String>,
    /// The digest of the image that was tested.
    pub(crate) digest: Option<String>,
    /// Calls per second that one pod carries.
    pub(crate) qps_per_pod: Option<f64>,
    /// Calls at once that one pod carries.
    pub(crate) concurrency_per_pod: Option<u64>,
    /// Instances that answered live calls within a minute; null when records name none.
    pub(crate) live_pods: Option<u64>,
    /// Calls per second that those carry together.
    pub(crate) qps_total: Option<f64>,
    /// When the test ended.
    pub(crate) measured_at: Option<Timestamp>,
    /// `Confirmed` or `AtLeast`.
    pub(crate) verdict: Option<String>,
    /// The test.
    pub(crate) loadtest: Option<String>,
    /// Whether the capacity is of another build than the one that runs; rules do not use it then.
    pub(crate) stale: bool,
    /// Why it is stale, or why there is no capacity.
    pub(crate) why: Option<String>,
    /// The limits in force.
    pub(crate) published: Option<PodLimits>,
    /// Limits that wait for `POST /api/v1/limits/{namespace}/{function}/approve`.
    pub(crate) pending: Option<PodLimits>,
}

/// Limits for one pod.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct PodLimits {
    /// Calls per second.
    pub(crate) qps: f64,
    /// Calls at once.
    pub(crate) concurrency: Option<u64>,
    /// The test they follow from.
    pub(crate) loadtest: String,
    /// The version that was tested.
    pub(crate) version: Option<String>,
    /// The digest of the image that was tested.
    pub(crate) digest: Option<String>,
    /// When they were proposed, or taken.
    pub(crate) at: Timestamp,
    /// Who proposed or took them.
    pub(crate) by: String,
}

/// A flow rule as Sentinel reads it.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlowRule {
    /// `namespace/name` of the function.
    pub(crate) resource: String,
    /// Whose calls: `default` is everybody's.
    pub(crate) limit_app: &'static str,
    /// What is counted: 1 calls per second, 0 calls at once.
    pub(crate) grade: u8,
    /// The most of them.
    pub(crate) count: f64,
    /// 0: by the resource itself.
    pub(crate) strategy: u8,
    /// 0: refuse at once.
    pub(crate) control_behavior: u8,
    /// The limits are one pod's own, not a cluster's.
    pub(crate) cluster_mode: bool,
}

impl LoadTests {
    /// Every function that was tested or has limits.
    pub(super) fn list(&self) -> List {
        let tested: Vec<(FunctionId, Tested)> = self
            .shared
            .book()
            .all()
            .map(|(function, tested)| (function.clone(), tested.clone()))
            .collect();
        let limits = tested.iter();
        List {
            limits: limits
                .map(|(function, tested)| self.limits_of(function, tested))
                .filter(FunctionLimits::says_something)
                .collect(),
            as_of: self.shared.clock.now(),
        }
    }

    /// One function's; `None` when nothing is known of it.
    pub(super) fn limits(&self, function: &FunctionId) -> Option<FunctionLimits> {
        let tested = self.shared.book().get(function).cloned()?;
        Some(self.limits_of(function, &tested))
    }

    fn limits_of(&self, function: &FunctionId, tested: &Tested) -> FunctionLimits {
        let production = &self.shared.production;
        let chosen = tested.capacity(&production.of(function));
        let test = chosen.as_ref().map(|chosen| chosen.test);
        let live_pods = production.pods(function);
        let qps_per_pod = test.and_then(|test| test.per_pod);
        let total = |per_pod: f64| Some(per_pod * live_pods? as f64);
        let unplannable = tested.unplannable();
        let stale = chosen.as_ref().and_then(|chosen| chosen.stale.clone());
        FunctionLimits {
            function: function.to_string(),
            version: test.and_then(|test| test.version.clone()),
            digest: test.and_then(|test| test.digest.clone()),
            qps_per_pod,
            concurrency_per_pod: test.and_then(|test| test.concurrency),
            live_pods,
            qps_total: qps_per_pod.and_then(total),
            measured_at: test.map(|test| test.ts),
            verdict: test.map(|test| test.verdict.clone()),
            loadtest: test.map(|test| test.id.clone()),
            stale: stale.is_some(),
            why: stale
                .or_else(|| unplannable.map(|v| format!("the newest capacity test came out {v}"))),
            published: tested.published.as_ref().map(PodLimits::of),
            pending: tested.pending.as_ref().map(PodLimits::of),
        }
    }

    /// The limits in force as flow rules.
    pub(super) fn flow_rules(&self) -> Vec<FlowRule> {
        let book = self.shared.book();
        let in_force = book
            .all()
            .filter_map(|(function, tested)| Some((function, tested.published.as_ref()?)));
        in_force
            .flat_map(|(function, limits)| {
                let rule = |grade: u8, count: f64| FlowRule {
                    resource: function.to_string(),
                    limit_app: "default",
                    grade,
                    count: cut(count),
                    strategy: 0,
                    control_behavior: 0,
                    cluster_mode: false,
                };
                let at_once = limits.concurrency.map(|count| rule(0, count as f64));
                std::iter::once(rule(1, limits.qps)).chain(at_once)
            })
            .collect()
    }
}

/// To a tenth, downwards: a measured rate is never that exact, and a limit must not lie above it. What is
/// below a tenth stays, because 0 would let nothing through.
fn cut(count: f64) -> f64 {
    // The small addition undoes the binary fraction of figures such as 1.1.
    let tenths = (count * 10.0 + 1e-6).floor();
    if tenths > 0.0 { tenths / 10.0 } else { count }
}

impl FunctionLimits {
    /// A function whose runs alone were kept has nothing to show here.
    fn says_something(&self) -> bool {
        self.loadtest.is_some()
            || self.why.is_some()
            || self.published.is_some()
            || self.pending.is_some()
    }
}

impl PodLimits {
    fn of(limits: &Limits) -> PodLimits {
        PodLimits {
            qps: limits.qps,
            concurrency: limits.concurrency,
            loadtest: limits.of.clone(),
            version: limits.build.version.clone(),
            digest: limits.build.digest.clone(),
            at: limits.at,
            by: limits.by.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn counts_are_cut_to_a_tenth() {
        for (count, expected) in [
            (253.810_191_438_346_66, 253.8),
            (253.89, 253.8),
            (300.0, 300.0),
            (1.1, 1.1),
            (8.2, 8.2),
            (0.04, 0.04),
        ] {
            assert!(
                (cut(count) - expected).abs() < 1e-12,
                "{count}: {}",
                cut(count)
            );
        }
        assert_eq!(cut(253.810_191_438_346_66).to_string(), "253.8");
    }
}
