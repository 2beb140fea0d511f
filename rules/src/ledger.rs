//! Phases and alerts in the state database: written together, so that what was decided is told
//! exactly as often as it must be.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Alert, AlertStatus, FunctionId, Labels, Timestamp};
use state::{Migrations, Row, State, StateError, Statement};

use crate::detection::StoredMemory;
use crate::driver::chain;
use crate::engine::{Change, Episode, StoredPhase};
use crate::events;
use crate::past::Told;
use crate::phase::Phase;

/// The tables of this room.
pub const MIGRATIONS: Migrations = Migrations {
    room: "rules",
    steps: &[
        "create table rules_phases(
           rule text not null, labels text not null, phase text not null,
           held_us integer not null, since_us integer, at_us integer, episode text,
           primary key (rule, labels)) without rowid;
         create table rules_alerts(
           id integer primary key autoincrement,
           fingerprint text not null, starts_us integer not null, status text not null,
           alert text not null, created_us integer not null, handed_over_us integer,
           unique (fingerprint, starts_us, status));
         create index rules_alerts_unsent on rules_alerts(id) where handed_over_us is null;
         create table rules_episodes(
           id integer primary key autoincrement,
           namespace text, name text, from_us integer not null, to_us integer not null);
         create table rules_mode(
           id integer primary key check (id = 1), mode text not null,
           since_us integer not null, until_us integer, set_by text not null);
         create table rules_rushes(
           id integer primary key autoincrement, from_us integer not null, to_us integer);",
        "alter table rules_phases add column unreadable_us integer;
         alter table rules_alerts add column unreadable_us integer;
         alter table rules_episodes add column unreadable_us integer;
         drop index rules_alerts_unsent;
         create index rules_alerts_unsent on rules_alerts(id)
           where handed_over_us is null and unreadable_us is null;",
        "create table rules_memories(
           rule text not null, labels text not null, at_us integer not null, record blob not null,
           primary key (rule, labels));",
        "create table rules_releases(
           id integer primary key autoincrement,
           namespace text not null, name text not null, version text not null, stage text not null,
           percent real, unit text, at_us integer not null, marked_by text not null,
           unique (namespace, name, version, stage, at_us));",
    ],
};

/// The most alerts handed over in one delivery.
pub(crate) const DELIVERY_ALERTS_MAX: usize = 500;
/// How long handed-over alerts are kept, for questions.
const HANDED_OVER_KEPT: Duration = Duration::from_hours(168);
/// How long episodes are kept: as long as the furthest baseline reaches. Alerts that cannot be read
/// are kept as long, for whoever wants to know what they said.
const EPISODES_KEPT: Duration = Duration::from_hours(9600);

/// Alerts that are looked through for those of an instant, newest first.
const TOLD_READ_MAX: i64 = 5_000;

/// How long the memory of a label set without calls is kept.
const MEMORIES_KEPT: Duration = Duration::from_hours(28 * 24);
/// Memories written in one transaction.
const MEMORIES_AT_ONCE_MAX: usize = 500;

/// Reads and writes this room's tables.
#[derive(Clone)]
pub(crate) struct Ledger {
    state: State,
}

/// What cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database.
    #[error("the state of rules cannot be read")]
    State(#[from] StateError),
    /// A value in it.
    #[error("a stored alert or label set cannot be read")]
    Json(#[from] serde_json::Error),
    /// A phase that this version does not know.
    #[error("`{0}` is not a phase")]
    Phase(String),
}

impl Ledger {
    pub(crate) fn new(state: State) -> Self {
        Ledger { state }
    }

    /// Writes phases and the alerts they ask for, all or nothing.
    pub(crate) async fn write(
        &self,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut job = Vec::new();
        for change in changes {
            job.push(phase_statement(change)?);
            if let Some(alert) = &change.tell {
                job.push(alert_statement(alert, now)?);
            }
            if let Some(episode) = &change.ended {
                job.push(episode_statement(episode));
            }
        }
        if !job.is_empty() {
            self.state.write(job).await?;
        }
        Ok(())
    }

    /// The stored phases. Rows that cannot be read stay where they are, and the others go on.
    pub(crate) async fn phases(&self, now: Timestamp) -> Result<Vec<StoredPhase>, LedgerError> {
        let rows = self
            .state
            .read(Statement::new(
                "select rule, labels, phase, held_us, since_us, at_us, episode from rules_phases
                 order by rule, labels",
            ))
            .await?;
        let (phases, unreadable) = sift(&rows, read_phase);
        let mark = "update rules_phases set unreadable_us = ?1 where rule = ?2 and labels = ?3";
        self.pass_over("phases", mark, 2, unreadable, now).await;
        Ok(phases)
    }

    /// Alerts not handed over yet, oldest first, with their row ids. One that cannot be read is
    /// marked and does not come again, so that it never stands in the way of the others.
    pub(crate) async fn unsent(&self, now: Timestamp) -> Result<Vec<(i64, Alert)>, LedgerError> {
        let limit = i64::try_from(DELIVERY_ALERTS_MAX).unwrap_or(i64::MAX);
        loop {
            let rows = self
                .state
                .read(
                    Statement::new(
                        "select id, alert from rules_alerts
                         where handed_over_us is null and unreadable_us is null
                         order by id limit ?1",
                    )
                    .bind(limit),
                )
                .await?;
            let (unsent, unreadable) = sift(&rows, |row| {
                Ok((row.integer(0)?, serde_json::from_str(&row.text(1)?)?))
            });
            let mark = "update rules_alerts set unreadable_us = ?1 where id = ?2";
            let marked = self.pass_over("alerts", mark, 1, unreadable, now).await;
            // A page of nothing but unreadable rows hides what comes after it.
            if !unsent.is_empty() || rows.is_empty() || !marked {
                return Ok(unsent);
            }
        }
    }

    /// Counts, logs and marks rows that cannot be read. Says whether they are marked; if the database
    /// refuses that, they are merely met again.
    async fn pass_over(
        &self,
        table: &'static str,
        mark: &'static str,
        key_columns: usize,
        unreadable: Vec<(&Row, LedgerError)>,
        now: Timestamp,
    ) -> bool {
        let Some((_, error)) = unreadable.first() else {
            return true;
        };
        events::rows_unreadable(table, unreadable.len(), &chain(error));
        let job = unreadable.iter().map(|(row, _)| {
            (0..key_columns)
                .filter_map(|column| row.value(column).ok())
                .fold(Statement::new(mark).bind(now), |statement, key| {
                    statement.bind(key.clone())
                })
        });
        match self.state.write(job.collect()).await {
            Ok(_) => true,
            Err(error) => {
                events::write_failed(unreadable.len(), &chain(&error));
                false
            }
        }
    }

    pub(crate) async fn mark_handed_over(
        &self,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let job = ids
            .iter()
            .map(|id| {
                Statement::new("update rules_alerts set handed_over_us = ?1 where id = ?2")
                    .bind(now)
                    .bind(*id)
            })
            .collect();
        self.state.write(job).await?;
        Ok(())
    }

    /// Episodes that ended, newest first.
    pub(crate) async fn episodes(&self, now: Timestamp) -> Result<Vec<Episode>, LedgerError> {
        let rows = self
            .state
            .read(Statement::new(
                "select id, namespace, name, from_us, to_us from rules_episodes
                 order by id desc limit 50000",
            ))
            .await?;
        let (episodes, unreadable) = sift(&rows, read_episode);
        let mark = "update rules_episodes set unreadable_us = ?1 where id = ?2";
        self.pass_over("episodes", mark, 1, unreadable, now).await;
        Ok(episodes)
    }

    /// The alerts of a rule and function that fired at an instant, as they were told.
    pub(crate) async fn told(
        &self,
        rule: &str,
        function: &FunctionId,
        at: Timestamp,
    ) -> Result<Vec<Told>, LedgerError> {
        let rows = self
            .state
            .read(
                Statement::new(
                    "select alert from rules_alerts where starts_us <= ?1 and unreadable_us is null
                     order by id desc limit ?2",
                )
                .bind(at)
                .bind(TOLD_READ_MAX),
            )
            .await?;
        let (alerts, _) = sift(&rows, |row| {
            Ok(serde_json::from_str::<Alert>(&row.text(0)?)?)
        });
        let id = function.to_string();
        let own = alerts.into_iter().filter(|alert| {
            alert.name() == rule && alert.function_id().is_none_or(|function| function == id)
        });
        let mut told: BTreeMap<(Labels, Timestamp), Told> = BTreeMap::new();
        for alert in own {
            let key = (alert.labels.clone(), alert.starts_at);
            let known = told.entry(key).or_insert_with(|| Told {
                labels: alert.labels.clone(),
                since: alert.starts_at,
                until: None,
                summary: alert
                    .annotations
                    .get("summary")
                    .cloned()
                    .unwrap_or_default(),
            });
            if alert.status == AlertStatus::Resolved {
                known.until = alert.ends_at;
            }
        }
        Ok(told
            .into_values()
            .filter(|told| told.until.is_none_or(|until| until > at))
            .collect())
    }

    /// Writes memories of sequential tests over those written before.
    pub(crate) async fn write_memories(
        &self,
        memories: &[StoredMemory],
    ) -> Result<(), LedgerError> {
        for part in memories.chunks(MEMORIES_AT_ONCE_MAX) {
            let mut job = Vec::with_capacity(part.len());
            for memory in part {
                job.push(
                    Statement::new(
                        "insert into rules_memories(rule, labels, at_us, record)
                         values (?1, ?2, ?3, ?4)
                         on conflict(rule, labels) do update set at_us = excluded.at_us,
                           record = excluded.record",
                    )
                    .bind(&memory.rule)
                    .bind(serde_json::to_string(&memory.labels)?)
                    .bind(memory.at)
                    .bind(memory.record.clone()),
                );
            }
            self.state.write(job).await?;
        }
        Ok(())
    }

    /// The stored memories of sequential tests. One that cannot be read is learned anew.
    pub(crate) async fn memories(&self) -> Result<Vec<StoredMemory>, LedgerError> {
        let rows = self
            .state
            .read(Statement::new(
                "select rule, labels, at_us, record from rules_memories order by rule, labels",
            ))
            .await?;
        let (memories, unreadable) = sift(&rows, |row| {
            Ok(StoredMemory {
                rule: row.text(0)?,
                labels: serde_json::from_str::<Labels>(&row.text(1)?)?,
                at: row.timestamp(2)?,
                record: row.blob(3)?,
            })
        });
        if let Some((_, error)) = unreadable.first() {
            events::rows_unreadable("memories", unreadable.len(), &chain(error));
        }
        Ok(memories)
    }

    /// Forgets what nobody will ask about any more.
    pub(crate) async fn prune(&self, now: Timestamp) -> Result<(), LedgerError> {
        self.state
            .write(vec![
                Statement::new("delete from rules_alerts where handed_over_us < ?1")
                    .bind(now - HANDED_OVER_KEPT),
                Statement::new("delete from rules_alerts where unreadable_us < ?1")
                    .bind(now - EPISODES_KEPT),
                Statement::new("delete from rules_episodes where to_us < ?1")
                    .bind(now - EPISODES_KEPT),
                Statement::new("delete from rules_memories where at_us < ?1")
                    .bind(now - MEMORIES_KEPT),
            ])
            .await?;
        Ok(())
    }
}

fn phase_statement(change: &Change) -> Result<Statement, LedgerError> {
    let labels = serde_json::to_string(&change.labels)?;
    let (held, since, at) = match change.phase {
        Phase::Inactive => {
            return Ok(
                Statement::new("delete from rules_phases where rule = ?1 and labels = ?2")
                    .bind(&change.rule)
                    .bind(labels),
            );
        }
        Phase::Pending { held, last_seen } => (held, None, Some(last_seen)),
        Phase::Firing { since } => (Duration::ZERO, Some(since), None),
        Phase::Clearing { since, quiet_since } => (Duration::ZERO, Some(since), Some(quiet_since)),
    };
    let episode = change
        .episode
        .as_ref()
        .map(serde_json::to_string)
        .transpose()?;
    Ok(Statement::new(
        "insert into rules_phases(rule, labels, phase, held_us, since_us, at_us, episode)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict(rule, labels) do update set phase = excluded.phase,
           held_us = excluded.held_us, since_us = excluded.since_us, at_us = excluded.at_us,
           episode = excluded.episode, unreadable_us = null",
    )
    .bind(&change.rule)
    .bind(labels)
    .bind(change.phase.as_str())
    .bind(model::whole_micros(held))
    .bind(since)
    .bind(at)
    .bind(episode))
}

/// The same alert is never stored twice: a change that is written again after an error tells
/// nothing new.
fn alert_statement(alert: &Alert, now: Timestamp) -> Result<Statement, LedgerError> {
    let status = match alert.status {
        AlertStatus::Firing => "firing",
        AlertStatus::Resolved => "resolved",
    };
    Ok(Statement::new(
        "insert into rules_alerts(fingerprint, starts_us, status, alert, created_us)
         values (?1, ?2, ?3, ?4, ?5) on conflict do nothing",
    )
    .bind(format!("{:016x}", alert.fingerprint()))
    .bind(alert.starts_at)
    .bind(status)
    .bind(serde_json::to_string(alert)?)
    .bind(now))
}

fn episode_statement(episode: &Episode) -> Statement {
    let function = episode.function.as_ref();
    Statement::new(
        "insert into rules_episodes(namespace, name, from_us, to_us) values (?1, ?2, ?3, ?4)",
    )
    .bind(function.map(|id| id.namespace.clone()))
    .bind(function.map(|id| id.name.clone()))
    .bind(episode.from)
    .bind(episode.to)
}

/// What can be read, and the rows that cannot.
fn sift<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, LedgerError>,
) -> (Vec<T>, Vec<(&Row, LedgerError)>) {
    let mut found = Vec::with_capacity(rows.len());
    let mut unreadable = Vec::new();
    for row in rows {
        match read(row) {
            Ok(read) => found.push(read),
            Err(error) => unreadable.push((row, error)),
        }
    }
    (found, unreadable)
}

fn read_episode(row: &Row) -> Result<Episode, LedgerError> {
    let function = match (row.optional_text(1)?, row.optional_text(2)?) {
        (Some(namespace), Some(name)) => Some(FunctionId { namespace, name }),
        _ => None,
    };
    Ok(Episode {
        function,
        from: row.timestamp(3)?,
        to: row.timestamp(4)?,
    })
}

fn read_phase(row: &Row) -> Result<StoredPhase, LedgerError> {
    let held = Duration::from_micros(u64::try_from(row.integer(3)?).unwrap_or(0));
    let since = row.optional_timestamp(4)?.unwrap_or_default();
    let at = row.optional_timestamp(5)?.unwrap_or_default();
    let phase = match row.text(2)?.as_str() {
        "pending" => Phase::Pending {
            held,
            last_seen: at,
        },
        "firing" => Phase::Firing { since },
        "clearing" => Phase::Clearing {
            since,
            quiet_since: at,
        },
        "inactive" => Phase::Inactive,
        unknown => return Err(LedgerError::Phase(unknown.to_owned())),
    };
    Ok(StoredPhase {
        rule: row.text(0)?,
        labels: serde_json::from_str::<Labels>(&row.text(1)?)?,
        phase,
        episode: row
            .optional_text(6)?
            .map(|json| serde_json::from_str(&json))
            .transpose()?,
    })
}
