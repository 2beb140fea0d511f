//! Who took over from whom, and who was last seen on call.

use model::Timestamp;
use state::{Kind, State, StateError, Statement, Table, Value};

use super::load::readable;
use super::{document, number};
use crate::oncall::{Override, Overrides};

pub(super) const VERSION: &str = "
create table alerting_overrides (
    id integer primary key,
    to_at integer not null,
    document text not null
);
create table alerting_duty (schedule text primary key, person text) without rowid;
";

/// What is read at a start; those before are over for long.
const OVERRIDES_READ_MAX: i64 = 10_000;

pub(super) static OVERRIDES: Table = Table {
    name: "alerting_overrides",
    columns: &[
        ("id", Kind::Integer),
        ("to_at", Kind::Integer),
        ("document", Kind::Text),
    ],
    key: 1,
};
pub(super) static DUTY: Table = Table {
    name: "alerting_duty",
    columns: &[("schedule", Kind::Text), ("person", Kind::Text)],
    key: 1,
};

pub(super) fn row(made: &Override) -> Result<Vec<Value>, serde_json::Error> {
    Ok(vec![number(made.id), made.to.into(), document(made)?])
}

pub(crate) async fn load_overrides(state: &State) -> Result<Overrides, StateError> {
    let sql = "select id, document from alerting_overrides order by id desc limit ?1";
    let rows = state
        .read(Statement::new(sql).bind(OVERRIDES_READ_MAX))
        .await?;
    let last_id = rows.first().map_or(Ok(0), |row| row.integer(0))?;
    let known = rows
        .iter()
        .filter_map(|row| readable("alerting_overrides", row.text(1)));
    Ok(Overrides::new(known.collect(), last_id.cast_unsigned()))
}

pub(super) async fn load_duty(state: &State) -> Result<Vec<(String, Option<String>)>, StateError> {
    let sql = "select schedule, person from alerting_duty";
    let rows = state.read(Statement::new(sql)).await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?, row.optional_text(1)?)))
        .collect()
}

/// Deletes what was over before.
pub(super) fn expire(before: Timestamp) -> Statement {
    // The last one stays: its number must not be given again.
    Statement::new(
        "delete from alerting_overrides
         where to_at < ?1 and id < (select max(id) from alerting_overrides)",
    )
    .bind(before)
}
