//! What this crate logs and counts, in one place. Label sets are bounded; targets are only logged.

use crate::OutboundError;

pub(crate) fn answered(target: &str, status: u16) {
    let outcome = match status / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    };
    metrics::counter!("rampart_outbound_requests_total", "outcome" => outcome).increment(1);
    tracing::debug!(target_host = target, status, "answered");
}

pub(crate) fn failed(error: &OutboundError) {
    metrics::counter!("rampart_outbound_requests_total", "outcome" => error.kind()).increment(1);
    if matches!(error, OutboundError::Refused { .. }) {
        tracing::warn!(%error, "request refused");
    } else {
        tracing::debug!(%error, "request failed");
    }
}
