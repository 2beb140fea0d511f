//! What Twilio's text messages and calls share: the account, the form, the answer.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use declare::{Node, Problems, Record, Shape};
use hmac::{Hmac, KeyInit, Mac};
use model::{Secret, Timestamp};
use outbound::{Answer, Outbound};
use serde::Deserialize;
use sha1::Sha1;

use super::answer::{self, Meaning, means};
use super::mention::is_plain;
use super::sign::percent_encoded;
use super::{ReadSecret, read};
use crate::delivery::{Attempt, Retry};
use crate::message::Link;

const URL_DEFAULT: &str = "https://api.twilio.com";

/// An account and its token.
#[derive(Clone, Debug)]
pub(super) struct Account {
    url: Secret<String>,
    sid: String,
    token: Secret<String>,
}

const CODES: &[Meaning<i64>] = &[
    means(10_001, Retry::Never, "the account is not active"),
    means(
        10_004,
        Retry::Backoff,
        "the account has too many calls at once",
    ),
    means(13_224, Retry::Never, "Twilio does not call this number"),
    means(
        13_227,
        Retry::Never,
        "the account may not call this country",
    ),
    means(14_107, Retry::Backoff, "the account sends too fast"),
    means(20_003, Retry::Never, "check `account_sid` and `auth_token`"),
    means(20_005, Retry::Never, "the account is not active"),
    means(20_404, Retry::Never, "check `account_sid`"),
    means(20_429, Retry::Backoff, "the account sends too fast"),
    means(
        21_210,
        Retry::Never,
        "`from` is not a number of the account",
    ),
    means(21_211, Retry::Never, "check the person's number"),
    means(21_212, Retry::Never, "check `from`"),
    means(
        21_214,
        Retry::Never,
        "the person's number cannot be reached",
    ),
    means(
        21_215,
        Retry::Never,
        "the account may not call this country",
    ),
    means(21_216, Retry::Never, "the account may not call this number"),
    means(
        21_219,
        Retry::Never,
        "a trial account reaches verified numbers only",
    ),
    means(
        21_408,
        Retry::Never,
        "the account may not send to this country",
    ),
    means(21_601, Retry::Never, "`from` cannot send text messages"),
    means(
        21_603,
        Retry::Never,
        "set `from` or `messaging_service_sid`",
    ),
    means(
        21_606,
        Retry::Never,
        "`from` cannot send text messages to this number",
    ),
    means(
        21_608,
        Retry::Never,
        "a trial account reaches verified numbers only",
    ),
    means(21_610, Retry::Never, "the person has unsubscribed by STOP"),
    means(21_611, Retry::Backoff, "too many messages of `from` wait"),
    means(21_612, Retry::Never, "`from` cannot reach this number"),
    means(
        21_614,
        Retry::Never,
        "the person's number takes no text messages",
    ),
    means(21_617, Retry::Never, "the text is too long"),
];

/// Adds the fields of an account.
pub(super) fn with_account(record: Record) -> Record {
    record
        .required("account_sid", Shape::Text, "the account, AC…")
        .field("auth_token", Shape::Text, "the account's token")
        .field(
            "auth_token_file",
            Shape::Text,
            "a file that holds the account's token",
        )
        .field(
            "url",
            Shape::Url,
            "the API's address, https://api.twilio.com when absent",
        )
        .field("url_file", Shape::Text, "a file that holds the address")
        .exactly_one(&["auth_token", "auth_token_file"])
}

impl Account {
    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<Account> {
        let token = read::secret(node, "auth_token", "auth_token_file", problems, secrets);
        let url = read::url_or(node, URL_DEFAULT, problems, secrets);
        let at = node.field("account_sid")?;
        let sid = at.text()?.to_owned();
        if !is_plain(&sid, 64, b"") || !sid.starts_with("AC") {
            problems
                .error(at, "this is not an account's sid")
                .hint("write the AC… of the console's first page");
        }
        Some(Account {
            sid,
            url: url?,
            token: token?,
        })
    }

    /// Posts a form to one of the account's lists, `Messages` or `Calls`.
    pub(super) async fn post(
        &self,
        list: &str,
        form: &[(&str, String)],
        now: Timestamp,
        outbound: &Outbound,
        deadline: Duration,
    ) -> Attempt {
        let base = self.url.expose().trim_end_matches('/');
        let url = format!("{base}/2010-04-01/Accounts/{}/{list}.json", self.sid);
        let login = STANDARD.encode(format!("{}:{}", self.sid, self.token.expose()));
        let headers = vec![
            ("authorization".to_owned(), format!("Basic {login}")),
            (
                "content-type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ];
        let body = encoded(form).into_bytes();
        match answer::post(outbound, url, headers, body, deadline).await {
            Ok(answer) => judge(&answer, now),
            Err(error) => answer::lost(&error),
        }
    }
}

impl Account {
    /// Whether Twilio signed what it posted to `url`: `base64(HMAC-SHA1(token, url + each field's name
    /// and value, in order of names))`. Compared in constant time.
    pub(super) fn has_signed(
        &self,
        url: &str,
        fields: &[(String, String)],
        signature: &str,
    ) -> bool {
        let token = self.token.expose();
        if token.is_empty() {
            return false;
        }
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.as_bytes()) else {
            return false;
        };
        let mut sorted: Vec<&(String, String)> = fields.iter().collect();
        sorted.sort();
        mac.update(url.as_bytes());
        for (name, value) in sorted {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        let signature = STANDARD.decode(signature.trim());
        signature.is_ok_and(|signature| mac.verify_slice(&signature).is_ok())
    }
}

/// Where Twilio says what became of a message or call: below the message's own link.
pub(super) fn status_callback(link: &Link) -> (&'static str, String) {
    ("StatusCallback", format!("{}/status", link.url))
}

/// A form as it is posted.
pub(super) fn encoded(form: &[(&str, String)]) -> String {
    let pairs: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .collect();
    pairs.join("&")
}

#[derive(Deserialize)]
struct Taken {
    sid: String,
    status: String,
}

#[derive(Deserialize)]
struct Verdict {
    code: i64,
    #[serde(default)]
    message: String,
}

/// 201 with a sid means taken; a refusal has a code. A 5xx says nothing about the message.
fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    match answer.status {
        200..=299 => match serde_json::from_slice::<Taken>(&answer.body) {
            Ok(taken) => answer::accepted(
                format!("status {}", answer::short_reason(&taken.status)),
                Some(taken.sid),
            ),
            Err(_) => answer::unreadable(answer),
        },
        500..=599 => answer::unreadable(answer),
        status => match serde_json::from_slice::<Verdict>(&answer.body) {
            // The header knows better when than a table.
            Ok(verdict) if status != 429 => {
                answer::refused("code", &verdict.code, &verdict.message, CODES, Retry::Never)
            }
            _ => answer::refusal(answer, now),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_signature_is_made_and_no_other_is_taken() {
        let account = Account {
            url: Secret::new(URL_DEFAULT.to_owned()),
            sid: "AC1".to_owned(),
            token: Secret::new("12345".to_owned()),
        };
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let mut fields: Vec<(String, String)> = [
            ("To", "+18005551212"),
            ("CallSid", "CA1234567890ABCDE"),
            ("From", "+14158675309"),
            ("Digits", "1234"),
            ("Caller", "+14158675309"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let published = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert!(account.has_signed(url, &fields, published));
        assert!(!account.has_signed("https://mycompany.com/myapp.php", &fields, published));
        assert!(!account.has_signed(url, &fields, ""));
        assert!(!account.has_signed(url, &fields, "not base64"));
        fields[3].1 = "1235".to_owned();
        assert!(!account.has_signed(url, &fields, published));
        let nobody = Account {
            token: Secret::new(String::new()),
            ..account
        };
        assert!(
            !nobody.has_signed(url, &fields, published),
            "an empty secret proves nothing"
        );
    }
}
