//! What chance alone does to a rule: how often a function that is well breaks its threshold, and whether
//! there are calls enough to judge at all.
//!
//! Windows are taken side by side, calls as independent, and `for` is left out. "Well" means that a tenth of
//! what the threshold allows goes wrong. Then the chance of one window is a binomial tail: at least as many
//! calls go wrong as Wilson's (or Newcombe's) interval takes to prove a breach.

use std::time::Duration;

use crate::condition::{Condition, Enough, Side};
use crate::wilson;

/// What goes wrong in a function that is well, as a part of what the threshold allows.
const WELL: f64 = 0.1;
pub(crate) const YEAR_SECONDS: f64 = 365.0 * 86_400.0;

/// How many calls in which window it takes to judge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Needs {
    pub(crate) enough: Enough,
    pub(crate) over: Duration,
    /// How many parts need so many calls each.
    pub(crate) sides: u64,
}

impl Needs {
    /// What a condition needs; `None` for one that has no `min_calls`.
    pub(crate) fn of(condition: &Condition) -> Option<Needs> {
        let needs = |enough: &Enough, over, sides| {
            Some(Needs {
                enough: *enough,
                over,
                sides,
            })
        };
        match condition {
            Condition::SuccessRate(own) => needs(&own.enough, own.over, 1),
            Condition::Latency(own) => needs(&own.enough, own.over, 1),
            Condition::Share(own) => needs(&own.enough, own.over, 1),
            Condition::Compare(own) => needs(&own.enough, own.over, 2),
            Condition::Outlier(own) => needs(&own.enough, own.over, 2),
            // It is enough that one of its windows can be judged.
            Condition::Slo(own) => {
                let longest = own.burn.pairs().iter().map(|pair| pair.long).max()?;
                needs(&own.enough, longest, 1)
            }
            _ => None,
        }
    }

    /// Calls of one window at a rate.
    pub(crate) fn calls(&self, per_minute: f64) -> f64 {
        per_minute * self.over.as_secs_f64() / 60.0
    }

    /// Whether a rate never gives enough calls.
    pub(crate) fn exceed(&self, per_minute: f64) -> bool {
        let needed = self.sides.saturating_mul(self.enough.min_calls);
        self.calls(per_minute).floor() < needed as f64
    }

    /// `min_calls 100 in 1m`, or `2 x min_calls 200 in 5m`.
    pub(crate) fn text(&self) -> String {
        let times = if self.sides > 1 {
            format!("{} x ", self.sides)
        } else {
            String::new()
        };
        let over = model::format_duration(self.over);
        format!("{times}min_calls {} in {over}", self.enough.min_calls)
    }
}

/// How many false breaches a year a label set with so many calls a minute is to expect. `None` where no
/// formula is known, or where it can never be judged.
pub(crate) fn breaches_a_year(condition: &Condition, calls_per_minute: f64) -> Option<f64> {
    let needs = Needs::of(condition)?;
    if needs.exceed(calls_per_minute) {
        return None;
    }
    let calls = needs.calls(calls_per_minute).floor() as u64;
    let z = needs.enough.z();
    let chance = match condition {
        Condition::SuccessRate(own) => beyond(calls, 1.0 - own.below.get(), z),
        // That the p99 is too high is to say that more than 1 % of calls are too slow.
        Condition::Latency(own) => beyond(calls, 1.0 - own.quantile, z),
        Condition::Share(own) => match own.side {
            Side::Above => beyond(calls, own.threshold.get(), z),
            Side::Below => beyond(calls, 1.0 - own.threshold.get(), z),
        },
        Condition::Compare(own) => worse(calls / 2, own.worse_by.get(), z),
        // Each of the parts is judged.
        Condition::Outlier(own) => 2.0 * worse(calls / 2, own.worse_by.get(), z),
        _ => return None,
    };
    Some(chance * YEAR_SECONDS / needs.over.as_secs_f64().max(1.0))
}

/// The chance that a window proves more than the share `allowed` to go wrong though a tenth of it does.
fn beyond(calls: u64, allowed: f64, z: f64) -> f64 {
    wilson::failures_that_prove(calls, 1.0 - allowed, z).map_or(0.0, |needed| {
        wilson::binomial_tail(calls, needed, allowed * WELL)
    })
}

/// The chance that one of two parts with so many calls each is proven worse by more than `by`, though in both
/// a tenth of that goes wrong; the other part has as many failures as is to be expected.
fn worse(calls: u64, by: f64, z: f64) -> f64 {
    let usual = (calls as f64 * by * WELL).round() as u64;
    let other = (calls.saturating_sub(usual), calls);
    let proves = |failed: u64| {
        wilson::difference_at_least(other, (calls.saturating_sub(failed), calls), z) > by
    };
    // The bound rises with the failures.
    wilson::fewest(calls, proves).map_or(0.0, |needed| {
        wilson::binomial_tail(calls, needed, by * WELL)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::RuleSet;

    fn condition(declared: &str) -> Condition {
        let text = format!(
            "version: rampart/v1\nrules:\n  - alert: A\n    functions: ['*']\n    {declared}\n"
        );
        let set = RuleSet::parse("a.yaml", &text).unwrap();
        set.rules()[0].daily.condition.clone()
    }

    fn yearly(declared: &str, calls_per_minute: f64) -> Option<f64> {
        breaches_a_year(&condition(declared), calls_per_minute)
    }

    /// The figures that the design argues with: 217 and 0.1 breaches in 1,000 days.
    #[test]
    fn confidence_decides_how_often_chance_breaks_a_threshold() {
        let at = |confidence| {
            let declared = format!("success_rate: {{below: 99%, confidence: {confidence}}}");
            yearly(&declared, 100.0).unwrap() / 365.0 * 1_000.0
        };
        assert!((at("95%") - 217.0).abs() < 1.0, "{}", at("95%"));
        assert!((0.05..0.15).contains(&at("99.9%")), "{}", at("99.9%"));
    }

    /// Ninety-nine of a hundred calls below 800 ms is the same proof as ninety-nine of a hundred that succeed.
    #[test]
    fn a_share_is_a_share_whatever_it_is_of() {
        let of = |declared| yearly(declared, 500.0).unwrap();
        let rate = of("success_rate: {below: 99%}");
        assert!(rate > 0.0);
        for declared in [
            "latency: {quantile: 0.99, above: 800ms}",
            "share: {of: cold_start, above: 1%, over: 1m}",
            "share: {of: outcome, value: ok, below: 99%, over: 1m}",
        ] {
            let found = of(declared);
            assert!(
                (found / rate - 1.0).abs() < 1e-6,
                "{declared}: {found} {rate}"
            );
        }
    }

    #[test]
    fn two_sides_need_twice_the_calls_and_more_of_them_prove_less_by_chance() {
        let compare = "compare: {version: gray, against: base, success_rate_worse_by: 1pp}";
        assert_eq!(
            yearly(compare, 79.0),
            None,
            "395 calls in 5m for two times 200"
        );
        let few = yearly(compare, 80.0).unwrap();
        let many = yearly(compare, 8_000.0).unwrap();
        assert!(few > many, "{few} {many}");
        let outlier = "outlier: {across: unit, worse_by: 1pp, over: 5m}";
        assert!((yearly(outlier, 80.0).unwrap() / few - 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_formula_has_no_number() {
        assert_eq!(yearly("qps: {absent_for: 2m}", 100.0), None);
        assert_eq!(yearly("slo: {objective: 99.9%}", 100.0), None);
        assert_eq!(yearly("success_rate: {below: 99%}", 99.0), None);
        let needs = Needs::of(&condition("slo: {objective: 99.9%}")).unwrap();
        assert_eq!(needs.over, Duration::from_hours(72));
    }
}
