//! The one writer: many jobs, one transaction, one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};
use tokio::sync::{mpsc, oneshot};

use crate::{StateError, Statement, Value, events, file};

/// What a job gives back: rows affected by each statement.
pub(crate) type Outcome = Result<Vec<u64>, StateError>;

pub(crate) struct Job {
    pub(crate) statements: Vec<Statement>,
    pub(crate) answer: oneshot::Sender<Outcome>,
}

pub(crate) enum Command {
    Write(Job),
    /// Commit what is queued, take nothing more, close the file, then answer.
    Close(oneshot::Sender<()>),
}

/// How much was committed since the file was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) jobs: AtomicU64,
    /// Storage failed; nothing is written any more.
    pub(crate) broken: AtomicBool,
}

pub(crate) struct Writer {
    connection: SqliteConnection,
    queue: mpsc::Receiver<Command>,
    commit_jobs_max: usize,
    counters: Arc<Counters>,
    /// Set when storage failed; nothing is written after that.
    broken: Option<StateError>,
    closing: Vec<oneshot::Sender<()>>,
}

impl Writer {
    pub(crate) fn new(
        connection: SqliteConnection,
        queue: mpsc::Receiver<Command>,
        commit_jobs_max: usize,
        counters: Arc<Counters>,
    ) -> Self {
        Writer {
            connection,
            queue,
            commit_jobs_max,
            counters,
            broken: None,
            closing: Vec::new(),
        }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let group = self.gather(first);
            if !group.is_empty() {
                self.commit(group).await;
            }
        }
        file::close(self.connection).await;
        for closed in self.closing {
            let _ = closed.send(()); // whoever asked may have gone
        }
    }

    /// What has queued up while the last group was being written.
    fn gather(&mut self, first: Command) -> Vec<Job> {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Write(job) => group.push(job),
                Command::Close(answer) => {
                    self.queue.close();
                    self.closing.push(answer);
                }
            }
            if group.len() >= self.commit_jobs_max {
                break;
            }
            next = self.queue.try_recv().ok();
        }
        group
    }

    async fn commit(&mut self, group: Vec<Job>) {
        let (work, answers): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|job| (job.statements, job.answer))
            .unzip();
        let outcomes = match self.write_group(&work).await {
            Ok(outcomes) => outcomes,
            Err(cause) => {
                events::group_failed(work.len(), &cause);
                vec![Err(cause); work.len()]
            }
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            let _ = answer.send(outcome); // a caller that went away has its job done all the same
        }
    }

    async fn write_group(&mut self, work: &[Vec<Statement>]) -> Result<Vec<Outcome>, StateError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        match self.transact(work).await {
            Ok(outcomes) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.counters
                    .jobs
                    .fetch_add(work.len() as u64, Ordering::Relaxed);
                events::group_committed(work.len());
                Ok(outcomes)
            }
            Err(cause) => {
                let undone = execute(&mut self.connection, "rollback").await;
                if matches!(cause, StateError::Storage(_)) {
                    self.break_down(cause.clone());
                } else if let Err(stuck) = undone
                    && !is_no_transaction(&stuck)
                {
                    self.break_down(StateError::Storage(stuck.to_string()));
                }
                Err(cause)
            }
        }
    }

    fn break_down(&mut self, cause: StateError) {
        self.counters.broken.store(true, Ordering::Relaxed);
        self.broken = Some(cause);
    }

    /// One transaction for the group, one savepoint for each job.
    async fn transact(&mut self, work: &[Vec<Statement>]) -> Result<Vec<Outcome>, StateError> {
        let connection = &mut self.connection;
        execute(connection, "begin immediate").await?;
        let mut outcomes = Vec::with_capacity(work.len());
        for statements in work {
            execute(connection, "savepoint job").await?;
            let outcome = apply(connection, statements).await;
            if let Err(cause) = &outcome {
                if cause.is_of_the_file() {
                    return Err(cause.clone());
                }
                execute(connection, "rollback to job").await?;
            }
            execute(connection, "release job").await?;
            outcomes.push(outcome);
        }
        execute(connection, "commit").await?;
        Ok(outcomes)
    }
}

async fn apply(connection: &mut SqliteConnection, statements: &[Statement]) -> Outcome {
    let mut affected = Vec::with_capacity(statements.len());
    for statement in statements {
        let done = sqlx::query_with(
            AssertSqlSafe(statement.sql.clone()),
            arguments(&statement.values)?,
        )
        .execute(&mut *connection)
        .await
        .map_err(|cause| StateError::of(&cause))?;
        affected.push(done.rows_affected());
    }
    Ok(affected)
}

/// The values as sqlx takes them.
pub(crate) fn arguments(values: &[Value]) -> Result<SqliteArguments, StateError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Integer(value) => arguments.add(*value),
            Value::Real(value) => arguments.add(*value),
            Value::Text(value) => arguments.add(value.clone()),
            Value::Blob(value) => arguments.add(value.clone()),
        }
        .map_err(|cause| StateError::Statement(cause.to_string()))?;
    }
    Ok(arguments)
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StateError> {
    sqlx::query(sql)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|cause| StateError::of(&cause))
}

/// SQLite ends the transaction itself on some errors; then there is nothing left to roll back.
fn is_no_transaction(error: &StateError) -> bool {
    matches!(error, StateError::Statement(cause) if cause.contains("no transaction is active"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    fn options(path: &Path) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(Duration::from_millis(1))
    }

    async fn file_with_a_table(directory: &tempfile::TempDir) -> std::path::PathBuf {
        let path = directory.path().join("x.db");
        let mut connection = options(&path).connect().await.unwrap();
        execute(&mut connection, "create table rules_x(bytes blob)")
            .await
            .unwrap();
        file::close(connection).await;
        path
    }

    fn writer(connection: SqliteConnection) -> Writer {
        let (_, queue) = mpsc::channel(1);
        Writer::new(connection, queue, 1, Arc::default())
    }

    fn insert(bytes: usize) -> Vec<Vec<Statement>> {
        let sql = "insert into rules_x values (zeroblob(?1))";
        vec![vec![Statement::new(sql).bind(bytes as i64)]]
    }

    #[tokio::test]
    async fn a_storage_failure_is_final() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_with_a_table(&directory).await;
        let mut writer = writer(options(&path).read_only(true).connect().await.unwrap());
        let first = writer.write_group(&insert(1)).await.unwrap_err();
        assert!(matches!(first, StateError::Storage(_)), "{first:?}");
        // Even what would not touch storage at all is refused now.
        assert_eq!(writer.write_group(&[]).await, Err(first));
    }

    #[tokio::test]
    async fn a_full_disk_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_with_a_table(&directory).await;
        let ten_pages = options(&path).pragma("max_page_count", "10");
        let mut writer = writer(ten_pages.connect().await.unwrap());
        let fits = Ok(vec![Ok(vec![1])]);
        assert_eq!(writer.write_group(&insert(8_000)).await, fits);
        for _ in 0..2 {
            assert_eq!(
                writer.write_group(&insert(80_000)).await,
                Err(StateError::Full)
            );
        }
        assert_eq!(writer.write_group(&insert(8_000)).await, fits);
        assert_eq!(writer.counters.commits.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn another_process_is_named_and_waited_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_with_a_table(&directory).await;
        let mut other = options(&path).connect().await.unwrap();
        let mut writer = writer(options(&path).connect().await.unwrap());
        execute(&mut other, "begin immediate").await.unwrap();
        assert_eq!(writer.write_group(&insert(1)).await, Err(StateError::Busy));
        execute(&mut other, "commit").await.unwrap();
        assert_eq!(writer.write_group(&insert(1)).await, Ok(vec![Ok(vec![1])]));
    }
}
