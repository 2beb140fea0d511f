//! `rampart loadtest run`: one load, and what came of it.

use super::guard::Guards;
use super::senders::{Purpose, Senders, Sending};
use super::thresholds::thresholds;
use super::validity::Sieve;
use super::words;
use super::{Context, RunError, subject};
use crate::engine::Stop;
use crate::plan::{Load, LoadModel, Objective, Plan, Stage};
use crate::result::{RunResult, Second, Window};
use crate::tally::Tally;

/// Sends the plan's load and gives what came of it, with the tally of everything after the warm-up.
/// Stopped early it gives what there is.
pub fn run(plan: &Plan, context: &mut Context<'_>) -> Result<(RunResult, Tally), RunError> {
    if plan.load.is_empty() {
        return Err(RunError::NoLoad);
    }
    let guards = Guards {
        abort: &plan.abort,
        production: context.production,
    };
    guards.may_begin()?;
    let id = subject::id(context);
    let mut senders = Senders::make(plan, &id, Purpose::Run, context)?;
    senders.check(plan, &id, Purpose::Run, context)?;
    let mut about = subject::begun(plan, &id, context);
    senders.sign(&mut about);
    let words = words::load(&plan.load.model, plan.load.duration);
    let planned = plan.load.warm_up + plan.load.duration;
    context.observer.begun(&about, &words, planned);
    let mut seen = Seen::new(&plan.load, plan.objective.as_ref());
    let began = context.clock.now();
    let stop = Stop::below(&context.stop);
    let observer = &mut *context.observer;
    let sent = guards.watch(&stop, || {
        senders.send(Sending::Whole, plan, &context.clock, &stop, |at, tally| {
            let second = seen.add(at, &tally);
            observer.second(&second, &seen.total);
        })
    });
    context.observer.ended();
    sent?;
    senders.sign(&mut about);
    about.seconds = context.clock.now().since(began) as f64 / 1e9;
    let objective = plan.objective.as_ref();
    let thresholds = objective.map(|objective| thresholds(objective, &seen.total));
    let result = RunResult {
        subject: about,
        load: words,
        total: Window::of(&seen.total),
        thresholds: thresholds.unwrap_or_default(),
        left_out: seen.sieve.left_out(),
        left_out_why: seen.sieve.first_trouble().map(str::to_owned),
        invalid: [senders.faults(), seen.sieve.faults()].concat(),
        stopped: stop.reason(),
        seconds: seen.seconds,
    };
    Ok((result, seen.total))
}

/// The same load with its warm-up in front, at the rate with which it begins.
pub(super) fn with_warm_up(load: &Load) -> Load {
    let mut whole = load.clone();
    whole.duration = load.warm_up + load.duration;
    if let LoadModel::Open { stages, .. } = &mut whole.model
        && !load.warm_up.is_zero()
        && let Some(first) = stages.first().copied()
    {
        stages.insert(
            0,
            Stage {
                duration: load.warm_up,
                from: first.from,
                to: first.from,
            },
        );
    }
    whole
}

/// Seconds so far, and the sum of those that count.
#[derive(Debug)]
struct Seen {
    warm_up_seconds: u32,
    seconds: Vec<Second>,
    sieve: Sieve,
    total: Tally,
}

impl Seen {
    fn new(load: &Load, objective: Option<&Objective>) -> Self {
        Seen {
            warm_up_seconds: load.warm_up.as_secs_f64().ceil() as u32,
            seconds: Vec::new(),
            sieve: Sieve::new(objective),
            total: Tally::default(),
        }
    }

    fn add(&mut self, at: u32, tally: &Tally) -> Second {
        let warm_up = at < self.warm_up_seconds;
        let left_out = !warm_up && !self.sieve.admit(tally);
        if !warm_up && !left_out {
            self.total.add_after(tally);
        }
        let second = Second {
            left_out,
            ..Second::of(f64::from(at), warm_up, tally)
        };
        self.seconds.push(second);
        second
    }
}
