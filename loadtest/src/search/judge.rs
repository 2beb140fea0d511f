//! Whether a trial was carried: exact tests on the calls over the objective, and on the queue's growth.

use crate::plan::Objective;
use crate::search::length::CHANCE_OF_ERROR;
use crate::search::trial::{Block, Observation};
use crate::search::{beta, trend};

/// The chance of error at which a trial may end before its time. It is looked at every second, so each
/// look must be far surer than the last one (Haybittle 1971, Peto 1976).
pub(super) const CHANCE_OF_ERROR_EARLY: f64 = 0.003;
/// No trial ends before so many blocks.
const BLOCKS_MIN: usize = 6;
/// The chance that a level queue is taken for a growing one.
const CHANCE_OF_ERROR_QUEUE: f64 = 0.01;
/// A queue that grew by less than this share of the objective's latency over the whole trial is level,
/// however steadily it grew.
const GROWTH_OF_LATENCY_MIN: f64 = 0.1;
/// And so is one that grew by fewer calls than this.
const GROWTH_CALLS_MIN: f64 = 4.0;
/// One in so many blocks at the beginning is not counted: the queue fills, connections are made.
const LEAD_IN: usize = 10;

/// What a trial, or several at the same rate, say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) class: Class,
    /// Which way an unclear trial leans.
    pub(super) leans_to_carried: bool,
    /// A flow limit refused more calls than may fail.
    pub(super) limited: bool,
    /// A sentence for a person.
    pub(super) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Carried,
    Overloaded,
    Unclear,
}

impl Class {
    pub(super) fn word(self) -> &'static str {
        match self {
            Class::Carried => "carried",
            Class::Overloaded => "overloaded",
            Class::Unclear => "unclear",
        }
    }
}

/// What counts of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Calls {
    /// Ended and not refused by a flow limit: those that the objective speaks of.
    judged: f64,
    over: f64,
    failed: f64,
    limited: f64,
}

/// The objective in the numbers that a trial is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge {
    over_allowed: f64,
    failed_allowed: f64,
    latency_seconds: f64,
}

impl Judge {
    pub(super) fn new(objective: &Objective) -> Self {
        Judge {
            // Ten digits are kept: 1 − 0.99 is a little more than 0.01 in binary.
            over_allowed: ((1.0 - objective.quantile) * 1e10).round() / 1e10,
            failed_allowed: ((1.0 - objective.success_rate.get()) * 1e10).round() / 1e10,
            latency_seconds: objective.latency.as_secs_f64(),
        }
    }

    /// Judges a finished trial.
    pub(super) fn trial(&self, observation: &Observation) -> Judgement {
        self.judge(observation, CHANCE_OF_ERROR)
    }

    /// Judges a trial that still runs; unclear until it is very clear.
    pub(super) fn early(&self, so_far: &Observation) -> Class {
        if so_far.blocks.len() < BLOCKS_MIN {
            return Class::Unclear;
        }
        self.judge(so_far, CHANCE_OF_ERROR_EARLY).class
    }

    fn judge(&self, observation: &Observation, chance_of_error: f64) -> Judgement {
        let shares = self.shares(&self.calls(observation), chance_of_error);
        match self.queue_growth(observation, chance_of_error.min(CHANCE_OF_ERROR_QUEUE)) {
            Some(why) if shares.class != Class::Overloaded => Judgement {
                class: Class::Overloaded,
                leans_to_carried: false,
                limited: false,
                why,
            },
            _ => shares,
        }
    }

    /// The calls of each block that counts.
    pub(super) fn calls(&self, observation: &Observation) -> Vec<Calls> {
        let mut calls: Vec<Calls> = counted(&observation.blocks).iter().map(Calls::of).collect();
        if let Some(last) = calls.last_mut() {
            let stuck = self.stuck(observation);
            last.judged += stuck;
            last.over += stuck;
        }
        calls
    }

    /// Calls without an answer at the end that must have waited longer than the objective allows: those
    /// beyond what comes in within its latency, with three deviations of a Poisson count to spare.
    fn stuck(&self, observation: &Observation) -> f64 {
        let young = observation.trial.rate * self.latency_seconds;
        let in_flight = observation
            .blocks
            .iter()
            .rev()
            .find_map(|block| block.in_flight.last());
        let in_flight = in_flight.map_or(0.0, |count| *count as f64);
        (in_flight - young - 3.0 * young.sqrt() - 1.0).max(0.0)
    }

    /// Holds shares against the objective. Blocks of several trials at one rate may stand in one list.
    pub(super) fn shares(&self, blocks: &[Calls], chance_of_error: f64) -> Judgement {
        let total = Calls::sum(blocks);
        let over = Share::new(blocks, |calls| (calls.over, calls.judged));
        let failed = Share::new(blocks, |calls| (calls.failed, calls.judged));
        let limited = Share::new(blocks, |calls| {
            (calls.limited, calls.judged + calls.limited)
        });
        let classes = [
            over.against(self.over_allowed, chance_of_error),
            failed.against(self.failed_allowed, chance_of_error),
        ];
        let is_limited = limited.against(self.failed_allowed, chance_of_error) == Class::Overloaded;
        let class = if total.judged + total.limited == 0.0
            || is_limited
            || classes.contains(&Class::Overloaded)
        {
            Class::Overloaded
        } else if classes == [Class::Carried; 2] {
            Class::Carried
        } else {
            Class::Unclear
        };
        Judgement {
            class,
            leans_to_carried: class == Class::Carried
                || (class == Class::Unclear
                    && over.is_within(self.over_allowed)
                    && failed.is_within(self.failed_allowed)
                    && limited.is_within(self.failed_allowed)),
            limited: is_limited,
            why: self.sentence(&total, is_limited, classes),
        }
    }

    fn sentence(&self, total: &Calls, limited: bool, [over, failed]: [Class; 2]) -> String {
        let percent = |part: f64, of: f64| percent(part / of.max(1.0));
        if total.judged + total.limited == 0.0 {
            return "no call was answered".to_owned();
        }
        if limited {
            return format!(
                "limited: a flow limit refused {} of the calls (429) and hides what lies above it",
                percent(total.limited, total.judged + total.limited)
            );
        }
        if failed == Class::Overloaded && over != Class::Overloaded
            || failed == Class::Unclear && over == Class::Carried
        {
            return format!(
                "{} of {} calls failed or were answered otherwise than expected; {} may",
                percent(total.failed, total.judged),
                total.judged.round(),
                percent(self.failed_allowed, 1.0)
            );
        }
        format!(
            "{} of {} calls took over {:.0} ms or failed; {} may",
            percent(total.over, total.judged),
            total.judged.round(),
            self.latency_seconds * 1e3,
            percent(self.over_allowed, 1.0)
        )
    }

    /// Why the queue counts as growing, when it does: calls in flight must be level once the trial is
    /// under way.
    fn queue_growth(&self, observation: &Observation, chance_of_error: f64) -> Option<String> {
        let samples: Vec<f64> = counted(&observation.blocks)
            .iter()
            .flat_map(|block| &block.in_flight)
            .map(|count| *count as f64)
            .collect();
        let line = trend::line(&samples)?;
        let growth = line.slope * samples.len() as f64;
        let material = GROWTH_OF_LATENCY_MIN * self.latency_seconds * observation.trial.rate;
        (line.chance < chance_of_error && growth > material.max(GROWTH_CALLS_MIN)).then(|| {
            format!(
                "calls in flight grew by {growth:.0} in {} s: the queue has no end",
                samples.len()
            )
        })
    }
}

/// The blocks without the lead-in.
pub(super) fn counted(blocks: &[Block]) -> &[Block] {
    let lead_in = if blocks.len() < BLOCKS_MIN {
        0
    } else {
        blocks.len().div_ceil(LEAD_IN)
    };
    blocks.get(lead_in..).unwrap_or_default()
}

/// `0.37 %`.
pub(super) fn percent(share: f64) -> String {
    let digits = format!("{:.2}", share * 100.0);
    let short = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{short} %")
}

impl Calls {
    fn of(block: &Block) -> Self {
        Calls {
            judged: block.done.saturating_sub(block.limited) as f64,
            over: block.over as f64,
            failed: block.failed as f64,
            limited: block.limited as f64,
        }
    }

    fn add(self, other: &Calls) -> Self {
        Calls {
            judged: self.judged + other.judged,
            over: self.over + other.over,
            failed: self.failed + other.failed,
            limited: self.limited + other.limited,
        }
    }

    pub(super) fn sum(blocks: &[Calls]) -> Self {
        blocks.iter().fold(Calls::default(), Calls::add)
    }
}

/// A share of calls, with how many independent calls it is worth.
struct Share {
    part: f64,
    whole: f64,
    design_effect: f64,
}

impl Share {
    fn new(blocks: &[Calls], of: fn(&Calls) -> (f64, f64)) -> Self {
        let (part, whole) = of(&Calls::sum(blocks));
        let batches = |length: usize| -> Vec<(f64, f64)> {
            blocks
                .chunks(length)
                .map(|chunk| of(&Calls::sum(chunk)))
                .collect()
        };
        // One slow second makes hundreds of calls late together, and a long queue several seconds: so
        // blocks are also looked at in pairs and fours.
        let design_effect = [1, 2, 4]
            .into_iter()
            .filter_map(|length| design_effect(&batches(length), part / whole.max(1.0)))
            .fold(1.0, f64::max);
        Share {
            part,
            whole,
            design_effect,
        }
    }

    fn is_within(&self, allowed: f64) -> bool {
        self.part <= allowed * self.whole
    }

    /// Clopper and Pearson's test (1934) on the effective number of calls (Rao and Scott 1992).
    fn against(&self, allowed: f64, chance_of_error: f64) -> Class {
        if allowed <= 0.0 {
            return if self.part > 0.0 {
                Class::Overloaded
            } else {
                Class::Carried
            };
        }
        let (part, whole) = (
            self.part / self.design_effect,
            self.whole / self.design_effect,
        );
        if beta::binomial_at_most(part, whole, allowed) < chance_of_error {
            Class::Carried
        } else if beta::binomial_at_least(part, whole, allowed) < chance_of_error {
            Class::Overloaded
        } else {
            Class::Unclear
        }
    }
}

/// By how much the counts of batches vary more than those of independent calls would (Kish's design
/// effect, as Pearson's statistic over its degrees of freedom). `None` with fewer than four batches, or
/// when no call or every call is in the share.
fn design_effect(batches: &[(f64, f64)], share: f64) -> Option<f64> {
    const BATCHES_MIN: usize = 4;
    if batches.len() < BATCHES_MIN || share <= 0.0 || share >= 1.0 {
        return None;
    }
    let statistic: f64 = batches
        .iter()
        .filter(|(_, whole)| *whole > 0.0)
        .map(|(part, whole)| (part - whole * share).powi(2) / (whole * share * (1.0 - share)))
        .sum();
    Some(statistic / (batches.len() as f64 - 1.0))
}
