//! Calls by Alibaba Cloud: SingleCallByTts reads an approved template aloud.
//!
//! A number takes one call a minute, 5 an hour and 20 a day, and failures count: a refused call is
//! not tried again, the next step follows. No keypress comes back; the call is acknowledged by the
//! link in the other messages. Whether somebody picked it up is asked for afterwards
//! (QueryCallDetailByCallId, whose `Data` is JSON within JSON).

use std::time::Duration;

use declare::{Node, Problems, Record, Shape};
use outbound::Outbound;
use serde::Deserialize;

use super::acs::{self, Account, Operation};
use super::answer::{Meaning, means};
use super::number::{self, Number};
use super::read::{self, Common};
use super::sign::sha256_hex;
use super::variables::{Variables, with_variables};
use super::{ReadSecret, answer};
use crate::delivery::{AddressKind, Attempt, Delivery, Limits, Quota, Receipt, Retry};

/// An account's calls; a number's own limits are the provider's to keep.
/// The provider's limits for one number; calls that failed count.
pub(super) const QUOTAS: &[Quota] = &[
    Quota {
        most: 1,
        per: Duration::from_mins(1),
    },
    Quota {
        most: 5,
        per: Duration::from_hours(1),
    },
    Quota {
        most: 20,
        per: Duration::from_hours(24),
    },
];

pub(super) const LIMITS: Limits = Limits {
    burst: 20,
    per: Duration::from_mins(1),
    min_gap: Duration::ZERO,
    penalty: Duration::ZERO,
};

const URL_DEFAULT: &str = "https://dyvmsapi.aliyuncs.com";
/// The provider takes 15 bytes.
const OUT_ID_BYTES: usize = 15;
const PLAY_TIMES_DEFAULT: i64 = 2;

const CALL: Operation = Operation {
    action: "SingleCallByTts",
    version: "2017-05-25",
};

const QUERY: Operation = Operation {
    action: "QueryCallDetailByCallId",
    version: "2017-05-25",
};
/// Voice notifications, among the provider's products.
const PRODUCT: &str = "11000000300006";
/// The state of a call that somebody answered.
const PICKED_UP: &str = "200000";

const CODES: &[Meaning<&str>] = &[
    means(
        "isv.BUSINESS_LIMIT_CONTROL",
        Retry::Never,
        "too many calls to this number, and a further one would count",
    ),
    means(
        "isv.CALLED_NUMBER_ILLEGAL",
        Retry::Never,
        "check the person's number",
    ),
    means(
        "isv.DISPLAY_NUMBER_ILLEGAL",
        Retry::Never,
        "check `show_number`",
    ),
    means(
        "isv.CALL_DISPLAY_NUMBER_ILLEGAL",
        Retry::Never,
        "check `show_number`",
    ),
    means("isv.TTS_TEMPLATE_ILLEGAL", Retry::Never, "check `template`"),
    means(
        "isv.CUSTOMER_UNAUTHORIZED",
        Retry::Never,
        "the account may not make calls yet",
    ),
];

/// An account for calls.
#[derive(Clone, Debug)]
pub struct AliyunVoice {
    account: Account,
    show_number: Option<String>,
    template: String,
    variables: Variables,
    play_times: i64,
    to: Option<Number>,
    pub(super) common: Common,
}

pub(super) fn record() -> Record {
    let record = Record::new(AliyunVoice::KIND, "calls by Alibaba Cloud");
    let record = acs::with_account(record)
        .field(
            "show_number",
            Shape::Text,
            "the number the phone shows; of the provider's pool when absent",
        )
        .required("template", Shape::Text, "the approved template, TTS_…")
        .field(
            "play_times",
            Shape::Integer { min: 1, max: 3 },
            "how often it is read aloud, 2 when absent",
        );
    read::with_common(number::with_to(with_variables(record)))
}

impl AliyunVoice {
    pub(super) const KIND: &'static str = "aliyun-voice";

    pub(super) fn read(
        node: &Node,
        problems: &mut Problems,
        secrets: ReadSecret<'_>,
    ) -> Option<AliyunVoice> {
        let account = Account::read(node, URL_DEFAULT, problems, secrets);
        let to = number::read(node, "to", problems);
        Some(AliyunVoice {
            show_number: node.text_of("show_number").map(str::to_owned),
            template: node.text_of("template")?.to_owned(),
            variables: Variables::read(node),
            play_times: node.integer_of("play_times").unwrap_or(PLAY_TIMES_DEFAULT),
            common: Common::read(node, problems),
            account: account?,
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
        let parameters = self.parameters(delivery, &number);
        let called = self
            .account
            .call(
                CALL,
                &parameters,
                delivery.now,
                outbound,
                self.common.deadline,
            )
            .await;
        match called {
            Ok(answer) => acs::judge(&answer, delivery.now, CODES),
            Err(error) => answer::lost(&error),
        }
    }

    /// What became of a call: picked up or not. The provider knows some minutes after its end.
    pub(super) async fn receipt(
        &self,
        delivery: &Delivery,
        call_id: &str,
        outbound: &Outbound,
    ) -> Option<Receipt> {
        let millis = delivery.now.as_micros().div_euclid(1_000);
        let parameters = [
            ("CallId", call_id.to_owned()),
            ("ProdId", PRODUCT.to_owned()),
            ("QueryDate", millis.to_string()),
        ];
        let half = self.common.deadline / 2;
        let answer = self
            .account
            .call(QUERY, &parameters, delivery.now, outbound, half)
            .await;
        let known = acs::body::<Details>(&answer.ok()?)?;
        serde_json::from_str::<Call>(&known.data).ok()?.fate()
    }

    /// What SingleCallByTts is asked.
    pub(super) fn parameters(
        &self,
        delivery: &Delivery,
        number: &Number,
    ) -> Vec<(&'static str, String)> {
        let message = self.common.compose(delivery);
        let mut parameters = vec![
            ("CalledNumber", number.national()),
            ("TtsCode", self.template.clone()),
            ("TtsParam", self.variables.json(delivery, &message)),
            ("PlayTimes", self.play_times.to_string()),
            ("OutId", out_id(delivery)),
        ];
        if let Some(shown) = &self.show_number {
            parameters.push(("CalledShowNumber", shown.clone()));
        }
        parameters
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    /// JSON within JSON; empty while nothing is known.
    #[serde(default)]
    data: String,
}

/// One call, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    #[serde(default)]
    state: String,
    #[serde(default)]
    state_desc: String,
    /// Seconds of talk.
    #[serde(default)]
    duration: i64,
}

impl Call {
    /// A call without a state is not over. One that was talked in was picked up, if only by a mailbox.
    fn fate(&self) -> Option<Receipt> {
        if self.duration > 0 || self.state == PICKED_UP {
            let detail = format!("picked up, {} s", self.duration);
            return Some(Receipt::Arrived { detail });
        }
        let said = match self.state_desc.as_str() {
            "" => &self.state,
            said => said,
        };
        (!self.state.is_empty()).then(|| Receipt::Failed {
            reason: format!("not picked up, state {}", answer::short_reason(said)),
        })
    }
}

/// Too short for a key, so it is its hash.
fn out_id(delivery: &Delivery) -> String {
    sha256_hex(delivery.key.as_bytes())
        .chars()
        .take(OUT_ID_BYTES)
        .collect()
}
