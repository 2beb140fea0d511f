//! Chats: the exact request, mentions, codes, and hostile names.

use std::time::Duration;

use fakes::{ProviderBehaviour, Said};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::providers::{Case, someone, to_someone};
use super::*;

const SINCE: &str = "Since: 2026-11-10 18:10:00 +00:00 (4 min 30 s ago)";
const ACKNOWLEDGE: &str = "https://rampart.example.com/guard/a/token";
const DETAILS: &str = "https://rampart.example.com/guard/incidents/k3x9";

fn at_rest(mut delivery: Delivery) -> Delivery {
    delivery.now = sample::at("2026-11-10T18:14:30Z");
    delivery
}

/// What a channel of this kind would post.
fn post(kind: &str, more: &str, delivery: &Delivery) -> Value {
    match Case::named(kind).channel("https://h.example.com", more) {
        Channel::Feishu(robot) => robot.body(delivery),
        Channel::WeCom(robot) => robot.body(delivery),
        Channel::Slack(hook) => hook.body(delivery),
        Channel::Teams(flow) => flow.body(delivery),
        Channel::Telegram(bot) => bot.body(delivery),
        Channel::PagerDuty(service) => service.body(delivery),
        other => panic!("{other:?}"),
    }
}

fn firing(kind: &str) -> Value {
    post(
        kind,
        "",
        &at_rest(to_someone(MessageKind::Firing, Language::En)),
    )
}

#[test]
fn feishu_is_a_signed_card_with_buttons() {
    let text = format!(
        "wow-video-feed at 83.1% in a\n{SINCE}\nWhere: unit a, version 12\nValue: 83.1%\n\
         Step: 2 of 4\nTold: First On Call"
    );
    let body = firing("feishu");
    assert_eq!(body["timestamp"], "1794334470");
    assert_eq!(
        body["card"],
        json!({
            "config": {"wide_screen_mode": true},
            "header": {
                "template": "red",
                "title": {
                    "tag": "plain_text",
                    "content": "[Critical] guide/wow-video-feed: SuccessRateLow",
                },
            },
            "elements": [
                {"tag": "div", "text": {"tag": "plain_text", "content": text}},
                {"tag": "div", "text": {"tag": "lark_md", "content": "<at id=ou_first></at>"}},
                {"tag": "action", "actions": [
                    {
                        "tag": "button", "type": "primary", "url": ACKNOWLEDGE,
                        "text": {"tag": "plain_text", "content": "I have it"},
                    },
                    {
                        "tag": "button", "type": "default", "url": DETAILS,
                        "text": {"tag": "plain_text", "content": "Details"},
                    },
                ]},
            ],
        })
    );
}

#[test]
fn wecom_mentions_in_a_text_and_else_writes_markdown() {
    let text = format!(
        "[Critical] guide/wow-video-feed: SuccessRateLow\n\nwow-video-feed at 83.1% in a\n{SINCE}\n\
         Where: unit a, version 12\nValue: 83.1%\nStep: 2 of 4\nTold: First On Call\n\
         I have it: {ACKNOWLEDGE}\nDetails: {DETAILS}"
    );
    assert_eq!(
        firing("wecom"),
        json!({"msgtype": "text", "text": {
            "content": text,
            "mentioned_list": [],
            "mentioned_mobile_list": ["13800000001"],
        }})
    );
    let resolved = at_rest(to_someone(MessageKind::Resolved, Language::Zh));
    let content = "### 【已恢复】guide/wow-video-feed：SuccessRateLow\n\n\
        wow-video-feed at 83.1% in a\n\
        > 持续：4 分 12 秒（2026-11-10 18:10:00 +00:00 – 18:14:12）\n> 位置：单元 a，版本 12";
    assert_eq!(
        post("wecom", ", at: all", &resolved),
        json!({"msgtype": "markdown", "markdown": {
            "content": format!("{content}\n[查看详情]({DETAILS})"),
        }})
    );
}

#[test]
fn wecom_rings_a_number_with_its_country_code_and_a_user_id() {
    let mut firing = to_someone(MessageKind::Firing, Language::En);
    let mut second = someone();
    second
        .im
        .insert("wecom".to_owned(), "second.one".to_owned());
    firing.recipient.mentions[0]
        .im
        .insert("wecom".to_owned(), "+8613800000001".to_owned());
    firing.recipient.person = Some(second);
    let text = &post("wecom", "", &firing)["text"];
    assert_eq!(text["mentioned_mobile_list"], json!(["13800000001"]));
    assert_eq!(text["mentioned_list"], json!(["second.one"]));
}

#[test]
fn slack_has_blocks_and_a_text_that_calls_too() {
    let text = format!(
        "wow-video-feed at 83.1% in a\n• {SINCE}\n• Where: unit a, version 12\n• Value: 83.1%\n\
         • Step: 2 of 4\n• Told: First On Call\n<@U012AB3CD>"
    );
    let title = "[Critical] guide/wow-video-feed: SuccessRateLow";
    assert_eq!(
        firing("slack"),
        json!({
            "text": "[Critical] guide/wow-video-feed: SuccessRateLow <@U012AB3CD>",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}},
                {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}},
                {"type": "actions", "elements": [
                    {
                        "type": "button", "action_id": "acknowledge", "url": ACKNOWLEDGE,
                        "text": {"type": "plain_text", "text": "I have it", "emoji": false},
                    },
                    {
                        "type": "button", "action_id": "details", "url": DETAILS,
                        "text": {"type": "plain_text", "text": "Details", "emoji": false},
                    },
                ]},
            ],
        })
    );
}

#[test]
fn teams_is_an_adaptive_card() {
    let body = firing("teams");
    let content = &body["attachments"][0]["content"];
    assert_eq!(body["type"], "message");
    assert_eq!(content["version"], "1.4");
    assert_eq!(
        content["actions"],
        json!([
            {"type": "Action.OpenUrl", "title": "I have it", "url": ACKNOWLEDGE},
            {"type": "Action.OpenUrl", "title": "Details", "url": DETAILS},
        ])
    );
    assert_eq!(
        content["msteams"]["entities"],
        json!([{
            "type": "mention", "text": "<at>First On Call</at>",
            "mentioned": {"id": "first@example.com", "name": "First On Call"},
        }])
    );
    let texts: Vec<&str> = content["body"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts[0], "[Critical] guide/wow-video-feed: SuccessRateLow");
    assert!(
        texts[1].contains("\n\n- Where: unit a, version 12\n\n"),
        "{}",
        texts[1]
    );
    assert_eq!(texts[2], "<at>First On Call</at>");
}

#[test]
fn telegram_is_a_little_html() {
    let text = format!(
        "<b>[Critical] guide/wow-video-feed: SuccessRateLow</b>\n\nwow-video-feed at 83.1% in a\n\
         • {SINCE}\n• Where: unit a, version 12\n• Value: 83.1%\n• Step: 2 of 4\n\
         • Told: First On Call\n<a href=\"{ACKNOWLEDGE}\">I have it</a>\n\
         <a href=\"{DETAILS}\">Details</a>\n@first_on_call"
    );
    assert_eq!(
        post(
            "telegram",
            ", message_thread_id: 7",
            &at_rest(to_someone(MessageKind::Firing, Language::En))
        ),
        json!({
            "chat_id": -1_001_234_567_890_i64,
            "message_thread_id": 7,
            "text": text,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
        })
    );
}

#[test]
fn pagerduty_triggers_acknowledges_and_resolves_one_alert() {
    let body = firing("pagerduty");
    assert_eq!(body["event_action"], "trigger");
    assert_eq!(body["dedup_key"], "rampart-k3x9");
    assert_eq!(body["client_url"], DETAILS);
    assert_eq!(
        body["links"][0],
        json!({"href": ACKNOWLEDGE, "text": "I have it"})
    );
    let payload = &body["payload"];
    assert_eq!(
        payload["summary"],
        "[Critical] guide/wow-video-feed: SuccessRateLow"
    );
    assert_eq!(payload["source"], "guide/wow-video-feed");
    assert_eq!(payload["severity"], "critical");
    assert_eq!(payload["timestamp"], "2026-11-10T18:10:00.000Z");
    assert_eq!(payload["group"], "guide");
    assert_eq!(payload["custom_details"]["labels"]["unit"], "a");

    let resolved = to_someone(MessageKind::Resolved, Language::En);
    assert_eq!(
        post("pagerduty", "", &resolved),
        json!({
            "routing_key": "canary1", "event_action": "resolve", "dedup_key": "rampart-k3x9",
        })
    );
    let mut taken = to_someone(MessageKind::Reminder, Language::En);
    taken.incident.status = crate::delivery::IncidentStatus::Acknowledged;
    let acknowledged = post("pagerduty", "", &taken);
    assert_eq!(acknowledged["event_action"], "acknowledge");
    let test = post(
        "pagerduty",
        "",
        &to_someone(MessageKind::Test, Language::En),
    );
    assert_eq!(test["dedup_key"], "rampart-k3x9/2/team-chat");
}

#[test]
fn everybody_is_called_where_asked_and_nobody_for_good_news() {
    let firing = to_someone(MessageKind::Firing, Language::En);
    let resolved = to_someone(MessageKind::Resolved, Language::En);
    for (kind, word) in [
        ("feishu", "<at id=all></at>"),
        ("wecom", "@all"),
        ("slack", "<!channel>"),
    ] {
        let all = post(kind, ", at: all", &firing).to_string();
        assert!(all.contains(word), "{kind}: {all}");
        let calm = post(kind, ", at: all", &resolved).to_string();
        assert!(!calm.contains(word), "{kind}: {calm}");
    }
    for kind in ["feishu", "wecom", "slack", "teams", "telegram"] {
        let nobody = post(kind, ", at: none", &firing).to_string();
        for word in [
            "ou_first",
            "\"13800000001\"",
            "U012",
            "first@example",
            "@first_on",
        ] {
            assert!(!nobody.contains(word), "{kind}: {nobody}");
        }
    }
}

#[tokio::test]
async fn codes_say_whether_to_try_again() {
    let secs = |secs| Retry::After(Duration::from_secs(secs));
    let feishu = |code: i64| Said::new(200, json!({"code": code, "msg": "m"}).to_string());
    let wecom = |code: i64| Said::new(200, json!({"errcode": code, "errmsg": "m"}).to_string());
    let telegram = |code: u16, more: Value| {
        let body = json!({"ok": false, "error_code": code, "description": "d", "parameters": more});
        Said::new(code, body.to_string())
    };
    let refused = "Microsoft Teams endpoint returned HTTP error";
    let cases = [
        ("feishu", feishu(11_232), secs(10), "100 messages a minute"),
        (
            "feishu",
            Said::new(400, "{\"code\":9499,\"msg\":\"m\"}"),
            Retry::Never,
            "cannot read",
        ),
        ("feishu", feishu(19_001), Retry::Never, "`url`"),
        (
            "feishu",
            feishu(19_021),
            Retry::Never,
            "check `secret` and this machine's clock",
        ),
        ("feishu", feishu(19_022), Retry::Never, "the robot's list"),
        ("feishu", feishu(19_024), Retry::Never, "`keyword`"),
        ("feishu", feishu(1), Retry::Backoff, "code 1"),
        ("wecom", wecom(45_009), secs(60), "20 messages a minute"),
        ("wecom", wecom(40_058), Retry::Never, "too long"),
        ("wecom", wecom(93_000), Retry::Never, "`url`"),
        ("wecom", wecom(-1), Retry::Backoff, "busy"),
        ("wecom", wecom(7), Retry::Backoff, "errcode 7"),
        (
            "slack",
            Said::new(403, "action_prohibited"),
            Retry::Never,
            "does not allow",
        ),
        (
            "slack",
            Said::new(404, "channel_not_found"),
            Retry::Never,
            "gone",
        ),
        (
            "slack",
            Said::new(410, "channel_is_archived"),
            Retry::Never,
            "archived",
        ),
        (
            "slack",
            Said::new(500, "rollup_error"),
            Retry::Backoff,
            "could not post",
        ),
        (
            "slack",
            Said::new(429, "rate_limited").with("retry-after", "30"),
            secs(30),
            "429",
        ),
        (
            "teams",
            Said::new(200, format!("{refused} 429")),
            Retry::Backoff,
            "429",
        ),
        (
            "teams",
            Said::new(200, format!("{refused} 413")),
            Retry::Never,
            "413",
        ),
        (
            "telegram",
            telegram(429, json!({"retry_after": 35})),
            secs(35),
            "429",
        ),
        (
            "telegram",
            telegram(429, json!({"retry_after": 99_999})),
            secs(3_600),
            "429",
        ),
        (
            "telegram",
            telegram(400, json!({"migrate_to_chat_id": -100_777_i64})),
            Retry::Never,
            "chat_id: -100777",
        ),
        (
            "telegram",
            telegram(401, json!({})),
            Retry::Never,
            "`token`",
        ),
        (
            "telegram",
            telegram(403, json!({})),
            Retry::Never,
            "into the chat",
        ),
        (
            "telegram",
            telegram(400, json!({})),
            Retry::Never,
            "`chat_id`",
        ),
        ("telegram", telegram(502, json!({})), Retry::Backoff, "502"),
        (
            "pagerduty",
            Said::new(400, "{\"status\":\"invalid event\"}"),
            Retry::Never,
            "invalid event",
        ),
        ("pagerduty", Said::new(403, ""), Retry::Never, "403"),
    ];
    for (kind, said, wanted, part) in cases {
        let (fake, channel) = Case::named(kind).start("").await;
        fake.behave_next([ProviderBehaviour::Say(said)]);
        let attempt = send(&channel, &to_someone(MessageKind::Firing, Language::En)).await;
        assert_refused(&attempt, wanted, part);
        assert_eq!(fake.count(), 0, "{kind}");
    }
}

#[tokio::test]
async fn a_wrong_clock_is_told() {
    for kind in ["feishu", "aliyun-sms", "aliyun-voice"] {
        let (fake, channel) = Case::named(kind).start("").await;
        let mut late = to_someone(MessageKind::Firing, Language::En);
        late.now = late.now + Duration::from_hours(2);
        assert_refused(&send(&channel, &late).await, Retry::Never, "clock");
        assert_eq!((fake.count(), fake.refusals().len()), (0, 1), "{kind}");
    }
}

#[test]
fn the_paces_stay_within_what_the_providers_allow() {
    for (kind, a_minute) in [
        ("feishu", 100.0),
        ("wecom", 20.0),
        ("slack", 60.0),
        ("telegram", 20.0),
        ("pagerduty", 120.0),
    ] {
        let limits = Case::named(kind)
            .channel("https://h.example.com", "")
            .limits();
        let refill = 60.0 / limits.per.as_secs_f64() * f64::from(limits.burst);
        assert!(f64::from(limits.burst) + refill <= a_minute, "{kind}");
    }
}

fn hostile() -> &'static str {
    "(@all|@13900000000|@here|<!channel>|<@U1>|<at id=all></at>|<at>x</at>|<b>|</b>|&lt;|&amp;|\
     \\[a\\]\\(http://evil\\)|<http://evil\\|x>|<a href='x'>|成功|\"|\\\\|\r|\n|www\\.evil\\.com|.){0,40}"
}

/// Everything that a chat would show or act on.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, into)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_names_neither_ring_nor_link_nor_break_out(text in hostile(), long in 0_usize..400) {
        let mut delivery = to_someone(MessageKind::Firing, Language::Zh);
        delivery.incident.title = format!("{text} @all{}", "很<&\"".repeat(long));
        delivery.incident.function = Some(text.clone());
        delivery.incident.note = Some(text.repeat(1 + long / 40));
        delivery.incident.alerts[0].annotations.insert("summary".to_owned(), text.clone());
        for (kind, mention) in [
            ("feishu", "<at id=ou_first></at>"),
            ("wecom", "13800000001"),
            ("slack", "<@U012AB3CD>"),
            ("teams", "<at>First On Call</at>"),
            ("telegram", "@first_on_call"),
        ] {
            let body = post(kind, "", &delivery);
            let mut shown = Vec::new();
            texts(&body, &mut shown);
            let shown = shown.join("\n").replace("http://adaptivecards.io/schemas/", "");
            prop_assert!(shown.contains(mention), "{} in {}", mention, shown);
            prop_assert_eq!(shown.matches(ACKNOWLEDGE).count(), 1);
            prop_assert_eq!(shown.matches("://").count(), 2, "{}", shown);
            let foreign = shown
                .replace(mention, "")
                .replace("first@example.com", "")
                .replace("<b>", "")
                .replace("</b>", "")
                .replace("<a href=\"https://rampart", "")
                .replace("</a>", "")
                .replace("token\">", "")
                .replace("k3x9\">", "");
            for mark in ["@", "<", "www."] {
                prop_assert!(!foreign.to_lowercase().contains(mark), "{} in {}: {}", mark, kind, foreign);
            }
            if kind == "wecom" {
                prop_assert!(body["text"]["content"].as_str().unwrap().len() <= 2_048);
            }
            if kind == "telegram" {
                let text = body["text"].as_str().unwrap();
                prop_assert!(text.len() <= 4_000);
                prop_assert_eq!(text.matches("<b>").count(), 1);
                prop_assert_eq!(text.matches("</b>").count(), 1);
                // A cut never falls into an escape.
                for part in text.split('&').skip(1) {
                    let end = part.find(';').map_or("", |at| &part[..at]);
                    prop_assert!(["amp", "lt", "gt", "quot", "#39"].contains(&end), "{}", text);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_picture_is_shown_where_it_is_asked_for_and_never_costs_the_message() {
    let url = "https://rampart.example.com/guard/chart/token.png";
    let mut firing = to_someone(MessageKind::Firing, Language::En);
    firing.incident.chart_url = Some(url.to_owned());
    assert!(
        !post("slack", "", &firing).to_string().contains(url),
        "nobody asked"
    );
    let (fake, channel) = Case::named("slack").start(", picture: true").await;
    let refused = ProviderBehaviour::Say(Said::new(400, "invalid_blocks"));
    fake.behave_next([
        refused,
        ProviderBehaviour::Accept,
        ProviderBehaviour::Accept,
    ]);
    assert_accepted(&send(&channel, &firing).await);
    assert_accepted(&send(&channel, &firing).await);
    let shown: Vec<bool> = fake
        .calls()
        .iter()
        .map(|call| call.json().to_string().contains(url))
        .collect();
    assert_eq!(
        shown,
        [false, true],
        "without it after Slack could not fetch it"
    );

    let robot = read("dingtalk: {url: 'https://h.example.com/x', picture: true}");
    let Channel::DingTalk(robot) = robot else {
        panic!("{robot:?}");
    };
    let body = String::from_utf8(robot.body(&firing)).unwrap();
    assert!(body.contains(&format!("![]({url})")), "{body}");
}
