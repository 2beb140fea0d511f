//! What the pipeline hands to a channel, and what comes back. Channels, message texts and the
//! phone page see alerting through these types only.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::chart::Chart;
use model::{Alert, Labels, Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// Why a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// The incident needs a person.
    Firing,
    /// It still does; nothing new.
    Reminder,
    /// It is over.
    Resolved,
    /// Somebody tries whether the way works.
    Test,
}

impl MessageKind {
    /// The word in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            MessageKind::Firing => "firing",
            MessageKind::Reminder => "reminder",
            MessageKind::Resolved => "resolved",
            MessageKind::Test => "test",
        }
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Nobody has taken it.
    Open,
    /// Somebody has.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl IncidentStatus {
    /// The word in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentStatus::Open => "open",
            IncidentStatus::Acknowledged => "acknowledged",
            IncidentStatus::Resolved => "resolved",
        }
    }

    /// The status with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "open" => Some(IncidentStatus::Open),
            "acknowledged" => Some(IncidentStatus::Acknowledged),
            "resolved" => Some(IncidentStatus::Resolved),
            _ => None,
        }
    }
}

/// The language messages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Language {
    /// The words in configuration.
    pub const WORDS: &'static [&'static str] = &["en", "zh"];

    /// The language with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "en" => Some(Language::En),
            "zh" => Some(Language::Zh),
            _ => None,
        }
    }
}

/// What a message says about an incident, at the moment it was decided to send it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentView {
    /// Short, hard to guess, safe in a URL.
    pub id: String,
    /// One line.
    pub title: String,
    /// The loudest of its alerts.
    pub severity: Severity,
    /// Where it stands.
    pub status: IncidentStatus,
    /// When it opened.
    pub opened_at: Timestamp,
    /// `namespace/function` when all its alerts are about one function.
    pub function: Option<String>,
    /// The labels all its alerts share.
    pub labels: Labels,
    /// The loudest and newest of its alerts, at most [`IncidentView::ALERTS_MAX`].
    pub alerts: Vec<Alert>,
    /// How many alerts it has in all.
    pub alerts_total: usize,
    /// The signed address of the picture of its function.
    pub chart_url: Option<String>,
    /// Its page, when an external address is known.
    pub url: Option<String>,
    /// The signed link that acknowledges it from a phone.
    pub acknowledge_url: Option<String>,
    /// The short code that opens it where a message cannot hold a link.
    pub code: Option<String>,
    /// Which step of how many; both count from 1.
    pub step: Option<(usize, usize)>,
    /// One more sentence: it fires again, or the message stands for many incidents.
    pub note: Option<String>,
    /// The group its alerts form, when it is about one.
    pub group: Option<GroupView>,
}

/// A group of alerts, as Alertmanager's readers know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    /// The route and the labels that name the group.
    pub key: String,
    /// Those labels.
    pub labels: Labels,
    /// The receiver of its route.
    pub receiver: String,
    /// Where the sender of the message is reached.
    pub external_url: String,
}

impl IncidentView {
    /// The most alerts a message carries; the rest is a number.
    pub const ALERTS_MAX: usize = 20;
}

/// Somebody who can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The key in `people:`.
    pub id: String,
    /// How others call them.
    pub name: String,
    /// Their identity by IM channel kind, such as the mobile number DingTalk mentions.
    #[serde(default)]
    pub im: BTreeMap<String, String>,
    /// Number for text messages.
    #[serde(default)]
    pub sms: Option<String>,
    /// Number for calls.
    #[serde(default)]
    pub phone: Option<String>,
    /// Mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Their language; the configuration's when absent.
    #[serde(default)]
    pub language: Option<Language>,
}

/// Whom a delivery is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The name in records: a receiver's, or `sms first`.
    pub name: String,
    /// The one person it goes to; `None` for a room or a machine.
    pub person: Option<Person>,
    /// Who should be called by name in a room.
    pub mentions: Vec<Person>,
}

/// What a channel must know about a person to reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// A number for text messages.
    Sms,
    /// A number for calls.
    Phone,
    /// A mail address.
    Email,
}

impl AddressKind {
    /// The field of `people:` that holds it.
    pub fn as_str(self) -> &'static str {
        match self {
            AddressKind::Sms => "sms",
            AddressKind::Phone => "phone",
            AddressKind::Email => "email",
        }
    }

    /// The person's address of this kind.
    pub fn of(self, person: &Person) -> Option<&str> {
        match self {
            AddressKind::Sms => person.sms.as_deref(),
            AddressKind::Phone => person.phone.as_deref(),
            AddressKind::Email => person.email.as_deref(),
        }
    }
}

/// One message on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The same over all attempts, so that a provider or receiver can tell a repetition.
    pub key: String,
    /// Why it is sent.
    pub kind: MessageKind,
    /// What it is about.
    pub incident: IncidentView,
    /// Whom it is for.
    pub recipient: Recipient,
    /// In which language.
    pub language: Language,
    /// When it was handed to the channel.
    pub now: Timestamp,
    /// The picture of its function, when one was ready in time.
    #[serde(skip)]
    pub chart: Option<Chart>,
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// The provider took it.
    Accepted {
        /// The provider's answer, short, for the record.
        detail: String,
        /// The provider's own number for it.
        provider_id: Option<String>,
    },
    /// The provider surely did not take it.
    Refused {
        /// Why, short, without secrets.
        reason: String,
        /// Whether and when to try again.
        retry: Retry,
    },
    /// Nobody knows: the answer was lost.
    Unknown {
        /// What was seen.
        reason: String,
    },
}

/// Whether a refused message may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same message will be refused again.
    Never,
    /// Later, with growing pauses.
    Backoff,
    /// Not before this has passed; the whole channel waits.
    After(Duration),
}

/// How fast a channel may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages taken in a row…
    pub burst: u32,
    /// …and refilled evenly over this long.
    pub per: Duration,
    /// The shortest pause between two messages.
    pub min_gap: Duration,
    /// How long the provider shuts the door after too many.
    pub penalty: Duration,
}

/// How often one number may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages or calls…
    pub most: u32,
    /// …within any stretch of this length.
    pub per: Duration,
}

/// What a provider says later about a message it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// It arrived; a call was answered, if only by a mailbox.
    Arrived {
        /// The provider's word for it.
        detail: String,
    },
    /// It did not, and will not.
    Failed {
        /// The provider's reason.
        reason: String,
    },
}
