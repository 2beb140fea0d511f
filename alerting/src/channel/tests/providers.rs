//! What all providers have in common, once for each: the request is taken by a fake that checks it as
//! the provider would; refusals, lost answers and wrong secrets mean what they should.

use std::time::Duration;

use fakes::{Provider, ProviderBehaviour, Said, accounts};
use serde_json::json;

use super::*;
use crate::delivery::Person;

/// A provider, and the channel that speaks to its fake. `BASE` stands for the fake's address.
pub(super) struct Case {
    pub(super) kind: &'static str,
    yaml: &'static str,
    wrong: Option<&'static str>,
    /// Whether a 5xx leaves the outcome open.
    rings: bool,
}

pub(super) const CASES: [Case; 13] = [
    Case {
        kind: "feishu",
        yaml: "feishu: {url: 'BASE/open-apis/bot/v2/hook/canary-1', secret: canary-2MORE}",
        wrong: Some("feishu: {url: 'BASE/open-apis/bot/v2/hook/canary-1', secret: other}"),
        rings: false,
    },
    Case {
        kind: "wecom",
        yaml: "wecom: {url: 'BASE/cgi-bin/webhook/send?key=canary-1'MORE}",
        wrong: Some("wecom: {url: 'BASE/cgi-bin/webhook/send?key=other'}"),
        rings: false,
    },
    Case {
        kind: "slack",
        yaml: "slack: {url: 'BASE/services/T/B/x'MORE}",
        wrong: Some("slack: {url: 'BASE/services/T/B/other'}"),
        rings: false,
    },
    Case {
        kind: "teams",
        yaml: "teams: {url: 'BASE/workflows/canary-1'MORE}",
        wrong: None,
        rings: false,
    },
    Case {
        kind: "telegram",
        yaml: "telegram: {token: '1:canary-1', chat_id: -1001234567890, url: 'BASE'MORE}",
        wrong: Some("telegram: {token: '1:other', chat_id: 1, url: 'BASE'}"),
        rings: false,
    },
    Case {
        kind: "pagerduty",
        yaml: "pagerduty: {routing_key: canary1, url: 'BASE/v2/enqueue'MORE}",
        wrong: Some("pagerduty: {routing_key: other, url: 'BASE/v2/enqueue'}"),
        rings: false,
    },
    Case {
        kind: "discord",
        yaml: "discord: {url: 'BASE/api/webhooks/1/canary-1'MORE}",
        wrong: Some("discord: {url: 'BASE/api/webhooks/1/other'}"),
        rings: false,
    },
    Case {
        kind: "opsgenie",
        yaml: "opsgenie: {api_key: canary-1, url: 'BASE'MORE}",
        wrong: Some("opsgenie: {api_key: other, url: 'BASE'}"),
        rings: false,
    },
    Case {
        kind: "wecom-app",
        yaml: "wecom-app: {corp_id: ww1, secret: canary-2, agent_id: 7, to_user: first, \
               url: 'BASE/cgi-bin'MORE}",
        wrong: Some(
            "wecom-app: {corp_id: ww1, secret: other, agent_id: 7, to_user: first, \
             url: 'BASE/cgi-bin/'}",
        ),
        rings: false,
    },
    Case {
        kind: "aliyun-sms",
        yaml: "aliyun-sms: {access_key_id: canary-1, access_key_secret: canary-2, \
               sign_name: Guard, template: SMS_1, url: 'BASE'MORE}",
        wrong: Some(
            "aliyun-sms: {access_key_id: a, access_key_secret: other, \
             sign_name: Guard, template: SMS_1, url: 'BASE'}",
        ),
        rings: true,
    },
    Case {
        kind: "aliyun-voice",
        yaml: "aliyun-voice: {access_key_id: canary-1, access_key_secret: canary-2, \
               template: TTS_1, url: 'BASE'MORE}",
        wrong: Some(
            "aliyun-voice: {access_key_id: a, access_key_secret: other, \
             template: TTS_1, url: 'BASE'}",
        ),
        rings: true,
    },
    Case {
        kind: "twilio-sms",
        yaml: "twilio-sms: {account_sid: AC1, auth_token: canary-2, from: '+14155550100', \
               url: 'BASE'MORE}",
        wrong: Some(
            "twilio-sms: {account_sid: AC1, auth_token: other, from: '+14155550100', url: 'BASE'}",
        ),
        rings: true,
    },
    Case {
        kind: "twilio-voice",
        yaml: "twilio-voice: {account_sid: AC1, auth_token: canary-2, from: '+14155550100', \
               url: 'BASE'MORE}",
        wrong: Some(
            "twilio-voice: {account_sid: AC1, auth_token: other, from: '+14155550100', \
             url: 'BASE'}",
        ),
        rings: true,
    },
];

impl Case {
    pub(super) fn named(kind: &str) -> &'static Case {
        CASES.iter().find(|case| case.kind == kind).unwrap()
    }

    pub(super) async fn fake(&self) -> Provider {
        let nothing = json!([]);
        let fake = match self.kind {
            "feishu" => Provider::start(accounts::feishu("canary-2")).await,
            "wecom" => Provider::start(accounts::wecom("canary-1")).await,
            "slack" => Provider::start(accounts::slack).await,
            "teams" => Provider::start(accounts::teams).await,
            "telegram" => Provider::start(accounts::telegram("1:canary-1")).await,
            "pagerduty" => Provider::start(accounts::pagerduty("canary1")).await,
            "discord" => Provider::start(accounts::discord("canary-1")).await,
            "opsgenie" => Provider::start(accounts::opsgenie("canary-1")).await,
            "wecom-app" => Provider::start(accounts::wecom_app("canary-2")).await,
            "aliyun-sms" | "aliyun-voice" => {
                Provider::start(accounts::aliyun("canary-2", nothing)).await
            }
            _ => Provider::start(accounts::twilio("AC1", "canary-2")).await,
        };
        fake.unwrap()
    }

    pub(super) fn channel(&self, base: &str, more: &str) -> Channel {
        read(&self.yaml.replace("BASE", base).replace("MORE", more))
    }

    pub(super) async fn start(&self, more: &str) -> (Provider, Channel) {
        let fake = self.fake().await;
        let channel = self.channel(&fake.url(), more);
        (fake, channel)
    }
}

impl Case {
    /// What is asked before the first message only.
    async fn get_token(&self, channel: &Channel) {
        if self.kind == "wecom-app" {
            let firing = to_someone(MessageKind::Firing, Language::En);
            assert_accepted(&send(channel, &firing).await);
        }
    }
}

/// Somebody with an identity in every chat and a number.
pub(super) fn someone() -> Person {
    let mut person = sample::person("first", "First On Call", "13800000001");
    for (kind, identity) in [
        ("feishu", "ou_first"),
        ("wecom", "13800000001"),
        ("slack", "U012AB3CD"),
        ("teams", "first@example.com"),
        ("telegram", "first_on_call"),
    ] {
        person.im.insert(kind.to_owned(), identity.to_owned());
    }
    person.sms = Some("+86 138-0000-0001".to_owned());
    person.phone = Some("+8613800000001".to_owned());
    person
}

/// A delivery to them, in a room that calls them by name or to their phone.
pub(super) fn to_someone(kind: MessageKind, language: Language) -> Delivery {
    let mut delivery = delivery(kind, language);
    delivery.recipient.mentions = vec![someone()];
    delivery.recipient.person = Some(someone());
    delivery
}

fn say(status: u16, body: &str) -> ProviderBehaviour {
    ProviderBehaviour::Say(Said::new(status, body))
}

#[tokio::test]
async fn every_kind_of_message_is_taken_in_both_languages() {
    for case in &CASES {
        let (fake, channel) = case.start("").await;
        assert_eq!(channel.kind(), case.kind);
        let kinds = [
            MessageKind::Firing,
            MessageKind::Reminder,
            MessageKind::Resolved,
            MessageKind::Test,
        ];
        for kind in kinds {
            for language in [Language::En, Language::Zh] {
                assert_accepted(&send(&channel, &to_someone(kind, language)).await);
            }
        }
        let tokens = u64::from(case.kind == "wecom-app");
        assert_eq!(
            fake.count(),
            8 + tokens,
            "{}: {:?}",
            case.kind,
            fake.refusals()
        );
    }
}

#[tokio::test]
async fn statuses_mean_the_same_everywhere() {
    let after = Said::new(429, "").with("Retry-After", "7");
    for case in &CASES {
        let (fake, channel) = case.start(", deadline: 3s").await;
        let firing = to_someone(MessageKind::Firing, Language::En);
        for (said, wanted) in [
            (after.clone(), Retry::After(Duration::from_secs(7))),
            (Said::new(429, ""), Retry::Backoff),
            (Said::new(404, ""), Retry::Never),
            (
                Said::new(302, "").with("location", "/elsewhere"),
                Retry::Never,
            ),
        ] {
            let status = format!("HTTP {}", said.status);
            fake.behave_next([ProviderBehaviour::Say(said)]);
            assert_refused(&send(&channel, &firing).await, wanted, &status);
        }
        for status in [500, 502, 503] {
            fake.behave_next([say(status, "<html>oops</html>")]);
            let attempt = send(&channel, &firing).await;
            // What rings a phone is never repeated on a guess.
            if case.rings {
                assert_unknown(&attempt);
            } else {
                assert_refused(&attempt, Retry::Backoff, &format!("HTTP {status}"));
            }
        }
        let sent = fake.calls();
        let wrote = sent
            .iter()
            .any(|call| call.header("x-acs-action") != Some("QuerySendDetails"));
        assert!(!wrote, "{}: {sent:?}", case.kind);
    }
}

#[tokio::test]
async fn a_success_that_is_not_the_providers_is_unknown() {
    for case in &CASES {
        let (fake, channel) = case.start(", deadline: 3s").await;
        // Some answers have no body to tell them by.
        if !["teams", "discord"].contains(&case.kind) {
            case.get_token(&channel).await;
            let status = match case.kind {
                "pagerduty" | "opsgenie" => 202,
                "twilio-sms" | "twilio-voice" => 201,
                _ => 200,
            };
            fake.behave_next([say(status, "<html>log in</html>")]);
            let firing = to_someone(MessageKind::Firing, Language::En);
            assert_unknown(&send(&channel, &firing).await);
        }
    }
}

#[tokio::test]
async fn lost_answers_are_unknown() {
    for case in &CASES {
        let (fake, channel) = case.start(", deadline: 1500ms").await;
        case.get_token(&channel).await;
        let firing = to_someone(MessageKind::Firing, Language::En);
        fake.behave_next([ProviderBehaviour::Hang]);
        assert_unknown(&send(&channel, &firing).await);
        fake.behave_next([ProviderBehaviour::ResetAfterAccepting]);
        assert_unknown(&send(&channel, &firing).await);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_for_good_and_no_secret_is_shown() {
    for case in &CASES {
        let fake = case.fake().await;
        let firing = to_someone(MessageKind::Firing, Language::En);
        if let Some(wrong) = case.wrong {
            let channel = read(&wrong.replace("BASE", &fake.url()));
            let attempt = send(&channel, &firing).await;
            assert_refused(&attempt, Retry::Never, "");
            assert_eq!(fake.count(), 0, "{}", case.kind);
        }
        let port = closed_port().await;
        let channel = case.channel(&format!("http://127.0.0.1:{port}"), "");
        let attempt = send(&channel, &firing).await;
        assert_refused(&attempt, Retry::Backoff, "127.0.0.1");
        let shown = format!("{channel:?} {attempt:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(!shown.contains("13800000001"), "{shown}");
    }
}

#[tokio::test]
async fn what_is_far_too_long_is_cut_and_taken() {
    for case in &CASES {
        let (fake, channel) = case.start("").await;
        let mut long = to_someone(MessageKind::Firing, Language::Zh);
        long.incident.alerts = (0..20)
            .map(|index| {
                let mut alert = sample::alert(&format!("单元{index}\"\\"), "低");
                let summary = format!("{index}{}", "成功率\"很<低&".repeat(500));
                alert.annotations.insert("summary".to_owned(), summary);
                alert
            })
            .collect();
        long.incident.note = Some("很\"".repeat(9_000));
        long.incident.title = "标题<&".repeat(2_000);
        assert_accepted(&send(&channel, &long).await);
        let call = fake.calls().pop().unwrap();
        let sent = match case.kind {
            "aliyun-sms" | "aliyun-voice" => continue,
            "twilio-sms" | "twilio-voice" => format!("{:?}", call.form()),
            _ => call.json().to_string(),
        };
        let link = "https://rampart.example.com/guard/a/token";
        assert!(sent.contains(link), "{}: {sent}", case.kind);
    }
}

#[tokio::test]
async fn an_application_gets_a_token_once_and_again_when_it_is_over() {
    let case = Case::named("wecom-app");
    let (fake, channel) = case.start("").await;
    let firing = to_someone(MessageKind::Firing, Language::En);
    fake.behave_next([ProviderBehaviour::Hang]);
    let short = case.channel(&fake.url(), ", deadline: 300ms");
    assert_refused(&send(&short, &firing).await, Retry::Backoff, "no token");
    for _ in 0..3 {
        assert_accepted(&send(&channel, &firing).await);
    }
    let asked = || {
        let calls = fake.calls();
        calls
            .iter()
            .filter(|call| call.path().ends_with("/gettoken"))
            .count()
    };
    assert_eq!(asked(), 1);
    fake.behave_next([say(
        200,
        r#"{"errcode":42001,"errmsg":"access_token expired"}"#,
    )]);
    assert_refused(&send(&channel, &firing).await, Retry::Backoff, "new token");
    assert_accepted(&send(&channel, &firing).await);
    assert_eq!(asked(), 2);
    let mut later = firing.clone();
    later.now = later.now + Duration::from_hours(2);
    assert_accepted(&send(&channel, &later).await);
    assert_eq!(asked(), 3);
}

#[test]
fn opsgenie_opens_takes_and_closes_one_alert() {
    let channel =
        Case::named("opsgenie").channel("https://h.example.com", ", teams: [night], tags: [guard]");
    let Channel::Opsgenie(opsgenie) = channel else {
        panic!("{channel:?}");
    };
    let mut firing = to_someone(MessageKind::Firing, Language::En);
    let (path, body) = opsgenie.request(&firing);
    assert_eq!(path, "/v2/alerts");
    assert_eq!(body["alias"], "rampart-k3x9");
    assert_eq!(
        body["message"],
        "[Critical] guide/wow-video-feed: SuccessRateLow"
    );
    assert_eq!(
        (&body["priority"], &body["source"]),
        (&json!("P1"), &json!("Rampart"))
    );
    assert_eq!(
        body["responders"],
        json!([{"name": "night", "type": "team"}])
    );
    assert_eq!(
        (&body["tags"], &body["entity"]),
        (&json!(["guard"]), &json!("guide/wow-video-feed"))
    );
    assert!(
        body["description"]
            .as_str()
            .unwrap()
            .contains("/guard/a/token")
    );
    firing.kind = MessageKind::Reminder;
    firing.incident.status = crate::delivery::IncidentStatus::Acknowledged;
    let path_of = |delivery: &Delivery| opsgenie.request(delivery).0;
    assert_eq!(
        path_of(&firing),
        "/v2/alerts/rampart-k3x9/acknowledge?identifierType=alias"
    );
    firing.kind = MessageKind::Resolved;
    assert_eq!(
        path_of(&firing),
        "/v2/alerts/rampart-k3x9/close?identifierType=alias"
    );
    firing.kind = MessageKind::Test;
    assert_eq!(
        opsgenie.request(&firing).1["alias"],
        "rampart-k3x9/2/team-chat"
    );
}
