//! Messages as people read them, and what hostile names cannot do to them.

use chrono_tz::Asia::Shanghai;
use proptest::prelude::*;

use super::sample::{alert, at, delivery};
use super::*;

fn composed(kind: MessageKind, language: Language) -> Message {
    Message::compose(&delivery(kind, language), Shanghai)
}

#[test]
fn firing_in_english() {
    assert_eq!(
        plain(&composed(MessageKind::Firing, Language::En)),
        "\
[Critical] guide/wow-video-feed: SuccessRateLow

wow-video-feed at 83.1% in a

Since: 2026-11-11 02:10:00 +08:00 (4 min 30 s ago)
Where: unit a, version 12
Value: 83.1%
Step: 2 of 4
Told: team-chat (First On Call)
I have it: https://rampart.example.com/guard/a/token
Details: https://rampart.example.com/guard/incidents/k3x9"
    );
}

#[test]
fn where_failures_gather_is_said_while_it_fires() {
    let said = "unit b, version 7: 94 % of the failures, 12 % of the calls";
    let message = |kind, language| {
        let mut delivery = delivery(kind, language);
        for alert in &mut delivery.incident.alerts {
            let annotations = &mut alert.annotations;
            annotations.insert("suspects".to_owned(), said.to_owned());
        }
        plain(&Message::compose(&delivery, Shanghai))
    };
    let english = message(MessageKind::Firing, Language::En);
    assert!(
        english.contains(&format!(
            "\nWhere: unit a, version 12\nSuspect: {said}\nValue: "
        )),
        "{english}"
    );
    let chinese = message(MessageKind::Reminder, Language::Zh);
    assert!(chinese.contains(&format!("\n疑点：{said}\n")), "{chinese}");
    assert!(!message(MessageKind::Resolved, Language::En).contains(said));
}

#[test]
fn firing_in_chinese() {
    assert_eq!(
        plain(&composed(MessageKind::Firing, Language::Zh)),
        "\
【严重】guide/wow-video-feed：SuccessRateLow

wow-video-feed at 83.1% in a

开始时间：2026-11-11 02:10:00 +08:00（4 分 30 秒前）
位置：单元 a，版本 12
当前值：83.1%
升级步骤：第 2 步，共 4 步
已通知：team-chat（First On Call）
我来处理： https://rampart.example.com/guard/a/token
查看详情： https://rampart.example.com/guard/incidents/k3x9"
    );
}

#[test]
fn resolved_says_how_long_it_lasted_and_offers_nothing_to_acknowledge() {
    assert_eq!(
        plain(&composed(MessageKind::Resolved, Language::En)),
        "\
[Resolved] guide/wow-video-feed: SuccessRateLow

wow-video-feed at 83.1% in a

Lasted: 4 min 12 s (2026-11-11 02:10:00 +08:00 – 02:14:12)
Where: unit a, version 12
Details: https://rampart.example.com/guard/incidents/k3x9"
    );
    let zh = plain(&composed(MessageKind::Resolved, Language::Zh));
    assert!(zh.starts_with("【已恢复】"), "{zh}");
    assert!(
        zh.contains("持续：4 分 12 秒（2026-11-11 02:10:00 +08:00 – 02:14:12）"),
        "{zh}"
    );
}

#[test]
fn reminders_and_tests_say_so() {
    let title = |kind, language| composed(kind, language).title();
    assert_eq!(
        title(MessageKind::Reminder, Language::En),
        "[Critical, still open] guide/wow-video-feed: SuccessRateLow"
    );
    assert_eq!(
        title(MessageKind::Reminder, Language::Zh),
        "【严重，仍未恢复】guide/wow-video-feed：SuccessRateLow"
    );
    assert!(title(MessageKind::Test, Language::En).starts_with("[Test] "));
    assert!(title(MessageKind::Test, Language::Zh).starts_with("【测试】"));
}

#[test]
fn several_alerts_get_a_line_each_with_what_differs() {
    let mut several = delivery(MessageKind::Firing, Language::En);
    let incident = &mut several.incident;
    incident.alerts = vec![alert("a", "83.1%"), alert("b", "71%")];
    incident.labels.set("unit", "");
    incident.alerts_total = 14;
    incident.note = Some("fires again after 3 min".to_owned());
    let text = plain(&Message::compose(&several, Shanghai));
    assert!(
        text.contains(
            "\
wow-video-feed at 83.1% in a
wow-video-feed at 71% in b
fires again after 3 min
"
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "\
- SuccessRateLow unit=a: 83.1%
- SuccessRateLow unit=b: 71%
- and 12 more
"
        ),
        "{text}"
    );
}

#[test]
fn markdown_holds_mentions_and_links_at_its_end() {
    let message = composed(MessageKind::Firing, Language::Zh);
    let text = markdown(&message, &["@13800000001".to_owned()], true).fit(19_000);
    assert_eq!(
        text,
        "\
### 【严重】 guide/wow-video-feed：SuccessRateLow

wow-video-feed at 83.1% in a

- 开始时间：2026-11-11 02:10:00 +08:00（4 分 30 秒前）
- 位置：单元 a，版本 12
- 当前值：83.1%
- 升级步骤：第 2 步，共 4 步
- 已通知：team-chat（First On Call）


[我来处理](https://rampart.example.com/guard/a/token)　[查看详情](https://rampart.example.com/guard/incidents/k3x9)

@13800000001"
    );
}

#[test]
fn short_form_fits_a_text_message_and_holds_no_link() {
    let firing = |language| short(&composed(MessageKind::Firing, language), 70);
    assert_eq!(
        firing(Language::En),
        "Critical guide/wow-video-feed: SuccessRateLow 83.1% since 02:10"
    );
    assert_eq!(
        firing(Language::Zh),
        "严重 guide/wow-video-feed：SuccessRateLow 83.1% 02:10起"
    );
    let resolved = short(&composed(MessageKind::Resolved, Language::Zh), 70);
    assert!(resolved.starts_with("已恢复 guide/"), "{resolved}");
    let mut linked = delivery(MessageKind::Firing, Language::En);
    linked.incident.title = "see https://evil.example 【x】".to_owned();
    let text = short(&Message::compose(&linked, Shanghai), 70);
    assert!(!text.contains("://") && !text.contains('【'), "{text}");
}

#[test]
fn spoken_form_can_be_read_aloud() {
    assert_eq!(
        spoken(&composed(MessageKind::Firing, Language::En)),
        "Rampart. Critical incident. guide, wow video feed, Success rate low. Since 02:10. \
         To take it, open the link in your messages."
    );
    assert_eq!(
        spoken(&composed(MessageKind::Firing, Language::Zh)),
        "这里是护栏告警。严重故障。guide, wow video feed, Success rate low。2点10分开始。\
         请打开消息中的链接认领。"
    );
    assert_eq!(
        spoken(&composed(MessageKind::Resolved, Language::Zh)),
        "这里是护栏告警。已恢复。guide, wow video feed, Success rate low。"
    );
}

#[test]
fn spans_name_the_two_largest_units() {
    let span = |seconds, language| span(std::time::Duration::from_secs(seconds), language);
    for (seconds, en, zh) in [
        (0, "0 s", "0 秒"),
        (59, "59 s", "59 秒"),
        (252, "4 min 12 s", "4 分 12 秒"),
        (3600, "1 h", "1 小时"),
        (7_505, "2 h 5 min", "2 小时 5 分"),
        (273_600, "3 d 4 h", "3 天 4 小时"),
    ] {
        assert_eq!(
            (
                span(seconds, Language::En).as_str(),
                span(seconds, Language::Zh).as_str()
            ),
            (en, zh)
        );
    }
}

#[test]
fn instants_carry_the_offset_of_their_day() {
    let berlin = chrono_tz::Europe::Berlin;
    assert_eq!(
        instant(at("2026-07-01T10:00:00Z"), berlin),
        "2026-07-01 12:00:00 +02:00"
    );
    assert_eq!(
        instant(at("2026-12-01T10:00:00Z"), berlin),
        "2026-12-01 11:00:00 +01:00"
    );
}

#[test]
fn lines_lose_what_disguises_text() {
    assert_eq!(one_line("a\r\nBcc: x\u{202e}\u{200b}\tb", 80), "a Bcc: x b");
    assert_eq!(one_line("  成功率很低  ", 4), "成功率…");
}

#[test]
fn chinese_is_cut_between_characters() {
    let text = "成功率很低";
    assert_eq!(cut_bytes(text, 15), "成功率很低");
    assert_eq!(cut_bytes(text, 14), "成功率…");
    assert_eq!(cut_bytes(text, 11), "成功…");
    assert_eq!(cut_bytes(text, 3), "…");
    assert_eq!(cut_bytes(text, 2), "");
}

#[test]
fn only_web_addresses_become_links() {
    for refused in [
        "javascript:alert(1)",
        "ftp://x",
        "",
        "//x",
        "data:text/html,x",
        "é",
    ] {
        assert_eq!(safe_url(refused), None, "{refused}");
    }
    assert_eq!(
        safe_url("https://h/a)b \"c<d>[e]\n").as_deref(),
        Some("https://h/a%29b%20%22c%3Cd%3E%5Be%5D%0A")
    );
}

/// Texts that would like to be markup, and any text at all.
fn hostile() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "[click](http://evil.example)",
        "![x](https://evil.example/p.png)",
        "@all",
        "@13900000000",
        "<script>",
        "</style>",
        "\"",
        "'",
        "&",
        "**",
        "`",
        "# ",
        "\n> ",
        "\n- ",
        "www.evil.example",
        "HTTP://evil.example",
        "dingtalk://x",
        "成功率",
        "\u{202e}",
        "\\",
        "|",
        "~~",
        "_a_",
        "<!--",
        "\r\n",
        "\0",
        "{{ x }}",
        "wWw.evil.example",
    ]);
    let piece = prop_oneof![3 => bits.prop_map(str::to_owned), 1 => ".{0,12}"];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn hostile_delivery(text: &str, language: Language) -> crate::delivery::Delivery {
    let mut delivery = delivery(MessageKind::Firing, language);
    let incident = &mut delivery.incident;
    text.clone_into(&mut incident.title);
    incident.function = Some(text.to_owned());
    incident.note = Some(text.to_owned());
    for alert in &mut incident.alerts {
        alert.labels.set("unit", text);
        alert.labels.set("alertname", text);
        alert
            .annotations
            .insert("summary".to_owned(), text.to_owned());
        alert
            .annotations
            .insert("value".to_owned(), text.to_owned());
    }
    incident.labels.set("unit", text);
    incident.alerts.push(alert("b", text));
    text.clone_into(&mut delivery.recipient.name);
    text.clone_into(&mut delivery.recipient.mentions[0].name);
    delivery
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cutting_by_bytes_keeps_characters_whole(text in ".{0,60}|[成功率很低…]{0,40}", max in 0_usize..80) {
        let cut = cut_bytes(&text, max);
        prop_assert!(cut.len() <= max);
        let kept = cut.strip_suffix('…').unwrap_or(&cut);
        prop_assert!(text.starts_with(kept));
        if text.len() <= max {
            prop_assert_eq!(cut, text);
        }
    }

    #[test]
    fn cutting_by_characters_never_exceeds(text in ".{0,60}", max in 0_usize..80) {
        prop_assert!(cut_chars(&text, max).chars().count() <= max);
        let line = one_line(&text, max);
        prop_assert!(line.chars().count() <= max);
        prop_assert!(!line.chars().any(char::is_control));
    }

    #[test]
    fn markdown_keeps_mention_and_link_and_forges_none(text in hostile(), room in 300_usize..4_000) {
        for language in [Language::En, Language::Zh] {
            let message = Message::compose(&hostile_delivery(&text, language), Shanghai);
            let rendered = markdown(&message, &["@13800000001".to_owned()], true).fit(room);
            prop_assert!(rendered.len() <= room);
            prop_assert!(rendered.ends_with("\n\n@13800000001"));
            prop_assert_eq!(rendered.matches('@').count(), 1);
            prop_assert_eq!(rendered.matches("](").count(), 2);
            prop_assert_eq!(rendered.matches("://").count(), 2);
            prop_assert_eq!(rendered.matches("https://rampart.example.com/").count(), 2);
            let lower = rendered.to_lowercase();
            prop_assert!(!lower.contains("www."));
            for forbidden in ["<", "`", "![", "|", "\\", "~"] {
                prop_assert!(!rendered.contains(forbidden), "{} in {}", forbidden, rendered);
            }
        }
    }

    #[test]
    fn every_dialect_keeps_its_room_its_links_and_its_mention(text in hostile(), room in 300_usize..3_000) {
        let dialects = [
            (bare_link as fn(&Link) -> String, ("", "")),
            (markdown_link, ("### ", "\n")),
            (|link| format!("<a href=\"{}\">{}</a>", link.url, link.text), ("<b>", "</b>\n")),
        ];
        let mentions = ["@13800000001".to_owned()];
        let layout = Layout { with_title: true, with_links: true, mentions: &mentions, bytes_max: room };
        for (link, strong) in dialects {
            let escape = |text: &str| escape_html(&escape_markdown(text));
            let dialect = Dialect { escape, strong, bullet: "- ", link };
            let message = Message::compose(&hostile_delivery(&text.repeat(8), Language::Zh), Shanghai);
            let text = written(&message, &dialect, &layout);
            prop_assert!(text.len() <= room);
            prop_assert!(text.ends_with("\n@13800000001"));
            prop_assert_eq!(text.matches('@').count(), 1);
            prop_assert_eq!(text.matches("://").count(), 2);
            prop_assert_eq!(text.matches("<b>").count(), text.matches("</b>").count());
            for part in text.split('&').skip(1) {
                prop_assert!(part.find(';').is_some_and(|end| end <= 4), "an escape was cut: {}", text);
            }
        }
    }

    #[test]
    fn html_holds_no_markup_but_its_own(text in hostile()) {
        let calm = html(&Message::compose(&hostile_delivery("x", Language::En), Shanghai));
        let message = Message::compose(&hostile_delivery(&text, Language::En), Shanghai);
        let rendered = html(&message);
        // Foreign text adds no tag: empty texts may only leave some out.
        prop_assert!(rendered.matches('<').count() <= calm.matches('<').count());
        prop_assert!(!rendered.contains("<script") && !rendered.contains("<!--"));
        prop_assert_eq!(rendered.matches("href=").count(), 2);
    }

    #[test]
    fn short_form_never_exceeds(text in hostile(), max in 20_usize..100) {
        let message = Message::compose(&hostile_delivery(&text, Language::Zh), Shanghai);
        let rendered = short(&message, max);
        prop_assert!(rendered.chars().count() <= max);
        prop_assert!(!rendered.contains("://") && !rendered.contains(['【', '】', '\n']));
        prop_assert!(spoken(&message).chars().count() <= 200);
    }
}
