//! What this crate logs and counts, in one place. Label sets are bounded.

use std::fmt::Display;

/// A request was turned away at the gate; `why` is one of a handful of fixed words.
pub(crate) fn refused(why: &'static str) {
    metrics::counter!("rampart_http_refused_total", "why" => why).increment(1);
    tracing::debug!(why, "request refused");
}

/// A body was not taken; `why` is one of a handful of fixed words.
pub(crate) fn body_refused(why: &'static str) {
    metrics::counter!("rampart_http_bodies_refused_total", "why" => why).increment(1);
    tracing::debug!(why, "body refused");
}

/// Something failed that the client is not told about.
pub(crate) fn internal_error(cause: &dyn Display) {
    metrics::counter!("rampart_http_internal_errors_total").increment(1);
    tracing::error!(%cause, "request failed");
}

/// A handler panicked; the panic hook has printed where.
pub(crate) fn handler_panicked(path: &str, request_id: &str) {
    metrics::counter!("rampart_http_panics_total").increment(1);
    tracing::error!(path, request_id, "handler panicked");
}

/// A request was answered.
pub(crate) fn answered(status: u16) {
    let class = match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    metrics::counter!("rampart_http_requests_total", "status" => class).increment(1);
}
