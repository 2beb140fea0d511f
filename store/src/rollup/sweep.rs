//! How what is old or idle is forgotten, a share of the series with every batch.

use super::directory::Directory;
use super::tens::CHUNK_SECONDS;
use super::top::Top;
use super::{IDLE_SECONDS, ten_of};
use crate::rows::intern::CodeTable;

/// How long it takes to look at every series once for what can be forgotten.
const SWEEP_SECONDS: i64 = 60;

/// How far the look has come.
#[derive(Debug)]
pub(super) struct Sweep {
    until: i64,
    at: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Sweep {
            until: i64::MIN,
            at: 0,
        }
    }
}

impl Directory {
    /// Looks at as many series as the time since the last look asks for.
    pub(super) fn sweep(&mut self) {
        let now = self.now.as_seconds();
        let elapsed = now.saturating_sub(self.sweep.until);
        if elapsed == 0 {
            return;
        }
        self.sweep.until = now;
        let slots = self.series.numbers();
        // A clock set back, or the first batch, counts as one second.
        let share = elapsed.clamp(1, SWEEP_SECONDS) as usize;
        let looks = (slots * share).div_ceil(SWEEP_SECONDS as usize);
        for _ in 0..looks {
            self.sweep.at += 1;
            if self.sweep.at >= slots {
                self.sweep.at = 0;
                self.trim();
            }
            self.sweep_one(self.sweep.at as u32);
        }
        if self.stale_keys > self.series.len() + 1_024 {
            self.rebuild_keys();
        }
    }

    /// Gives up the oldest half hour when tens take too much; whoever comes by next lets go of it.
    fn trim(&mut self) {
        if self.tens_bytes > self.tens_bytes_max {
            self.tens_from = (self.tens_from + CHUNK_SECONDS).min(ten_of(self.horizon()));
        }
    }

    fn sweep_one(&mut self, at: u32) {
        let (now, horizon) = (self.now.as_seconds(), self.horizon());
        let Some(series) = self.series.get_mut(at) else {
            return;
        };
        self.tens_bytes -= series.tens.bytes();
        series.seconds.sweep(now, horizon, &mut series.tens);
        series.tens.sweep(now, self.tens_from);
        self.tens_bytes += series.tens.bytes();
        series.latencies.sweep(now, horizon);
        let (owner, idle) = (
            series.function,
            now - series.counted_at.as_seconds() >= IDLE_SECONDS,
        );
        if let Some(function) = self.functions.get_mut(owner) {
            self.instances -= function.instances.forget_before(horizon);
            for top in &mut function.tops {
                self.top_values -= top.forget(now, horizon);
            }
        }
        if idle {
            self.forget(at);
        }
    }

    fn forget(&mut self, at: u32) {
        let Some(series) = self.series.take(at) else {
            return;
        };
        self.stale_keys += 1;
        self.tens_bytes -= series.tens.bytes();
        let Some(function) = self.functions.get_mut(series.function) else {
            return;
        };
        function.series.retain(|own| *own != at);
        if function.series.is_empty()
            && let Some(function) = self.functions.take(series.function)
        {
            self.by_id.remove(&function.id);
            self.instances -= function.instances.len();
            self.top_values -= function.tops.iter().map(Top::len).sum::<usize>();
        }
    }

    fn rebuild_keys(&mut self) {
        self.by_key = CodeTable::default();
        self.stale_keys = 0;
        for (at, series) in self.series.numbered() {
            self.by_key.insert(series.hash, at);
        }
    }
}
