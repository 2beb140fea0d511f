//! The engine with its ledger: what changed in a step is on disk before anybody is told.

use std::sync::Arc;
use std::time::Duration;

use model::{Alert, FunctionId, Mode, SharedClock, Timestamp};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, mpsc};

use crate::detection::Arrivals;
use crate::engine::{Change, Engine, Episode, LOOK_FUNCTIONS_MAX, RuleView};
use crate::events;
use crate::ledger::{Ledger, LedgerError};
use crate::releases::Releases;
use crate::rule::Rule;
use crate::set::RuleSet;
use crate::suspects;
use crate::windows::Windows;

/// What a step looks at.
pub(crate) type View = Arc<dyn Windows + Send + Sync>;

/// The most changes kept in memory while the database refuses them.
const UNWRITTEN_CHANGES_MAX: usize = 10_000;

/// How often memories of sequential tests are stored.
const MEMORIES_EVERY: Duration = Duration::from_secs(10);

/// Steps the engine, one step at a time.
pub(crate) struct Driver {
    work: Arc<Mutex<Work>>,
    ledger: Ledger,
    clock: SharedClock,
    /// Wakes the hand-over when alerts have been written.
    written: Arc<Notify>,
    /// Alerts that could not be written. Telling twice is better than not at all.
    urgent: mpsc::Sender<Alert>,
}

struct Work {
    engine: Engine,
    unwritten: Vec<Change>,
    /// When memories were last stored.
    memories_at: Timestamp,
}

impl Driver {
    /// Takes up where the stored phases ended.
    pub(crate) async fn open(
        set: &RuleSet,
        external_url: &str,
        ledger: Ledger,
        clock: SharedClock,
        written: Arc<Notify>,
        urgent: mpsc::Sender<Alert>,
    ) -> Result<Driver, LedgerError> {
        let now = clock.now();
        let mut engine = Engine::new(set, external_url);
        let closed = engine.restore(ledger.phases(now).await?, now);
        engine.recall(ledger.memories().await?, now);
        let driver = Driver {
            work: Arc::new(Mutex::new(Work {
                engine,
                unwritten: Vec::new(),
                memories_at: now,
            })),
            ledger,
            clock,
            written,
            urgent,
        };
        let mut work = Arc::clone(&driver.work).lock_owned().await;
        driver.keep(&mut work, closed, now).await;
        drop(work);
        Ok(driver)
    }

    /// Gives memories the last seconds before a restart again.
    pub(crate) async fn replay(&self, view: View) {
        let now = self.clock.now();
        let step = move |engine: &mut Engine, view: &dyn Windows| {
            engine.replay(view, now);
            vec![]
        };
        drop(self.step(view, step).await);
    }

    /// One tick over all due rules, after what has arrived since the last. Gives the episodes that
    /// ended.
    pub(crate) async fn tick(
        &self,
        view: View,
        mode: Mode,
        releases: Arc<Releases>,
        arrivals: Arrivals,
    ) -> Vec<Episode> {
        let now = self.clock.now();
        let began = self.clock.elapsed();
        let step = move |engine: &mut Engine, view: &dyn Windows| {
            engine.set_mode(mode);
            engine.set_releases(releases);
            engine.arrive(&arrivals, now);
            engine.tick(view, now)
        };
        let Some((mut work, mut changes)) = self.step(Arc::clone(&view), step).await else {
            return vec![];
        };
        self.name_suspects(view, &mut work, &mut changes, now).await;
        let (evaluated, unknown) = work.engine.last_counts();
        events::ticked(
            self.clock.elapsed().saturating_sub(began),
            evaluated,
            unknown,
            work.engine.firing(),
            work.engine.beyond_limit(),
        );
        let ended = self.keep(&mut work, changes, now).await;
        if now.since(work.memories_at) >= MEMORIES_EVERY || now < work.memories_at {
            work.memories_at = now;
            self.store_memories(&mut work, false, now).await;
        }
        ended
    }

    /// Stores everything that sequential tests remember.
    pub(crate) async fn store_all_memories(&self) {
        let mut work = Arc::clone(&self.work).lock_owned().await;
        self.store_memories(&mut work, true, self.clock.now()).await;
    }

    /// What was decided is on disk already; without this, only the evidence so far would be lost.
    async fn store_memories(&self, work: &mut Work, whole: bool, now: Timestamp) {
        let due = work.engine.memories_due(now, whole);
        if let Err(error) = self.ledger.write_memories(&due).await {
            events::write_failed(due.len(), &chain(&error));
        }
    }

    /// Takes in what has just been committed and looks at functions with failures in it.
    pub(crate) async fn look(&self, view: View, arrivals: Arrivals) -> Vec<Episode> {
        let now = self.clock.now();
        let functions = arrivals.failing(LOOK_FUNCTIONS_MAX);
        events::looked(functions.len());
        let step = move |engine: &mut Engine, view: &dyn Windows| {
            engine.arrive(&arrivals, now);
            engine.look(view, &functions, now)
        };
        let Some((mut work, mut changes)) = self.step(Arc::clone(&view), step).await else {
            return vec![];
        };
        self.name_suspects(view, &mut work, &mut changes, now).await;
        self.keep(&mut work, changes, now).await
    }

    /// Says beside alerts that begin what explains the failures. Alerts wait for it no longer than
    /// [`suspects::DEADLINE`].
    async fn name_suspects(
        &self,
        view: View,
        work: &mut Work,
        changes: &mut [Change],
        now: Timestamp,
    ) {
        let wanted = suspects::wanted(&work.engine, changes);
        if wanted.is_empty() {
            return;
        }
        let alerts = wanted.len();
        let looking = tokio::task::spawn_blocking(move || {
            let found = wanted.into_iter().filter_map(|wanted| {
                let found = wanted.find(&*view, now)?;
                Some((wanted, found))
            });
            found.collect::<Vec<_>>()
        });
        match tokio::time::timeout(suspects::DEADLINE, looking).await {
            Ok(Ok(found)) => {
                for (wanted, sentence) in found {
                    wanted.say(sentence, &mut work.engine, changes);
                }
            }
            Ok(Err(_)) | Err(_) => events::suspects_late(alerts),
        }
    }

    /// Replaces the rules; state carries over by name and labels.
    pub(crate) async fn reload(&self, set: RuleSet) {
        let now = self.clock.now();
        let mut work = Arc::clone(&self.work).lock_owned().await;
        let changes = work.engine.reload(&set, now);
        self.keep(&mut work, changes, now).await;
    }

    /// Where every rule stands.
    pub(crate) async fn overview(
        &self,
        view: View,
        function: Option<FunctionId>,
        label_sets_max: usize,
    ) -> (Vec<RuleView>, u64) {
        let now = self.clock.now();
        let work = Arc::clone(&self.work).lock_owned().await;
        tokio::task::spawn_blocking(move || {
            let rules = work
                .engine
                .overview(&*view, function.as_ref(), label_sets_max, now);
            (rules, work.engine.ticks_missed())
        })
        .await
        .unwrap_or_default()
    }

    /// The rules in force.
    pub(crate) async fn rules(&self) -> Vec<Arc<Rule>> {
        self.work.lock().await.engine.rules().cloned().collect()
    }

    /// Runs one step off the async threads. `None` when it broke off; the engine is still there.
    async fn step(
        &self,
        view: View,
        step: impl FnOnce(&mut Engine, &dyn Windows) -> Vec<Change> + Send + 'static,
    ) -> Option<(OwnedMutexGuard<Work>, Vec<Change>)> {
        let mut work = Arc::clone(&self.work).lock_owned().await;
        let stepped = tokio::task::spawn_blocking(move || {
            let changes = step(&mut work.engine, &*view);
            (work, changes)
        });
        match stepped.await {
            Ok(done) => Some(done),
            Err(error) => {
                events::tick_broken(&error.to_string());
                None
            }
        }
    }

    /// Writes what changed, together with what could not be written before.
    async fn keep(&self, work: &mut Work, changes: Vec<Change>, now: Timestamp) -> Vec<Episode> {
        let told: Vec<Alert> = changes.iter().filter_map(|c| c.tell.clone()).collect();
        let ended = changes.iter().filter_map(|c| c.ended.clone()).collect();
        for alert in &told {
            events::alert_changed(alert);
        }
        work.unwritten.extend(changes);
        if work.unwritten.is_empty() {
            return ended;
        }
        match self.ledger.write(&work.unwritten, now).await {
            Ok(()) => {
                let any = work.unwritten.iter().any(|change| change.tell.is_some());
                work.unwritten.clear();
                if any {
                    self.written.notify_one();
                }
            }
            Err(error) => {
                events::write_failed(work.unwritten.len(), &chain(&error));
                for alert in told {
                    // A full queue loses nothing: the change itself is still kept for writing.
                    let _ = self.urgent.try_send(alert);
                }
                make_room(&mut work.unwritten);
            }
        }
        ended
    }
}

/// Keeps what was told before what only moved.
fn make_room(unwritten: &mut Vec<Change>) {
    if unwritten.len() > UNWRITTEN_CHANGES_MAX {
        unwritten.retain(|change| change.tell.is_some());
        let surplus = unwritten.len().saturating_sub(UNWRITTEN_CHANGES_MAX);
        unwritten.drain(..surplus);
    }
}

/// An error with its causes, as logs print it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// How long a failed hand-over waits before the next attempt: doubled each time, up to this.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
