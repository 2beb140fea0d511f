//! Gives written alerts to the sink until it has them.

use std::sync::Arc;
use std::time::Duration;

use model::{Alert, SharedClock};
use tokio::sync::{Notify, mpsc, watch};

use crate::driver::{RETRY_MAX, chain};
use crate::events;
use crate::ledger::Ledger;
use crate::sink::AlertSink;

const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Alerts are looked for this often even if nobody called.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(crate) struct HandOver {
    pub(crate) ledger: Ledger,
    pub(crate) sink: Arc<dyn AlertSink>,
    pub(crate) clock: SharedClock,
    pub(crate) written: Arc<Notify>,
}

/// Returns once the rules are told to stop, or nobody is left to tell them.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Both answers mean the same; the guard inside must not live across the caller's awaits.
    drop(stop.wait_for(|stop| *stop).await);
}

impl HandOver {
    /// What an earlier run wrote and did not hand over goes first.
    pub(crate) fn new(
        ledger: Ledger,
        sink: Arc<dyn AlertSink>,
        clock: SharedClock,
        written: Arc<Notify>,
    ) -> HandOver {
        written.notify_one();
        HandOver {
            ledger,
            sink,
            clock,
            written,
        }
    }

    /// Runs until told to stop; what is not handed over by then is handed over after the next start.
    pub(crate) async fn run(
        self,
        mut urgent: mpsc::Receiver<Alert>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                Some(alert) = urgent.recv() => self.tell_unwritten(alert).await,
                () = self.woken(wait) => {
                    wait = match self.deliver_all().await {
                        Ok(()) => Duration::ZERO,
                        Err(()) => (wait * 2).clamp(RETRY_FIRST, RETRY_MAX),
                    };
                }
            }
        }
    }

    /// After a failure waits it out; else waits for written alerts.
    async fn woken(&self, wait: Duration) {
        if wait.is_zero() {
            let called = self.written.notified();
            tokio::select! { () = called => {}, () = tokio::time::sleep(LOOK_AGAIN) => {} }
        } else {
            tokio::time::sleep(wait).await;
        }
    }

    /// Everything that is written and not handed over, oldest first. An alert is marked only after
    /// the sink has it: a crash in between tells it again, and the sink knows it already.
    pub(crate) async fn deliver_all(&self) -> Result<(), ()> {
        loop {
            let unsent = match self.ledger.unsent(self.clock.now()).await {
                Ok(unsent) => unsent,
                Err(error) => {
                    events::hand_over_failed(0, &chain(&error));
                    return Err(());
                }
            };
            if unsent.is_empty() {
                return Ok(());
            }
            let (ids, alerts): (Vec<i64>, Vec<Alert>) = unsent.into_iter().unzip();
            let count = alerts.len();
            if let Err(why) = self.sink.deliver(alerts).await {
                events::hand_over_failed(count, &why);
                return Err(());
            }
            if let Err(error) = self.ledger.mark_handed_over(&ids, self.clock.now()).await {
                events::hand_over_failed(count, &chain(&error));
                return Err(());
            }
            events::handed_over(count);
        }
    }

    async fn tell_unwritten(&self, alert: Alert) {
        if let Err(why) = self.sink.deliver(vec![alert]).await {
            events::hand_over_failed(1, &why);
        }
    }
}
