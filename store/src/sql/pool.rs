//! The memory of all queries as DataFusion asks for it, counted in the budget's share.

use std::fmt;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

use crate::budget::Share;

/// First come, first served, up to the share's limit.
#[derive(Debug)]
pub(super) struct SharePool(pub(super) Arc<Share>);

impl fmt::Display for SharePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "share({})", self.0.bytes_max())
    }
}

impl MemoryPool for SharePool {
    fn name(&self) -> &'static str {
        "share"
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.0.take(additional as u64);
    }

    fn shrink(&self, _reservation: &MemoryReservation, shrink: usize) {
        self.0.give_back(shrink as u64);
    }

    fn try_grow(
        &self,
        _reservation: &MemoryReservation,
        additional: usize,
    ) -> datafusion::error::Result<()> {
        if self.0.try_take(additional as u64) {
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "{additional} bytes more than the {} that queries may use",
            self.0.bytes_max()
        )))
    }

    fn reserved(&self) -> usize {
        self.0.bytes() as usize
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.0.bytes_max() as usize)
    }
}
