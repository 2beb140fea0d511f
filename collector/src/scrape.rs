//! Prometheus targets: fetched on a schedule, each answer one batch of samples.

mod labelling;
mod series;

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Timestamp;
use outbound::{Outbound, Request, Trust};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::{ScrapeInput, Target};
use crate::events;
use crate::exposition::Dialect;
use crate::formats::{Decoded, RefusalKind};
use crate::intake::{Intake, Patience, pause_or_stop};
use crate::ledger::Ledger;
pub use series::STALE_MARKER_BITS;
use series::{Fetched, Scraped, Series};

/// Answers held in memory at once, over all targets.
pub(crate) const FETCHES_IN_FLIGHT_MAX: usize = 32;

/// One scrape source at work.
pub(crate) struct Scrape {
    pub(crate) intake: Arc<Intake>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) input: Arc<ScrapeInput>,
    pub(crate) outbound: Outbound,
    pub(crate) in_flight: Arc<Semaphore>,
    /// Whether the collector itself ends, in which case its series do not.
    pub(crate) ending: watch::Receiver<bool>,
}

/// How the targets of one source are doing together.
struct Health {
    /// When each target last answered; the source is complete up to the oldest.
    answered: Mutex<Vec<Option<Timestamp>>>,
    /// What is wrong with each target that did not answer.
    troubles: Mutex<BTreeMap<String, String>>,
}

impl Health {
    fn of(targets: usize) -> Self {
        Health {
            answered: Mutex::new(vec![None; targets]),
            troubles: Mutex::default(),
        }
    }

    /// Notes an answer, and gives the time up to which all targets have answered.
    fn answered(&self, target: usize, at: Timestamp) -> Option<Timestamp> {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = answered.get_mut(target) {
            *last = (*last).max(Some(at));
        }
        answered.iter().min().copied().flatten()
    }

    /// Notes how one target is doing, and gives what is wrong with any of them.
    fn trouble(&self, instance: &str, failure: Option<&str>) -> Option<String> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(failure) => troubles.insert(instance.to_owned(), failure.to_owned()),
            None => troubles.remove(instance),
        };
        let (instance, failure) = troubles.first_key_value()?;
        Some(format!("{instance}: {failure}"))
    }
}

impl Scrape {
    /// Scrapes all targets until told to stop. A failing target does not hold up another.
    pub(crate) async fn run(self, stop: watch::Receiver<bool>) {
        let scrape = Arc::new(self);
        let count = scrape.input.targets.len();
        let health = Arc::new(Health::of(count));
        let mut targets = JoinSet::new();
        for (index, target) in scrape.input.targets.iter().enumerate() {
            let (scrape, health) = (Arc::clone(&scrape), Arc::clone(&health));
            let (target, stop) = (target.clone(), stop.clone());
            targets.spawn(async move { scrape.follow(index, &target, &health, stop).await });
        }
        while targets.join_next().await.is_some() {}
    }

    async fn follow(
        &self,
        index: usize,
        target: &Target,
        health: &Health,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut series = Series::new(&self.input, target);
        // Targets are spread over the interval, each always at the same place in it.
        if pause_or_stop(offset_of(target, self.input.every), &mut stop).await {
            return;
        }
        let mut ticks = tokio::time::interval(self.input.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = stop.wait_for(|stop| *stop) => { let _ = changed; break }
            }
            let at = self.intake.clock.now();
            let fetched = tokio::select! {
                fetched = self.fetch(target, at) => fetched,
                changed = stop.wait_for(|stop| *stop) => { let _ = changed; break }
            };
            let answered = fetched.failure.is_none();
            match health.trouble(&target.instance, fetched.failure.as_deref()) {
                Some(trouble) => self.ledger.fails(&trouble),
                None => self.ledger.works(),
            }
            let scraped = series.observe(fetched);
            let Some(committed) = self.commit(scraped, at, &mut stop).await else {
                break;
            };
            if answered
                && committed
                && let Some(until) = health.answered(index, at)
            {
                self.intake
                    .watermarks()
                    .advance(self.ledger.source(), until);
            }
        }
        // A target that is no longer scraped ends its series; a program that ends does not know.
        if !*self.ending.borrow() {
            let scraped = series.end(self.intake.clock.now());
            if let Err(error) = self.intake.store.commit(scraped.batch).await {
                self.ledger.fails(&error.to_string());
            }
        }
    }

    /// Fetches one answer. Every failure is part of what is told.
    async fn fetch(&self, target: &Target, at: Timestamp) -> Fetched {
        let began = self.intake.clock.elapsed();
        let answer = self.answer(target).await;
        let took = self.intake.clock.elapsed().saturating_sub(began);
        let (body, dialect, failure) = match answer {
            Ok((body, dialect)) => (body, dialect, None),
            Err(failure) => (Vec::new(), Dialect::Text, Some(failure)),
        };
        Fetched {
            body,
            dialect,
            failure,
            at,
            took,
        }
    }

    async fn answer(&self, target: &Target) -> Result<(Vec<u8>, Dialect), String> {
        let fetch = async {
            // Never closed, so only the deadline ends the wait.
            let permit = self.in_flight.acquire().await;
            let timeout = self.input.timeout.as_secs_f64();
            let request = Request {
                headers: vec![
                    ("accept".to_owned(), Dialect::ACCEPT.to_owned()),
                    ("accept-encoding".to_owned(), "identity".to_owned()),
                    (
                        "x-prometheus-scrape-timeout-seconds".to_owned(),
                        timeout.to_string(),
                    ),
                ],
                deadline: self.input.timeout,
                trust: Trust::Configured,
                answer_bytes_max: self.input.body_bytes_max,
                ..Request::new("GET", target.url.clone())
            };
            let answer = self.outbound.send(request).await;
            drop(permit);
            answer
        };
        let answer = tokio::time::timeout(self.input.timeout, fetch)
            .await
            .map_err(|_elapsed| "no answer within the timeout".to_owned())?
            .map_err(|error| chain(&error))?;
        if answer.status != 200 {
            return Err(format!("answered status {}", answer.status));
        }
        let dialect = Dialect::of_content_type(answer.header("content-type"));
        Ok((answer.body, dialect))
    }

    /// Whether the samples were committed; `None` when told to stop first.
    async fn commit(
        &self,
        scraped: Scraped,
        at: Timestamp,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<bool> {
        let Scraped {
            batch,
            samples,
            bytes,
            rejected,
            refusals,
            ended,
        } = scraped;
        match self
            .intake
            .commit_patiently(&self.ledger, batch, stop)
            .await
        {
            Patience::Committed => {}
            Patience::Stopped => return None,
            // The next scrape may fit; this one never will.
            Patience::Impossible(error) => {
                self.ledger.rejected(RefusalKind::Unstorable, samples);
                self.ledger.fails(&error.to_string());
                return Some(false);
            }
        }
        if ended > 0 {
            events::series_stale(self.ledger.source(), ended);
        }
        let decoded = Decoded {
            accepted: samples,
            rejected,
            refusals,
            ..Decoded::default()
        };
        self.intake.book(&self.ledger, &decoded, bytes, at);
        Some(true)
    }
}

fn offset_of(target: &Target, every: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    let share = (hasher.finish() % 1_000) as f64 / 1_000.0;
    // The first look need not wait long when the interval does.
    every.min(Duration::from_secs(5)).mul_f64(share)
}

/// An error with its causes: `a: b: c`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
