//! The arithmetic of the modelled pod: who works on what, and when it is done. Pure; time is given.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::{Leak, ModelPlan, ServiceTime, Shed, Stall};
use crate::random::Random;
use crate::timing::Nanos;

/// The pod's workers and its queue.
#[derive(Debug)]
pub(super) struct Pod {
    plan: ModelPlan,
    random: Random,
    /// When each worker is free, the earliest on top; on the clock that stands still in pauses.
    free: BinaryHeap<Reverse<u64>>,
    /// When those that were admitted start, in order; on the same clock.
    starts: VecDeque<u64>,
    /// Requests that were admitted.
    admitted: u64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is worked on.
    Work(Work),
    /// The queue is full; it is answered with this status at once.
    Shed(u16),
}

/// A request with a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// When it is done.
    pub(super) due: Nanos,
    /// The worker's time that it costs, in nanoseconds.
    pub(super) service: u64,
    /// Whether it comes to a good end.
    pub(super) ok: bool,
}

impl Pod {
    pub(super) fn new(plan: ModelPlan) -> Self {
        Pod {
            random: Random::new(plan.seed, 0),
            free: (0..plan.workers).map(|_| Reverse(0)).collect(),
            starts: VecDeque::new(),
            admitted: 0,
            plan,
        }
    }

    /// A request arrives. Instants must not go back from call to call.
    pub(super) fn arrive(&mut self, now: Nanos) -> Admission {
        if let Some(status) = self.shed(now) {
            return Admission::Shed(status);
        }
        let arrival = working(self.plan.stall, now.0);
        let service = self.service_time();
        let free = self.free.pop().map_or(arrival, |Reverse(free)| free);
        let start = free.max(arrival);
        let done = start.saturating_add(service);
        self.free.push(Reverse(done));
        if start > arrival {
            self.starts.push_back(start);
        }
        self.admitted += 1;
        Admission::Work(Work {
            due: Nanos(wall(self.plan.stall, done)).max(now),
            service,
            ok: self
                .plan
                .fail_share
                .is_none_or(|share| self.random.unit() >= share.get()),
        })
    }

    /// Requests that wait for a worker.
    pub(super) fn queued(&mut self, now: Nanos) -> usize {
        // First come, first served: starts are in order.
        let now = working(self.plan.stall, now.0);
        while self.starts.front().is_some_and(|start| *start <= now) {
            self.starts.pop_front();
        }
        self.starts.len()
    }

    /// Bytes that leaked so far.
    pub(super) fn leaked_bytes(&self) -> u64 {
        match self.plan.leak {
            Some(Leak::Memory { bytes_per_request }) => {
                self.admitted.saturating_mul(bytes_per_request)
            }
            Some(Leak::Time { .. }) | None => 0,
        }
    }

    fn shed(&mut self, now: Nanos) -> Option<u16> {
        let queued = self.queued(now);
        let arrival = working(self.plan.stall, now.0);
        // A worker that is free takes it at once, so that a queue of 0 still serves.
        let waits = self
            .free
            .peek()
            .is_some_and(|Reverse(free)| *free > arrival);
        if !waits || queued < self.plan.queue_max {
            return None;
        }
        match self.plan.shed {
            Shed::Never => None,
            Shed::Unavailable => Some(503),
            Shed::TooManyRequests => Some(429),
        }
    }

    fn service_time(&mut self) -> u64 {
        let nanos = match self.plan.service {
            ServiceTime::Constant(time) => time.as_nanos() as f64,
            ServiceTime::Exponential { mean } => mean.as_nanos() as f64 * self.random.exponential(),
            ServiceTime::Bimodal {
                fast,
                slow,
                slow_share,
            } => {
                let is_slow = self.random.unit() < slow_share.get();
                (if is_slow { slow } else { fast }).as_nanos() as f64
            }
        };
        let growth = match self.plan.leak {
            Some(Leak::Time {
                percent_per_thousand,
            }) => 1.0 + percent_per_thousand / 100.0 * self.admitted as f64 / 1_000.0,
            Some(Leak::Memory { .. }) | None => 1.0,
        };
        (nanos * growth) as u64
    }
}

/// Nanoseconds worked until the wall instant `at`. Each period ends with its pause.
fn working(stall: Option<Stall>, at: u64) -> u64 {
    let Some((every, awake)) = periods(stall) else {
        return at;
    };
    (at / every) * awake + (at % every).min(awake)
}

/// The last wall instant at which so many nanoseconds were worked.
fn wall(stall: Option<Stall>, worked: u64) -> u64 {
    let Some((every, awake)) = periods(stall) else {
        return worked;
    };
    (worked / awake)
        .saturating_mul(every)
        .saturating_add(worked % awake)
}

/// Length of a period and of its part without the pause; `None` without pauses.
fn periods(stall: Option<Stall>) -> Option<(u64, u64)> {
    let stall = stall?;
    let every = Nanos::from_duration(stall.every).0;
    let awake = every.checked_sub(Nanos::from_duration(stall.pause).0)?;
    (awake > 0).then_some((every, awake))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Ratio;

    use super::*;

    const MS: u64 = 1_000_000;

    fn plan(workers: u32, service_ms: u64) -> ModelPlan {
        ModelPlan {
            workers,
            service: ServiceTime::Constant(Duration::from_millis(service_ms)),
            ..ModelPlan::default()
        }
    }

    /// Due instants (ms) of requests that arrive at these instants (ms), or the status they are shed with.
    fn due(plan: ModelPlan, arrivals: &[u64]) -> Vec<Result<u64, u16>> {
        let mut pod = Pod::new(plan);
        arrivals
            .iter()
            .map(|at| match pod.arrive(Nanos(at * MS)) {
                Admission::Work(work) => Ok(work.due.0 / MS),
                Admission::Shed(status) => Err(status),
            })
            .collect()
    }

    #[test]
    fn the_worker_that_is_free_first_takes_the_request() {
        assert_eq!(
            due(plan(2, 10), &[0, 1, 2, 3, 50]),
            [Ok(10), Ok(11), Ok(20), Ok(21), Ok(60)]
        );
    }

    #[test]
    fn a_full_queue_sheds_and_a_free_worker_never() {
        for (shed, third) in [
            (Shed::Never, Ok(30)),
            (Shed::Unavailable, Err(503)),
            (Shed::TooManyRequests, Err(429)),
        ] {
            let plan = ModelPlan {
                queue_max: 1,
                shed,
                ..plan(1, 10)
            };
            assert_eq!(due(plan.clone(), &[0, 1, 2])[2], third);
            // At 11 the second has started, so there is room to wait again.
            assert!(due(plan, &[0, 1, 11])[2].is_ok());
        }
        let none_waits = ModelPlan {
            queue_max: 0,
            shed: Shed::Unavailable,
            ..plan(1, 10)
        };
        assert_eq!(due(none_waits, &[0, 5, 10]), [Ok(10), Err(503), Ok(20)]);
    }

    #[test]
    fn nobody_works_in_a_pause() {
        let stalled = ModelPlan {
            stall: Some(Stall {
                every: Duration::from_millis(100),
                pause: Duration::from_millis(30),
            }),
            ..plan(1, 10)
        };
        // Pauses from 70 to 100, 170 to 200. The first ends before, the second straddles one, the third
        // arrives in it and waits for the second.
        assert_eq!(
            due(stalled.clone(), &[50, 65, 80, 165]),
            [Ok(60), Ok(105), Ok(115), Ok(205)]
        );
        for at in [0, 1, 69 * MS, 70 * MS, 99 * MS, 100 * MS, 1_234_567_891] {
            let worked = working(stalled.stall, at);
            let back = wall(stalled.stall, worked);
            assert!(back >= at, "{at} {worked} {back}");
            assert_eq!(working(stalled.stall, back), worked);
        }
        assert!((stalled.capacity() - 70.0).abs() < 1e-9);
    }

    #[test]
    fn leaks_grow_with_requests() {
        let slower = ModelPlan {
            leak: Some(Leak::Time {
                percent_per_thousand: 100.0,
            }),
            ..plan(1, 10)
        };
        let arrivals: Vec<u64> = (0..=2_000).map(|at| at * 1_000).collect();
        let due = due(slower, &arrivals);
        for (request, took) in [(0, 10), (1_000, 20), (2_000, 30)] {
            assert_eq!(due[request], Ok(arrivals[request] + took));
        }
        let mut keeps = Pod::new(ModelPlan {
            leak: Some(Leak::Memory {
                bytes_per_request: 100,
            }),
            ..plan(1, 10)
        });
        for at in 0..5 {
            keeps.arrive(Nanos(at));
        }
        assert_eq!(keeps.leaked_bytes(), 500);
    }

    #[test]
    fn draws_have_the_planned_mean_and_share() {
        let share = |share| Ratio::new(share).unwrap();
        for (seed, service) in [
            (11, ServiceTime::Constant(Duration::from_micros(700))),
            (
                12,
                ServiceTime::Exponential {
                    mean: Duration::from_micros(700),
                },
            ),
            (
                13,
                ServiceTime::Bimodal {
                    fast: Duration::from_micros(200),
                    slow: Duration::from_micros(5_200),
                    slow_share: share(0.1),
                },
            ),
        ] {
            let mut pod = Pod::new(ModelPlan {
                workers: 1,
                service,
                fail_share: Some(share(0.25)),
                seed,
                ..ModelPlan::default()
            });
            assert!((service.mean_nanos() / 7e5 - 1.0).abs() < 1e-9);
            let requests = 40_000;
            let (mut sum, mut failed) = (0.0, 0.0);
            for _ in 0..requests {
                let Admission::Work(work) = pod.arrive(Nanos(0)) else {
                    panic!("nothing sheds");
                };
                sum += work.service as f64;
                failed += f64::from(u8::from(!work.ok));
            }
            let mean = sum / f64::from(requests);
            assert!((mean / 7e5 - 1.0).abs() < 0.03, "seed {seed}: mean {mean}");
            let failed = failed / f64::from(requests);
            assert!((failed - 0.25).abs() < 0.01, "seed {seed}: failed {failed}");
        }
    }
}
