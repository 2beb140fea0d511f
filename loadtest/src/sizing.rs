//! From a measured pod to a number of pods and flow limits.

use std::time::Duration;

use model::Ratio;
use serde::{Deserialize, Serialize};

use crate::plan::Publish;
use crate::result::{LimitsPublish, Verdict};

/// The sale to be survived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Expected peak, calls per second over all pods.
    pub peak: f64,
    /// Growth on top of it.
    pub growth: Ratio,
    /// Share of a pod's capacity to be used at peak.
    pub utilisation: Ratio,
    /// Data centres the pods are spread over.
    pub zones: u32,
    /// How many of them may be lost.
    pub zones_lost: u32,
    /// Pods on top.
    pub spare: u32,
}

/// Pods in all and in each zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pods {
    /// In every zone.
    pub per_zone: u64,
    /// In all zones together.
    pub total: u64,
}

/// Limits for one pod.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Calls per second.
    pub qps: f64,
    /// Calls at once.
    pub concurrency: u64,
}

impl Plan {
    /// Pods needed when one pod carries `capacity` calls per second:
    /// `ceil(peak · (1 + growth) / (capacity · utilisation)) + spare`, spread so that the zones left
    /// after the loss still hold that many. `None` when the numbers plan nothing (no capacity, no
    /// utilisation, or as many zones lost as there are).
    pub fn pods(&self, capacity: f64) -> Option<Pods> {
        let usable = capacity * self.utilisation.get();
        let surviving = u64::from(self.zones.checked_sub(self.zones_lost)?);
        if !(usable.is_finite() && usable > 0.0)
            || surviving == 0
            || !(self.peak.is_finite() && self.peak >= 0.0)
        {
            return None;
        }
        let needed =
            (self.peak * (1.0 + self.growth.get()) / usable).ceil() as u64 + u64::from(self.spare);
        let per_zone = needed.div_ceil(surviving);
        Some(Pods {
            per_zone,
            total: per_zone * u64::from(self.zones),
        })
    }
}

/// On top of the calls in flight that Little's law gives: they are a mean.
const CONCURRENCY_FACTOR: f64 = 1.2;

/// Limits from a measured capacity: the rate itself, and by Little's law (L = λ·W) the calls in
/// flight at that rate and mean latency, with a fifth on top.
pub fn limits(capacity: f64, mean_latency: Duration) -> Limits {
    let in_flight = capacity * mean_latency.as_secs_f64() * CONCURRENCY_FACTOR;
    Limits {
        qps: capacity,
        concurrency: (in_flight.ceil() as u64).max(1),
    }
}

/// Whether new limits are taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// At once.
    Now(String),
    /// A person is to confirm.
    Ask(String),
    /// Not at all.
    No(String),
}

impl Limits {
    /// The largest change of the two against earlier limits, as a share of those: 0.3 is 30 %, up or down.
    /// Infinite when an earlier limit was zero.
    pub fn change_from(&self, earlier: &Limits) -> f64 {
        let change = |new: f64, old: f64| {
            let apart = (new - old).abs();
            if apart > 0.0 { apart / old } else { 0.0 }
        };
        let concurrency = change(self.concurrency as f64, earlier.concurrency as f64);
        change(self.qps, earlier.qps).max(concurrency)
    }

    /// Whether these may take the place of the limits in force. Limits that were confirmed by every search
    /// and change little need nobody's word under `publish: auto`; a rate that the target held at least
    /// would limit it below what it can do, so a person decides.
    pub fn publication(
        &self,
        wanted: LimitsPublish,
        verdict: &Verdict,
        in_force: Option<&Limits>,
    ) -> Publication {
        match (wanted.publish, verdict) {
            (Publish::Never, _) => Publication::No("the plan says `publish: never`".to_owned()),
            (_, Verdict::Noisy { why, .. } | Verdict::Invalid { why }) => Publication::No(format!(
                "the result allows no planning, so no limits follow from it: {why}"
            )),
            (Publish::Ask, _) => Publication::Ask("the plan says `publish: ask`".to_owned()),
            (Publish::Auto, Verdict::AtLeast { why, .. }) => Publication::Ask(format!(
                "the capacity is a lower bound, which only a person takes as a limit: {why}"
            )),
            (Publish::Auto, Verdict::Confirmed { .. }) => match in_force {
                None => Publication::Ask(
                    "no limits are in force yet, so the first are a person's to take".to_owned(),
                ),
                Some(earlier) => self.as_far_as(wanted.max_change, earlier),
            },
        }
    }

    fn as_far_as(&self, change_max: f64, earlier: &Limits) -> Publication {
        let change = self.change_from(earlier);
        let differ = if change.is_finite() {
            format!("they differ by {:.0} % from those in force", change * 100.0)
        } else {
            "one of those in force is 0".to_owned()
        };
        if change <= change_max {
            Publication::Now(differ)
        } else {
            let allowed = change_max * 100.0;
            Publication::Ask(format!(
                "{differ}, {allowed:.0} % is allowed without asking"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(percent: f64) -> Ratio {
        Ratio::new(percent / 100.0).unwrap()
    }

    #[test]
    fn a_lost_zone_is_carried_by_the_others() {
        let plan = Plan {
            peak: 12_000.0,
            growth: ratio(30.0),
            utilisation: ratio(70.0),
            zones: 3,
            zones_lost: 1,
            spare: 2,
        };
        // 12 000 · 1.3 / (300 · 0.7) = 74.3 → 75, + 2 spare = 77 in the two zones left → 39 each.
        assert_eq!(
            plan.pods(300.0),
            Some(Pods {
                per_zone: 39,
                total: 117
            })
        );
        assert_eq!(plan.pods(0.0), None);
        assert_eq!(
            Plan {
                zones_lost: 3,
                ..plan
            }
            .pods(300.0),
            None
        );
        assert_eq!(
            Plan {
                zones_lost: 4,
                ..plan
            }
            .pods(300.0),
            None
        );
    }

    #[test]
    fn limits_follow_littles_law() {
        let limits = limits(300.0, Duration::from_millis(40));
        assert_eq!((limits.qps, limits.concurrency), (300.0, 15));
    }

    #[test]
    fn a_small_sale_still_has_its_pods_in_every_zone_that_may_be_left() {
        let plan = Plan {
            peak: 0.0,
            growth: ratio(0.0),
            utilisation: ratio(100.0),
            zones: 3,
            zones_lost: 0,
            spare: 0,
        };
        // (peak, zones, lost, spare) → (per zone, total)
        for ((peak, zones, lost, spare), (per_zone, total)) in [
            ((0.0, 3, 0, 0), (0, 0)),
            ((300.0, 1, 0, 0), (1, 1)),
            ((301.0, 1, 0, 0), (2, 2)),
            ((300.0, 3, 2, 0), (1, 3)),
            ((900.0, 3, 2, 1), (4, 12)),
            ((900.0, 3, 0, 1), (2, 6)),
        ] {
            let plan = Plan {
                peak,
                zones,
                zones_lost: lost,
                spare,
                ..plan
            };
            assert_eq!(plan.pods(300.0), Some(Pods { per_zone, total }), "{plan:?}");
        }
        assert_eq!(plan.pods(f64::NAN), None);
    }

    #[test]
    fn only_sure_limits_that_change_little_need_no_word() {
        let limits = |qps, concurrency| Limits { qps, concurrency };
        let wanted = |publish| LimitsPublish {
            publish,
            max_change: 0.3,
        };
        let confirmed = Verdict::Confirmed {
            low: 300.0,
            high: 306.0,
        };
        let at_least = Verdict::AtLeast {
            low: 300.0,
            why: "the generator".to_owned(),
        };
        let noisy = Verdict::Noisy {
            low: 200.0,
            high: 300.0,
            why: "spread".to_owned(),
        };
        let new = limits(300.0, 15);
        assert!((new.change_from(&limits(300.0, 12)) - 0.25).abs() < 1e-12);
        assert!(new.change_from(&limits(0.0, 15)).is_infinite());
        for (publish, verdict, in_force, expected) in [
            (
                Publish::Auto,
                &confirmed,
                Some(limits(250.0, 14)),
                "now: they differ by 20 % from those in force",
            ),
            (
                Publish::Auto,
                &confirmed,
                Some(limits(200.0, 15)),
                "ask: they differ by 50 % from those in force, 30 % is allowed without asking",
            ),
            (
                Publish::Auto,
                &confirmed,
                Some(limits(300.0, 30)),
                "ask: they differ by 50 % from those in force",
            ),
            (
                Publish::Auto,
                &confirmed,
                Some(limits(0.0, 15)),
                "ask: one of those in force is 0, 30 %",
            ),
            (
                Publish::Auto,
                &confirmed,
                None,
                "ask: no limits are in force",
            ),
            (
                Publish::Auto,
                &at_least,
                Some(new),
                "ask: the capacity is a lower bound, which only a person takes as a limit: the generator",
            ),
            (
                Publish::Auto,
                &noisy,
                Some(new),
                "no: the result allows no planning, so no limits follow from it: spread",
            ),
            (
                Publish::Ask,
                &confirmed,
                Some(new),
                "ask: the plan says `publish: ask`",
            ),
            (
                Publish::Never,
                &confirmed,
                Some(new),
                "no: the plan says `publish: never`",
            ),
        ] {
            let got = match new.publication(wanted(publish), verdict, in_force.as_ref()) {
                Publication::Now(why) => format!("now: {why}"),
                Publication::Ask(why) => format!("ask: {why}"),
                Publication::No(why) => format!("no: {why}"),
            };
            assert!(got.starts_with(expected), "{got} is not {expected}");
        }
    }
}
