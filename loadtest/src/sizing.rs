//! From a measured pod to a number of pods and flow limits.

use std::time::Duration;

use model::Ratio;
use serde::{Deserialize, Serialize};

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

/// Limits from a measured capacity: the rate itself, and by Little's law (L = λ·W) the calls in
/// flight at that rate and mean latency, with a fifth on top.
pub fn limits(capacity: f64, mean_latency: Duration) -> Limits {
    let in_flight = capacity * mean_latency.as_secs_f64() * 1.2;
    Limits {
        qps: capacity,
        concurrency: (in_flight.ceil() as u64).max(1),
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
}
