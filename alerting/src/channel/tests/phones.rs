//! Text messages and calls: the exact request, receipts, codes, numbers.

use std::time::Duration;

use fakes::{Call, Provider, ProviderBehaviour, Said, accounts};
use serde_json::{Value, json};

use super::providers::{Case, someone, to_someone};
use super::*;

const ACKNOWLEDGE: &str = "https://rampart.example.com/guard/a/token";

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = expected
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    sorted(owned.collect())
}

async fn one_call(kind: &str, more: &str, language: Language) -> Call {
    let (fake, channel) = Case::named(kind).start(more).await;
    let attempt = send(&channel, &to_someone(MessageKind::Firing, language)).await;
    assert_accepted(&attempt);
    assert_eq!(fake.count(), 1);
    fake.calls().pop().unwrap()
}

#[tokio::test]
async fn aliyun_sends_a_template_to_the_persons_number() {
    let more = ", variables: {sev: severity, what: title, who: recipient, all: text}";
    let call = one_call("aliyun-sms", more, Language::Zh).await;
    assert_eq!((call.method.as_str(), call.path()), ("POST", "/"));
    assert_eq!(call.header("x-acs-action"), Some("SendSms"));
    assert_eq!(call.header("x-acs-version"), Some("2017-05-25"));
    assert!(call.body.is_empty());
    assert_eq!(
        sorted(call.query()),
        pairs(&[
            ("OutId", "k3x9/2/team-chat"),
            ("PhoneNumbers", "13800000001"),
            ("SignName", "Guard"),
            ("TemplateCode", "SMS_1"),
            (
                "TemplateParam",
                "{\"all\":\"严重 guide/wow-video-feed：Suc… 18:10起\",\"sev\":\"严重\",\
                 \"what\":\"SuccessRateLow\",\"who\":\"First On Call\"}"
            ),
        ])
    );
}

#[tokio::test]
async fn aliyun_calls_with_a_short_number_of_its_own() {
    let more = ", show_number: '057100000000', variables: {v: spoken}, variable_chars_max: 20";
    let call = one_call("aliyun-voice", more, Language::En).await;
    assert_eq!(call.header("x-acs-action"), Some("SingleCallByTts"));
    let query = call.query();
    let value = |name: &str| {
        let found = query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(value("CalledNumber"), "13800000001");
    assert_eq!(value("CalledShowNumber"), "057100000000");
    assert_eq!(value("TtsCode"), "TTS_1");
    assert_eq!(value("PlayTimes"), "2");
    assert_eq!(value("TtsParam"), "{\"v\":\"Rampart. Critical i…\"}");
    assert_eq!(value("OutId").len(), 15);
}

#[tokio::test]
async fn variables_hold_no_link_no_bracket_and_are_never_empty() {
    let more = ", variables: {a: function, b: title, c: text}";
    let (fake, channel) = Case::named("aliyun-sms").start(more).await;
    let mut hostile = to_someone(MessageKind::Firing, Language::Zh);
    hostile.incident.function = Some(String::new());
    hostile.incident.title = "【a】http://evil \"},{\"b\":\"x\r\nwww.evil.com".to_owned();
    assert_accepted(&send(&channel, &hostile).await);
    let query = fake.calls().pop().unwrap().query();
    let json = query
        .iter()
        .find(|(key, _)| key == "TemplateParam")
        .unwrap();
    let variables: Value = serde_json::from_str(&json.1).unwrap();
    assert_eq!(variables.as_object().unwrap().len(), 3);
    assert_eq!(variables["a"], "-");
    for (_, value) in variables.as_object().unwrap() {
        let value = value.as_str().unwrap();
        for part in ["://", "【", "】", "\n", "\r", "www."] {
            assert!(!value.contains(part), "{value}");
        }
        assert!(value.chars().count() <= 35, "{value}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_never_sent_again() {
    let receipt = |out_id: &str, status: i64| {
        json!([
            {"OutId": "another", "SendStatus": 3, "ErrCode": "DELIVERED"},
            {"OutId": out_id, "SendStatus": status, "ErrCode": "MOBILE_ERROR"},
        ])
    };
    let ours = "k3x9/2/team-chat";
    for (receipts, wanted) in [
        (receipt(ours, 1), "on its way"),
        (receipt(ours, 3), "delivered"),
        (receipt(ours, 2), "MOBILE_ERROR"),
        (receipt("k3x9/2", 3), "no receipt"),
        (json!([]), "no receipt"),
    ] {
        let fake = Provider::start(accounts::aliyun("canary-2", receipts))
            .await
            .unwrap();
        let channel = Case::named("aliyun-sms").channel(&fake.url(), ", deadline: 4s");
        fake.behave_next([ProviderBehaviour::ResetAfterAccepting]);
        let attempt = send(&channel, &to_someone(MessageKind::Firing, Language::En)).await;
        match wanted {
            "no receipt" => assert_unknown(&attempt),
            "MOBILE_ERROR" => assert_refused(&attempt, Retry::Never, wanted),
            _ => assert_accepted(&attempt),
        }
        assert!(format!("{attempt:?}").contains(wanted), "{attempt:?}");
        let calls = fake.calls();
        let sent = calls
            .iter()
            .filter(|call| call.header("x-acs-action") == Some("SendSms"));
        assert_eq!(sent.count(), 1);
        let asked = calls.last().unwrap().query();
        assert!(asked.contains(&("PhoneNumber".to_owned(), "13800000001".to_owned())));
    }
}

#[tokio::test]
async fn the_receipts_day_begins_in_shanghai() {
    let receipts = json!([{"OutId": "k3x9/2/team-chat", "SendStatus": 3}]);
    let clock = model::ManualClock::at(sample::at("2026-11-10T18:14:30Z"));
    let fake = Provider::start_at(clock, accounts::aliyun("canary-2", receipts))
        .await
        .unwrap();
    let channel = Case::named("aliyun-sms").channel(&fake.url(), "");
    fake.behave_next([ProviderBehaviour::ResetAfterAccepting]);
    let mut night = to_someone(MessageKind::Firing, Language::En);
    night.now = sample::at("2026-11-10T18:14:30Z");
    assert_accepted(&send(&channel, &night).await);
    let asked = fake.calls().pop().unwrap().query();
    assert!(
        asked.contains(&("SendDate".to_owned(), "20261111".to_owned())),
        "{asked:?}"
    );
}

#[tokio::test]
async fn twilio_sends_the_link_and_speaks_with_keys() {
    let call = one_call("twilio-sms", "", Language::En).await;
    assert_eq!(call.path(), "/2010-04-01/Accounts/AC1/Messages.json");
    assert_eq!(call.header("authorization"), Some("Basic QUMxOmNhbmFyeS0y"));
    let text = format!(
        "Critical guide/wow-video-feed: SuccessRateLow wow-video-feed at 83.1% in a since 18:10\n\
         {ACKNOWLEDGE}"
    );
    assert_eq!(
        sorted(call.form()),
        pairs(&[
            ("Body", &text),
            ("From", "+14155550100"),
            ("StatusCallback", &format!("{ACKNOWLEDGE}/status")),
            ("To", "+8613800000001")
        ])
    );

    let call = one_call("twilio-voice", "", Language::En).await;
    assert_eq!(call.path(), "/2010-04-01/Accounts/AC1/Calls.json");
    let say = |text: &str| format!("<Say language=\"en-US\">{text}</Say>");
    let told = say(
        "Rampart. Critical incident. guide, wow video feed, Success Rate Low. Since 18:10. \
         To take it, open the link in your messages.",
    )
    .replace("Success Rate Low", "Success rate low");
    let keys = say("Press 4 to take it, 6 to wake the next one.");
    let form = call.form();
    let twiml = &form.iter().find(|(name, _)| name == "Twiml").unwrap().1;
    assert_eq!(
        twiml,
        &format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Gather numDigits=\"1\" timeout=\"8\" action=\"{ACKNOWLEDGE}/keys\" method=\"POST\">\
             {told}{keys}{told}{keys}</Gather></Response>"
        )
    );
}

#[tokio::test]
async fn hostile_names_stay_inside_what_is_said() {
    let (fake, channel) = Case::named("twilio-voice").start("").await;
    let mut hostile = to_someone(MessageKind::Firing, Language::Zh);
    hostile.incident.title = "</Say><Dial>+1900</Dial>&\"'".repeat(40);
    hostile.incident.function = Some("</Say><Redirect>http://evil</Redirect>".to_owned());
    assert_accepted(&send(&channel, &hostile).await);
    let form = fake.calls().pop().unwrap().form();
    let twiml = &form.iter().find(|(name, _)| name == "Twiml").unwrap().1;
    assert_eq!(twiml.matches('<').count(), 13, "{twiml}");
    assert!(
        !twiml.contains("<Dial") && !twiml.contains("<Redirect"),
        "{twiml}"
    );
}

#[tokio::test]
async fn codes_say_whether_to_try_again() {
    let aliyun = |code: &str| {
        let body = json!({"Code": code, "Message": "m", "RequestId": "r"});
        Said::new(200, body.to_string())
    };
    let twilio = |status: u16, code: i64| {
        Said::new(
            status,
            json!({"code": code, "message": "m", "status": status}).to_string(),
        )
    };
    let cases = [
        (
            "aliyun-sms",
            aliyun("isv.BUSINESS_LIMIT_CONTROL"),
            Retry::Backoff,
            "too many messages",
        ),
        (
            "aliyun-sms",
            aliyun("isv.DAY_LIMIT_CONTROL"),
            Retry::Never,
            "today",
        ),
        (
            "aliyun-sms",
            aliyun("isp.SYSTEM_ERROR"),
            Retry::Backoff,
            "SYSTEM_ERROR",
        ),
        (
            "aliyun-sms",
            aliyun("isv.SMS_TEMPLATE_ILLEGAL"),
            Retry::Never,
            "`template`",
        ),
        (
            "aliyun-sms",
            aliyun("isv.PARAM_NOT_SUPPORT_URL"),
            Retry::Never,
            "link",
        ),
        (
            "aliyun-sms",
            aliyun("isv.AMOUNT_NOT_ENOUGH"),
            Retry::Never,
            "money",
        ),
        (
            "aliyun-sms",
            aliyun("isv.SOMETHING_NEW"),
            Retry::Never,
            "SOMETHING_NEW",
        ),
        (
            "aliyun-sms",
            aliyun("Throttling.User"),
            Retry::Backoff,
            "too often",
        ),
        (
            "aliyun-sms",
            aliyun("InvalidTimeStamp.Expired"),
            Retry::Never,
            "clock",
        ),
        (
            "aliyun-voice",
            aliyun("isv.BUSINESS_LIMIT_CONTROL"),
            Retry::Never,
            "would count",
        ),
        (
            "aliyun-voice",
            aliyun("isv.TTS_TEMPLATE_ILLEGAL"),
            Retry::Never,
            "`template`",
        ),
        (
            "aliyun-voice",
            aliyun("SignatureDoesNotMatch"),
            Retry::Never,
            "`access_key_secret`",
        ),
        ("twilio-sms", twilio(400, 21_211), Retry::Never, "number"),
        ("twilio-sms", twilio(400, 21_610), Retry::Never, "STOP"),
        ("twilio-sms", twilio(400, 21_611), Retry::Backoff, "wait"),
        (
            "twilio-sms",
            twilio(401, 20_003),
            Retry::Never,
            "`auth_token`",
        ),
        ("twilio-sms", twilio(400, 99_999), Retry::Never, "99999"),
        ("twilio-voice", twilio(400, 21_215), Retry::Never, "country"),
        (
            "twilio-voice",
            twilio(400, 10_004),
            Retry::Backoff,
            "at once",
        ),
        (
            "twilio-voice",
            twilio(429, 20_429).with("retry-after", "3"),
            Retry::After(Duration::from_secs(3)),
            "429",
        ),
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
async fn nobody_without_a_number_is_called() {
    for kind in ["aliyun-sms", "aliyun-voice", "twilio-sms", "twilio-voice"] {
        let (fake, channel) = Case::named(kind).start("").await;
        assert!(channel.is_once_only() && channel.needs_address().is_some());
        let mut nobody = to_someone(MessageKind::Firing, Language::En);
        nobody.recipient.person = None;
        assert_refused(&send(&channel, &nobody).await, Retry::Never, "set `to`");
        let mut numberless = someone();
        (numberless.sms, numberless.phone) = (None, None);
        nobody.recipient.person = Some(numberless.clone());
        assert_refused(
            &send(&channel, &nobody).await,
            Retry::Never,
            "`first` has no",
        );
        (numberless.sms, numberless.phone) = (Some("call me".into()), Some("call me".into()));
        nobody.recipient.person = Some(numberless);
        assert_refused(
            &send(&channel, &nobody).await,
            Retry::Never,
            "not a telephone number",
        );
        assert_eq!(fake.count(), 0);

        let (fake, channel) = Case::named(kind).start(", to: '+85250000000'").await;
        assert_eq!(channel.needs_address(), None);
        nobody.recipient.person = None;
        assert_accepted(&send(&channel, &nobody).await);
        let call = fake.calls().pop().unwrap();
        let all = [call.query(), call.form()].concat();
        assert!(
            all.iter().any(|(_, value)| value.ends_with("85250000000")),
            "{all:?}"
        );
    }
}

#[tokio::test]
async fn what_became_of_a_text_is_asked_for_later() {
    use crate::delivery::Receipt;
    for (status, expected) in [
        (1, None),
        (
            2,
            Some(Receipt::Failed {
                reason: "MOBILE_NOT_ON_SERVICE".to_owned(),
            }),
        ),
        (
            3,
            Some(Receipt::Arrived {
                detail: "delivered".to_owned(),
            }),
        ),
    ] {
        let receipts = json!([
            {"OutId": "another", "SendStatus": 2, "ErrCode": "X"},
            {"OutId": "k3x9/2/team-chat", "SendStatus": status, "ErrCode": "MOBILE_NOT_ON_SERVICE"},
        ]);
        let fake = Provider::start(accounts::aliyun("canary-2", receipts))
            .await
            .unwrap();
        let channel = Case::named("aliyun-sms").channel(&fake.url(), "");
        assert!(channel.is_asked_for_receipts());
        let delivery = to_someone(MessageKind::Firing, Language::En);
        let outbound = Outbound::new(AllowList::default(), outbound::Limits::default());
        assert_eq!(channel.receipt(&delivery, "", &outbound).await, expected);
    }
}

#[tokio::test]
async fn a_call_that_nobody_picks_up_is_told_by_its_details() {
    use crate::delivery::Receipt;
    let state = |state: &str, duration: i64| json!({"state": state, "stateDesc": state, "duration": duration});
    let details = json!({
        "answered": state("200000", 12),
        "talked": state("", 3),
        "missed": state("200005", 0),
        "ringing": state("", 0),
    });
    let fake = Provider::start(accounts::aliyun("canary-2", details))
        .await
        .unwrap();
    let channel = Case::named("aliyun-voice").channel(&fake.url(), "");
    assert!(channel.is_asked_for_receipts());
    let delivery = to_someone(MessageKind::Firing, Language::En);
    let outbound = outbound();
    for (call, expected) in [
        (
            "answered",
            Some(Receipt::Arrived {
                detail: "picked up, 12 s".to_owned(),
            }),
        ),
        (
            "talked",
            Some(Receipt::Arrived {
                detail: "picked up, 3 s".to_owned(),
            }),
        ),
        (
            "missed",
            Some(Receipt::Failed {
                reason: "not picked up, state 200005".to_owned(),
            }),
        ),
        ("ringing", None),
        ("not there yet", None),
    ] {
        assert_eq!(
            channel.receipt(&delivery, call, &outbound).await,
            expected,
            "{call}"
        );
    }
    let asked = fake.calls().pop().unwrap();
    let day = delivery.now.as_micros() / 1_000;
    assert!(
        asked
            .query()
            .contains(&("QueryDate".to_owned(), day.to_string())),
        "{asked:?}"
    );
}
