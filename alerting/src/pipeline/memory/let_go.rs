//! How far incidents had come that were let go lately: what is read from the disk meanwhile may be older.

use std::collections::{HashMap, VecDeque};

use crate::pipeline::incident::Incident;

/// Incidents that are known; reading one takes less time than letting so many go.
const INCIDENTS_MAX: usize = 1_000;

/// The number of the line that comes next, by incident.
#[derive(Debug, Default)]
pub(super) struct LetGo {
    next_entries: HashMap<String, u64>,
    order: VecDeque<String>,
}

impl LetGo {
    pub(super) fn remember(&mut self, incident: Incident) {
        let known = self
            .next_entries
            .insert(incident.id.clone(), incident.next_entry);
        if known.is_some() {
            return;
        }
        self.order.push_back(incident.id);
        if self.order.len() > INCIDENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.next_entries.remove(&oldest);
        }
    }

    /// Whether the incident had come further when it was let go.
    pub(super) fn is_newer(&self, incident: &Incident) -> bool {
        let known = self.next_entries.get(&incident.id);
        known.is_some_and(|next| *next > incident.next_entry)
    }
}
