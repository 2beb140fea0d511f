//! What a start needs from the database.

use rand::RngCore;
use serde::de::DeserializeOwned;
use state::{State, StateError, Statement};

use crate::events;
use crate::pipeline::Stored;

/// Why the database cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database did not answer.
    #[error(transparent)]
    State(#[from] StateError),
    /// A document is not what this version writes.
    #[error("a row of {table} cannot be read: {cause}")]
    Document {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
}

/// Rows taken from a table at once.
const PAGE_ROWS_MAX: i64 = 50_000;

/// Everything that may still change by itself and can be read.
pub(crate) async fn load(state: &State) -> Result<Stored, LoadError> {
    let mut stored = Stored {
        incidents: documents(
            state,
            "alerting_incidents",
            "select document from alerting_incidents where active = 1 order by number",
        )
        .await?,
        outbox: documents(
            state,
            "alerting_outbox",
            "select document from alerting_outbox where state in ('pending', 'in_flight') order by id",
        )
        .await?,
        attempts: documents(
            state,
            "alerting_attempts",
            "select document from alerting_attempts where state = 'in_flight' order by id",
        )
        .await?,
        silences: documents(
            state,
            "alerting_silences",
            "select document from alerting_silences order by id",
        )
        .await?,
        alerts: contents(state, "alerting_alerts", "fingerprint").await?,
        entries: contents(state, "alerting_timeline", "sequence").await?,
        overrides: super::load_overrides(state).await?,
        duty: super::duty::load_duty(state).await?,
        used: super::used::load(state).await?,
        codes: super::codes::load(state).await?,
        ..Stored::default()
    };
    let seen = state
        .read(Statement::new(
            "select fingerprint, starts_at, firing, received_at from alerting_seen order by received_at",
        ))
        .await?;
    for row in seen {
        stored.seen.push((
            row.integer(0)?.cast_unsigned(),
            row.timestamp(1)?,
            row.boolean(2)?,
            row.timestamp(3)?,
        ));
    }
    let numbers = state
        .read(Statement::new(
            "select (select coalesce(max(number), 0) from alerting_incidents),
                    (select coalesce(max(id), 0) from alerting_outbox),
                    (select coalesce(max(id), 0) from alerting_attempts)",
        ))
        .await?;
    if let Some(row) = numbers.first() {
        let number = |column| row.integer(column).map(i64::cast_unsigned);
        stored.numbers = (number(0)?, number(1)?, number(2)?);
    }
    Ok(stored)
}

/// The key links are signed with; made at the first start, the same ever after.
pub(crate) async fn signing_key(state: &State) -> Result<Vec<u8>, StateError> {
    const NAME: &str = "links";
    let mut fresh = vec![0_u8; 32];
    rand::rng().fill_bytes(&mut fresh);
    let insert = Statement::new("insert into alerting_keys values (?1, ?2) on conflict do nothing");
    state.write(vec![insert.bind(NAME).bind(fresh)]).await?;
    let rows = state
        .read(Statement::new("select value from alerting_keys where name = ?1").bind(NAME))
        .await?;
    rows.first().map_or(Ok(Vec::new()), |row| row.blob(0))
}

async fn documents<T: DeserializeOwned>(
    state: &State,
    table: &'static str,
    sql: &'static str,
) -> Result<Vec<T>, LoadError> {
    let mut found = Vec::new();
    for row in state.read(Statement::new(sql)).await? {
        found.extend(readable(table, row.text(0)));
    }
    Ok(found)
}

/// The rows of active incidents in a table keyed by incident and `key`, page by page.
async fn contents<T: DeserializeOwned>(
    state: &State,
    table: &'static str,
    key: &'static str,
) -> Result<Vec<(String, T)>, LoadError> {
    let sql = format!(
        "select incident, {key}, document from {table}
         where incident in (select id from alerting_incidents where active = 1)
           and (incident, {key}) > (?1, ?2)
         order by incident, {key} limit ?3"
    );
    let mut found = Vec::new();
    let mut after = (String::new(), i64::MIN);
    loop {
        let statement = Statement::new(sql.clone())
            .bind(after.0.as_str())
            .bind(after.1)
            .bind(PAGE_ROWS_MAX);
        let rows = state.read(statement).await?;
        let Some(last) = rows.last() else {
            return Ok(found);
        };
        after = (last.text(0)?, last.integer(1)?);
        for row in &rows {
            if let Some(document) = readable(table, row.text(2)) {
                found.push((row.text(0)?, document));
            }
        }
    }
}

/// A document, unless it cannot be read: one that is broken keeps nothing else from being read. It
/// stays where it is.
pub(super) fn readable<T: DeserializeOwned>(
    table: &'static str,
    document: Result<String, StateError>,
) -> Option<T> {
    let parsed = match document {
        Ok(document) => parse(table, &document),
        Err(cause) => Err(LoadError::State(cause)),
    };
    parsed
        .inspect_err(|cause| events::document_unreadable(table, cause))
        .ok()
}

pub(super) fn parse<T: DeserializeOwned>(
    table: &'static str,
    document: &str,
) -> Result<T, LoadError> {
    serde_json::from_str(document).map_err(|cause| LoadError::Document { table, cause })
}
