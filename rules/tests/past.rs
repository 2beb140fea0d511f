//! Stored calls lived through again: what would have fired, and why something did or did not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/opened.rs"]
mod opened;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use model::{Alert, FunctionId, Glob, ManualClock, Outcome, Ratio, Timestamp};
use rules::{
    AlertSink, Backtest, BacktestReport, Completeness, Delivery, NothingTested, Options, Past,
    PastError, RuleSet, Rules, Scenario, Sight, backtest, run_scenario,
};
use serde_json::Value;
use store::{Batch, Invocation, InvocationRows, Store};
use tower::ServiceExt;

const BEGIN: &str = "2026-11-20T12:00:00Z";
const NOW: &str = "2026-11-20T14:00:00Z";

fn at(seconds: i64) -> Timestamp {
    let begin: Timestamp = BEGIN.parse().unwrap();
    Timestamp::from_seconds(begin.as_seconds() + seconds)
}

/// Steady calls of one unit and version: from, to, calls a second, one in so many fails.
struct Load(&'static str, &'static str, i64, i64, u64, u64);

fn rows(loads: &[Load]) -> Batch {
    let mut rows = InvocationRows::new();
    for Load(unit, version, from, to, qps, one_in) in loads {
        let mut count = 0;
        for second in *from..*to {
            for index in 0..*qps {
                count += 1;
                let fails = *one_in > 0 && count % one_in == 0;
                let offset = i64::try_from(index * 900_000 / qps).unwrap();
                rows.push(&Invocation {
                    ts: Timestamp::from_micros(at(second).as_micros() + offset),
                    namespace: "guide",
                    function: "feed",
                    unit,
                    version,
                    outcome: if fails {
                        Outcome::FunctionError
                    } else {
                        Outcome::Ok
                    },
                    duration_us: 20_000,
                    weight: 1,
                    ..Invocation::default()
                });
            }
        }
    }
    Batch {
        invocations: Some(rows.finish()),
        ..Batch::default()
    }
}

struct Stored {
    store: Store,
    _folder: tempfile::TempDir,
}

async fn stored(loads: &[Load]) -> Stored {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(NOW.parse().unwrap());
    let options = store::Options::new(folder.path().join("store"));
    let store = Store::open(options, clock).await.unwrap();
    store.commit(rows(loads)).await.unwrap();
    // Half of it in files, as in life.
    store.flush().await.unwrap();
    Stored {
        store,
        _folder: folder,
    }
}

impl Stored {
    fn past(&self) -> Past {
        Past {
            store: self.store.clone(),
            tested: Arc::new(NothingTested),
            rushes: vec![],
            releases: Arc::default(),
        }
    }

    async fn backtest(&self, rules: &str, from: i64, to: i64) -> BacktestReport {
        let set =
            RuleSet::parse("rules.yaml", rules).unwrap_or_else(|problems| panic!("{problems}"));
        let asked = Backtest {
            from: at(from),
            to: at(to),
            warm_up: Duration::from_mins(5),
            functions: Glob::new("*").unwrap(),
        };
        backtest(self.past(), &set, &asked, NOW.parse().unwrap())
            .await
            .unwrap()
    }
}

/// `Low{…} 612..721`, in seconds of the story.
fn told(report: &BacktestReport) -> Vec<String> {
    let story = |instant: Timestamp| instant.as_seconds() - at(0).as_seconds();
    let line = |fired: &rules::Fired| {
        let until = fired
            .until
            .map_or(String::new(), |until| story(until).to_string());
        let unit = fired.labels.get("unit").unwrap_or("");
        format!("{} {unit} {}..{until}", fired.alert, story(fired.since))
    };
    report.episodes.iter().map(line).collect()
}

const RULES: &str = "
version: rampart/v1
groups:
  - name: all
    functions: ['guide/*']
    by: [function, unit]
    rules:
      - alert: Low
        success_rate: {below: 99%, over: 30s, min_calls: 50}
        severity: critical
      - alert: Silent
        qps: {absent_for: 1m}
      - alert: Slow
        latency: {quantile: 0.99, above: 800ms}
      - alert: Asked
        sql: select 'guide/feed' as function, 'a' as unit, 1 as value
";

#[tokio::test(flavor = "multi_thread")]
async fn what_would_have_fired_is_told_and_nothing_else() {
    let stored = stored(&[
        Load("a", "6", -300, 1_200, 20, 0),
        Load("b", "6", -300, 600, 18, 0),
        Load("b", "7", -300, 600, 2, 0),
        Load("b", "6", 600, 660, 18, 0),
        Load("b", "7", 600, 660, 2, 1),
        Load("b", "6", 660, 900, 20, 0),
        Load("b", "6", 1_080, 1_200, 20, 0),
    ])
    .await;
    let report = stored.backtest(RULES, 0, 1_200).await;
    // The first failures of unit b are proven within seconds; then it falls silent for three minutes.
    let told = told(&report);
    assert_eq!(told.len(), 2, "{told:?}");
    let low = told[0].strip_prefix("Low b 60").expect(&told[0]);
    let until: i64 = low.split("..").nth(1).unwrap().parse().unwrap();
    assert!((660..=690).contains(&until), "{told:?}");
    assert!(
        told[1].starts_with("Silent b 96") && told[1].ends_with("..1081"),
        "{told:?}"
    );
    let low = &report.episodes[0];
    assert_eq!(low.severity, "critical");
    assert!(
        low.summary.contains("guide/feed in unit b"),
        "{}",
        low.summary
    );
    assert!(
        low.suspects
            .as_deref()
            .unwrap()
            .starts_with("version 7: 100 % of the failures, "),
        "{:?}",
        low.suspects
    );
    let rule = |name: &str| report.rules.iter().find(|rule| rule.alert == name).unwrap();
    assert_eq!(
        (rule("Low").fired, rule("Silent").fired, rule("Slow").fired),
        (1, 1, 0)
    );
    assert_eq!(rule("Low").label_sets, 2);
    assert!(rule("Low").by_chance_in_1000_days.unwrap() < 100.0);
    assert!(
        rule("Asked")
            .left_out
            .as_deref()
            .unwrap()
            .contains("not judged")
    );
    assert_eq!(report.calls, 20 * 1_200 + 20 * 900 + 20 * 120);
    assert_eq!(report.gaps, []);

    // A stretch that begins in the middle of an episode shows the rest of it.
    let later = stored.backtest(RULES, 1_000, 1_050).await;
    let silent = &later.episodes[0];
    assert_eq!(
        (later.episodes.len(), silent.seconds, silent.until),
        (1, 50, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stretches_without_calls_are_told_and_impossible_ones_refused() {
    let stored = stored(&[Load("a", "6", 0, 100, 5, 0), Load("a", "6", 400, 500, 5, 0)]).await;
    let report = stored.backtest(RULES, 0, 600).await;
    let gaps: Vec<_> = report.gaps.iter().map(|gap| (gap.from, gap.to)).collect();
    assert_eq!(gaps, [(at(100), at(400)), (at(500), at(600))]);
    let set = RuleSet::parse("rules.yaml", RULES).unwrap();
    let ask = async |from: Timestamp, to: Timestamp| {
        let asked = Backtest {
            from,
            to,
            warm_up: Backtest::WARM_UP,
            functions: Glob::new("*").unwrap(),
        };
        let refused = backtest(stored.past(), &set, &asked, NOW.parse().unwrap()).await;
        refused.unwrap_err()
    };
    assert!(matches!(ask(at(10), at(10)).await, PastError::Backwards));
    assert!(matches!(ask(at(0), at(99_999)).await, PastError::Future(_)));
    assert!(matches!(
        ask(at(-40 * 86_400), at(0)).await,
        PastError::TooLong
    ));
}

/// The same story, once as a scenario and once as stored calls: both fire at the same time. A
/// scenario ticks as a second begins whose calls it counts already, a replay as it ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_fires_when_a_scenario_does() {
    let rules = "
version: rampart/v1
rules:
  - {alert: Low, functions: ['*'], success_rate: {below: 98%, over: 1m}, for: 7s, keep_firing_for: 20s}
  - {alert: Busy, functions: ['*'], qps: {above: 39/s, over: 20s}}
  - {alert: Quiet, functions: ['*'], qps: {absent_for: 30s}}
  - {alert: Early, functions: ['*'], success_rate: {objective: 99%, detect: early}}
";
    let story = "
load function guide/feed
  -10m..5m  qps 20 success 100%
  5m..8m    qps 20 success 80%
  8m..12m   qps 40 success 100%
  14m..16m  qps 20 success 100%
at 16m expect nothing
";
    let set = RuleSet::parse("rules.yaml", rules).unwrap();
    let scenario = Scenario::parse("story.scn", story).unwrap();
    let lived = run_scenario(&scenario, &set).told;
    let stored = stored(&[
        Load("", "", -600, 300, 20, 0),
        Load("", "", 300, 480, 20, 5),
        Load("", "", 480, 720, 40, 0),
        Load("", "", 840, 960, 20, 0),
    ])
    .await;
    let asked = Backtest {
        from: at(0),
        to: at(961),
        warm_up: Duration::ZERO,
        functions: Glob::new("guide/*").unwrap(),
    };
    let report = backtest(stored.past(), &set, &asked, NOW.parse().unwrap())
        .await
        .unwrap();
    let mut replayed: Vec<(i64, String)> = Vec::new();
    for fired in &report.episodes {
        let second = |instant: Timestamp| instant.as_seconds() - at(0).as_seconds();
        replayed.push((second(fired.since), format!("firing {}", fired.alert)));
        replayed.extend(
            fired
                .until
                .map(|until| (second(until), format!("resolved {}", fired.alert))),
        );
    }
    replayed.sort();
    let mut lived: Vec<(i64, String)> = lived
        .iter()
        .map(|line| {
            let (when, what) = line.split_once(' ').unwrap();
            let seconds = model::parse_duration(when).unwrap().as_secs();
            let what = what.split('{').next().unwrap().to_owned();
            (i64::try_from(seconds).unwrap(), what)
        })
        .collect();
    lived.sort();
    let names = |told: &[(i64, String)]| {
        told.iter()
            .map(|(_, what)| what.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&replayed), names(&lived), "{replayed:?}\n{lived:?}");
    assert!(lived.len() >= 6, "{lived:?}");
    for ((replayed, what), (lived, _)) in replayed.iter().zip(&lived) {
        assert!(
            (replayed - lived).abs() <= 2,
            "{what}: {replayed} and {lived}"
        );
    }
}

struct Clear;

impl Sight for Clear {
    fn completeness(&self, _: Option<&FunctionId>, _: Timestamp, _: Timestamp) -> Completeness {
        Completeness::Known(Ratio::new(1.0).unwrap())
    }
}

#[derive(Default)]
struct Inbox(Mutex<Vec<Alert>>);

impl AlertSink for Inbox {
    fn deliver(&self, alerts: Vec<Alert>) -> Delivery<'_> {
        self.0.lock().unwrap().extend(alerts);
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_explains_an_instant_of_the_past() {
    let stored = stored(&[
        Load("a", "6", 0, 3_000, 10, 0),
        Load("b", "6", 0, 2_400, 10, 0),
        Load("b", "6", 2_400, 2_500, 10, 2),
        Load("b", "6", 2_500, 3_000, 10, 0),
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let state = opened::open_state(folder.path()).await;
    let clock: model::SharedClock = ManualClock::at(NOW.parse().unwrap());
    let modes = opened::open_modes(&state, &clock).await;
    let running = Rules::start(
        RuleSet::parse("rules.yaml", RULES).unwrap(),
        stored.store.clone(),
        state,
        Arc::new(Clear),
        Arc::new(NothingTested),
        Arc::new(Inbox::default()),
        modes,
        clock,
        Options::default(),
    )
    .await
    .unwrap();
    let gate = inbound::Gate::new(None).insecure();
    let router = inbound::layer(rules::routes(running.clone()).into_router(), gate);
    let ask = async |rule: &str, when: Timestamp| -> (u16, Value) {
        let uri = format!(
            "/api/v1/rules/{rule}/explain?function=guide%2Ffeed&at={}",
            when.to_rfc3339()
        );
        let request = Request::get(uri)
            .header("Host", "127.0.0.1:9650")
            .body(Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = http_body_util::BodyExt::collect(answer.into_body())
            .await
            .unwrap();
        (status, serde_json::from_slice(&body.to_bytes()).unwrap())
    };
    let (status, during) = ask("Low", at(2_450)).await;
    assert_eq!(status, 200, "{during:#}");
    let states = during["rule"]["states"].as_array().unwrap();
    let of_unit = |unit: &str| {
        states
            .iter()
            .find(|state| state["labels"]["unit"] == unit)
            .unwrap()
    };
    assert_eq!(of_unit("b")["phase"], "firing", "{during:#}");
    assert_eq!(
        of_unit("b")["said"],
        "guide/feed in unit b: 50 % of 300 calls succeeded in 30s; the objective is 99 %"
    );
    assert_eq!(of_unit("a")["phase"], "inactive");
    assert_eq!(of_unit("a")["value_text"], "100 %");
    assert!(
        during["unknowable"].as_array().unwrap().len() >= 2,
        "{during:#}"
    );
    let (_, before) = ask("Low", at(2_390)).await;
    assert_eq!(
        before["rule"]["states"][1]["phase"], "inactive",
        "{before:#}"
    );
    let (_, asked) = ask("Asked", at(2_390)).await;
    assert!(
        asked["unknowable"]
            .to_string()
            .contains("queries cannot be asked of the past"),
        "{asked:#}"
    );
    assert_eq!(ask("Nothing", at(2_390)).await.0, 404);
    assert_eq!(ask("Low", at(99_999)).await.0, 422);
    running.stop().await;
}
