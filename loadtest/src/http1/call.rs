//! One request on its way.

use crate::timing::{Nanos, Timing};

/// One request on its way, from the moment it is due.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// When it was due.
    pub(super) intended: Nanos,
    /// When a connection was free for it.
    pub(super) eligible: Nanos,
    /// When its first byte was handed to the kernel.
    pub(super) written: Nanos,
    /// Which of the plan's requests it is, once that was chosen.
    pub(super) request: Option<usize>,
    /// Whether it was already sent on a connection that turned out to be closed.
    pub(super) repeated: bool,
    /// Redirects followed so far, and the path that the last one led to.
    pub(super) redirects: u32,
    pub(super) path: Option<Box<str>>,
}

impl Call {
    /// A request that is due at `intended`.
    pub(super) fn due(intended: Nanos) -> Self {
        Call {
            intended,
            ..Call::default()
        }
    }

    /// How late the generator sent it, in nanoseconds.
    pub(super) fn lag(&self) -> u64 {
        self.ended(self.written).lag()
    }

    /// Its instants, had it ended now.
    pub(super) fn ended(&self, now: Nanos) -> Timing {
        Timing {
            intended: self.intended,
            eligible: self.eligible,
            written: self.written,
            done: now.max(self.written),
        }
    }
}
