//! Marks of releases in the state database.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use model::{FunctionId, SharedClock, Timestamp};
use state::{Row, State, StateError, Statement};

use super::{Release, Releases, Stage};
use crate::events;

/// The most marks that are read back; more are not written.
const KEPT_MAX: i64 = 20_000;
/// Numbers that are read again each time, since a number may become visible after a higher one: each node has one
/// writer, so that no more are open at once than there are nodes.
const READ_AGAIN: i64 = 100;
/// How long marks are kept: as long as counts per minute.
const KEPT: Duration = Duration::from_hours(400 * 24);
/// How far in the past a release may be marked afterwards, and how far clocks may disagree.
const LATE_MAX: Duration = Duration::from_hours(31 * 24);
const AHEAD_MAX: Duration = Duration::from_mins(1);
/// The longest version or unit, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Why a release cannot be marked.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Something in it is wrong.
    #[error("{what}")]
    Refused {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// It could not be stored.
    #[error("the release could not be stored")]
    State(#[from] StateError),
}

/// The marks. Clones share them.
#[derive(Clone)]
pub(crate) struct ReleaseBook {
    state: State,
    clock: SharedClock,
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    releases: Arc<Releases>,
    /// The highest number that was read.
    last: i64,
}

impl Known {
    /// Adds a mark that is not known yet.
    fn add(&mut self, release: Release) {
        let same = |own: &Release| {
            own.at == release.at && own.version == release.version && own.stage == release.stage
        };
        if !self.releases.of(&release.function).iter().any(same) {
            Arc::make_mut(&mut self.releases).add(release);
        }
    }
}

impl ReleaseBook {
    /// Reads what was marked. A mark that cannot be read is left out and counted.
    pub(crate) async fn open(state: State, clock: SharedClock) -> Result<Self, StateError> {
        let book = ReleaseBook {
            state,
            clock,
            known: Arc::default(),
        };
        let unreadable = book.read_again().await?;
        if unreadable > 0 {
            events::rows_unreadable("releases", unreadable, "a release cannot be read");
        }
        Ok(book)
    }

    /// Takes up what was marked since, at another node that shares the state too; how many marks cannot be read.
    pub(crate) async fn read_again(&self) -> Result<usize, StateError> {
        let last = self.known().last;
        let rows = self
            .state
            .read(
                Statement::new(
                    "select namespace, name, version, stage, percent, unit, at_us, marked_by, id
                     from rules_releases where id > ?2 order by at_us desc, id desc limit ?1",
                )
                .bind(KEPT_MAX)
                .bind(last.saturating_sub(READ_AGAIN)),
            )
            .await?;
        let mut known = self.known_mut();
        let mut unreadable = 0;
        for row in rows.iter().rev() {
            known.last = known.last.max(row.integer(8).unwrap_or(0));
            match read(row) {
                Some(release) => known.add(release),
                None => unreadable += 1,
            }
        }
        Ok(unreadable)
    }

    /// Every mark.
    pub(crate) fn releases(&self) -> Arc<Releases> {
        Arc::clone(&self.known().releases)
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a release. Durable when it returns; the same again is harmless.
    pub(crate) async fn mark(&self, release: Release) -> Result<Release, ReleaseError> {
        let now = self.clock.now();
        check(&release, now)?;
        self.state
            .write(vec![
                Statement::new(
                    "insert into rules_releases(namespace, name, version, stage, percent, unit, at_us, marked_by)
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) on conflict do nothing",
                )
                .bind(&release.function.namespace)
                .bind(&release.function.name)
                .bind(&release.version)
                .bind(release.stage.as_str())
                .bind(release.percent)
                .bind(release.unit.clone())
                .bind(release.at)
                .bind(&release.by),
                Statement::new("delete from rules_releases where at_us < ?1").bind(now - KEPT),
                Statement::new(
                    "delete from rules_releases where id in (
                       select id from rules_releases where namespace = ?1 and name = ?2
                       order by at_us desc, id desc limit ?4 offset ?3)",
                )
                .bind(&release.function.namespace)
                .bind(&release.function.name)
                .bind(i64::try_from(Releases::OF_ONE_MAX).unwrap_or(i64::MAX))
                .bind(i64::MAX),
                Statement::new(
                    "delete from rules_releases where id in (
                       select id from rules_releases order by at_us desc, id desc limit ?2 offset ?1)",
                )
                .bind(KEPT_MAX)
                .bind(i64::MAX),
            ])
            .await?;
        events::release_marked(&release);
        self.known_mut().add(release.clone());
        Ok(release)
    }
}

fn check(release: &Release, now: Timestamp) -> Result<(), ReleaseError> {
    let refuse = |field, what: &str| {
        let what = what.to_owned();
        Err(ReleaseError::Refused { field, what })
    };
    let is_name = |text: &str| {
        !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
    };
    if !is_name(&release.version) {
        return refuse("version", "a version has 1 to 128 bytes");
    }
    if !release.unit.as_deref().is_none_or(is_name) {
        return refuse("unit", "a unit has 1 to 128 bytes");
    }
    if !release
        .percent
        .is_none_or(|percent| (0.0..=100.0).contains(&percent))
    {
        return refuse("percent", "a share of the calls is 0 to 100 percent");
    }
    if release.at > now + AHEAD_MAX {
        return refuse("at", "a release is marked when it happens, not before");
    }
    if release.at < now - LATE_MAX {
        return refuse("at", "a release is marked within 31 days");
    }
    Ok(())
}

fn read(row: &Row) -> Option<Release> {
    Some(Release {
        function: FunctionId {
            namespace: row.text(0).ok()?,
            name: row.text(1).ok()?,
        },
        version: row.text(2).ok()?,
        stage: Stage::from_word(&row.text(3).ok()?)?,
        percent: row.optional_real(4).ok()?,
        unit: row.optional_text(5).ok()?,
        at: row.timestamp(6).ok()?,
        by: row.text(7).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use model::{Secret, SystemClock};
    use state::{Limits, Place};

    use super::*;

    async fn book(place: &Place) -> ReleaseBook {
        let limits = Limits::default();
        let state = State::open_at(place, &[crate::MIGRATIONS], &limits).await;
        let state = state.unwrap();
        ReleaseBook::open(state, SystemClock::shared())
            .await
            .unwrap()
    }

    fn version(version: &str, seconds_ago: u64) -> Release {
        Release {
            function: "guide/feed".parse().unwrap(),
            version: version.to_owned(),
            stage: Stage::Gray,
            percent: Some(5.0),
            unit: None,
            at: SystemClock::shared().now() - Duration::from_secs(seconds_ago),
            by: "test".to_owned(),
        }
    }

    #[tokio::test]
    async fn nodes_that_share_the_state_share_the_marks() {
        let url = fakes::Postgres::shared().unwrap().database().unwrap();
        let place = Place::Server(Secret::new(url));
        let (one, two) = (book(&place).await, book(&place).await);
        let function = "guide/feed".parse().unwrap();
        let versions = |book: &ReleaseBook| -> Vec<String> {
            let known = book.releases();
            let own = known.of(&function).iter();
            own.map(|release| release.version.clone()).collect()
        };
        one.mark(version("7", 60)).await.unwrap();
        two.mark(version("8", 30)).await.unwrap();
        // Marked last, though it was released first.
        one.mark(version("6", 90)).await.unwrap();
        assert_eq!(versions(&two), ["8"]);
        for book in [&one, &two] {
            for _ in 0..2 {
                assert_eq!(book.read_again().await, Ok(0));
                assert_eq!(versions(book), ["6", "7", "8"]);
            }
        }
        assert_eq!(versions(&book(&place).await), ["6", "7", "8"]);
    }
}
