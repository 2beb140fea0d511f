//! Where siblings meet: what one room needs of another, put through as the small trait it asked for.

use alerting::Handle;
use collector::Collector;
use model::{Alert, FunctionId, Timestamp};

/// Rules hand their alerts to alerting through this.
pub struct ToAlerting(pub Handle);

impl rules::AlertSink for ToAlerting {
    fn deliver(&self, alerts: Vec<Alert>) -> rules::Delivery<'_> {
        Box::pin(async move {
            self.0
                .receive(alerts)
                .await
                .map_err(|error| error.to_string())
        })
    }
}

/// Rules learn from load tests what a pod carries.
pub struct Tested(pub dashboards::LoadTests);

impl rules::CapacitySource for Tested {
    fn capacity(&self, function: &FunctionId) -> rules::Capacity {
        match self.0.capacity(function) {
            dashboards::PodCapacity::PerPod(qps) => rules::Capacity::PerPod(qps),
            dashboards::PodCapacity::Untested => rules::Capacity::Untested,
            dashboards::PodCapacity::Unusable(why) => rules::Capacity::Unusable { why: why.into() },
        }
    }
}

/// Rules learn from the collector how much of a window has arrived.
pub struct CollectorSight(pub Collector);

impl rules::Sight for CollectorSight {
    fn completeness(
        &self,
        function: Option<&FunctionId>,
        from: Timestamp,
        to: Timestamp,
    ) -> rules::Completeness {
        let seen = self.0.completeness(function, from, to);
        match seen.known {
            Some(share) => rules::Completeness::Known(share),
            None => rules::Completeness::Unknown { why: seen.why },
        }
    }
}
