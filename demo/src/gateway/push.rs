//! Pushes records to Rampart: a batch at a time, the same batch again until it is taken, and a
//! heartbeat that says up to when everything has been sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{SharedClock, Timestamp};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::queue::{Batch, Queue};

const EVERY: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long the end may take.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// A call that is just over may not be queued yet: the heartbeat stays behind by this much.
const BEHIND: Duration = Duration::from_millis(100);

/// The task that pushes.
#[derive(Debug)]
pub(super) struct Pusher {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
    held: Arc<AtomicBool>,
}

impl Pusher {
    pub(super) fn start(
        rampart_url: &str,
        queue: Arc<Queue>,
        clock: &SharedClock,
    ) -> Result<Self, reqwest::Error> {
        let base = rampart_url.trim_end_matches('/');
        let push = Push {
            client: crate::loopback_client(DEADLINE)?,
            invocations_url: format!("{base}/api/v1/invocations?source=demo"),
            heartbeat_url: format!("{base}/api/v1/sources/demo/heartbeat"),
            queue,
            clock: Arc::clone(clock),
            held: Arc::default(),
        };
        let held = Arc::clone(&push.held);
        let (stop, stopped) = watch::channel(false);
        Ok(Pusher {
            task: tokio::spawn(push.run(stopped)),
            stop,
            held,
        })
    }

    /// Keeps records back, heartbeats too, or sends them on.
    pub(super) fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Sends what is left, within [`FAREWELL_MAX`].
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        // Past the deadline the rest is lost with the demo.
        let _ = tokio::time::timeout(FAREWELL_MAX, &mut self.task).await;
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What became of one attempt.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Taken,
    Again { after: Option<Duration> },
    Refused,
}

struct Push {
    client: reqwest::Client,
    invocations_url: String,
    heartbeat_url: String,
    queue: Arc<Queue>,
    clock: SharedClock,
    held: Arc<AtomicBool>,
}

impl Push {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !*stopped.borrow_and_update() {
            tokio::select! {
                _ = ticks.tick() => if !self.held.load(Ordering::Relaxed) {
                    self.push_all().await;
                },
                changed = stopped.changed() => if changed.is_err() { return },
            }
        }
        self.push_all().await;
    }

    /// Sends all that waits, then says how far everything is sent.
    async fn push_all(&self) {
        let complete_until = self.clock.now() - BEHIND;
        while let Some(batch) = self.queue.take_batch() {
            self.push_batch(&batch).await;
        }
        self.send_heartbeat(complete_until).await;
    }

    /// Sends one batch until it is taken or refused for good.
    async fn push_batch(&self, batch: &Batch) {
        let mut pause = RETRY_FIRST;
        loop {
            match self.send(batch).await {
                Sent::Taken => return,
                Sent::Refused => return self.queue.drop_batch(batch),
                Sent::Again { after } => {
                    tokio::time::sleep(after.unwrap_or(pause).min(RETRY_MAX)).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    async fn send(&self, batch: &Batch) -> Sent {
        let request = self
            .client
            .post(&self.invocations_url)
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header("Idempotency-Key", &batch.key)
            .body(batch.body.clone());
        let Ok(answer) = request.send().await else {
            return Sent::Again { after: None };
        };
        let status = answer.status();
        if status.is_success() {
            Sent::Taken
        } else if status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            )
        {
            let seconds = answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            Sent::Again {
                after: seconds.map(Duration::from_secs),
            }
        } else {
            Sent::Refused
        }
    }

    /// A lost heartbeat is made up for by the next.
    async fn send_heartbeat(&self, complete_until: Timestamp) {
        let body = json!({"complete_until": complete_until});
        let _ = self
            .client
            .post(&self.heartbeat_url)
            .json(&body)
            .send()
            .await;
    }
}
