//! Configuration: what is taken, and what is said about the rest.

use super::*;

#[track_caller]
fn assert_problem(yaml: &str, part: &str) {
    let problems = try_read(yaml).expect_err(yaml);
    assert!(problems.contains(part), "{part:?} in\n{problems}");
}

#[test]
fn each_kind_is_read() {
    for (yaml, kind) in [
        ("webhook: {url: 'https://h/x'}", "webhook"),
        (
            "webhook: {url_file: url-file, secret_file: secret-file}",
            "webhook",
        ),
        (
            "dingtalk: {url_file: url-file, secret_file: secret-file, at: oncall}",
            "dingtalk",
        ),
        (
            "email: {host: mail.example.com, from: a@example.com, user: u, password_file: secret-file}",
            "email",
        ),
        (
            "email: {host: mail.example.com, tls: none, insecure: true, from: a@example.com}",
            "email",
        ),
        (
            "email: {host: mail.example.com, tls: tls, from: 'A <a@example.com>', to: [b@example.com]}",
            "email",
        ),
        (
            "feishu: {url_file: url-file, secret_file: secret-file, at: all}",
            "feishu",
        ),
        ("wecom: {url_file: url-file}", "wecom"),
        ("slack: {url_file: url-file, at: none}", "slack"),
        ("teams: {url_file: url-file}", "teams"),
        (
            "telegram: {token: '1:a', chat_id: '@somewhere'}",
            "telegram",
        ),
        (
            "telegram: {token: '1:a', chat_id: '-1001234567890'}",
            "telegram",
        ),
        (
            "pagerduty: {routing_key: abc, url: 'https://events.eu.pagerduty.com/v2/enqueue'}",
            "pagerduty",
        ),
        (
            "aliyun-sms: {access_key_id: a, access_key_secret_file: secret-file, sign_name: s, template: t}",
            "aliyun-sms",
        ),
        (
            "aliyun-voice: {access_key_id: a, access_key_secret: b, template: t, play_times: 3}",
            "aliyun-voice",
        ),
        (
            "twilio-sms: {account_sid: AC1, auth_token_file: secret-file, from: Rampart}",
            "twilio-sms",
        ),
        (
            "twilio-sms: {account_sid: AC1, auth_token: t, messaging_service_sid: MG1}",
            "twilio-sms",
        ),
        (
            "twilio-voice: {account_sid: AC1, auth_token: t, from: '+1 415 555 0100'}",
            "twilio-voice",
        ),
    ] {
        assert_eq!(read(yaml).kind(), kind, "{yaml}");
    }
}

#[test]
fn mistakes_are_told_with_their_way_out() {
    for (yaml, part) in [
        ("webhook: {}", "url"),
        ("webhook: {url: 'https://h/x', url_file: url-file}", "url"),
        ("webhook: {url: 'https://h/x', sekret: x}", "sekret"),
        ("webhook: {url_file: nowhere}", "nowhere: no such file"),
        (
            "webhook: {url_file: secret-file}",
            "not an http or https address",
        ),
        (
            "webhook: {url: 'https://h/x', secret_file: empty-file}",
            "the secret is empty",
        ),
        (
            "webhook: {url: 'https://h/x', secret: a, secret_file: secret-file}",
            "both `secret`",
        ),
        (
            "webhook: {url: 'https://h/x', deadline: 2h}",
            "out of bounds",
        ),
        ("webhook: {url: 'https://h/x', payload: xml}", "xml"),
        (
            "webhook: {url: 'https://h/x', headers: {'a b': c}}",
            "not a header name",
        ),
        (
            "webhook: {url: 'https://h/x', headers: {Host: c}}",
            "set by the channel itself",
        ),
        (
            "webhook: {url: 'https://h/x', headers: {X-A: \"b\\r\\nC: d\"}}",
            "one line",
        ),
        (
            "webhook: {url: 'https://h/x', bearer_token: t, headers: {Authorization: x}}",
            "set by the channel",
        ),
        ("dingtalk: {url: 'https://h/x', at: everyone}", "everyone"),
        ("email: {host: h, from: nobody}", "not a mail address"),
        (
            "email: {host: h, from: a@example.com, to: [b@example.com, c]}",
            "not a mail address",
        ),
        (
            "email: {host: mail.example.com, tls: none, from: a@example.com}",
            "readable by anyone",
        ),
        (
            "email: {host: h, from: a@example.com, user: u}",
            "without a password",
        ),
        (
            "email: {host: h, from: a@example.com, password: p}",
            "without a user",
        ),
        (
            "email: {host: h, from: a@example.com, ca_file: secret-file}",
            "PEM",
        ),
        (
            "webhook: {url: 'https://h/x'}\ndingtalk: {url: 'https://h/x'}",
            "dingtalk",
        ),
        ("feishu: {secret: a}", "url"),
        ("wecom: {url: 'https://h/x', secret: a}", "secret"),
        ("slack: {url: 'https://h/x', at: here}", "here"),
        ("teams: {url: 'https://h/x', at: all}", "all"),
        ("telegram: {token: '1:a'}", "chat_id"),
        (
            "telegram: {token: '1:a', chat_id: somewhere}",
            "write a number such as",
        ),
        (
            "telegram: {token: '1:a/../b', chat_id: 1}",
            "not a bot's token",
        ),
        ("pagerduty: {}", "routing_key"),
        ("pagerduty: {routing_key: 'a b'}", "not an integration key"),
        (
            "aliyun-sms: {access_key_id: a, access_key_secret: b, template: t}",
            "sign_name",
        ),
        (
            "aliyun-sms: {access_key_id: a, access_key_secret: b, sign_name: s, template: t, variables: {x: link}}",
            "link",
        ),
        (
            "aliyun-sms: {access_key_id: a, access_key_secret: b, sign_name: s, template: t, url: 'https://h/path'}",
            "has no path",
        ),
        (
            "aliyun-sms: {access_key_id: a, access_key_secret: b, sign_name: s, template: t, to: boss}",
            "with its country code",
        ),
        (
            "aliyun-voice: {access_key_id: a, access_key_secret: b, template: t, play_times: 4}",
            "play_times",
        ),
        ("twilio-sms: {account_sid: AC1, auth_token: t}", "from"),
        (
            "twilio-sms: {account_sid: AC1, auth_token: t, from: 'a sender far too long'}",
            "neither a number nor",
        ),
        (
            "twilio-sms: {account_sid: '../x', auth_token: t, from: Rampart}",
            "not an account's sid",
        ),
        (
            "twilio-voice: {account_sid: AC1, auth_token: t, from: Rampart}",
            "not a telephone number",
        ),
    ] {
        assert_problem(yaml, part);
    }
}

#[test]
fn secrets_are_never_shown() {
    let channel = read(
        "webhook: {url_file: url-file, bearer_token: canary-1, secret: canary-2, headers: {X-Key: canary-3}}",
    );
    let shown = format!("{channel:?}");
    assert!(
        !shown.contains("canary") && !shown.contains("very-secret"),
        "{shown}"
    );
    let robot = read("dingtalk: {url: 'https://h/x?access_token=canary', secret: canary}");
    assert!(!format!("{robot:?}").contains("canary"));
    let mail = read("email: {host: h, from: a@example.com, user: u, password: canary}");
    assert!(!format!("{mail:?}").contains("canary"));
}

#[test]
fn a_zone_of_its_own_wins_over_the_default() {
    let mut own = read("webhook: {url: 'https://h/x', time_zone: Europe/Berlin}");
    own.set_default_time_zone(chrono_tz::Asia::Shanghai);
    let mut none = read("webhook: {url: 'https://h/x'}");
    none.set_default_time_zone(chrono_tz::Asia::Shanghai);
    let zone = |channel: &Channel| match channel {
        Channel::Webhook(webhook) => webhook.common.zone,
        _ => None,
    };
    assert_eq!(zone(&own), Some(chrono_tz::Europe::Berlin));
    assert_eq!(zone(&none), Some(chrono_tz::Asia::Shanghai));
}
