//! Alerts about Rampart itself: they take the same way to people as all others.

use std::collections::BTreeMap;

use alerting::Handle;
use model::{Alert, AlertStatus, Labels, SharedClock, Timestamp};

/// One thing that can be wrong with Rampart. It remembers since when; after a restart it takes that
/// up from what alerting still has firing.
pub struct OwnAlert {
    name: &'static str,
    severity: &'static str,
    alerting: Handle,
    clock: SharedClock,
    since: Option<Timestamp>,
}

impl OwnAlert {
    /// Takes up the alert where an earlier run left it.
    pub async fn take_up(
        name: &'static str,
        severity: &'static str,
        alerting: Handle,
        clock: SharedClock,
    ) -> Self {
        let firing = alerting.firing().await.unwrap_or_default();
        let since = firing
            .iter()
            .find(|(_, alert)| alert.name() == name)
            .map(|(_, alert)| alert.starts_at);
        OwnAlert {
            name,
            severity,
            alerting,
            clock,
            since,
        }
    }

    /// Tells that it holds; saying so again changes nothing but the description.
    pub async fn raise(&mut self, summary: &str, description: &str) {
        let since = *self.since.get_or_insert(self.clock.now());
        self.tell(AlertStatus::Firing, since, None, summary, description)
            .await;
    }

    /// Tells that it is over, if it was told.
    pub async fn clear(&mut self, summary: &str) {
        if let Some(since) = self.since.take() {
            self.tell(
                AlertStatus::Resolved,
                since,
                Some(self.clock.now()),
                summary,
                "",
            )
            .await;
        }
    }

    /// Whether it was told and is not over.
    pub fn holds(&self) -> bool {
        self.since.is_some()
    }

    async fn tell(
        &self,
        status: AlertStatus,
        starts_at: Timestamp,
        ends_at: Option<Timestamp>,
        summary: &str,
        description: &str,
    ) {
        let mut annotations = BTreeMap::from([("summary".to_owned(), summary.to_owned())]);
        if !description.is_empty() {
            annotations.insert(
                "description".to_owned(),
                description.chars().take(2_000).collect(),
            );
        }
        let labels =
            Labels::from_pairs([(Alert::NAME_LABEL, self.name), ("severity", self.severity)]);
        let alert = Alert {
            status,
            labels,
            annotations,
            starts_at,
            ends_at,
            generator_url: String::new(),
        };
        if let Err(error) = self.alerting.receive(vec![alert]).await {
            tracing::error!(%error, alert = self.name, "an alert about Rampart itself could not be handed to alerting");
        }
    }
}
