//! Alerting's tables: how the pipeline's writes become statements, and the way back.

mod codes;
mod duty;
mod load;
mod query;
mod used;

use std::collections::BTreeMap;

use model::{AlertStatus, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use state::{Migrations, Statement};

use crate::pipeline::Write;

pub use load::LoadError;
pub(crate) use load::{load, signing_key};
pub(crate) use query::{find_incident, list_incidents};

/// Alerting's tables, for [`state::State::open`].
pub const MIGRATIONS: Migrations = Migrations {
    room: "alerting",
    steps: &[VERSION_1, SILENCES, duty::VERSION, codes::VERSION],
};

// Documents are JSON; columns beside them are what is searched by. `active` incidents are those
// that belong into memory.
const VERSION_1: &str = "
create table alerting_keys (name text primary key, value blob not null);
create table alerting_seen (
    fingerprint integer not null,
    starts_at integer not null,
    firing integer not null,
    received_at integer not null,
    primary key (fingerprint, starts_at, firing)
) without rowid;
create index alerting_seen_received on alerting_seen (received_at);
create table alerting_incidents (
    id text primary key,
    number integer not null,
    status text not null,
    active integer not null,
    opened_at integer not null,
    resolved_at integer,
    document text not null
);
create unique index alerting_incidents_number on alerting_incidents (number);
create index alerting_incidents_active on alerting_incidents (active) where active = 1;
create table alerting_alerts (
    incident text not null,
    fingerprint integer not null,
    document text not null,
    primary key (incident, fingerprint)
) without rowid;
create table alerting_timeline (
    incident text not null,
    sequence integer not null,
    document text not null,
    primary key (incident, sequence)
) without rowid;
create table alerting_outbox (
    id integer primary key,
    incident text not null,
    state text not null,
    document text not null
);
create index alerting_outbox_incident on alerting_outbox (incident);
create index alerting_outbox_waiting on alerting_outbox (state)
    where state in ('pending', 'in_flight');
create table alerting_attempts (
    id integer primary key,
    state text not null,
    started_at integer not null,
    document text not null
);
create index alerting_attempts_waiting on alerting_attempts (state) where state = 'in_flight';
";

const SILENCES: &str = "
create table alerting_silences (id text primary key, document text not null);
";

/// The statements that make writes durable: one a table, whatever the number of rows, so that a
/// storm costs no more statements than a single alert. Of several writes of one row the last counts,
/// and writing the same twice changes nothing.
pub(crate) fn statements<'a>(
    writes: impl IntoIterator<Item = &'a Write>,
) -> Result<Vec<Statement>, serde_json::Error> {
    let mut batch = Batch::default();
    for write in writes {
        batch.add(write)?;
    }
    batch.into_statements()
}

#[derive(Default)]
struct Batch {
    seen: BTreeMap<(u64, Timestamp, bool), Value>,
    incidents: BTreeMap<String, Value>,
    alerts: BTreeMap<(String, u64), Value>,
    timeline: BTreeMap<(String, u64), Value>,
    dropped: Vec<Value>,
    outbox: BTreeMap<u64, Value>,
    attempts: BTreeMap<u64, Value>,
    silences: BTreeMap<String, Value>,
    forgotten_silences: Vec<String>,
    overrides: BTreeMap<u64, Value>,
    duty: BTreeMap<String, Value>,
    codes: BTreeMap<String, Value>,
    forget_before: Option<Timestamp>,
}

impl Batch {
    fn add(&mut self, write: &Write) -> Result<(), serde_json::Error> {
        match write {
            Write::Seen {
                fingerprint,
                starts_at,
                status,
                received_at,
            } => {
                let firing = *status == AlertStatus::Firing;
                let (from, came) = (starts_at.as_micros(), received_at.as_micros());
                let row = json!([fingerprint.cast_signed(), from, i64::from(firing), came]);
                self.seen.insert((*fingerprint, *starts_at, firing), row);
            }
            Write::ForgetSeen { before } => self.forget_before = Some(*before),
            Write::Incident { incident, active } => {
                let row = json!([
                    incident.id,
                    incident.number,
                    incident.status.as_str(),
                    i64::from(*active),
                    incident.opened_at.as_micros(),
                    incident.resolved.as_ref().map(|end| end.at.as_micros()),
                    document(incident)?,
                ]);
                self.incidents.insert(incident.id.clone(), row);
            }
            Write::Alert { incident, held } => {
                let row = json!([incident, held.fingerprint.cast_signed(), document(held)?]);
                self.alerts
                    .insert((incident.clone(), held.fingerprint), row);
            }
            Write::Entry { incident, entry } => {
                let row = json!([incident, entry.sequence, document(entry)?]);
                self.timeline
                    .insert((incident.clone(), entry.sequence), row);
            }
            Write::DropEntry { incident, sequence } => {
                self.timeline.remove(&(incident.clone(), *sequence));
                self.dropped.push(json!([incident, sequence]));
            }
            Write::Outbox(row) => {
                let row = (
                    row.id,
                    json!([row.id, row.incident, row.state.as_str(), document(row)?]),
                );
                self.outbox.insert(row.0, row.1);
            }
            Write::Attempt(row) => {
                let started = row.started_at.as_micros();
                let value = json!([row.id, row.state.as_str(), started, document(row)?]);
                self.attempts.insert(row.id, value);
            }
            Write::Silence(_) | Write::ForgetSilence { .. } => self.add_silence(write)?,
            Write::Code(code) => {
                self.codes.insert(code.code.clone(), codes::row(code));
            }
            Write::Override(made) => {
                self.overrides.insert(made.id, duty::row(made)?);
            }
            Write::Duty { schedule, person } => {
                self.duty
                    .insert(schedule.clone(), json!([schedule, person]));
            }
        }
        Ok(())
    }

    fn add_silence(&mut self, write: &Write) -> Result<(), serde_json::Error> {
        match write {
            Write::Silence(silence) => {
                let row = json!([silence.id, document(silence)?]);
                self.silences.insert(silence.id.clone(), row);
            }
            Write::ForgetSilence { id } => {
                self.silences.remove(id);
                self.forgotten_silences.push(id.clone());
            }
            _ => {}
        }
        Ok(())
    }

    fn into_statements(self) -> Result<Vec<Statement>, serde_json::Error> {
        let mut statements = Vec::new();
        let mut put = |table: &str, columns: usize, rows: Vec<Value>| {
            if rows.is_empty() {
                return Ok(());
            }
            let columns: Vec<String> = (0..columns).map(|n| format!("value ->> {n}")).collect();
            let columns = columns.join(", ");
            let sql = format!("insert or replace into {table} select {columns} from json_each(?1)");
            statements.push(Statement::new(sql).bind(serde_json::to_string(&rows)?));
            Ok(())
        };
        put("alerting_seen", 4, self.seen.into_values().collect())?;
        put(
            "alerting_incidents",
            7,
            self.incidents.into_values().collect(),
        )?;
        put("alerting_alerts", 3, self.alerts.into_values().collect())?;
        put(
            "alerting_timeline",
            3,
            self.timeline.into_values().collect(),
        )?;
        put("alerting_outbox", 4, self.outbox.into_values().collect())?;
        put(
            "alerting_attempts",
            4,
            self.attempts.into_values().collect(),
        )?;
        put(
            "alerting_silences",
            2,
            self.silences.into_values().collect(),
        )?;
        put(
            "alerting_overrides",
            3,
            self.overrides.into_values().collect(),
        )?;
        put("alerting_codes", 4, self.codes.into_values().collect())?;
        put("alerting_duty", 2, self.duty.into_values().collect())?;
        if !self.forgotten_silences.is_empty() {
            let sql = "delete from alerting_silences
                       where id in (select value from json_each(?1))";
            let ids = serde_json::to_string(&self.forgotten_silences)?;
            statements.push(Statement::new(sql).bind(ids));
        }
        if !self.dropped.is_empty() {
            let sql = "delete from alerting_timeline where (incident, sequence) in
                       (select value ->> 0, value ->> 1 from json_each(?1))";
            let rows = serde_json::to_string(&self.dropped)?;
            statements.push(Statement::new(sql).bind(rows));
        }
        if let Some(before) = self.forget_before {
            let sql = "delete from alerting_seen where received_at < ?1";
            statements.push(Statement::new(sql).bind(before));
        }
        Ok(statements)
    }
}

/// Ends on disk what ended while its writes were forgotten: everything that the disk takes for
/// unfinished and that is not among `all` that memory knows.
pub(crate) fn settle_forgotten(
    all: &[Write],
    now: Timestamp,
) -> Result<Vec<Statement>, serde_json::Error> {
    let (mut incidents, mut rows, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
    for write in all {
        match write {
            Write::Incident { incident, .. } => incidents.push(&incident.id),
            Write::Outbox(row) => rows.push(row.id),
            Write::Attempt(attempt) => attempts.push(attempt.id),
            _ => {}
        }
    }
    let end_incidents = "update alerting_incidents set active = 0, status = 'resolved',
                             resolved_at = coalesce(resolved_at, ?2),
                             document = json_set(document, '$.status', 'resolved',
                                                 '$.closed', json('true'))
                         where active = 1 and json_valid(document)
                           and id not in (select value from json_each(?1))";
    let end_rows = "update alerting_outbox set state = 'cancelled'
                    where state in ('pending', 'in_flight')
                      and id not in (select value from json_each(?1))";
    let end_attempts = "update alerting_attempts set state = 'unknown'
                        where state = 'in_flight'
                          and id not in (select value from json_each(?1))";
    Ok(vec![
        Statement::new(end_incidents)
            .bind(serde_json::to_string(&incidents)?)
            .bind(now),
        Statement::new(end_rows).bind(serde_json::to_string(&rows)?),
        Statement::new(end_attempts).bind(serde_json::to_string(&attempts)?),
    ])
}

/// Deletes what nobody looks at any more.
pub(crate) fn expire(resolved_before: Timestamp) -> Vec<Statement> {
    const OLD: &str = "select id from alerting_incidents where active = 0 and resolved_at < ?1";
    let mut statements: Vec<Statement> =
        ["alerting_alerts", "alerting_timeline", "alerting_outbox"]
            .into_iter()
            .map(|table| {
                Statement::new(format!("delete from {table} where incident in ({OLD})"))
                    .bind(resolved_before)
            })
            .collect();
    statements.push(
        Statement::new("delete from alerting_incidents where active = 0 and resolved_at < ?1")
            .bind(resolved_before),
    );
    statements.push(
        Statement::new(
            "delete from alerting_attempts where state <> 'in_flight' and started_at < ?1",
        )
        .bind(resolved_before),
    );
    statements.push(duty::expire(resolved_before));
    statements.push(codes::expire(resolved_before));
    statements
}

fn document(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}
