//! `GET /api/v1/functions`: every function with the numbers of the last minutes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use inbound::{ProblemDocument, Query};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::Selection;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::Sources;
use crate::numbers::{FunctionRow, Numbers, loudest};
use crate::past::Past;
use crate::range::{self, LONGEST, SECONDS_KEPT};

const RANGE: Duration = Duration::from_mins(5);
/// The most parts a sparkline has.
const SPARK_MAX: u64 = 60;
/// An answer this young is given to everybody who asks the same.
const FRESH: Duration = Duration::from_millis(900);
/// The most different questions whose newest answer is kept.
const KEPT_MAX: usize = 8;

/// What may be asked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// How far back: up to `15m`, `5m` when nothing is said.
    pub(crate) range: Option<String>,
    /// Only the functions of this team.
    pub(crate) owner: Option<String>,
    /// Also the calls per second of the same range this much earlier, such as `7d`.
    pub(crate) compare: Option<String>,
    /// Into how many parts the range is cut for small curves; none when nothing is said.
    pub(crate) spark: Option<u64>,
}

/// Every function, and how much of the range has arrived.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionList {
    /// The functions in order of namespace and name.
    pub(crate) functions: Vec<FunctionRow>,
    /// How many there are, whoever owns them.
    pub(crate) total: usize,
    /// The moment these numbers are of.
    pub(crate) as_of: Timestamp,
    /// The range in seconds.
    pub(crate) range_seconds: u64,
    /// The share of the sources behind these numbers that are on time; null when that cannot be told.
    pub(crate) completeness: Option<f64>,
}

/// Functions with their numbers.
///
/// Answers from the counts per second, so the range reaches back fifteen minutes at most. Everybody who
/// asks the same within a second gets the same answer.
#[utoipa::path(get, path = "/api/v1/functions", tag = "dashboards", params(Question), responses(
    (status = 200, description = "every function", body = FunctionList),
    (status = 400, description = "a range that cannot be answered", content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(sources): State<Sources>,
    Query(question): Query<Question>,
) -> Result<Response, ProblemDocument> {
    let (_, text) = sources.lists.of(&sources, &question).await?;
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok((headers, text.as_bytes().to_vec()).into_response())
}

/// A question, and the answer to it: the moment it is of and its JSON.
type Kept = (Question, Timestamp, Arc<str>);

/// The newest answers, as JSON. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    kept: Arc<Mutex<Vec<Kept>>>,
}

impl Lists {
    /// The answer to a question and the moment it is of; a fresh one when the last is old.
    pub(crate) async fn of(
        &self,
        sources: &Sources,
        question: &Question,
    ) -> Result<(Timestamp, Arc<str>), ProblemDocument> {
        let mut kept = self.kept.lock().await;
        let now = sources.clock.now();
        kept.retain(|(_, as_of, _)| *as_of <= now && now.since(*as_of) < FRESH);
        if let Some((_, as_of, text)) = kept.iter().find(|(own, ..)| own == question) {
            return Ok((*as_of, Arc::clone(text)));
        }
        let list = collect(sources, question, now).await?;
        let text = serde_json::to_string(&list).map_err(ProblemDocument::internal)?;
        let text: Arc<str> = text.into();
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push((question.clone(), now, Arc::clone(&text)));
        Ok((now, text))
    }
}

/// The numbers of the last `range` up to `now`.
async fn collect(
    sources: &Sources,
    question: &Question,
    now: Timestamp,
) -> Result<FunctionList, ProblemDocument> {
    let range = range::length(question.range.as_deref(), "range", RANGE, SECONDS_KEPT)?;
    let parts = parts(question.spark, range)?;
    let past = match question.compare.as_deref() {
        None => Arc::new(Past::default()),
        Some(text) => {
            let back = range::length(Some(text), "compare", Duration::ZERO, LONGEST)?;
            let past = sources.pasts.of(&sources.store, range, back, now).await;
            past.map_err(ProblemDocument::internal)?
        }
    };
    let alerts = sources.alerting.firing().await;
    let alerts = alerts.map_err(ProblemDocument::internal)?;
    let policy = sources.alerting.policy().await;
    let policy = policy.map_err(ProblemDocument::internal)?;
    let firing = loudest(alerts.iter().map(|(_, alert)| alert));
    let store = sources.store.clone();
    let owner = question.owner.clone();
    let rows = tokio::task::spawn_blocking(move || {
        let numbers = Numbers::sum(store.rollups(), &Selection::default(), range, parts, now);
        let mut total = 0;
        let mut rows = Vec::new();
        for seen in store.rollups().functions() {
            total += 1;
            let alert = firing.get(&seen.id);
            let row = numbers.row(seen, &policy.teams, alert, &past);
            if owner.is_none() || row.owner == owner {
                rows.push(row);
            }
        }
        (total, rows)
    });
    let (total, functions) = rows.await.map_err(ProblemDocument::internal)?;
    Ok(FunctionList {
        functions,
        total,
        as_of: now,
        range_seconds: range.as_secs(),
        completeness: sources.collector.on_time(None),
    })
}

fn parts(spark: Option<u64>, range: Duration) -> Result<Option<u64>, ProblemDocument> {
    match spark {
        Some(parts) if parts == 0 || parts > SPARK_MAX.min(range.as_secs()) => {
            let most = SPARK_MAX.min(range.as_secs());
            let said = format!("`spark` must lie between 1 and {most} for this range");
            Err(ProblemDocument::bad_request(said).field("spark"))
        }
        within => Ok(within),
    }
}
