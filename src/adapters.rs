//! Where siblings meet: what one room needs of another, put through as the small trait it asked for.

use std::time::Duration;

use alerting::chart::Fetching;
use alerting::{Curves, Handle, Panel};
use collector::Collector;
use model::{Alert, FunctionId, Timestamp, Traffic};
use store::Store;

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

/// Alerting draws its pictures from the counts per minute.
pub struct PerMinute(pub Store);

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

impl alerting::ChartSource for PerMinute {
    fn curves<'a>(&'a self, function: &'a str, from: Timestamp, to: Timestamp) -> Fetching<'a> {
        Box::pin(async move {
            let id: FunctionId = function.parse().ok()?;
            let (from, to) = (from.floor_to(MINUTE), to.floor_to(MINUTE));
            let now = self.minutes(&id, from, to).await?;
            // What is not kept any more is a curve less, not a picture less.
            let before = async |back| self.minutes(&id, from - back, to - back).await;
            let yesterday = before(DAY).await.unwrap_or_default();
            let last_week = before(DAY * 7).await.unwrap_or_default();
            let panel = |name: &str, is_share, of: fn(&store::Counts) -> Option<f64>| {
                let values = |counts: &[store::Counts]| counts.iter().map(of).collect();
                Panel {
                    name: name.to_owned(),
                    is_share,
                    now: values(&now),
                    yesterday: values(&yesterday),
                    last_week: values(&last_week),
                }
            };
            Some(Curves {
                title: function.to_owned(),
                from,
                to,
                panels: vec![
                    panel("calls per second", false, |counts| {
                        Some(counts.weighted as f64 / MINUTE.as_secs_f64())
                    }),
                    panel("success rate", true, store::Counts::success_rate),
                ],
            })
        })
    }
}

impl PerMinute {
    /// The live calls of a function in every minute of a stretch; `None` when it had none at all.
    async fn minutes(
        &self,
        id: &FunctionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Vec<store::Counts>> {
        let rows = self.0.minutes_of(id, from, to).await.ok()?;
        let first = from.as_seconds() / 60;
        let length = usize::try_from(to.as_seconds() / 60 - first).ok()?;
        let mut minutes = vec![store::Counts::default(); length];
        let mut any = false;
        for (key, minute, counts) in rows {
            if key.traffic != Traffic::Live {
                continue;
            }
            let index = usize::try_from(minute - first).ok();
            if let Some(sum) = index.and_then(|index| minutes.get_mut(index)) {
                sum.merge(&counts);
                any = true;
            }
        }
        any.then_some(minutes)
    }
}
