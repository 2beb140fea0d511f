//! One attempt on its way: handed to its channel within a deadline, its outcome reported, and its
//! receipt asked for where the provider keeps some.

use std::sync::Arc;
use std::time::Duration;

use outbound::Outbound;
use tokio::sync::{Semaphore, mpsc};

use super::actor::Command;
use super::node::Permit;
use crate::chart::{Chart, Painter};
use crate::delivery::{Attempt, Retry};
use crate::events;
use crate::pipeline::Dispatch;

/// Longer than any channel's own deadline.
const SEND_DEADLINE: Duration = Duration::from_secs(90);
/// How long a message waits for its picture.
const PICTURE_DEADLINE: Duration = Duration::from_millis(300);
/// Messages whose receipts are asked for at the same time; those beyond go without.
pub(super) const RECEIPTS_ASKED_MAX: usize = 256;
/// How long after the provider's yes, and after each question, the next is asked.
const RECEIPT_PAUSES: [Duration; 4] = if cfg!(test) {
    [Duration::from_millis(20); 4]
} else {
    [
        Duration::from_secs(15),
        Duration::from_secs(30),
        Duration::from_mins(1),
        Duration::from_mins(3),
    ]
};

/// What an attempt needs of the actor.
pub(super) struct Sending {
    /// Which memory decided it.
    pub(super) memory: u64,
    pub(super) outbound: Outbound,
    pub(super) answers: mpsc::Sender<Command>,
    pub(super) asking: Arc<Semaphore>,
    pub(super) painter: Painter,
    /// What has to hold at the last moment; nothing where no other node could send the same.
    pub(super) permit: Option<Permit>,
}

impl Sending {
    /// Sends, reports, asks.
    pub(super) async fn run(self, mut dispatch: Dispatch) {
        if dispatch.endpoint.channel.carries_pictures() {
            dispatch.delivery.chart = self.picture(&dispatch).await;
        }
        let dispatch = Arc::new(dispatch);
        let attempt = dispatch.attempt;
        let outcome = self.attempt(&dispatch).await;
        let provider_id = match &outcome {
            Attempt::Accepted { provider_id, .. } => provider_id.clone(),
            _ => None,
        };
        let outcome = Command::Outcome {
            memory: self.memory,
            attempt,
            outcome,
        };
        self.answers.send(outcome).await.ok();
        if let Some(provider_id) = provider_id
            && dispatch.endpoint.channel.is_asked_for_receipts()
        {
            self.ask(&dispatch, provider_id).await;
        }
    }

    /// The picture of what went wrong, if it is there in time; the text does not wait for it.
    async fn picture(&self, dispatch: &Dispatch) -> Option<Chart> {
        let delivery = &dispatch.delivery;
        let function = delivery.incident.function.as_deref()?;
        let times = (delivery.incident.opened_at, delivery.now);
        let zone = dispatch.endpoint.channel.zone();
        self.painter
            .paint(function, times, zone, PICTURE_DEADLINE)
            .await
    }

    async fn attempt(&self, dispatch: &Arc<Dispatch>) -> Attempt {
        if self.permit.as_ref().is_some_and(|permit| !permit.holds()) {
            return Attempt::Refused {
                reason: "another node may lead by now; nothing was sent".to_owned(),
                retry: Retry::Backoff,
            };
        }
        let (sent, outbound) = (Arc::clone(dispatch), self.outbound.clone());
        // A task of its own, so that a channel that panics takes nothing with it.
        let sending = tokio::spawn(async move {
            let sent = sent.endpoint.channel.send(&sent.delivery, &outbound);
            tokio::time::timeout(SEND_DEADLINE, sent).await
        });
        match sending.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Attempt::Unknown {
                reason: "no answer".to_owned(),
            },
            Err(_) => {
                events::send_panicked(dispatch.endpoint.kind());
                Attempt::Unknown {
                    reason: "the channel failed unexpectedly".to_owned(),
                }
            }
        }
    }

    async fn ask(&self, dispatch: &Dispatch, provider_id: String) {
        let Ok(_permit) = self.asking.try_acquire() else {
            return;
        };
        for pause in RECEIPT_PAUSES {
            tokio::time::sleep(pause).await;
            let channel = &dispatch.endpoint.channel;
            let asked = channel.receipt(&dispatch.delivery, &provider_id, &self.outbound);
            if let Some(receipt) = asked.await {
                let receipt = Command::Receipt {
                    provider_id,
                    receipt,
                };
                self.answers.send(receipt).await.ok();
                return;
            }
        }
    }
}
