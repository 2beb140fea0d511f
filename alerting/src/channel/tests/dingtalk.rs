//! The DingTalk robot: signature, mentions, cards, codes, cutting, hostile names.

use std::time::Duration;

use fakes::{DingTalk, DingTalkBehaviour};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "SECtest";

async fn robot(more: &str) -> (DingTalk, Channel) {
    let fake = DingTalk::start(SECRET).await.unwrap();
    let channel = read(&format!(
        "dingtalk: {{url: \"{}\", secret: {SECRET}, time_zone: Asia/Shanghai{more}}}",
        fake.url()
    ));
    (fake, channel)
}

#[tokio::test]
async fn who_is_on_call_is_mentioned_in_markdown() {
    let (fake, channel) = robot("").await;
    assert_accepted(&send(&channel, &delivery(MessageKind::Firing, Language::Zh)).await);
    let message = fake.messages().pop().unwrap();
    assert_eq!(message.kind(), "markdown");
    assert_eq!(message.mentioned(), ["13800000001"]);
    assert!(
        message.text().ends_with("\n\n@13800000001"),
        "{}",
        message.text()
    );
    assert!(
        message
            .text()
            .contains("[我来处理](https://rampart.example.com/guard/a/token)")
    );
    assert_eq!(
        message.title(),
        "【严重】guide/wow-video-feed：SuccessRateLow"
    );
    assert_eq!(message.body["at"]["isAtAll"], false);
}

#[tokio::test]
async fn without_a_mention_the_acknowledgement_is_a_button() {
    let (fake, channel) = robot(", at: none").await;
    assert_accepted(&send_firing(&channel).await);
    let message = fake.messages().pop().unwrap();
    assert_eq!(message.kind(), "actionCard");
    assert!(!message.text().contains("]("), "{}", message.text());
    assert_eq!(
        message.body["actionCard"]["btns"],
        serde_json::json!([
            {"title": "I have it", "actionURL": "https://rampart.example.com/guard/a/token"},
            {"title": "Details", "actionURL": "https://rampart.example.com/guard/incidents/k3x9"},
        ])
    );
}

#[tokio::test]
async fn good_news_rings_nobody() {
    for more in ["", ", at: all"] {
        let (fake, channel) = robot(more).await;
        assert_accepted(&send(&channel, &delivery(MessageKind::Resolved, Language::En)).await);
        let message = fake.messages().pop().unwrap();
        assert_eq!(message.kind(), "markdown");
        assert!(message.mentioned().is_empty() && !message.text().contains('@'));
        assert_eq!(message.body["at"]["isAtAll"], false);
    }
}

#[tokio::test]
async fn everybody_or_a_user_id_can_be_mentioned() {
    let (fake, channel) = robot(", at: all, keyword: 告警").await;
    assert_accepted(&send_firing(&channel).await);
    let message = fake.messages().pop().unwrap();
    assert_eq!(message.body["at"]["isAtAll"], true);
    assert!(
        message.text().ends_with("\n\n@all\n\n告警"),
        "{}",
        message.text()
    );

    let (fake, channel) = robot("").await;
    let mut firing = delivery(MessageKind::Firing, Language::En);
    let names = ["manager.01", "all", "x) [y](http://z", "+86-13800000002"];
    firing.recipient.mentions = names.map(|name| sample::person(name, name, name)).to_vec();
    assert_accepted(&send(&channel, &firing).await);
    let message = fake.messages().pop().unwrap();
    assert_eq!(message.mentioned(), ["+86-13800000002"]);
    assert_eq!(
        message.body["at"]["atUserIds"],
        serde_json::json!(["manager.01"])
    );
    assert!(
        message.text().ends_with("\n\n@+86-13800000002 @manager.01"),
        "{}",
        message.text()
    );
}

#[tokio::test]
async fn codes_say_whether_to_try_again() {
    let (fake, channel) = robot("").await;
    let code = |code, said: &str| DingTalkBehaviour::Errcode(code, said.to_owned());
    let block = Retry::After(Duration::from_mins(10));
    for (behaviour, wanted, part) in [
        (
            code(130_101, "send too fast"),
            block,
            "blocked for ten minutes",
        ),
        (
            code(310_000, "sign not match"),
            Retry::Never,
            "check `secret` and this machine's clock",
        ),
        (
            code(310_000, "keywords not in content"),
            Retry::Never,
            "set `keyword`",
        ),
        (
            code(310_000, "invalid timestamp"),
            Retry::Never,
            "check this machine's clock",
        ),
        (code(460_101, "too long"), Retry::Never, "too long"),
        (
            code(300_001, "token is not exist"),
            Retry::Never,
            "access_token",
        ),
        (code(-1, "system busy"), Retry::Backoff, "errcode -1"),
        (DingTalkBehaviour::Status(500), Retry::Backoff, "HTTP 500"),
        (DingTalkBehaviour::Status(404), Retry::Never, "HTTP 404"),
    ] {
        fake.behave_next([behaviour]);
        assert_refused(&send_firing(&channel).await, wanted, part);
    }
    assert_eq!(fake.count(), 0);
}

#[tokio::test]
async fn lost_answers_are_unknown() {
    let (fake, channel) = robot(", deadline: 2s").await;
    fake.behave_next([
        DingTalkBehaviour::Hang,
        DingTalkBehaviour::ResetAfterAccepting,
    ]);
    assert_unknown(&send_firing(&channel).await);
    assert_unknown(&send_firing(&channel).await);
    assert_eq!(fake.count(), 1);
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_clock_are_told_apart_from_the_network() {
    let fake = DingTalk::start("SECother").await.unwrap();
    let channel = read(&format!(
        "dingtalk: {{url: \"{}\", secret: {SECRET}}}",
        fake.url()
    ));
    assert_refused(&send_firing(&channel).await, Retry::Never, "check `secret`");

    let (fake, channel) = robot("").await;
    let mut late = delivery(MessageKind::Firing, Language::En);
    late.now = late.now + Duration::from_hours(2);
    assert_refused(&send(&channel, &late).await, Retry::Never, "clock");
    assert_eq!(fake.refusals(), ["310000 invalid timestamp"]);
}

#[test]
fn the_providers_date_shows_how_far_the_clock_is_off() {
    let channel = read("dingtalk: {url: \"https://oapi.example.com/robot/send?access_token=t\"}");
    let Channel::DingTalk(_) = channel else {
        panic!("{channel:?}");
    };
    let answer = outbound::Answer {
        status: 200,
        headers: vec![(
            "date".to_owned(),
            "Tue, 10 Nov 2026 20:10:00 GMT".to_owned(),
        )],
        body: br#"{"errcode":310000,"errmsg":"invalid timestamp"}"#.to_vec(),
    };
    let attempt = super::super::dingtalk::judge(&answer, sample::at("2026-11-10T18:10:00Z"));
    assert_refused(&attempt, Retry::Never, "clock is 2h off");
    let html = outbound::Answer {
        body: b"<html>log in</html>".to_vec(),
        ..answer
    };
    assert_unknown(&super::super::dingtalk::judge(
        &html,
        sample::at("2026-11-10T18:10:00Z"),
    ));
}

#[tokio::test]
async fn the_pace_never_meets_the_robots_block() {
    // The robot counts a minute; a full bucket and a minute's refill must stay within 20.
    let (_, channel) = robot("").await;
    let limits = channel.limits();
    let refill = 60.0 / limits.per.as_secs_f64() * f64::from(limits.burst);
    assert!(f64::from(limits.burst) + refill <= 20.0);
    assert_eq!(limits.penalty, Duration::from_mins(10));
}

#[tokio::test]
async fn a_robot_in_a_storm_blocks_and_says_for_how_long() {
    let (fake, channel) = robot("").await;
    fake.enforce_rate();
    for _ in 0..20 {
        assert_accepted(&send_firing(&channel).await);
    }
    let block = Retry::After(Duration::from_mins(10));
    assert_refused(&send_firing(&channel).await, block, "130101");
    assert_eq!(fake.count(), 20);
}

#[tokio::test]
async fn long_chinese_is_cut_but_mention_and_link_stay() {
    let (fake, channel) = robot("").await;
    let mut long = delivery(MessageKind::Firing, Language::Zh);
    long.incident.alerts = (0..20)
        .map(|index| {
            let mut alert = sample::alert(&format!("单元{index}"), "低");
            let summary = format!("{index}{}", "成功率很低".repeat(500));
            alert.annotations.insert("summary".to_owned(), summary);
            alert
        })
        .collect();
    long.incident.note = Some("很".repeat(9_000));
    assert_accepted(&send(&channel, &long).await);
    let message = fake.messages().pop().unwrap();
    assert!(message.text().len() <= 20_000);
    assert!(message.text().ends_with("\n\n@13800000001"));
    assert!(
        message
            .text()
            .contains("(https://rampart.example.com/guard/a/token)")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_names_neither_ring_nor_link(text in "(@all|@13900000000|\\[a\\]\\(http://evil\\)|成功|\"|\\\\|\n|.){0,40}") {
        let mut delivery = sample::delivery(MessageKind::Firing, Language::Zh);
        delivery.incident.title = format!("{text} @all");
        delivery.incident.function = Some(text.clone());
        delivery.incident.note = Some(text);
        let channel = read("dingtalk: {url: \"https://oapi.example.com/robot/send\"}");
        let Channel::DingTalk(robot) = channel else { unreachable!() };
        let body: serde_json::Value = serde_json::from_slice(&robot.body(&delivery)).unwrap();
        let text = body["markdown"]["text"].as_str().unwrap();
        prop_assert_eq!(body["at"]["isAtAll"].as_bool(), Some(false));
        prop_assert_eq!(text.matches('@').count(), 1);
        prop_assert_eq!(text.matches("](").count(), 2);
        prop_assert!(!body["markdown"]["title"].as_str().unwrap().contains('@'));
    }
}
