//! What each provider checks before it takes a request, and what it then answers: for
//! [`Provider::start`](crate::Provider::start).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::provider::{Call, Said};
use crate::{hex, hmac_sha256};

/// What a check comes to.
pub type Checked = Result<Said, Said>;

const AGE_MAX: Duration = Duration::from_hours(1);
const ACS_AGE_MAX: Duration = Duration::from_mins(15);

fn json_said(status: u16, body: &Value) -> Said {
    Said::new(status, body.to_string()).with("content-type", "application/json")
}

fn is_stale(sent: Timestamp, now: Timestamp, age_max: Duration) -> bool {
    now.since(sent).max(sent.since(now)) > age_max
}

/// A Feishu robot with a signing secret: signature, age and size of the body.
pub fn feishu(secret: &'static str) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    const BODY_BYTES_MAX: usize = 20 * 1024;
    move |call| {
        let refuse = |code: i64, msg: &str| {
            let status = if code == 9_499 { 400 } else { 200 };
            Err(json_said(
                status,
                &json!({"code": code, "msg": msg, "data": {}}),
            ))
        };
        let body = call.json();
        if call.body.len() > BODY_BYTES_MAX || body["card"].is_null() {
            return refuse(9_499, "Bad Request");
        }
        let time = body["timestamp"].as_str().unwrap_or("");
        let sent = Timestamp::from_seconds(time.parse().unwrap_or(0));
        let key = format!("{time}\n{secret}");
        let expected = STANDARD.encode(hmac_sha256(key.as_bytes(), b""));
        if is_stale(sent, call.at, AGE_MAX) || body["sign"] != expected {
            return refuse(
                19_021,
                "sign match fail or timestamp is not within one hour from current time",
            );
        }
        Ok(json_said(
            200,
            &json!({"code": 0, "msg": "success", "data": {}}),
        ))
    }
}

/// A WeCom robot with a key: the key, the kind and the size of the text.
pub fn wecom(key: &'static str) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    move |call| {
        let answer =
            |code: i64, said: &str| json_said(200, &json!({"errcode": code, "errmsg": said}));
        if call.query() != [("key".to_owned(), key.to_owned())] {
            return Err(answer(93_000, "invalid webhook url"));
        }
        let body = call.json();
        let bytes_max = match body["msgtype"].as_str() {
            Some("text") => 2_048,
            Some("markdown") => 4_096,
            _ => return Err(answer(40_008, "invalid message type")),
        };
        let kind = body["msgtype"].as_str().unwrap_or("");
        let content = body[kind]["content"].as_str().unwrap_or("");
        match content.len() {
            0 => Err(answer(44_004, "empty content")),
            bytes if bytes > bytes_max => Err(answer(40_058, "content exceed max length")),
            _ => Ok(answer(0, "ok")),
        }
    }
}

/// A Slack webhook at `/services/T/B/x`: path, blocks and their lengths.
pub fn slack(call: &Call) -> Checked {
    let body = call.json();
    if call.path() != "/services/T/B/x" {
        return Err(Said::new(404, "no_service"));
    }
    if body["text"].as_str().is_none_or(str::is_empty) {
        return Err(Said::new(400, "no_text"));
    }
    let longest = |kind: &str| {
        let blocks = body["blocks"].as_array().into_iter().flatten();
        let texts = blocks.filter(|block| block["type"] == kind);
        let lengths = texts.map(|block| {
            let text = block["text"]["text"].as_str().unwrap_or("");
            text.chars().count()
        });
        lengths.max().unwrap_or(0)
    };
    if longest("header") > 150 || longest("section") > 3_000 {
        return Err(Said::new(400, "invalid_blocks"));
    }
    Ok(Said::new(200, "ok"))
}

/// A Teams workflow: kind of the attachment and size of the whole.
pub fn teams(call: &Call) -> Checked {
    const BODY_BYTES_MAX: usize = 28 * 1024;
    let body = call.json();
    let card = &body["attachments"][0];
    let is_card = card["contentType"] == "application/vnd.microsoft.card.adaptive";
    if body["type"] != "message" || !is_card || card["content"]["type"] != "AdaptiveCard" {
        return Err(Said::new(400, "{\"error\":{\"code\":\"BadRequest\"}}"));
    }
    if call.body.len() > BODY_BYTES_MAX {
        return Err(Said::new(413, ""));
    }
    Ok(Said::new(202, ""))
}

/// A Telegram bot: token, length and balance of the markup.
pub fn telegram(token: &'static str) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    const UNITS_MAX: usize = 4_096;
    move |call| {
        let refuse = |code: u16, said: &str| {
            let body = json!({"ok": false, "error_code": code, "description": said});
            Err(json_said(code, &body))
        };
        if call.path() != format!("/bot{token}/sendMessage") {
            return refuse(404, "Not Found");
        }
        let body = call.json();
        if !body["chat_id"].is_i64() {
            return refuse(400, "Bad Request: chat not found");
        }
        let text = body["text"].as_str().unwrap_or("");
        let opened = text.matches("<b>").count() + text.matches("<a ").count();
        let closed = text.matches("</b>").count() + text.matches("</a>").count();
        if opened != closed || text.matches('<').count() != opened + closed {
            return refuse(400, "Bad Request: can't parse entities");
        }
        match text.encode_utf16().count() {
            0 => refuse(400, "Bad Request: message text is empty"),
            units if units > UNITS_MAX => refuse(400, "Bad Request: message is too long"),
            _ => Ok(json_said(
                200,
                &json!({"ok": true, "result": {"message_id": 42}}),
            )),
        }
    }
}

/// A PagerDuty integration: key, action, and what a trigger must say.
pub fn pagerduty(key: &'static str) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    move |call| {
        let body = call.json();
        let has = |pointer: &str| {
            let text = body.pointer(pointer).and_then(Value::as_str);
            text.is_some_and(|text| !text.is_empty())
        };
        let severities = ["critical", "error", "warning", "info"];
        let complete = match body["event_action"].as_str() {
            Some("trigger") => {
                let severity = body["payload"]["severity"].as_str().unwrap_or("");
                has("/payload/summary") && has("/payload/source") && severities.contains(&severity)
            }
            Some("acknowledge" | "resolve") => true,
            _ => false,
        };
        let dedup_key = body["dedup_key"].as_str().unwrap_or("");
        let fits = (1..=255).contains(&dedup_key.len());
        if call.path() != "/v2/enqueue" || body["routing_key"] != key || !complete || !fits {
            let refusal = json!({
                "status": "invalid event", "message": "Event object is invalid",
                "errors": ["routing_key or payload is invalid"],
            });
            return Err(json_said(400, &refusal));
        }
        let taken = json!({
            "status": "success", "message": "Event processed", "dedup_key": dedup_key,
        });
        Ok(json_said(202, &taken))
    }
}

/// An Alibaba Cloud API: signature, age, and what each action must say. `receipts` are what
/// QuerySendDetails lists, or by CallId what QueryCallDetailByCallId says.
pub fn aliyun(
    key_secret: &'static str,
    receipts: Value,
) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    move |call| {
        let refuse = |status: u16, code: &str| {
            let body = json!({"RequestId": "r", "Code": code, "Message": code});
            Err(json_said(status, &body))
        };
        let date = call.header("x-acs-date").unwrap_or("");
        let Ok(sent) = date.parse::<Timestamp>() else {
            return refuse(400, "InvalidTimeStamp.Format");
        };
        if is_stale(sent, call.at, ACS_AGE_MAX) {
            return refuse(400, "InvalidTimeStamp.Expired");
        }
        if !is_acs_signed(call, key_secret) {
            return refuse(403, "SignatureDoesNotMatch");
        }
        let query = call.query();
        let value = |name: &str| {
            let found = query.iter().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        match call.header("x-acs-action").unwrap_or("") {
            "SendSms" if value("PhoneNumbers").is_empty() => {
                refuse(200, "isv.MOBILE_NUMBER_ILLEGAL")
            }
            "SendSms" => Ok(json_said(
                200,
                &json!({"RequestId": "r", "Code": "OK", "Message": "OK", "BizId": "900619746936498440^0"}),
            )),
            "SingleCallByTts" if value("OutId").len() > 15 => refuse(200, "isv.INVALID_PARAMETERS"),
            "SingleCallByTts" => Ok(json_said(
                200,
                &json!({"RequestId": "r", "Code": "OK", "Message": "OK", "CallId": "116012354148^10281"}),
            )),
            // `Data` is JSON within JSON, and empty while nothing is known.
            "QueryCallDetailByCallId" if value("ProdId") != "11000000300006" => {
                refuse(200, "isv.PRODUCT_UNSUBSCRIBE")
            }
            "QueryCallDetailByCallId" => {
                let data = receipts.get(value("CallId")).map(Value::to_string);
                Ok(json_said(
                    200,
                    &json!({"RequestId": "r", "Code": "OK", "Message": "OK", "Data": data.unwrap_or_default()}),
                ))
            }
            "QuerySendDetails" => Ok(json_said(
                200,
                &json!({
                    "RequestId": "r", "Code": "OK", "Message": "OK", "TotalCount": "1",
                    "SmsSendDetailDTOs": {"SmsSendDetailDTO": receipts},
                }),
            )),
            _ => refuse(404, "InvalidAction.NotFound"),
        }
    }
}

/// The signature over exactly the headers that the request says it signs.
fn is_acs_signed(call: &Call, key_secret: &str) -> bool {
    let authorization = call.header("authorization").unwrap_or("");
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(name)?;
        rest.split(',').next()
    };
    let (Some(names), Some(signature)) = (part("SignedHeaders="), part("Signature=")) else {
        return false;
    };
    let mut lines = String::new();
    for name in names.split(';') {
        lines.extend([name, ":", call.header(name).unwrap_or(""), "\n"]);
    }
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let body_hash = hex(&Sha256::digest(&call.body));
    let canonical = format!(
        "{}\n{path}\n{query}\n{lines}\n{names}\n{body_hash}",
        call.method
    );
    let to_sign = format!(
        "ACS3-HMAC-SHA256\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    call.header("x-acs-content-sha256") == Some(&body_hash)
        && hex(&hmac_sha256(key_secret.as_bytes(), to_sign.as_bytes())) == signature
}

/// A Twilio account: login, path, and what a message or a call must say.
pub fn twilio(
    sid: &'static str,
    token: &'static str,
) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    move |call| {
        let refuse = |status: u16, code: i64, said: &str| {
            let body = json!({"code": code, "message": said, "status": status});
            Err(json_said(status, &body))
        };
        let login = format!("Basic {}", STANDARD.encode(format!("{sid}:{token}")));
        if call.header("authorization") != Some(&login) {
            return refuse(401, 20_003, "Authenticate");
        }
        let form = call.form();
        let value = |name: &str| {
            let found = form.iter().find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        if !value("To").starts_with('+') {
            return refuse(400, 21_211, "Invalid 'To' Phone Number");
        }
        let base = format!("/2010-04-01/Accounts/{sid}");
        if call.path() == format!("{base}/Messages.json") {
            if value("Body").chars().count() > 1_600 {
                return refuse(
                    400,
                    21_617,
                    "The concatenated message body exceeds the limit",
                );
            }
            return Ok(json_said(201, &json!({"sid": "SM1", "status": "queued"})));
        }
        if call.path() == format!("{base}/Calls.json") && value("Twiml").chars().count() <= 4_000 {
            return Ok(json_said(201, &json!({"sid": "CA1", "status": "queued"})));
        }
        refuse(404, 20_404, "The requested resource was not found")
    }
}

/// A Discord webhook: token, sizes of the embed, and that nobody is called.
pub fn discord(token: &'static str) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    move |call| {
        if !call.path().ends_with(token) {
            return Err(json_said(
                401,
                &json!({"code": 50_027, "message": "Invalid Webhook Token"}),
            ));
        }
        let body = call.json();
        let chars = |pointer: &str| {
            let text = body.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or("").chars().count()
        };
        let (title, text) = (chars("/embeds/0/title"), chars("/embeds/0/description"));
        let fits = (1..=256).contains(&title) && text <= 4_096 && chars("/content") <= 2_000;
        if !fits || body["allowed_mentions"]["parse"] != json!([]) {
            return Err(json_said(
                400,
                &json!({"code": 50_035, "message": "Invalid Form Body"}),
            ));
        }
        Ok(Said::new(204, ""))
    }
}

/// Opsgenie's alerts: key, sizes, and what opens, takes and closes one.
pub fn opsgenie(key: &'static str) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    move |call| {
        if call.header("authorization") != Some(&format!("GenieKey {key}")) {
            return Err(json_said(
                401,
                &json!({"message": "Could not authenticate"}),
            ));
        }
        let body = call.json();
        let opens = call.path() == "/v2/alerts";
        let message = body["message"].as_str().unwrap_or("").chars().count();
        let description = body["description"].as_str().unwrap_or("").len();
        let is_of_alias = call.path().ends_with("/close") || call.path().ends_with("/acknowledge");
        if opens && (!(1..=130).contains(&message) || description > 15_000) {
            return Err(json_said(
                422,
                &json!({"message": "Request body is not processable."}),
            ));
        }
        if !opens && !is_of_alias {
            return Err(json_said(404, &json!({"message": "No such path"})));
        }
        Ok(json_said(
            202,
            &json!({"result": "Request will be processed", "took": 0.1, "requestId": "r-1"}),
        ))
    }
}

/// A WeCom application: its secret gives a token, the token sends texts.
pub fn wecom_app(secret: &'static str) -> impl Fn(&Call) -> Checked + Send + Sync + 'static {
    const TEXT_BYTES_MAX: usize = 2_048;
    move |call| {
        let refuse = |errcode: i64, errmsg: &str| {
            Err(json_said(
                200,
                &json!({"errcode": errcode, "errmsg": errmsg}),
            ))
        };
        let query = call.query();
        let has = |name: &str, value: &str| query.iter().any(|(n, v)| n == name && v == value);
        match call.path() {
            "/cgi-bin/gettoken" if has("corpsecret", secret) => {
                let given =
                    json!({"errcode": 0, "errmsg": "ok", "access_token": "T1", "expires_in": 7200});
                return Ok(json_said(200, &given));
            }
            "/cgi-bin/gettoken" => return refuse(40_001, "invalid credential"),
            "/cgi-bin/message/send" if has("access_token", "T1") => {}
            _ => return refuse(40_014, "invalid access_token"),
        }
        let body = call.json();
        let text = body["text"]["content"].as_str().unwrap_or("");
        if body["agentid"] != 7 || body["touser"] != "first" {
            return refuse(40_056, "invalid agentid");
        }
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return refuse(40_058, "invalid length");
        }
        Ok(json_said(
            200,
            &json!({"errcode": 0, "errmsg": "ok", "msgid": "m-1"}),
        ))
    }
}
