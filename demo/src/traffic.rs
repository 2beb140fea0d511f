//! Users: an open model with Poisson arrivals. A slow function does not slow its users down, so that
//! trouble looks in the demo as it looks in life.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use model::{FunctionId, SharedClock};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long a user waits.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most calls of one function that may be under way; users beyond it go away.
const CALLS_IN_FLIGHT_MAX: usize = 400;

/// How often a function is called.
#[derive(Clone, Debug)]
pub struct Load {
    /// The function.
    pub function: FunctionId,
    /// Calls per second on average.
    pub qps: f64,
}

/// Running traffic. Dropping it ends it.
#[derive(Debug)]
pub struct Traffic {
    _users: JoinSet<()>,
    sent: Arc<AtomicU64>,
    away: HashMap<String, Arc<AtomicBool>>,
}

impl Traffic {
    /// Begins to send to a gateway.
    pub fn start(
        gateway: SocketAddr,
        loads: &[Load],
        seed: u64,
        clock: &SharedClock,
    ) -> Result<Traffic, reqwest::Error> {
        let client = crate::loopback_client(DEADLINE)?;
        let sent = Arc::new(AtomicU64::new(0));
        let mut users = JoinSet::new();
        let mut away = HashMap::new();
        for (index, load) in loads.iter().enumerate() {
            let arrivals = Arrivals::new(load.qps, seed.wrapping_add(index as u64));
            let function = load.function.to_string();
            let gone = Arc::new(AtomicBool::new(false));
            let users_of_one = Users {
                client: client.clone(),
                url: format!("http://{gateway}/{function}"),
                sent: Arc::clone(&sent),
                gone: Arc::clone(&gone),
            };
            users.spawn(users_of_one.call(arrivals, Arc::clone(clock)));
            away.insert(function, gone);
        }
        Ok(Traffic {
            _users: users,
            sent,
            away,
        })
    }

    /// Lets the users of a function go away, or come back.
    pub fn set_away(&self, function: &str, away: bool) {
        if let Some(gone) = self.away.get(function) {
            gone.store(away, Ordering::Relaxed);
        }
    }

    /// How many calls were sent.
    pub fn calls_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Arrival times since the start; their gaps are exponential.
#[derive(Debug)]
pub struct Arrivals {
    rng: StdRng,
    qps: f64,
    next: Duration,
}

impl Arrivals {
    /// Arrivals at this average rate, which must be above 0.
    pub fn new(qps: f64, seed: u64) -> Self {
        Arrivals {
            rng: StdRng::seed_from_u64(seed),
            qps: qps.max(f64::MIN_POSITIVE),
            next: Duration::ZERO,
        }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let gap = -(1.0 - self.rng.random::<f64>()).ln() / self.qps;
        let gap = Duration::try_from_secs_f64(gap).ok()?;
        self.next = self.next.checked_add(gap)?;
        Some(self.next)
    }
}

/// The users of one function.
struct Users {
    client: reqwest::Client,
    url: String,
    sent: Arc<AtomicU64>,
    gone: Arc<AtomicBool>,
}

impl Users {
    async fn call(self, arrivals: Arrivals, clock: SharedClock) {
        let room = Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX));
        let mut calls = JoinSet::new();
        let begun = clock.elapsed();
        for (number, arrival) in arrivals.enumerate() {
            // Due times are absolute: a late wake-up is caught up with, the rate stays true.
            tokio::time::sleep((begun + arrival).saturating_sub(clock.elapsed())).await;
            while calls.try_join_next().is_some() {}
            if self.gone.load(Ordering::Relaxed) {
                continue;
            }
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            self.sent.fetch_add(1, Ordering::Relaxed);
            let request = self
                .client
                .get(format!("{}?user={}", self.url, number % 1_000));
            calls.spawn(async move {
                // The gateway records what became of the call; users only look.
                if let Ok(mut answer) = request.send().await {
                    while let Ok(Some(_)) = answer.chunk().await {}
                }
                drop(permit);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_seeded_and_poisson() {
        let take = |seed| Arrivals::new(60.0, seed).take(6_000).collect::<Vec<_>>();
        let arrivals = take(3);
        assert_eq!(arrivals, take(3));
        assert_ne!(arrivals, take(4));
        assert!(arrivals.is_sorted());
        let seconds = arrivals[5_999].as_secs_f64();
        assert!((95.0..105.0).contains(&seconds), "{seconds}");
        // Exponential gaps: the variance of counts per second equals their mean.
        let mut counts = vec![0_f64; 90];
        for arrival in &arrivals {
            if let Some(count) = counts.get_mut(usize::try_from(arrival.as_secs()).unwrap()) {
                *count += 1.0;
            }
        }
        let mean = counts.iter().sum::<f64>() / 90.0;
        let variance = counts
            .iter()
            .map(|count| (count - mean).powi(2))
            .sum::<f64>()
            / 89.0;
        assert!(
            (0.6..1.6).contains(&(variance / mean)),
            "{variance} / {mean}"
        );
    }
}
