//! The past of rules that are at work: what a server's own data answers, a few questions at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use inbound::{Access, Json, Path, ProblemDocument, Query, Routes};
use model::{FunctionId, Glob, Timestamp};
use serde::Deserialize;
use tokio::sync::SemaphorePermit;
use utoipa::ToSchema;

use super::backtest::{Backtest, BacktestReport, backtest};
use super::explain::{Explained, explain};
use super::{Past, PastError};
use crate::runtime::Rules;
use crate::set::RuleSet;

/// Replays at the same time; each keeps a thread busy.
pub(crate) const REPLAYS_MAX: usize = 2;
/// When to ask again while all are taken.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The most rule files of one backtest.
const FILES_MAX: usize = 100;

impl Rules {
    /// Where the rule of this name stood for a function at an instant; `None` when there is no such
    /// rule or it does not watch the function.
    pub async fn explain_at(
        &self,
        rule: &str,
        function: &FunctionId,
        at: Timestamp,
    ) -> Result<Option<Explained>, PastError> {
        let now = self.clock().now();
        if at > now {
            return Err(PastError::Future(at));
        }
        let in_force = self.in_force().await;
        let id = function.to_string();
        let named = in_force.into_iter().find(|own| own.name == rule);
        let Some(named) =
            named.filter(|own| own.select.functions.is_none() || own.select.takes(&id))
        else {
            return Ok(None);
        };
        let _turn = self.turn()?;
        let told = self.told(rule, function, at).await?;
        explain(
            self.past(),
            &RuleSet::of(vec![named]),
            function,
            at,
            told,
            now,
        )
        .await
    }

    /// What rules would have done; those in force when none are given.
    pub async fn backtest(
        &self,
        rules: Option<RuleSet>,
        asked: &Backtest,
    ) -> Result<BacktestReport, PastError> {
        let set = if let Some(set) = rules {
            set
        } else {
            let in_force = self.in_force().await.into_iter();
            RuleSet::of(in_force.filter(|rule| rule.place.is_some()).collect())
        };
        let _turn = self.turn()?;
        backtest(self.past(), &set, asked, self.clock().now()).await
    }

    fn turn(&self) -> Result<SemaphorePermit<'_>, PastError> {
        self.replays().try_acquire().map_err(|_| PastError::Busy)
    }

    fn past(&self) -> Past {
        Past {
            store: self.store().clone(),
            tested: Arc::clone(self.tested()),
            rushes: self.modes().rushes(),
            releases: self.releases(),
        }
    }
}

/// The routes of the past.
pub(crate) fn routes() -> Routes<Rules> {
    Routes::new()
        .route(
            Access::Read,
            "/api/v1/rules/{rule}/explain",
            get(explain_rule),
        )
        .route(Access::Read, "/api/v1/rules/backtest", post(run_backtest))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Moment {
    /// The function, `namespace/name`.
    #[param(value_type = String)]
    function: FunctionId,
    /// The instant, RFC 3339; now when nothing is said.
    #[param(value_type = Option<String>)]
    at: Option<Timestamp>,
}

/// Why a rule did or did not fire at an instant, lived through again from stored calls.
#[utoipa::path(get, path = "/api/v1/rules/{rule}/explain", tag = "rules",
    params(("rule" = String, Path, description = "the alert's name"), Moment), responses(
    (status = 200, description = "where it stood, and what cannot be known", body = Explained),
    (status = 404, description = "no such rule watches the function", content_type = "application/problem+json"),
    (status = 422, description = "`at` lies in the future", content_type = "application/problem+json"),
    (status = 429, description = "others are asking already", content_type = "application/problem+json"),
))]
pub(crate) async fn explain_rule(
    State(rules): State<Rules>,
    Path(rule): Path<String>,
    Query(moment): Query<Moment>,
) -> Result<Json<Explained>, ProblemDocument> {
    let at = moment.at.unwrap_or_else(|| rules.clock().now());
    let explained = Box::pin(rules.explain_at(&rule, &moment.function, at)).await;
    match explained.map_err(|error| refuse(error, "at"))? {
        Some(explained) => Ok(Json(explained)),
        None => Err(ProblemDocument::not_found(format!(
            "no rule {rule} watches {}",
            moment.function
        ))
        .hint("`rampart rules list` names the rules")),
    }
}

/// Which stretch, of whom, by which rules.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AskBacktest)]
pub(crate) struct Ask {
    /// The first instant.
    from: Timestamp,
    /// The first instant after it.
    to: Timestamp,
    /// How long before it rules watch already, such as `1d`; `15m` when nothing is said.
    warm_up: Option<String>,
    /// Only functions that match this pattern.
    function: Option<String>,
    /// Rule files; the rules in force when there are none.
    #[serde(default)]
    rules: Vec<RuleText>,
}

/// A rule file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleText {
    /// How mistakes in it are shown.
    name: String,
    /// What stands in it.
    text: String,
}

/// What rules would have done over a stretch of stored calls.
#[utoipa::path(post, path = "/api/v1/rules/backtest", tag = "rules", request_body = Ask, responses(
    (status = 200, description = "what would have fired", body = BacktestReport),
    (status = 422, description = "the rules hold mistakes, or the stretch cannot be lived through", content_type = "application/problem+json"),
    (status = 429, description = "others are asking already", content_type = "application/problem+json"),
))]
pub(crate) async fn run_backtest(
    State(rules): State<Rules>,
    Json(ask): Json<Ask>,
) -> Result<Json<BacktestReport>, ProblemDocument> {
    let warm_up = match &ask.warm_up {
        None => Backtest::WARM_UP,
        Some(text) => model::parse_duration(text)
            .map_err(|error| ProblemDocument::unprocessable(error.to_string()).field("warm_up"))?,
    };
    let functions = Glob::new(ask.function.as_deref().unwrap_or("*"))
        .map_err(|error| ProblemDocument::unprocessable(error.to_string()).field("function"))?;
    let set = given(&ask.rules)?;
    let asked = Backtest {
        from: ask.from,
        to: ask.to,
        warm_up,
        functions,
    };
    Box::pin(rules.backtest(set, &asked))
        .await
        .map(Json)
        .map_err(|error| refuse(error, "from"))
}

fn given(files: &[RuleText]) -> Result<Option<RuleSet>, ProblemDocument> {
    if files.is_empty() {
        return Ok(None);
    }
    if files.len() > FILES_MAX {
        let many = format!("more than {FILES_MAX} rule files");
        return Err(ProblemDocument::unprocessable(many).field("rules"));
    }
    let files = files
        .iter()
        .map(|file| (file.name.as_str(), file.text.as_str()));
    RuleSet::parse_all(files)
        .map(Some)
        .map_err(|problems| ProblemDocument::unprocessable(problems.to_string()).field("rules"))
}

fn refuse(error: PastError, field: &'static str) -> ProblemDocument {
    match error {
        PastError::Backwards | PastError::TooLong | PastError::Future(_) => {
            ProblemDocument::unprocessable(error.to_string()).field(field)
        }
        PastError::Busy => ProblemDocument::too_many_requests(error.to_string(), RETRY_AFTER),
        PastError::Crowded { .. } => ProblemDocument::unprocessable(error.to_string())
            .hint("ask for fewer functions: `function`"),
        PastError::Query(_) | PastError::Ledger(_) | PastError::Broken(_) => {
            ProblemDocument::internal(crate::driver::chain(&error))
        }
    }
}
