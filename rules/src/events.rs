//! What rules tell about themselves: each event is a log line and a metric together.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tracing::{debug, error, info, warn};

use crate::windows::EvaluationError;

/// A tick over all due rules has ended.
pub(crate) fn ticked(
    took: Duration,
    evaluated: u64,
    unknown: u64,
    firing: usize,
    beyond_limit: usize,
) {
    gauge!("rampart_rule_label_sets_beyond_limit").set(beyond_limit as f64);
    histogram!("rampart_rule_tick_seconds").record(took.as_secs_f64());
    counter!("rampart_rule_evaluations_total").increment(evaluated);
    counter!("rampart_rule_unknowns_total").increment(unknown);
    gauge!("rampart_alerts_firing").set(firing as f64);
}

/// Functions whose failures were just committed have been looked at.
pub(crate) fn looked(functions: usize) {
    counter!("rampart_rule_looks_total").increment(functions as u64);
}

/// Alerts went out without suspects, because finding them took too long or broke off.
pub(crate) fn suspects_late(alerts: usize) {
    counter!("rampart_rule_suspects_late_total").increment(alerts as u64);
    warn!(
        alerts,
        "alerts went out without saying where failures gather"
    );
}

/// Ticks were due while nobody could take them. They are not replayed.
pub(crate) fn ticks_missed(count: u64) {
    counter!("rampart_rule_ticks_missed_total").increment(count);
    debug!(count, "rule ticks were missed");
}

/// Time passed in which nobody watched, or the wall clock was set.
pub(crate) fn time_jumped(seconds: i64) {
    counter!("rampart_rule_time_jumps_total").increment(1);
    warn!(seconds, "time jumped; timers of rules go on from now");
}

/// A rule could not be evaluated; its phases stay as they are.
pub(crate) fn evaluation_failed(rule: &str, why: &EvaluationError) {
    counter!("rampart_rule_evaluation_failures_total").increment(1);
    if matches!(why, EvaluationError::Broken(_)) {
        error!(rule, %why, "rule could not be evaluated");
    } else {
        debug!(rule, %why, "rule could not be evaluated");
    }
}

/// Rows of the state database that cannot be read were left where they are and passed over.
pub(crate) fn rows_unreadable(table: &'static str, rows: usize, why: &str) {
    counter!("rampart_rule_unreadable_rows_total", "table" => table).increment(rows as u64);
    error!(
        table,
        rows, why, "stored rows cannot be read; they are left in place and passed over"
    );
}

/// A stored memory of a sequential test cannot be read; the label set is learned anew.
pub(crate) fn memory_unreadable(rule: &str, why: &str) {
    counter!("rampart_rule_unreadable_rows_total", "table" => "memories").increment(1);
    warn!(
        rule,
        why, "a stored memory cannot be read; it is learned anew"
    );
}

/// Commits came faster than they could be taken in; sequential tests did not see all of them.
pub(crate) fn arrivals_missed(groups: u64) {
    counter!("rampart_rule_arrivals_missed_total").increment(groups);
    warn!(groups, "committed groups were not seen by sequential tests");
}

/// More label sets are in breach than the rule may hold.
pub(crate) fn limit_exceeded(rule: &str, limit: usize, beyond: usize) {
    counter!("rampart_rule_limit_exceeded_total").increment(beyond as u64);
    warn!(
        rule,
        limit, beyond, "more label sets breach than the rule's limit"
    );
}

/// An annotation could not be rendered; the default text stands in.
pub(crate) fn template_failed(rule: &str, annotation: &str, why: &str) {
    counter!("rampart_rule_template_failures_total").increment(1);
    warn!(rule, annotation, why, "annotation could not be rendered");
}

/// An alert began or ended.
pub(crate) fn alert_changed(alert: &model::Alert) {
    let status = match alert.status {
        model::AlertStatus::Firing => "firing",
        model::AlertStatus::Resolved => "resolved",
    };
    counter!("rampart_rule_alerts_total", "status" => status).increment(1);
    let summary = alert.annotations.get("summary").map_or("", String::as_str);
    info!(alert = %alert.labels, status, summary, "alert");
}

/// Phases and alerts could not be written; they are kept and written later.
pub(crate) fn write_failed(waiting: usize, why: &str) {
    counter!("rampart_rule_write_failures_total").increment(1);
    error!(waiting, why, "phases of rules could not be written");
}

/// The sink did not take alerts over; they are offered again.
pub(crate) fn hand_over_failed(alerts: usize, why: &str) {
    counter!("rampart_rule_hand_over_failures_total").increment(1);
    warn!(alerts, why, "alerts were not taken over");
}

/// Alerts were taken over by the sink.
pub(crate) fn handed_over(alerts: usize) {
    counter!("rampart_rule_alerts_handed_over_total").increment(alerts as u64);
}

/// History of earlier days could not be read.
pub(crate) fn history_failed(why: &str) {
    counter!("rampart_rule_history_failures_total").increment(1);
    warn!(why, "history for rules could not be read");
}

/// A metric that counts pods could not be read; only instances seen to answer count until it is.
pub(crate) fn gauge_unread(metric: &str, why: &str) {
    counter!("rampart_rule_gauge_failures_total").increment(1);
    warn!(metric, why, "a metric that counts pods could not be read");
}

/// The mode changed.
pub(crate) fn mode_changed(mode: model::Mode, by: &str) {
    gauge!("rampart_mode_rush").set(f64::from(u8::from(mode == model::Mode::Rush)));
    info!(%mode, by, "mode");
}

/// A release was marked: who changed what.
pub(crate) fn release_marked(release: &crate::releases::Release) {
    counter!("rampart_releases_marked_total").increment(1);
    info!(
        function = %release.function,
        version = release.version,
        stage = release.stage.as_str(),
        by = release.by,
        "a release was marked"
    );
}

/// A task of the rules ended although it should not have.
pub(crate) fn tick_broken(why: &str) {
    counter!("rampart_rule_tick_failures_total").increment(1);
    error!(why, "a rule tick broke off");
}
