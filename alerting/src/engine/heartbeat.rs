//! "Still alive", told to somebody outside as long as the one task that pages people answers. When it
//! hangs, or the process or the machine is gone, the beats stop and the other side notices.

use std::time::Duration;

use outbound::{Outbound, Request, Trust};

use super::handle::Handle;
use crate::config::Heartbeat;
use crate::events;

/// How long the task may take to answer before a beat is left out.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// How long one beat may take.
const BEAT_DEADLINE: Duration = Duration::from_secs(10);
/// How often a configuration without a heartbeat is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often a node that does not lead looks whether it does now.
const LOOK_AT_LEADER_EVERY: Duration = Duration::from_secs(1);
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Beats until alerting stops.
pub(super) async fn beat(handle: Handle, outbound: Outbound) {
    let mut failed_before = false;
    loop {
        // A node that waits to take over says nothing of the one that pages people.
        if !handle.is_leading() {
            tokio::time::sleep(LOOK_AT_LEADER_EVERY).await;
            continue;
        }
        // The same way that alerts take: through the queue, to the task and back.
        let policy = tokio::time::timeout(ANSWER_DEADLINE, handle.policy()).await;
        let heartbeat = match policy {
            Ok(Ok(policy)) => policy.config.heartbeat.clone(),
            Ok(Err(_)) => return,
            Err(_) => {
                events::heartbeat_left_out();
                continue;
            }
        };
        let Some(heartbeat) = heartbeat else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        let failed = send(&heartbeat, &outbound).await;
        if let Some(cause) = &failed {
            events::heartbeat_failed(failed_before, cause);
        }
        failed_before = failed.is_some();
        tokio::time::sleep(heartbeat.every).await;
    }
}

/// One beat; why it failed, if it did.
async fn send(heartbeat: &Heartbeat, outbound: &Outbound) -> Option<String> {
    let request = Request {
        deadline: BEAT_DEADLINE,
        trust: Trust::Configured,
        answer_bytes_max: ANSWER_BYTES_MAX,
        ..Request::new("GET", heartbeat.url.expose().clone())
    };
    match outbound.send(request).await {
        Ok(answer) if answer.is_success() => None,
        Ok(answer) => Some(format!("HTTP {}", answer.status)),
        Err(error) => Some(error.to_string()),
    }
}
