//! `GET /api/v1/stream`: what a page shows, sent as it changes, as server-sent events.
//!
//! Every message's id is the moment it is of; a client that comes back with `Last-Event-ID` gets the
//! seconds it missed. The number of streams is limited; who gets none polls the plain answers.

mod topic;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use inbound::{ProblemDocument, Query};
use model::{FunctionId, Timestamp};
use serde::Deserialize;
use store::Dimension;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior};

use crate::Sources;
use crate::functions::Question as ListQuestion;
use crate::series::{self, Measures};
use topic::Topics;

/// The most streams at once.
const STREAMS_MAX: usize = 256;
const BEAT: Duration = Duration::from_secs(1);
/// Functions and numbers are sent with every second beat.
const NUMBERS_EVERY: u64 = 2;
/// With more functions than this the whole list is sent with every fifth beat only.
const FUNCTIONS_MANY: u64 = 2_000;
const MANY_EVERY: u64 = 5;

/// What may be asked.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// What to send, separated by commas: `functions`, `incidents`, `function`, `series`.
    topics: Option<String>,
    /// For `functions` and `function`: how far back.
    range: Option<String>,
    /// For `functions`: only those of this team.
    owner: Option<String>,
    /// For `functions` and `function`: also the calls this much earlier.
    compare: Option<String>,
    /// For `functions`: parts of small curves.
    spark: Option<u64>,
    /// For `function` and `series`: which one, `namespace/name`.
    function: Option<String>,
    /// For `series`: one curve per unit, version or zone.
    by: Option<String>,
    /// For `series`: which curves.
    measures: Option<String>,
}

/// Limits how many streams there are. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Streams(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// What a page shows, as it changes.
///
/// Messages: `tick` every second; `functions` (a FunctionList), `function` (a FunctionDetail),
/// `incidents` (an IncidentList), `series` (Curves of the newest seconds, to be merged by time).
#[utoipa::path(get, path = "/api/v1/stream", tag = "dashboards", params(Question,
        ("Last-Event-ID" = Option<String>, Header, description = "the id of the last message seen")),
    responses(
        (status = 200, description = "server-sent events until the client goes", content_type = "text/event-stream", body = String),
        (status = 503, description = "too many streams; poll instead", content_type = "application/problem+json"),
    ))]
pub(crate) async fn listen(
    State(sources): State<Sources>,
    headers: HeaderMap,
    Query(question): Query<Question>,
) -> Result<Response, ProblemDocument> {
    let watched = Watched::read(&question)?;
    let Ok(permit) = Arc::clone(&sources.streams.0).try_acquire_owned() else {
        let wait = Duration::from_secs(10);
        let said = format!("{STREAMS_MAX} streams are open already");
        return Err(ProblemDocument::unavailable(said, wait).hint("poll the plain answers instead"));
    };
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let stream = Stream {
        seen: last_event(&headers),
        stopping: sources.stopping.clone(),
        sources,
        watched,
        beats,
        beat: 0,
        incidents: String::new(),
        waiting: VecDeque::new(),
        _permit: permit,
    };
    let messages = unfold(stream, |mut stream| async move {
        let message = stream.next().await?;
        Some((Ok::<_, Infallible>(message), stream))
    });
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    let headers = [
        (unbuffered, HeaderValue::from_static("no")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Sse::new(messages)).into_response())
}

/// The moment of the last message a client saw.
fn last_event(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get("last-event-id")?.to_str().ok()?;
    let (seconds, millis) = text.split_once('.').unwrap_or((text, "0"));
    let (seconds, millis): (i64, i64) = (seconds.parse().ok()?, millis.parse().ok()?);
    let whole = seconds.checked_mul(1_000)?.checked_add(millis)?;
    Some(Timestamp::from_millis(whole))
}

/// What one stream is asked to tell.
struct Watched {
    topics: Topics,
    list: ListQuestion,
    function: Option<FunctionId>,
    by: Option<Dimension>,
    measures: Measures,
    numbers: crate::function::Question,
}

impl Watched {
    fn read(question: &Question) -> Result<Watched, ProblemDocument> {
        let topics = Topics::read(question.topics.as_deref())?;
        let function = question.function.as_deref().map(|text| {
            text.parse::<FunctionId>()
                .map_err(|error| ProblemDocument::bad_request(error.to_string()).field("function"))
        });
        let function = function.transpose()?;
        if (topics.series || topics.function) && function.is_none() {
            let said = "the topics `function` and `series` need `function=namespace/name`";
            return Err(ProblemDocument::bad_request(said).field("function"));
        }
        Ok(Watched {
            topics,
            list: ListQuestion {
                range: question.range.clone(),
                owner: question.owner.clone(),
                compare: question.compare.clone(),
                spark: question.spark,
            },
            function,
            by: series::dimension(question.by.as_deref())?,
            measures: Measures::read(question.measures.as_deref())?,
            numbers: crate::function::Question {
                range: question.range.clone(),
                compare: question.compare.clone(),
            },
        })
    }
}

/// One client's stream.
struct Stream {
    sources: Sources,
    watched: Watched,
    beats: Interval,
    beat: u64,
    /// The moment up to which the client knows the series.
    seen: Option<Timestamp>,
    /// The incidents as last told.
    incidents: String,
    waiting: VecDeque<Event>,
    stopping: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Stream {
    /// The next message; `None` when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                _ = self.beats.tick() => {}
            }
            self.look().await;
            self.beat += 1;
        }
    }

    /// Gathers what there is to tell at this beat. What cannot be answered now is left out; the next
    /// beat tries again, and the client sees by the age of its data.
    async fn look(&mut self) {
        let now = self.sources.clock.now();
        if self.watched.topics.incidents {
            self.tell_incidents(now).await;
        }
        let many = self.sources.store.rollups().stats().functions > FUNCTIONS_MANY;
        let every = if many { MANY_EVERY } else { NUMBERS_EVERY };
        if self.watched.topics.functions
            && self.beat.is_multiple_of(every)
            && let Ok((as_of, list)) = self
                .sources
                .lists
                .of(&self.sources, &self.watched.list)
                .await
        {
            self.waiting.push_back(message("functions", as_of, &list));
        }
        if let Some(id) = self.watched.function.clone() {
            if self.watched.topics.function && self.beat.is_multiple_of(NUMBERS_EVERY) {
                let numbers = &self.watched.numbers;
                let detail = crate::function::collect(&self.sources, &id, numbers, now).await;
                self.tell("function", now, detail.ok());
            }
            if self.watched.topics.series {
                self.tell_series(&id, now).await;
            }
        }
        let tick = serde_json::json!({ "as_of": now });
        self.tell("tick", now, Some(tick));
    }

    fn tell(&mut self, name: &str, now: Timestamp, body: Option<impl serde::Serialize>) {
        let text = body.map(|body| serde_json::to_string(&body));
        if let Some(Ok(text)) = text {
            self.waiting.push_back(message(name, now, &text));
        }
    }

    async fn tell_incidents(&mut self, now: Timestamp) {
        let Ok(text) = topic::incidents(&self.sources).await else {
            return;
        };
        if text != self.incidents {
            self.waiting.push_back(message("incidents", now, &text));
            self.incidents = text;
        }
    }

    async fn tell_series(&mut self, id: &FunctionId, now: Timestamp) {
        let grid = topic::newest(self.seen, now);
        let (by, measures) = (self.watched.by, self.watched.measures);
        let curves = series::collect(&self.sources, id, &grid, by, measures, now).await;
        if let Ok(curves) = curves {
            self.seen = Some(now);
            self.tell("series", now, Some(curves));
        }
    }
}

fn message(name: &str, as_of: Timestamp, body: &str) -> Event {
    let millis = as_of.as_millis();
    let id = format!(
        "{}.{:03}",
        millis.div_euclid(1_000),
        millis.rem_euclid(1_000)
    );
    Event::default().id(id).event(name).data(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_moments() {
        let header = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", text.parse().unwrap());
            last_event(&headers).map(Timestamp::as_millis)
        };
        assert_eq!(header("1762819205.250"), Some(1_762_819_205_250));
        assert_eq!(header("1762819205"), Some(1_762_819_205_000));
        for text in [
            "",
            "soon",
            "1.x",
            "99999999999999999999",
            "9223372036854775807.1",
        ] {
            assert_eq!(header(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let ask = |topics: &str, function: Option<&str>| {
            Watched::read(&Question {
                topics: Some(topics.to_owned()),
                function: function.map(str::to_owned),
                ..Question::default()
            })
            .map(|_| ())
        };
        assert!(ask("functions,incidents", None).is_ok());
        assert!(ask("series", Some("guide/feed")).is_ok());
        for (topics, function) in [("series", None), ("weather", None), ("function", Some("/"))] {
            assert_eq!(ask(topics, function).unwrap_err().status(), 400, "{topics}");
        }
    }
}
