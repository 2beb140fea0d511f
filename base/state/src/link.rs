//! One connection to either database, and the line that is taken up again when a server hangs up.

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection};

use crate::dialect::{Bound, Dialect, Rendered};
use crate::server::{CONNECT_MAX, Server};
use crate::{Row, StateError, Statement, Value, file};

/// One connection.
pub(crate) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Link {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Link::Postgres(_))
    }

    /// How a transaction that writes begins.
    pub(crate) fn begin(&self) -> &'static str {
        match self {
            Link::Sqlite(_) => "begin immediate",
            Link::Postgres(_) => "begin",
        }
    }

    /// What an error of this connection means.
    pub(crate) fn meaning(&self, cause: &sqlx::Error) -> StateError {
        match self {
            Link::Sqlite(_) => StateError::of(cause),
            Link::Postgres(_) => StateError::of_server(cause),
        }
    }

    /// Runs a text without values.
    pub(crate) async fn run(&mut self, sql: &'static str) -> Result<(), StateError> {
        let done = match self {
            Link::Sqlite(connection) => sqlx::query(sql).execute(connection).await.map(|_| ()),
            Link::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(|_| ()),
        };
        done.map_err(|cause| self.meaning(&cause))
    }

    /// Runs the statements of a migration step.
    pub(crate) async fn run_step(&mut self, step: &'static str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(self.dialect().render_migration(step).into_owned());
        match self {
            Link::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(|_| ()),
            Link::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(|_| ()),
        }
    }

    /// Runs a statement; rows affected.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, StateError> {
        let mut affected = 0;
        for Rendered { sql, bound } in self.dialect().render(statement)? {
            let sql = AssertSqlSafe(sql);
            let done = match self {
                Link::Sqlite(connection) => sqlx::query_with(sql, sqlite_arguments(bound)?)
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected()),
                Link::Postgres(connection) => sqlx::query_with(sql, postgres_arguments(bound)?)
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected()),
            };
            affected += done.map_err(|cause| self.meaning(&cause))?;
        }
        Ok(affected)
    }

    /// Runs a query; all of its rows.
    pub(crate) async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, StateError> {
        let Rendered { sql, bound } = self.dialect().render_query(statement)?;
        let sql = AssertSqlSafe(sql);
        match self {
            Link::Sqlite(connection) => sqlx::query_with(sql, sqlite_arguments(bound)?)
                .fetch_all(connection)
                .await
                .map_err(|cause| StateError::of(&cause))?
                .iter()
                .map(Row::of_sqlite)
                .collect(),
            Link::Postgres(connection) => sqlx::query_with(sql, postgres_arguments(bound)?)
                .fetch_all(connection)
                .await
                .map_err(|cause| StateError::of_server(&cause))?
                .iter()
                .map(Row::of_postgres)
                .collect(),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Link::Sqlite(connection) => file::close(connection).await,
            // The server notices by itself when this fails.
            Link::Postgres(connection) => drop(connection.close().await),
        }
    }
}

/// How the writer reaches its database.
pub(crate) enum Line {
    /// A file: the connection lives as long as the writer.
    File(Box<Link>),
    /// A server, which may go and come back.
    Server {
        server: Box<Server>,
        link: Option<Box<Link>>,
    },
}

impl Line {
    /// The connection; made anew when the last one broke.
    pub(crate) async fn link(&mut self) -> Result<&mut Link, StateError> {
        match self {
            Line::File(link) => Ok(link),
            Line::Server { server, link } => {
                let ready = match link.take() {
                    Some(ready) => ready,
                    None => Box::new(Link::Postgres(server.connect(CONNECT_MAX).await?)),
                };
                Ok(link.insert(ready))
            }
        }
    }

    /// Lets a connection go that is of no more use.
    pub(crate) fn hang_up(&mut self) {
        if let Line::Server { link, .. } = self {
            *link = None;
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Line::File(link) => link.close().await,
            Line::Server { link, .. } => {
                if let Some(link) = link {
                    link.close().await;
                }
            }
        }
    }
}

fn refused(cause: impl ToString) -> StateError {
    StateError::Statement(cause.to_string())
}

/// The values as sqlx takes them for SQLite.
pub(crate) fn sqlite_arguments(bound: Vec<Bound>) -> Result<SqliteArguments, StateError> {
    let mut arguments = SqliteArguments::default();
    for bound in bound {
        match bound {
            Bound::One(Value::Null) => arguments.add(None::<i64>),
            Bound::One(Value::Integer(value)) => arguments.add(value),
            Bound::One(Value::Real(value)) => arguments.add(value),
            Bound::One(Value::Text(value)) => arguments.add(value),
            Bound::One(Value::Blob(value)) => arguments.add(value),
            _ => return Err(refused("a list where SQLite takes none")),
        }
        .map_err(refused)?;
    }
    Ok(arguments)
}

/// The values as sqlx takes them for PostgreSQL.
pub(crate) fn postgres_arguments(bound: Vec<Bound>) -> Result<PgArguments, StateError> {
    let mut arguments = PgArguments::default();
    for bound in bound {
        match bound {
            Bound::One(Value::Integer(value)) => arguments.add(value),
            Bound::One(Value::Real(value)) => arguments.add(value),
            Bound::One(Value::Text(value)) => arguments.add(value),
            Bound::One(Value::Blob(value)) => arguments.add(value),
            Bound::Integers(values) => arguments.add(values),
            Bound::Reals(values) => arguments.add(values),
            Bound::Texts(values) => arguments.add(values),
            Bound::One(_) => return Err(refused("a value of no type")),
        }
        .map_err(refused)?;
    }
    Ok(arguments)
}
