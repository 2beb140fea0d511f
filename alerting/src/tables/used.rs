//! Which addresses were used lately, for providers that count how often one number is called.

use model::Timestamp;
use state::{State, StateError, Statement};

use crate::pipeline::Address;

/// Attempts that are looked through; more are not made within a day to numbers that have quotas.
const ATTEMPTS_READ_MAX: i64 = 20_000;

/// The addresses of the latest attempts, oldest first.
pub(super) async fn load(state: &State) -> Result<Vec<(Address, Timestamp)>, StateError> {
    let sql = "
        select json_extract(o.document, '$.address.endpoint'),
               json_extract(o.document, '$.address.person'), a.started_at
        from alerting_attempts a,
             json_each(iif(json_valid(a.document), a.document, '{}'), '$.rows') r
             join alerting_outbox o on o.id = r.value
        where a.id > (select coalesce(max(id), 0) from alerting_attempts) - ?1
          and iif(json_valid(o.document),
                  json_extract(o.document, '$.address.endpoint') is not null, 0)
        order by a.started_at, a.id";
    let rows = state
        .read(Statement::new(sql).bind(ATTEMPTS_READ_MAX))
        .await?;
    rows.iter()
        .map(|row| {
            let address = Address {
                endpoint: row.text(0)?,
                person: row.optional_text(1)?,
            };
            Ok((address, row.timestamp(2)?))
        })
        .collect()
}
