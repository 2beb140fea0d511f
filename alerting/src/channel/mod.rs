//! The ways to a person or a machine. One small file a kind and one line in [`Channel`]: adding a
//! channel is adding both.

mod acs;
mod aliyun_sms;
mod aliyun_voice;
mod answer;
mod dingtalk;
mod discord;
mod email;
mod feishu;
mod look;
mod mention;
mod number;
mod opsgenie;
mod pagerduty;
mod payload;
mod read;
mod sign;
mod slack;
mod smtp;
mod teams;
mod telegram;
#[cfg(test)]
mod tests;
mod twilio;
mod twilio_sms;
mod twilio_voice;
mod variables;
mod webhook;
mod wecom;
mod wecom_app;

use chrono_tz::Tz;
use declare::{Field, Node, Problems, Shape};
use outbound::Outbound;

use crate::delivery::{AddressKind, Attempt, Delivery, IncidentView, Limits, Quota, Receipt};

pub(crate) use read::{url as read_url, with_url};

pub(crate) use look::Look;

pub use aliyun_sms::AliyunSms;
pub use aliyun_voice::AliyunVoice;
pub use dingtalk::DingTalk;
pub use discord::Discord;
pub use email::Email;
pub use feishu::Feishu;
pub use opsgenie::Opsgenie;
pub use pagerduty::PagerDuty;
pub use slack::Slack;
pub use teams::Teams;
pub use telegram::Telegram;
pub use twilio_sms::TwilioSms;
pub use twilio_voice::TwilioVoice;
pub use webhook::Webhook;
pub use wecom::WeCom;
pub use wecom_app::WeComApp;

/// Reads a secret file's content by its path, or says why it cannot.
pub type ReadSecret<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// How a chat knows people: its kind, whether it can call somebody by this identity, and what an
/// identity looks like.
pub struct Chat {
    /// The key of a person's `im`.
    pub kind: &'static str,
    /// Whether it is one.
    pub is_identity: fn(&str) -> bool,
    /// What to write.
    pub example: &'static str,
}

/// The chats that call people by name.
pub const CHATS: &[Chat] = &[
    Chat {
        kind: DingTalk::KIND,
        is_identity: dingtalk::is_identity,
        example: "a mobile number or user id",
    },
    Chat {
        kind: Feishu::KIND,
        is_identity: feishu::is_identity,
        example: "an open id such as ou_…, or a user id",
    },
    Chat {
        kind: WeCom::KIND,
        is_identity: wecom::is_identity,
        example: "a mobile number or user id",
    },
    Chat {
        kind: Slack::KIND,
        is_identity: slack::is_identity,
        example: "a member id such as U012AB3CD, from the member's profile",
    },
    Chat {
        kind: Teams::KIND,
        is_identity: teams::is_identity,
        example: "a sign-in name such as first@example.com",
    },
    Chat {
        kind: Telegram::KIND,
        is_identity: telegram::is_identity,
        example: "a user name or a user's number",
    },
];

/// Whether a provider of text messages and calls can be given this number.
pub fn is_telephone_number(text: &str) -> bool {
    number::Number::parse(text).is_some()
}

/// The kinds, from one list: what they are called, read and sent by.
macro_rules! channels {
    ($($(#[$doc:meta])* $kind:ident in $module:ident,)*) => {
        /// A configured way: an account, a robot, an address.
        #[derive(Clone, Debug)]
        pub enum Channel {
            $($(#[$doc])* $kind($kind),)*
        }

        /// The fields of a receiver or account that choose its channel, one for each kind.
        pub fn fields() -> Vec<Field> {
            [$($module::record(),)*]
                .into_iter()
                .map(|record| Field {
                    name: record.name,
                    doc: record.doc,
                    shape: Shape::Record(record),
                    required: false,
                })
                .collect()
        }

        /// The names of [`fields`], for `exactly_one` of a receiver's record.
        pub const KINDS: &[&str] = &[$($kind::KIND,)*];

        impl Channel {
            /// Reads the one channel that `node` holds, after `declare::check`. What is still wrong
            /// then (an unreadable secret file, plain SMTP over a network) is reported at its place.
            pub fn read(
                node: &Node,
                problems: &mut Problems,
                secrets: ReadSecret<'_>,
            ) -> Option<Channel> {
                $(if let Some(inner) = node.field($kind::KIND) {
                    return $kind::read(inner, problems, secrets).map(Channel::$kind);
                })*
                None
            }

            /// Makes one attempt. It always ends within the channel's deadline and never panics; the
            /// caller has written down the attempt before, and writes down what becomes of it.
            pub async fn send(&self, delivery: &Delivery, outbound: &Outbound) -> Attempt {
                match self {
                    $(Channel::$kind(channel) => channel.send(delivery, outbound).await,)*
                }
            }

            /// The word in configuration, records and metrics; also the key of a person's `im:`.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Channel::$kind(_) => $kind::KIND,)*
                }
            }

            /// How fast it may be used.
            pub fn limits(&self) -> Limits {
                match self {
                    $(Channel::$kind(_) => $module::LIMITS,)*
                }
            }

            /// The zone of times in its messages.
            pub fn zone(&self) -> Tz {
                let own = match self {
                    $(Channel::$kind(channel) => channel.common.zone,)*
                };
                own.unwrap_or(Tz::UTC)
            }

            /// How its messages look, where somebody says so.
            pub(crate) fn set_look(&mut self, look: Look) {
                let common = match self {
                    $(Channel::$kind(channel) => &mut channel.common,)*
                };
                common.look = (!look.is_empty()).then(|| std::sync::Arc::new(look));
            }

            /// The zone for times in messages, where the channel's own `time_zone` says nothing.
            pub fn set_default_time_zone(&mut self, zone: Tz) {
                let own = match self {
                    $(Channel::$kind(channel) => &mut channel.common.zone,)*
                };
                own.get_or_insert(zone);
            }
        }
    };
}

channels! {
    /// HTTP POST of JSON.
    Webhook in webhook,
    /// A DingTalk group robot.
    DingTalk in dingtalk,
    /// A Feishu or Lark group robot.
    Feishu in feishu,
    /// A WeCom group robot.
    WeCom in wecom,
    /// An application of WeCom that writes to its members.
    WeComApp in wecom_app,
    /// A Slack incoming webhook.
    Slack in slack,
    /// A Microsoft Teams workflow.
    Teams in teams,
    /// A Telegram bot in a chat.
    Telegram in telegram,
    /// A webhook of a Discord channel.
    Discord in discord,
    /// An integration of a PagerDuty service.
    PagerDuty in pagerduty,
    /// An integration of Opsgenie.
    Opsgenie in opsgenie,
    /// SMTP.
    Email in email,
    /// Text messages by Alibaba Cloud.
    AliyunSms in aliyun_sms,
    /// Calls by Alibaba Cloud.
    AliyunVoice in aliyun_voice,
    /// Text messages by Twilio.
    TwilioSms in twilio_sms,
    /// Calls by Twilio.
    TwilioVoice in twilio_voice,
}

impl Channel {
    /// The address a person must have to be reached this way; `None` when the channel itself knows
    /// where to go.
    pub fn needs_address(&self) -> Option<AddressKind> {
        let (kind, goes_to_person) = match self {
            Channel::Email(email) => (AddressKind::Email, email.goes_to_person()),
            Channel::AliyunSms(sms) => (AddressKind::Sms, sms.goes_to_person()),
            Channel::TwilioSms(sms) => (AddressKind::Sms, sms.goes_to_person()),
            Channel::AliyunVoice(voice) => (AddressKind::Phone, voice.goes_to_person()),
            Channel::TwilioVoice(voice) => (AddressKind::Phone, voice.goes_to_person()),
            _ => return None,
        };
        goes_to_person.then_some(kind)
    }

    /// Whether one message may stand for several incidents; a machine that keeps an alert of its own
    /// for each needs each.
    pub fn takes_digests(&self) -> bool {
        match self {
            Channel::PagerDuty(_) | Channel::Opsgenie(_) => false,
            Channel::Webhook(webhook) => webhook.takes_digests(),
            _ => true,
        }
    }

    /// The most alerts that one message lists.
    pub fn alerts_max(&self) -> usize {
        match self {
            Channel::Webhook(webhook) => webhook.alerts_max(),
            _ => IncidentView::ALERTS_MAX,
        }
    }

    /// How often it may be used for one number, as its provider says.
    pub fn quotas(&self) -> &'static [Quota] {
        match self {
            Channel::AliyunVoice(_) => aliyun_voice::QUOTAS,
            Channel::AliyunSms(_) => aliyun_sms::QUOTAS,
            _ => &[],
        }
    }

    /// Whether it carries the picture itself, not only its address.
    pub fn carries_pictures(&self) -> bool {
        matches!(self, Channel::Email(_))
    }

    /// Whether its messages hold a code that opens the incident.
    pub fn carries_codes(&self) -> bool {
        matches!(self, Channel::AliyunSms(sms) if sms.carries_codes())
    }

    /// Whether [`Channel::receipt`] may know more some time after a message was taken.
    pub fn is_asked_for_receipts(&self) -> bool {
        matches!(self, Channel::AliyunSms(_) | Channel::AliyunVoice(_))
    }

    /// What became of a message that the provider took and knows by `provider_id`; `None` while it is on
    /// its way.
    pub async fn receipt(
        &self,
        delivery: &Delivery,
        provider_id: &str,
        outbound: &Outbound,
    ) -> Option<Receipt> {
        match self {
            Channel::AliyunSms(sms) => sms.later_receipt(delivery, outbound).await,
            Channel::AliyunVoice(voice) => voice.receipt(delivery, provider_id, outbound).await,
            _ => None,
        }
    }

    /// Whether a provider that signs what it posts back has signed this, by the account's secret;
    /// never for the others. The URL is the one the provider was told.
    pub fn has_signed(&self, url: &str, fields: &[(String, String)], signature: &str) -> bool {
        match self {
            Channel::TwilioSms(sms) => sms.account.has_signed(url, fields, signature),
            Channel::TwilioVoice(voice) => voice.account.has_signed(url, fields, signature),
            _ => false,
        }
    }

    /// What it would send, as text.
    #[cfg(test)]
    pub(crate) fn body(&self, delivery: &Delivery) -> String {
        match self {
            Channel::Slack(slack) => slack.body(delivery).to_string(),
            Channel::Teams(teams) => teams.body(delivery).to_string(),
            Channel::Telegram(telegram) => telegram.body(delivery).to_string(),
            Channel::PagerDuty(pagerduty) => pagerduty.body(delivery).to_string(),
            Channel::Email(email) => email.written(delivery),
            other => panic!("{} is not asked for in tests", other.kind()),
        }
    }

    /// Whether a message that may have arrived must not be sent again: somebody's phone rings.
    pub fn is_once_only(&self) -> bool {
        matches!(
            self,
            Channel::AliyunSms(_)
                | Channel::AliyunVoice(_)
                | Channel::TwilioSms(_)
                | Channel::TwilioVoice(_)
        )
    }
}
