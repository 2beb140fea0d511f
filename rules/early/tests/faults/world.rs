//! A simulated function: day curves, weekends, campaigns, and healthy failures that come in bursts.

use super::random::Random;

/// How healthy failures come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bursts {
    /// Each call fails by itself.
    None,
    /// Each second has a share of its own (beta distributed).
    Seconds,
    /// A cause fails several calls within 100 ms (geometric numbers).
    Clumps,
    /// The share swells and ebbs over half a minute.
    Waves,
    /// One pod of twenty fails for 2 to 10 seconds.
    Pods,
}

impl Bursts {
    pub(crate) const KINDS: [Bursts; 4] =
        [Bursts::Seconds, Bursts::Clumps, Bursts::Waves, Bursts::Pods];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Bursts::None => "none",
            Bursts::Seconds => "seconds",
            Bursts::Clumps => "clumps",
            Bursts::Waves => "waves",
            Bursts::Pods => "pods",
        }
    }
}

/// The healthy share of failing calls.
pub(crate) const HEALTHY: f64 = 0.001;
/// Looks a second.
pub(crate) const LOOKS: usize = 10;
const PODS: f64 = 20.0;
const WAVE_SECONDS: f64 = 30.0;
/// How much the healthy share differs from day to day: standard deviation of its logarithm.
const DAILY: f64 = 0.05;
/// A Monday.
const BEGIN: u64 = 1_767_571_200;

/// Counts of a tenth of a second.
pub(crate) type Slots = [(u64, u64); LOOKS];

/// What is wrong, beyond health.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wrong {
    /// The share of calls that fails besides.
    pub(crate) failing: f64,
    /// The share of calls that does not come or does not count.
    pub(crate) missing: f64,
    /// Calls come this many times more often; 0 is once.
    pub(crate) more: f64,
}

/// One function's traffic, second by second.
#[derive(Clone, Debug)]
pub(crate) struct World {
    random: Random,
    pub(crate) qps: f64,
    pub(crate) dispersion: f64,
    pub(crate) bursts: Bursts,
    /// Unix seconds.
    pub(crate) second: u64,
    today: f64,
    wave: f64,
    wave_spread: f64,
    blip_until: u64,
    campaign_until: u64,
    campaign: f64,
}

impl World {
    pub(crate) fn new(seed: u64, qps: f64, bursts: Bursts, dispersion: f64) -> World {
        let mut world = World {
            random: Random::seeded(seed),
            qps,
            dispersion,
            bursts,
            second: BEGIN,
            today: 1.0,
            wave: 0.0,
            wave_spread: 0.0,
            blip_until: 0,
            campaign_until: 0,
            campaign: 1.0,
        };
        // A minute of calls has this many healthy failures; half of the wave's variance outlives the
        // averaging over a minute.
        let a_minute = 60.0 * qps.max(10.0) * HEALTHY;
        world.wave_spread = ((dispersion - 1.0) / (0.5 * a_minute)).ln_1p().sqrt();
        world
    }

    /// The same function with another fate.
    pub(crate) fn fork(&self, seed: u64) -> World {
        World {
            random: Random::seeded(seed),
            ..self.clone()
        }
    }

    /// Draws a number below 1.
    pub(crate) fn draw(&mut self) -> f64 {
        self.random.uniform()
    }

    /// The next second, and its counts if not told otherwise.
    pub(crate) fn next(&mut self, wrong: Wrong) -> (u64, Slots) {
        let second = self.second;
        self.second += 1;
        if second.is_multiple_of(86_400) {
            self.today = (DAILY * self.random.normal()).exp();
        }
        let times = if wrong.more > 0.0 { wrong.more } else { 1.0 };
        let mean = self.rate(second) * times * (1.0 - wrong.missing);
        let calls = self.random.poisson(mean);
        let healthy = self.healthy_failures(calls, second).min(calls);
        let failed = healthy + self.random.binomial(calls - healthy, wrong.failing);
        (second, self.spread(calls, failed))
    }

    fn rate(&mut self, second: u64) -> f64 {
        if second >= self.campaign_until {
            self.campaign = 1.0;
            // Every second day, for twenty minutes.
            if self.random.chance(1.0 / (2.0 * 86_400.0)) {
                self.campaign_until = second + 1_200;
                self.campaign = 4.0;
            }
        }
        let hour = (second % 86_400) as f64 / 3_600.0;
        let curve = 1.0 - 0.6 * ((hour - 2.0) / 24.0 * std::f64::consts::TAU).cos();
        let weekend = if (second - BEGIN) / 86_400 % 7 >= 5 {
            0.75
        } else {
            1.0
        };
        self.qps * curve * weekend * self.campaign
    }

    fn healthy_failures(&mut self, calls: u64, second: u64) -> u64 {
        let share = HEALTHY * self.today;
        let (n, excess) = (calls as f64, self.dispersion - 1.0);
        if excess <= 0.0 {
            return self.random.binomial(calls, share);
        }
        match self.bursts {
            Bursts::None => self.random.binomial(calls, share),
            Bursts::Seconds => {
                // ρ from φ = 1 + (n − 1)·ρ at the mean traffic.
                let correlation = (excess / (self.qps.max(10.0) - 1.0)).min(0.5);
                let size = 1.0 / correlation - 1.0;
                let drawn = self.random.beta(size * share, size * (1.0 - share));
                self.random.binomial(calls, drawn)
            }
            Bursts::Clumps => {
                // Geometric clumps of mean m have dispersion 2m − 1.
                let mean = 1.0 + excess / 2.0;
                let clumps = self.random.poisson(n * share / mean);
                let mut failed = 0;
                for _ in 0..clumps {
                    failed += 1;
                    while self.random.chance(1.0 - 1.0 / mean) {
                        failed += 1;
                    }
                }
                failed
            }
            Bursts::Waves => {
                let keep = (-1.0 / WAVE_SECONDS).exp();
                let push = (1.0 - keep * keep).sqrt();
                self.wave = keep * self.wave + push * self.random.normal();
                let spread = self.wave_spread;
                let swell = (spread * self.wave - spread * spread / 2.0).exp();
                self.random.binomial(calls, (share * swell).min(1.0))
            }
            Bursts::Pods => {
                let per_pod = self.qps / PODS;
                let of_time = (excess * self.qps * share / (per_pod * per_pod)).min(0.01);
                if second >= self.blip_until && self.random.chance(of_time / 6.0) {
                    self.blip_until = second + 2 + self.random.below(9);
                }
                let base = self
                    .random
                    .binomial(calls, (share - of_time / PODS).max(0.0));
                if second < self.blip_until {
                    base + self.random.binomial(calls - base, 1.0 / PODS)
                } else {
                    base
                }
            }
        }
    }

    /// Spreads a second's counts over its looks; clumps stay together.
    fn spread(&mut self, calls: u64, failed: u64) -> Slots {
        let looks = LOOKS as u64;
        let mut slots = [(0, 0); LOOKS];
        if failed == 0 {
            // One look is as good as ten: successes find nothing.
            slots[LOOKS - 1].0 = calls;
            return slots;
        }
        for slot in &mut slots {
            slot.0 = calls / looks;
        }
        for _ in 0..calls % looks {
            slots[self.random.below(looks) as usize].0 += 1;
        }
        let even = if failed > 50 { failed / looks } else { 0 };
        for slot in &mut slots {
            slot.1 = even.min(slot.0);
        }
        let mut rest = failed - slots.iter().map(|slot| slot.1).sum::<u64>();
        let together = self.bursts == Bursts::Clumps;
        let mut at = self.random.below(looks) as usize;
        while rest > 0 {
            if slots[at].1 < slots[at].0 {
                slots[at].1 += 1;
                rest -= 1;
            } else {
                at = (at + 1) % LOOKS;
            }
            if !together && rest > 0 {
                at = self.random.below(looks) as usize;
            }
        }
        slots
    }
}
