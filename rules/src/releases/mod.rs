//! Releases: which version of a function is gray and which is base, and since when. Marked by whoever
//! deploys; what it means for rules is pure.

mod book;
pub(crate) mod routes;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{FunctionId, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use book::ReleaseBook;
pub use book::ReleaseError;

/// What a version has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReleaseStage)]
pub enum Stage {
    /// It gets a part of the calls.
    Gray,
    /// It gets all of them: gray is over, and this is base.
    Full,
    /// It is what others are compared with.
    Base,
}

impl Stage {
    /// The words.
    pub const WORDS: [&'static str; 3] = ["gray", "full", "base"];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Gray => "gray",
            Stage::Full => "full",
            Stage::Base => "base",
        }
    }

    /// The stage with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Stage::Gray, Stage::Full, Stage::Base]
            .into_iter()
            .find(|stage| stage.as_str() == word)
    }

    /// Whether other code runs from then on, so that rules look closer.
    fn changes_code(self) -> bool {
        !matches!(self, Stage::Base)
    }
}

/// A mark: what was released when, and by whom.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Release {
    /// The function, `namespace/name`.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// The version.
    pub version: String,
    /// What it has become.
    pub stage: Stage,
    /// Which share of the calls it gets, in percent, if that was said.
    pub percent: Option<f64>,
    /// The only unit it is in, if that was said.
    pub unit: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Who said so.
    pub by: String,
}

/// Which versions of a function have roles at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles<'a> {
    /// The version on trial.
    pub gray: Option<&'a str>,
    /// What it is compared with.
    pub base: Option<&'a str>,
}

/// Every mark that is kept.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    /// Oldest first.
    by_function: BTreeMap<FunctionId, Vec<Release>>,
}

impl Releases {
    /// The most marks of one function that are kept; the oldest make room.
    pub const OF_ONE_MAX: usize = 100;

    /// Adds a mark.
    pub fn add(&mut self, release: Release) {
        let own = self
            .by_function
            .entry(release.function.clone())
            .or_default();
        let place = own.partition_point(|known| known.at <= release.at);
        own.insert(place, release);
        if own.len() > Self::OF_ONE_MAX {
            own.remove(0);
        }
    }

    /// Those of one function, oldest first.
    pub fn of(&self, function: &FunctionId) -> &[Release] {
        self.by_function.get(function).map_or(&[], Vec::as_slice)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Release> {
        self.by_function.values().flatten()
    }

    /// The roles at an instant, as the marks up to then say; nobody has one without any.
    pub fn roles(&self, function: &FunctionId, at: Timestamp) -> Roles<'_> {
        let known = self.of(function).iter().take_while(|mark| mark.at <= at);
        known.fold(Roles::default(), |roles, mark| {
            let version = Some(mark.version.as_str());
            let unless_same = |other: Option<&'_ str>| other != version;
            match mark.stage {
                Stage::Gray => Roles {
                    gray: version,
                    base: roles.base.filter(|base| unless_same(Some(base))),
                },
                Stage::Full => Roles {
                    gray: None,
                    base: version,
                },
                Stage::Base => Roles {
                    gray: roles.gray.filter(|gray| unless_same(Some(gray))),
                    base: version,
                },
            }
        })
    }

    /// Whether the newest release of a function is no older than this.
    pub fn is_fresh(&self, function: &FunctionId, within: Duration, now: Timestamp) -> bool {
        let mut newest = self.of(function).iter().rev();
        let newest = newest.find(|mark| mark.stage.changes_code() && mark.at <= now);
        newest.is_some_and(|mark| now.since(mark.at) < within)
    }

    /// Functions whose newest release is no older than this.
    pub(crate) fn fresh(
        &self,
        within: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = &FunctionId> {
        let functions = self.by_function.keys();
        functions.filter(move |function| self.is_fresh(function, within, now))
    }
}

impl FromIterator<Release> for Releases {
    fn from_iter<I: IntoIterator<Item = Release>>(marks: I) -> Self {
        let mut releases = Releases::default();
        for mark in marks {
            releases.add(mark);
        }
        releases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> FunctionId {
        "guide/feed".parse().unwrap()
    }

    fn mark(at: i64, version: &str, stage: Stage) -> Release {
        Release {
            function: feed(),
            version: version.to_owned(),
            stage,
            percent: None,
            unit: None,
            at: Timestamp::from_seconds(at),
            by: "ci".to_owned(),
        }
    }

    #[test]
    fn marks_give_roles() {
        use Stage::{Base, Full, Gray};
        let roles = |gray, base| Roles { gray, base };
        // (the marks in the order of their time, the roles after the last)
        let table: [(&[(&str, Stage)], Roles<'_>); 8] = [
            (&[], roles(None, None)),
            (&[("7", Gray)], roles(Some("7"), None)),
            (&[("6", Full), ("7", Gray)], roles(Some("7"), Some("6"))),
            (
                &[("6", Full), ("7", Gray), ("7", Full)],
                roles(None, Some("7")),
            ),
            (&[("7", Gray), ("5", Base)], roles(Some("7"), Some("5"))),
            // Rolled back: 6 is everything again.
            (
                &[("6", Full), ("7", Gray), ("6", Full)],
                roles(None, Some("6")),
            ),
            // What was base is on trial, and the other way round.
            (&[("6", Full), ("6", Gray)], roles(Some("6"), None)),
            (&[("7", Gray), ("7", Base)], roles(None, Some("7"))),
        ];
        for (marks, expected) in table {
            let mut releases = Releases::default();
            // Marks may be told in any order; what counts is when they were.
            for (at, (version, stage)) in marks.iter().enumerate().rev() {
                releases.add(mark(i64::try_from(at).unwrap(), version, *stage));
            }
            let end = Timestamp::from_seconds(100);
            assert_eq!(releases.roles(&feed(), end), expected, "{marks:?}");
            assert_eq!(
                releases.roles(&feed(), Timestamp::from_seconds(-1)),
                roles(None, None)
            );
        }
    }

    #[test]
    fn a_release_is_fresh_for_a_while_and_a_base_is_none() {
        let mut releases = Releases::default();
        releases.add(mark(100, "6", Stage::Base));
        releases.add(mark(200, "7", Stage::Gray));
        let within = Duration::from_mins(1);
        let fresh = |at: i64| {
            let now = Timestamp::from_seconds(at);
            let listed = releases.fresh(within, now).count() == 1;
            assert_eq!(listed, releases.is_fresh(&feed(), within, now));
            listed
        };
        assert_eq!(
            [110, 199, 200, 259, 260].map(fresh),
            [false, false, true, true, false]
        );
    }

    #[test]
    fn the_oldest_marks_make_room() {
        let mut releases = Releases::default();
        for at in 0..150 {
            releases.add(mark(at, "7", Stage::Gray));
        }
        assert_eq!(releases.of(&feed()).len(), Releases::OF_ONE_MAX);
        assert_eq!(releases.of(&feed())[0].at, Timestamp::from_seconds(50));
        assert_eq!(releases.iter().count(), 100);
    }
}
