//! What is compared with: a fixed threshold per minute and the usual burn-rate windows.

use std::collections::VecDeque;

/// Sums of the last seconds.
#[derive(Clone, Debug)]
struct Window {
    seconds: usize,
    kept: VecDeque<(u32, u32)>,
    calls: u64,
    failed: u64,
}

impl Window {
    fn new(seconds: usize) -> Window {
        Window {
            seconds,
            kept: VecDeque::with_capacity(seconds + 1),
            calls: 0,
            failed: 0,
        }
    }

    fn add(&mut self, calls: u64, failed: u64) {
        self.kept.push_back((calls as u32, failed as u32));
        self.calls += calls;
        self.failed += failed;
        if self.kept.len() > self.seconds
            && let Some((calls, failed)) = self.kept.pop_front()
        {
            self.calls -= u64::from(calls);
            self.failed -= u64::from(failed);
        }
    }

    fn share(&self) -> f64 {
        self.failed as f64 / self.calls.max(1) as f64
    }
}

/// A rule of windows, looked at each second. Every window must fail more than the share.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    every: Vec<Window>,
    share: f64,
    calls_min: u64,
    /// Seconds without a breach before another page counts.
    quiet: u32,
    quiet_for: u32,
    firing: bool,
}

impl Windows {
    /// Success rate below 99 % in a minute, from 20 calls on.
    pub(crate) fn minute() -> Windows {
        Windows::new(&[60], 0.01, 20)
    }

    /// 14.4 times the budget of 99.9 %, over an hour and over five minutes.
    pub(crate) fn burn_rate() -> Windows {
        Windows::new(&[300, 3_600], 0.014_4, 1)
    }

    fn new(seconds: &[usize], share: f64, calls_min: u64) -> Windows {
        Windows {
            every: seconds.iter().map(|length| Window::new(*length)).collect(),
            share,
            calls_min,
            quiet: 60,
            quiet_for: 0,
            firing: false,
        }
    }

    /// Takes a second in; gives whether it pages.
    pub(crate) fn second(&mut self, calls: u64, failed: u64) -> bool {
        let mut breach = true;
        for window in &mut self.every {
            window.add(calls, failed);
            breach &= window.calls >= self.calls_min && window.share() > self.share;
        }
        if breach {
            self.quiet_for = 0;
            return !std::mem::replace(&mut self.firing, true);
        }
        self.quiet_for += 1;
        self.firing &= self.quiet_for < self.quiet;
        false
    }
}
