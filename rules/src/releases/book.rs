//! Marks of releases in the state database.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::{FunctionId, SharedClock, Timestamp};
use state::{Row, State, StateError, Statement};

use super::{Release, Releases, Stage};
use crate::events;

/// The most marks that are read back; more are not written.
const KEPT_MAX: i64 = 20_000;
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
    known: Arc<RwLock<Arc<Releases>>>,
}

impl ReleaseBook {
    /// Reads what was marked. A mark that cannot be read is left out and counted.
    pub(crate) async fn open(state: State, clock: SharedClock) -> Result<Self, StateError> {
        let rows = state
            .read(
                Statement::new(
                    "select namespace, name, version, stage, percent, unit, at_us, marked_by
                     from rules_releases order by at_us desc, id desc limit ?1",
                )
                .bind(KEPT_MAX),
            )
            .await?;
        let mut known = Releases::default();
        let mut unreadable = 0;
        for row in rows.iter().rev() {
            match read(row) {
                Some(release) => known.add(release),
                None => unreadable += 1,
            }
        }
        if unreadable > 0 {
            events::rows_unreadable("releases", unreadable, "a release cannot be read");
        }
        Ok(ReleaseBook {
            state,
            clock,
            known: Arc::new(RwLock::new(Arc::new(known))),
        })
    }

    /// Every mark.
    pub(crate) fn releases(&self) -> Arc<Releases> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
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
                       order by at_us desc, id desc limit -1 offset ?3)",
                )
                .bind(&release.function.namespace)
                .bind(&release.function.name)
                .bind(i64::try_from(Releases::OF_ONE_MAX).unwrap_or(i64::MAX)),
                Statement::new(
                    "delete from rules_releases where id in (
                       select id from rules_releases order by at_us desc, id desc limit -1 offset ?1)",
                )
                .bind(KEPT_MAX),
            ])
            .await?;
        events::release_marked(&release);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let same = |own: &Release| {
            own.at == release.at && own.version == release.version && own.stage == release.stage
        };
        if !known.of(&release.function).iter().any(same) {
            let mut more = Releases::clone(&known);
            more.add(release.clone());
            *known = Arc::new(more);
        }
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
