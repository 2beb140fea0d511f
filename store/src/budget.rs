//! The memory budget: one figure, divided into named shares that are counted where they are used.
//!
//! A share says no rather than grow: ingest answers that it is full, a query ends with its memory error,
//! a merge waits. What rollups take is bounded by their number of series and counted apart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

/// One share of the memory budget, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShareStats {
    /// What it takes now.
    pub bytes: u64,
    /// The most it may take.
    pub bytes_max: u64,
    /// The most it took since the start.
    pub peak_bytes: u64,
    /// How often something was turned away, or had to wait, because it was used up.
    pub refused: u64,
}

/// A part of the budget, and what it is used for.
#[derive(Debug)]
pub(crate) struct Share {
    name: &'static str,
    bytes_max: u64,
    bytes: AtomicU64,
    peak_bytes: AtomicU64,
    refused: AtomicU64,
}

impl Share {
    pub(crate) fn new(name: &'static str, bytes_max: u64) -> Arc<Self> {
        Arc::new(Share {
            name,
            bytes_max,
            bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// The most it may take, in bytes.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// What it takes now, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if they fit. Whoever is told no says so with [`Share::refuse`].
    pub(crate) fn try_take(&self, bytes: u64) -> bool {
        let taken = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes)
                    .filter(|used| *used <= self.bytes_max)
            });
        if let Ok(before) = taken {
            self.note_peak(before + bytes);
        }
        taken.is_ok()
    }

    /// Takes `bytes` whether they fit or not: for what is there already and is only counted.
    pub(crate) fn take(&self, bytes: u64) {
        self.exchange(0, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Gives `bytes` back.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.exchange(bytes, 0);
    }

    /// Gives `less` back and takes `more` in one step, so that what only moves is never counted twice.
    pub(crate) fn exchange(&self, less: u64, more: i64) {
        let next = |used: u64| used.saturating_add_signed(more).saturating_sub(less);
        let before = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                Some(next(used))
            });
        self.note_peak(before.map_or(0, next));
    }

    /// Counts what is kept elsewhere, as of now.
    pub(crate) fn set(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.note_peak(bytes);
    }

    /// Counts that something did not fit.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn note_peak(&self, bytes: u64) {
        self.peak_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    fn stats(&self) -> ShareStats {
        ShareStats {
            bytes: self.bytes(),
            bytes_max: self.bytes_max,
            peak_bytes: self.peak_bytes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// Bytes of a share that are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    share: Arc<Share>,
    bytes: u64,
}

impl Held {
    /// Holds nothing yet.
    pub(crate) fn none(share: &Arc<Share>) -> Self {
        Held {
            share: Arc::clone(share),
            bytes: 0,
        }
    }

    /// Holds `bytes` more, if they fit.
    pub(crate) fn try_grow(&mut self, bytes: u64) -> bool {
        let fits = self.share.try_take(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Holds `bytes` more, whether they fit or not.
    pub(crate) fn grow(&mut self, bytes: u64) {
        self.share.take(bytes);
        self.bytes += bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.give_back(self.bytes);
    }
}

/// All shares.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Rows queued for the log, and rows not yet in Parquet.
    pub(crate) ingest: Arc<Share>,
    /// Senders' keys and the answers they got.
    pub(crate) keys: Arc<Share>,
    /// What running queries hold.
    pub(crate) query: Arc<Share>,
    /// What writing and merging Parquet files holds.
    pub(crate) compaction: Arc<Share>,
}

impl Budget {
    /// Divides `bytes_max`: a quarter for queries, a quarter for writing and merging files, a
    /// thirty-second for senders' keys, the rest, nearly half, for rows.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let (query, compaction, keys) = (bytes_max / 4, bytes_max / 4, bytes_max / 32);
        Budget {
            ingest: Share::new("ingest", bytes_max - query - compaction - keys),
            keys: Share::new("keys", keys),
            query: Share::new("query", query),
            compaction: Share::new("compaction", compaction),
        }
    }

    /// What each share takes, by its name.
    pub(crate) fn stats(&self) -> BTreeMap<&'static str, ShareStats> {
        [&self.ingest, &self.keys, &self.query, &self.compaction]
            .map(|share| (share.name, share.stats()))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_add_up_to_the_budget(bytes_max in 0_u64..1 << 50) {
            let stats = Budget::new(bytes_max).stats();
            prop_assert_eq!(stats.values().map(|share| share.bytes_max).sum::<u64>(), bytes_max);
        }

        #[test]
        fn a_share_counts_like_a_plain_number(
            steps in prop::collection::vec((0..5_u8, 0_u64..60), 0..60),
        ) {
            let share = Share::new("test", 100);
            let (mut plain, mut peak) = (0_i64, 0_i64);
            let mut held = Vec::new();
            for (step, bytes) in steps {
                let signed = bytes as i64;
                match step {
                    0 | 1 => {
                        let mut more = Held::none(&share);
                        prop_assert_eq!(more.try_grow(bytes), plain + signed <= 100);
                        if plain + signed <= 100 {
                            plain += signed;
                            held.push(more);
                        }
                    }
                    2 => {
                        let mut more = Held::none(&share);
                        more.grow(bytes);
                        plain += signed;
                        held.push(more);
                    }
                    3 => {
                        if let Some(gone) = held.pop() {
                            plain -= gone.bytes as i64;
                        }
                    }
                    _ => {
                        if let Some(last) = held.last_mut() {
                            // What was queued becomes rows of another size.
                            share.exchange(last.bytes, signed);
                            plain += signed - last.bytes as i64;
                            last.bytes = bytes;
                        }
                    }
                }
                peak = peak.max(plain);
                prop_assert_eq!(share.bytes() as i64, plain);
            }
            prop_assert_eq!(share.stats().peak_bytes as i64, peak);
            drop(held);
            prop_assert_eq!(share.bytes(), 0);
        }
    }
}
