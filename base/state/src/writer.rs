//! The one writer: many jobs, one transaction, one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::link::{Line, Link};
use crate::{StateError, Statement, events};

/// The longest that a group may take on a server; beyond it the server does not answer.
const SERVER_GROUP_MAX: Duration = Duration::from_secs(10);

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
    /// The server did not answer when it was last asked.
    pub(crate) away: AtomicBool,
}

pub(crate) struct Writer {
    line: Line,
    queue: mpsc::Receiver<Command>,
    commit_jobs_max: usize,
    counters: Arc<Counters>,
    /// Set when storage failed; nothing is written after that.
    broken: Option<StateError>,
    closing: Vec<oneshot::Sender<()>>,
}

impl Writer {
    pub(crate) fn new(
        line: Line,
        queue: mpsc::Receiver<Command>,
        commit_jobs_max: usize,
        counters: Arc<Counters>,
    ) -> Self {
        Writer {
            line,
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
        self.line.close().await;
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
        let outcomes = match self.write_group(work).await {
            Ok(outcomes) => outcomes,
            Err(cause) => {
                events::group_failed(answers.len(), &cause);
                vec![Err(cause); answers.len()]
            }
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            let _ = answer.send(outcome); // a caller that went away has its job done all the same
        }
    }

    async fn write_group(&mut self, work: Vec<Vec<Statement>>) -> Result<Vec<Outcome>, StateError> {
        let jobs = work.len();
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let link = self.line.link().await?;
        let done = if link.is_server() {
            let done = tokio::time::timeout(SERVER_GROUP_MAX, transact(link, work)).await;
            done.unwrap_or_else(|_| Err(StateError::Away("it takes too long".to_owned())))
        } else {
            transact(link, work).await
        };
        match done {
            Ok(outcomes) => {
                self.counters.away.store(false, Ordering::Relaxed);
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.counters.jobs.fetch_add(jobs as u64, Ordering::Relaxed);
                events::group_committed(jobs);
                Ok(outcomes)
            }
            Err(cause) => {
                self.undo(&cause).await;
                Err(cause)
            }
        }
    }

    /// Leaves nothing of a failed group behind.
    async fn undo(&mut self, cause: &StateError) {
        if matches!(cause, StateError::Away(_)) {
            // The server forgets what was not committed when the connection goes.
            self.counters.away.store(true, Ordering::Relaxed);
            self.line.hang_up();
            return;
        }
        let Ok(link) = self.line.link().await else {
            return;
        };
        let undone = link.run("rollback").await;
        if matches!(cause, StateError::Storage(_)) {
            self.break_down(cause.clone());
        } else if let Err(stuck) = undone
            && !is_no_transaction(&stuck)
        {
            self.break_down(StateError::Storage(stuck.to_string()));
        }
    }

    fn break_down(&mut self, cause: StateError) {
        self.counters.broken.store(true, Ordering::Relaxed);
        self.broken = Some(cause);
    }
}

/// One transaction for the group, one savepoint for each job; a job that is alone needs none.
async fn transact(link: &mut Link, work: Vec<Vec<Statement>>) -> Result<Vec<Outcome>, StateError> {
    link.run(link.begin()).await?;
    let mut outcomes = Vec::with_capacity(work.len());
    if let [_] = work.as_slice() {
        let statements = work.into_iter().flatten().collect();
        let outcome = apply(link, statements).await;
        if let Err(cause) = &outcome {
            if cause.is_of_the_file() {
                return Err(cause.clone());
            }
            let undone = link.run("rollback").await;
            undone.or_else(|stuck| is_no_transaction(&stuck).then_some(()).ok_or(stuck))?;
        } else {
            link.run("commit").await?;
        }
        return Ok(vec![outcome]);
    }
    for statements in work {
        link.run("savepoint job").await?;
        let outcome = apply(link, statements).await;
        if let Err(cause) = &outcome {
            if cause.is_of_the_file() {
                return Err(cause.clone());
            }
            link.run("rollback to job").await?;
        }
        link.run("release job").await?;
        outcomes.push(outcome);
    }
    link.run("commit").await?;
    Ok(outcomes)
}

async fn apply(link: &mut Link, statements: Vec<Statement>) -> Outcome {
    let mut affected = Vec::with_capacity(statements.len());
    for statement in statements {
        let rows_expected = statement.rows_expected;
        let found = link.execute(statement).await?;
        if let Some(expected) = rows_expected
            && expected != found
        {
            return Err(StateError::Unmet { expected, found });
        }
        affected.push(found);
    }
    Ok(affected)
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
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

    use super::*;
    use crate::file;

    fn options(path: &Path) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(Duration::from_millis(1))
    }

    async fn file_with_a_table(directory: &tempfile::TempDir) -> std::path::PathBuf {
        let path = directory.path().join("x.db");
        let mut connection = options(&path).connect().await.unwrap();
        sqlx::query("create table rules_x(bytes blob)")
            .execute(&mut connection)
            .await
            .unwrap();
        file::close(connection).await;
        path
    }

    fn writer(connection: SqliteConnection) -> Writer {
        let (_, queue) = mpsc::channel(1);
        let line = Line::File(Box::new(Link::Sqlite(connection)));
        Writer::new(line, queue, 1, Arc::default())
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
        let first = writer.write_group(insert(1)).await.unwrap_err();
        assert!(matches!(first, StateError::Storage(_)), "{first:?}");
        // Even what would not touch storage at all is refused now.
        assert_eq!(writer.write_group(Vec::new()).await, Err(first));
    }

    #[tokio::test]
    async fn a_full_disk_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_with_a_table(&directory).await;
        let ten_pages = options(&path).pragma("max_page_count", "10");
        let mut writer = writer(ten_pages.connect().await.unwrap());
        let fits = Ok(vec![Ok(vec![1])]);
        assert_eq!(writer.write_group(insert(8_000)).await, fits);
        for _ in 0..2 {
            assert_eq!(
                writer.write_group(insert(80_000)).await,
                Err(StateError::Full)
            );
        }
        assert_eq!(writer.write_group(insert(8_000)).await, fits);
        assert_eq!(writer.counters.commits.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn another_process_is_named_and_waited_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_with_a_table(&directory).await;
        let mut other = options(&path).connect().await.unwrap();
        let mut writer = writer(options(&path).connect().await.unwrap());
        sqlx::query("begin immediate")
            .execute(&mut other)
            .await
            .unwrap();
        assert_eq!(writer.write_group(insert(1)).await, Err(StateError::Busy));
        sqlx::query("commit").execute(&mut other).await.unwrap();
        assert_eq!(writer.write_group(insert(1)).await, Ok(vec![Ok(vec![1])]));
    }
}
