//! What speaks Alertmanager's API: alerts from outside, silences, what fires.

use model::{Alert, Timestamp};
use rand::RngCore;
use tokio::sync::oneshot;

use super::AlertingError;
use super::actor::{Actor, Command, Reply};
use super::handle::{ALERTS_PER_STEP_MAX, Handle};
use crate::events;
use crate::pipeline::{ActiveAlert, ActiveGroup, Draft, Event, Memory, Silence, SilenceError};

/// What the task is asked.
#[derive(Debug)]
pub(super) enum OutsideCommand {
    Post {
        alerts: Vec<Alert>,
        reply: oneshot::Sender<Result<(), AlertingError>>,
    },
    SetSilence {
        draft: Box<Draft>,
        new_id: String,
        reply: oneshot::Sender<Result<String, AlertingError>>,
    },
    ExpireSilence {
        id: String,
        reply: oneshot::Sender<Result<(), AlertingError>>,
    },
    Silences(oneshot::Sender<Vec<Silence>>),
    Active(oneshot::Sender<(Vec<ActiveAlert>, Vec<ActiveGroup>)>),
}

/// The most alerts from outside that fire at once.
pub(super) const POSTED_ALERTS_MAX: usize = 200_000;

impl Actor {
    pub(super) fn obey_outside(
        &mut self,
        command: OutsideCommand,
        now: Timestamp,
    ) -> Option<Reply> {
        match command {
            OutsideCommand::Post { alerts, reply } => {
                let refusal = if self.is_stopping() {
                    Some(AlertingError::Stopping)
                } else if self.memory().posted_alerts() + alerts.len() > POSTED_ALERTS_MAX {
                    Some(AlertingError::TooManyAlerts)
                } else {
                    None
                };
                if let Some(refusal) = refusal {
                    reply.send(Err(refusal)).ok();
                    return None;
                }
                events::alerts_posted(alerts.len());
                self.step(Event::Posted(alerts), now);
                Some(when_stored(reply, ()))
            }
            OutsideCommand::SetSilence {
                draft,
                new_id,
                reply,
            } => {
                let changed = self.memory().set_silence(*draft, new_id, now);
                self.change_silences(changed, reply, |silence| silence.id.clone(), now)
            }
            OutsideCommand::ExpireSilence { id, reply } => {
                let expired = self.memory().expire_silence(&id, now);
                self.change_silences(expired.map(|silence| vec![silence]), reply, |_| (), now)
            }
            OutsideCommand::Silences(reply) => {
                reply.send(self.memory().silences().cloned().collect()).ok();
                None
            }
            OutsideCommand::Active(reply) => {
                reply.send(self.memory().active(now)).ok();
                None
            }
        }
    }

    fn change_silences<T: Send + 'static>(
        &mut self,
        changed: Result<Vec<Silence>, SilenceError>,
        reply: oneshot::Sender<Result<T, AlertingError>>,
        answer: impl Fn(&Silence) -> T,
        now: Timestamp,
    ) -> Option<Reply> {
        let changed = match changed {
            Ok(changed) => changed,
            Err(refusal) => {
                reply.send(Err(refusal.into())).ok();
                return None;
            }
        };
        let answer = changed.last().map(answer)?;
        self.step(Event::Silences(changed), now);
        Some(when_stored(reply, answer))
    }
}

/// Answers once the disk has what the answer promises.
fn when_stored<T: Send + 'static>(
    reply: oneshot::Sender<Result<T, AlertingError>>,
    answer: T,
) -> Reply {
    Box::new(move |_: &Memory, stored: Result<(), String>| {
        let answer = stored.map(|()| answer).map_err(AlertingError::NotDurable);
        reply.send(answer).ok();
    })
}

impl Handle {
    /// Takes alerts from outside in, each of which holds until its end unless it is posted again;
    /// returns once what is new of them is on disk.
    pub async fn post(&self, alerts: Vec<Alert>) -> Result<(), AlertingError> {
        for chunk in alerts.chunks(ALERTS_PER_STEP_MAX) {
            let alerts = self.as_written(chunk);
            let post = |reply| Command::Outside(OutsideCommand::Post { alerts, reply });
            self.ask(post).await??;
        }
        Ok(())
    }

    /// Makes or changes a silence; gives its id, which is another one when it could not be changed in
    /// place.
    pub async fn set_silence(&self, draft: Draft) -> Result<String, AlertingError> {
        let new_id = uuid();
        self.ask(|reply| {
            Command::Outside(OutsideCommand::SetSilence {
                draft: Box::new(draft),
                new_id,
                reply,
            })
        })
        .await?
    }

    /// Ends a silence now.
    pub async fn expire_silence(&self, id: &str) -> Result<(), AlertingError> {
        let id = id.to_owned();
        self.ask(|reply| Command::Outside(OutsideCommand::ExpireSilence { id, reply }))
            .await?
    }

    /// Every silence kept, those that are over included.
    pub async fn silences(&self) -> Result<Vec<Silence>, AlertingError> {
        self.ask(|reply| Command::Outside(OutsideCommand::Silences(reply)))
            .await
    }

    /// Everything that fires with what mutes it, and its groups.
    pub async fn active(&self) -> Result<(Vec<ActiveAlert>, Vec<ActiveGroup>), AlertingError> {
        self.ask(|reply| Command::Outside(OutsideCommand::Active(reply)))
            .await
    }
}

/// A random UUID, version 4.
fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76) | (4 << 76);
    let number = number & !(0b11 << 62) | (0b10 << 62);
    let hex = format!("{number:032x}");
    let (one, rest) = hex.split_at(8);
    let (two, rest) = rest.split_at(4);
    let (three, rest) = rest.split_at(4);
    let (four, five) = rest.split_at(4);
    format!("{one}-{two}-{three}-{four}-{five}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_random_uuids() {
        let id = super::uuid();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(id.as_bytes()[14], b'4', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(id, super::uuid());
    }
}
