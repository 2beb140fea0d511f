//! Bringing every room's tables to the version that its room knows.

use std::path::Path;

use crate::link::Link;
use crate::{Row, StateError, Statement, events, file, sql};

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

/// What is there, and which rooms are behind.
struct Found {
    versioned: bool,
    due: Vec<Due>,
}

/// Whether there are tables, all our own, and none newer than this program.
enum Refusal {
    Foreign,
    Newer { migrations: Migrations, found: i64 },
    Failed(StateError),
}

impl From<StateError> for Refusal {
    fn from(cause: StateError) -> Self {
        Refusal::Failed(cause)
    }
}

async fn look(link: &mut Link, rooms: &[Migrations]) -> Result<Found, Refusal> {
    check_names(rooms)?;
    let tables = objects(link).await?;
    let versioned = tables.iter().any(|object| object.name == "state_versions");
    if !versioned && !tables.is_empty() {
        return Err(Refusal::Foreign);
    }
    let mut due = Vec::new();
    for migrations in rooms {
        let found = version(link, versioned, migrations.room).await?;
        if found > known(migrations) {
            let migrations = *migrations;
            return Err(Refusal::Newer { migrations, found });
        }
        if found < known(migrations) {
            due.push(Due {
                migrations: *migrations,
                from: found,
            });
        }
    }
    Ok(Found { versioned, due })
}

/// Brings all rooms of a file up to date, or changes nothing when one of them is newer than this
/// program. What is there is copied first.
pub(crate) async fn migrate_file(
    link: &mut Link,
    path: &Path,
    rooms: &[Migrations],
) -> Result<(), StateError> {
    let opening = |cause: sqlx::Error| StateError::opening(path, &cause);
    let found = look(link, rooms).await.map_err(|refusal| match refusal {
        Refusal::Foreign => StateError::Foreign {
            path: path.to_owned(),
        },
        Refusal::Newer { migrations, found } => newer(path, &migrations, found),
        Refusal::Failed(StateError::Storage(cause) | StateError::Statement(cause)) => {
            StateError::Unwritable {
                path: path.to_owned(),
                cause,
            }
        }
        Refusal::Failed(cause) => cause,
    })?;
    let Link::Sqlite(connection) = &mut *link else {
        return Err(StateError::Closed);
    };
    file::use_write_ahead_log(connection)
        .await
        .map_err(opening)?;
    if found.due.is_empty() {
        return Ok(());
    }
    if found.versioned {
        let copy = file::copy(connection, path, &copy_suffix(&found.due)).await?;
        events::copied_before_migration(&copy);
    } else {
        link.run_step(VERSIONS).await.map_err(opening)?;
    }
    for room in &found.due {
        migrate_room(link, room).await?;
        events::migrated(room.migrations.room, room.from, room.to());
    }
    Ok(())
}

const VERSIONS: &str =
    "create table state_versions(room text primary key not null, version integer not null) strict";
/// Nodes that start together bring the tables up to date one after the other: a number that nobody
/// else takes for an advisory lock.
const LOCK: &str = "select pg_advisory_xact_lock(7226712830611)";

/// Brings all rooms of a database up to date in one transaction, or changes nothing. No copy is made:
/// that is the business of whoever keeps the database.
pub(crate) async fn migrate_server(
    link: &mut Link,
    database: &str,
    rooms: &[Migrations],
) -> Result<(), StateError> {
    link.run("begin").await?;
    let migrated = migrate_locked(link, database, rooms).await;
    match migrated {
        Ok(due) => {
            link.run("commit").await?;
            for room in &due {
                events::migrated(room.migrations.room, room.from, room.to());
            }
            Ok(())
        }
        Err(cause) => {
            // The first error is the one to report.
            let _ = link.run("rollback").await;
            Err(cause)
        }
    }
}

async fn migrate_locked(
    link: &mut Link,
    database: &str,
    rooms: &[Migrations],
) -> Result<Vec<Due>, StateError> {
    link.run(LOCK).await?;
    let found = look(link, rooms).await.map_err(|refusal| match refusal {
        Refusal::Foreign => StateError::ForeignDatabase {
            database: database.to_owned(),
        },
        Refusal::Newer { migrations, found } => StateError::NewerDatabase {
            database: database.to_owned(),
            room: migrations.room.to_owned(),
            found,
            known: known(&migrations),
        },
        Refusal::Failed(cause) => cause,
    })?;
    if !found.versioned {
        link.run_step(VERSIONS)
            .await
            .map_err(|cause| link.meaning(&cause))?;
    }
    for room in &found.due {
        run_steps(link, room).await?;
    }
    Ok(found.due)
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

async fn version(link: &mut Link, versioned: bool, room: &str) -> Result<i64, StateError> {
    if !versioned {
        return Ok(0);
    }
    let asked = Statement::new("select version from state_versions where room = ?1").bind(room);
    let rows = link.rows(asked).await?;
    rows.first().map_or(Ok(0), |row| row.integer(0))
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
async fn migrate_room(link: &mut Link, due: &Due) -> Result<(), StateError> {
    let room = due.migrations.room;
    link.run(link.begin()).await?;
    let outcome = match run_steps(link, due).await {
        Ok(()) => link
            .run("commit")
            .await
            .map_err(|cause| failed(room, due.to(), cause.to_string())),
        Err(cause) => Err(cause),
    };
    if outcome.is_err() {
        // The step's own error is the one to report; a transaction that is already gone is fine.
        let _ = link.run("rollback").await;
    }
    outcome
}

async fn run_steps(link: &mut Link, due: &Due) -> Result<(), StateError> {
    let room = due.migrations.room;
    let already = usize::try_from(due.from).unwrap_or(0);
    let outstanding = (due.from + 1..).zip(due.migrations.steps.iter().skip(already));
    for (version, step) in outstanding {
        let unread = |cause: StateError| failed(room, version, cause.to_string());
        sql::check_migration(step).map_err(|cause| failed(room, version, cause))?;
        let before = objects(link).await.map_err(unread)?;
        link.run_step(step)
            .await
            .map_err(|cause| failed(room, version, words(&cause)))?;
        let after = objects(link).await.map_err(unread)?;
        check_prefix(room, version, &before, &after)?;
    }
    let written = Statement::new(
        "insert into state_versions(room, version) values (?1, ?2)
         on conflict (room) do update set version = excluded.version",
    );
    let written = link.execute(written.bind(room).bind(due.to())).await;
    written
        .map(|_| ())
        .map_err(|cause| failed(room, due.to(), cause.to_string()))
}

fn failed(room: &'static str, version: i64, cause: String) -> StateError {
    StateError::Migration {
        room,
        version,
        cause,
    }
}

/// The database's own words, without sqlx's preamble.
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

/// What stands in the schema that tables are made in, with what they are made of.
const SERVER_OBJECTS: &str = "
    select object.relname::text, coalesce(owner.relname, object.relname)::text,
           (select string_agg(part.attname || ' ' || format_type(part.atttypid, part.atttypmod), ', '
                              order by part.attnum)
            from pg_attribute part
            where part.attrelid = object.oid and part.attnum > 0 and not part.attisdropped)
    from pg_class object
         join pg_namespace space on space.oid = object.relnamespace
         left join pg_index part_of on part_of.indexrelid = object.oid
         left join pg_class owner on owner.oid = part_of.indrelid
    where space.nspname = current_schema() and object.relkind in ('r', 'p', 'i', 'v', 'm')";

async fn objects(link: &mut Link) -> Result<Vec<Object>, StateError> {
    let listing = match link {
        Link::Sqlite(_) => "select name, tbl_name, sql from sqlite_schema",
        Link::Postgres(_) => SERVER_OBJECTS,
    };
    let rows = link.rows(Statement::new(listing)).await?;
    let object = |row: &Row| {
        Ok(Object {
            name: row.text(0)?,
            table: row.text(1)?,
            definition: row.optional_text(2)?,
        })
    };
    rows.iter().map(object).collect()
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
