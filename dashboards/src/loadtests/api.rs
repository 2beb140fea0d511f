//! `/api/v1/loadtests` and `/api/v1/limits`.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use inbound::{Access, Identity, Json, Path, ProblemDocument, Query, Routes, read_json};
use loadtest::result::Kept;
use model::FunctionId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::book::Stage;
use super::limits::{FlowRule, FunctionLimits, List};
use super::row::{Kind, Summary};
use super::{LoadTests, literal};

/// The largest result, in bytes: some fifteen hours, told second by second.
const RESULT_BYTES_MAX: usize = 16 << 20;
/// The most load tests in an answer.
const LISTED_MAX: u64 = 1_000;
const LISTED_DEFAULT: u64 = 100;

/// The routes of load tests and limits.
pub(crate) fn routes(loadtests: LoadTests) -> Routes {
    let approve_path = "/api/v1/limits/{namespace}/{function}/approve";
    Routes::new()
        .route(Access::Respond, "/api/v1/loadtests", post(keep))
        .route(Access::Read, "/api/v1/loadtests", get(list))
        .route(Access::Read, "/api/v1/loadtests/{id}", get(show))
        .route(Access::Read, "/api/v1/limits", get(limits))
        .route(Access::Administer, approve_path, post(approve))
        .with_state(loadtests)
}

/// A finished load test, as `rampart loadtest run|capacity` writes it with `output: {json}`. Only what is
/// read of it here is described; all of it is kept.
#[derive(ToSchema)]
#[schema(as = LoadtestResult)]
#[allow(dead_code)] // the result as the API describes it
struct ResultBody {
    /// `run` or `capacity`.
    kind: Kind,
    /// Of a capacity: `Confirmed`, `AtLeast`, `Noisy`, `Invalid`.
    verdict: Option<String>,
    /// Of a capacity: the highest rate that held, calls per second.
    low: Option<f64>,
    /// Of a capacity: calls per second that one pod carries.
    per_pod: Option<f64>,
    /// Of a capacity: the limits that follow for one pod.
    limits: Option<ProposedLimits>,
    /// Of a capacity: what is to be done with them.
    limits_publish: Option<PublishPlan>,
    /// What was tested.
    subject: SubjectBody,
}

/// Limits for one pod that follow from a capacity.
#[derive(ToSchema)]
#[allow(dead_code)]
struct ProposedLimits {
    /// Calls per second.
    qps: f64,
    /// Calls at once.
    concurrency: u64,
}

/// What is to be done with limits.
#[derive(ToSchema)]
#[allow(dead_code)]
struct PublishPlan {
    /// `never`, `ask` or `auto`.
    publish: String,
    /// The largest relative change that `auto` takes without asking, 0 to 1.
    max_change: f64,
}

/// What was tested.
#[derive(ToSchema)]
#[schema(as = LoadtestSubject)]
#[allow(dead_code)]
struct SubjectBody {
    /// Names the test: letters, digits and `-_.:`.
    id: String,
    /// `namespace/name`.
    function: String,
    /// The version that was tested.
    version: Option<String>,
    /// The digest of its image.
    digest: Option<String>,
    /// When it began, RFC 3339.
    started_at: String,
    /// How long it lasted.
    seconds: f64,
}

/// What became of a result.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadtestKept)]
pub(crate) struct KeptAnswer {
    /// The id it is kept under.
    id: String,
    /// How far the limits that follow have come.
    limits: LimitsState,
    /// Why.
    why: String,
}

/// How far limits have come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LimitsState {
    /// They are in the result only.
    None,
    /// They wait for a person.
    Pending,
    /// They are in force.
    Published,
}

impl From<Option<Stage>> for LimitsState {
    fn from(stage: Option<Stage>) -> Self {
        match stage {
            None => LimitsState::None,
            Some(Stage::Pending) => LimitsState::Pending,
            Some(Stage::Published) => LimitsState::Published,
        }
    }
}

/// Keeps the result of a load test.
///
/// Under its id: sending the same result again changes nothing. Tests are started with the command
/// `rampart loadtest`, not here.
#[utoipa::path(post, path = "/api/v1/loadtests", tag = "loadtests", operation_id = "keep_loadtest",
    request_body = ResultBody, responses(
    (status = 200, description = "it is kept", body = KeptAnswer),
    (status = 400, description = "it is no result of a load test", content_type = "application/problem+json"),
    (status = 409, description = "another result has this id", content_type = "application/problem+json"),
    (status = 413, description = "it is too large", content_type = "application/problem+json"),
    (status = 422, description = "it cannot be kept as it is", content_type = "application/problem+json"),
    (status = 503, description = "the store takes nothing in at the moment", content_type = "application/problem+json"),
))]
pub(crate) async fn keep(
    State(loadtests): State<LoadTests>,
    identity: Identity,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<KeptAnswer>, ProblemDocument> {
    let bytes = read_json(&headers, body, RESULT_BYTES_MAX).await?;
    let (text, kept) = read_result(&bytes)?;
    let taken = loadtests.keep(text, &kept, &identity).await?;
    Ok(Json(KeptAnswer {
        id: taken.id,
        limits: taken.limits.into(),
        why: taken.why,
    }))
}

fn read_result(bytes: &Bytes) -> Result<(&str, Kept), ProblemDocument> {
    let no_result = |cause: String| {
        ProblemDocument::bad_request(format!("this is no result of a load test: {cause}")).hint(
            "send what `rampart loadtest run` or `capacity` wrote with `output: {json: FILE}`; \
             tests are started with that command",
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| no_result(error.to_string()))?;
    let kept = serde_json::from_str(text).map_err(|error| no_result(error.to_string()))?;
    Ok((text, kept))
}

/// Which load tests are asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only those of this function, `namespace/name`.
    #[param(value_type = Option<String>)]
    function: Option<FunctionId>,
    /// Only `run` or `capacity`.
    kind: Option<String>,
    /// At most so many, 1 to 1000; 100 when nothing is said.
    limit: Option<u64>,
}

/// Load tests, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadtestList)]
pub(crate) struct Listed {
    loadtests: Vec<Summary>,
}

/// Load tests without their details, newest first.
#[utoipa::path(get, path = "/api/v1/loadtests", tag = "loadtests", operation_id = "list_loadtests",
    params(Wanted), responses(
    (status = 200, description = "load tests", body = Listed),
    (status = 400, description = "a filter is wrong", content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(loadtests): State<LoadTests>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Listed>, ProblemDocument> {
    let sql = wanted.sql()?;
    let rows = loadtests.rows(&sql).await?;
    Ok(Json(Listed {
        loadtests: rows.iter().filter_map(Summary::read).collect(),
    }))
}

impl Wanted {
    fn sql(&self) -> Result<String, ProblemDocument> {
        let limit = self.limit.unwrap_or(LISTED_DEFAULT);
        if !(1..=LISTED_MAX).contains(&limit) {
            let said = format!("`limit` must lie between 1 and {LISTED_MAX}");
            return Err(ProblemDocument::bad_request(said).field("limit"));
        }
        let kinds = match self.kind.as_deref() {
            None => "kind IN ('run', 'capacity')".to_owned(),
            Some(word) => match Kind::from_word(word) {
                Some(kind) => format!("kind = '{}'", kind.as_str()),
                None => {
                    return Err(
                        ProblemDocument::bad_request("`kind` is `run` or `capacity`").field("kind"),
                    );
                }
            },
        };
        let function = self.function.as_ref().map(|function| {
            format!(
                " AND namespace = {} AND function = {}",
                literal(&function.namespace),
                literal(&function.name)
            )
        });
        Ok(format!(
            "SELECT {} FROM loadtests WHERE {kinds}{} ORDER BY ts DESC, id DESC LIMIT {limit}",
            Summary::COLUMNS,
            function.unwrap_or_default()
        ))
    }
}

/// One load test, whole, as it was sent.
#[utoipa::path(get, path = "/api/v1/loadtests/{id}", tag = "loadtests", operation_id = "show_loadtest",
    params(("id" = String, Path, description = "the test's id")), responses(
    (status = 200, description = "the result", body = ResultBody),
    (status = 404, description = "there is no such test", content_type = "application/problem+json"),
))]
pub(crate) async fn show(
    State(loadtests): State<LoadTests>,
    Path(id): Path<String>,
) -> Result<Response, ProblemDocument> {
    let unknown = || {
        ProblemDocument::not_found(format!("there is no load test {id}"))
            .hint("GET /api/v1/loadtests lists those that are kept")
    };
    super::row::check_id(&id).map_err(|_| unknown())?;
    let result = loadtests.result(&id).await?.ok_or_else(unknown)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], result).into_response())
}

/// In which form limits are asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Form {
    /// `sentinel` gives the limits in force as Sentinel's flow rules.
    format: Option<String>,
}

/// What each function's pods carry, and the limits that follow.
///
/// By the newest valid load test of the build that runs, with the limits in force and those that wait.
/// With `format=sentinel`: an array of Sentinel flow rules, only of limits in force.
#[utoipa::path(get, path = "/api/v1/limits", tag = "loadtests", params(Form), responses(
    (status = 200, description = "capacities and limits; with `format=sentinel` an array of FlowRule", body = List),
    (status = 400, description = "`format` is not known", content_type = "application/problem+json"),
))]
pub(crate) async fn limits(
    State(loadtests): State<LoadTests>,
    Query(form): Query<Form>,
) -> Result<Response, ProblemDocument> {
    match form.format.as_deref() {
        None | Some("json") => Ok(Json(loadtests.list()).into_response()),
        Some("sentinel") => {
            let rules: Vec<FlowRule> = loadtests.flow_rules();
            Ok(Json(rules).into_response())
        }
        Some(_) => {
            Err(ProblemDocument::bad_request("`format` is `json` or `sentinel`").field("format"))
        }
    }
}

/// Which limits are approved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApproveLimits)]
pub(crate) struct Approval {
    /// The test whose limits were seen; refused when others wait by now. Whatever waits, when left out.
    of: Option<String>,
}

/// Puts the limits in force that wait for a person. Repeating is harmless.
#[utoipa::path(post, path = "/api/v1/limits/{namespace}/{function}/approve", tag = "loadtests",
    operation_id = "approve_limits",
    params(("namespace" = String, Path, description = "the function's namespace"), ("function" = String, Path, description = "its name")),
    request_body = Approval, responses(
    (status = 200, description = "the limits as they are then", body = FunctionLimits),
    (status = 404, description = "nothing waits", content_type = "application/problem+json"),
    (status = 409, description = "other limits wait by now", content_type = "application/problem+json"),
))]
pub(crate) async fn approve(
    State(loadtests): State<LoadTests>,
    identity: Identity,
    Path((namespace, function)): Path<(String, String)>,
    Json(approval): Json<Approval>,
) -> Result<Json<FunctionLimits>, ProblemDocument> {
    let id = crate::function::identify(&namespace, &function)?;
    loadtests
        .approve(&id, approval.of.as_deref(), &identity)
        .await?;
    let limits = loadtests.limits(&id);
    limits
        .map(Json)
        .ok_or_else(|| ProblemDocument::internal("approved limits are not in the book"))
}
