//! What this generator itself can do: measured against the built-in null server before a search.

use std::time::Duration;

use super::ready::Ready;
use super::{RunError, threads};
use crate::engine::{RunClock, Stop};
use crate::plan::{Load, LoadModel, Protocol};
use crate::request::{Request, RequestSet};
use crate::tally::Tally;

/// How long it is measured.
pub(crate) const MEASURED: Duration = Duration::from_secs(2);
/// Callers against the null server.
const CALLERS: u32 = 32;
/// HTTP/2 costs more for each request than HTTP/1.1, against which the null server measures; the rate is
/// taken as this share of it.
const HTTP2_SHARE: f64 = 0.3;

/// Calls per second that this generator reaches on this machine, with the null server beside it.
pub(crate) fn measure(
    ready: &Ready,
    load: &Load,
    clock: &RunClock,
    stop: &std::sync::Arc<Stop>,
) -> Result<f64, RunError> {
    let null = crate::serve::null::spawn(1)?;
    let Some(mut requests) = RequestSet::new(vec![Request::get("/")]) else {
        return Ok(0.0);
    };
    requests.prepare(&ready.envelope);
    let bare = Ready {
        address: null.address(),
        protocol: Protocol::Http1,
        tls: None,
        requests,
        redirects_max: 0,
        ..ready.clone()
    };
    let hard = Load {
        model: LoadModel::Closed {
            connections: CALLERS,
        },
        warm_up: Duration::ZERO,
        duration: MEASURED,
        threads: load.threads,
        ..load.clone()
    };
    let mut total = Tally::default();
    threads::send(&bare, &hard, clock, stop, |_, tally| {
        total.add_after(&tally);
    })?;
    drop(null);
    let per_second = total.counts.ok as f64 / MEASURED.as_secs_f64();
    Ok(match ready.protocol {
        Protocol::Http1 => per_second,
        Protocol::Http2 | Protocol::Grpc => per_second * HTTP2_SHARE,
    })
}
