//! `rampart loadtest capacity`: does what the search wants and tells it what was seen.

use std::sync::Arc;

use super::guard::Guards;
use super::senders::{Purpose, Senders, Sending};
use super::validity::Sieve;
use super::words::{self, milliseconds};
use super::{Context, Observer, RunError, subject};
use crate::engine::{RunClock, Stop};
use crate::plan::{Objective, Plan};
use crate::pod::{PodFigures, PodReader};
use crate::result::{CapacityResult, LimitsPublish, Second, Subject};
use crate::search::{Block, Finding, Observation, Search, Step, Trial, hints};
use crate::sizing;
use crate::tally::Tally;

/// Searches what the plan's target carries. Stopped early it gives what is known until then.
pub fn find_capacity(plan: &Plan, context: &mut Context<'_>) -> Result<CapacityResult, RunError> {
    let objective = plan.objective.ok_or(RunError::NoObjective)?;
    let guards = Guards {
        abort: &plan.abort,
        production: context.production,
    };
    guards.may_begin()?;
    let id = subject::id(context);
    let mut senders = Senders::make(plan, &id, Purpose::Capacity, context)?;
    let mut pod = PodReader::open(&plan.pod, &plan.allow)?;
    senders.check(plan, &id, Purpose::Capacity, context)?;
    let stop = Stop::below(&context.stop);
    let calibrated = senders.calibrate(&plan.load, &context.clock, &stop)?;
    let mut about = subject::begun(plan, &id, context);
    senders.sign(&mut about);
    let mut search = Search::new(plan.capacity, objective, calibrated);
    context.observer.begun(
        &about,
        &words::objective(&objective),
        words::estimate(search.planned_duration()),
    );
    context.observer.note(&format!(
        "{} {}; loads up to 70 % of it are trusted",
        senders.reach(),
        words::rate(calibrated)
    ));
    let began = context.clock.now();
    let mut bench = Bench {
        plan,
        objective: &objective,
        clock: &context.clock,
        observer: &mut *context.observer,
        pod: &mut pod,
        trials: 0,
    };
    let finding = guards.watch(&stop, || bench.drive(&mut senders, &mut search, &stop));
    let limits_of_pod = bench.read_pod();
    context.observer.ended();
    senders.sign(&mut about);
    about.seconds = context.clock.now().since(began) as f64 / 1e9;
    about.pod_cpus = limits_of_pod
        .as_ref()
        .and_then(|figures| figures.cpus_limit);
    about.pod_memory_bytes = limits_of_pod
        .as_ref()
        .and_then(|figures| figures.memory_limit);
    Ok(result(plan, &objective, about, finding?))
}

/// What follows from a finding.
fn result(plan: &Plan, objective: &Objective, about: Subject, finding: Finding) -> CapacityResult {
    let pods = f64::from(plan.capacity.pods.max(1));
    let per_pod = finding.verdict.plannable().map(|low| low / pods);
    let per_cpu = per_pod
        .zip(about.pod_cpus)
        .map(|(per_pod, cpus)| per_pod / cpus);
    let mean = finding.mean_latency_ms;
    let mut said = finding.notes.clone();
    said.extend(hints::sentences(
        &finding.samples,
        &finding.verdict,
        about.pod_cpus.map(|cpus| cpus * pods),
    ));
    CapacityResult {
        limits: per_pod.zip(mean).map(|(per_pod, mean_ms)| {
            sizing::limits(per_pod, std::time::Duration::from_secs_f64(mean_ms / 1e3))
        }),
        limits_publish: Some(LimitsPublish {
            publish: plan.limits.publish,
            max_change: plan.limits.max_change.get(),
        }),
        pods: per_pod
            .zip(plan.sizing.as_ref())
            .and_then(|(per_pod, sale)| sale.pods(per_pod)),
        verdict: finding.verdict,
        subject: about,
        objective: words::objective(objective),
        per_pod,
        per_cpu,
        mean_latency_ms: mean,
        searches: finding.searches,
        hints: said,
    }
}

/// Where trials are made.
struct Bench<'a> {
    plan: &'a Plan,
    objective: &'a Objective,
    clock: &'a RunClock,
    observer: &'a mut dyn Observer,
    pod: &'a mut PodReader,
    trials: u64,
}

impl Bench<'_> {
    /// Does what the search wants until it is over or stopped.
    fn drive(
        &mut self,
        senders: &mut Senders,
        search: &mut Search,
        stop: &Arc<Stop>,
    ) -> Result<Finding, RunError> {
        let mut last = None;
        loop {
            let was_told = last.is_some();
            let step = search.next(last.take());
            if let Some(judged) = search.last_trial().filter(|_| was_told) {
                self.observer.trial(judged);
            }
            let trial = match step {
                Step::Done(finding) => return Ok(*finding),
                Step::Run(trial) => trial,
            };
            self.observer.note(&format!(
                "{}: {} for {} at most",
                trial.purpose.word(),
                words::rate(trial.rate),
                model::format_duration(trial.duration)
            ));
            if let Some(reason) = self.rest(trial.cool_down, stop) {
                return Ok(search.stop(reason));
            }
            let observation = self.observe(senders, &trial, search, stop)?;
            if let Some(fault) = senders.faults().into_iter().next() {
                return Ok(search.stop(fault));
            }
            if let Some(reason) = stop.reason() {
                return Ok(search.stop(reason));
            }
            self.observer.note(&seen(&observation));
            last = Some(observation);
        }
    }

    /// Sends nothing for a while; gives the reason when it was stopped meanwhile.
    fn rest(&self, span: std::time::Duration, stop: &Stop) -> Option<String> {
        let until = self.clock.now().plus(span.as_nanos() as u64);
        while !stop.is_raised() {
            let left = until.since(self.clock.now());
            if left == 0 {
                return None;
            }
            std::thread::sleep(
                crate::engine::LOOK_FOR_STOP.min(std::time::Duration::from_nanos(left)),
            );
        }
        stop.reason()
    }

    /// Sends one trial and gives what was seen of it, block by block.
    fn observe(
        &mut self,
        senders: &mut Senders,
        trial: &Trial,
        search: &Search,
        stop: &Arc<Stop>,
    ) -> Result<Observation, RunError> {
        self.trials += 1;
        let sending = Sending::Trial {
            rate: trial.rate,
            duration: trial.duration,
            seed: self.plan.load.seed.wrapping_add(self.trials),
        };
        let enough = Stop::below(stop);
        let before = self.read_pod();
        let mut gathered = Gathered {
            observation: Observation {
                trial: *trial,
                blocks: Vec::new(),
                faults: Vec::new(),
            },
            block: Open {
                pod: before,
                ..Open::default()
            },
            total: Tally::default(),
            sieve: Sieve::new(Some(self.objective)),
        };
        let (clock, plan) = (self.clock, self.plan);
        senders.send(sending, plan, clock, &enough, |at, tally| {
            let counts = gathered.sieve.admit(&tally);
            if counts {
                gathered.total.add_after(&tally);
                gathered.block.add(&tally);
            }
            self.observer
                .second(&Second::of(f64::from(at), false, &tally), &gathered.total);
            if gathered.block.tally.span_nanos as f64 / 1e9 + 0.05 < trial.block.as_secs_f64() {
                return;
            }
            let figures = self.read_pod();
            gathered.close(figures, self.objective);
            if search.enough(&gathered.observation) {
                enough.raise("enough was seen");
            }
        })?;
        if gathered.block.tally.counts.done() > 0 {
            let figures = self.read_pod();
            gathered.close(figures, self.objective);
        }
        gathered.observation.faults = gathered
            .sieve
            .faults_at(trial.rate, plan.load.in_flight_max);
        Ok(gathered.observation)
    }

    /// The pod's figures now; a reading that fails is passed over, the search goes on without it.
    fn read_pod(&mut self) -> Option<PodFigures> {
        match self.pod.read() {
            Ok(figures) => Some(figures),
            Err(error) => {
                self.observer
                    .note(&format!("the pod's figures are missing: {error}"));
                None
            }
        }
    }
}

/// A trial so far.
struct Gathered {
    observation: Observation,
    block: Open,
    total: Tally,
    sieve: Sieve,
}

/// The block at hand.
#[derive(Default)]
struct Open {
    tally: Tally,
    in_flight: Vec<u64>,
    pod: Option<PodFigures>,
}

impl Open {
    fn add(&mut self, second: &Tally) {
        self.tally.add_after(second);
        self.in_flight.push(second.in_flight);
    }
}

impl Gathered {
    fn close(&mut self, figures: Option<PodFigures>, objective: &Objective) {
        let Open {
            tally,
            in_flight,
            pod,
        } = std::mem::take(&mut self.block);
        let used = pod.zip(figures).map(|(before, after)| after.since(&before));
        self.block.pod = figures;
        let counts = &tally.counts;
        let failed = counts.failed() + counts.unexpected;
        self.observation.blocks.push(Block {
            seconds: tally.span_nanos as f64 / 1e9,
            intended: counts.intended,
            sent: counts.sent,
            ok: counts.ok,
            limited: counts.limited,
            failed,
            over: failed + tally.ok_latency.over(objective.latency.as_nanos() as u64),
            done: counts.done(),
            latency_at_quantile_ms: tally.latency.quantile(objective.quantile) as f64 / 1e6,
            mean_latency_ms: tally.latency.mean() / 1e6,
            in_flight,
            pod_cpu_seconds: used.and_then(|used| used.cpu_seconds),
            pod_memory_bytes: figures.and_then(|figures| figures.memory_bytes),
            throttled_seconds: used.and_then(|used| used.throttled_seconds),
        });
    }
}

/// What a trial gave, in a line.
fn seen(observation: &Observation) -> String {
    let sum = |of: fn(&Block) -> u64| observation.blocks.iter().map(of).sum::<u64>();
    let (done, ok, over) = (
        sum(|block| block.done),
        sum(|block| block.ok),
        sum(|block| block.over),
    );
    let slowest = observation
        .blocks
        .iter()
        .map(|block| block.latency_at_quantile_ms)
        .fold(0.0, f64::max);
    let mut line = format!(
        "  {}: {done} calls, {ok} ok, {over} over the objective, {} in the slowest block",
        words::rate(observation.trial.rate),
        milliseconds(slowest)
    );
    for fault in &observation.faults {
        line.push_str("; not valid: ");
        line.push_str(fault);
    }
    line
}
