//! Earlier days and the last hours as tables that a tick only looks up. Filled once a minute, for
//! all rules together.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use model::{Timestamp, Traffic};
use store::Store;

use crate::baseline::{Exclusions, History, MinuteRow, RecentCalls, SeriesName};
use crate::condition::{Condition, Side};
use crate::engine::Episode;
use crate::events;
use crate::rule::{NoData, Rule};
use crate::windows::{Against, Baselines, EvaluationError, Recent, Recents, Select};

/// How far back a refresh reads again: rows of a minute arrive for a while after it.
const READ_AGAIN: Duration = Duration::from_mins(3);
/// The last hours are read in pieces of this length.
const PIECE: Duration = Duration::from_mins(30);

/// What ticks look up. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    ready: Arc<RwLock<Arc<Ready>>>,
    filling: Arc<Mutex<Filling>>,
    /// Whether minutes that are not over yet are left out: in a replay the table knows how they ended.
    whole_minutes: bool,
}

#[derive(Default)]
struct Ready {
    baselines: HashMap<(Select, Against), Baselines>,
    recents: HashMap<Select, Recents>,
    failure: Option<String>,
}

#[derive(Default)]
struct Filling {
    history: History,
    recents: RecentCalls,
    episodes: Vec<Episode>,
    names: HashSet<Arc<SeriesName>>,
    recents_until: Option<Timestamp>,
}

/// What the rules in force ask for.
struct Asked {
    baselines: HashSet<(Select, Against)>,
    recents: HashSet<Select>,
}

impl Tables {
    /// Tables that are filled as of instants in the past and never know what came after them.
    pub(crate) fn of_the_past() -> Self {
        Tables {
            whole_minutes: true,
            ..Tables::default()
        }
    }

    pub(crate) fn baseline(
        &self,
        select: &Select,
        against: &Against,
    ) -> Result<Baselines, EvaluationError> {
        let ready = self.current();
        ready
            .baselines
            .get(&(select.clone(), against.clone()))
            .cloned()
            .ok_or_else(|| ready.why())
    }

    pub(crate) fn recent(&self, select: &Select) -> Result<Recents, EvaluationError> {
        let ready = self.current();
        ready
            .recents
            .get(select)
            .cloned()
            .ok_or_else(|| ready.why())
    }

    /// Remembers episodes that ended, so that their time is no baseline.
    pub(crate) fn remember(&self, episodes: Vec<Episode>) {
        if !episodes.is_empty() {
            self.filling().episodes.extend(episodes);
        }
    }

    /// Reads what is missing and computes the tables anew.
    pub(crate) async fn refresh(
        &self,
        store: &Store,
        rules: &[Arc<Rule>],
        rushes: Vec<(Timestamp, Timestamp)>,
        now: Timestamp,
    ) {
        let asked = Asked::by(rules);
        let failure = self.fetch(store, &asked, now).await.err();
        if let Some(why) = &failure {
            events::history_failed(why);
        }
        let tables = self.clone();
        let computed = tokio::task::spawn_blocking(move || {
            tables.compute(&asked, &rushes, failure, now);
        });
        if let Err(error) = computed.await {
            events::tick_broken(&error.to_string());
        }
    }

    async fn fetch(&self, store: &Store, asked: &Asked, now: Timestamp) -> Result<(), String> {
        let against: Vec<Against> = asked.baselines.iter().map(|(_, a)| a.clone()).collect();
        let wanted = self.filling().history.wanted(&against, now);
        for range in wanted {
            let rows = self.read(store, &range, now).await?;
            self.filling().history.insert(range, rows);
        }
        if !asked.recents.is_empty() {
            self.fetch_recents(store, now).await?;
        }
        let filling = self.filling();
        if filling.history.is_full() {
            return Err(format!(
                "minutes of earlier days do not fit into {} rows; compare with fewer days or functions",
                History::ROWS_MAX
            ));
        }
        if filling.recents.refused() > 0 {
            return Err(format!(
                "more than {} series had calls in the last hours",
                RecentCalls::SERIES_MAX
            ));
        }
        Ok(())
    }

    async fn fetch_recents(&self, store: &Store, now: Timestamp) -> Result<(), String> {
        let known_until = self.filling().recents_until;
        let oldest = now - Recent::MEMORY;
        let mut from = known_until.map_or(oldest, |until| (until - READ_AGAIN).max(oldest));
        // A clock that was set back reads its last hours again.
        if from > now {
            from = oldest;
        }
        while from < now {
            let to = (from + PIECE).min(now + Duration::from_mins(1));
            let range = minute(from)..minute(to) + 1;
            let rows = self.read(store, &range, now).await?;
            let mut filling = self.filling();
            filling.recents.insert(rows);
            filling.recents_until = Some(to.min(now));
            from = to;
        }
        self.filling().recents.forget(now);
        Ok(())
    }

    async fn read(
        &self,
        store: &Store,
        range: &Range<i64>,
        now: Timestamp,
    ) -> Result<Vec<MinuteRow>, String> {
        let end = if self.whole_minutes {
            range.end.min(minute(now))
        } else {
            range.end
        };
        if end <= range.start {
            return Ok(Vec::new());
        }
        let (from, to) = (range.start * 60, end * 60);
        let asked = store.minutes(Timestamp::from_seconds(from), Timestamp::from_seconds(to));
        // A query's future is large; here it is one per minute and may live on the heap.
        let found = Box::pin(asked)
            .await
            .map_err(|error| crate::driver::chain(&error))?;
        let mut filling = self.filling();
        Ok(found
            .into_iter()
            .filter(|(key, _, _)| key.traffic == Traffic::Live)
            .map(|(key, minute, counts)| MinuteRow {
                series: filling.name(SeriesName {
                    namespace: key.namespace,
                    function: key.function,
                    unit: key.unit,
                    version: key.version,
                    zone: key.zone,
                }),
                minute,
                calls: counts.weighted,
            })
            .collect())
    }

    fn compute(
        &self,
        asked: &Asked,
        rushes: &[(Timestamp, Timestamp)],
        failure: Option<String>,
        now: Timestamp,
    ) {
        let mut filling = self.filling();
        let mut exclusions = Exclusions::default();
        for (from, to) in rushes {
            exclusions.add(None, *from, *to);
        }
        for episode in &filling.episodes {
            exclusions.add(episode.function.clone(), episode.from, episode.to);
        }
        let surplus = filling.episodes.len().saturating_sub(Exclusions::COUNT_MAX);
        filling.episodes.drain(..surplus);
        // Names that only this set still holds belong to nobody.
        filling.names.retain(|name| Arc::strong_count(name) > 1);
        let ready = Ready {
            baselines: asked
                .baselines
                .iter()
                .map(|(select, against)| {
                    let rates = filling.history.lag_rates(select, against, &exclusions, now);
                    ((select.clone(), against.clone()), Arc::new(rates))
                })
                .collect(),
            recents: asked
                .recents
                .iter()
                .map(|select| (select.clone(), Arc::new(filling.recents.groups(select))))
                .collect(),
            failure,
        };
        drop(filling);
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ready);
    }

    fn current(&self) -> Arc<Ready> {
        Arc::clone(&self.ready.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn filling(&self) -> std::sync::MutexGuard<'_, Filling> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    fn why(&self) -> EvaluationError {
        self.failure
            .clone()
            .map_or(EvaluationError::HistoryUnread, EvaluationError::History)
    }
}

impl Filling {
    /// One copy of each name, however many minutes it stands in.
    fn name(&mut self, name: SeriesName) -> Arc<SeriesName> {
        if let Some(known) = self.names.get(&name) {
            return Arc::clone(known);
        }
        let name = Arc::new(name);
        self.names.insert(Arc::clone(&name));
        name
    }
}

impl Asked {
    fn by(rules: &[Arc<Rule>]) -> Asked {
        let mut asked = Asked {
            baselines: HashSet::new(),
            recents: HashSet::new(),
        };
        for rule in rules {
            for settings in rule.all_settings() {
                match &settings.condition {
                    Condition::QpsDrop(condition) => {
                        asked
                            .baselines
                            .insert((rule.select.clone(), condition.against.clone()));
                    }
                    Condition::FallsEarly(condition) => {
                        asked
                            .baselines
                            .insert((rule.select.clone(), condition.against.clone()));
                    }
                    Condition::Absent(_) => {
                        asked.recents.insert(rule.select.clone());
                    }
                    Condition::QpsLevel(condition) if condition.side == Side::Below => {
                        asked.recents.insert(rule.select.clone());
                    }
                    _ => {}
                }
                if settings.no_data == NoData::Alert {
                    asked.recents.insert(rule.select.clone());
                }
            }
        }
        asked
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_seconds().div_euclid(60)
}

#[cfg(test)]
mod tests;
