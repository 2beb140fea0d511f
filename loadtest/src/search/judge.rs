//! Whether a trial was carried: exact tests on the calls over the objective, and on the queue's growth.

use std::time::Duration;

use crate::plan::Objective;
use crate::search::length::CHANCE_OF_ERROR;
use crate::search::trial::{Block, Observation};
use crate::search::{beta, trend};

/// The chance of error at which a single trial is beyond doubt, and may even end before its time: then it
/// is looked at every second, and each look must be far surer than the last one (Haybittle 1971, Peto 1976).
pub(super) const CHANCE_OF_ERROR_CERTAIN: f64 = 0.003;
/// No trial ends before so many blocks.
const BLOCKS_MIN: usize = 6;
/// The chance that a level queue is taken for a growing one.
const CHANCE_OF_ERROR_QUEUE: f64 = 0.003;
/// A queue that grew by less than this share of the objective's latency over the whole trial is level,
/// however steadily it grew.
const GROWTH_OF_LATENCY_MIN: f64 = 0.5;
/// And so is one that grew by fewer calls than this.
const GROWTH_CALLS_MIN: f64 = 4.0;
/// One in so many blocks at the beginning is not counted: the queue fills, connections are made.
const LEAD_IN: usize = 10;

/// What a trial, or several at the same rate, say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) class: Class,
    /// The class would be the same at [`CHANCE_OF_ERROR_CERTAIN`]: no second trial is needed.
    pub(super) certain: bool,
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
    latency: Duration,
}

impl Judge {
    pub(super) fn new(objective: &Objective) -> Self {
        Judge {
            // Ten digits are kept: 1 − 0.99 is a little more than 0.01 in binary.
            over_allowed: ((1.0 - objective.quantile) * 1e10).round() / 1e10,
            failed_allowed: ((1.0 - objective.success_rate.get()) * 1e10).round() / 1e10,
            latency: objective.latency,
        }
    }

    /// Judges a finished trial.
    pub(super) fn trial(&self, observation: &Observation) -> Judgement {
        let shares = self.shares(&self.calls(observation));
        match self.queue_growth(observation) {
            Some(why) if shares.class != Class::Overloaded => Judgement::overloaded(why),
            _ => shares,
        }
    }

    /// Judges a trial that still runs; unclear until it is certain.
    pub(super) fn early(&self, so_far: &Observation) -> Class {
        if so_far.blocks.len() < BLOCKS_MIN {
            return Class::Unclear;
        }
        let shares = self.shares(&self.calls(so_far));
        if shares.certain {
            shares.class
        } else {
            Class::Unclear
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
        let young = observation.trial.rate * self.latency.as_secs_f64();
        let in_flight = observation
            .blocks
            .iter()
            .rev()
            .find_map(|block| block.in_flight.last());
        let in_flight = in_flight.map_or(0.0, |count| *count as f64);
        (in_flight - young - 3.0 * young.sqrt() - 1.0)
            .floor()
            .max(0.0)
    }

    /// Holds shares against the objective. Blocks of several trials at one rate may stand in one list.
    pub(super) fn shares(&self, blocks: &[Calls]) -> Judgement {
        self.judge(&Calls::sum(blocks), &Shares::of(blocks))
    }

    /// Holds the last third of a trial against the objective. Too few blocks are left there to see how
    /// much calls are late together, so that is taken from the whole.
    pub(super) fn last_third(&self, blocks: &[Calls]) -> Judgement {
        let late = blocks
            .get(blocks.len() - blocks.len() / 3..)
            .unwrap_or_default();
        let shares = Shares::of(late).no_surer_than(&Shares::of(blocks));
        self.judge(&Calls::sum(late), &shares)
    }

    fn judge(&self, total: &Calls, shares: &Shares) -> Judgement {
        if total.judged + total.limited == 0.0 {
            return Judgement {
                certain: true,
                ..Judgement::overloaded("not one call was answered".to_owned())
            };
        }
        let parts = self.parts(shares, CHANCE_OF_ERROR);
        let class = parts.class();
        Judgement {
            class,
            certain: class == self.parts(shares, CHANCE_OF_ERROR_CERTAIN).class(),
            leans_to_carried: class == Class::Carried
                || class == Class::Unclear && self.is_met(shares),
            limited: parts.limited == Class::Overloaded,
            why: self.sentence(total, parts),
        }
    }

    fn parts(&self, shares: &Shares, chance_of_error: f64) -> Parts {
        Parts {
            over: shares.over.against(self.over_allowed, chance_of_error),
            failed: shares.failed.against(self.failed_allowed, chance_of_error),
            limited: shares.limited.against(self.failed_allowed, chance_of_error),
        }
    }

    fn is_met(&self, shares: &Shares) -> bool {
        shares.over.is_within(self.over_allowed)
            && shares.failed.is_within(self.failed_allowed)
            && shares.limited.is_within(self.failed_allowed)
    }

    /// What decided, for somebody who sees nothing else of the trial.
    fn sentence(&self, total: &Calls, parts: Parts) -> String {
        if parts.limited == Class::Overloaded {
            let refused = percent(total.limited / (total.judged + total.limited).max(1.0));
            return format!(
                "a flow limit refused {refused} of the calls (429), so what the target itself carries stays unknown"
            );
        }
        let is_about_failures = match (parts.over, parts.failed) {
            (Class::Overloaded, _) => false,
            (_, Class::Overloaded) | (Class::Carried, Class::Unclear) => true,
            _ => false,
        };
        let is_unclear = parts.class() == Class::Unclear;
        let (part, what, allowed) = if is_about_failures {
            let what = if is_unclear {
                "failed"
            } else {
                "failed or were not answered as expected"
            };
            (total.failed, what.to_owned(), self.failed_allowed)
        } else {
            let latency = model::format_duration(self.latency);
            let what = format!("took over {latency} or failed");
            (total.over, what, self.over_allowed)
        };
        let (judged, allowed) = (total.judged.round(), percent(allowed));
        if is_unclear {
            return format!(
                "too few calls to be sure: {part:.0} of {judged} {what}; {allowed} may"
            );
        }
        let share = percent(part / total.judged.max(1.0));
        format!("{share} of {judged} calls {what}; {allowed} may")
    }

    /// Why the queue counts as growing, when it does: calls in flight must be level once the trial is
    /// under way.
    fn queue_growth(&self, observation: &Observation) -> Option<String> {
        let samples: Vec<f64> = counted(&observation.blocks)
            .iter()
            .flat_map(|block| &block.in_flight)
            .map(|count| *count as f64)
            .collect();
        let line = trend::line(&samples)?;
        let growth = line.slope * samples.len() as f64;
        let material = GROWTH_OF_LATENCY_MIN * self.latency.as_secs_f64() * observation.trial.rate;
        (line.chance < CHANCE_OF_ERROR_QUEUE && growth > material.max(GROWTH_CALLS_MIN)).then(
            || {
                format!(
                    "calls in flight kept growing, by {growth:.0} in {} s: the target falls behind",
                    samples.len()
                )
            },
        )
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

impl Judgement {
    /// Overloaded for another reason than a share of calls.
    pub(super) fn overloaded(why: String) -> Self {
        Judgement {
            class: Class::Overloaded,
            certain: false,
            leans_to_carried: false,
            limited: false,
            why,
        }
    }
}

/// How each part of the objective stands.
#[derive(Clone, Copy, Debug)]
struct Parts {
    over: Class,
    failed: Class,
    limited: Class,
}

impl Parts {
    fn class(self) -> Class {
        // A target without 429s need not prove that it has none.
        let all = [self.over, self.failed];
        if self.limited == Class::Overloaded || all.contains(&Class::Overloaded) {
            Class::Overloaded
        } else if all == [Class::Carried; 2] {
            Class::Carried
        } else {
            Class::Unclear
        }
    }
}

/// The shares that an objective speaks of.
struct Shares {
    over: Share,
    failed: Share,
    limited: Share,
}

impl Shares {
    fn of(blocks: &[Calls]) -> Self {
        Shares {
            over: Share::of(blocks, |calls| (calls.over, calls.judged)),
            failed: Share::of(blocks, |calls| (calls.failed, calls.judged)),
            limited: Share::of(blocks, |calls| {
                (calls.limited, calls.judged + calls.limited)
            }),
        }
    }

    fn no_surer_than(mut self, other: &Shares) -> Self {
        for (mine, theirs) in [
            (&mut self.over, &other.over),
            (&mut self.failed, &other.failed),
            (&mut self.limited, &other.limited),
        ] {
            mine.design_effect = mine.design_effect.max(theirs.design_effect);
        }
        self
    }
}

/// A share of calls, with how many independent calls it is worth.
struct Share {
    part: f64,
    whole: f64,
    design_effect: f64,
}

impl Share {
    fn of(blocks: &[Calls], of: fn(&Calls) -> (f64, f64)) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judgement_says_what_decided() {
        let judge = Judge::new(&Objective {
            quantile: 0.99,
            latency: Duration::from_micros(2_500),
            success_rate: model::Ratio::new(0.999).unwrap(),
        });
        let said = |judged: f64, over: f64, failed: f64, limited: f64| {
            let calls = Calls {
                judged,
                over,
                failed,
                limited,
            };
            let judgement = judge.shares(&[calls]);
            format!("{}: {}", judgement.class.word(), judgement.why)
        };
        for (got, expected) in [
            (
                said(401.0, 0.0, 0.0, 0.0),
                "unclear: too few calls to be sure: 0 of 401 failed; 0.1 % may",
            ),
            (
                said(401.0, 3.0, 1.0, 0.0),
                "unclear: too few calls to be sure: 3 of 401 took over 2ms500us or failed; 1 % may",
            ),
            (
                said(4_000.0, 10.0, 0.0, 0.0),
                "carried: 0.25 % of 4000 calls took over 2ms500us or failed; 1 % may",
            ),
            (
                said(4_000.0, 100.0, 0.0, 0.0),
                "overloaded: 2.5 % of 4000 calls took over 2ms500us or failed; 1 % may",
            ),
            (
                said(4_000.0, 30.0, 30.0, 0.0),
                "overloaded: 0.75 % of 4000 calls failed or were not answered as expected; 0.1 % may",
            ),
            (
                said(900.0, 0.0, 0.0, 100.0),
                "overloaded: a flow limit refused 10 % of the calls (429), so what the target itself carries stays unknown",
            ),
            (
                said(0.0, 0.0, 0.0, 0.0),
                "overloaded: not one call was answered",
            ),
        ] {
            assert_eq!(got, expected);
        }
    }
}
