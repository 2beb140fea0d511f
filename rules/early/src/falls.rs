//! The detector of calls that stop coming: steps of ten seconds in, pages out.
//!
//! The same sum as for failures (E. S. Page, 1954), over negative binomial counts: a step with the usual
//! `μ` calls has variance `μ + μ²/κ` (F. J. Anscombe, "The statistical analysis of insect counts based on
//! the negative binomial distribution", Biometrics 5, 1949). If only a share r of the usual calls comes,
//! a step with x calls weighs `x·ln r + (x+κ)·ln((κ+μ)/(κ+rμ))`.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::evidence::{Odds, Span};
use crate::peaks::Peaks;
use crate::record::{Reader, Record, RecordError};
use crate::settings::{DAYS_LEARNING, LEARNING_DIVISOR, PAGE_EVERY_DEFAULT};
use crate::threshold::{Budget, threshold};

/// How long a step is.
pub const STEP: Duration = Duration::from_secs(10);

/// What may be left of the usual calls, each weighed; the highest first. It is also what recovery is proven
/// against, so that an episode does not end at a share that pages again.
const SHARES: [f64; 4] = [0.5, 0.35, 0.12, 0.02];
const STEPS_A_DAY: u64 = 8_640;
/// Clean days before the scatter is fitted.
const DAYS_OF_SCATTER: u64 = 4;
/// Each clean day keeps this share of what was learned of scatter.
const KEEP_PER_DAY: f64 = 27.0 / 28.0;
/// Steps after which peaks count half.
const PEAK_STEPS_MAX: f64 = 28.0 * STEPS_A_DAY as f64;
/// Scatter that is all thought possible before one is known.
const LEARNING_KAPPAS: [f64; 2] = [10.0, 40.0];
/// Scatter of neighbouring steps is alike, so more of it than fitted is thought possible too.
const WIDER: f64 = 2.0;
const KAPPA_MIN: f64 = 1.0;
const KAPPA_MAX: f64 = 1e6;
/// Steps by which the level lags behind, so that a fall does not lower what it is measured by.
const BEHIND: usize = 60;
/// What the level keeps a step: a half-life of thirty minutes.
const LEVEL_KEEP: f64 = 0.996_156_6;
/// The level follows a fall that lasts so many times slower.
const SLOWER: f64 = 12.0;
/// Odds that recovery needs, and the shortest quiet.
const RECOVERY_ODDS: f64 = 1_000.0;
const QUIET_MS_MIN: u64 = 60_000;
const VERSION: u8 = 2;
/// Records of version 1 have no sums for the highest share.
const VERSION_WITHOUT_HALF: u8 = 1;

/// What the owner declares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FallSettings {
    /// The time in which one false page is accepted.
    pub page_every: Duration,
    /// How many series share that page.
    pub series: u32,
}

impl Default for FallSettings {
    fn default() -> Self {
        FallSettings {
            page_every: PAGE_EVERY_DEFAULT,
            series: 1,
        }
    }
}

/// Ten seconds whose data has arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its end, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Calls that came.
    pub calls: u64,
    /// Calls that earlier days had in ten seconds at this time.
    pub usual: f64,
    /// Whether this time may be learned from: not a sale, not an incident.
    pub clean: bool,
}

/// What a step changed.
#[derive(Clone, Debug, PartialEq)]
pub enum FallChange {
    /// Calls stop coming: page.
    Falling(FallEvidence),
    /// They still do not come.
    StillFalling(FallEvidence),
    /// They are back.
    Recovered,
}

/// The numbers behind a page.
#[derive(Clone, Debug, PartialEq)]
pub struct FallEvidence {
    /// Calls since the excursion began.
    pub calls: u64,
    /// How many were to be expected in that time.
    pub usual: f64,
    /// How long that was.
    pub took: Duration,
    /// Evidence, as a natural logarithm of odds. Already divided while learning.
    pub log_odds: f64,
    /// What it had to pass.
    pub threshold: f64,
    /// Whether too few clean days are known yet.
    pub learning: bool,
    /// The time in which one false page is accepted.
    pub page_every: Duration,
}

impl fmt::Display for FallEvidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} calls in {} s where {:.0} are usual; {}; budget one false page in {}",
            self.calls,
            self.took.as_secs(),
            self.usual,
            Odds(self.log_odds),
            Span(self.page_every)
        )?;
        if self.learning {
            write!(out, "; still learning")?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Excursion {
    sum: f64,
    peak: f64,
    calls: u64,
    usual: f64,
    steps: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Falling {
    breached_ms: u64,
    health: f64,
}

/// Finds out that calls of one series stop coming. Pure: time is in the steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Falls {
    settings: FallSettings,
    excursions: [Excursion; SHARES.len()],
    peaks: [Peaks; SHARES.len()],
    /// T: clean steps whose peaks were recorded.
    steps: f64,
    clean_steps: u64,
    /// Σ (downward scatter − μ) and Σ μ².
    excess: f64,
    squares: f64,
    kappa: Option<f64>,
    /// The newest steps, calls and usual calls, which the level does not know yet.
    newest: VecDeque<(f32, f32)>,
    level_calls: f64,
    level_usual: f64,
    falling: Option<Falling>,
}

impl Falls {
    /// A detector that knows nothing yet.
    pub fn new(settings: FallSettings) -> Falls {
        Falls {
            settings,
            excursions: Default::default(),
            peaks: Default::default(),
            steps: 0.0,
            clean_steps: 0,
            excess: 0.0,
            squares: 0.0,
            kappa: None,
            newest: VecDeque::new(),
            level_calls: 0.0,
            level_usual: 0.0,
            falling: None,
        }
    }

    /// Goes on under other settings; what was learned stays.
    pub fn declare(&mut self, settings: FallSettings) {
        self.settings = settings;
    }

    /// Whether it has paged and not seen recovery.
    pub fn is_falling(&self) -> bool {
        self.falling.is_some()
    }

    /// Whether there is evidence that is not settled.
    pub fn is_rising(&self) -> bool {
        self.is_falling() || self.excursions.iter().any(|own| own.sum > 0.0)
    }

    /// Whether too few clean days are known: evidence counts a quarter until then.
    pub fn is_learning(&self) -> bool {
        self.kappa.is_none() || self.clean_days() < DAYS_LEARNING
    }

    /// Clean days known.
    pub fn clean_days(&self) -> u64 {
        self.clean_steps / STEPS_A_DAY
    }

    /// The share of the calls of earlier days that came lately, at most 1.
    pub fn level(&self) -> f64 {
        if self.level_usual > 0.0 {
            (self.level_calls / self.level_usual).min(1.0)
        } else {
            1.0
        }
    }

    /// Takes up a page that went out after this memory was kept.
    pub fn resume_falling(&mut self, at_ms: u64) {
        let begun = Falling {
            breached_ms: at_ms,
            health: 0.0,
        };
        self.falling.get_or_insert(begun);
    }

    /// Takes a step in. Steps come in order of time; those about which nothing is known are left out.
    pub fn step(&mut self, step: Step) -> Option<FallChange> {
        if step.usual <= 0.0 {
            return None;
        }
        let usual = step.usual * self.level();
        let breach = self.weigh(step, usual);
        self.follow_level(step);
        if step.clean && self.falling.is_none() && breach.is_none() {
            self.learn(step.calls as f64, usual);
        }
        if let Some(evidence) = breach {
            self.excursions = Default::default();
            let begun = Falling {
                breached_ms: step.at_ms,
                health: 0.0,
            };
            return Some(match self.falling.replace(begun) {
                None => FallChange::Falling(evidence),
                Some(_) => FallChange::StillFalling(evidence),
            });
        }
        self.look_for_recovery(step, usual)
    }

    fn kappas(&self) -> [f64; 2] {
        self.kappa
            .map_or(LEARNING_KAPPAS, |kappa| [kappa, kappa / WIDER])
    }

    fn weigh(&mut self, step: Step, usual: f64) -> Option<FallEvidence> {
        let kappas = self.kappas();
        let learning = self.is_learning();
        let divisor = if learning { LEARNING_DIVISOR } else { 1.0 };
        let budget = Budget {
            blocks_per_page: self.settings.page_every.as_secs_f64() / STEP.as_secs_f64()
                * f64::from(self.settings.series.max(1)),
            alternatives: SHARES.len() as f64,
        };
        let teaches = step.clean && self.falling.is_none() && self.kappa.is_some();
        if teaches {
            self.count_step();
        }
        let mut breach: Option<FallEvidence> = None;
        let learned = self.excursions.iter_mut().zip(&mut self.peaks);
        for ((own, peaks), share) in learned.zip(SHARES) {
            let evidence = kappas
                .iter()
                .map(|kappa| log_ratio(step.calls, usual, share, *kappa))
                .fold(f64::INFINITY, f64::min);
            own.sum += evidence;
            if own.sum <= 0.0 {
                if teaches && own.peak > 0.0 {
                    peaks.add(own.peak);
                }
                *own = Excursion::default();
                continue;
            }
            own.peak = own.peak.max(own.sum);
            own.calls += step.calls;
            own.usual += usual;
            own.steps += 1;
            let needed = if learning {
                budget.nominal()
            } else {
                threshold(&budget, peaks, self.steps)
            };
            let passed = own.sum / divisor / needed;
            let most = breach.as_ref().map_or(1.0, |b| b.log_odds / b.threshold);
            if passed >= most && evidence > 0.0 {
                breach = Some(FallEvidence {
                    calls: own.calls,
                    usual: own.usual,
                    took: STEP * u32::try_from(own.steps).unwrap_or(u32::MAX),
                    log_odds: own.sum / divisor,
                    threshold: needed,
                    learning,
                    page_every: self.settings.page_every,
                });
            }
        }
        breach
    }

    fn count_step(&mut self) {
        self.steps += 1.0;
        if self.steps > PEAK_STEPS_MAX {
            self.steps /= 2.0;
            self.peaks.iter_mut().for_each(Peaks::age);
        }
    }

    /// Only scatter downwards is learned: a campaign is no reason to miss a fall.
    fn learn(&mut self, calls: f64, usual: f64) {
        let short = (usual - calls).max(0.0);
        self.excess += 2.0 * short * short - usual;
        self.squares += usual * usual;
        self.clean_steps += 1;
        if !self.clean_steps.is_multiple_of(STEPS_A_DAY) {
            return;
        }
        if self.clean_days() >= DAYS_OF_SCATTER && self.squares > 0.0 {
            let inverse = (self.excess / self.squares).max(1.0 / KAPPA_MAX);
            self.kappa = Some((1.0 / inverse).clamp(KAPPA_MIN, KAPPA_MAX));
        }
        self.excess *= KEEP_PER_DAY;
        self.squares *= KEEP_PER_DAY;
    }

    fn follow_level(&mut self, step: Step) {
        self.newest
            .push_back((step.calls as f32, step.usual as f32));
        if self.newest.len() <= BEHIND {
            return;
        }
        let Some((calls, usual)) = self.newest.pop_front() else {
            return;
        };
        let slower = if self.is_falling() { SLOWER } else { 1.0 };
        let keep = LEVEL_KEEP.powf(1.0 / slower);
        self.level_calls = self.level_calls * keep + f64::from(calls) / slower;
        self.level_usual = self.level_usual * keep + f64::from(usual) / slower;
    }

    fn look_for_recovery(&mut self, step: Step, usual: f64) -> Option<FallChange> {
        let [highest, ..] = SHARES;
        let against = self
            .kappas()
            .iter()
            .map(|kappa| log_ratio(step.calls, usual, highest, *kappa))
            .fold(f64::NEG_INFINITY, f64::max);
        let falling = self.falling.as_mut()?;
        falling.health = (falling.health - against).max(0.0);
        let quiet = step.at_ms.saturating_sub(falling.breached_ms) >= QUIET_MS_MIN;
        if falling.health < RECOVERY_ODDS.ln() || !quiet {
            return None;
        }
        self.falling = None;
        Some(FallChange::Recovered)
    }

    /// Everything that is not declared, as bytes.
    pub fn to_record(&self) -> Vec<u8> {
        let mut record = Record(vec![VERSION]);
        for own in &self.excursions {
            record.number(own.sum);
            record.number(own.peak);
            record.whole(own.calls);
            record.number(own.usual);
            record.whole(own.steps);
        }
        for peaks in &self.peaks {
            record.peaks(peaks);
        }
        record.number(self.steps);
        record.whole(self.clean_steps);
        for value in [self.excess, self.squares, self.kappa.unwrap_or(0.0)] {
            record.number(value);
        }
        record.number(self.level_calls);
        record.number(self.level_usual);
        record.byte(u8::from(self.falling.is_some()));
        if let Some(falling) = self.falling {
            record.whole(falling.breached_ms);
            record.number(falling.health);
        }
        record.byte(self.newest.len() as u8);
        for (calls, usual) in &self.newest {
            record.0.extend(calls.to_le_bytes());
            record.0.extend(usual.to_le_bytes());
        }
        record.0
    }

    /// Takes up a record under the settings declared now.
    pub fn from_record(settings: FallSettings, bytes: &[u8]) -> Result<Falls, RecordError> {
        let (version, rest) = bytes.split_first().ok_or(RecordError::Damaged)?;
        let first = match *version {
            VERSION => 0,
            VERSION_WITHOUT_HALF => 1,
            other => return Err(RecordError::Version(other)),
        };
        let mut reader = Reader(rest);
        let falls = read(&mut reader, settings, first).ok_or(RecordError::Damaged)?;
        if reader.0.is_empty() {
            Ok(falls)
        } else {
            Err(RecordError::Damaged)
        }
    }
}

/// `first` is the first share that the record knows.
fn read(reader: &mut Reader<'_>, settings: FallSettings, first: usize) -> Option<Falls> {
    let mut falls = Falls::new(settings);
    for own in falls.excursions.iter_mut().skip(first) {
        *own = Excursion {
            sum: reader.number()?,
            peak: reader.number()?,
            calls: reader.count()?,
            usual: reader.number()?,
            steps: reader.count()?,
        };
    }
    for peaks in falls.peaks.iter_mut().skip(first) {
        *peaks = reader.peaks()?;
    }
    falls.steps = reader.number()?;
    falls.clean_steps = reader.count()?;
    falls.excess = reader.number()?;
    falls.squares = reader.number()?;
    let kappa = reader.number()?;
    falls.kappa = (kappa > 0.0).then(|| kappa.clamp(KAPPA_MIN, KAPPA_MAX));
    falls.level_calls = reader.number()?;
    falls.level_usual = reader.number()?;
    if reader.flag()? {
        falls.falling = Some(Falling {
            breached_ms: reader.count()?,
            health: reader.number()?,
        });
    }
    let [newest] = reader.take::<1>()?;
    for _ in 0..newest {
        falls.newest.push_back((reader.single()?, reader.single()?));
    }
    Some(falls)
}

/// How much likelier a step is if only `share` of the usual calls comes, as a natural logarithm.
fn log_ratio(calls: u64, usual: f64, share: f64, kappa: f64) -> f64 {
    let calls = calls as f64;
    calls * share.ln() + (calls + kappa) * ((kappa + usual) / (kappa + share * usual)).ln()
}

#[cfg(test)]
mod tests;
