//! What the steps decided becomes durable, and only then leaves.

use std::time::Duration;

use state::{StateError, Statement};

use super::{Actor, Reply, Role};
use crate::engine::own;
use crate::pipeline::Event;
use crate::{events, tables};

/// The longest wait for the disk before messages leave without it.
const STORE_DEADLINE: Duration = Duration::from_secs(5);
/// Writes kept for another try while the disk fails.
const UNSAVED_WRITES_MAX: usize = if cfg!(test) { 200 } else { 200_000 };

/// Why something is not stored.
enum Unstored {
    /// The database failed.
    Failed(String),
    /// Another node leads: whatever this one decided counts for nothing.
    Beaten,
}

impl Actor {
    /// Makes everything durable, then lets messages leave and answers. A disk that fails does not
    /// keep messages back: waking a person twice is better than not at all. A database that other
    /// nodes use as well keeps them back for a while, since one of those may take over.
    pub(super) async fn flush(&mut self, replies: Vec<Reply>) {
        let now = self.steady.last();
        self.expire(now);
        let stored = match self.store().await {
            Ok(()) => Ok(()),
            Err(Unstored::Failed(cause)) => Err(cause),
            Err(Unstored::Beaten) => {
                let beaten = "another node leads by now".to_owned();
                self.stand_back();
                for reply in replies {
                    reply(&self.memory, Err(beaten.clone()));
                }
                return;
            }
        };
        let patient = stored.is_err() && self.is_patient();
        if !patient {
            self.tell_of_storage(&stored);
        }
        for reply in replies {
            reply(&self.memory, stored.clone());
        }
        if patient {
            return;
        }
        for dispatch in std::mem::take(&mut self.sends) {
            self.send(dispatch, stored.is_err());
        }
        events::incidents_open(self.memory.open_incidents());
    }

    /// Whether messages wait for a shared database that does not answer: a moment's absence is no
    /// reason to say things without a claim that others see.
    fn is_patient(&mut self) -> bool {
        let Some(cluster) = &self.cluster else {
            return false;
        };
        let now = cluster.elapsed();
        if self.away_since.is_none() {
            events::messages_held_back(self.sends.len());
        }
        let since = *self.away_since.get_or_insert(now);
        now.saturating_sub(since) < cluster.timing.hold_back()
    }

    async fn store(&mut self) -> Result<(), Unstored> {
        let failed_before = !self.unsaved.is_empty();
        self.unsaved.extend(std::mem::take(&mut self.writes));
        if self.unsaved.is_empty() && self.done.is_empty() {
            return Ok(());
        }
        let stored = match self.statements() {
            Ok(statements) => {
                match tokio::time::timeout(STORE_DEADLINE, self.state.write(statements)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(StateError::Unmet { .. })) => return Err(Unstored::Beaten),
                    Ok(Err(cause)) => Err(cause.to_string()),
                    Err(_) => Err("the disk takes too long".to_owned()),
                }
            }
            Err(cause) => Err(cause.to_string()),
        };
        match &stored {
            Ok(()) => {
                self.unsaved.clear();
                self.done.clear();
                self.away_since = None;
                self.disk_is_behind = false;
                if failed_before {
                    events::storage_recovered();
                }
            }
            Err(cause) => {
                events::storage_failed(self.unsaved.len(), cause);
                let beyond = self.unsaved.len().saturating_sub(UNSAVED_WRITES_MAX);
                if beyond > 0 {
                    self.unsaved.drain(..beyond);
                    self.disk_is_behind = true;
                    events::unsaved_dropped(beyond);
                }
            }
        }
        stored.map_err(Unstored::Failed)
    }

    /// A database that fails is an incident that needs none: memory knows whom to call.
    fn tell_of_storage(&mut self, stored: &Result<(), String>) {
        let since = match (stored, self.storage_failed_since) {
            (Err(_), None) => self.steady.last(),
            (Ok(()), Some(since)) => since,
            _ => return,
        };
        self.storage_failed_since = stored.is_err().then_some(since);
        let now = self.steady.last();
        let alert = own::storage_alert(since, now, stored.as_ref().err());
        self.step(Event::Alerts(vec![alert]), now);
    }

    /// What makes the disk agree with memory: nothing of it counts once a newer epoch exists.
    fn statements(&self) -> Result<Vec<Statement>, serde_json::Error> {
        let mut statements = Vec::new();
        if let (Role::Leading { epoch }, Some(cluster)) = (self.role, &self.cluster) {
            statements.push(tables::lease::fence(&cluster.me, epoch));
        }
        if self.disk_is_behind {
            let all = self.memory.everything();
            statements.extend(tables::statements(self.unsaved.iter().chain(&all))?);
            statements.extend(tables::settle_forgotten(&all, self.steady.last()));
        } else {
            statements.extend(tables::statements(&self.unsaved)?);
        }
        if !self.done.is_empty() {
            statements.push(tables::inbox::remove(self.done.clone()));
        }
        Ok(statements)
    }
}
