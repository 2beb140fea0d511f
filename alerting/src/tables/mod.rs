//! Alerting's tables: how the pipeline's writes become statements, and the way back.

mod codes;
mod duty;
pub(crate) mod inbox;
pub(crate) mod lease;
mod load;
mod query;
mod used;

use std::collections::BTreeMap;

use model::{AlertStatus, Timestamp};
use serde::Serialize;
use state::{Kind, Migrations, Statement, Table, Value};

use crate::pipeline::Write;

pub(crate) use duty::load_overrides;
pub use load::LoadError;
pub(crate) use load::{load, signing_key};
pub(crate) use query::{find_incident, list_incidents};

/// Alerting's tables, for [`state::State::open`].
pub const MIGRATIONS: Migrations = Migrations {
    room: "alerting",
    steps: &[
        VERSION_1,
        SILENCES,
        duty::VERSION,
        codes::VERSION,
        lease::VERSION,
    ],
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

static SEEN: Table = Table {
    name: "alerting_seen",
    columns: &[
        ("fingerprint", Kind::Integer),
        ("starts_at", Kind::Integer),
        ("firing", Kind::Integer),
        ("received_at", Kind::Integer),
    ],
    key: 3,
};
static INCIDENTS: Table = Table {
    name: "alerting_incidents",
    columns: &[
        ("id", Kind::Text),
        ("number", Kind::Integer),
        ("status", Kind::Text),
        ("active", Kind::Integer),
        ("opened_at", Kind::Integer),
        ("resolved_at", Kind::Integer),
        ("document", Kind::Text),
    ],
    key: 1,
};
static ALERTS: Table = Table {
    name: "alerting_alerts",
    columns: &[
        ("incident", Kind::Text),
        ("fingerprint", Kind::Integer),
        ("document", Kind::Text),
    ],
    key: 2,
};
static TIMELINE: Table = Table {
    name: "alerting_timeline",
    columns: &[
        ("incident", Kind::Text),
        ("sequence", Kind::Integer),
        ("document", Kind::Text),
    ],
    key: 2,
};
static OUTBOX: Table = Table {
    name: "alerting_outbox",
    columns: &[
        ("id", Kind::Integer),
        ("incident", Kind::Text),
        ("state", Kind::Text),
        ("document", Kind::Text),
    ],
    key: 1,
};
static ATTEMPTS: Table = Table {
    name: "alerting_attempts",
    columns: &[
        ("id", Kind::Integer),
        ("state", Kind::Text),
        ("started_at", Kind::Integer),
        ("document", Kind::Text),
    ],
    key: 1,
};
static STORED_SILENCES: Table = Table {
    name: "alerting_silences",
    columns: &[("id", Kind::Text), ("document", Kind::Text)],
    key: 1,
};

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
    Ok(batch.into_statements())
}

/// Rows by their keys.
type Rows<K> = BTreeMap<K, Vec<Value>>;

#[derive(Default)]
struct Batch {
    seen: Rows<(u64, Timestamp, bool)>,
    incidents: Rows<String>,
    alerts: Rows<(String, u64)>,
    timeline: Rows<(String, u64)>,
    dropped: Rows<(String, u64)>,
    outbox: Rows<u64>,
    attempts: Rows<u64>,
    silences: Rows<String>,
    forgotten_silences: Rows<String>,
    overrides: Rows<u64>,
    duty: Rows<String>,
    codes: Rows<String>,
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
                let row = vec![
                    fingerprint.cast_signed().into(),
                    (*starts_at).into(),
                    firing.into(),
                    (*received_at).into(),
                ];
                self.seen.insert((*fingerprint, *starts_at, firing), row);
            }
            Write::ForgetSeen { before } => self.forget_before = Some(*before),
            Write::Incident { incident, active } => {
                let row = vec![
                    (&incident.id).into(),
                    number(incident.number),
                    incident.status.as_str().into(),
                    (*active).into(),
                    incident.opened_at.into(),
                    incident.resolved.as_ref().map(|end| end.at).into(),
                    document(incident)?,
                ];
                self.incidents.insert(incident.id.clone(), row);
            }
            Write::Alert { incident, held } => {
                let fingerprint = held.fingerprint.cast_signed().into();
                let row = vec![incident.into(), fingerprint, document(held)?];
                self.alerts
                    .insert((incident.clone(), held.fingerprint), row);
            }
            Write::Entry { incident, entry } => {
                let row = vec![incident.into(), number(entry.sequence), document(entry)?];
                self.timeline
                    .insert((incident.clone(), entry.sequence), row);
            }
            Write::DropEntry { incident, sequence } => {
                let key = (incident.clone(), *sequence);
                self.timeline.remove(&key);
                let row = vec![incident.into(), number(*sequence)];
                self.dropped.insert(key, row);
            }
            Write::Outbox(_) | Write::Attempt(_) => self.add_message(write)?,
            Write::Silence(_) | Write::ForgetSilence { .. } => self.add_silence(write)?,
            Write::Code(code) => {
                self.codes.insert(code.code.clone(), codes::row(code));
            }
            Write::Override(made) => {
                self.overrides.insert(made.id, duty::row(made)?);
            }
            Write::Duty { schedule, person } => {
                let row = vec![schedule.into(), person.clone().into()];
                self.duty.insert(schedule.clone(), row);
            }
        }
        Ok(())
    }

    fn add_message(&mut self, write: &Write) -> Result<(), serde_json::Error> {
        match write {
            Write::Outbox(row) => {
                let (incident, state) = ((&row.incident).into(), row.state.as_str().into());
                let values = vec![number(row.id), incident, state, document(row)?];
                self.outbox.insert(row.id, values);
            }
            Write::Attempt(row) => {
                let (state, started) = (row.state.as_str().into(), row.started_at.into());
                let values = vec![number(row.id), state, started, document(row)?];
                self.attempts.insert(row.id, values);
            }
            _ => {}
        }
        Ok(())
    }

    fn add_silence(&mut self, write: &Write) -> Result<(), serde_json::Error> {
        match write {
            Write::Silence(silence) => {
                let row = vec![(&silence.id).into(), document(silence)?];
                self.silences.insert(silence.id.clone(), row);
            }
            Write::ForgetSilence { id } => {
                self.silences.remove(id);
                self.forgotten_silences.insert(id.clone(), vec![id.into()]);
            }
            _ => {}
        }
        Ok(())
    }

    fn into_statements(self) -> Vec<Statement> {
        let mut statements = Vec::new();
        let mut put = |table: &'static Table, rows: Vec<Vec<Value>>| {
            if !rows.is_empty() {
                statements.push(table.put(rows));
            }
        };
        put(&SEEN, self.seen.into_values().collect());
        put(&INCIDENTS, self.incidents.into_values().collect());
        put(&ALERTS, self.alerts.into_values().collect());
        put(&TIMELINE, self.timeline.into_values().collect());
        put(&OUTBOX, self.outbox.into_values().collect());
        put(&ATTEMPTS, self.attempts.into_values().collect());
        put(&STORED_SILENCES, self.silences.into_values().collect());
        put(&duty::OVERRIDES, self.overrides.into_values().collect());
        put(&codes::CODES, self.codes.into_values().collect());
        put(&duty::DUTY, self.duty.into_values().collect());
        if !self.forgotten_silences.is_empty() {
            let ids = self.forgotten_silences.into_values().collect();
            statements.push(STORED_SILENCES.remove(ids));
        }
        if !self.dropped.is_empty() {
            statements.push(TIMELINE.remove(self.dropped.into_values().collect()));
        }
        if let Some(before) = self.forget_before {
            let sql = "delete from alerting_seen where received_at < ?1";
            statements.push(Statement::new(sql).bind(before));
        }
        statements
    }
}

/// Ends on disk what ended while its writes were forgotten: everything that the disk takes for
/// unfinished and that is not among `all` that memory knows. The documents stay as they were; whoever
/// reads one believes the columns beside it.
pub(crate) fn settle_forgotten(all: &[Write], now: Timestamp) -> Vec<Statement> {
    let (mut incidents, mut rows, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
    for write in all {
        match write {
            Write::Incident { incident, .. } => incidents.push(incident.id.clone()),
            Write::Outbox(row) => rows.push(row.id.cast_signed()),
            Write::Attempt(attempt) => attempts.push(attempt.id.cast_signed()),
            _ => {}
        }
    }
    let end_incidents = "update alerting_incidents set active = 0, status = 'resolved',
                             resolved_at = coalesce(resolved_at, ?2)
                         where active = 1 and id not in ?1";
    let end_rows = "update alerting_outbox set state = 'cancelled'
                    where state in ('pending', 'in_flight') and id not in ?1";
    let end_attempts = "update alerting_attempts set state = 'unknown'
                        where state = 'in_flight' and id not in ?1";
    vec![
        Statement::new(end_incidents).bind(incidents).bind(now),
        Statement::new(end_rows).bind(rows),
        Statement::new(end_attempts).bind(attempts),
    ]
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

fn document(value: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::to_string(value).map(Value::Text)
}

fn number(value: u64) -> Value {
    Value::Integer(value.cast_signed())
}
