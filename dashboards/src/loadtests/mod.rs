//! Results of load tests: taken in, kept as rows of `loadtests`, and what follows from them: what one
//! pod carries, and the limits that are published.
//!
//! The rows are the truth; what rules ask every second is kept in a [`book::Book`] that is read out of
//! them at the start and grows with every result.

pub(crate) mod api;
mod book;
mod build;
pub(crate) mod limits;
mod production;
mod publish;
mod row;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inbound::{Identity, ProblemDocument};
use loadtest::result::Kept;
use model::{FunctionId, SharedClock, Timestamp};
use serde_json::{Value, json};
use store::{Batch, CommitError, Loadtest, LoadtestRows, QueryError, QueryLimits, Store, Table};

use book::{Book, Limits, Stage, Tested};
use build::Build;
use production::Production;
use publish::{Decision, decide};
use row::Summary;

/// The most rows read at the start; older ones stay stored.
const ROWS_READ_MAX: usize = 100_000;
/// How long reading them may take.
const READ_DEADLINE: Duration = Duration::from_mins(1);

/// The load tests that this server keeps. Clones share them.
#[derive(Clone)]
pub struct LoadTests {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    clock: SharedClock,
    book: Mutex<Book>,
    production: Production,
    /// One result or approval at a time, so that the same id is not kept twice.
    turn: tokio::sync::Mutex<()>,
}

/// What one pod of a function carries.
#[derive(Clone, Debug, PartialEq)]
pub enum PodCapacity {
    /// Calls per second.
    PerPod(f64),
    /// No load test has measured it.
    Untested,
    /// One has, and its figure must not be used, for this reason.
    Unusable(String),
}

/// A result that was taken in.
struct Taken {
    id: String,
    limits: Option<Stage>,
    why: String,
}

impl LoadTests {
    /// Reads what is kept. Ends with its last clone.
    pub async fn open(store: Store, clock: SharedClock) -> Result<LoadTests, QueryError> {
        let mut book = Book::default();
        // A query's future is large; this one is read once.
        Box::pin(read_book(&store, &mut book)).await?;
        if book.turned_away() > 0 {
            let (followed, results) = (book::FUNCTIONS_MAX, book.turned_away());
            tracing::warn!(
                followed,
                results,
                "more functions were tested than are followed"
            );
        }
        let shared = Arc::new(Shared {
            production: Production::new(store.clone(), clock.clone()),
            store,
            clock,
            book: Mutex::new(book),
            turn: tokio::sync::Mutex::new(()),
        });
        tokio::spawn(production::watch(Arc::downgrade(&shared)));
        Ok(LoadTests { shared })
    }

    /// What one pod of a function carries, by the newest valid test of the build that runs.
    pub fn capacity(&self, function: &FunctionId) -> PodCapacity {
        let book = self.shared.book();
        let Some(tested) = book.get(function) else {
            return PodCapacity::Untested;
        };
        if let Some(verdict) = tested.unplannable() {
            return PodCapacity::Unusable(format!("the newest capacity test came out {verdict}"));
        }
        let production = self.shared.production.of(function);
        match tested.capacity(&production) {
            None => PodCapacity::Untested,
            Some(chosen) => match (chosen.stale, chosen.test.per_pod) {
                (Some(why), _) => PodCapacity::Unusable(why),
                (None, Some(per_pod)) => PodCapacity::PerPod(per_pod),
                (None, None) => PodCapacity::Unusable(format!(
                    "test {} does not say what one pod carries",
                    chosen.test.id
                )),
            },
        }
    }

    /// Keeps a result under its id. Sending the same again changes nothing.
    async fn keep(
        &self,
        text: &str,
        kept: &Kept,
        sender: &Identity,
    ) -> Result<Taken, ProblemDocument> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let keep_for = shared.store.retention().of(Table::Loadtests);
        let test = Summary::of(kept, now, keep_for)?;
        let _turn = shared.turn.lock().await;
        if let Some(before) = self.result(&test.id).await? {
            if before != text {
                return Err(ProblemDocument::conflict(format!(
                    "another result is kept under the id {}",
                    test.id
                ))
                .field("subject.id")
                .hint("each test needs an id of its own"));
            }
            return Ok(self.taken(&test, "it was kept before".to_owned()));
        }
        let decision = self.decide(kept, &test, sender);
        let mut rows = LoadtestRows::new();
        test.push(text, &mut rows);
        let mut decided = None;
        if let Some((stage, proposed)) = decision.taken {
            let limits = Limits {
                of: test.id.clone(),
                build: Build::of(&test),
                qps: proposed.qps,
                concurrency: Some(proposed.concurrency),
                at: self.next_decision(&test.function_id()),
                by: sender.name.clone(),
            };
            push_limits(&test.function_id(), stage, &limits, &mut rows);
            decided = Some((stage, limits));
        }
        self.commit(rows).await?;
        let mut book = shared.book();
        book.add(&test);
        if let Some((stage, limits)) = decided {
            book.set(test.function_id(), stage, limits);
        }
        drop(book);
        metrics_of(&test, decision.taken.map(|(stage, _)| stage));
        Ok(self.taken(&test, decision.why))
    }

    fn decide(&self, kept: &Kept, test: &Summary, sender: &Identity) -> Decision {
        let Kept::Capacity(found) = kept else {
            return Decision::none("limits follow from a capacity test only");
        };
        let book = self.shared.book();
        let in_force = book
            .get(&test.function_id())
            .and_then(|tested| tested.published.as_ref());
        decide(
            found,
            in_force,
            sender.role.may(inbound::Access::Administer),
        )
    }

    /// The time of the next decision about a function: newer than the last, whatever the clock says, so
    /// that reading them back tells the same story.
    fn next_decision(&self, function: &FunctionId) -> Timestamp {
        let now = self.shared.clock.now();
        let last = self.shared.book().get(function).and_then(Tested::decided);
        last.map_or(now, |last| now.max(last + Duration::from_millis(1)))
    }

    /// How far the limits of a test have come.
    fn taken(&self, test: &Summary, why: String) -> Taken {
        let book = self.shared.book();
        let tested = book.get(&test.function_id());
        let is_it = |limits: Option<&Limits>| limits.is_some_and(|limits| limits.of == test.id);
        let limits = tested.and_then(|tested| {
            if is_it(tested.published.as_ref()) {
                Some(Stage::Published)
            } else {
                is_it(tested.pending.as_ref()).then_some(Stage::Pending)
            }
        });
        Taken {
            id: test.id.clone(),
            limits,
            why,
        }
    }

    /// Puts the limits that wait in force. Repeating is harmless; `of` names the test whose limits were
    /// seen, so that nobody approves what came in meanwhile.
    async fn approve(
        &self,
        function: &FunctionId,
        of: Option<&str>,
        by: &Identity,
    ) -> Result<(), ProblemDocument> {
        let shared = &self.shared;
        let _turn = shared.turn.lock().await;
        let tested = shared.book().get(function).cloned().unwrap_or_default();
        let seen = |limits: &Limits| of.is_none_or(|of| of == limits.of);
        let pending = match (tested.pending, tested.published) {
            (Some(pending), _) if seen(&pending) => pending,
            (_, Some(published)) if of.is_some() && seen(&published) => return Ok(()),
            (None, Some(published)) if seen(&published) => return Ok(()),
            (Some(pending), _) => {
                return Err(ProblemDocument::conflict(format!(
                    "the limits that wait are those of test {}",
                    pending.of
                ))
                .field("of"));
            }
            (None, _) => {
                return Err(ProblemDocument::not_found(format!(
                    "no limits of {function} wait for approval"
                ))
                .hint("GET /api/v1/limits lists those that do"));
            }
        };
        let limits = Limits {
            at: self.next_decision(function),
            by: by.name.clone(),
            ..pending
        };
        let mut rows = LoadtestRows::new();
        push_limits(function, Stage::Published, &limits, &mut rows);
        self.commit(rows).await?;
        tracing::info!(%function, qps = limits.qps, of = limits.of, by = limits.by, "limits published");
        shared
            .book()
            .set(function.clone(), Stage::Published, limits);
        Ok(())
    }

    async fn commit(&self, mut rows: LoadtestRows) -> Result<(), ProblemDocument> {
        let batch = Batch {
            loadtests: Some(rows.finish()),
            ..Batch::default()
        };
        let committed = self.shared.store.commit(batch).await;
        committed.map(|_| ()).map_err(|error| match error {
            CommitError::Full { retry_after, .. } => {
                ProblemDocument::unavailable(error.to_string(), retry_after)
            }
            CommitError::Storage(_) | CommitError::Closing => {
                ProblemDocument::unavailable(error.to_string(), Duration::from_secs(30))
            }
            CommitError::TooLarge { .. } => ProblemDocument::too_large(error.to_string()),
            defect => ProblemDocument::internal(defect),
        })
    }

    /// The whole result that is kept under an id.
    async fn result(&self, id: &str) -> Result<Option<String>, ProblemDocument> {
        row::check_id(id)?;
        let sql = format!("SELECT result FROM loadtests WHERE id = '{id}' LIMIT 1");
        let rows = self.rows(&sql).await?;
        let first = rows.first().and_then(|row| row.get(0)?.as_str());
        Ok(first.map(str::to_owned))
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Value>, ProblemDocument> {
        let store = &self.shared.store;
        let answer = Box::pin(store.query(sql, store.query_limits())).await;
        let answer = answer.map_err(crate::sql::problem)?;
        Ok(answer.to_json_rows())
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of a decision: no test's id holds a `/`.
fn id_of(of: &str, stage: Stage) -> String {
    format!("{of}/{}", stage.as_str())
}

/// A decision about limits as a row: kind `limits`, the verdict says how far they came.
fn push_limits(function: &FunctionId, stage: Stage, limits: &Limits, rows: &mut LoadtestRows) {
    let note = json!({ "kind": "limits", "of": limits.of, "by": limits.by });
    rows.push(&Loadtest {
        ts: limits.at,
        id: &id_of(&limits.of, stage),
        namespace: &function.namespace,
        function: &function.name,
        version: limits.build.version.as_deref().unwrap_or(""),
        digest: limits.build.digest.as_deref().unwrap_or(""),
        kind: "limits",
        verdict: stage.as_str(),
        per_pod: Some(limits.qps),
        concurrency: limits.concurrency,
        result: &note.to_string(),
        ..Loadtest::default()
    });
}

/// Tells the book every row, oldest first.
async fn read_book(store: &Store, book: &mut Book) -> Result<(), QueryError> {
    let sql = format!(
        "SELECT {}, CASE WHEN kind = 'limits' THEN result END AS note FROM loadtests \
         ORDER BY ts DESC, id DESC LIMIT {ROWS_READ_MAX}",
        Summary::COLUMNS
    );
    let limits = QueryLimits {
        rows_max: ROWS_READ_MAX,
        deadline: READ_DEADLINE,
    };
    let answer = store.query(&sql, &limits).await?;
    if answer.truncated {
        tracing::warn!(
            rows = answer.rows(),
            "not all load tests were read at the start"
        );
    }
    for row in answer.to_json_rows().iter().rev() {
        if let Some(test) = Summary::read(row) {
            book.add(&test);
        } else if let Some((function, stage, limits)) = read_limits(row) {
            book.set(function, stage, limits);
        }
    }
    Ok(())
}

/// Reads a row that [`push_limits`] made.
fn read_limits(row: &Value) -> Option<(FunctionId, Stage, Limits)> {
    let text = |at: usize| row.get(at)?.as_str();
    if text(6)? != "limits" {
        return None;
    }
    let note: Value = serde_json::from_str(text(17)?).ok()?;
    let noted = |field: &str| note.get(field)?.as_str().map(str::to_owned);
    let limits = Limits {
        of: noted("of")?,
        build: Build {
            version: text(4).map(str::to_owned),
            digest: text(5).map(str::to_owned),
        },
        qps: row.get(10)?.as_f64()?,
        concurrency: row::whole(row.get(12)),
        at: text(1)?.parse().ok()?,
        by: noted("by").unwrap_or_default(),
    };
    let function = FunctionId {
        namespace: text(2)?.to_owned(),
        name: text(3)?.to_owned(),
    };
    Some((function, Stage::from_word(text(7)?)?, limits))
}

fn metrics_of(test: &Summary, limits: Option<Stage>) {
    tracing::info!(
        id = test.id,
        function = %test.function_id(),
        kind = test.kind.as_str(),
        verdict = test.verdict,
        limits = limits.map_or("none", Stage::as_str),
        "a load test was kept"
    );
}

/// The text of an instant for a WHERE clause.
fn instant(at: Timestamp) -> String {
    format!("TIMESTAMP '{at}'")
}

/// A text as a literal of SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
