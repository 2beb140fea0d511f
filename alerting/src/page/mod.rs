//! The phone page: what a person sees who opens the link of a message at three in the morning, and
//! the buttons that take it, pass it on or end it. One screen, no JavaScript, nothing loaded.

mod render;
mod style;
#[cfg(test)]
mod tests;
mod token;
mod words;

use std::time::Duration;

use chrono_tz::Tz;
use model::Timestamp;

use crate::delivery::IncidentView;

pub use render::{notice_sentence, render, render_code_form, render_message};
pub use style::headers;
pub use token::{Claim, PageError, sign, sign_picture, verify, verify_picture};

/// What the page shows. All texts are foreign and are escaped here.
#[derive(Clone, Debug, PartialEq)]
pub struct PageView {
    /// The incident.
    pub incident: IncidentView,
    /// For whom the link was made.
    pub person: Option<String>,
    /// Who has acknowledged it, and when.
    pub holder: Option<Holder>,
    /// Who is told next, when that is known.
    pub next: Option<String>,
    /// When it resolved.
    pub resolved_at: Option<Timestamp>,
    /// The timeline, oldest first; the last [`PageView::TIMELINE_LINES_MAX`] are shown.
    pub timeline: Vec<TimelineLine>,
    /// Where the buttons post to: path and token.
    pub action: String,
    /// What the last button did, shown above everything.
    pub done: Option<Notice>,
    /// When the page is made.
    pub now: Timestamp,
    /// The zone times are shown in.
    pub zone: Tz,
}

impl PageView {
    /// How many lines of the timeline fit one screen.
    pub const TIMELINE_LINES_MAX: usize = 6;
}

/// Who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Their name.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineLine {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub text: String,
}

/// What a button of the page asks for: the value of the form's field [`PageAction::FIELD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAction {
    /// "I have it".
    Acknowledge,
    /// "Wake the next person".
    Escalate,
    /// "Ring again in half an hour".
    Snooze,
    /// "It is fixed".
    Resolve,
    /// A remark for the timeline.
    Note,
    /// "False alarm".
    FalseAlarm,
}

impl PageAction {
    /// The form's field.
    pub const FIELD: &'static str = "do";
    /// The field of the form that takes a code.
    pub const CODE_FIELD: &'static str = "code";
    /// The form's field with the words of a remark.
    pub const TEXT_FIELD: &'static str = "text";
    /// How long "ring again" waits.
    pub const SNOOZE: Duration = Duration::from_mins(30);
    /// The longest remark, in characters.
    pub const TEXT_CHARS_MAX: usize = 500;
    const ALL: [PageAction; 6] = [
        Self::Acknowledge,
        Self::Escalate,
        Self::Snooze,
        Self::Resolve,
        Self::Note,
        Self::FalseAlarm,
    ];

    /// The value a button sends.
    pub fn as_str(self) -> &'static str {
        match self {
            PageAction::Acknowledge => "acknowledge",
            PageAction::Escalate => "escalate",
            PageAction::Snooze => "snooze",
            PageAction::Resolve => "resolve",
            PageAction::Note => "note",
            PageAction::FalseAlarm => "false_alarm",
        }
    }

    /// The action of a value.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// A sentence instead of, or above, the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The link is too old.
    Expired,
    /// The link is damaged or was never ours.
    Forged,
    /// The incident is not known (any more).
    Unknown,
    /// "I have it" was heard.
    Acknowledged,
    /// The next person is being told.
    Escalated,
    /// There is nobody left to tell.
    NobodyLeft,
    /// Noted as a false alarm.
    FalseAlarm,
    /// The code opens nothing.
    WrongCode,
    /// Too many wrong codes came.
    TooManyCodes,
    /// Quiet for half an hour.
    Snoozed,
    /// Closed for good.
    Fixed,
    /// The remark stands on the timeline.
    Noted,
    /// It resolved before the button was pressed.
    AlreadyResolved,
    /// It could not be recorded; the person should try again or call.
    Failed,
}

impl From<PageError> for Notice {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Expired => Notice::Expired,
            PageError::Forged | PageError::Malformed => Notice::Forged,
        }
    }
}
