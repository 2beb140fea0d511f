//! The handle that rooms hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::TryStreamExt;
use model::Secret;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::{mpsc, oneshot};

use crate::dialect::{Dialect, Rendered};
use crate::link::{Line, Link, postgres_arguments, sqlite_arguments};
use crate::server::{FIRST_CONNECT_MAX, Server};
use crate::writer::{Command, Counters, Job, Writer};
use crate::{Migrations, Row, StateError, Statement, file, migrate, sql};

/// Where state is kept.
#[derive(Clone, Debug)]
pub enum Place {
    /// An SQLite file, for one node alone.
    File(PathBuf),
    /// A PostgreSQL database that several nodes share: `postgres://user:password@host:port/database`.
    Server(Secret<String>),
}

/// How much may wait, and how much is taken at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that may wait for the writer; callers beyond it wait for room.
    pub write_queue_jobs_max: usize,
    /// Jobs that share one commit.
    pub commit_jobs_max: usize,
    /// Connections that read at the same time; callers beyond it wait for one.
    pub read_connections_max: u32,
    /// Longest wait for a reading connection.
    pub read_wait_max: Duration,
    /// Rows of one answer.
    pub read_rows_max: usize,
}

/// The longest that a query on a server may take.
const SERVER_READ_MAX: Duration = Duration::from_secs(30);

impl Default for Limits {
    fn default() -> Self {
        Limits {
            write_queue_jobs_max: 4096,
            commit_jobs_max: 512,
            read_connections_max: 4,
            read_wait_max: Duration::from_secs(10),
            read_rows_max: 1_000_000,
        }
    }
}

/// How much was written since the state was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Transactions, each made durable once.
    pub commits: u64,
    /// Jobs in them.
    pub jobs: u64,
}

/// Operational state. Clones share it.
#[derive(Clone, Debug)]
pub struct State {
    queue: mpsc::Sender<Command>,
    readers: Readers,
    counters: Arc<Counters>,
    read_rows_max: usize,
}

#[derive(Clone, Debug)]
enum Readers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl State {
    /// Opens the file, making it and its directory when they are not there, and brings every room's
    /// tables to the version that the room knows. A file that already holds data is copied to
    /// `<path>.before-<room>-<version>` before it is migrated.
    ///
    /// Errors: [`StateError::Newer`] when a newer program wrote it, [`StateError::Corrupt`] when it
    /// is damaged (whether to set it aside is the caller's decision, see [`crate::set_aside`]),
    /// [`StateError::Unwritable`], [`StateError::Foreign`], [`StateError::Migration`].
    pub async fn open(path: &Path, rooms: &[Migrations]) -> Result<State, StateError> {
        Self::open_with(path, rooms, &Limits::default()).await
    }

    /// As [`State::open`], with limits of one's own.
    pub async fn open_with(
        path: &Path,
        rooms: &[Migrations],
        limits: &Limits,
    ) -> Result<State, StateError> {
        Self::open_at(&Place::File(path.to_owned()), rooms, limits).await
    }

    /// Opens state where it is kept. On a server no copy is made before a migration.
    ///
    /// Errors: those of [`State::open`]; of a server [`StateError::Away`], [`StateError::Refused`],
    /// [`StateError::NewerDatabase`], [`StateError::ForeignDatabase`].
    pub async fn open_at(
        place: &Place,
        rooms: &[Migrations],
        limits: &Limits,
    ) -> Result<State, StateError> {
        let (line, readers) = match place {
            Place::File(path) => {
                file::create(path)?;
                let mut link = Link::Sqlite(file::connect_writer(path).await?);
                if let Err(cause) = migrate::migrate_file(&mut link, path, rooms).await {
                    link.close().await;
                    return Err(cause);
                }
                let readers = SqlitePoolOptions::new()
                    .max_connections(limits.read_connections_max.max(1))
                    .acquire_timeout(limits.read_wait_max)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .connect_lazy_with(file::reader_options(path));
                (Line::File(Box::new(link)), Readers::Sqlite(readers))
            }
            Place::Server(url) => {
                let server = Server::parse(url)?;
                let mut link = Link::Postgres(server.connect(FIRST_CONNECT_MAX).await?);
                if let Err(cause) = migrate::migrate_server(&mut link, &server.name, rooms).await {
                    link.close().await;
                    return Err(cause);
                }
                let readers = Readers::Postgres(server.readers(limits));
                let link = Some(Box::new(link));
                let server = Box::new(server);
                (Line::Server { server, link }, readers)
            }
        };
        let (sender, queue) = mpsc::channel(limits.write_queue_jobs_max.max(1));
        let counters = Arc::new(Counters::default());
        let writer = Writer::new(
            line,
            queue,
            limits.commit_jobs_max.max(1),
            Arc::clone(&counters),
        );
        tokio::spawn(writer.run());
        Ok(State {
            queue: sender,
            readers,
            counters,
            read_rows_max: limits.read_rows_max,
        })
    }

    /// Whether other nodes may share this state.
    pub fn is_shared(&self) -> bool {
        matches!(self.readers, Readers::Postgres(_))
    }

    /// Writes a job: all of its statements or none. Returns the rows that each of them affected
    /// once everything is durable. Jobs of other callers share the commit without seeing each
    /// other's failures.
    ///
    /// Dropping the future does not take the job back once it is queued.
    pub async fn write(&self, job: Vec<Statement>) -> Result<Vec<u64>, StateError> {
        for statement in &job {
            sql::check_write(statement)?;
        }
        if job.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, answered) = oneshot::channel();
        self.queue
            .send(Command::Write(Job {
                statements: job,
                answer,
            }))
            .await
            .map_err(|_| StateError::Closed)?;
        answered.await.map_err(|_| StateError::Closed)?
    }

    /// Runs a query. It sees every write that has returned.
    pub async fn read(&self, statement: Statement) -> Result<Vec<Row>, StateError> {
        sql::check_read(&statement)?;
        match &self.readers {
            Readers::Sqlite(pool) => self.read_file(pool, statement).await,
            Readers::Postgres(pool) => {
                let read = self.read_server(pool, statement);
                let read = tokio::time::timeout(SERVER_READ_MAX, read).await;
                let read =
                    read.unwrap_or_else(|_| Err(StateError::Away("it takes too long".to_owned())));
                // A node that writes seldom still knows whether its database is there.
                let away = matches!(read, Err(StateError::Away(_)));
                self.counters.away.store(away, Ordering::Relaxed);
                read
            }
        }
    }

    async fn read_file(
        &self,
        pool: &SqlitePool,
        statement: Statement,
    ) -> Result<Vec<Row>, StateError> {
        let Rendered { sql, bound } = Dialect::Sqlite.render_query(statement)?;
        let mut found = sqlx::query_with(AssertSqlSafe(sql), sqlite_arguments(bound)?).fetch(pool);
        let mut rows = Vec::new();
        while let Some(row) = found
            .try_next()
            .await
            .map_err(|cause| StateError::of(&cause))?
        {
            self.bound(rows.len())?;
            rows.push(Row::of_sqlite(&row)?);
        }
        Ok(rows)
    }

    async fn read_server(
        &self,
        pool: &PgPool,
        statement: Statement,
    ) -> Result<Vec<Row>, StateError> {
        let Rendered { sql, bound } = Dialect::Postgres.render_query(statement)?;
        let mut found =
            sqlx::query_with(AssertSqlSafe(sql), postgres_arguments(bound)?).fetch(pool);
        let mut rows = Vec::new();
        while let Some(row) = found
            .try_next()
            .await
            .map_err(|cause| StateError::of_server(&cause))?
        {
            self.bound(rows.len())?;
            rows.push(Row::of_postgres(&row)?);
        }
        Ok(rows)
    }

    fn bound(&self, rows: usize) -> Result<(), StateError> {
        let rows_max = self.read_rows_max;
        if rows >= rows_max {
            return Err(StateError::TooManyRows { rows_max });
        }
        Ok(())
    }

    /// Whether writes have a chance: after a storage failure of a file none is tried any more, and a
    /// server has to answer.
    pub fn healthy(&self) -> bool {
        let broken = self.counters.broken.load(Ordering::Relaxed);
        !broken && !self.counters.away.load(Ordering::Relaxed)
    }

    /// How much was written so far.
    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            jobs: self.counters.jobs.load(Ordering::Relaxed),
        }
    }

    /// Commits what is queued and closes the state for all clones; later calls answer
    /// [`StateError::Closed`].
    pub async fn close(self) {
        // Readers first: the last connection to go folds the write-ahead log into the file.
        match &self.readers {
            Readers::Sqlite(pool) => pool.close().await,
            Readers::Postgres(pool) => pool.close().await,
        }
        let (answer, closed) = oneshot::channel();
        if self.queue.send(Command::Close(answer)).await.is_ok() {
            let _ = closed.await; // an error means that the writer has gone already
        }
    }
}
