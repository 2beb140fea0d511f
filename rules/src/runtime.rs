//! What keeps the engine going: the tick, looks at committed failures, the refresh of history, and
//! the hand-over of alerts. Each is a small task; all end when told.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use model::{FunctionId, SharedClock, Timestamp};
use state::{State, StateError};
use store::{Deltas, Store};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, Notify, Semaphore, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::answers::{Answers, DUE_EVERY};
use crate::capacity::CapacitySource;
use crate::detection::Arrivals;
use crate::driver::{Driver, View, chain};
use crate::engine::{RuleView, TICK};
use crate::events;
use crate::gauges::Gauges;
use crate::hand_over::{HandOver, stopped};
use crate::ledger::{Ledger, LedgerError};
use crate::mode::Modes;
use crate::moving::MovingSums;
use crate::past::at_work::REPLAYS_MAX;
use crate::past::{PastError, Told};
use crate::releases::{Release, ReleaseBook, ReleaseError, Releases};
use crate::rule::Rule;
use crate::set::RuleSet;
use crate::sight::Sight;
use crate::sink::AlertSink;
use crate::spent::SpentBudgets;
use crate::tables::Tables;
use crate::view::StoreView;

/// Committed groups that may wait for a look; beyond it the tick catches up.
const DELTAS_MAX: usize = 1_024;
/// The shortest time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often history is refreshed.
const REFRESH_EVERY: Duration = Duration::from_mins(1);
/// Alerts that may wait for the sink while the database refuses them.
const URGENT_ALERTS_MAX: usize = 1_000;
/// Label sets shown per rule.
const LABEL_SETS_SHOWN_MAX: usize = 1_000;
/// How long stopping waits for tasks before it ends them.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What else the rules need to know.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where people reach Rampart; alerts link there.
    pub external_url: String,
    /// The state that nodes share, if they do: marks of releases are kept there.
    pub shared: Option<State>,
}

/// The rules at work. Clones share them.
#[derive(Clone)]
pub struct Rules {
    shared: Arc<Shared>,
}

struct Shared {
    driver: Driver,
    view: View,
    moving: MovingSums,
    tables: Tables,
    gauges: Gauges,
    answers: Answers,
    spent: SpentBudgets,
    store: Store,
    tested: Arc<dyn CapacitySource>,
    ledger: Ledger,
    /// Turns for those who ask about the past.
    replays: Semaphore,
    releases: ReleaseBook,
    modes: Modes,
    clock: SharedClock,
    refresh: Notify,
    add_up: Notify,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    /// What was committed since the last look.
    arrived: std::sync::Mutex<Arrivals>,
}

impl Shared {
    fn arrived(&self) -> MutexGuard<'_, Arrivals> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_arrived(&self) -> Arrivals {
        std::mem::take(&mut *self.arrived())
    }
}

impl Rules {
    /// Takes up the stored phases and starts to work. The state must have been opened with
    /// [`crate::MIGRATIONS`].
    #[allow(clippy::too_many_arguments)] // each is one of the neighbours that the root brings together
    pub async fn start(
        set: RuleSet,
        store: Store,
        state: State,
        sight: Arc<dyn Sight>,
        tested: Arc<dyn CapacitySource>,
        sink: Arc<dyn AlertSink>,
        modes: Modes,
        clock: SharedClock,
        options: Options,
    ) -> Result<Rules, LedgerError> {
        let marks = options.shared.unwrap_or_else(|| state.clone());
        let releases = ReleaseBook::open(marks, Arc::clone(&clock)).await?;
        let ledger = Ledger::new(state);
        let written = Arc::new(Notify::new());
        let (urgent, urgent_alerts) = mpsc::channel(URGENT_ALERTS_MAX);
        let tables = Tables::default();
        let gauges = Gauges::default();
        let (answers, spent) = (Answers::default(), SpentBudgets::default());
        tables.remember(ledger.episodes(clock.now()).await?);
        let driver = Driver::open(
            &set.with_built_in(),
            &options.external_url,
            ledger.clone(),
            Arc::clone(&clock),
            Arc::clone(&written),
            urgent,
        )
        .await?;
        let moving = MovingSums::default();
        let view = Arc::new(StoreView {
            rollups: store.shared_rollups(),
            moving: moving.clone(),
            tables: tables.clone(),
            sight,
            tested: Arc::clone(&tested),
            gauges: gauges.clone(),
            answers: answers.clone(),
            spent: spent.clone(),
        });
        let hand_over = HandOver::new(ledger.clone(), sink, Arc::clone(&clock), written);
        let rules = Rules {
            shared: Arc::new(Shared {
                driver,
                view,
                moving,
                tables,
                gauges,
                answers,
                spent,
                store,
                tested,
                ledger: ledger.clone(),
                replays: Semaphore::new(REPLAYS_MAX),
                releases,
                modes,
                clock,
                refresh: Notify::new(),
                add_up: Notify::new(),
                stop: watch::Sender::new(false),
                tasks: Mutex::new(JoinSet::new()),
                arrived: std::sync::Mutex::default(),
            }),
        };
        rules.spawn(hand_over, urgent_alerts, ledger).await;
        Ok(rules)
    }

    async fn spawn(
        &self,
        hand_over: HandOver,
        urgent: mpsc::Receiver<model::Alert>,
        ledger: Ledger,
    ) {
        let deltas = self.shared.store.deltas(DELTAS_MAX);
        self.shared
            .driver
            .replay(Arc::clone(&self.shared.view) as View)
            .await;
        let stop = || self.shared.stop.subscribe();
        let mut tasks = self.shared.tasks.lock().await;
        tasks.spawn(hand_over.run(urgent, stop()));
        tasks.spawn(until(stop(), tick_along(Arc::clone(&self.shared))));
        tasks.spawn(until(stop(), look_along(Arc::clone(&self.shared), deltas)));
        tasks.spawn(until(stop(), ask_along(Arc::clone(&self.shared))));
        tasks.spawn(until(stop(), add_up_along(Arc::clone(&self.shared))));
        tasks.spawn(until(
            stop(),
            refresh_along(Arc::clone(&self.shared), ledger),
        ));
    }

    /// Replaces the rules. Phases carry over by rule name and labels; a firing rule that is gone
    /// closes as "rule removed".
    pub async fn reload(&self, set: RuleSet) {
        self.shared.driver.reload(set.with_built_in()).await;
        self.shared.moving.forget();
        self.shared.refresh.notify_one();
        self.shared.add_up.notify_one();
    }

    /// The modes these rules obey.
    pub fn modes(&self) -> &Modes {
        &self.shared.modes
    }

    /// Where every rule stands, or those that watch one function; and how many ticks were missed.
    pub async fn overview(&self, function: Option<FunctionId>) -> (Vec<RuleView>, u64) {
        self.shared
            .driver
            .overview(
                Arc::clone(&self.shared.view),
                function,
                LABEL_SETS_SHOWN_MAX,
            )
            .await
    }

    /// The time these rules go by.
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.shared.clock
    }

    /// Every release that was marked.
    pub fn releases(&self) -> Arc<Releases> {
        self.shared.releases.releases()
    }

    /// Takes up releases that were marked at another node.
    pub async fn read_releases_again(&self) -> Result<(), StateError> {
        self.shared.releases.read_again().await.map(|_| ())
    }

    /// Marks a release. Durable when it returns; rules go by it from their next tick on.
    pub async fn mark_release(&self, release: Release) -> Result<Release, ReleaseError> {
        self.shared.releases.mark(release).await
    }

    /// The rules in force, built-in ones included.
    pub(crate) async fn in_force(&self) -> Vec<Arc<Rule>> {
        self.shared.driver.rules().await
    }

    /// What these rules count.
    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    /// What knows the capacity of pods.
    pub(crate) fn tested(&self) -> &Arc<dyn CapacitySource> {
        &self.shared.tested
    }

    /// Turns for those who ask about the past.
    pub(crate) fn replays(&self) -> &Semaphore {
        &self.shared.replays
    }

    /// The alerts of a rule and function that fired at an instant.
    pub(crate) async fn told(
        &self,
        rule: &str,
        function: &FunctionId,
        at: Timestamp,
    ) -> Result<Vec<Told>, PastError> {
        Ok(self.shared.ledger.told(rule, function, at).await?)
    }

    /// Ends all tasks. Phases and alerts are on disk already.
    pub async fn stop(&self) {
        self.shared.stop.send_replace(true);
        let mut tasks = self.shared.tasks.lock().await;
        let all_ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, all_ended).await.is_err() {
            tasks.shutdown().await;
        }
        self.shared.driver.store_all_memories().await;
    }
}

async fn until(mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stopped(&mut stop) => {}
        () = work => {}
    }
}

async fn tick_along(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(TICK);
    // A missed tick is counted by the engine; replaying it would only repeat what is known.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let mode = shared.modes.refresh();
        let ended = shared
            .driver
            .tick(
                Arc::clone(&shared.view),
                mode,
                shared.releases.releases(),
                shared.take_arrived(),
            )
            .await;
        shared.tables.remember(ended);
    }
}

/// Gathers what is committed, and looks at once, or 100 ms after the last look, when some of it failed.
async fn look_along(shared: Arc<Shared>, mut deltas: broadcast::Receiver<Arc<Deltas>>) {
    let mut failing = false;
    let mut last_look: Option<Duration> = None;
    loop {
        let waited = last_look.map_or(LOOK_EVERY, |last| {
            shared.clock.elapsed().saturating_sub(last)
        });
        let due = tokio::time::sleep(LOOK_EVERY.saturating_sub(waited));
        tokio::select! {
            received = deltas.recv() => match received {
                Ok(group) => failing |= gather(&mut shared.arrived(), &group),
                // Rules with windows read the rollups, which have everything.
                Err(RecvError::Lagged(groups)) => events::arrivals_missed(groups),
                Err(RecvError::Closed) => return,
            },
            () = due, if failing => {
                failing = false;
                let arrived = shared.take_arrived();
                let ended = shared.driver.look(Arc::clone(&shared.view), arrived).await;
                shared.tables.remember(ended);
                last_look = Some(shared.clock.elapsed());
            }
        }
    }
}

/// Whether live calls failed in it: only failures can begin a breach of the success rate.
fn gather(arrived: &mut Arrivals, group: &Deltas) -> bool {
    let mut failing = false;
    for delta in &group.changes {
        arrived.add(&delta.series, &delta.counts);
        failing |= delta.counts.failed() > 0 && delta.series.traffic == model::Traffic::Live;
    }
    failing
}

/// Runs the queries of rules, each at its rule's rhythm.
async fn ask_along(shared: Arc<Shared>) {
    loop {
        let rules = shared.driver.rules().await;
        let mode = shared.modes.status().mode;
        let now = shared.clock.now();
        let answered = shared.answers.refresh(&shared.store, &rules, mode, now);
        answered.await;
        tokio::time::sleep(DUE_EVERY).await;
    }
}

/// Adds up what error budgets spent over days.
async fn add_up_along(shared: Arc<Shared>) {
    loop {
        let rules = shared.driver.rules().await;
        let now = shared.clock.now();
        shared.spent.refresh(&shared.store, &rules, now).await;
        tokio::select! {
            () = tokio::time::sleep(REFRESH_EVERY) => {}
            () = shared.add_up.notified() => {}
        }
    }
}

async fn refresh_along(shared: Arc<Shared>, ledger: Ledger) {
    loop {
        let rules = shared.driver.rules().await;
        shared
            .tables
            .refresh(
                &shared.store,
                &rules,
                shared.modes.rushes(),
                shared.clock.now(),
            )
            .await;
        let now = shared.clock.now();
        shared.gauges.refresh(&shared.store, &rules, now).await;
        if let Err(error) = ledger.prune(shared.clock.now()).await {
            events::write_failed(0, &chain(&error));
        }
        tokio::select! {
            () = tokio::time::sleep(REFRESH_EVERY) => {}
            () = shared.refresh.notified() => {}
        }
    }
}
