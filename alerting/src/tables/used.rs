//! Which addresses were used lately, for providers that count how often one number is called.

use std::collections::HashMap;

use model::Timestamp;
use serde::Deserialize;
use state::{State, StateError, Statement};

use super::load::readable;
use crate::pipeline::Address;

/// Attempts that are looked through; more are not made within a day to numbers that have quotas.
const ATTEMPTS_READ_MAX: i64 = 20_000;

/// What is needed of an attempt.
#[derive(Deserialize)]
struct Carried {
    rows: Vec<u64>,
}

/// What is needed of a message.
#[derive(Deserialize)]
struct Addressed {
    address: Address,
}

/// The addresses of the latest attempts, oldest first.
pub(super) async fn load(state: &State) -> Result<Vec<(Address, Timestamp)>, StateError> {
    let sql = "
        select started_at, document from alerting_attempts
        where id > (select coalesce(max(id), 0) from alerting_attempts) - ?1
        order by started_at, id";
    let attempts = Statement::new(sql).bind(ATTEMPTS_READ_MAX);
    let mut used: Vec<(Timestamp, i64)> = Vec::new();
    for row in state.read(attempts).await? {
        let started_at = row.timestamp(0)?;
        let carried: Option<Carried> = readable("alerting_attempts", row.text(1));
        let carried = carried.map_or(Vec::new(), |carried| carried.rows);
        used.extend(carried.iter().map(|id| (started_at, id.cast_signed())));
    }
    let mut ids: Vec<i64> = used.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    let sql = "select id, document from alerting_outbox where id in ?1";
    let mut addresses: HashMap<i64, Address> = HashMap::new();
    for row in state.read(Statement::new(sql).bind(ids)).await? {
        let addressed: Option<Addressed> = readable("alerting_outbox", row.text(1));
        if let Some(addressed) = addressed {
            addresses.insert(row.integer(0)?, addressed.address);
        }
    }
    let used = used.into_iter();
    Ok(used
        .filter_map(|(at, id)| Some((addresses.get(&id)?.clone(), at)))
        .collect())
}
