//! Silences: somebody decided that certain alerts are not worth waking anybody for until a time.
//! What may be changed about one follows Alertmanager: one that has begun keeps its conditions and its
//! beginning, and any other change makes another silence.

use model::{Labels, MatchOperator, Matcher, MatcherError, Timestamp};
use serde::{Deserialize, Serialize};

/// Alerts that match all conditions are muted from one time until before another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// Conditions; all must hold.
    pub matchers: Vec<Matcher>,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it is over; expiring it brings this forward.
    pub ends_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A silence as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The silence to change; a new one is made when `None`.
    pub id: Option<String>,
    /// Conditions; all must hold.
    pub matchers: Vec<Matcher>,
    /// When it begins; a time that has passed means now.
    pub starts_at: Timestamp,
    /// When it is over.
    pub ends_at: Timestamp,
    /// Who asks.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It mutes.
    Active,
    /// It has not begun.
    Pending,
    /// It is over.
    Expired,
}

/// Why a silence cannot be made or changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SilenceError {
    /// There is no such silence.
    #[error("silence {0} not found")]
    Unknown(String),
    /// It is over already.
    #[error("silence {0} already expired")]
    Expired(String),
    /// It ends before it begins.
    #[error("start time must be before end time")]
    Backwards,
    /// It would be over already.
    #[error("end time can't be in the past")]
    Past,
    /// Nothing to match by.
    #[error("at least one matcher required")]
    NoMatcher,
    /// Every condition also holds for an absent label.
    #[error("at least one matcher must not match the empty string")]
    MatchesAll,
    /// Too many conditions, or too long a text.
    #[error("{what} must not be longer than {max}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its limit.
        max: usize,
    },
    /// There is no room.
    #[error("{max} silences are kept already; expire some", max = Silence::COUNT_MAX)]
    TooMany,
}

impl Silence {
    /// The most silences kept, expired ones included.
    pub const COUNT_MAX: usize = 10_000;
    /// The most conditions of one.
    pub const MATCHERS_MAX: usize = 64;
    /// The longest author and comment.
    pub const TEXT_BYTES_MAX: usize = 4_096;
    /// How long an expired one is kept, to look at and to bring back.
    pub const RETENTION: std::time::Duration = std::time::Duration::from_hours(120);

    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now >= self.ends_at {
            SilenceState::Expired
        } else if now < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Whether it is about an alert with these labels, whatever the time.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }

    /// What is left of it when it ends now.
    pub(super) fn expired(&self, now: Timestamp) -> Result<Silence, SilenceError> {
        let starts_at = match self.state(now) {
            SilenceState::Expired => return Err(SilenceError::Expired(self.id.clone())),
            SilenceState::Pending => now,
            SilenceState::Active => self.starts_at,
        };
        Ok(Silence {
            starts_at,
            ends_at: now,
            updated_at: now,
            ..self.clone()
        })
    }

    /// Whether a draft changes this silence in place; otherwise it is expired and another is made.
    pub(super) fn takes(&self, draft: &Draft, now: Timestamp) -> bool {
        if self.matchers != draft.matchers {
            return false;
        }
        match self.state(now) {
            SilenceState::Active => {
                // Clients send seconds back; what differs by less is the same beginning.
                self.starts_at.as_seconds() == draft.starts_at.as_seconds() && draft.ends_at >= now
            }
            SilenceState::Pending => draft.starts_at >= now,
            SilenceState::Expired => false,
        }
    }
}

impl Draft {
    /// Whether it can become a silence at all.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), SilenceError> {
        let too_long = |what, max| Err(SilenceError::TooLong { what, max });
        if self.matchers.is_empty() {
            return Err(SilenceError::NoMatcher);
        }
        if self.matchers.len() > Silence::MATCHERS_MAX {
            return too_long("the list of matchers", Silence::MATCHERS_MAX);
        }
        if self
            .matchers
            .iter()
            .all(|matcher| matcher.matches_value(""))
        {
            return Err(SilenceError::MatchesAll);
        }
        if self.created_by.len() > Silence::TEXT_BYTES_MAX {
            return too_long("createdBy", Silence::TEXT_BYTES_MAX);
        }
        if self.comment.len() > Silence::TEXT_BYTES_MAX {
            return too_long("comment", Silence::TEXT_BYTES_MAX);
        }
        if self.ends_at <= self.starts_at {
            return Err(SilenceError::Backwards);
        }
        if self.ends_at <= now {
            return Err(SilenceError::Past);
        }
        Ok(())
    }

    pub(super) fn into_silence(self, id: String, now: Timestamp) -> Silence {
        Silence {
            id,
            matchers: self.matchers,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            updated_at: now,
            created_by: self.created_by,
            comment: self.comment,
        }
    }
}

/// A condition as Alertmanager's API and our database write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SilenceMatcher)]
pub struct WrittenMatcher {
    /// The label.
    pub name: String,
    /// The value or regular expression.
    pub value: String,
    /// Whether it is one.
    #[serde(default)]
    pub is_regex: bool,
    /// False for `!=` and `!~`.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

impl From<&Matcher> for WrittenMatcher {
    fn from(matcher: &Matcher) -> Self {
        let operator = matcher.operator();
        let is_regex = matches!(operator, MatchOperator::Matches | MatchOperator::NotMatches);
        let is_equal = matches!(operator, MatchOperator::Equal | MatchOperator::Matches);
        WrittenMatcher {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex,
            is_equal,
        }
    }
}

impl TryFrom<&WrittenMatcher> for Matcher {
    type Error = MatcherError;

    fn try_from(written: &WrittenMatcher) -> Result<Self, MatcherError> {
        let operator = match (written.is_regex, written.is_equal) {
            (false, true) => MatchOperator::Equal,
            (false, false) => MatchOperator::NotEqual,
            (true, true) => MatchOperator::Matches,
            (true, false) => MatchOperator::NotMatches,
        };
        Matcher::new(&written.name, operator, &written.value)
    }
}

/// A silence in the database.
#[derive(Serialize, Deserialize)]
struct Written {
    id: String,
    matchers: Vec<WrittenMatcher>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    updated_at: Timestamp,
    created_by: String,
    comment: String,
}

impl From<Silence> for Written {
    fn from(silence: Silence) -> Self {
        Written {
            matchers: silence.matchers.iter().map(WrittenMatcher::from).collect(),
            id: silence.id,
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            updated_at: silence.updated_at,
            created_by: silence.created_by,
            comment: silence.comment,
        }
    }
}

impl TryFrom<Written> for Silence {
    type Error = MatcherError;

    fn try_from(written: Written) -> Result<Self, MatcherError> {
        let matchers: Result<Vec<Matcher>, MatcherError> =
            written.matchers.iter().map(Matcher::try_from).collect();
        Ok(Silence {
            id: written.id,
            matchers: matchers?,
            starts_at: written.starts_at,
            ends_at: written.ends_at,
            updated_at: written.updated_at,
            created_by: written.created_by,
            comment: written.comment,
        })
    }
}
