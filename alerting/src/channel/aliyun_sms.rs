//! Text messages by Alibaba Cloud: SendSms by an approved template, and the receipt where the answer
//! was lost.
//!
//! SendSms is not idempotent, so nothing is sent twice: after a lost answer the provider is asked
//! whether it knows the message by its `OutId`. Template variables may hold no link; the message says
//! what burns, the chat or the mail holds the link.

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use model::Timestamp;
use outbound::{Answer, Outbound};
use serde::Deserialize;

use super::acs::{self, Account, Operation};
use super::answer::{Meaning, means};
use super::number::{self, Number};
use super::read::{self, Common};
use super::variables::{Variables, with_variables};
use super::{ReadSecret, answer};
use crate::delivery::{AddressKind, Attempt, Delivery, Limits, Quota, Receipt as Fate, Retry};
use crate::message::cut_bytes;

/// The provider's own limits are a number's: 1 a minute, 5 an hour, 10 a day for one template.
/// The provider's limit for notifications to one number.
pub(super) const QUOTAS: &[Quota] = &[Quota {
    most: 50,
    per: Duration::from_hours(24),
}];

pub(super) const LIMITS: Limits = Limits {
    burst: 60,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

const URL_DEFAULT: &str = "https://dysmsapi.aliyuncs.com";
const VERSION: &str = "2017-05-25";
const OUT_ID_BYTES_MAX: usize = 200;
/// How often the receipt is asked for; it may appear a moment after the message.
const RECEIPT_QUERIES_MAX: u32 = 3;
const RECEIPT_PAUSE: Duration = Duration::from_millis(300);
const RECEIPTS_PER_PAGE: &str = "50";

const SEND: Operation = Operation {
    action: "SendSms",
    version: VERSION,
};
const QUERY: Operation = Operation {
    action: "QuerySendDetails",
    version: VERSION,
};

const CODES: &[Meaning<&str>] = &[
    means(
        "isv.BUSINESS_LIMIT_CONTROL",
        Retry::Backoff,
        "too many messages to this number",
    ),
    means(
        "isv.DAY_LIMIT_CONTROL",
        Retry::Never,
        "the account's limit for today is reached",
    ),
    means(
        "isv.MONTH_LIMIT_CONTROL",
        Retry::Never,
        "the account's limit for this month is reached",
    ),
    means(
        "isv.SMS_SIGNATURE_ILLEGAL",
        Retry::Never,
        "check `sign_name`",
    ),
    means("isv.SMS_SIGN_ILLEGAL", Retry::Never, "check `sign_name`"),
    means(
        "isv.SIGN_STATE_ILLEGAL",
        Retry::Never,
        "`sign_name` is not approved",
    ),
    means(
        "isv.SMS_SIGNATURE_SCENE_ILLEGAL",
        Retry::Never,
        "`sign_name` and `template` do not go together",
    ),
    means("isv.SMS_TEMPLATE_ILLEGAL", Retry::Never, "check `template`"),
    means(
        "isv.PARAM_NOT_SUPPORT_URL",
        Retry::Never,
        "a variable looks like a link",
    ),
    means(
        "isv.SMS_CONTENT_ILLEGAL",
        Retry::Never,
        "the text is forbidden",
    ),
    means("isv.MOBILE_COUNT_OVER_LIMIT", Retry::Never, ""),
    means(
        "isv.DENY_IP_RANGE",
        Retry::Never,
        "this machine's address is not allowed",
    ),
];

/// An account for text messages.
#[derive(Clone, Debug)]
pub struct AliyunSms {
    account: Account,
    sign_name: String,
    template: String,
    variables: Variables,
    to: Option<Number>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(AliyunSms::KIND, "text messages by Alibaba Cloud");
    let record = acs::with_account(record)
        .required("sign_name", Shape::Text, "the approved signature")
        .required("template", Shape::Text, "the approved template, SMS_…");
    read::with_common(number::with_to(with_variables(record)))
}

impl AliyunSms {
    pub(super) const KIND: &'static str = "aliyun-sms";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<AliyunSms> {
        let account = Account::read(node, URL_DEFAULT, problems, secrets);
        let to = number::read(node, "to", problems);
        Some(AliyunSms {
            sign_name: node.text_of("sign_name")?.to_owned(),
            template: node.text_of("template")?.to_owned(),
            variables: Variables::read(node),
            common: Common::read(node, problems),
            account: account?,
            to: to.ok()?,
        })
    }

    pub(super) fn carries_codes(&self) -> bool {
        self.variables.hold("code")
    }

    pub(super) fn goes_to_person(&self) -> bool {
        self.to.is_none()
    }

    pub(super) async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
        let number = match number::of(delivery, self.to.as_ref(), AddressKind::Sms) {
            Ok(number) => number,
            Err(refused) => return refused,
        };
        // Half of the time is for the receipt, should the answer be lost.
        let half = self.common.deadline / 2;
        let parameters = self.parameters(delivery, &number);
        let sent = self
            .account
            .call(SEND, &parameters, delivery.now, outbound, half)
            .await;
        let attempt = match sent {
            Ok(answer) => judge(&answer, delivery.now),
            Err(error) => answer::lost(&error),
        };
        let Attempt::Unknown { reason } = attempt else {
            return attempt;
        };
        let receipt = self.receipt(delivery, &number, outbound);
        match tokio::time::timeout(half, receipt).await {
            Ok(Some(known)) => known,
            _ => Attempt::Unknown {
                reason: format!("{reason}; no receipt for it"),
            },
        }
    }

    /// What SendSms is asked.
    pub(super) fn parameters(
        &self,
        delivery: &Delivery,
        number: &Number,
    ) -> Vec<(&'static str, String)> {
        let message = self.common.compose(delivery);
        vec![
            ("PhoneNumbers", number.national()),
            ("SignName", self.sign_name.clone()),
            ("TemplateCode", self.template.clone()),
            ("TemplateParam", self.variables.json(delivery, &message)),
            ("OutId", out_id(delivery)),
        ]
    }

    /// What the provider knows of a message whose answer was lost; `None` for nothing yet.
    async fn receipt(
        &self,
        delivery: &Delivery,
        number: &Number,
        outbound: &Outbound,
    ) -> Option<Attempt> {
        for round in 0..RECEIPT_QUERIES_MAX {
            if round > 0 {
                tokio::time::sleep(RECEIPT_PAUSE).await;
            }
            if let Some(found) = self.listed(delivery, number, outbound).await {
                return Some(found.attempt());
            }
        }
        None
    }

    /// What became of a message that was taken; `None` while it is on its way.
    pub(super) async fn later_receipt(
        &self,
        delivery: &Delivery,
        outbound: &Outbound,
    ) -> Option<Fate> {
        let number = number::of(delivery, self.to.as_ref(), AddressKind::Sms).ok()?;
        let found = self.listed(delivery, &number, outbound).await?;
        match found.send_status {
            2 => Some(Fate::Failed {
                reason: answer::short_reason(&found.err_code),
            }),
            3 => Some(Fate::Arrived {
                detail: "delivered".to_owned(),
            }),
            _ => None,
        }
    }

    /// The receipt of this message, if the provider has one.
    async fn listed(
        &self,
        delivery: &Delivery,
        number: &Number,
        outbound: &Outbound,
    ) -> Option<Receipt> {
        let parameters = [
            ("PhoneNumber", number.national()),
            ("SendDate", day(delivery.now)),
            ("PageSize", RECEIPTS_PER_PAGE.to_owned()),
            ("CurrentPage", "1".to_owned()),
        ];
        let half = self.common.deadline / 2;
        let answer = self
            .account
            .call(QUERY, &parameters, delivery.now, outbound, half)
            .await;
        let known = acs::body::<Receipts>(&answer.ok()?)?;
        let id = out_id(delivery);
        let mut listed = known.details.list.into_iter();
        listed.find(|receipt| receipt.out_id == id)
    }
}

/// The same over all attempts of one message, so that its receipt is found.
fn out_id(delivery: &Delivery) -> String {
    cut_bytes(&delivery.key, OUT_ID_BYTES_MAX)
}

/// The provider's day, `20261111`, which begins in Shanghai.
fn day(now: Timestamp) -> String {
    let there = now.to_utc().with_timezone(&chrono_tz::Asia::Shanghai);
    there.format("%Y%m%d").to_string()
}

#[derive(Deserialize)]
struct Receipts {
    #[serde(rename = "SmsSendDetailDTOs", default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(rename = "SmsSendDetailDTO", default)]
    list: Vec<Receipt>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receipt {
    #[serde(default)]
    out_id: String,
    /// 1 on its way, 2 failed, 3 delivered.
    #[serde(default)]
    send_status: i64,
    #[serde(default)]
    err_code: String,
}

impl Receipt {
    fn attempt(&self) -> Attempt {
        match self.send_status {
            2 => Attempt::Refused {
                reason: format!(
                    "the receipt says that it failed: {}",
                    answer::short_reason(&self.err_code)
                ),
                retry: Retry::Never,
            },
            3 => answer::accepted("by its receipt: delivered", None),
            _ => answer::accepted("by its receipt: on its way", None),
        }
    }
}

pub(super) fn judge(answer: &Answer, now: Timestamp) -> Attempt {
    acs::judge(answer, now, CODES)
}
