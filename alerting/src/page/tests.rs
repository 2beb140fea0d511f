//! The page's words and buttons, what hostile names cannot do to it, and its tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono_tz::Asia::Shanghai;
use model::Timestamp;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::delivery::{IncidentStatus, Language};
use crate::message::sample::{at, incident};

const KEY: &[u8] = b"a key of this server";

fn view() -> PageView {
    let line = |at_text: &str, text: &str| TimelineLine {
        at: at(at_text),
        text: text.to_owned(),
    };
    PageView {
        incident: incident(),
        person: Some("First On Call".to_owned()),
        holder: None,
        next: Some("Second On Call".to_owned()),
        resolved_at: None,
        timeline: vec![
            line(
                "2026-11-10T18:10:00Z",
                "SuccessRateLow fires: 83.1% in unit a",
            ),
            line("2026-11-10T18:10:01Z", "dingtalk team-chat: accepted"),
            line("2026-11-10T18:12:00Z", "sms first: accepted"),
        ],
        action: "/guard/a/token".to_owned(),
        done: None,
        now: at("2026-11-10T18:14:30Z"),
        zone: Shanghai,
    }
}

fn held_by(name: &str) -> PageView {
    let mut held = view();
    held.incident.status = IncidentStatus::Acknowledged;
    held.holder = Some(Holder {
        name: name.to_owned(),
        since: at("2026-11-10T18:13:00Z"),
    });
    held
}

fn buttons(html: &str) -> Vec<&str> {
    [
        PageAction::Acknowledge,
        PageAction::Escalate,
        PageAction::FalseAlarm,
    ]
    .map(PageAction::as_str)
    .into_iter()
    .filter(|value| html.contains(&format!("name=\"do\" value=\"{value}\"")))
    .collect()
}

#[test]
fn an_open_incident_says_what_since_when_and_offers_three_buttons() {
    let html = render(&view(), Language::En);
    for expected in [
        "<html lang=\"en\">",
        "<header class=\"critical\"><p>Critical · Open</p><h1>guide/wow-video-feed: SuccessRateLow</h1>",
        "<p class=\"said\">wow-video-feed at 83.1% in a</p>",
        "<dt>Since</dt><dd>2026-11-11 02:10:00 +08:00 (4 min 30 s ago)</dd>",
        "<dt>Where</dt><dd>unit a, version 12</dd>",
        "<dt>Who has it</dt><dd>nobody yet</dd>",
        "<form method=\"post\" action=\"/guard/a/token\">",
        ">I have it</button>",
        ">Wake Second On Call</button>",
        ">02:12:00</time>sms first: accepted",
        "This link was made for First On Call.",
    ] {
        assert!(html.contains(expected), "{expected:?} in\n{html}");
    }
    assert_eq!(buttons(&html), ["acknowledge", "escalate", "false_alarm"]);
}

#[test]
fn the_page_speaks_chinese() {
    let html = render(&view(), Language::Zh);
    for expected in [
        "<html lang=\"zh-CN\">",
        "<p>严重 · 待处理</p>",
        "<dt>开始时间</dt><dd>2026-11-11 02:10:00 +08:00（4 分 30 秒前）</dd>",
        ">我来处理</button>",
        ">叫醒 Second On Call</button>",
        "此链接发给 First On Call。",
    ] {
        assert!(html.contains(expected), "{expected:?} in\n{html}");
    }
}

#[test]
fn buttons_follow_who_has_it() {
    let mine = render(&held_by("First On Call"), Language::En);
    assert_eq!(buttons(&mine), ["escalate", "false_alarm"]);
    assert!(
        mine.contains("<dd>First On Call, since 02:13:00</dd>"),
        "{mine}"
    );
    let others = render(&held_by("Second On Call"), Language::En);
    assert_eq!(buttons(&others), ["acknowledge", "escalate", "false_alarm"]);
    assert!(others.contains(">I take over</button>"));
    let mut over = view();
    over.incident.status = IncidentStatus::Resolved;
    over.resolved_at = Some(at("2026-11-10T18:14:12Z"));
    let over = render(&over, Language::En);
    assert!(buttons(&over).is_empty() && !over.contains("<form"));
    assert!(
        over.contains("<dt>Lasted</dt><dd>4 min 12 s</dd>"),
        "{over}"
    );
}

#[test]
fn the_timeline_shows_its_last_lines_newest_first() {
    let mut long = view();
    long.timeline = (0..20)
        .map(|minute| TimelineLine {
            at: at("2026-11-10T18:00:00Z") + Duration::from_secs(minute * 60),
            text: format!("line {minute};"),
        })
        .collect();
    let html = render(&long, Language::En);
    let shown: Vec<u64> = (0..20)
        .filter(|n| html.contains(&format!("line {n};")))
        .collect();
    assert_eq!(shown, [14, 15, 16, 17, 18, 19]);
    assert!(html.find("line 19;") < html.find("line 14;"));
}

#[test]
fn sentences_instead_of_the_incident() {
    let expired = render_message(Notice::from(PageError::Expired), Language::En);
    assert!(expired.contains("<h1>This link has expired."), "{expired}");
    let forged = render_message(Notice::from(PageError::Forged), Language::Zh);
    assert!(forged.contains("链接不完整或已损坏"), "{forged}");
    let mut done = held_by("First On Call");
    done.done = Some(Notice::Acknowledged);
    assert!(render(&done, Language::Zh).contains("已由你处理"));
}

#[test]
fn the_policy_allows_exactly_the_pages_style_and_nothing_else() {
    let html = render(&view(), Language::En);
    let style = html
        .split("<style>")
        .nth(1)
        .unwrap()
        .split("</style>")
        .next()
        .unwrap();
    let hash = STANDARD.encode(Sha256::digest(style));
    let headers = headers();
    let header = |name: &str| headers.iter().find(|(key, _)| *key == name).unwrap().1;
    let policy = header("content-security-policy");
    assert!(
        policy.contains(&format!("style-src 'sha256-{hash}';")),
        "{policy}"
    );
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(header("cache-control"), "no-store");
    // Anything stricter makes browsers post the form with `Origin: null`.
    assert_eq!(header("referrer-policy"), "same-origin");
    for forbidden in [
        "<script", "<link", "<img", "style=\"", "onclick", "url(", "@import",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "<script>alert(1)</script>",
        "\" onload=\"x",
        "' style='",
        "</title>",
        "</style>",
        "&lt;",
        "<!--",
        "javascript:alert(1)",
        "\n",
        "\u{202e}",
        "成功率",
        "-->",
        "<img src=x>",
        "{}",
        "{{",
    ]);
    let piece = prop_oneof![3 => bits.prop_map(str::to_owned), 1 => ".{0,12}"];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn hostile_names_stay_text(text in hostile()) {
        let with = |text: &str| {
            let mut view = held_by(text);
            let incident = &mut view.incident;
            text.clone_into(&mut incident.title);
            incident.function = Some(text.to_owned());
            incident.note = Some(text.to_owned());
            incident.labels.set("unit", text);
            incident.alerts.push(incident.alerts[0].clone());
            for alert in &mut incident.alerts {
                alert.labels.set("instance", text);
                alert.annotations.insert("summary".to_owned(), text.to_owned());
                alert.annotations.insert("value".to_owned(), text.to_owned());
            }
            incident.url = Some(text.to_owned());
            view.person = Some(format!("{text}."));
            view.next = Some(text.to_owned());
            view.timeline[0].text = text.to_owned();
            view
        };
        for language in [Language::En, Language::Zh] {
            let calm = render(&with("calm"), language);
            let html = render(&with(&text), language);
            prop_assert!(html.matches('<').count() <= calm.matches('<').count(), "{}", html);
            prop_assert!(!html.contains("<script") && !html.contains("<img"));
            prop_assert!(!html.contains("href=\"javascript"));
            prop_assert!(html.matches('"').count() <= calm.matches('"').count());
        }
    }

    #[test]
    fn tokens_say_what_was_signed(incident in "\\PC{0,40}", person in "\\PC{0,40}", seconds in 0_i64..4_000_000_000) {
        let expires = Timestamp::from_seconds(seconds);
        let token = sign(KEY, &incident, &person, expires);
        let before = expires - Duration::from_secs(1);
        prop_assert_eq!(verify(KEY, &token, before), Ok(Claim { incident, person, expires }));
        prop_assert_eq!(verify(KEY, &token, expires), Err(PageError::Expired));
        prop_assert_eq!(verify(b"another key", &token, before), Err(PageError::Forged));
    }

    #[test]
    fn any_text_is_refused_without_panic(text in "\\PC{0,80}") {
        prop_assert!(verify(KEY, &text, Timestamp::EPOCH).is_err());
    }
}

#[test]
fn every_changed_or_missing_byte_is_noticed() {
    let now = at("2026-11-10T18:10:00Z");
    let token = sign(KEY, "k3x9", "first", now + Duration::from_mins(1));
    assert!(verify(KEY, &token, now).is_ok());
    for end in 0..token.len() {
        assert!(verify(KEY, &token[..end], now).is_err(), "cut at {end}");
    }
    for index in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(
                verify(KEY, &changed, now).is_err(),
                "byte {index} bit {bit}"
            );
        }
    }
    for more in ["A", ".", "=", " ", "\n"] {
        assert!(
            verify(KEY, &format!("{token}{more}"), now).is_err(),
            "{more:?}"
        );
    }
}

#[test]
fn expiry_cannot_be_moved_and_an_empty_key_opens_nothing() {
    let now = at("2026-11-10T18:10:00Z");
    let token = sign(KEY, "k3x9", "first", now);
    let later = sign(b"attacker", "k3x9", "first", now + Duration::from_mins(10));
    let (_, tag) = token.split_once('.').unwrap();
    let (payload, _) = later.split_once('.').unwrap();
    assert_eq!(
        verify(KEY, &format!("{payload}.{tag}"), now),
        Err(PageError::Forged)
    );
    let unsigned = sign(b"", "k3x9", "first", now + Duration::from_mins(10));
    assert_eq!(verify(b"", &unsigned, now), Err(PageError::Forged));
    let empty_tag = format!("{payload}.{}", URL_SAFE_NO_PAD.encode([]));
    assert_eq!(verify(KEY, &empty_tag, now), Err(PageError::Forged));
    assert_eq!(
        verify(KEY, &"A".repeat(5000), now),
        Err(PageError::Malformed)
    );
}
