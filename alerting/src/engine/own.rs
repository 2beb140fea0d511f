//! Alerts that alerting raises about its own database.

use std::collections::BTreeMap;

use model::{Alert, AlertStatus, Labels, Timestamp};

use crate::pipeline::Memory;

/// The name of the alert about a database that takes nothing.
const STORAGE_FAILED: &str = "AlertingStorageFailed";
const CAUSE_CHARS_MAX: usize = 300;

/// Since when what was stored says that the database fails; it does not any more, or it could not be
/// read.
pub(super) fn storage_failed_since(memory: &Memory) -> Option<Timestamp> {
    let held = memory
        .incidents()
        .flat_map(|incident| incident.alerts.values());
    held.filter(|held| held.is_firing() && held.alert.name() == STORAGE_FAILED)
        .map(|held| held.alert.starts_at)
        .next()
}

/// The database fails, with the cause, or works again.
pub(super) fn storage_alert(since: Timestamp, now: Timestamp, cause: Option<&String>) -> Alert {
    let summary = match cause {
        Some(cause) => format!(
            "alerting cannot write its database; it pages from memory: {}",
            cause.chars().take(CAUSE_CHARS_MAX).collect::<String>()
        ),
        None => "alerting writes its database again".to_owned(),
    };
    Alert {
        status: match cause {
            Some(_) => AlertStatus::Firing,
            None => AlertStatus::Resolved,
        },
        labels: Labels::from_pairs([
            (Alert::NAME_LABEL, STORAGE_FAILED),
            ("severity", "critical"),
        ]),
        annotations: BTreeMap::from([("summary".to_owned(), summary)]),
        starts_at: since,
        ends_at: cause.is_none().then_some(now),
        generator_url: String::new(),
    }
}
