//! Pushed lines: the HTTP routes of the collector.

mod admission;
mod answer;
mod description;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use inbound::{Access, Json, Path, ProblemDocument, Query, Routes, read_body};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Batch, Idempotency, InvocationRows};
use utoipa::{OpenApi, ToSchema};

pub(crate) use admission::Admission;
use admission::{BODY_LIMITS, ROWS_MAX};

use crate::collector::Collector;
use crate::config::{PUSH, SourceConfig};
use crate::events;
use crate::formats::{Decoded, Decoder, Lines};
use crate::ledger::{Ledger, SourceStatus};
use crate::watermark::HEARTBEAT_AHEAD_MAX;

/// The longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 128;
/// Bodies up to here are decoded where they arrive; moving them would take longer.
const INLINE_BYTES_MAX: usize = 16 << 10;

/// The routes of the collector: ingest, heartbeats, and what is known of each source.
pub fn routes(collector: Collector) -> Routes {
    Routes::new()
        .route(Access::Ingest, "/api/v1/invocations", post(ingest))
        .route(
            Access::Ingest,
            "/api/v1/sources/{name}/heartbeat",
            post(heartbeat),
        )
        .route(Access::Read, "/api/v1/sources", get(sources))
        .with_state(collector)
}

#[derive(OpenApi)]
#[openapi(
    paths(ingest, heartbeat, sources),
    tags((name = "collector", description = "Calls in, and what is known of every source."))
)]
struct Description;

/// These routes as OpenAPI describes them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Push {
    /// The source the lines belong to; the only one that takes pushes when nothing is said.
    source: Option<String>,
}

/// How a body is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    /// One record a line.
    Lines,
    /// Lines, or one JSON document.
    Json,
}

/// Takes a batch of calls. What could be read is durable and visible when this answers.
#[utoipa::path(post, path = "/api/v1/invocations", tag = "collector",
    params(Push, ("Idempotency-Key" = Option<String>, Header, description = "makes a retry harmless")),
    request_body(content = description::Invocation, content_type = "application/x-ndjson", description = "One call a line; plain, gzip or zstd. As `application/json` also a list, or one call over several lines."),
    responses(
        (status = 200, description = "what was taken, and which lines were not", body = answer::Taken),
        (status = 400, description = "no line could be read, or a bad Idempotency-Key", content_type = "application/problem+json"),
        (status = 404, description = "no such source takes pushes", content_type = "application/problem+json"),
        (status = 408, description = "the body took too long", content_type = "application/problem+json"),
        (status = 413, description = "too large", content_type = "application/problem+json"),
        (status = 415, description = "neither lines nor JSON, or another compression", content_type = "application/problem+json"),
        (status = 429, description = "too much under way; again after Retry-After", content_type = "application/problem+json"),
        (status = 503, description = "the disk is full or storage failed; nothing was taken; again after Retry-After", content_type = "application/problem+json"),
    ))]
async fn ingest(
    State(collector): State<Collector>,
    Query(push): Query<Push>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ProblemDocument> {
    let source = choose_source(&collector, push.source.as_deref())?;
    let media = media(&headers)?;
    let key = idempotency_key(&headers)?;
    let intake = &collector.inner.intake;
    let permit = collector.inner.admission.admit(&headers)?;
    let body = read_body(&headers, body, &BODY_LIMITS).await?;
    let permit = permit.grow_to(body.len())?;
    let ledger = intake
        .ledger(&source.name)
        .ok_or_else(|| unknown_source(&collector, &source.name))?;
    let bytes = body.len() as u64;
    let seen_at = intake.clock.now();
    let (decoded, rows) = decode(&collector, &source, body, media, seen_at).await?;
    let mut decoded = decoded;
    if decoded.accepted == 0 && decoded.rejected.total() > 0 {
        intake.refused(&ledger, &decoded);
        return Err(answer::nothing_read(&decoded));
    }
    let text = answer::body(&decoded);
    let answered = commit(&collector, &ledger, &source, rows, key, text).await?;
    drop(permit);
    if answered.repeated {
        events::repeated(&source.name);
        intake.watermarks().alive(&source.name, seen_at);
        return Ok(answer::json(answered.text));
    }
    decoded.functions.sort_unstable();
    decoded.functions.dedup();
    intake.book(&ledger, &decoded, bytes, seen_at);
    Ok(answer::json(answered.text))
}

struct Answered {
    text: String,
    repeated: bool,
}

/// Makes the rows durable; a batch without rows and key only shows that its sender is alive.
async fn commit(
    collector: &Collector,
    ledger: &Ledger,
    source: &SourceConfig,
    mut rows: InvocationRows,
    key: Option<String>,
    text: String,
) -> Result<Answered, ProblemDocument> {
    if rows.is_empty() && key.is_none() {
        return Ok(Answered {
            text,
            repeated: false,
        });
    }
    let batch = Batch {
        invocations: (!rows.is_empty()).then(|| rows.finish()),
        // Two sources may use the same keys.
        idempotency: key.map(|key| Idempotency {
            key: format!("{}:{key}", source.name),
            answer: text.clone(),
        }),
        ..Batch::default()
    };
    match collector.inner.intake.store.commit(batch).await {
        Ok(committed) => {
            ledger.works();
            Ok(Answered {
                repeated: committed.repeated.is_some(),
                text: committed.repeated.unwrap_or(text),
            })
        }
        Err(error) => {
            let problem = admission::refusal(&error);
            if problem.status().is_server_error() {
                ledger.fails(&error.to_string());
            }
            Err(problem)
        }
    }
}

/// Decodes a body; large ones off the async threads, and only so many at once.
async fn decode(
    collector: &Collector,
    source: &Arc<SourceConfig>,
    body: Bytes,
    media: Media,
    seen_at: Timestamp,
) -> Result<(Decoded, InvocationRows), ProblemDocument> {
    let source = Arc::clone(source);
    let small = body.len() <= INLINE_BYTES_MAX;
    let work = move || {
        if media == Media::Lines && Lines::of(&body).nth(ROWS_MAX).is_some() {
            return Err(too_many_rows());
        }
        let mut rows = InvocationRows::new();
        let mut decoder = Decoder::new(source.format.clone(), Arc::clone(&source.meaning));
        let decoded = match media {
            Media::Lines => decoder.decode(&body, seen_at, &mut rows),
            Media::Json => decoder.decode_document(&body, seen_at, &mut rows),
        };
        if rows.len() > ROWS_MAX {
            return Err(too_many_rows());
        }
        Ok((decoded, rows))
    };
    let _turn = collector.inner.admission.decoder_turn().await?;
    if small {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(ProblemDocument::internal(panic)))
}

fn too_many_rows() -> ProblemDocument {
    ProblemDocument::too_large(format!("more than {ROWS_MAX} lines in one request"))
        .hint("send the lines in several requests")
}

/// The source that `?source=` names; else the only one that takes pushes, else the built-in one.
fn choose_source(
    collector: &Collector,
    named: Option<&str>,
) -> Result<Arc<SourceConfig>, ProblemDocument> {
    let inner = &collector.inner;
    let name = named.map_or_else(|| default_source(collector), str::to_owned);
    inner
        .http_source(&name)
        .ok_or_else(|| unknown_source(collector, &name))
}

fn default_source(collector: &Collector) -> String {
    let mut declared = collector.inner.http_sources();
    declared.retain(|name| name != PUSH);
    match declared.as_slice() {
        [only] => only.clone(),
        _ => PUSH.to_owned(),
    }
}

fn unknown_source(collector: &Collector, name: &str) -> ProblemDocument {
    let known = collector.inner.http_sources().join(", ");
    let shown: String = name.chars().take(64).collect();
    ProblemDocument::not_found(format!("no source {shown:?} takes pushed lines"))
        .field("source")
        .hint(format!("sources that do: {known}"))
}

fn media(headers: &HeaderMap) -> Result<Media, ProblemDocument> {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Media::Lines);
    };
    let text = content_type.to_str().unwrap_or("");
    let media = text.split(';').next().unwrap_or("").trim();
    let is = |known: &str| media.eq_ignore_ascii_case(known);
    if is("application/json") {
        Ok(Media::Json)
    } else if is("application/x-ndjson")
        || is("application/ndjson")
        || is("application/jsonl")
        || is("text/plain")
        // What `curl --data-binary` says when it is told nothing.
        || is("application/x-www-form-urlencoded")
        || media.is_empty()
    {
        Ok(Media::Lines)
    } else {
        let shown: String = media.chars().take(64).collect();
        Err(
            ProblemDocument::unsupported_media_type(format!("{shown:?} is not lines of JSON"))
                .field("Content-Type")
                .hint("send application/x-ndjson, one JSON object a line"),
        )
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ProblemDocument> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("");
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if text.is_empty() || text.len() > KEY_BYTES_MAX || !printable {
        return Err(ProblemDocument::bad_request(format!(
            "an Idempotency-Key is 1 to {KEY_BYTES_MAX} printable characters"
        ))
        .field("Idempotency-Key")
        .hint("send a random one, such as a UUID, for each batch"));
    }
    Ok(Some(text.to_owned()))
}

/// How far a pusher is.
#[derive(Debug, Deserialize, ToSchema)]
struct Heartbeat {
    /// All calls that ended before this have been sent.
    complete_until: Timestamp,
}

/// How far the source is known to be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HeartbeatTaken)]
struct HeartbeatAnswer {
    source: String,
    watermark: Option<Timestamp>,
}

/// Takes a pusher's word for how far it is.
#[utoipa::path(post, path = "/api/v1/sources/{name}/heartbeat", tag = "collector", request_body = Heartbeat,
    params(("name" = String, Path, description = "the source's name")),
    responses(
        (status = 200, description = "how far it is known to be", body = HeartbeatAnswer),
        (status = 400, description = "more than ten minutes ahead of the clock here", content_type = "application/problem+json"),
        (status = 404, description = "no such source takes pushes", content_type = "application/problem+json"),
    ))]
async fn heartbeat(
    State(collector): State<Collector>,
    Path(name): Path<String>,
    Json(heartbeat): Json<Heartbeat>,
) -> Result<Json<HeartbeatAnswer>, ProblemDocument> {
    let source = collector
        .inner
        .http_source(&name)
        .ok_or_else(|| unknown_source(&collector, &name))?;
    let intake = &collector.inner.intake;
    let (until, now) = (heartbeat.complete_until, intake.clock.now());
    if until > now + HEARTBEAT_AHEAD_MAX {
        return Err(
            ProblemDocument::bad_request("more than 10 minutes ahead of the clock here")
                .field("complete_until"),
        );
    }
    let mut watermarks = intake.watermarks();
    watermarks.heartbeat(&source.name, until, now);
    Ok(Json(HeartbeatAnswer {
        watermark: watermarks.of_source(&source.name),
        source: source.name.clone(),
    }))
}

/// Every source.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceList)]
struct Sources {
    sources: Vec<SourceStatus>,
}

/// What is known of every source.
#[utoipa::path(get, path = "/api/v1/sources", tag = "collector",
    responses((status = 200, description = "every source", body = Sources)))]
async fn sources(State(collector): State<Collector>) -> Json<Sources> {
    Json(Sources {
        sources: collector.sources(),
    })
}
