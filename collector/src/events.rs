//! What the collector tells about itself: each fact as a log line and a metric together.

use model::Timestamp;

use crate::formats::{Decoded, RefusalKind};

pub(crate) fn rows(source: &str, rows: u64, bytes: u64) {
    metrics::counter!("rampart_source_rows_total", "source" => source.to_owned()).increment(rows);
    metrics::counter!("rampart_source_bytes_total", "source" => source.to_owned()).increment(bytes);
}

/// Refused and changed lines of one chunk.
pub(crate) fn decoded(source: &str, decoded: &Decoded) {
    for (kind, lines) in decoded.rejected.iter() {
        rejected(source, kind, lines);
    }
    if decoded.skipped > 0 {
        metrics::counter!("rampart_source_skipped_total", "source" => source.to_owned())
            .increment(decoded.skipped);
    }
    if decoded.clamped > 0 {
        metrics::counter!("rampart_source_clamped_total", "source" => source.to_owned())
            .increment(decoded.clamped);
    }
    if let Some(first) = decoded.refusals.first() {
        tracing::debug!(
            source,
            rejected = decoded.rejected.total(),
            first = first.reason,
            "lines refused"
        );
    }
}

pub(crate) fn rejected(source: &str, kind: RefusalKind, lines: u64) {
    metrics::counter!(
        "rampart_source_rejected_total",
        "source" => source.to_owned(),
        "reason" => kind.as_str()
    )
    .increment(lines);
}

pub(crate) fn lag(source: &str, watermark: Option<Timestamp>, now: Timestamp) {
    if let Some(watermark) = watermark {
        metrics::gauge!("rampart_source_lag_seconds", "source" => source.to_owned())
            .set(now.since(watermark).as_secs_f64());
    }
}

pub(crate) fn source_started(source: &str, kind: &str) {
    tracing::info!(source, kind, "source started");
}

pub(crate) fn source_stopped(source: &str) {
    tracing::info!(source, "source stopped");
}

/// A source began to fail, or fails in another way than before.
pub(crate) fn source_failing(source: &str, error: &str) {
    metrics::counter!("rampart_source_failures_total", "source" => source.to_owned()).increment(1);
    tracing::warn!(source, error, "source is failing; it is tried again");
}

pub(crate) fn source_recovered(source: &str) {
    tracing::info!(source, "source works again");
}

pub(crate) fn turned_away(reason: &'static str) {
    metrics::counter!("rampart_ingest_turned_away_total", "reason" => reason).increment(1);
}

pub(crate) fn repeated(source: &str) {
    metrics::counter!("rampart_ingest_repeated_total", "source" => source.to_owned()).increment(1);
}

pub(crate) fn dead_letter_lost(source: &str, why: &str) {
    metrics::counter!("rampart_dead_letters_lost_total", "source" => source.to_owned())
        .increment(1);
    tracing::debug!(source, why, "a refused line could not be kept");
}

pub(crate) fn rotation_lost(source: &str, path: &str) {
    metrics::counter!("rampart_source_rotations_lost_total", "source" => source.to_owned())
        .increment(1);
    tracing::warn!(
        source,
        path,
        "a file was rotated away and removed before it was read to its end"
    );
}

pub(crate) fn truncated(source: &str, path: &str) {
    tracing::info!(
        source,
        path,
        "file was truncated; reading it from the start"
    );
}

pub(crate) fn series_stale(source: &str, series: u64) {
    metrics::counter!("rampart_scrape_series_stale_total", "source" => source.to_owned())
        .increment(series);
}
