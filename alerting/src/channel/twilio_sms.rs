//! Text messages by Twilio.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use outbound::Outbound;

use super::ReadSecret;
use super::mention::is_plain;
use super::number::{self, Number};
use super::read::{self, Common};
use super::twilio::{self, Account};
use crate::delivery::{AddressKind, Attempt, Delivery, Limits};
use crate::message::{cut_chars, one_line, short};

/// A long number sends one segment a second.
pub(super) const LIMITS: Limits = Limits {
    burst: 30,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

/// Two segments of Chinese beside the link.
const TEXT_CHARS_MAX: usize = 120;
/// The provider takes 1,600 characters; the link is never cut.
const LINKS_BYTES_MAX: usize = 1_200;

/// Who sends.
#[derive(Clone, Debug)]
enum Sender {
    Number(String),
    Service(String),
}

/// An account for text messages.
#[derive(Clone, Debug)]
pub struct TwilioSms {
    pub(super) account: Account,
    from: Sender,
    to: Option<Number>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(TwilioSms::KIND, "text messages by Twilio");
    let record = twilio::with_account(record)
        .field(
            "from",
            Shape::Text,
            "the number or name that sends, such as \"+14155550100\"",
        )
        .field(
            "messaging_service_sid",
            Shape::Text,
            "a messaging service that sends, MG…",
        )
        .exactly_one(&["from", "messaging_service_sid"]);
    read::with_common(number::with_to(record))
}

impl TwilioSms {
    pub(super) const KIND: &'static str = "twilio-sms";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<TwilioSms> {
        let account = Account::read(node, problems, secrets);
        let to = number::read(node, "to", problems);
        let from = match (node.field("from"), node.text_of("messaging_service_sid")) {
            (Some(at), _) => Sender::Number(sender(at, problems)?),
            (None, Some(sid)) => Sender::Service(sid.to_owned()),
            (None, None) => return None,
        };
        Some(TwilioSms {
            from,
            common: Common::read(node, problems),
            account: account?,
            to: to.ok()?,
        })
    }

    pub(super) fn goes_to_person(&self) -> bool {
        self.to.is_none()
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let number = match number::of(delivery, self.to.as_ref(), AddressKind::Sms) {
            Ok(number) => number,
            Err(refused) => return refused,
        };
        let form = self.form(delivery, &number);
        self.account
            .post(
                "Messages",
                &form,
                delivery.now,
                outbound,
                self.common.deadline,
            )
            .await
    }

    /// The request's form.
    pub(super) fn form(&self, delivery: &Delivery, number: &Number) -> Vec<(&'static str, String)> {
        let mut message = self.common.compose(delivery);
        message.keep_links_within(LINKS_BYTES_MAX);
        let mut text = short(&message, TEXT_CHARS_MAX);
        let status = message.acknowledge.as_ref().map(twilio::status_callback);
        // One link is enough, and each character costs.
        if let Some(link) = message.acknowledge.or(message.page) {
            text.push('\n');
            text.push_str(&link.url);
        }
        let from = match &self.from {
            Sender::Number(from) => ("From", from.clone()),
            Sender::Service(sid) => ("MessagingServiceSid", sid.clone()),
        };
        let mut form = vec![("To", number.e164()), from, ("Body", text)];
        form.extend(status);
        form
    }
}

/// A number with country code, or an alphanumeric name of up to 11 characters.
fn sender(at: &Node, problems: &mut Problems) -> Option<String> {
    const NAME_BYTES_MAX: usize = 11;
    let text = at.text()?;
    if let Some(number) = Number::parse(text) {
        return Some(number.e164());
    }
    let has_letter = text.bytes().any(|b| b.is_ascii_alphabetic());
    if is_plain(text, NAME_BYTES_MAX, b" ") && has_letter {
        return Some(cut_chars(&one_line(text, NAME_BYTES_MAX), NAME_BYTES_MAX));
    }
    problems
        .error(at, "`from` is neither a number nor a sender's name")
        .hint("write a number with its country code, or up to 11 letters and digits");
    None
}
