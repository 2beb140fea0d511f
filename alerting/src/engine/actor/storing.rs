//! What the steps decided becomes durable, and only then leaves. One write is on its way at a time; the steps go
//! on meanwhile, and everything they decide goes with the next.

use std::pin::Pin;
use std::time::Duration;

use state::{StateError, Statement};

use super::{Actor, Reply, Role};
use crate::engine::own;
use crate::pipeline::{Dispatch, Event, Write};
use crate::{events, tables};

/// The longest wait for the disk before messages leave without it.
const STORE_DEADLINE: Duration = Duration::from_secs(5);
/// Writes kept for another try while the disk fails.
const UNSAVED_WRITES_MAX: usize = if cfg!(test) { 200 } else { 200_000 };

/// Why something is not stored.
pub(super) enum Unstored {
    /// The database failed.
    Failed(String),
    /// Another node leads: whatever this one decided counts for nothing.
    Beaten,
}

/// What the steps decided and the disk does not have yet.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) writes: Vec<Write>,
    /// Messages that leave once the writes are on disk.
    pub(super) sends: Vec<Dispatch>,
    /// Answers that promise what the writes hold.
    pub(super) replies: Vec<Reply>,
    /// Orders of the inbox, gone from there with what follows from them.
    pub(super) done: Vec<i64>,
}

/// A write to disk on its way.
pub(super) struct Storing {
    written: Pin<Box<dyn Future<Output = Result<(), Unstored>> + Send>>,
    /// What waits for it; its writes are among the unsaved until it is done.
    decided: Decided,
    /// The last write failed.
    failed_before: bool,
}

/// What became of the write that is on its way.
pub(super) async fn stored(storing: &mut Option<Storing>) -> Result<(), Unstored> {
    match storing {
        Some(storing) => storing.written.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Actor {
    /// Begins to make durable what was decided, unless a write is on its way: then it follows after that one.
    pub(super) fn store_next(&mut self) {
        if self.storing.is_some() {
            return;
        }
        let now = self.steady.last();
        self.expire(now);
        let mut decided = std::mem::take(&mut self.decided);
        let failed_before = !self.unsaved.is_empty();
        while self.unsaved.is_empty() && decided.writes.is_empty() && decided.done.is_empty() {
            self.let_go(decided, &Ok(()));
            decided = std::mem::take(&mut self.decided);
            if decided.writes.is_empty() {
                return;
            }
        }
        self.unsaved.extend(std::mem::take(&mut decided.writes));
        let statements = self.statements(&decided.done);
        let state = self.state.clone();
        let written = async move {
            let statements = statements.map_err(|cause| Unstored::Failed(cause.to_string()))?;
            match tokio::time::timeout(STORE_DEADLINE, state.write(statements)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(StateError::Unmet { .. })) => Err(Unstored::Beaten),
                Ok(Err(cause)) => Err(Unstored::Failed(cause.to_string())),
                Err(_) => Err(Unstored::Failed("the disk takes too long".to_owned())),
            }
        };
        self.storing = Some(Storing {
            written: Box::pin(written),
            decided,
            failed_before,
        });
    }

    /// Waits until the disk was handed everything that is decided by now.
    pub(super) async fn write_out(&mut self) {
        // What is on its way, then what was decided meanwhile.
        for _ in 0..2 {
            self.store_next();
            if self.storing.is_none() {
                return;
            }
            let stored = stored(&mut self.storing).await;
            let failed = stored.is_err();
            self.settle(stored);
            if failed {
                return;
            }
        }
    }

    /// Waits for the write that is on its way while somebody else is known to decide from now on: what it does not
    /// hold is left to them.
    pub(super) async fn end_writing(&mut self) {
        if self.storing.is_none() {
            return;
        }
        match stored(&mut self.storing).await {
            Ok(()) => drop(self.settle(Ok(()))),
            Err(_) => {
                if let Some(storing) = self.storing.take() {
                    self.refuse(storing.decided.replies);
                }
            }
        }
    }

    /// Whether the disk does not have an incident as it is now.
    pub(super) fn is_unwritten(&self, incident: &str) -> bool {
        let about = |write: &Write| match write {
            Write::Incident { incident: own, .. } => own.id == incident,
            Write::Alert { incident: own, .. } | Write::Entry { incident: own, .. } => {
                own == incident
            }
            _ => false,
        };
        self.unsaved.iter().any(about) || self.decided.writes.iter().any(about)
    }

    /// Takes in what became of a write. Whether another one is worth a try at once.
    pub(super) fn settle(&mut self, stored: Result<(), Unstored>) -> bool {
        let Some(mut storing) = self.storing.take() else {
            return true;
        };
        let stored = match stored {
            Ok(()) => {
                self.unsaved.clear();
                self.away_since = None;
                self.disk_is_behind = false;
                if storing.failed_before {
                    events::storage_recovered();
                }
                Ok(())
            }
            Err(Unstored::Failed(cause)) => {
                let done = std::mem::take(&mut storing.decided.done);
                self.decided.done.splice(0..0, done);
                self.keep_unsaved(&cause);
                Err(cause)
            }
            Err(Unstored::Beaten) => {
                self.refuse(storing.decided.replies);
                self.stand_back();
                return true;
            }
        };
        self.let_go(storing.decided, &stored);
        // A disk that fails is tried again when something happened meanwhile, or later.
        stored.is_ok() || !self.decided.writes.is_empty() || !self.decided.replies.is_empty()
    }

    /// Lets messages leave and answers what waits for the disk. A disk that fails does not keep messages
    /// back: waking a person twice is better than not at all. A database that other nodes use as well keeps
    /// them back for a while, since one of those may take over.
    fn let_go(&mut self, waiting: Decided, stored: &Result<(), String>) {
        let mut sends = waiting.sends;
        let patient = stored.is_err() && self.is_patient(sends.len() + self.decided.sends.len());
        if !patient {
            self.tell_of_storage(stored);
        }
        for reply in waiting.replies {
            reply(&self.memory, stored.clone());
        }
        if stored.is_err() {
            // What was decided meanwhile waits for no other try.
            sends.append(&mut self.decided.sends);
        }
        if patient {
            self.decided.sends = sends;
            return;
        }
        for dispatch in sends {
            self.send(dispatch, stored.is_err());
        }
        events::incidents_open(self.memory.open_incidents());
    }

    /// Answers those to whom this node can promise nothing any more.
    pub(super) fn refuse(&self, replies: Vec<Reply>) {
        for reply in replies {
            reply(&self.memory, Err("another node leads by now".to_owned()));
        }
    }

    /// Whether messages wait for a shared database that does not answer: a moment's absence is no
    /// reason to say things without a claim that others see.
    fn is_patient(&mut self, waiting: usize) -> bool {
        let Some(cluster) = &self.cluster else {
            return false;
        };
        let now = cluster.elapsed();
        if self.away_since.is_none() {
            events::messages_held_back(waiting);
        }
        let since = *self.away_since.get_or_insert(now);
        now.saturating_sub(since) < cluster.timing.hold_back()
    }

    /// Keeps what the disk did not take for another try, as far as there is room.
    fn keep_unsaved(&mut self, cause: &str) {
        events::storage_failed(self.unsaved.len(), &cause);
        let beyond = self.unsaved.len().saturating_sub(UNSAVED_WRITES_MAX);
        if beyond > 0 {
            self.unsaved.drain(..beyond);
            self.disk_is_behind = true;
            events::unsaved_dropped(beyond);
        }
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
    fn statements(&self, done: &[i64]) -> Result<Vec<Statement>, serde_json::Error> {
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
        if !done.is_empty() {
            statements.push(tables::inbox::remove(done.to_vec()));
        }
        Ok(statements)
    }
}
