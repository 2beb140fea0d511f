//! Requests through the router, with a real database behind it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use inbound::{BodyLimits, Identity, Role, read_body};
use model::{Mode, SystemClock};
use outbound::{AllowList, Outbound};
use serde_json::{Value, json};
use state::State;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::testing::{config, failing};
use crate::{Alerting, MIGRATIONS, page, routes};

pub(super) fn about() -> crate::About {
    crate::About {
        started_at: crate::testing::at("2026-11-10T18:00:00Z"),
        version: "0.0.0",
        address: "127.0.0.1:9650".to_owned(),
    }
}

struct Api {
    alerting: Alerting,
    hook: fakes::Webhook,
    twilio: fakes::Provider,
    aliyun: fakes::Provider,
    router: Router,
    _directory: TempDir,
}

impl Api {
    async fn new(steps: &str) -> Self {
        let hook = fakes::Webhook::start(None).await.unwrap();
        let twilio = fakes::Provider::start(fakes::accounts::twilio("AC1", "canary"));
        let twilio = twilio.await.unwrap();
        let aliyun = fakes::Provider::start(fakes::accounts::aliyun("canary", json!([])));
        let aliyun = aliyun.await.unwrap();
        let yaml = format!(
            "
receivers:
  - {{name: hook, webhook: {{url: '{}'}}}}
  - {{name: caller, twilio-voice: {{account_sid: AC1, auth_token: canary, from: '+14155550100', to: '+14155550101', url: '{}'}}}}
  - {{name: texter, aliyun-sms: {{access_key_id: LTAI, access_key_secret: canary, sign_name: Guard, template: SMS_1,
      to: '+8613800000002', url: '{}', variables: {{text: text, code: code}}}}}}
route: {{receiver: hook, escalation: night}}
escalations: {{night: {{steps: {steps}, acknowledged_for: 30m}}}}
schedules: {{guide: {{time_zone: Asia/Shanghai, rotations: [{{name: all, start: 2026-01-01T00:00, every: 1w, people: [ann]}}]}}}}
people: {{ann: {{name: Ann}}, ben: {{name: Ben, sms: '+8613800000002'}}}}
channels: {{sms: {{webhook: {{url: '{}'}}}}, phone: {{webhook: {{url: '{}'}}}}}}
",
            hook.url(),
            twilio.url(),
            aliyun.url(),
            hook.url(),
            hook.url()
        );
        let (config, teams) = config(&yaml, "{}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let state = State::open(&path, &[MIGRATIONS]).await.unwrap();
        let alerting = Alerting::start(
            config,
            teams,
            state,
            Outbound::new(AllowList::default(), outbound::Limits::default()),
            watch::channel(Mode::Daily).1,
            SystemClock::shared(),
            Some("https://rampart.example.com".to_owned()),
        );
        let alerting = alerting.await.unwrap();
        let router = routes(alerting.handle(), about()).into_router();
        Api {
            alerting,
            hook,
            twilio,
            aliyun,
            router,
            _directory: directory,
        }
    }

    async fn call(
        &self,
        role: Option<Role>,
        method: &str,
        path: &str,
        body: &str,
    ) -> (StatusCode, String) {
        use tower::ServiceExt;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        if let Some(role) = role {
            let name = "ops".to_owned();
            request.extensions_mut().insert(Identity { name, role });
        }
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let (parts, body) = answer.into_parts();
        let bytes = read_body(&parts.headers, body, &BodyLimits::small(1 << 20)).await;
        (status, String::from_utf8(bytes.unwrap().to_vec()).unwrap())
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = body.to_string();
        let (status, text) = self.call(Some(Role::Responder), method, path, &body).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Fires one alert and waits until it is told; the incident's id.
    async fn fire(&self) -> String {
        let handle = self.alerting.handle();
        handle
            .receive(vec![failing("feed", handle.now())])
            .await
            .unwrap();
        self.hook.wait_for(1).await;
        loop {
            let (_, list) = self.json("GET", "/api/v1/incidents", json!({})).await;
            if list["incidents"][0]["reach"] == "reached" {
                return list["incidents"][0]["id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The token in the link of the first message.
    fn token(&self) -> String {
        let text = self.hook.requests()[0].body.to_string();
        let (_, rest) = text.split_once("https://rampart.example.com/a/").unwrap();
        rest.split(['"', '\\', ')', ' ', '<'])
            .next()
            .unwrap()
            .to_owned()
    }
}

const ONE: &str = "[{after: 0s, notify: [hook]}]";
const TWO: &str = "[{after: 0s, notify: [hook]}, {after: 1h, notify: [hook]}]";

#[tokio::test]
async fn an_incident_is_listed_shown_and_acted_on() {
    let api = Api::new(TWO).await;
    let id = api.fire().await;
    let (status, whole) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(whole["title"], "SuccessRateLow guide/feed");
    assert_eq!(whole["function"], "guide/feed");
    assert!(whole["timeline"].as_array().unwrap().len() >= 4, "{whole}");
    assert_eq!(whole["alerts"][0]["labels"]["function"], "feed");
    let (_, alerts) = api.json("GET", "/api/v1/alerts", json!({})).await;
    assert_eq!(
        (&alerts["total"], &alerts["alerts"][0]["incident"]),
        (&json!(1), &json!(id))
    );

    let act = |what: &str| format!("/api/v1/incidents/{id}/{what}");
    for _ in 0..2 {
        let (status, done) = api
            .json("POST", &act("acknowledge"), json!({"by": "Ann"}))
            .await;
        assert_eq!(
            (status, &done["status"]),
            (StatusCode::OK, &json!("acknowledged"))
        );
        assert_eq!(done["acknowledged"]["by"], "Ann (ops)");
    }
    let (_, noted) = api
        .json("POST", &act("note"), json!({"text": "looking"}))
        .await;
    assert_eq!(
        noted["timeline"].as_array().unwrap().last().unwrap()["text"],
        "looking"
    );
    let (_, snoozed) = api.json("POST", &act("snooze"), json!({"for": "2h"})).await;
    assert!(snoozed["acknowledged"]["until"].is_string());
    let (_, raised) = api.json("POST", &act("escalate"), json!({})).await;
    assert_eq!(raised["status"], "open");
    assert_eq!(api.hook.wait_for(2).await.len(), 2);
    let resolve = json!({"reason": "false_alarm"});
    for _ in 0..2 {
        let (status, done) = api.json("POST", &act("resolve"), resolve.clone()).await;
        assert_eq!(
            (status, &done["status"]),
            (StatusCode::OK, &json!("resolved"))
        );
        assert_eq!(done["false_alarm"], true);
    }
    let (_, open) = api
        .json("GET", "/api/v1/incidents?status=open", json!({}))
        .await;
    assert_eq!(open["incidents"], json!([]));
    // A late remark about something that is over.
    let (status, noted) = api
        .json("POST", &act("note"), json!({"text": "it was the cache"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        noted["timeline"].as_array().unwrap().last().unwrap()["by"],
        "ops"
    );
}

#[tokio::test]
async fn mistakes_name_the_field_and_the_way_out() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let act = |what: &str| format!("/api/v1/incidents/{id}/{what}");
    let table = [
        (
            "POST",
            "/api/v1/incidents/nothere1/acknowledge".to_owned(),
            json!({}),
            404,
            None,
        ),
        (
            "GET",
            "/api/v1/incidents/nothere1".to_owned(),
            json!({}),
            404,
            None,
        ),
        (
            "POST",
            act("snooze"),
            json!({"for": "soon"}),
            400,
            Some("for"),
        ),
        (
            "POST",
            act("snooze"),
            json!({"for": "1s"}),
            400,
            Some("for"),
        ),
        ("POST", act("snooze"), json!({}), 400, Some("for")),
        (
            "POST",
            act("acknowledge"),
            json!({"who": "x"}),
            400,
            Some("who"),
        ),
        ("POST", act("note"), json!({"text": " "}), 400, Some("text")),
        (
            "POST",
            act("resolve"),
            json!({"reason": "x".repeat(2_000)}),
            400,
            Some("reason"),
        ),
        (
            "GET",
            "/api/v1/incidents?status=done".to_owned(),
            json!({}),
            400,
            Some("status"),
        ),
        (
            "GET",
            "/api/v1/incidents?limit=0".to_owned(),
            json!({}),
            400,
            Some("limit"),
        ),
    ];
    for (method, path, body, status, field) in table {
        let (got, problem) = api.json(method, &path, body).await;
        assert_eq!(got.as_u16(), status, "{path}: {problem}");
        assert_eq!(problem["field"].as_str(), field, "{path}: {problem}");
    }
}

#[tokio::test]
async fn roles_are_kept_apart() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let acknowledge = format!("/api/v1/incidents/{id}/acknowledge");
    for (role, method, path, status) in [
        (None, "GET", "/api/v1/incidents", 401),
        (Some(Role::Ingest), "GET", "/api/v1/incidents", 403),
        (Some(Role::Viewer), "GET", "/api/v1/oncall", 200),
        (Some(Role::Viewer), "POST", acknowledge.as_str(), 403),
        (Some(Role::Responder), "POST", "/api/v1/notify/test", 403),
    ] {
        let (got, text) = api.call(role, method, path, "{}").await;
        assert_eq!(got.as_u16(), status, "{role:?} {method} {path}: {text}");
    }
}

#[tokio::test]
async fn on_call_and_a_test_message() {
    let api = Api::new(ONE).await;
    let (_, duty) = api.json("GET", "/api/v1/oncall", json!({})).await;
    assert_eq!(duty["schedules"][0]["person"], "ann");
    assert_eq!(duty["schedules"][0]["name"], "Ann");
    let body = r#"{"receiver": "hook"}"#;
    let (_, answer) = api
        .call(Some(Role::Admin), "POST", "/api/v1/notify/test", body)
        .await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["delivered"], true, "{answer}");
    assert_eq!(api.hook.count(), 1);
    api.hook
        .behave(fakes::WebhookBehaviour::Answer(500, Vec::new()));
    let (_, answer) = api
        .call(Some(Role::Admin), "POST", "/api/v1/notify/test", body)
        .await;
    assert!(answer.contains("\"delivered\":false"), "{answer}");
    let body = r#"{"receiver": "hok"}"#;
    let (status, _) = api
        .call(Some(Role::Admin), "POST", "/api/v1/notify/test", body)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_link_shows_on_get_and_acts_on_post() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let link = format!("/a/{}", api.token());
    for method in ["GET", "HEAD", "GET"] {
        let (status, page) = api.call(None, method, &link, "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            method == "HEAD" || page.contains("SuccessRateLow"),
            "{page}"
        );
    }
    let path = format!("/api/v1/incidents/{id}");
    let shown = || api.json("GET", &path, json!({}));
    let (_, incident) = shown().await;
    assert_eq!(incident["status"], "open", "looking is not acting");
    let form = format!("{}=acknowledge", page::PageAction::FIELD);
    for _ in 0..2 {
        let (status, _) = api.call(None, "POST", &link, &form).await;
        assert_eq!(status, StatusCode::OK);
    }
    let (_, incident) = shown().await;
    assert_eq!(incident["status"], "acknowledged");
    assert_eq!(incident["acknowledged"]["how"], "link");
    let form = format!("{}=false_alarm", page::PageAction::FIELD);
    api.call(None, "POST", &link, &form).await;
    let (_, incident) = shown().await;
    assert_eq!(
        (&incident["status"], &incident["false_alarm"]),
        (&json!("resolved"), &json!(true))
    );
    let (status, _) = api.call(None, "POST", &link, &form).await;
    assert_eq!(status, StatusCode::OK, "pressing again is harmless");
}

/// What the provider's account of these tests would send as `X-Twilio-Signature`.
fn signature(path: &str, form: &str) -> String {
    use base64::Engine as _;
    use hmac::{Hmac, Mac};
    let mut fields: Vec<(&str, &str)> = form.split('&').filter_map(|f| f.split_once('=')).collect();
    fields.sort_unstable();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"canary").unwrap();
    mac.update(format!("https://rampart.example.com{path}").as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

impl Api {
    /// Posts a form as the provider of calls does.
    async fn call_back(&self, path: &str, form: &str, signature: &str) -> (StatusCode, String) {
        use tower::ServiceExt;
        let request = Request::post(path)
            .header("x-twilio-signature", signature)
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let (parts, body) = answer.into_parts();
        let bytes = read_body(&parts.headers, body, &BodyLimits::small(1 << 20)).await;
        (status, String::from_utf8(bytes.unwrap().to_vec()).unwrap())
    }

    async fn press(&self, path: &str, form: &str) -> (StatusCode, String) {
        self.call_back(path, form, &signature(path, form)).await
    }
}

#[tokio::test]
async fn a_key_pressed_in_a_call_acts_and_is_answered_aloud() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let keys = format!("/a/{}/keys", api.token());
    let path = format!("/api/v1/incidents/{id}");
    let (status, asked) = api.press(&keys, "CallSid=CA1&Digits=9").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        asked.contains("<Gather") && asked.contains("action=\"keys\""),
        "{asked}"
    );
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "open");
    for _ in 0..2 {
        let (status, said) = api.press(&keys, "CallSid=CA1&Digits=4").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            said.contains("You have it.") && !said.contains("<Gather"),
            "{said}"
        );
    }
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "acknowledged");
    assert_eq!(incident["acknowledged"]["how"], "key");
    let (status, said) = api.press(&keys, "CallSid=CA1&Digits=6").await;
    assert_eq!(status, StatusCode::OK);
    assert!(said.contains("<Say"), "{said}");
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "open");
    // The first press, recorded and played again: answered, and nothing more.
    let (status, said) = api.press(&keys, "CallSid=CA1&Digits=4").await;
    assert!(status == StatusCode::OK && said.contains("<Say"), "{said}");
    let (_, incident) = api.json("GET", &path, json!({})).await;
    assert_eq!(incident["status"], "open", "a replay acts on nothing");
    let (status, said) = api.press("/a/x/keys", "Digits=4").await;
    assert_eq!(status, StatusCode::OK);
    assert!(said.contains("damaged or incomplete"), "{said}");
    let (status, _) = api.call(None, "GET", &keys, "").await;
    assert_eq!(
        status,
        StatusCode::METHOD_NOT_ALLOWED,
        "looking is not acting"
    );
}

#[tokio::test]
async fn a_callback_that_the_provider_did_not_sign_does_nothing() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let keys = format!("/a/{}/keys", api.token());
    let status_path = format!("/a/{}/status", api.token());
    let form = "CallSid=CA1&Digits=4";
    let (status, _) = api.call(None, "POST", &keys, form).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "unsigned");
    for signature in [
        String::new(),
        "forged".into(),
        signature(&keys, "CallSid=CA1&Digits=6"),
        signature("/a/another/keys", form),
    ] {
        let (status, _) = api.call_back(&keys, form, &signature).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{signature}");
        let (status, _) = api.call_back(&status_path, form, &signature).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{signature}");
    }
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "open");
    // A link that is over opens nothing, however well it is signed.
    let handle = api.alerting.handle();
    let before = handle.now() - Duration::from_secs(1);
    let token = page::sign(&handle.links().key, &id, "", before);
    let (status, said) = api.press(&format!("/a/{token}/keys"), form).await;
    assert!(
        status == StatusCode::OK && said.contains("expired"),
        "{said}"
    );
}

#[tokio::test]
async fn a_call_that_nobody_picks_up_brings_the_next_step() {
    let api = Api::new("[{after: 0s, notify: [caller]}, {after: 1h, notify: [hook]}]").await;
    let handle = api.alerting.handle();
    handle
        .receive(vec![failing("feed", handle.now())])
        .await
        .unwrap();
    let calls = api.twilio.wait_for(1).await;
    let form = calls[0].form();
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let callback = field("StatusCallback").unwrap();
    let path = callback
        .strip_prefix("https://rampart.example.com")
        .unwrap();
    assert!(
        path.starts_with("/a/") && path.ends_with("/status"),
        "{path}"
    );
    let incident = async || {
        let (_, list) = api.json("GET", "/api/v1/incidents", json!({})).await;
        list["incidents"][0].clone()
    };
    while incident().await["reach"] != "reached" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for word in ["ringing", "no-answer", "no-answer"] {
        let form = format!("CallSid=CA1&CallStatus={word}");
        let (status, _) = api.press(path, &form).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    api.hook.wait_for(1).await;
    let id = incident().await["id"].as_str().unwrap().to_owned();
    let (_, whole) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    let story = whole["timeline"].to_string();
    assert_eq!(
        story.matches("did not arrive: no-answer").count(),
        1,
        "{story}"
    );
    assert!(
        story.contains("caller did not get the message; the next step comes at once"),
        "{story}"
    );
}

#[tokio::test]
async fn the_code_of_a_text_message_opens_the_incident_as_its_person() {
    let api = Api::new("[{after: 0s, notify: [hook, texter]}]").await;
    let id = api.fire().await;
    let calls = api.aliyun.wait_for(1).await;
    let query = calls[0].query();
    let (_, variables) = query
        .iter()
        .find(|(name, _)| name == "TemplateParam")
        .unwrap();
    let variables: Value = serde_json::from_str(variables).unwrap();
    let code = variables["code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 6, "{variables}");
    let (status, form) = api.call(None, "GET", "/a", "").await;
    assert!(
        status == StatusCode::OK && form.contains("name=\"code\""),
        "{form}"
    );
    let typed = format!("code=+{}+", code.to_lowercase());
    let (status, page) = api.call(None, "POST", "/a", &typed).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let (_, rest) = page
        .split_once("<form method=\"post\" action=\"a/")
        .unwrap();
    let token = rest.split('"').next().unwrap();
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "open", "a code shows, its buttons act");
    api.call(None, "POST", &format!("/a/{token}"), "do=acknowledge")
        .await;
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "acknowledged");
    for n in 0..5 {
        let (status, page) = api
            .call(None, "POST", "/a", &format!("code=22222{}", n + 2))
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{page}");
        assert!(page.contains("opens nothing"), "{page}");
    }
    let (status, page) = api.call(None, "POST", "/a", &typed).await;
    assert_eq!(
        status,
        StatusCode::TOO_MANY_REQUESTS,
        "not even the right one: {page}"
    );
}

#[tokio::test]
async fn a_bad_link_says_what_to_do() {
    let api = Api::new(ONE).await;
    let id = api.fire().await;
    let handle = api.alerting.handle();
    let key = Arc::clone(&handle.links().key);
    let later = handle.now() + Duration::from_mins(1);
    let expired = page::sign(&key, &id, "", handle.now() - Duration::from_secs(1));
    let unknown = page::sign(&key, "nothere1", "", later);
    let forged = page::sign(b"another key", &id, "", later);
    for (token, status) in [
        (expired, 410),
        (unknown, 404),
        (forged, 404),
        ("x".into(), 404),
    ] {
        for method in ["GET", "POST"] {
            let form = format!("{}=acknowledge", page::PageAction::FIELD);
            let (got, text) = api.call(None, method, &format!("/a/{token}"), &form).await;
            assert_eq!(got.as_u16(), status, "{token}: {text}");
            assert!(text.contains("<html"), "{text}");
        }
    }
    let (_, incident) = api
        .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
        .await;
    assert_eq!(incident["status"], "open");
}

#[tokio::test]
async fn somebody_takes_over_and_gives_it_back() {
    let api = Api::new(ONE).await;
    let path = "/api/v1/oncall/guide/overrides";
    let (status, made) = api
        .json(
            "POST",
            path,
            json!({"person": "ben", "for": "2h", "by": "ann"}),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_eq!((&made["id"], &made["by"]), (&json!(1), &json!("ann (ops)")));
    let (_, on_call) = api.json("GET", "/api/v1/oncall", json!({})).await;
    let guide = &on_call["schedules"][0];
    assert_eq!(
        (&guide["person"], &guide["name"], &guide["rotation"]),
        (&json!("ben"), &json!("Ben"), &json!("override"))
    );
    assert_eq!(
        (&guide["until"], &guide["next"]["person"]),
        (&made["to"], &json!("ann"))
    );
    assert_eq!(
        (&guide["overrides"][0], &guide["gaps"]),
        (&made, &json!([]))
    );
    let one = format!("{path}/1");
    let (status, _) = api.json("DELETE", &one, json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let (_, on_call) = api.json("GET", "/api/v1/oncall", json!({})).await;
    assert_eq!(on_call["schedules"][0]["person"], "ann");
    let (status, _) = api.json("DELETE", &one, json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it is over");
}

#[tokio::test]
async fn a_take_over_that_makes_no_sense_says_why() {
    let api = Api::new(ONE).await;
    let guide = "/api/v1/oncall/guide/overrides";
    for (path, body, status, said) in [
        (
            "/api/v1/oncall/giude/overrides",
            json!({"person": "ben", "for": "2h"}),
            404,
            "configured: guide",
        ),
        (
            guide,
            json!({"person": "bne", "for": "2h"}),
            400,
            "configured: ann, ben",
        ),
        (guide, json!({"for": "2h"}), 400, "name a person"),
        (guide, json!({"person": "ben"}), 400, "such as 2h"),
        (
            guide,
            json!({"person": "ben", "for": "200d"}),
            400,
            "at most 90 days",
        ),
        (
            guide,
            json!({"person": "ben", "from": "2020-01-01T00:00:00Z", "for": "2h"}),
            400,
            "over already",
        ),
        (
            guide,
            json!({"person": "ben", "to": "2020-01-01T00:00:00Z"}),
            400,
            "after it begins",
        ),
    ] {
        let (got, answer) = api.json("POST", path, body.clone()).await;
        assert_eq!(got.as_u16(), status, "{body} {answer}");
        assert!(answer.to_string().contains(said), "{body} {answer}");
    }
    let (status, _) = api.call(Some(Role::Viewer), "POST", guide, "{}").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_phone_page_snoozes_notes_and_closes() {
    let api = Api::new(TWO).await;
    let id = api.fire().await;
    let link = format!("/a/{}", api.token());
    let shown = async || {
        let (_, incident) = api
            .json("GET", &format!("/api/v1/incidents/{id}"), json!({}))
            .await;
        incident
    };
    for _ in 0..2 {
        let (status, page) = api.call(None, "POST", &link, "do=snooze&text=").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("rings again in 30 minutes"), "{page}");
        api.call(None, "POST", &link, "do=note&text=%E9%87%8D%E5%90%AF+b")
            .await;
    }
    api.call(None, "POST", &link, "do=note&text=+").await;
    let incident = shown().await;
    assert_eq!(incident["status"], "acknowledged");
    let lines = |text: &str| {
        let timeline = incident["timeline"].as_array().unwrap();
        let of = timeline
            .iter()
            .filter(|line| line["text"].as_str().unwrap().contains(text));
        of.count()
    };
    assert_eq!(
        (lines("quiet for 30m"), lines("重启 b")),
        (1, 1),
        "twice is once: {incident}"
    );
    let timeline = incident["timeline"].as_array().unwrap();
    assert_eq!(
        timeline
            .iter()
            .filter(|line| line["kind"] == "note")
            .count(),
        1
    );
    api.call(None, "POST", &link, "do=resolve&text=restarted")
        .await;
    let incident = shown().await;
    assert_eq!(
        (
            &incident["status"],
            &incident["resolved"]["reason"],
            &incident["false_alarm"]
        ),
        (&json!("resolved"), &json!("restarted"), &json!(false))
    );
}

#[tokio::test]
async fn a_test_message_goes_to_a_person_too() {
    let api = Api::new(ONE).await;
    let (status, tested) = api
        .call(
            Some(Role::Admin),
            "POST",
            "/api/v1/notify/test",
            r#"{"receiver": "ben"}"#,
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{tested}");
    let tested: Value = serde_json::from_str(&tested).unwrap();
    assert_eq!(tested["delivered"], true);
    assert_eq!(
        tested["results"].as_array().unwrap().len(),
        1,
        "no number for calls: {tested}"
    );
    assert_eq!(tested["results"][0]["endpoint"], "channels.sms");
    let text = api.hook.requests()[0].body.to_string();
    assert!(text.contains(r#""person":"ben""#), "{text}");
}

struct Flat;

impl crate::ChartSource for Flat {
    fn curves<'a>(
        &'a self,
        function: &'a str,
        from: model::Timestamp,
        to: model::Timestamp,
    ) -> crate::chart::Fetching<'a> {
        Box::pin(async move {
            let line = vec![Some(1.0); 10];
            let panel = crate::Panel {
                name: "calls per second".to_owned(),
                is_share: false,
                now: line.clone(),
                yesterday: line.clone(),
                last_week: line,
            };
            let known = function == "guide/feed";
            known.then(|| crate::Curves {
                title: function.to_owned(),
                from,
                to,
                panels: vec![panel],
            })
        })
    }
}

#[tokio::test]
async fn a_picture_has_an_address_that_shows_and_does_nothing() {
    let api = Api::new(ONE).await;
    api.fire().await;
    let body = api.hook.requests()[0].body.clone();
    let address = body["chart_url"].as_str().unwrap();
    let path = address
        .strip_prefix("https://rampart.example.com")
        .unwrap()
        .to_owned();
    assert!(path.starts_with("/chart/"), "{path}");
    let get = async |path: &str| {
        use tower::ServiceExt;
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = api.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = read_body(&parts.headers, body, &BodyLimits::small(1 << 20)).await;
        (parts, bytes.unwrap())
    };
    let (parts, _) = get(&path).await;
    assert_eq!(
        parts.status,
        StatusCode::NOT_FOUND,
        "nobody knows the numbers"
    );
    api.alerting.handle().set_charts(Arc::new(Flat));
    let (parts, picture) = get(&path).await;
    assert_eq!(parts.status, StatusCode::OK);
    assert_eq!(parts.headers["content-type"], "image/png");
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    // Neither token is the other's.
    let token = path.trim_start_matches("/chart/").trim_end_matches(".png");
    let (status, _) = api
        .call(None, "POST", &format!("/a/{token}"), "do=acknowledge")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (parts, _) = get(&format!("/chart/{}.png", api.token())).await;
    assert_eq!(parts.status, StatusCode::NOT_FOUND);
}
