//! What would have fired: episodes, gathered from what the engine tells.

use std::collections::HashMap;

use model::{Alert, AlertStatus, Labels, Timestamp};
use serde::Serialize;

use crate::engine::Change;

/// One episode of one label set.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Fired {
    /// The rule.
    pub alert: String,
    /// What tells it apart.
    pub labels: Labels,
    /// How loud.
    pub severity: String,
    /// When it would have fired.
    pub since: Timestamp,
    /// When it would have resolved; null when it still fired at the end.
    pub until: Option<Timestamp>,
    /// How long it would have fired within the stretch.
    pub seconds: u64,
    /// What it would have said.
    pub summary: String,
    /// Where the failures gathered by then, if anywhere.
    pub suspects: Option<String>,
}

/// Episodes in the order in which they began.
#[derive(Default)]
pub(super) struct Episodes {
    pub(super) all: Vec<Fired>,
    /// Those that were not kept.
    pub(super) left_out: usize,
    /// Those that still fire, by alert.
    open: HashMap<u64, usize>,
}

impl Episodes {
    /// The most that are kept.
    const KEPT_MAX: usize = 10_000;

    pub(super) fn take(&mut self, change: &Change) {
        let Some(alert) = &change.tell else { return };
        let identity = alert.fingerprint();
        match alert.status {
            AlertStatus::Firing if self.all.len() >= Self::KEPT_MAX => self.left_out += 1,
            AlertStatus::Firing => {
                self.open.insert(identity, self.all.len());
                self.all.push(begun(alert, change));
            }
            AlertStatus::Resolved => {
                let open = self.open.remove(&identity);
                if let Some(fired) = open.and_then(|at| self.all.get_mut(at)) {
                    fired.until = alert.ends_at;
                }
            }
        }
    }

    /// Those that fired at some time in a stretch, with how long they did.
    pub(super) fn within(self, from: Timestamp, to: Timestamp) -> Vec<Fired> {
        let met = self.all.into_iter().filter_map(|mut fired| {
            let end = fired.until.unwrap_or(to);
            if end <= from {
                return None;
            }
            fired.seconds = end.min(to).since(fired.since.max(from)).as_secs();
            Some(fired)
        });
        met.collect()
    }
}

fn begun(alert: &Alert, change: &Change) -> Fired {
    let said = |name: &str| alert.annotations.get(name).cloned();
    Fired {
        alert: change.rule.clone(),
        labels: change.labels.clone(),
        severity: alert.severity().as_str().to_owned(),
        since: alert.starts_at,
        until: None,
        seconds: 0,
        summary: said("summary").unwrap_or_default(),
        suspects: said(crate::suspects::ANNOTATION),
    }
}
