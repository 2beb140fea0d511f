//! Where alerts go. Rules never know who listens.

use std::future::Future;
use std::pin::Pin;

use model::Alert;

/// The pending answer of a sink: `Ok` once the alerts are durable there.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Takes alerts over. Deliveries repeat after a crash or an error; a sink tells repetitions by
/// (fingerprint of the labels, `starts_at`, status).
pub trait AlertSink: Send + Sync {
    /// Returns `Ok` only when the alerts will survive a crash of the receiver.
    fn deliver(&self, alerts: Vec<Alert>) -> Delivery<'_>;
}
