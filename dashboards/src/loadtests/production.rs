//! What runs in production: the version and image that most live calls are answered by, and how many
//! pods answer them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, Weak};
use std::time::Duration;

use model::{FunctionId, SharedClock, Timestamp};
use serde_json::Value;
use store::{Dimension, QueryLimits, Selection, Store};

use super::build::InProduction;
use super::{Shared, instant, literal};

/// The calls that tell which version runs.
const LOOK_BACK: Duration = Duration::from_mins(5);
/// An instance that answered within this time lives.
const ALIVE: Duration = Duration::from_mins(1);
/// How often records are asked which image answered them.
const EVERY: Duration = Duration::from_mins(1);
/// The functions that one query asks about; a query's text is bounded.
const FUNCTIONS_A_QUERY: usize = 100;
/// What such a query may take.
const LIMITS: QueryLimits = QueryLimits {
    rows_max: 10_000,
    deadline: Duration::from_secs(20),
};

/// Looks at production calls.
pub(super) struct Production {
    store: Store,
    clock: SharedClock,
    digests: RwLock<HashMap<FunctionId, String>>,
}

impl Production {
    pub(super) fn new(store: Store, clock: SharedClock) -> Production {
        Production {
            store,
            clock,
            digests: RwLock::default(),
        }
    }

    /// The build that most live calls of the last minutes were answered by.
    pub(super) fn of(&self, function: &FunctionId) -> InProduction {
        let now = self.clock.now();
        let (from, to) = ((now - LOOK_BACK).as_seconds(), now.as_seconds() + 1);
        let select = Selection::function(function.clone());
        let by = [Dimension::Version];
        let counts = self.store.rollups().sum(&select, &by, from, to);
        let most = counts
            .into_iter()
            .filter(|(_, counts)| !counts.is_zero())
            .max_by_key(|(_, counts)| counts.weighted);
        let version = most.and_then(|(group, _)| group.get(Dimension::Version).map(str::to_owned));
        let digests = self.digests.read().unwrap_or_else(PoisonError::into_inner);
        InProduction {
            version: version.filter(|version| !version.is_empty()),
            digest: digests.get(function).cloned(),
        }
    }

    /// Distinct instances that answered live calls within a minute; `None` when none is named.
    pub(super) fn pods(&self, function: &FunctionId) -> Option<u64> {
        let from = (self.clock.now() - ALIVE).as_seconds() + 1;
        let seen = self.store.rollups().instances(function, from);
        (seen > 0).then_some(seen)
    }

    /// Reads which images answered calls of these functions. What is silent keeps what was read last.
    async fn refresh(&self, functions: &[FunctionId]) {
        let since = self.clock.now() - 2 * EVERY;
        for some in functions.chunks(FUNCTIONS_A_QUERY) {
            match self.read(some, since).await {
                Ok(read) => self
                    .digests
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(read),
                Err(why) => tracing::warn!(why, "images in production could not be read"),
            }
        }
    }

    /// Reads the image of one function at once.
    #[cfg(test)]
    pub(super) async fn refresh_now(&self, function: &FunctionId) {
        self.refresh(std::slice::from_ref(function)).await;
    }

    async fn read(
        &self,
        functions: &[FunctionId],
        since: Timestamp,
    ) -> Result<BTreeMap<FunctionId, String>, String> {
        let ids: Vec<String> = functions
            .iter()
            .map(|function| literal(&function.to_string()))
            .collect();
        let sql = format!(
            "SELECT namespace, function, coalesce(attrs['image_digest'], attrs['digest']) AS digest, \
             count(*) AS calls FROM invocations WHERE ts >= {} AND traffic = 'live' \
             AND function_id IN ({}) GROUP BY 1, 2, 3 ORDER BY calls",
            instant(since),
            ids.join(", ")
        );
        let answer = Box::pin(self.store.query(&sql, &LIMITS)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let rows = answer.to_json_rows();
        let read = rows.iter().filter_map(|row| {
            let text = |at: usize| row.get(at).and_then(Value::as_str).map(str::to_owned);
            let id = FunctionId {
                namespace: text(0)?,
                name: text(1)?,
            };
            Some((id, text(2)?))
        });
        // The image with the most calls comes last and stays.
        Ok(read.collect())
    }
}

/// Looks again and again, until nobody holds the load tests any more.
pub(super) async fn watch(shared: Weak<Shared>) {
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let asked: Vec<FunctionId> = shared
            .book()
            .all()
            .filter(|(_, tested)| tested.has_digest())
            .map(|(function, _)| function.clone())
            .collect();
        if !asked.is_empty() {
            shared.production.refresh(&asked).await;
        }
        drop(shared);
        tokio::time::sleep(EVERY).await;
    }
}
