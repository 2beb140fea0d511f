//! Calls by Twilio: the message is read aloud, and a key pressed during it acts on the incident.
//!
//! A call that is "completed" may have reached a mailbox, so only a key acknowledges: 4 takes the
//! incident, 6 asks for the next step. The key comes back to the signed link of the message.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use outbound::Outbound;

use super::ReadSecret;
use super::number::{self, Number};
use super::read::{self, Common};
use super::twilio::{self, Account};
use crate::delivery::{AddressKind, Attempt, Delivery, Limits};
use crate::message::{Message, spoken, twiml};

/// One call a second is made; more wait at the provider.
pub(super) const LIMITS: Limits = Limits {
    burst: 30,
    per: Duration::from_mins(1),
    min_gap: Duration::from_secs(1),
    penalty: Duration::ZERO,
};

/// The provider takes 4,000 characters of TwiML.
const LINKS_BYTES_MAX: usize = 2_000;
const RING_SECONDS: &str = "30";

/// An account for calls.
#[derive(Clone, Debug)]
pub struct TwilioVoice {
    pub(super) account: Account,
    from: Number,
    to: Option<Number>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(TwilioVoice::KIND, "calls by Twilio");
    let record = twilio::with_account(record).required(
        "from",
        Shape::Text,
        "the number that calls, such as \"+14155550100\"",
    );
    read::with_common(number::with_to(record))
}

impl TwilioVoice {
    pub(super) const KIND: &'static str = "twilio-voice";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<TwilioVoice> {
        let account = Account::read(node, problems, secrets);
        let from = number::read(node, "from", problems);
        let to = number::read(node, "to", problems);
        Some(TwilioVoice {
            common: Common::read(node, problems),
            account: account?,
            from: from.ok()??,
            to: to.ok()?,
        })
    }

    pub(super) fn goes_to_person(&self) -> bool {
        self.to.is_none()
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let number = match number::of(delivery, self.to.as_ref(), AddressKind::Phone) {
            Ok(number) => number,
            Err(refused) => return refused,
        };
        let form = self.form(delivery, &number);
        self.account
            .post("Calls", &form, delivery.now, outbound, self.common.deadline)
            .await
    }

    /// The request's form.
    pub(super) fn form(&self, delivery: &Delivery, number: &Number) -> Vec<(&'static str, String)> {
        let mut message = self.common.compose(delivery);
        message.keep_links_within(LINKS_BYTES_MAX);
        let mut form = vec![
            ("To", number.e164()),
            ("From", self.from.e164()),
            ("Timeout", RING_SECONDS.to_owned()),
            ("Twiml", said(&message)),
        ];
        form.extend(message.acknowledge.as_ref().map(twilio::status_callback));
        form
    }
}

/// What the provider is to say and to listen for.
fn said(message: &Message) -> String {
    let text = spoken(message);
    match &message.acknowledge {
        Some(link) => twiml::ask(&[&text], &format!("{}/keys", link.url), message.language),
        None => twiml::say(&[&text, &text], message.language),
    }
}
