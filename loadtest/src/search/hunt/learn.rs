//! What a search makes of the trials that it was shown.

use std::time::Duration;

use super::{COOL_DOWN_AFTER_OVERLOAD, Ending, Hunt};
use crate::search::book::Book;
use crate::search::judge::{Class, Judgement};
use crate::search::soak;
use crate::search::trial::{Observation, Purpose, Trial};
use crate::search::warm_up::WarmUp;

/// After so many trials without any answer the search ends.
const SILENT_TRIALS_MAX: u32 = 3;
const COOL_DOWN: Duration = Duration::from_secs(1);
/// A target whose queue takes longer than this to drain is not waited for.
const COOL_DOWN_MAX: Duration = Duration::from_mins(1);
/// What a queue seems to need to drain, times this.
const DRAIN_ALLOWANCE: f64 = 1.5;

impl Hunt {
    /// Takes what was seen of a valid trial.
    pub(in crate::search) fn learn(&mut self, observation: &Observation) {
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
        let cool_down_min = match judgement.class {
            Class::Overloaded => COOL_DOWN_AFTER_OVERLOAD,
            Class::Carried | Class::Unclear => COOL_DOWN,
        };
        self.cool_down = time_to_drain(observation).clamp(cool_down_min, COOL_DOWN_MAX);
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
        self.learn_whether_silent(observation);
        self.learn_whether_warm();
        self.learn_whether_too_kind();
    }

    /// What failed before the target carried anything failed cold, perhaps. So it is warmed up once more
    /// after its first failure, and what failed is tried again once something was carried.
    fn learn_whether_warm(&mut self) {
        if self.is_warm {
            return;
        }
        self.is_warm = self.book.low().is_some();
        let Some(failed) = self.book.high() else {
            return;
        };
        if self.is_warm || !self.was_warmed_twice {
            self.log.note(format!(
                "{failed:.0}/s failed before anything was carried: it is tried again"
            ));
            self.book.forget_failures();
        }
        if !self.was_warmed_twice {
            self.was_warmed_twice = true;
            self.warm_up = WarmUp::default();
        }
    }

    fn learn_climb(&mut self, observation: &Observation, judgement: &Judgement) {
        let rate = observation.trial.rate;
        self.book
            .note_climb(rate, judgement, self.terms.judge.calls(observation));
    }

    fn learn_soak(&mut self, observation: &Observation, judgement: &Judgement) {
        let rate = observation.trial.rate;
        self.soaks.note_soak(rate, judgement);
        if self.soaks.high().is_none_or(|failed| failed > rate) {
            return;
        }
        let why = &judgement.why;
        self.log
            .note(format!("{rate:.0}/s did not hold for long: {why}"));
        // Either the target gets worse with time, or the bracket was too kind: its lower end is tried anew.
        if let (false, Some((low, _))) = (self.was_doubted, self.book.low()) {
            self.was_doubted = true;
            self.doubted = Some(low);
            self.book.reopen(low);
        }
    }

    /// A target that has stopped to answer is left alone.
    fn learn_whether_silent(&mut self, observation: &Observation) {
        let is_silent = observation.blocks.iter().all(|block| block.done == 0);
        self.silent_trials = if is_silent { self.silent_trials + 1 } else { 0 };
        if self.silent_trials >= SILENT_TRIALS_MAX {
            let why = format!("the target answered nothing in {SILENT_TRIALS_MAX} trials in a row");
            self.is_over = Some(Ending::Nothing { why });
        }
    }

    /// Once the lower end of the bracket failed after all, what was soaked above the new one says nothing
    /// about time.
    fn learn_whether_too_kind(&mut self) {
        if self.doubted.is_some() && self.doubted == self.book.high() {
            self.doubted = None;
            self.soaks = Book::default();
        }
    }

    /// Takes a trial that says nothing, before it is run again.
    pub(in crate::search) fn note_invalid(&mut self, observation: &Observation, why: &str) {
        self.log.invalid(observation, why);
        self.cool_down = COOL_DOWN_AFTER_OVERLOAD;
    }

    /// The generator cannot: what was carried so far is a lower limit.
    pub(in crate::search) fn go_blind(&mut self, trial: &Trial, why: String) {
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
}

/// How long the target needs for the calls that it still has, at its slowest pace in the trial's second half.
fn time_to_drain(observation: &Observation) -> Duration {
    let blocks = &observation.blocks;
    let last = blocks.iter().rev().find_map(|block| block.in_flight.last());
    let pace = blocks
        .iter()
        .skip(blocks.len() / 2)
        .map(|block| block.done as f64 / block.seconds)
        .fold(f64::INFINITY, f64::min);
    let seconds = match last {
        Some(in_flight) if pace > 0.0 => DRAIN_ALLOWANCE * *in_flight as f64 / pace,
        Some(_) => f64::INFINITY,
        None => 0.0,
    };
    Duration::try_from_secs_f64(seconds).unwrap_or(COOL_DOWN_MAX)
}
