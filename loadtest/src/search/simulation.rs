//! A target in simulated time: a queue with a few workers, and every way to be difficult that the search
//! must see through.

use std::collections::VecDeque;
use std::time::Duration;

use model::Ratio;

use crate::plan::{CapacityPlan, Objective};
use crate::search::Search;
use crate::search::trial::{Block, Finding, Observation, Step, Trial};

/// Marsaglia's xorshift64*: millions of draws a second in an unoptimised build, where the run's own
/// generator would be most of a test's time.
#[derive(Clone, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn seeded(seed: u64) -> Self {
        Draws(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

/// How long a call keeps a worker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Service {
    Exponential(f64),
    Constant(f64),
    /// `(short, long, share of long ones)`.
    Bimodal(f64, f64, f64),
}

/// What makes a target difficult. The default is an honest queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// Calls beyond so many waiting ones are answered 503 in a millisecond.
    pub(super) queue_max: Option<usize>,
    /// Calls beyond so many a second are answered 429.
    pub(super) limit: Option<f64>,
    /// From so many calls on since it last rested, each takes five times as long.
    pub(super) leak_after: Option<u64>,
    /// Its memory shows the leak.
    pub(super) memory_shows: bool,
    /// Once so many wait, each takes three times as long until the queue is empty.
    pub(super) collapse_at: Option<usize>,
    /// Between these rates one call in twenty takes 300 ms longer.
    pub(super) hole: Option<(f64, f64)>,
    /// So many first calls take 20 times as long.
    pub(super) cold_calls: u64,
    /// Every so many seconds its speed is drawn anew, up to this share off.
    pub(super) noise: Option<(f64, f64)>,
    /// The generator is late above this rate, and calls then seem to take 200 ms longer.
    pub(super) generator_max: Option<f64>,
    /// After so many seconds the target answers nothing any more.
    pub(super) dies_after: Option<f64>,
}

#[derive(Clone, Debug)]
pub(super) struct Target {
    draws: Draws,
    noise: Draws,
    service: Service,
    trouble: Trouble,
    objective_s: f64,
    /// When each worker is free.
    workers: Vec<f64>,
    /// When the calls that wait will start.
    waiting: VecDeque<f64>,
    pub(super) now: f64,
    calls: u64,
    calls_since_rest: u64,
    has_collapsed: bool,
    speed: f64,
    speed_until: f64,
}

/// What ended in one second.
#[derive(Clone, Debug)]
struct Second {
    done: u64,
    failed: u64,
    limited: u64,
    over: u64,
    latency_s: f64,
    busy_s: f64,
    /// Calls by the logarithm of their latency, four steps to a doubling.
    by_latency: [u32; 128],
}

impl Default for Second {
    fn default() -> Self {
        Second {
            done: 0,
            failed: 0,
            limited: 0,
            over: 0,
            latency_s: 0.0,
            busy_s: 0.0,
            by_latency: [0; 128],
        }
    }
}

impl Second {
    fn quantile_ms(&self, quantile: f64) -> f64 {
        let wanted = (self.done as f64 * quantile).ceil() as u32;
        let mut sum = 0;
        let at = self.by_latency.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        2_f64.powf(at.unwrap_or(0) as f64 / 4.0) / 1e3
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Ok,
    Failed,
    Limited,
}

impl Target {
    pub(super) fn new(
        seed: u64,
        workers: usize,
        service: Service,
        objective: &Objective,
        trouble: Trouble,
    ) -> Self {
        Target {
            draws: Draws::seeded(seed),
            noise: Draws::seeded(seed ^ 0xABCD),
            service,
            trouble,
            objective_s: objective.latency.as_secs_f64(),
            workers: vec![0.0; workers],
            waiting: VecDeque::new(),
            now: 0.0,
            calls: 0,
            calls_since_rest: 0,
            has_collapsed: false,
            speed: 1.0,
            speed_until: 0.0,
        }
    }

    /// One call at `at`: what came of it, when it ended and how long it kept a worker.
    fn call(&mut self, at: f64, rate: f64) -> (Answer, f64, f64) {
        while self.waiting.front().is_some_and(|start| *start <= at) {
            self.waiting.pop_front();
        }
        if self
            .trouble
            .limit
            .is_some_and(|limit| self.draws.unit() > limit / rate)
        {
            return (Answer::Limited, at + 0.001, 0.0);
        }
        if self
            .trouble
            .queue_max
            .is_some_and(|max| self.waiting.len() >= max)
        {
            return (Answer::Failed, at + 0.001, 0.0);
        }
        let mut first = 0;
        for worker in 1..self.workers.len() {
            if self.workers[worker] < self.workers[first] {
                first = worker;
            }
        }
        let start = at.max(self.workers[first]);
        if start > at {
            self.waiting.push_back(start);
        }
        let service = self.service_time(at);
        self.workers[first] = start + service;
        (Answer::Ok, start + service, service)
    }

    fn service_time(&mut self, at: f64) -> f64 {
        self.calls += 1;
        self.calls_since_rest += 1;
        let mut time = match self.service {
            Service::Exponential(mean) => mean * self.draws.exponential(),
            Service::Constant(time) => time,
            Service::Bimodal(short, long, share) => {
                if self.draws.unit() < share {
                    long
                } else {
                    short
                }
            }
        };
        if let Some((every, off)) = self.trouble.noise {
            if at >= self.speed_until {
                self.speed = 1.0 + off * (2.0 * self.noise.unit() - 1.0);
                self.speed_until = at + every;
            }
            time *= self.speed;
        }
        if self.calls <= self.trouble.cold_calls {
            time *= 20.0;
        }
        if self
            .trouble
            .leak_after
            .is_some_and(|after| self.calls_since_rest > after)
        {
            time *= 5.0;
        }
        if let Some(threshold) = self.trouble.collapse_at {
            self.has_collapsed = match self.waiting.len() {
                0 => false,
                waiting => self.has_collapsed || waiting > threshold,
            };
            if self.has_collapsed {
                time *= 3.0;
            }
        }
        if self.trouble.dies_after.is_some_and(|after| at > after) {
            time += 1e6;
        }
        time
    }

    /// Sends a trial until it ends or the search has seen enough.
    pub(super) fn run(
        &mut self,
        trial: Trial,
        enough: impl Fn(&Observation) -> bool,
        quantile: f64,
    ) -> Observation {
        let mut observation = Observation {
            trial,
            blocks: Vec::new(),
            faults: Vec::new(),
        };
        if self
            .trouble
            .generator_max
            .is_some_and(|max| trial.rate > max)
        {
            observation
                .faults
                .push("its own lateness was 12 ms at p99".to_owned());
        }
        if trial.cool_down >= Duration::from_secs(1) {
            self.calls_since_rest = 0;
        }
        let begin = self.now + trial.cool_down.as_secs_f64();
        let seconds = trial.duration.as_secs() as usize;
        let block_seconds = trial.block.as_secs() as usize;
        let mut by_second: Vec<Second> = vec![Second::default(); seconds + 1];
        let (mut in_flight, mut next) = (0_u64, begin + self.draws.exponential() / trial.rate);
        let mut block = Block::default();
        let mut seen = Second::default();
        for second in 0..seconds {
            let end = begin + second as f64 + 1.0;
            let mut sent = 0;
            while next < end {
                self.send(next, begin, &trial, &mut by_second);
                sent += 1;
                next += self.draws.exponential() / trial.rate;
            }
            in_flight += sent;
            let ended = &by_second[second];
            in_flight -= ended.done;
            block.sent += sent;
            block.in_flight.push(in_flight);
            seen.add(ended);
            if (second + 1) % block_seconds == 0 || second + 1 == seconds {
                let (block, seen) = (std::mem::take(&mut block), std::mem::take(&mut seen));
                observation
                    .blocks
                    .push(seen.block(block, quantile, self.memory()));
                if enough(&observation) {
                    self.now = end;
                    return observation;
                }
            }
        }
        self.now = begin + seconds as f64;
        observation
    }

    fn send(&mut self, at: f64, begin: f64, trial: &Trial, by_second: &mut [Second]) {
        let (answer, mut done, service) = self.call(at, trial.rate);
        if self
            .trouble
            .hole
            .is_some_and(|(from, to)| trial.rate > from && trial.rate < to)
            && self.draws.unit() < 0.05
            || self
                .trouble
                .generator_max
                .is_some_and(|max| trial.rate > max)
        {
            done += 0.3;
        }
        let latency = done - at;
        let last = by_second.len() - 1;
        let second = &mut by_second[((done - begin) as usize).min(last)];
        second.done += 1;
        second.latency_s += latency;
        second.busy_s += service;
        second.by_latency[((latency * 1e6 + 1.0).log2() * 4.0).clamp(0.0, 127.0) as usize] += 1;
        match answer {
            Answer::Ok => second.over += u64::from(latency > self.objective_s),
            Answer::Failed => {
                second.failed += 1;
                second.over += 1;
            }
            Answer::Limited => second.limited += 1,
        }
    }

    fn memory(&self) -> Option<u64> {
        self.trouble
            .memory_shows
            .then_some(100_000_000 + 5_000 * self.calls_since_rest)
    }
}

impl Second {
    fn add(&mut self, other: &Second) {
        self.done += other.done;
        self.failed += other.failed;
        self.limited += other.limited;
        self.over += other.over;
        self.latency_s += other.latency_s;
        self.busy_s += other.busy_s;
        for (mine, theirs) in self.by_latency.iter_mut().zip(&other.by_latency) {
            *mine += theirs;
        }
    }

    fn block(&self, block: Block, quantile: f64, memory: Option<u64>) -> Block {
        Block {
            seconds: block.in_flight.len() as f64,
            intended: block.sent,
            ok: self.done - self.failed - self.limited,
            limited: self.limited,
            failed: self.failed,
            over: self.over,
            done: self.done,
            latency_at_quantile_ms: self.quantile_ms(quantile),
            mean_latency_ms: self.latency_s / (self.done.max(1) as f64) * 1e3,
            pod_cpu_seconds: Some(self.busy_s),
            pod_memory_bytes: memory,
            ..block
        }
    }
}

/// The rate at which exactly the allowed share of calls is over the objective, by long runs of the same
/// draws at each rate.
pub(super) fn truth(
    workers: usize,
    service: Service,
    objective: &Objective,
    trouble: &Trouble,
    (mut low, mut high): (f64, f64),
) -> f64 {
    const CALLS: f64 = 200_000.0;
    while high / low > 1.003 {
        let rate = (low * high).sqrt();
        let mut target = Target::new(99, workers, service, objective, trouble.clone());
        let (mut at, mut over) = (0.0, 0);
        let calls = CALLS as u64;
        for _ in 0..calls {
            at += target.draws.exponential() / rate;
            let (answer, done, _) = target.call(at, rate);
            over += u64::from(answer == Answer::Failed || done - at > target.objective_s);
        }
        if over as f64 / CALLS > 1.0 - objective.quantile {
            high = rate;
        } else {
            low = rate;
        }
    }
    (low * high).sqrt()
}

/// Lets a search and a target play to the end. Gives the finding and the simulated seconds it took.
pub(super) fn play(
    mut search: Search,
    target: &mut Target,
    objective: &Objective,
) -> (Finding, f64) {
    let mut step = search.next(None);
    loop {
        match step {
            Step::Run(trial) => {
                let seen = target.run(trial, |so_far| search.enough(so_far), objective.quantile);
                step = search.next(Some(seen));
            }
            Step::Done(finding) => return (*finding, target.now),
        }
    }
}

/// The plan of the examples.
pub(super) fn plan() -> CapacityPlan {
    CapacityPlan {
        start: 20.0,
        max: 5_000.0,
        soak: Duration::from_secs(20),
        searches: 3,
        precision: 0.05,
        pods: 1,
    }
}

/// The objective of the examples.
pub(super) fn objective() -> Objective {
    Objective {
        quantile: 0.99,
        latency: Duration::from_millis(100),
        success_rate: Ratio::new(0.99).unwrap(),
    }
}

#[cfg(test)]
mod tests;
