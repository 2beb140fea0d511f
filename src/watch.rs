//! Rampart watches itself: a disk that runs full or storage that failed makes ingest refuse, so it is
//! told to people and to readiness probes, not only to senders.

use std::path::PathBuf;
use std::time::Duration;

use alerting::Handle;
use model::{Bytes, SharedClock};
use store::Store;
use tokio::sync::watch;

use crate::own_alert::OwnAlert;
use crate::reserve;

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What keeps calls from being taken in, if anything does.
pub type Trouble = Option<&'static str>;

/// What is looked at.
pub struct Watched {
    /// The tables.
    pub store: Store,
    /// Where they are.
    pub data_dir: PathBuf,
    /// Below this the store refuses commits.
    pub disk_free_bytes_min: u64,
    /// Who tells people.
    pub alerting: Handle,
    /// The time.
    pub clock: SharedClock,
}

/// Looks every few seconds until told to stop.
pub async fn run(
    watched: Watched,
    trouble: watch::Sender<Trouble>,
    mut stop: watch::Receiver<bool>,
) {
    let own = |name, severity| {
        OwnAlert::take_up(
            name,
            severity,
            watched.alerting.clone(),
            watched.clock.clone(),
        )
    };
    let mut failed = own("StorageFailed", "critical").await;
    let mut full = own("DiskFull", "critical").await;
    loop {
        let free = free_bytes(&watched.data_dir);
        let low = free.is_some_and(|free| free < watched.disk_free_bytes_min);
        let broken = !watched.store.healthy();
        if broken {
            failed
                .raise(
                    "storage failed; no call is taken in until Rampart is restarted",
                    "",
                )
                .await;
        } else {
            failed.clear("storage works").await;
        }
        if low && !full.holds() {
            full.raise(
                "the disk is nearly full; no call is taken in",
                &describe(free, &watched),
            )
            .await;
        } else if !low {
            full.clear("there is room on the disk").await;
            if let Err(error) = reserve::keep(&watched.data_dir) {
                tracing::warn!(%error, "no room could be set aside for alerting's records");
            }
        }
        trouble.send_replace(match (broken, low) {
            (true, _) => Some("storage failed and ingest is stopped; alerting goes on"),
            (false, true) => {
                Some("the disk is nearly full and ingest is refused; alerting goes on")
            }
            (false, false) => None,
        });
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
    }
}

fn describe(free: Option<u64>, watched: &Watched) -> String {
    let mib = |bytes: u64| Bytes::new(bytes >> 20 << 20);
    format!(
        "{} are free at {}, {} are kept for alerting; free some space or shorten store.retention",
        mib(free.unwrap_or(0)),
        watched.data_dir.display(),
        mib(watched.disk_free_bytes_min),
    )
}

/// Bytes that this user may still write there; `None` when the system does not say.
pub fn free_bytes(path: &std::path::Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
