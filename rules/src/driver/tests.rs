//! The driver over a real state database: what is on disk when somebody is told, and what happens
//! when the process dies in between.

use std::sync::Mutex as StdMutex;

use model::{AlertStatus, Clock, ManualClock, Ratio, Secret};
use state::{Limits, Place, State};

use super::*;
use crate::hand_over::HandOver;
use crate::ledger::MIGRATIONS;
use crate::sight::Completeness;
use crate::sink::{AlertSink, Delivery};
use crate::windows::{Against, Baselines, EvaluationError, GroupKey, Recents, Select, Tally};

const RULES: &str = r#"
version: rampart/v1
rules:
  - alert: Low
    functions: ["*"]
    success_rate: {below: 99%, over: 1m, min_calls: 10}
  - alert: LowForLong
    functions: ["*"]
    success_rate: {below: 99%, over: 1m, min_calls: 10}
    for: 20s
"#;

/// One function with a success rate that the test sets.
struct OneFunction(StdMutex<u64>);

impl OneFunction {
    fn new(failed: u64) -> Arc<Self> {
        Arc::new(OneFunction(StdMutex::new(failed)))
    }

    fn set_failed(&self, failed: u64) {
        *self.0.lock().unwrap() = failed;
    }
}

impl Windows for OneFunction {
    fn sum(&self, _: &Select, _: Option<&FunctionId>, _: i64, _: i64) -> Vec<(GroupKey, Tally)> {
        let tally = Tally {
            counted: 1_000,
            failed: *self.0.lock().unwrap(),
            weighted: 1_000,
        };
        vec![(GroupKey::new(vec!["guide".into(), "feed".into()]), tally)]
    }

    fn baseline(
        &self,
        _: &Select,
        _: &Against,
        _: Timestamp,
    ) -> Result<Baselines, EvaluationError> {
        Ok(Arc::default())
    }

    fn recent(&self, _: &Select, _: Timestamp) -> Result<Recents, EvaluationError> {
        Ok(Arc::default())
    }

    fn completeness(&self, _: Option<&FunctionId>, _: Timestamp, _: Timestamp) -> Completeness {
        Completeness::Known(Ratio::new(1.0).unwrap())
    }
}

/// Refuses as often as told, then takes.
#[derive(Default)]
struct MoodySink {
    refusals: StdMutex<u32>,
    taken: StdMutex<Vec<Alert>>,
}

impl AlertSink for MoodySink {
    fn deliver(&self, alerts: Vec<Alert>) -> Delivery<'_> {
        Box::pin(async move {
            let mut refusals = self.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return Err("the inbox is full".to_owned());
            }
            self.taken.lock().unwrap().extend(alerts);
            Ok(())
        })
    }
}

async fn open(place: &Place) -> State {
    State::open_at(place, &[MIGRATIONS], &Limits::default())
        .await
        .unwrap()
}

/// The same test with the state in a file and on a server.
macro_rules! on_both {
    ($(#[doc = $doc:literal])* async fn $name:ident($place:ident: &Place) $body:block) => {
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn body($place: &Place) $body

            #[tokio::test]
            async fn on_a_file() {
                let directory = tempfile::tempdir().unwrap();
                body(&Place::File(directory.path().join("state.db"))).await;
            }

            #[tokio::test]
            async fn on_a_server() {
                let url = fakes::Postgres::shared().unwrap().database().unwrap();
                body(&Place::Server(Secret::new(url))).await;
            }
        }
    };
}

/// One life of the process.
struct Life {
    driver: Driver,
    hand_over: HandOver,
    state: State,
    urgent: mpsc::Receiver<Alert>,
}

async fn live(place: &Place, clock: &Arc<ManualClock>, sink: &Arc<MoodySink>, rules: &str) -> Life {
    let state = open(place).await;
    let ledger = Ledger::new(state.clone());
    let written = Arc::new(Notify::new());
    let (sender, urgent) = mpsc::channel(10);
    let driver = Driver::open(
        &RuleSet::parse("rules.yaml", rules).unwrap(),
        "",
        ledger.clone(),
        clock.clone(),
        Arc::clone(&written),
        sender,
    )
    .await
    .unwrap();
    let hand_over = HandOver {
        ledger,
        sink: sink.clone(),
        clock: clock.clone(),
        written,
    };
    Life {
        driver,
        hand_over,
        state,
        urgent,
    }
}

impl Life {
    async fn tick_for(&self, view: &Arc<OneFunction>, clock: &ManualClock, seconds: u64) {
        for _ in 0..seconds {
            clock.advance(Duration::from_secs(1));
            self.driver
                .tick(
                    view.clone(),
                    Mode::Daily,
                    Arc::default(),
                    Arrivals::default(),
                )
                .await;
        }
    }
}

fn names(sink: &MoodySink) -> Vec<String> {
    let taken = sink.taken.lock().unwrap();
    taken
        .iter()
        .map(|alert| {
            let firing = alert.status == AlertStatus::Firing;
            format!(
                "{} {}",
                alert.name(),
                if firing { "firing" } else { "resolved" }
            )
        })
        .collect()
}

on_both! {
async fn an_alert_survives_death_between_write_and_hand_over(place: &Place) {
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    let view = OneFunction::new(500);

    let first = live(place, &clock, &sink, RULES).await;
    first.tick_for(&view, &clock, 1).await;
    let began = clock.now();
    // Dies here: written, not handed over.
    drop(first);
    assert!(names(&sink).is_empty());

    clock.advance(Duration::from_hours(1));
    let second = live(place, &clock, &sink, RULES).await;
    second.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing"]);
    assert_eq!(sink.taken.lock().unwrap()[0].starts_at, began);
    second.tick_for(&view, &clock, 5).await;
    second.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing"], "nothing pages again");
    // Dies after the sink took it and before it was marked: it comes again, the same.
    second
        .state
        .write(vec![state::Statement::new(
            "update rules_alerts set handed_over_us = null",
        )])
        .await
        .unwrap();
    drop(second);

    let third = live(place, &clock, &sink, RULES).await;
    third.hand_over.deliver_all().await.unwrap();
    let taken = sink.taken.lock().unwrap().clone();
    assert_eq!(taken[0], taken[1]);
}
}

on_both! {
async fn a_sink_that_refuses_is_asked_again_and_order_is_kept(place: &Place) {
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    *sink.refusals.lock().unwrap() = 2;
    let view = OneFunction::new(500);
    let life = live(place, &clock, &sink, RULES).await;
    life.tick_for(&view, &clock, 1).await;
    assert!(life.hand_over.deliver_all().await.is_err());
    view.set_failed(0);
    life.tick_for(&view, &clock, 1).await;
    assert!(life.hand_over.deliver_all().await.is_err());
    life.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing", "Low resolved"]);
}
}

on_both! {
async fn downtime_counts_neither_for_firing_nor_twice(place: &Place) {
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    let view = OneFunction::new(500);
    let first = live(place, &clock, &sink, RULES).await;
    first.tick_for(&view, &clock, 11).await;
    drop(first);
    clock.advance(Duration::from_mins(10));

    let second = live(place, &clock, &sink, RULES).await;
    // 10 s were held, of which at most a tenth of `for` may be lost.
    second.tick_for(&view, &clock, 9).await;
    second.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing"]);
    second.tick_for(&view, &clock, 4).await;
    second.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing", "LowForLong firing"]);
}
}

on_both! {
async fn a_rule_removed_while_the_process_was_down_closes(place: &Place) {
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    let view = OneFunction::new(500);
    let first = live(place, &clock, &sink, RULES).await;
    first.tick_for(&view, &clock, 1).await;
    drop(first);
    let second = live(place, &clock, &sink, "version: rampart/v1\nrules: []\n").await;
    second.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing", "Low resolved"]);
    let reason = sink.taken.lock().unwrap()[1].annotations["reason"].clone();
    assert_eq!(reason, "rule removed");
    // Nothing is left of it.
    drop(second);
    let third = live(place, &clock, &sink, RULES).await;
    third.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink).len(), 2);
}
}

on_both! {
async fn while_the_database_refuses_the_page_still_goes_out(place: &Place) {
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    let view = OneFunction::new(500);
    let mut life = live(place, &clock, &sink, RULES).await;
    life.state.clone().close().await;
    life.tick_for(&view, &clock, 1).await;
    assert_eq!(life.urgent.try_recv().unwrap().name(), "Low");
    // The database answers again: what was kept is written at the next tick.
    let state = open(place).await;
    let ledger = Ledger::new(state);
    life.driver.ledger = ledger.clone();
    life.hand_over.ledger = ledger;
    assert!(names(&sink).is_empty());
    life.tick_for(&view, &clock, 1).await;
    life.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing"], "written at last");
}
}

/// Like [`OneFunction`], but something happens before each sum.
struct Before<F>(F, Arc<OneFunction>);

impl<F: Fn(&Select)> Windows for Before<F> {
    fn sum(
        &self,
        select: &Select,
        only: Option<&FunctionId>,
        from: i64,
        to: i64,
    ) -> Vec<(GroupKey, Tally)> {
        (self.0)(select);
        self.1.sum(select, only, from, to)
    }

    fn baseline(
        &self,
        select: &Select,
        against: &Against,
        now: Timestamp,
    ) -> Result<Baselines, EvaluationError> {
        self.1.baseline(select, against, now)
    }

    fn recent(&self, select: &Select, now: Timestamp) -> Result<Recents, EvaluationError> {
        self.1.recent(select, now)
    }

    fn completeness(
        &self,
        function: Option<&FunctionId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Completeness {
        self.1.completeness(function, from, to)
    }
}

#[tokio::test]
async fn a_rule_that_panics_costs_no_other_rule_its_alerts() {
    let sound = r#"{alert: Low, functions: ["guide/*"], success_rate: {below: 99%}}"#;
    let broken = r#"{alert: Broken, functions: ["travel/*"], success_rate: {below: 99%}}"#;
    for (first, second) in [(sound, broken), (broken, sound)] {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::File(directory.path().join("state.db"));
        let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
        let sink = Arc::new(MoodySink::default());
        let rules = format!("version: rampart/v1\nrules: [{first}, {second}]\n");
        let life = live(&place, &clock, &sink, &rules).await;
        let bug = |select: &Select| assert!(!select.takes("travel/search"), "a bug");
        let view: View = Arc::new(Before(bug, OneFunction::new(500)));
        life.driver
            .tick(
                Arc::clone(&view),
                Mode::Daily,
                Arc::default(),
                Arrivals::default(),
            )
            .await;
        life.hand_over.deliver_all().await.unwrap();
        assert_eq!(names(&sink), ["Low firing"], "{rules}");

        let functions = ["travel/search", "guide/feed"];
        let mut arrivals = Arrivals::default();
        for id in functions {
            arrivals.add(&series(id), &failure());
        }
        life.driver.look(Arc::clone(&view), arrivals).await;
        let (shown, _) = life.driver.overview(view, None, 10).await;
        let errors: Vec<(String, Option<String>)> = shown
            .into_iter()
            .map(|rule| (rule.declared["alert"].to_string(), rule.error))
            .collect();
        let why = Some("the evaluation broke off: a bug".to_owned());
        assert!(
            errors.contains(&(r#""Broken""#.to_owned(), why)),
            "{errors:?}"
        );
        assert!(
            errors.contains(&(r#""Low""#.to_owned(), None)),
            "{errors:?}"
        );

        // Once the bug is out of the way, nothing is left of it.
        life.tick_for(&OneFunction::new(500), &clock, 1).await;
        let (shown, _) = life.driver.overview(OneFunction::new(500), None, 10).await;
        assert!(shown.iter().all(|rule| rule.error.is_none()));
    }
}

async fn count(state: &State, query: &'static str) -> i64 {
    let rows = state.read(state::Statement::new(query)).await.unwrap();
    rows[0].integer(0).unwrap()
}

#[tokio::test]
async fn rows_that_cannot_be_read_stop_neither_the_start_nor_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::File(directory.path().join("state.db"));
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    let view = OneFunction::new(500);
    let first = live(&place, &clock, &sink, RULES).await;
    // A whole page of alerts from another world lies before the one that counts.
    let page = crate::ledger::DELIVERY_ALERTS_MAX;
    let strange = |id: usize| {
        state::Statement::new(
            "insert into rules_alerts(fingerprint, starts_us, status, alert, created_us)
             values (?1, 1, 'firing', '{\"half\": ', 1)",
        )
        .bind(id.to_string())
    };
    let mut job: Vec<state::Statement> = (0..page).map(strange).collect();
    for text in [
        "insert into rules_phases(rule, labels, phase, held_us, since_us) values ('A', '{', 'firing', 0, 1)",
        "insert into rules_phases(rule, labels, phase, held_us) values ('B', '{}', 'dozing', 0)",
        "insert into rules_phases(rule, labels, phase, held_us, since_us, episode) values ('C', '{}', 'firing', 0, 1, '[]')",
        "insert into rules_phases(rule, labels, phase, held_us) values (x'ff', '{}', 'pending', 'much')",
        "insert into rules_episodes(namespace, name, from_us, to_us) values ('guide', 'feed', 'then', 5)",
        "insert into rules_episodes(namespace, name, from_us, to_us) values ('guide', 'feed', 1, 5)",
    ] {
        job.push(state::Statement::new(text));
    }
    first.state.write(job).await.unwrap();
    first.tick_for(&view, &clock, 1).await;
    first.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing"]);
    let marked = "select count(*) from rules_alerts where unreadable_us is not null";
    assert_eq!(
        count(&first.state, marked).await,
        i64::try_from(page).unwrap()
    );
    drop(first);

    let second = live(&place, &clock, &sink, RULES).await;
    let marked = "select count(*) from rules_phases where unreadable_us is not null";
    assert_eq!(count(&second.state, marked).await, 4, "left in place");
    let episodes = second.driver.ledger.episodes(clock.now()).await.unwrap();
    assert_eq!(episodes.len(), 1);
    let marked = "select count(*) from rules_episodes where unreadable_us is not null";
    assert_eq!(count(&second.state, marked).await, 1);
    // What could be read goes on as if nothing were beside it.
    second.tick_for(&view, &clock, 2).await;
    view.set_failed(0);
    second.tick_for(&view, &clock, 1).await;
    second.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing", "Low resolved"]);
}

on_both! {
async fn a_step_that_panics_leaves_the_engine_usable(place: &Place) {
    struct Broken;
    impl Windows for Broken {
        fn sum(
            &self,
            _: &Select,
            _: Option<&FunctionId>,
            _: i64,
            _: i64,
        ) -> Vec<(GroupKey, Tally)> {
            panic!("a bug")
        }
        fn baseline(
            &self,
            _: &Select,
            _: &Against,
            _: Timestamp,
        ) -> Result<Baselines, EvaluationError> {
            panic!("a bug")
        }
        fn recent(&self, _: &Select, _: Timestamp) -> Result<Recents, EvaluationError> {
            panic!("a bug")
        }
        fn completeness(&self, _: Option<&FunctionId>, _: Timestamp, _: Timestamp) -> Completeness {
            panic!("a bug")
        }
    }
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    let life = live(place, &clock, &sink, RULES).await;
    life.driver
        .tick(
            Arc::new(Broken),
            Mode::Daily,
            Arc::default(),
            Arrivals::default(),
        )
        .await;
    life.tick_for(&OneFunction::new(500), &clock, 1).await;
    life.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing"]);
}
}

fn series(id: &str) -> Arc<store::SeriesKey> {
    let id: FunctionId = id.parse().unwrap();
    Arc::new(store::SeriesKey {
        namespace: id.namespace,
        function: id.name,
        version: String::new(),
        unit: String::new(),
        zone: String::new(),
        traffic: model::Traffic::Live,
    })
}

fn failure() -> store::Counts {
    let mut counts = store::Counts::default();
    counts.add(model::Outcome::FunctionError, 1, false, 1_000);
    counts
}

on_both! {
/// What is remembered survives the driver, and damage costs one memory, not the start.
async fn memories_are_stored_and_taken_up_again(place: &Place) {
    let state = open(place).await;
    let ledger = Ledger::new(state);
    let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let memory = |rule: &str, record: &[u8]| crate::StoredMemory {
        rule: rule.to_owned(),
        labels: model::Labels::from_pairs([("function", "feed"), ("namespace", "guide")]),
        at,
        record: record.to_vec(),
    };
    let first = early::Detector::new(early::Settings::default()).to_record();
    ledger
        .write_memories(&[memory("A", &[1, 2]), memory("B", &first)])
        .await
        .unwrap();
    ledger.write_memories(&[memory("A", &[9])]).await.unwrap();
    let stored = ledger.memories().await.unwrap();
    assert_eq!(stored, [memory("A", &[9]), memory("B", &first)]);

    let rules = ["A", "B"].map(|name| {
        format!(
            "{{alert: {name}, functions: ['*'], success_rate: {{objective: 99.9%, detect: early}}}}"
        )
    });
    let text = format!("version: rampart/v1\nrules: [{}]\n", rules.join(", "));
    let set = RuleSet::parse("a.yaml", &text).unwrap();
    let mut engine = Engine::new(&set, "");
    engine.recall(stored, at);
    let kept = engine.memories_due(at, true);
    assert_eq!(kept.len(), 1, "the damaged one is learned anew");
    assert_eq!(kept[0].rule, "B");

    ledger
        .prune(at + Duration::from_hours(29 * 24))
        .await
        .unwrap();
    assert_eq!(ledger.memories().await.unwrap(), []);
}
}

/// Whoever looks for suspects waits until the test lets go, which it does after the alert was told.
#[tokio::test]
async fn an_alert_goes_out_without_suspects_that_are_late() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::File(directory.path().join("state.db"));
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    let sink = Arc::new(MoodySink::default());
    let life = live(&place, &clock, &sink, RULES).await;
    let (let_go, waiting) = std::sync::mpsc::sync_channel::<()>(10);
    let waiting = StdMutex::new(waiting);
    let (looked, looks) = std::sync::mpsc::sync_channel::<()>(10);
    let wait = move |select: &Select| {
        if select.by.contains(&crate::windows::By::Unit) {
            looked.send(()).unwrap();
            // Ends when the other side is dropped.
            waiting.lock().unwrap().recv().unwrap_err();
        }
    };
    let view: View = Arc::new(Before(wait, OneFunction::new(500)));
    life.driver
        .tick(view, Mode::Daily, Arc::default(), Arrivals::default())
        .await;
    life.hand_over.deliver_all().await.unwrap();
    assert_eq!(names(&sink), ["Low firing"]);
    let told = sink.taken.lock().unwrap();
    assert!(!told[0].annotations.contains_key("suspects"));
    looks.try_recv().expect("somebody looked for suspects");
    drop(let_go);
}
