//! How many calls each function had in the same stretch earlier. The past does not change, so what was
//! read of a minute is kept until the minute is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{FunctionId, Timestamp, Traffic};
use store::{QueryError, Store};
use tokio::sync::Mutex;

const MINUTE: Duration = Duration::from_mins(1);
/// The most different questions kept.
const KEPT_MAX: usize = 8;

/// Calls per second of every function in a stretch of whole minutes.
#[derive(Debug, Default)]
pub(crate) struct Past {
    qps: HashMap<FunctionId, f64>,
}

impl Past {
    /// One function's; `None` when it had no call then.
    pub(crate) fn qps(&self, id: &FunctionId) -> Option<f64> {
        self.qps.get(id).copied()
    }
}

/// What was read already. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pasts {
    kept: Arc<Mutex<Vec<Kept>>>,
}

type Kept = (Stretch, Arc<Past>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
}

impl Stretch {
    /// The whole minutes nearest to the `range` that ended `back` before now.
    fn of(range: Duration, back: Duration, now: Timestamp) -> Stretch {
        let to = (now - back).floor_to(MINUTE) + MINUTE;
        let minutes = u32::try_from(range.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
        Stretch {
            from: to - MINUTE * minutes,
            to,
        }
    }
}

impl Pasts {
    /// The `range` that ended `back` before `now`. Only one caller reads at a time; others wait for
    /// what it finds.
    pub(crate) async fn of(
        &self,
        store: &Store,
        range: Duration,
        back: Duration,
        now: Timestamp,
    ) -> Result<Arc<Past>, QueryError> {
        let stretch = Stretch::of(range, back, now);
        let mut kept = self.kept.lock().await;
        if let Some((_, past)) = kept.iter().find(|(own, _)| *own == stretch) {
            return Ok(Arc::clone(past));
        }
        let mut calls: HashMap<FunctionId, u64> = HashMap::new();
        for (key, _, counts) in store.minutes(stretch.from, stretch.to).await? {
            if key.traffic == Traffic::Live {
                *calls.entry(key.function_id()).or_default() += counts.weighted;
            }
        }
        let seconds = stretch.to.since(stretch.from).as_secs_f64();
        let qps = calls
            .into_iter()
            .map(|(id, calls)| (id, calls as f64 / seconds));
        let past = Arc::new(Past { qps: qps.collect() });
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push((stretch, Arc::clone(&past)));
        Ok(past)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_whole_minutes() {
        let now: Timestamp = "2026-11-11T12:00:30Z".parse().unwrap();
        let week = Duration::from_hours(7 * 24);
        let stretch = Stretch::of(Duration::from_mins(5), week, now);
        assert_eq!(stretch.from.to_string(), "2026-11-04T11:56:00.000Z");
        assert_eq!(stretch.to.to_string(), "2026-11-04T12:01:00.000Z");
        let short = Stretch::of(Duration::from_secs(10), week, now);
        assert_eq!(short.to.since(short.from), MINUTE);
    }
}
