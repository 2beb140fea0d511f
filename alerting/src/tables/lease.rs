//! The one row that says who leads, by the database's own clock.

use std::time::Duration;

use state::{State, StateError, Statement};

use crate::lease::{Answer, Ask, Held};

/// `changes` counts the leader's writes, so that others see that there is something to read.
pub(super) const VERSION: &str = "
create table alerting_lease (
    id integer primary key check (id = 1),
    holder text not null,
    name text not null,
    epoch integer not null,
    until_us integer not null,
    changes integer not null
);
insert into alerting_lease values (1, '', '', 0, 0, 0);
create table alerting_inbox (
    id integer primary key autoincrement,
    key text not null unique,
    node text not null,
    arrived_us integer not null,
    document text not null
);
";

/// Who asks: a number that no other process has, and the name that people know.
#[derive(Clone, Debug)]
pub(crate) struct Me {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Puts a question to the database.
pub(crate) async fn ask(state: &State, me: &Me, lease: Duration, asked: Ask) -> Answer {
    let length = model::whole_micros(lease);
    let changed = match asked {
        Ask::Look => {
            return match look(state).await {
                Ok(held) => Answer::Row(held),
                Err(_) => Answer::Away,
            };
        }
        // A holder that asks again did not hear that it was given the lease.
        Ask::Take { epoch } => Statement::new(
            "update alerting_lease set holder = ?1, name = ?2, epoch = epoch + 1,
                 until_us = now_us() + ?3, changes = changes + 1
             where id = 1 and epoch = ?4
               and (holder = '' or holder = ?1 or until_us < now_us())",
        )
        .bind(&me.id)
        .bind(&me.name)
        .bind(length)
        .bind(epoch.cast_signed()),
        Ask::Renew { epoch } => Statement::new(
            "update alerting_lease set until_us = now_us() + ?3
             where id = 1 and epoch = ?2 and holder = ?1",
        )
        .bind(&me.id)
        .bind(epoch.cast_signed())
        .bind(length),
    };
    match state.write(vec![changed.expect_rows(1)]).await {
        Ok(_) => Answer::Done,
        Err(StateError::Unmet { .. }) => Answer::Beaten,
        Err(_) => Answer::Away,
    }
}

/// Who holds the lease.
pub(crate) async fn look(state: &State) -> Result<Held, StateError> {
    let sql = "select holder, name, epoch, until_us, until_us - now_us(), changes
               from alerting_lease where id = 1";
    let rows = state.read(Statement::new(sql)).await?;
    let Some(row) = rows.first() else {
        return Err(StateError::Statement("there is no lease to hold".into()));
    };
    Ok(Held {
        holder: row.text(0)?,
        name: row.text(1)?,
        epoch: row.integer(2)?.cast_unsigned(),
        until_us: row.integer(3)?,
        lapsed: row.integer(4)? < 0,
        changes: row.integer(5)?,
    })
}

/// Gives the lease up, so that the next one need not wait for its end.
pub(crate) fn release(me: &Me, epoch: u64) -> Statement {
    Statement::new(
        "update alerting_lease set holder = '', until_us = 0
         where id = 1 and epoch = ?2 and holder = ?1",
    )
    .bind(&me.id)
    .bind(epoch.cast_signed())
}

/// The first statement of every write of a leader: without the epoch nothing of it is kept. It also
/// keeps others from taking the lease until the write is done.
pub(crate) fn fence(me: &Me, epoch: u64) -> Statement {
    Statement::new(
        "update alerting_lease set changes = changes + 1
         where id = 1 and epoch = ?2 and holder = ?1",
    )
    .bind(&me.id)
    .bind(epoch.cast_signed())
    .expect_rows(1)
}
