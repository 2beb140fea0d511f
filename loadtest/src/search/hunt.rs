//! One search: warm-up, climb, bisection, soak. [`Hunt::want`] says what to send, [`Hunt::learn`] takes
//! what was seen. What is wanted follows from what is known, so asking twice gives the same answer.

use std::time::Duration;

use crate::plan::{CapacityPlan, Objective};
use crate::result::TrialResult;
use crate::search::book::Book;
use crate::search::judge::{Class, Judge, Judgement};
use crate::search::length;
use crate::search::log::Log;
use crate::search::soak;
use crate::search::trial::{Observation, Purpose, Trial};
use crate::search::warm_up::WarmUp;

/// Each rate of the climb is so many times the one before.
const CLIMB_FACTOR: f64 = 2.0;
/// A later search that fails where the ones before held goes down by this factor first.
const NEAR_BELOW: f64 = 0.97;
/// One that holds there only looks whether it fails so much higher: the lowest result counts, so how much
/// better this one is matters no more than to tell noise.
const NEAR_ABOVE: f64 = 1.15;
/// The bracket is closed at this share of the plan's precision. The rest is for what differs between
/// searches, of which the lowest counts.
const PRECISION_SHARE: f64 = 0.5;
/// The search goes down to this share of its start before it says that nothing is carried.
const FLOOR_SHARE: f64 = 1.0 / 16.0;
/// Trials of one search at most.
const TRIALS_MAX: usize = 80;
const WARM_UP: Duration = Duration::from_secs(5);
const BLOCK: Duration = Duration::from_secs(1);
const COOL_DOWN: Duration = Duration::from_secs(1);
const COOL_DOWN_AFTER_OVERLOAD: Duration = Duration::from_secs(5);

/// What every search of one plan has in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) plan: CapacityPlan,
    pub(super) objective: Objective,
    pub(super) judge: Judge,
    /// The highest rate that may be tried.
    pub(super) ceiling: f64,
}

/// What a search wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Want {
    Try(Trial),
    Over(Ending),
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// Between a rate that held and one that did not.
    Bracket { low: f64, high: f64 },
    /// Something other than the target ended it.
    Short { low: f64, why: String },
    /// No rate held.
    Nothing { why: String },
}

impl Ending {
    pub(super) fn low(&self) -> Option<f64> {
        match self {
            Ending::Bracket { low, .. } | Ending::Short { low, .. } => Some(*low),
            Ending::Nothing { .. } => None,
        }
    }
}

/// What the rates tried so far call for.
enum Next {
    Try(f64, Purpose),
    /// The highest rate that held, and the lowest that did not unless none could be found.
    Found {
        low: f64,
        high: Option<f64>,
    },
    Nothing {
        why: String,
    },
}

/// One search under way.
#[derive(Clone, Debug)]
pub(super) struct Hunt {
    terms: Terms,
    warm_up: WarmUp,
    book: Book,
    soaks: Book,
    /// Rates that are tried, in this order, before the search thinks for itself.
    approach: Vec<(f64, Purpose)>,
    /// What the searches before held; infinite in the first.
    held_before: f64,
    /// The first soak is no higher than this.
    soak_rate_max: f64,
    /// Why no higher rate can be tried, once the generator could not.
    blind: Option<String>,
    /// Whether any rate was carried so far.
    is_warm: bool,
    is_over: Option<Ending>,
    cool_down: Duration,
    log: Log,
}

impl Hunt {
    /// The first search: nothing is known.
    pub(super) fn first(terms: Terms) -> Self {
        Hunt {
            terms,
            warm_up: WarmUp::default(),
            book: Book::default(),
            soaks: Book::default(),
            approach: vec![(terms.plan.start.min(terms.ceiling), Purpose::Climb)],
            held_before: f64::INFINITY,
            soak_rate_max: f64::INFINITY,
            blind: None,
            is_warm: false,
            is_over: None,
            cool_down: Duration::ZERO,
            log: Log::default(),
        }
    }

    /// A later search, number `number` from 2: does what the lowest one before found hold again? It comes
    /// there over rates that the others did not try: a load that fails below one that holds is seen then.
    pub(super) fn again(lowest: &Hunt, number: u32) -> Self {
        let mut hunt = Hunt {
            warm_up: lowest.warm_up.clone(),
            is_warm: true,
            cool_down: COOL_DOWN_AFTER_OVERLOAD,
            ..Hunt::first(lowest.terms)
        };
        if let Some((low, _)) = lowest.book.low() {
            let shift = f64::from(number % 3) * 0.05;
            hunt.held_before = low;
            hunt.approach = vec![
                (low * (0.5 + shift), Purpose::Climb),
                (low * (0.75 + shift), Purpose::Climb),
                (low, Purpose::Bisect),
                (
                    (low * NEAR_ABOVE).min(lowest.terms.ceiling),
                    Purpose::Bisect,
                ),
            ];
        }
        if let (Some((low, _)), Some(high)) = (lowest.soaks.low(), lowest.soaks.high()) {
            hunt.soak_rate_max = low;
            hunt.soaks.note_failed(high);
        }
        hunt
    }

    /// The trial that was judged last.
    pub(super) fn last_trial(&self) -> Option<&TrialResult> {
        self.log.trials.last()
    }

    /// What to do next.
    pub(super) fn want(&self) -> Want {
        if let Some(ending) = &self.is_over {
            return Want::Over(ending.clone());
        }
        if self.log.trials.len() >= TRIALS_MAX {
            let why = format!("{TRIALS_MAX} trials came to no end: they contradict one another");
            return Want::Over(Ending::Nothing { why });
        }
        if self.blind.is_none() && !self.warm_up.is_over() {
            return Want::Try(self.trial(self.start(), Purpose::WarmUp));
        }
        match self.next() {
            Next::Try(rate, purpose) => Want::Try(self.trial(rate, purpose)),
            Next::Found { low, high } => self.want_soak(low, high),
            Next::Nothing { why } => Want::Over(Ending::Nothing { why }),
        }
    }

    /// The next rate: up while nothing failed, down while nothing held, between the two otherwise.
    fn next(&self) -> Next {
        if self.terms.ceiling <= 0.0 {
            return Next::Nothing {
                why: "this generator reached nothing against the built-in null server".to_owned(),
            };
        }
        let (low, high) = (self.book.low(), self.book.high());
        if let (Some(why), None) = (&self.blind, low) {
            return Next::Nothing { why: why.clone() };
        }
        if let (None, Some(rate)) = (&self.blind, self.book.open()) {
            return Next::Try(rate, Purpose::Repeat);
        }
        if let (None, Some(step)) = (&self.blind, self.next_of_approach()) {
            return step;
        }
        match (low, high) {
            (None, None) => Next::Try(self.start(), Purpose::Climb),
            (None, Some(high)) => self.next_below(high),
            (Some((low, proven)), _) if self.is_closed(low, high) => {
                let rate_min = length::rate_min(&self.terms.objective);
                if low < rate_min {
                    let why = format!(
                        "it carries {low:.1}/s, and its percentile needs {rate_min:.1}/s to be measured in the longest trial: take a lower percentile"
                    );
                    Next::Nothing { why }
                } else if proven {
                    Next::Found {
                        low,
                        high: high.filter(|_| self.blind.is_none()),
                    }
                } else {
                    Next::Try(low, Purpose::Repeat)
                }
            }
            (Some((low, _)), Some(high)) => {
                let near =
                    if high <= self.held_before * (1.0 + 1e-9) && self.held_before.is_finite() {
                        high * NEAR_BELOW
                    } else {
                        0.0
                    };
                Next::Try((low * high).sqrt().max(near), Purpose::Bisect)
            }
            (Some((low, _)), None) => Next::Try(
                (low * self.climb_factor()).min(self.terms.ceiling),
                Purpose::Climb,
            ),
        }
    }

    fn next_of_approach(&self) -> Option<Next> {
        let low = self.book.low().map_or(0.0, |(low, _)| low);
        let high = self.book.high().unwrap_or(f64::INFINITY);
        let ahead = |(rate, _): &&(f64, Purpose)| *rate > low && *rate < high;
        let (rate, purpose) = self.approach.iter().find(ahead)?;
        Some(Next::Try(*rate, *purpose))
    }

    fn next_below(&self, high: f64) -> Next {
        let next = high / CLIMB_FACTOR;
        if next >= self.start() * FLOOR_SHARE {
            return Next::Try(next, Purpose::Climb);
        }
        let why = self
            .log
            .trials
            .last()
            .map_or("", |trial| trial.why.as_str());
        Next::Nothing {
            why: format!("nothing is carried, not even {high:.1}/s: {why}"),
        }
    }

    fn is_closed(&self, low: f64, high: Option<f64>) -> bool {
        let precision = self.terms.plan.precision;
        let width_max = if self.held_before.is_infinite() {
            1.0 + precision * PRECISION_SHARE
        } else if low < self.held_before {
            1.0 + precision
        } else {
            NEAR_ABOVE
        };
        // The rates are products, so a bracket of exactly that width may be off by a rounding.
        self.blind.is_some()
            || low >= self.terms.ceiling
            || high.is_some_and(|high| high / low <= width_max * (1.0 + 1e-9))
    }

    fn climb_factor(&self) -> f64 {
        if self.held_before.is_finite() {
            NEAR_ABOVE
        } else {
            CLIMB_FACTOR
        }
    }

    fn start(&self) -> f64 {
        self.terms.plan.start.min(self.terms.ceiling)
    }

    /// Holds a share of the found rate for long; goes down when it does not hold, and narrows again.
    fn want_soak(&self, low: f64, high: Option<f64>) -> Want {
        let found = || Want::Over(self.found(low, high));
        if self.terms.plan.soak.is_zero() {
            return found();
        }
        let first = (low * soak::SHARE).min(self.soak_rate_max);
        let held = self.soaks.low().map(|(rate, _)| rate);
        let rate = match (held, self.soaks.high()) {
            (None, None) => first,
            (None, Some(failed)) if first < failed => first,
            (None, Some(failed)) => failed * soak::STEP_DOWN,
            (Some(_), None) => return found(),
            (Some(held), Some(failed)) if failed / held <= 1.0 + self.terms.plan.precision => {
                return Want::Over(Ending::Bracket {
                    low: held,
                    high: failed,
                });
            }
            (Some(held), Some(failed)) => (held * failed).sqrt(),
        };
        if rate < low * soak::SHARE_MIN {
            let why = self
                .log
                .trials
                .last()
                .map_or("", |trial| trial.why.as_str());
            return Want::Over(Ending::Nothing {
                why: format!("it carries {low:.0}/s for a short time and no load for long: {why}"),
            });
        }
        Want::Try(self.trial(rate, Purpose::Soak))
    }

    fn found(&self, low: f64, high: Option<f64>) -> Ending {
        match high {
            Some(high) => Ending::Bracket { low, high },
            None => Ending::Short {
                low,
                why: self.why_short(),
            },
        }
    }

    fn why_short(&self) -> String {
        let (max, ceiling) = (self.terms.plan.max, self.terms.ceiling);
        match &self.blind {
            Some(why) => why.clone(),
            None if ceiling >= max => format!("the plan allows no more than {max:.0}/s"),
            None => format!(
                "this generator is sure up to {ceiling:.0}/s only (70 % of what it reached against the built-in null server)"
            ),
        }
    }

    fn trial(&self, rate: f64, purpose: Purpose) -> Trial {
        let Terms {
            plan, objective, ..
        } = &self.terms;
        let (duration, block) = match purpose {
            Purpose::WarmUp => (WARM_UP, BLOCK),
            Purpose::Climb => (length::of_climb(objective, rate), BLOCK),
            Purpose::Bisect | Purpose::Repeat => {
                (length::of_trial(objective, rate, plan.soak), BLOCK)
            }
            Purpose::Soak => (plan.soak, soak::block(plan.soak)),
        };
        Trial {
            rate,
            duration,
            block,
            purpose,
            cool_down: self.cool_down,
        }
    }

    /// Takes what was seen of a valid trial.
    pub(super) fn learn(&mut self, observation: &Observation) {
        let trial = observation.trial;
        if trial.purpose == Purpose::WarmUp {
            self.warm_up.note(observation);
            self.log.warm_up(observation);
            if self.warm_up.is_unsettled() {
                self.log
                    .note("latency or CPU per call still fell when the warm-up ended".to_owned());
            }
            self.cool_down = COOL_DOWN;
            return;
        }
        let judge = self.terms.judge;
        let judgement = match trial.purpose {
            Purpose::Soak => soak::judge(&judge, observation),
            _ => judge.trial(observation),
        };
        self.log.judged(observation, &judgement);
        self.cool_down = match judgement.class {
            Class::Overloaded => COOL_DOWN_AFTER_OVERLOAD,
            Class::Carried | Class::Unclear => COOL_DOWN,
        };
        match trial.purpose {
            Purpose::Soak => self.learn_soak(observation, &judgement),
            Purpose::Climb => self.learn_climb(observation, &judgement),
            _ => self
                .book
                .note(trial.rate, &judgement, judge.calls(observation), &judge),
        }
        if let Some((held, failed)) = self.book.contradiction() {
            self.log.note(format!(
                "{held:.0}/s held although {failed:.0}/s did not: the lower load counts"
            ));
        }
        if !self.is_warm && self.book.low().is_some() {
            self.is_warm = true;
            if let Some(failed) = self.book.high() {
                // What failed before the target carried anything failed cold, perhaps: it is tried again.
                self.log.note(format!(
                    "{failed:.0}/s failed before anything was carried: it is tried again"
                ));
                self.book.forget_failures();
            }
        }
    }

    fn learn_climb(&mut self, observation: &Observation, judgement: &Judgement) {
        let rate = observation.trial.rate;
        self.book
            .note_climb(rate, judgement, self.terms.judge.calls(observation));
    }

    fn learn_soak(&mut self, observation: &Observation, judgement: &Judgement) {
        let rate = observation.trial.rate;
        if judgement.class == Class::Overloaded {
            self.soaks.note_failed(rate);
            self.log.note(format!(
                "{rate:.0}/s did not hold for long: {}",
                judgement.why
            ));
        } else {
            self.soaks.note_held(rate);
        }
    }

    /// Takes a trial that says nothing, before it is run again.
    pub(super) fn note_invalid(&mut self, observation: &Observation, why: &str) {
        self.log.invalid(observation, why);
        self.cool_down = COOL_DOWN_AFTER_OVERLOAD;
    }

    /// The generator cannot: what was carried so far is a lower limit.
    pub(super) fn go_blind(&mut self, trial: &Trial, why: String) {
        let low = self.book.low().map(|(low, _)| low);
        if self.blind.is_some() || trial.purpose == Purpose::Soak {
            self.is_over = Some(match low {
                Some(low) => Ending::Short { low, why },
                None => Ending::Nothing { why },
            });
        } else {
            self.blind = Some(why);
        }
    }

    /// How it ended when somebody stops it now.
    pub(super) fn stop(&self, why: String) -> Ending {
        match self.book.low() {
            Some((low, true)) => Ending::Short { low, why },
            Some((_, false)) | None => Ending::Nothing { why },
        }
    }

    /// What is kept of it.
    pub(super) fn into_log(self) -> (Option<f64>, Option<f64>, Log) {
        (
            self.book.low().map(|(low, _)| low),
            self.book.high(),
            self.log,
        )
    }
}
