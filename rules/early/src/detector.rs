//! The detector of one series: counts in, pages out.
//!
//! E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954: add up the evidence for a change,
//! never let the sum fall below zero, speak when it passes a threshold. A sum for each alternative;
//! evidence is weighed block by block, and looked at within a block as often as counts come in.

use std::time::Duration;

use crate::evidence::Evidence;
use crate::learned::Learned;
use crate::likelihood::ALTERNATIVES_MAX;
use crate::recovery::Failing;
use crate::settings::{FAILED_MIN, Settings};
use crate::weights::{Sums, Weights};

const HOUR_MS: u64 = 3_600_000;
/// Time over which the present traffic is taken.
const LEVEL_SECONDS: f64 = 600.0;
/// Traffic must change by this factor before weights are worked out again.
const LEVEL_STEP: f64 = 1.25;

/// Counts that arrived since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Now, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Calls that count towards the success rate. Retries of one request count once where known.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Whether this time may be learned from: not a sale, not an incident.
    pub clean: bool,
}

/// What a look changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The function fails: page.
    Failing(Evidence),
    /// It still fails: the evidence came together once more.
    StillFailing(Evidence),
    /// It is healthy again.
    Recovered,
}

/// What is going on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Running {
    /// The newest base block and its counts.
    pub(crate) base: u64,
    pub(crate) base_calls: u64,
    pub(crate) base_failed: u64,
    /// Counts of the block so far.
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// S at the beginning of the block, and how high it rose in this excursion.
    pub(crate) sums: Sums,
    pub(crate) peaks: Sums,
    /// Where each excursion began.
    pub(crate) starts: [Start; ALTERNATIVES_MAX],
    pub(crate) hour_calls: u64,
    pub(crate) hour_failed: u64,
    pub(crate) hour_dirty: bool,
    /// Calls per second lately.
    pub(crate) level: f64,
    /// The traffic that the weights are for.
    pub(crate) weighed_level: f64,
    pub(crate) failing: Option<Failing>,
    pub(crate) newest_ms: u64,
}

/// What an excursion had when its present block began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) at_ms: u64,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
}

/// Finds out as early as counts allow that one series fails. Pure: time is in the looks.
#[derive(Clone, Debug)]
pub struct Detector {
    pub(crate) settings: Settings,
    pub(crate) learned: Learned,
    pub(crate) running: Running,
    weights: Weights,
}

impl Detector {
    /// A detector that knows nothing yet.
    pub fn new(settings: Settings) -> Detector {
        Detector::with(settings, Learned::default(), Running::default())
    }

    pub(crate) fn with(settings: Settings, learned: Learned, running: Running) -> Detector {
        let mut detector = Detector {
            weights: learned.weights(&settings, 0, 1.0),
            settings,
            learned,
            running,
        };
        detector.weigh();
        detector
    }

    /// Whether too few clean days are known: evidence counts a quarter until then.
    pub fn is_learning(&self) -> bool {
        self.learned.is_learning()
    }

    /// Clean days known.
    pub fn clean_days(&self) -> u64 {
        self.learned.baseline.clean_days()
    }

    /// What is declared now.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Goes on under other settings; what was learned stays.
    pub fn declare(&mut self, settings: Settings) {
        if self.settings != settings {
            self.settings = settings;
            self.weigh();
        }
    }

    /// Whether there is evidence that is not settled: an excursion, or a page without recovery.
    pub fn is_rising(&self) -> bool {
        self.is_failing() || self.running.sums.iter().any(|sum| *sum > 0.0)
    }

    /// Time passed in which nobody counted: this hour teaches nothing.
    pub fn interrupt(&mut self) {
        self.running.hour_dirty = true;
    }

    /// Takes up a page that went out after this memory was kept. Recovery is to be proven from here.
    pub fn resume_failing(&mut self, at_ms: u64) {
        if self.running.failing.is_none() {
            let share = self.weights.lowest();
            self.running.failing = Some(Failing::new(at_ms, share, 0));
            self.running.hour_dirty = true;
            self.reset_sums();
        }
    }

    /// Forgets a page whose function nobody calls any more.
    pub fn let_go(&mut self) {
        self.running.failing = None;
        self.reset_sums();
    }

    /// Whether it has paged and not seen recovery.
    pub fn is_failing(&self) -> bool {
        self.running.failing.is_some()
    }

    /// The share of failing calls that counts as healthy now.
    pub fn healthy(&self) -> f64 {
        self.weights.healthy
    }

    /// The fitted correlation within a block and the length of a block in seconds.
    pub fn burstiness(&self) -> (f64, f64) {
        let correlation = self.learned.fit.map_or(0.0, |fit| fit.correlation);
        (correlation, self.learned.grid.block_seconds())
    }

    /// The evidence that pages, one for each alternative with its share of failing calls.
    pub fn thresholds(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let shares = self.weights.alternatives.iter().copied();
        shares.zip(self.weights.thresholds.iter().copied())
    }

    /// Takes in what arrived. Looks come in order of time; one that is older counts as now.
    pub fn look(&mut self, look: Look) -> Option<Change> {
        let now = look.at_ms.max(self.running.newest_ms);
        if self.running.newest_ms == 0 {
            self.begin(now);
        }
        let recovered = self.pass_time(now);
        let running = &mut self.running;
        running.newest_ms = now;
        running.base_calls += look.calls;
        running.base_failed += look.failed;
        running.calls += look.calls;
        running.failed += look.failed;
        running.hour_calls += look.calls;
        running.hour_failed += look.failed;
        running.hour_dirty |= !look.clean || running.failing.is_some();
        // More successes only lower every sum, so without a failure there is nothing to find.
        if look.failed == 0 {
            return recovered;
        }
        self.find_breach(look).or(recovered)
    }

    /// The first look: part of an hour is not learned from.
    fn begin(&mut self, now: u64) {
        self.running.newest_ms = now;
        self.running.base = self.learned.grid.base_of(now);
        self.running.hour_dirty = now % HOUR_MS > HOUR_MS / 60;
        self.weigh_anew();
    }

    /// Ends the blocks and hours that are over.
    fn pass_time(&mut self, now: u64) -> Option<Change> {
        let base = self.learned.grid.base_of(now);
        if base == self.running.base {
            return None;
        }
        let grid = self.learned.grid;
        // A base block belongs to the hour that it began in, also when it reaches into the next.
        let hour_of = |base| grid.base_began_ms(base) / HOUR_MS;
        let (before, after) = (hour_of(self.running.base), hour_of(base));
        self.close_base();
        let mut recovered = None;
        if grid.block_of(base) != grid.block_of(self.running.base) {
            recovered = self.close_block(now);
        }
        if before != after {
            self.close_hour(before, now);
        }
        self.find_first_grid();
        // The grid may have changed with the hour.
        let base = self.learned.grid.base_of(now);
        self.running.base = base;
        self.follow_level();
        recovered
    }

    /// A new function does not wait an hour for blocks that suit its traffic.
    fn find_first_grid(&mut self) {
        if self.learned.find_first_grid(self.running.level) {
            self.reset_sums();
            (self.running.calls, self.running.failed) = (0, 0);
            self.weigh_anew();
        }
    }

    fn close_base(&mut self) {
        let running = &mut self.running;
        let seconds = self.learned.grid.base_ms as f64 / 1_000.0;
        let level = running.base_calls as f64 / seconds;
        if running.level > 0.0 {
            let part = -(-seconds / LEVEL_SECONDS).exp_m1();
            running.level += (level - running.level) * part;
        } else {
            running.level = level;
        }
        if !running.hour_dirty {
            let (calls, failed) = (running.base_calls, running.base_failed);
            self.learned.dispersion.add(running.base, calls, failed);
        }
        (running.base_calls, running.base_failed) = (0, 0);
    }

    /// Carries the sums over into the next block.
    fn close_block(&mut self, now: u64) -> Option<Change> {
        let (calls, failed) = (self.running.calls, self.running.failed);
        (self.running.calls, self.running.failed) = (0, 0);
        if calls == 0 {
            return None;
        }
        let clean = self.running.failing.is_none() && !self.running.hour_dirty;
        if clean {
            self.learned.count_block();
        }
        let rising = self.running.sums.iter().any(|sum| *sum > 0.0);
        if rising || failed > 0 {
            self.carry_over(calls, failed, clean);
        }
        let failing = self.running.failing.as_mut()?;
        let still = failing.still(self.weights.lowest());
        failing.take(self.weights.of_health(still, calls, failed));
        if !failing.recovered(now, self.learned.is_learning()) {
            return None;
        }
        self.running.failing = None;
        self.reset_sums();
        Some(Change::Recovered)
    }

    fn carry_over(&mut self, calls: u64, failed: u64, clean: bool) {
        let evidence = self.weights.weigh(calls, failed);
        let began = self.block_began();
        let running = &mut self.running;
        for (alternative, gained) in evidence.into_iter().enumerate() {
            let (Some(sum), Some(peak), Some(start)) = (
                running.sums.get_mut(alternative),
                running.peaks.get_mut(alternative),
                running.starts.get_mut(alternative),
            ) else {
                continue;
            };
            if *sum <= 0.0 {
                *start = Start {
                    at_ms: began,
                    ..Start::default()
                };
            }
            *sum = (*sum + gained).max(0.0);
            start.calls += calls;
            start.failed += failed;
            if *sum <= 0.0 {
                if clean && *peak > 0.0 {
                    self.learned.record_peak(alternative, *peak);
                }
                *peak = 0.0;
                *start = Start::default();
            }
        }
    }

    fn block_began(&self) -> u64 {
        self.learned.grid.block_began_ms(self.running.base)
    }

    /// Looks at the sums as they would be if the block ended now.
    fn find_breach(&mut self, look: Look) -> Option<Change> {
        let (calls, failed) = (self.running.calls, self.running.failed);
        let evidence = self.weights.weigh(calls, failed);
        let before = self
            .weights
            .weigh(calls - look.calls.min(calls), failed - look.failed);
        let divisor = self.learned.divisor();
        let mut breach: Option<(usize, f64)> = None;
        for alternative in 0..self.weights.alternatives.len() {
            let at = |sums: &Sums| sums.get(alternative).copied().unwrap_or(0.0);
            let sum = at(&self.running.sums) + at(&evidence);
            if let Some(peak) = self.running.peaks.get_mut(alternative) {
                *peak = peak.max(sum);
            }
            let threshold = at(&self.weights.thresholds);
            let passed = sum / divisor / threshold;
            let worsening = at(&evidence) > at(&before);
            if passed >= 1.0 && worsening && breach.is_none_or(|(_, most)| passed > most) {
                breach = Some((alternative, passed));
            }
        }
        let (alternative, passed) = breach?;
        let evidence = self.evidence(alternative, passed)?;
        (evidence.failed >= FAILED_MIN).then(|| self.page(evidence))
    }

    fn evidence(&self, alternative: usize, passed: f64) -> Option<Evidence> {
        let running = &self.running;
        let open = running.sums.get(alternative).is_some_and(|sum| *sum > 0.0);
        let fresh = Start {
            at_ms: self.block_began(),
            ..Start::default()
        };
        let start = if open {
            running.starts.get(alternative).copied()?
        } else {
            fresh
        };
        let threshold = self.weights.thresholds.get(alternative).copied()?;
        let hour = (running.newest_ms / HOUR_MS % 24) as usize;
        Some(Evidence {
            calls: start.calls + running.calls,
            failed: start.failed + running.failed,
            took: Duration::from_millis(running.newest_ms.saturating_sub(start.at_ms)),
            healthy: self.weights.healthy,
            alternative: self.weights.alternatives.get(alternative).copied()?,
            log_odds: passed * threshold,
            threshold,
            learning: self.learned.is_learning(),
            capped: self.learned.healthy(&self.settings, hour).1,
            page_every: self.settings.page_every,
        })
    }

    /// The sums begin anew: the next breach is another proof.
    fn page(&mut self, evidence: Evidence) -> Change {
        let now = self.running.newest_ms;
        let share = evidence.failed as f64 / evidence.calls.max(1) as f64;
        let took = u64::try_from(evidence.took.as_millis()).unwrap_or(u64::MAX);
        self.reset_sums();
        (self.running.calls, self.running.failed) = (0, 0);
        self.running.hour_dirty = true;
        match &mut self.running.failing {
            Some(failing) => {
                failing.breach(now, share, took);
                Change::StillFailing(evidence)
            }
            none => {
                *none = Some(Failing::new(now, share, took));
                Change::Failing(evidence)
            }
        }
    }

    fn reset_sums(&mut self) {
        self.running.sums = Sums::default();
        self.running.peaks = Sums::default();
        self.running.starts = Default::default();
    }

    /// An hour is over: learn from it if it was clean, and weigh by what is known of the next.
    fn close_hour(&mut self, over: u64, now: u64) {
        let running = &mut self.running;
        let (calls, failed) = (running.hour_calls, running.hour_failed);
        let dirty = running.hour_dirty;
        (running.hour_calls, running.hour_failed) = (0, 0);
        running.hour_dirty = running.failing.is_some();
        running.newest_ms = now;
        if dirty {
            self.learned.dispersion.drop_stretch();
        } else {
            let hour = (over % 24) as usize;
            let seconds = HOUR_MS as f64 / 1_000.0;
            if self.learned.close_hour(hour, calls, failed, seconds) {
                self.reset_sums();
                (self.running.calls, self.running.failed) = (0, 0);
            }
        }
        self.weigh_anew();
    }

    fn follow_level(&mut self) {
        let change = self.running.level / self.running.weighed_level.max(1e-9);
        if !(1.0 / LEVEL_STEP..=LEVEL_STEP).contains(&change) {
            self.weigh_anew();
        }
    }

    fn weigh_anew(&mut self) {
        self.running.weighed_level = self.running.level;
        self.weigh();
    }

    fn weigh(&mut self) {
        let hour = (self.running.newest_ms / HOUR_MS % 24) as usize;
        let calls = self.running.weighed_level * self.learned.grid.block_seconds();
        self.weights = self.learned.weights(&self.settings, hour, calls);
    }
}
