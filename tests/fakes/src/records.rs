//! What arrived, bounded, and a way to wait for it without sleeping.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How long [`Records::wait_for`] waits before it gives up.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The newest [`Records::KEPT_MAX`] things that arrived, and the count of all.
#[derive(Debug)]
pub(crate) struct Records<T> {
    inner: Mutex<(VecDeque<T>, u64)>,
    changed: Notify,
}

impl<T: Clone> Records<T> {
    /// How many are kept; the oldest go first.
    const KEPT_MAX: usize = 20_000;

    pub(crate) fn new() -> Self {
        Records {
            inner: Mutex::new((VecDeque::new(), 0)),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<T>, u64)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, record: T) {
        {
            let mut inner = self.lock();
            if inner.0.len() == Self::KEPT_MAX {
                inner.0.pop_front();
            }
            inner.0.push_back(record);
            inner.1 += 1;
        }
        self.changed.notify_waiters();
    }

    /// Everything kept, oldest first.
    pub(crate) fn all(&self) -> Vec<T> {
        self.lock().0.iter().cloned().collect()
    }

    /// How many arrived since the start, those no longer kept included.
    pub(crate) fn count(&self) -> u64 {
        self.lock().1
    }

    /// Waits until at least `count` arrived and returns what is kept; after 20 seconds it returns
    /// what there is, so that the caller's assertion shows the difference.
    pub(crate) async fn wait_for(&self, count: u64) -> Vec<T> {
        let enough = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.count() >= count {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(WAIT_MAX, enough).await;
        self.all()
    }
}
