//! Alertmanager's API through the router, with a real database behind it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use inbound::{BodyLimits, Identity, Role, read_body};
use model::{Labels, Mode, SharedClock, SystemClock, Timestamp};
use outbound::{AllowList, Outbound};
use serde_json::{Value, json};
use state::State;
use tempfile::TempDir;
use tokio::sync::watch;

use super::super::tests::about;
use crate::testing::config;
use crate::{Alerting, MIGRATIONS, Node};

const RULES: &str = "
inhibit_rules:
  - {source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [host]}
time_intervals:
  - {name: always, time_intervals: [{days_of_month: ['1:31']}]}
  - {name: office, time_intervals: [{times: [{start_time: '09:00', end_time: '24:00'}], weekdays: ['monday:friday'], months: ['2'], years: ['2026:2028'], location: Asia/Shanghai}]}
";

struct Api {
    alerting: Alerting,
    state: State,
    hook: fakes::Webhook,
    router: Router,
    clock: SharedClock,
    _directory: TempDir,
}

impl Api {
    async fn new() -> Self {
        let hook = fakes::Webhook::start(None).await.unwrap();
        let yaml = format!(
            "
receivers:
  - {{name: hook, webhook: {{url: '{url}'}}}}
  - {{name: other, webhook: {{url: '{url}'}}}}
route:
  receiver: hook
  escalation: night
  group_by: [alertname]
  routes:
    - {{matchers: [team=b], receiver: other, continue: true, group_by: ['...']}}
    - {{matchers: [team=quiet], mute_time_intervals: [always]}}
escalations: {{night: {{steps: [{{after: 0s, notify: [hook]}}]}}}}
{RULES}",
            url = hook.url()
        );
        let (config, teams) = config(&yaml, "{}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let state = State::open(&path, &[MIGRATIONS]).await.unwrap();
        let clock = SystemClock::shared();
        let alerting = Alerting::start(
            Node::default(),
            config,
            teams,
            state.clone(),
            Outbound::new(AllowList::default(), outbound::Limits::default()),
            watch::channel(Mode::Daily).1,
            Arc::clone(&clock),
            None,
        );
        let alerting = alerting.await.unwrap();
        let router = super::routes(alerting.handle(), about()).into_router();
        Api {
            alerting,
            state,
            hook,
            router,
            clock,
            _directory: directory,
        }
    }

    async fn call_as(&self, role: Role, method: &str, path: &str, body: &str) -> (u16, String) {
        use tower::ServiceExt;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let name = "ops".to_owned();
        request.extensions_mut().insert(Identity { name, role });
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let (parts, body) = answer.into_parts();
        let bytes = read_body(&parts.headers, body, &BodyLimits::small(1 << 20)).await;
        (status, String::from_utf8(bytes.unwrap().to_vec()).unwrap())
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, text) = self
            .call_as(Role::Admin, method, path, &body.to_string())
            .await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn post(&self, alerts: Value) {
        let (status, said) = self.call("POST", "/api/v2/alerts", alerts).await;
        assert_eq!(status, 200, "{said}");
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// `alertname` of the alerts that a question gives.
    async fn names(&self, question: &str) -> Vec<String> {
        let answer = self.get(&format!("/api/v2/alerts{question}")).await;
        let mut names: Vec<String> = answer
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    async fn silence(&self, matchers: Value, seconds: u64) -> String {
        let now = self.clock.now();
        let silence = json!({
            "matchers": matchers,
            "startsAt": now,
            "endsAt": now + std::time::Duration::from_secs(seconds),
            "createdBy": "ann",
            "comment": "deploy",
        });
        let (status, made) = self.call("POST", "/api/v2/silences", silence).await;
        assert_eq!(status, 200, "{made}");
        made["silenceID"].as_str().unwrap().to_owned()
    }
}

fn labels(pairs: &[(&str, &str)]) -> Value {
    json!({"labels": pairs.iter().copied().collect::<std::collections::BTreeMap<_, _>>()})
}

#[tokio::test]
async fn what_is_posted_is_listed_as_alertmanager_lists_it() {
    let api = Api::new().await;
    let start: Timestamp = "2026-11-10T18:00:00Z".parse().unwrap();
    api.post(json!([{
        "labels": {"alertname": "Down", "host": "a", "severity": "critical", "empty": ""},
        "annotations": {"summary": "it is down"},
        "startsAt": start,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
    }]))
    .await;
    let listed = api.get("/api/v2/alerts").await;
    let alert = &listed[0];
    let known = Labels::from_pairs([
        ("alertname", "Down"),
        ("host", "a"),
        ("severity", "critical"),
    ]);
    assert_eq!(alert["labels"], serde_json::to_value(&known).unwrap());
    assert_eq!(
        alert["fingerprint"],
        format!("{:016x}", known.fingerprint())
    );
    assert_eq!(alert["annotations"]["summary"], "it is down");
    assert_eq!(alert["startsAt"], "2026-11-10T18:00:00.000Z");
    assert_eq!(alert["generatorURL"], "http://prometheus/graph");
    assert_eq!(alert["receivers"], json!([{"name": "hook"}]));
    assert_eq!(
        alert["status"],
        json!({"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []})
    );
    let ends_at: Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
    let holds_for = ends_at.since(api.clock.now()).as_secs();
    assert!((200..=300).contains(&holds_for), "{holds_for}");
    // On disk, and told.
    assert_eq!(api.hook.wait_for(1).await.len(), 1);
    let rows = api.state.read(state::Statement::new(
        "select count(*) from alerting_alerts",
    ));
    assert_eq!(rows.await.unwrap()[0].integer(0).unwrap(), 1);
    api.post(json!([{
        "labels": {"alertname": "Down", "host": "a", "severity": "critical"},
        "startsAt": start,
        "endsAt": api.clock.now(),
    }]))
    .await;
    assert_eq!(api.get("/api/v2/alerts").await, json!([]));
    assert_eq!(api.hook.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn states_and_filters() {
    let api = Api::new().await;
    api.post(json!([
        labels(&[("alertname", "Plain"), ("team", "b")]),
        labels(&[
            ("alertname", "Source"),
            ("severity", "critical"),
            ("host", "a")
        ]),
        labels(&[
            ("alertname", "Target"),
            ("severity", "warning"),
            ("host", "a")
        ]),
        labels(&[("alertname", "Hushed"), ("host", "a")]),
        labels(&[("alertname", "Timed"), ("team", "quiet")]),
    ]))
    .await;
    let id = api
        .silence(
            json!([{"name": "alertname", "value": "Hu.*", "isRegex": true}]),
            600,
        )
        .await;
    for (question, expected) in [
        ("", "Hushed Plain Source Target Timed"),
        ("?silenced=false", "Plain Source Target Timed"),
        ("?inhibited=false", "Hushed Plain Source Timed"),
        ("?active=false", "Hushed Target"),
        ("?active=false&silenced=false&inhibited=false", ""),
        ("?unprocessed=false", "Hushed Plain Source Target Timed"),
        (
            "?filter=host=%22a%22&filter=severity!=%22warning%22",
            "Hushed Source",
        ),
        ("?receiver=oth.*", "Plain"),
        ("?receiver=oth", ""),
    ] {
        assert_eq!(api.names(question).await.join(" "), expected, "{question}");
    }
    let by_name = |listed: &Value, name: &str| {
        let alerts = listed.as_array().unwrap().iter();
        let found = alerts
            .clone()
            .find(|alert| alert["labels"]["alertname"] == name);
        found.unwrap()["status"].clone()
    };
    let listed = api.get("/api/v2/alerts").await;
    assert_eq!(by_name(&listed, "Hushed")["silencedBy"], json!([id]));
    assert_eq!(by_name(&listed, "Hushed")["state"], "suppressed");
    let source = [
        ("alertname", "Source"),
        ("severity", "critical"),
        ("host", "a"),
    ];
    let source = format!("{:016x}", Labels::from_pairs(source).fingerprint());
    assert_eq!(by_name(&listed, "Target")["inhibitedBy"], json!([source]));
    assert_eq!(by_name(&listed, "Timed")["mutedBy"], json!(["always"]));
    let groups = api.get("/api/v2/alerts/groups?receiver=other").await;
    assert_eq!(groups.as_array().unwrap().len(), 1);
    assert_eq!(
        groups[0]["labels"],
        json!({"alertname": "Plain", "team": "b"})
    );
    assert_eq!(groups[0]["alerts"][0]["labels"]["alertname"], "Plain");
    for bad in ["?filter=a", "?receiver=(", "?active=perhaps"] {
        let (status, said) = api
            .call("GET", &format!("/api/v2/alerts{bad}"), Value::Null)
            .await;
        assert_eq!(status, 400, "{bad}");
        assert!(said.is_string(), "{said}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_and_the_rest_is_taken() {
    let api = Api::new().await;
    let now = api.clock.now();
    let (status, said) = api
        .call(
            "POST",
            "/api/v2/alerts",
            json!([
                labels(&[("alertname", "Good")]),
                labels(&[]),
                labels(&[("9lives", "x")]),
                {"labels": {"alertname": "Backwards"}, "startsAt": now, "endsAt": "2020-01-01T00:00:00Z"},
                {"labels": {"alertname": "When"}, "startsAt": "yesterday"},
            ]),
        )
        .await;
    assert_eq!(status, 400);
    let said = said.as_str().unwrap();
    for mistake in [
        "at least one label pair",
        "9lives",
        "start time must be before",
        "yesterday",
    ] {
        assert!(said.contains(mistake), "{said}");
    }
    assert_eq!(api.names("").await, ["Good"]);
    let (status, said) = api
        .call("POST", "/api/v2/alerts", json!({"not": "a list"}))
        .await;
    assert!(status == 400 && said.is_string(), "{status} {said}");
    let many: Vec<Value> = (0..10_001)
        .map(|n| labels(&[("n", &n.to_string())]))
        .collect();
    assert_eq!(api.call("POST", "/api/v2/alerts", many.into()).await.0, 400);
    let huge = format!("[{}]", " ".repeat(17 << 20));
    assert_eq!(
        api.call_as(Role::Ingest, "POST", "/api/v2/alerts", &huge)
            .await
            .0,
        413
    );
}

#[tokio::test]
async fn a_silence_from_its_beginning_to_its_end() {
    let api = Api::new().await;
    let matchers = json!([{"name": "alertname", "value": "Down"}, {"name": "host", "value": "b", "isEqual": false}]);
    let id = api.silence(matchers.clone(), 600).await;
    let shown = api.get(&format!("/api/v2/silence/{id}")).await;
    assert_eq!(shown["status"]["state"], "active");
    assert_eq!(shown["createdBy"], "ann");
    assert_eq!(
        shown["matchers"][1],
        json!({"name": "host", "value": "b", "isRegex": false, "isEqual": false})
    );
    api.post(json!([labels(&[("alertname", "Down"), ("host", "a")])]))
        .await;
    // Changed in place: its end.
    let mut longer = shown.clone();
    longer["endsAt"] = json!(api.clock.now() + std::time::Duration::from_hours(3));
    let (_, changed) = api.call("POST", "/api/v2/silences", longer.clone()).await;
    assert_eq!(changed["silenceID"], json!(id));
    // Other conditions: another one.
    longer["matchers"] = json!([{"name": "alertname", "value": "Up"}]);
    let (_, changed) = api.call("POST", "/api/v2/silences", longer).await;
    assert_ne!(changed["silenceID"], json!(id));
    // What it kept quiet is told now that it is over.
    assert_eq!(api.hook.wait_for(1).await.len(), 1);
    let listed = api.get("/api/v2/silences").await;
    let states: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"]["state"].clone())
        .collect();
    assert_eq!(states, ["active", "expired"]);
    let filtered = api.get("/api/v2/silences?filter=alertname=%22Up%22").await;
    assert_eq!(filtered.as_array().unwrap().len(), 1);
    let path = format!("/api/v2/silence/{}", changed["silenceID"].as_str().unwrap());
    assert_eq!(api.call("DELETE", &path, Value::Null).await.0, 200);
    let (status, said) = api.call("DELETE", &path, Value::Null).await;
    assert_eq!(status, 500, "{said}");
    assert!(said.as_str().unwrap().contains("already expired"), "{said}");
    assert_eq!(
        api.call("DELETE", "/api/v2/silence/none", Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        api.call("GET", "/api/v2/silence/none", Value::Null).await.0,
        404
    );
    for (wrong, status) in [
        (json!({"matchers": []}), 400),
        (
            json!({"matchers": [{"name": "a", "value": ".*", "isRegex": true}]}),
            400,
        ),
        (
            json!({"matchers": [{"name": "a", "value": "(", "isRegex": true}]}),
            400,
        ),
        (json!({"endsAt": "2020-01-01T00:00:00Z"}), 400),
        (json!({"id": "none"}), 404),
    ] {
        let mut silence = json!({
            "matchers": matchers, "startsAt": "2019-01-01T00:00:00Z",
            "endsAt": api.clock.now() + std::time::Duration::from_mins(5), "createdBy": "", "comment": "",
        });
        for (name, value) in wrong.as_object().unwrap() {
            silence[name] = value.clone();
        }
        let (answered, said) = api.call("POST", "/api/v2/silences", silence).await;
        assert_eq!(answered, status, "{wrong}: {said}");
        assert!(said.is_string(), "{said}");
    }
}

#[tokio::test]
async fn silences_survive_a_restart_and_roles_bound_who_may_set_them() {
    let api = Api::new().await;
    let matchers = json!([{"name": "alertname", "value": "Down"}]);
    let id = api.silence(matchers, 600).await;
    let rows = api.state.read(state::Statement::new(
        "select id, document from alerting_silences",
    ));
    assert_eq!(rows.await.unwrap()[0].text(0).unwrap(), id);
    let stored = crate::tables::load(&api.state).await.unwrap();
    assert_eq!(stored.silences[0].id, id);
    let path = format!("/api/v2/silence/{id}");
    assert_eq!(api.call_as(Role::Viewer, "DELETE", &path, "").await.0, 403);
    assert_eq!(
        api.call_as(Role::Ingest, "GET", "/api/v2/alerts", "")
            .await
            .0,
        403
    );
    assert_eq!(
        api.call_as(Role::Viewer, "POST", "/api/v2/alerts", "[]")
            .await
            .0,
        403
    );
    assert_eq!(
        api.call_as(Role::Ingest, "POST", "/api/v2/alerts", "[]")
            .await
            .0,
        200
    );
    assert_eq!(
        api.call_as(Role::Responder, "DELETE", &path, "").await.0,
        200
    );
}

#[tokio::test]
async fn what_is_not_on_disk_is_not_confirmed() {
    let api = Api::new().await;
    api.state.clone().close().await;
    let alerts = json!([labels(&[("alertname", "Down")])]);
    let (status, said) = api.call("POST", "/api/v2/alerts", alerts.clone()).await;
    assert_eq!(status, 503, "{said}");
    // The message leaves all the same, and repeating what is not on disk is refused again.
    let about_it = |hooks: &[fakes::Hook]| {
        let bodies = hooks.iter().map(|hook| hook.body.to_string());
        bodies.filter(|body| body.contains("Down")).count()
    };
    // The other says that alerting cannot store.
    assert_eq!(about_it(&api.hook.wait_for(2).await), 1);
    assert_eq!(api.call("POST", "/api/v2/alerts", alerts).await.0, 503);
    assert_eq!(about_it(&api.hook.requests()), 1);
}

#[tokio::test]
async fn the_status_shows_strict_yaml_without_secrets() {
    let api = Api::new().await;
    let status = api.get("/api/v2/status").await;
    assert_eq!(status["cluster"]["status"], "ready");
    assert_eq!(status["cluster"]["peers"][0]["address"], "127.0.0.1:9650");
    assert_eq!(status["versionInfo"]["version"], "0.0.0");
    assert_eq!(status["uptime"], "2026-11-10T18:00:00.000Z");
    let original = status["config"]["original"].as_str().unwrap();
    assert!(
        !original.contains("escalation") && !original.contains("http"),
        "{original}"
    );
    insta::assert_snapshot!(original);
    // It means the same when it is read again.
    let mut readable = original.replace("global:\n  ", "");
    for name in ["hook", "other"] {
        let bare = format!("- name: \"{name}\"");
        let told = format!("{bare}\n  webhook: {{url: 'http://127.0.0.1:1/'}}");
        readable = readable.replace(&bare, &told);
    }
    let (again, _) = config(&readable, "{}");
    assert_eq!(crate::config::as_alertmanager(&again), original);
    assert_eq!(
        api.get("/api/v2/receivers").await,
        json!([{"name": "hook"}, {"name": "other"}])
    );
    api.alerting.stop(std::time::Duration::from_secs(1)).await;
}
