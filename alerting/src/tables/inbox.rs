//! What arrived at any node and was not worked on yet.

use state::{State, StateError, Statement};

use super::load::readable;
use crate::pipeline::Order;

/// The most that waits; what comes beyond is refused, and sent again by whoever sent it.
const ROWS_MAX: i64 = 50_000;
/// The most that is taken at once.
const TAKEN_MAX: i64 = 64;

/// Something that arrived: its number, and what it is unless nobody can read it.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) id: i64,
    pub(crate) order: Option<Order>,
}

/// Writes an order down under a key of its own; refused as [`StateError::Unmet`] when too many wait.
pub(crate) fn put(key: &str, node: &str, order: &Order) -> Result<Statement, serde_json::Error> {
    let sql = "insert into alerting_inbox(key, node, arrived_us, document)
               select ?1, ?2, now_us(), ?3
               where (select count(*) from alerting_inbox) < ?4";
    Ok(Statement::new(sql)
        .bind(key)
        .bind(node)
        .bind(serde_json::to_string(order)?)
        .bind(ROWS_MAX)
        .expect_rows(1))
}

/// The oldest that wait.
pub(crate) async fn waiting(state: &State) -> Result<Vec<Arrived>, StateError> {
    let sql = "select id, document from alerting_inbox order by id limit ?1";
    let rows = state.read(Statement::new(sql).bind(TAKEN_MAX)).await?;
    rows.iter()
        .map(|row| {
            Ok(Arrived {
                id: row.integer(0)?,
                order: readable("alerting_inbox", row.text(1)),
            })
        })
        .collect()
}

/// Whether the leader has not worked on this one yet.
pub(crate) async fn is_waiting(state: &State, key: &str) -> Result<bool, StateError> {
    let sql = "select 1 from alerting_inbox where key = ?1";
    let rows = state.read(Statement::new(sql).bind(key)).await?;
    Ok(!rows.is_empty())
}

/// Takes orders out, in the same transaction as what follows from them.
pub(crate) fn remove(ids: Vec<i64>) -> Statement {
    Statement::new("delete from alerting_inbox where id in ?1").bind(ids)
}
