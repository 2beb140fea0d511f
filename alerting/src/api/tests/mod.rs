//! Requests through the router, with a real database behind it.

mod duty;
mod incidents;
mod links;
mod phones;

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
use crate::{Alerting, MIGRATIONS, Node, page, routes};

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
            Node::default(),
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
