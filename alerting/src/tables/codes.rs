//! Codes that open incidents.

use model::Timestamp;
use state::{Kind, State, StateError, Statement, Table, Value};

use crate::pipeline::Code;

pub(super) const VERSION: &str = "
create table alerting_codes (
    code text primary key,
    incident text not null,
    person text not null,
    expires integer not null
) without rowid;
";

pub(super) static CODES: Table = Table {
    name: "alerting_codes",
    columns: &[
        ("code", Kind::Text),
        ("incident", Kind::Text),
        ("person", Kind::Text),
        ("expires", Kind::Integer),
    ],
    key: 1,
};

pub(super) fn row(code: &Code) -> Vec<Value> {
    vec![
        (&code.code).into(),
        (&code.incident).into(),
        (&code.person).into(),
        code.expires.into(),
    ]
}

/// All that were not deleted yet.
pub(super) async fn load(state: &State) -> Result<Vec<Code>, StateError> {
    let sql = "select code, incident, person, expires from alerting_codes";
    let rows = state.read(Statement::new(sql)).await?;
    rows.iter()
        .map(|row| {
            Ok(Code {
                code: row.text(0)?,
                incident: row.text(1)?,
                person: row.text(2)?,
                expires: row.timestamp(3)?,
            })
        })
        .collect()
}

/// Deletes what expired before.
pub(super) fn expire(before: Timestamp) -> Statement {
    Statement::new("delete from alerting_codes where expires < ?1").bind(before)
}
