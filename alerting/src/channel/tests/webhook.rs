//! Webhooks: both payloads, signature, answers, lost answers.

use std::time::Duration;

use fakes::{Webhook, WebhookBehaviour};
use serde_json::{Value, json};

use super::*;

async fn plain() -> (Webhook, Channel) {
    let fake = Webhook::start(None).await.unwrap();
    let channel = read(&format!("webhook: {{url: \"{}\"}}", fake.url()));
    (fake, channel)
}

#[tokio::test]
async fn rampart_payload_is_signed_and_complete() {
    let fake = Webhook::start(Some("whsec")).await.unwrap();
    let channel = read(&format!(
        "webhook: {{url: \"{}\", secret: whsec, bearer_token: t0ken, headers: {{X-Team: guide}}, time_zone: Asia/Shanghai}}",
        fake.url()
    ));
    let delivery = delivery(MessageKind::Firing, Language::En);
    assert_accepted(&send(&channel, &delivery).await);
    let hook = fake.requests().pop().unwrap();
    assert_eq!(hook.header("idempotency-key"), Some("k3x9/2/team-chat"));
    assert_eq!(hook.header("authorization"), Some("Bearer t0ken"));
    assert_eq!(hook.header("x-team"), Some("guide"));
    let mut body = hook.body;
    let text = body["text"].take();
    assert!(text.as_str().unwrap().contains("02:10:00 +08:00"), "{text}");
    assert_eq!(
        body,
        json!({
            "version": 1,
            "kind": "firing",
            "key": "k3x9/2/team-chat",
            "at": delivery.now.to_rfc3339(),
            "title": "[Critical] guide/wow-video-feed: SuccessRateLow",
            "text": null,
            "recipient": {"name": "team-chat", "person": null, "mentions": ["first"]},
            "acknowledge_url": "https://rampart.example.com/guard/a/token",
            "incident": {
                "id": "k3x9",
                "title": "SuccessRateLow",
                "severity": "critical",
                "status": "open",
                "opened_at": "2026-11-10T18:10:00.000Z",
                "function": "guide/wow-video-feed",
                "labels": labels(),
                "url": "https://rampart.example.com/guard/incidents/k3x9",
                "step": {"number": 2, "of": 4},
                "note": null,
                "alerts_total": 1,
                "alerts": [{
                    "status": "firing",
                    "fingerprint": format!("{:016x}", sample::alert("a", "83.1%").fingerprint()),
                    "labels": labels(),
                    "annotations": {"summary": "wow-video-feed at 83.1% in a", "value": "83.1%"},
                    "starts_at": "2026-11-10T18:10:00.000Z",
                    "ends_at": null,
                }],
            },
        })
    );
}

fn labels() -> Value {
    json!({
        "alertname": "SuccessRateLow", "severity": "critical", "namespace": "guide",
        "function": "wow-video-feed", "unit": "a", "version": "12",
    })
}

#[tokio::test]
async fn numbers_and_addresses_of_people_stay_here() {
    let (fake, channel) = plain().await;
    assert_accepted(&send_firing(&channel).await);
    let body = fake.requests().pop().unwrap().body.to_string();
    assert!(
        !body.contains("13800000001") && !body.contains("first@example.com"),
        "{body}"
    );
}

#[tokio::test]
async fn alertmanager_payload_is_version_4() {
    let fake = Webhook::start(None).await.unwrap();
    let channel = read(&format!(
        "webhook: {{url: \"{}\", payload: alertmanager}}",
        fake.url()
    ));
    let mut firing = delivery(MessageKind::Firing, Language::En);
    firing.incident.alerts_total = 3;
    assert_accepted(&send(&channel, &firing).await);
    assert_accepted(&send(&channel, &delivery(MessageKind::Resolved, Language::En)).await);
    let bodies: Vec<Value> = fake.requests().into_iter().map(|hook| hook.body).collect();
    let common = json!({"summary": "wow-video-feed at 83.1% in a", "value": "83.1%"});
    assert_eq!(
        bodies[0],
        json!({
            "version": "4",
            "groupKey": "incident:k3x9",
            "truncatedAlerts": 2,
            "status": "firing",
            "receiver": "team-chat",
            "groupLabels": labels(),
            "commonLabels": labels(),
            "commonAnnotations": common,
            "externalURL": "https://rampart.example.com/guard/incidents/k3x9",
            "alerts": [{
                "status": "firing",
                "labels": labels(),
                "annotations": common,
                "startsAt": "2026-11-10T18:10:00.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://rampart.example.com/guard/rules/SuccessRateLow",
                "fingerprint": format!("{:016x}", sample::alert("a", "83.1%").fingerprint()),
            }],
        })
    );
    assert_eq!(bodies[1]["status"], "resolved");
    assert_eq!(bodies[1]["alerts"][0]["status"], "resolved");
    assert_eq!(bodies[1]["alerts"][0]["endsAt"], "2026-11-10T18:14:12.000Z");
}

#[tokio::test]
async fn refusals_say_whether_to_try_again() {
    let (fake, channel) = plain().await;
    let after = |value: &str| vec![("Retry-After".to_owned(), value.to_owned())];
    let seconds = |seconds| Retry::After(Duration::from_secs(seconds));
    for (status, headers, wanted) in [
        (400, vec![], Retry::Never),
        (401, vec![], Retry::Never),
        (404, vec![], Retry::Never),
        (
            302,
            vec![("location".to_owned(), "/elsewhere".to_owned())],
            Retry::Never,
        ),
        (408, vec![], Retry::Backoff),
        (500, vec![], Retry::Backoff),
        (502, after("7"), Retry::Backoff),
        (429, vec![], Retry::Backoff),
        (429, after("7"), seconds(7)),
        (503, after("120"), seconds(120)),
        (503, after("999999"), seconds(3600)),
        (503, after("soon"), Retry::Backoff),
        (503, after("-1"), Retry::Backoff),
    ] {
        fake.behave_next([WebhookBehaviour::Answer(status, headers.clone())]);
        let attempt = send_firing(&channel).await;
        assert_refused(&attempt, wanted, &format!("HTTP {status}"));
    }
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let (fake, channel) = plain().await;
    let mut firing = delivery(MessageKind::Firing, Language::En);
    firing.now = sample::at("1994-11-06T08:49:07Z");
    for (date, wanted) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", 3600),
    ] {
        let header = ("retry-after".to_owned(), date.to_owned());
        fake.behave_next([WebhookBehaviour::Answer(429, vec![header])]);
        let wanted = Retry::After(Duration::from_secs(wanted));
        assert_refused(&send(&channel, &firing).await, wanted, "429");
    }
}

#[tokio::test]
async fn lost_answers_are_unknown_and_the_key_lets_the_receiver_tell_a_repetition() {
    let (fake, channel) = plain().await;
    fake.behave_next([
        WebhookBehaviour::Hang,
        WebhookBehaviour::ResetAfterAccepting,
    ]);
    let impatient = read(&format!(
        "webhook: {{url: \"{}\", deadline: 2s}}",
        fake.url()
    ));
    assert_unknown(&send_firing(&impatient).await);
    assert_unknown(&send_firing(&channel).await);
    assert_accepted(&send_firing(&channel).await);
    assert_eq!((fake.count(), fake.distinct_keys().len()), (2, 1));
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let port = closed_port().await;
    let channel = read(&format!(
        "webhook: {{url: \"http://127.0.0.1:{port}/very-secret\"}}"
    ));
    let attempt = send_firing(&channel).await;
    assert_refused(&attempt, Retry::Backoff, "127.0.0.1");
    assert!(!format!("{attempt:?} {channel:?}").contains("very-secret"));
}

#[tokio::test]
async fn a_wrong_secret_is_refused_for_good() {
    let fake = Webhook::start(Some("whsec")).await.unwrap();
    let channel = read(&format!(
        "webhook: {{url: \"{}\", secret: other}}",
        fake.url()
    ));
    assert_refused(
        &send_firing(&channel).await,
        Retry::Never,
        "check the token or secret",
    );
    assert_eq!(fake.refusals(), ["wrong signature"]);
}
