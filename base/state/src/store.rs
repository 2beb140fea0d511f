//! The handle that rooms hold.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::sync::{mpsc, oneshot};

use crate::writer::{Command, Counters, Job, Writer, arguments};
use crate::{Migrations, Row, StateError, Statement, file, migrate, sql};

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

/// How much was written since the file was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Transactions, each made durable once.
    pub commits: u64,
    /// Jobs in them.
    pub jobs: u64,
}

/// The state file. Clones share it.
#[derive(Clone, Debug)]
pub struct State {
    queue: mpsc::Sender<Command>,
    readers: SqlitePool,
    counters: Arc<Counters>,
    read_rows_max: usize,
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
        file::create(path)?;
        let mut connection = file::connect_writer(path).await?;
        if let Err(cause) = migrate::migrate(&mut connection, path, rooms).await {
            file::close(connection).await;
            return Err(cause);
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(limits.read_connections_max.max(1))
            .acquire_timeout(limits.read_wait_max)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(file::reader_options(path));
        let (sender, queue) = mpsc::channel(limits.write_queue_jobs_max.max(1));
        let counters = Arc::new(Counters::default());
        let writer = Writer::new(
            connection,
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
        let arguments = arguments(&statement.values)?;
        let mut found =
            sqlx::query_with(AssertSqlSafe(statement.sql), arguments).fetch(&self.readers);
        let mut rows = Vec::new();
        while let Some(row) = found
            .try_next()
            .await
            .map_err(|cause| StateError::of(&cause))?
        {
            if rows.len() >= self.read_rows_max {
                return Err(StateError::TooManyRows {
                    rows_max: self.read_rows_max,
                });
            }
            rows.push(Row::of(&row)?);
        }
        Ok(rows)
    }

    /// Whether writes still have a chance; after a storage failure none is tried any more.
    pub fn healthy(&self) -> bool {
        !self.counters.broken.load(Ordering::Relaxed)
    }

    /// How much was written so far.
    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            jobs: self.counters.jobs.load(Ordering::Relaxed),
        }
    }

    /// Commits what is queued and closes the file for all clones; later calls answer
    /// [`StateError::Closed`].
    pub async fn close(self) {
        // Readers first: the last connection to go folds the write-ahead log into the file.
        self.readers.close().await;
        let (answer, closed) = oneshot::channel();
        if self.queue.send(Command::Close(answer)).await.is_ok() {
            let _ = closed.await; // an error means that the writer has gone already
        }
    }
}
