//! Bringing every room's tables to the version that its room knows.

use std::path::Path;

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use crate::{StateError, events, file, sql};

/// A room's tables. Step *i*, counted from 1, brings them from version *i* − 1 to *i*; it may hold
/// several statements. Everything that a step makes begins with `<room>_`.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The room's name: lower-case letters.
    pub room: &'static str,
    /// The steps, oldest first. Released steps never change.
    pub steps: &'static [&'static str],
}

/// A room that is behind.
struct Due {
    migrations: Migrations,
    from: i64,
}

impl Due {
    fn to(&self) -> i64 {
        known(&self.migrations)
    }
}

fn known(migrations: &Migrations) -> i64 {
    i64::try_from(migrations.steps.len()).unwrap_or(i64::MAX)
}

/// Brings all rooms up to date, or changes nothing when one of them is newer than this program.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    rooms: &[Migrations],
) -> Result<(), StateError> {
    check_names(rooms)?;
    let opening = |cause: sqlx::Error| StateError::opening(path, &cause);
    let tables = objects(connection).await.map_err(opening)?;
    let versioned = tables.iter().any(|object| object.name == "state_versions");
    if !versioned && !tables.is_empty() {
        return Err(StateError::Foreign {
            path: path.to_owned(),
        });
    }
    let mut due = Vec::new();
    for migrations in rooms {
        let found = version(connection, versioned, migrations.room)
            .await
            .map_err(opening)?;
        if found > known(migrations) {
            return Err(newer(path, migrations, found));
        }
        if found < known(migrations) {
            due.push(Due {
                migrations: *migrations,
                from: found,
            });
        }
    }
    file::use_write_ahead_log(connection)
        .await
        .map_err(opening)?;
    if due.is_empty() {
        return Ok(());
    }
    if versioned {
        let copy = file::copy(connection, path, &copy_suffix(&due)).await?;
        events::copied_before_migration(&copy);
    } else {
        sqlx::query(
            "create table state_versions(room text primary key not null, version integer not null) strict",
        )
        .execute(&mut *connection)
        .await
        .map_err(opening)?;
    }
    for room in &due {
        migrate_room(connection, room).await?;
        events::migrated(room.migrations.room, room.from, room.to());
    }
    Ok(())
}

fn check_names(rooms: &[Migrations]) -> Result<(), StateError> {
    for (at, migrations) in rooms.iter().enumerate() {
        let room = migrations.room;
        let plain = !room.is_empty() && room.bytes().all(|byte| byte.is_ascii_lowercase());
        let repeated = rooms.iter().take(at).any(|earlier| earlier.room == room);
        let cause = if !plain || matches!(room, "state" | "sqlite") {
            "a room's name is lower-case letters, and not state or sqlite"
        } else if repeated {
            "the room is listed twice"
        } else {
            continue;
        };
        return Err(StateError::Migration {
            room,
            version: 0,
            cause: cause.to_owned(),
        });
    }
    Ok(())
}

async fn version(
    connection: &mut SqliteConnection,
    versioned: bool,
    room: &str,
) -> Result<i64, sqlx::Error> {
    if !versioned {
        return Ok(0);
    }
    let row = sqlx::query("select version from state_versions where room = ?1")
        .bind(room.to_owned())
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(0), |row| row.try_get(0))
}

fn newer(path: &Path, migrations: &Migrations, found: i64) -> StateError {
    let copies = file::copies(path);
    StateError::Newer {
        path: path.to_owned(),
        room: migrations.room.to_owned(),
        found,
        known: known(migrations),
        backup: if copies.is_empty() {
            "a copy made before the upgrade".to_owned()
        } else {
            copies.join(" or ")
        },
    }
}

/// `.before-rules-4`, or `.before-alerting-2-rules-4` when several rooms move at once.
fn copy_suffix(due: &[Due]) -> String {
    let moves: Vec<String> = due
        .iter()
        .map(|room| format!("{}-{}", room.migrations.room, room.to()))
        .collect();
    format!(".before-{}", moves.join("-"))
}

/// All outstanding steps of one room in one transaction.
async fn migrate_room(connection: &mut SqliteConnection, due: &Due) -> Result<(), StateError> {
    let room = due.migrations.room;
    execute(connection, "begin immediate")
        .await
        .map_err(|cause| StateError::of(&cause))?;
    let outcome = match run_steps(connection, due).await {
        Ok(()) => execute(connection, "commit")
            .await
            .map_err(|cause| failed(room, due.to(), words(&cause))),
        Err(cause) => Err(cause),
    };
    if outcome.is_err() {
        // The step's own error is the one to report; a transaction that is already gone is fine.
        let _ = execute(connection, "rollback").await;
    }
    outcome
}

async fn run_steps(connection: &mut SqliteConnection, due: &Due) -> Result<(), StateError> {
    let room = due.migrations.room;
    let already = usize::try_from(due.from).unwrap_or(0);
    let outstanding = (due.from + 1..).zip(due.migrations.steps.iter().skip(already));
    for (version, step) in outstanding {
        let wrong = |cause: sqlx::Error| failed(room, version, words(&cause));
        sql::check_migration(step).map_err(|cause| failed(room, version, cause))?;
        let before = objects(connection).await.map_err(wrong)?;
        sqlx::raw_sql(*step)
            .execute(&mut *connection)
            .await
            .map_err(wrong)?;
        let after = objects(connection).await.map_err(wrong)?;
        check_prefix(room, version, &before, &after)?;
    }
    sqlx::query("insert or replace into state_versions(room, version) values (?1, ?2)")
        .bind(room)
        .bind(due.to())
        .execute(&mut *connection)
        .await
        .map_err(|cause| failed(room, due.to(), words(&cause)))?;
    Ok(())
}

fn failed(room: &'static str, version: i64, cause: String) -> StateError {
    StateError::Migration {
        room,
        version,
        cause,
    }
}

/// SQLite's own words, without sqlx's preamble.
fn words(cause: &sqlx::Error) -> String {
    cause
        .as_database_error()
        .map_or_else(|| cause.to_string(), |error| error.message().to_owned())
}

/// A table or index as the schema lists it.
#[derive(PartialEq, Eq)]
struct Object {
    name: String,
    table: String,
    definition: Option<String>,
}

async fn objects(connection: &mut SqliteConnection) -> Result<Vec<Object>, sqlx::Error> {
    sqlx::query("select name, tbl_name, sql from sqlite_schema")
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(Object {
                name: row.try_get(0)?,
                table: row.try_get(1)?,
                definition: row.try_get(2)?,
            })
        })
        .collect()
}

/// Whatever a step made, changed or dropped must be the room's own.
fn check_prefix(
    room: &'static str,
    version: i64,
    before: &[Object],
    after: &[Object],
) -> Result<(), StateError> {
    let prefix = format!("{room}_");
    let own = |object: &Object| {
        // Indexes that SQLite makes for a primary key belong to whoever owns the table.
        let named = object.name.starts_with(&prefix) || object.name.starts_with("sqlite_");
        named && (object.table.starts_with(&prefix) || object.table.starts_with("sqlite_"))
    };
    let made = after.iter().filter(|object| !before.contains(object));
    let gone = before.iter().filter(|object| !after.contains(object));
    match made.chain(gone).find(|object| !own(object)) {
        None => Ok(()),
        Some(object) => Err(failed(
            room,
            version,
            format!(
                "it touches `{}`, whose name does not begin with `{prefix}`",
                object.name
            ),
        )),
    }
}

async fn execute(connection: &mut SqliteConnection, text: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(text).execute(connection).await.map(|_| ())
}
