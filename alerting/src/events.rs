//! What this crate logs and counts, in one place.

use std::fmt::Display;

use crate::pipeline::Count;

pub(crate) fn counted(count: Count) {
    match count {
        Count::Accepted { channel, latency } => {
            metrics::counter!("rampart_notifications_sent_total", "channel" => channel)
                .increment(1);
            if let Some(latency) = latency {
                metrics::histogram!("rampart_page_latency_seconds", "channel" => channel)
                    .record(latency.as_secs_f64());
            }
        }
        Count::Refused { channel } => {
            metrics::counter!("rampart_notifications_failed_total", "channel" => channel)
                .increment(1);
        }
        Count::Unknown { channel } => {
            metrics::counter!("rampart_notifications_unknown_total", "channel" => channel)
                .increment(1);
        }
        Count::Undeliverable { channel } => {
            tracing::error!(channel, "a notification was given up");
            metrics::counter!("rampart_notifications_undeliverable_total", "channel" => channel)
                .increment(1);
        }
        Count::Dropped { channel } => {
            metrics::counter!("rampart_notifications_dropped_total", "channel" => channel)
                .increment(1);
        }
        Count::FalseAlarm => metrics::counter!("rampart_false_alarms_total").increment(1),
    }
}

/// Alerts came from outside, repetitions included.
pub(crate) fn alerts_posted(count: usize) {
    metrics::counter!("rampart_alerts_posted_total").increment(count as u64);
}

pub(crate) fn incidents_open(count: usize) {
    metrics::gauge!("rampart_incidents_open").set(count as f64);
}

pub(crate) fn storage_failed(unsaved: usize, cause: &dyn Display) {
    metrics::counter!("rampart_alerting_storage_failures_total").increment(1);
    tracing::error!(unsaved, %cause, "alerting state was not written; notifications still leave");
}

pub(crate) fn storage_recovered() {
    tracing::info!("alerting state is written again");
}

pub(crate) fn unsaved_dropped(count: usize) {
    tracing::error!(
        count,
        "too much unwritten alerting state; the oldest is forgotten"
    );
}

pub(crate) fn document_unreadable(table: &'static str, cause: &dyn Display) {
    metrics::counter!("rampart_alerting_rows_unreadable_total", "table" => table).increment(1);
    tracing::error!(table, %cause, "a stored row cannot be read; it is left out");
}

pub(crate) fn clock_set(by_seconds: i64) {
    tracing::warn!(
        by_seconds,
        "the wall clock was set; escalation timers keep their pace"
    );
}

pub(crate) fn started(incidents: usize, interrupted: usize) {
    tracing::info!(incidents, interrupted, "alerting goes on");
}

pub(crate) fn leads(epoch: u64) {
    metrics::gauge!("rampart_alerting_leading").set(1.0);
    tracing::info!(epoch, "this node leads now: it pages people");
}

pub(crate) fn follows(leader: &str) {
    metrics::gauge!("rampart_alerting_leading").set(0.0);
    tracing::info!(
        leader,
        "another node leads: what arrives here is written down for it"
    );
}

pub(crate) fn lost_the_lead(epoch: u64, unsaved: usize) {
    metrics::counter!("rampart_alerting_leads_lost_total").increment(1);
    tracing::warn!(
        epoch,
        unsaved,
        "another node leads since a newer epoch; nothing more is written or sent in this one"
    );
}

pub(crate) fn orders_taken(count: usize) {
    metrics::counter!("rampart_alerting_inbox_taken_total").increment(count as u64);
}

pub(crate) fn not_read(cause: &dyn Display) {
    tracing::warn!(%cause, "what other nodes stored was not read; tried again");
}

pub(crate) fn messages_held_back(count: usize) {
    tracing::warn!(
        count,
        "the database does not answer; messages wait for it, but not for long"
    );
}

pub(crate) fn send_panicked(channel: &'static str) {
    tracing::error!(channel, "a channel failed unexpectedly");
}

pub(crate) fn expire_failed(cause: &dyn Display) {
    tracing::warn!(%cause, "old incidents were not deleted; tried again in an hour");
}

pub(crate) fn heartbeat_failed(failed_before: bool, cause: &dyn Display) {
    metrics::counter!("rampart_heartbeat_failures_total").increment(1);
    if !failed_before {
        tracing::warn!(%cause, "the heartbeat was not taken; tried again at its next time");
    }
}

pub(crate) fn heartbeat_left_out() {
    tracing::error!("alerting does not answer; the heartbeat is left out");
}

pub(crate) fn template_failed(field: &str, cause: &dyn Display) {
    metrics::counter!("rampart_alerting_template_failures_total").increment(1);
    tracing::warn!(field, %cause, "a template failed; the message went out in Rampart's own words");
}
