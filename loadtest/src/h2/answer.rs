//! One request on its way, and reading what comes back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};

use super::BODY_KEPT_BYTES_MAX;
use super::failure::of_stream;
use super::inbox::{Inbox, What};
use super::lane::Lane;
use super::wire::Stamp;
use crate::engine::watch::Watch;
use crate::grpc;
use crate::http1::redirect::{self, Leads};
use crate::outcome::{Failure, Outcome};
use crate::request::{Envelope, Expect, Request, RequestSet};
use crate::timing::{Nanos, Timing};

/// One request, from the moment it is due.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// When it was due.
    pub(super) intended: Nanos,
    /// When a stream was free for it.
    pub(super) eligible: Nanos,
    /// Which of the plan's requests it is.
    pub(super) request: usize,
    /// Redirects followed so far, and the path that the last one led to.
    pub(super) redirects: u32,
    pub(super) path: Option<Box<str>>,
    /// Path and query as they last went out, when redirects are followed.
    pub(super) asked: Option<PathAndQuery>,
}

impl Call {
    /// A request that is due at `intended`.
    pub(super) fn due(intended: Nanos, request: usize) -> Self {
        Call {
            intended,
            eligible: intended,
            request,
            redirects: 0,
            path: None,
            asked: None,
        }
    }
}

/// A stream that ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The connection that carried it.
    pub(super) lane: Rc<Lane>,
    /// Its request.
    pub(super) call: Call,
    /// The instants.
    pub(super) timing: Timing,
    /// What came of it.
    pub(super) judged: Judged,
}

/// What an answer means for its request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is over.
    Is(Outcome),
    /// It goes on at another path of the target.
    Follow(Box<str>),
}

/// What reading an answer needs, the same for all of a thread.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) requests: Arc<RequestSet>,
    pub(super) is_grpc: bool,
    pub(super) redirects_max: u32,
    pub(super) envelope: Envelope,
    pub(super) inbox: Rc<Inbox>,
    pub(super) watch: Arc<Watch>,
}

/// A stream that was opened for a request.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) lane: Rc<Lane>,
    pub(super) call: Call,
    pub(super) stamp: Stamp,
    pub(super) response: ResponseFuture,
    pub(super) body: SendStream<Bytes>,
    /// How long an answer may take from now on.
    pub(super) patience: Duration,
}

impl Reader {
    /// Reads an answer to its end and tells the loop.
    pub(super) async fn read(self: Rc<Self>, sent: Sent) {
        let Sent {
            lane,
            call,
            stamp,
            response,
            mut body,
            patience,
        } = sent;
        let read = tokio::time::timeout(patience, self.answer(&call, response)).await;
        let (judged, done) = if let Ok(judged) = read {
            (judged, self.watch.happened(self.watch.now(), stamp.get()))
        } else {
            body.send_reset(h2::Reason::CANCEL);
            let judged = Judged::Is(Outcome::Failed(Failure::Timeout));
            (judged, self.watch.now())
        };
        let written = stamp.get().max(call.intended).max(call.eligible);
        let timing = Timing {
            intended: call.intended,
            eligible: call.eligible,
            written,
            done: done.max(written),
        };
        let ended = Ended {
            lane,
            call,
            timing,
            judged,
        };
        self.inbox.put(done, What::Ended(Box::new(ended)));
    }

    async fn answer(&self, call: &Call, response: ResponseFuture) -> Judged {
        let Some(request) = self.requests.requests().get(call.request) else {
            return Judged::Is(Outcome::Failed(Failure::Protocol));
        };
        match read_all(response, &request.expect, self.is_grpc).await {
            Ok(answer) => self.judge(call, request, &answer),
            Err(error) => Judged::Is(Outcome::Failed(of_stream(&error))),
        }
    }

    fn judge(&self, call: &Call, request: &Request, answer: &Answer) -> Judged {
        let status = answer.status;
        let expect = &request.expect;
        if self.is_grpc {
            let outcome = grpc::outcome(status, &answer.headers, &answer.trailers, expect);
            return Judged::Is(outcome);
        }
        let header = |name: &str| answer.headers.get(name).map(HeaderValue::as_bytes);
        if self.redirects_max > 0
            && matches!(status, 301 | 302 | 303 | 307 | 308)
            && request.may_follow()
            && let Some(location) = header("location")
        {
            let asked = call.asked.as_ref().map_or("/", PathAndQuery::as_str);
            return match redirect::follow(location, asked, &self.envelope) {
                Leads::Within(path) if call.redirects < self.redirects_max => Judged::Follow(path),
                _ => Judged::Is(Outcome::Failed(Failure::Redirect)),
            };
        }
        Judged::Is(
            match (expect.judge(status, &header, &answer.body), status) {
                (true, _) => Outcome::Ok { status },
                (false, 429) => Outcome::Limited,
                (false, _) => Outcome::Unexpected { status },
            },
        )
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
}

async fn read_all(
    response: ResponseFuture,
    expect: &Expect,
    with_trailers: bool,
) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    let kept_max = if expect.needs_body() {
        BODY_KEPT_BYTES_MAX
    } else {
        0
    };
    while let Some(piece) = next_piece(&mut stream).await? {
        let room = kept_max.saturating_sub(body.len()).min(piece.len());
        body.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
    let trailers = if with_trailers {
        stream.trailers().await?
    } else {
        None
    };
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
        trailers: trailers.unwrap_or_default(),
    })
}

/// The next piece of a body; the peer may send as much again at once.
async fn next_piece(stream: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let Some(piece) = stream.data().await.transpose()? else {
        return Ok(None);
    };
    stream.flow_control().release_capacity(piece.len())?;
    Ok(Some(piece))
}
