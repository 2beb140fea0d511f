//! The collector at work: sources start, change and stop; what is known of them is answered.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use model::{FunctionId, SharedClock, Timestamp};
use outbound::Outbound;
use store::{QueryLimits, Store};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, HttpInput, Input, PUSH, SourceConfig};
use crate::dead_letters::DeadLetters;
use crate::events;
use crate::formats::{AHEAD_MAX, Format, Meaning};
use crate::intake::Intake;
use crate::ledger::SourceStatus;
use crate::push::Admission;
use crate::scrape::{FETCHES_IN_FLIGHT_MAX, Scrape};
use crate::tail::Tail;
use crate::watermark::{Completeness, FUNCTIONS_MAX, Promise};

/// How long stopping waits for the sources, all of them together.
const STOP_DEADLINE: Duration = Duration::from_millis(1_500);
/// How long the tables may be asked which source feeds which function.
const RECALL_DEADLINE: Duration = Duration::from_secs(10);
/// How many hours back they are asked at a time, the newest first: most of what feeds a function
/// did so just now, and a busy day may be more than there is time for.
const RECALL_HOURS: [u64; 4] = [0, 2, 8, 24];
/// How often the lag of every source is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Takes in rows and metrics. Clones share everything.
#[derive(Clone)]
pub struct Collector {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) intake: Arc<Intake>,
    pub(crate) admission: Admission,
    outbound: Outbound,
    in_flight: Arc<Semaphore>,
    running: Mutex<Running>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
    ending: watch::Sender<bool>,
}

#[derive(Default)]
struct Running {
    sources: BTreeMap<String, RunningSource>,
    /// File sources that were told to stop and have a commit under way still. Whoever takes their
    /// place starts after them, else it would read the same lines again.
    leaving: BTreeMap<String, JoinHandle<()>>,
}

struct RunningSource {
    config: Arc<SourceConfig>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// Why the collector cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The collector was started outside of an async runtime.
    #[error("the collector needs a running tokio runtime")]
    NoRuntime,
}

impl Collector {
    /// Starts every source of `config`. Refused lines are kept below `data_dir`. A source that
    /// cannot work yet is tried again and shows why; it keeps nothing else from working.
    pub fn start(
        config: Config,
        store: Store,
        outbound: Outbound,
        clock: SharedClock,
        data_dir: &Path,
    ) -> Result<Collector, StartError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(StartError::NoRuntime);
        }
        let dead_letters = DeadLetters::start(data_dir.join("rejected"));
        let collector = Collector {
            inner: Arc::new(Inner {
                intake: Arc::new(Intake::new(store, clock, dead_letters)),
                admission: Admission::new(),
                outbound,
                in_flight: Arc::new(Semaphore::new(FETCHES_IN_FLIGHT_MAX)),
                running: Mutex::default(),
                reloading: tokio::sync::Mutex::new(()),
                ending: watch::Sender::new(false),
            }),
        };
        for source in wanted(config) {
            collector.inner.begin(source);
        }
        let recalling = collector.clone();
        tokio::spawn(async move { recalling.recall().await });
        tokio::spawn(measure(Arc::downgrade(&collector.inner)));
        Ok(collector)
    }

    /// Goes over to another configuration. Sources that did not change keep running untouched;
    /// changed ones stop and start again where they left off.
    pub async fn reload(&self, config: Config) {
        let _one_at_a_time = self.inner.reloading.lock().await;
        if *self.inner.ending.borrow() {
            return;
        }
        let wanted = wanted(config);
        let (gone, unchanged) = self.inner.compare(&wanted);
        let named = |name: &str| wanted.iter().any(|source| source.name == name);
        let forget: Vec<String> = gone
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| !named(name))
            .collect();
        self.inner.stop_all(gone).await;
        for name in forget {
            self.inner.intake.close(&name);
        }
        for source in wanted {
            if !unchanged.contains(&source.name) {
                self.inner.begin(source);
            }
        }
    }

    /// Stops every source after what it has read is committed, and writes the last dead letters.
    pub async fn stop(&self) {
        self.inner.ending.send_replace(true);
        let _no_reload = self.inner.reloading.lock().await;
        let (all, _) = self.inner.compare(&[]);
        self.inner.stop_all(all).await;
        let letters = self.inner.intake.dead_letters.clone();
        let _closed = tokio::task::spawn_blocking(move || letters.close()).await;
    }

    /// How much of the window that ends at `to` is known to have arrived, for one function or for
    /// all: the share of the sources that feed it whose watermark has passed `to`.
    pub fn completeness(
        &self,
        function: Option<&FunctionId>,
        _from: Timestamp,
        to: Timestamp,
    ) -> Completeness {
        let now = self.inner.intake.clock.now();
        let watermarks = self.inner.intake.watermarks();
        watermarks.completeness(function, to, now)
    }

    /// The share of the sources that are on time by their own promise, of those that feed one function
    /// or of all; `None` when that cannot be told.
    pub fn on_time(&self, function: Option<&FunctionId>) -> Option<f64> {
        let now = self.inner.intake.clock.now();
        self.inner.intake.watermarks().on_time(function, now)
    }

    /// Up to when all sources of a function are complete; `None` when that cannot be told.
    pub fn watermark(&self, function: &FunctionId) -> Option<Timestamp> {
        self.inner.intake.watermarks().of_function(function)
    }

    /// What is known of every source, in order of name.
    pub fn sources(&self) -> Vec<SourceStatus> {
        self.inner.statuses()
    }

    /// Learns from the tables which source fed which function before this start, so that a function
    /// that fell silent meanwhile is missed and not forgotten. What was found when time runs out
    /// is kept.
    async fn recall(&self) {
        let intake = &self.inner.intake;
        let now = intake.clock.now();
        let began = intake.clock.elapsed();
        let mut ended_early = None;
        for (newer, older) in RECALL_HOURS
            .into_iter()
            .zip(RECALL_HOURS.into_iter().skip(1))
        {
            let left = RECALL_DEADLINE.saturating_sub(intake.clock.elapsed().saturating_sub(began));
            let ago = |hours: u64| now - Duration::from_hours(hours);
            // Calls may lie ahead of the clock.
            let until = if newer == 0 {
                now + AHEAD_MAX
            } else {
                ago(newer)
            };
            if let Err(why) = self.recall_between(ago(older), until, left).await {
                tracing::warn!(why, "which source feeds which function is not wholly known");
                ended_early = Some(why);
                break;
            }
        }
        intake.watermarks().recalled(ended_early);
    }

    async fn recall_between(
        &self,
        from: Timestamp,
        until: Timestamp,
        deadline: Duration,
    ) -> Result<(), String> {
        let intake = &self.inner.intake;
        let (from, until) = (from.to_rfc3339(), until.to_rfc3339());
        let sql = format!(
            "select source, namespace, \"function\", max(seen_at) from invocations \
             where ts >= timestamp '{from}' and ts <= timestamp '{until}' group by 1, 2, 3"
        );
        let limits = QueryLimits {
            rows_max: FUNCTIONS_MAX,
            deadline,
        };
        let answer = intake.store.query(&sql, &limits).await;
        let answer = answer.map_err(|error| error.to_string())?;
        for row in answer.to_json_rows() {
            let text = |column: usize| row.get(column).and_then(serde_json::Value::as_str);
            let (Some(source), Some(namespace), Some(name)) = (text(0), text(1), text(2)) else {
                continue;
            };
            let seen = text(3).and_then(|seen| seen.parse::<Timestamp>().ok());
            if let (Ok(function), Some(seen)) = (FunctionId::new(namespace, name), seen) {
                intake.watermarks().recall(source, &function, seen);
            }
        }
        if answer.truncated {
            return Err(format!("there are more than {FUNCTIONS_MAX} functions"));
        }
        Ok(())
    }
}

/// Keeps the lag in the metrics current until the collector is gone.
async fn measure(collector: Weak<Inner>) {
    loop {
        tokio::time::sleep(MEASURE_EVERY).await;
        match collector.upgrade() {
            Some(inner) if !*inner.ending.borrow() => drop(inner.statuses()),
            _ => return,
        }
    }
}

/// The sources of a configuration, with the built-in one for pushes nobody declared.
fn wanted(config: Config) -> Vec<SourceConfig> {
    let mut sources = config.sources;
    if !sources.iter().any(|source| source.name == PUSH) {
        sources.push(SourceConfig {
            name: PUSH.to_owned(),
            input: Input::Http(HttpInput::default()),
            format: Format::RampartJson,
            meaning: Arc::new(Meaning::of_source(PUSH)),
        });
    }
    sources
}

impl Inner {
    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of every source; also measures how late each is.
    fn statuses(&self) -> Vec<SourceStatus> {
        let now = self.intake.clock.now();
        self.intake
            .ledgers()
            .iter()
            .map(|ledger| {
                let watermarks = self.intake.watermarks();
                let watermark = watermarks.of_source(ledger.source());
                let on_time = watermarks.is_on_time(ledger.source(), now);
                drop(watermarks);
                ledger.status(watermark, on_time, now)
            })
            .collect()
    }

    /// The configuration of a source that takes pushes.
    pub(crate) fn http_source(&self, name: &str) -> Option<Arc<SourceConfig>> {
        let running = self.running();
        let source = running.sources.get(name)?;
        matches!(source.config.input, Input::Http(_)).then(|| Arc::clone(&source.config))
    }

    /// Names of the sources that take pushes.
    pub(crate) fn http_sources(&self) -> Vec<String> {
        let running = self.running();
        let pushed = running
            .sources
            .iter()
            .filter(|(_, source)| matches!(source.config.input, Input::Http(_)));
        pushed.map(|(name, _)| name.clone()).collect()
    }

    /// Takes out of the running sources what is not among the wanted ones as it is, and names the
    /// rest.
    fn compare(&self, wanted: &[SourceConfig]) -> (Vec<(String, RunningSource)>, Vec<String>) {
        let mut running = self.running();
        let all = std::mem::take(&mut running.sources);
        let mut gone = Vec::new();
        for (name, source) in all {
            if wanted.contains(source.config.as_ref()) {
                running.sources.insert(name, source);
            } else {
                gone.push((name, source));
            }
        }
        let unchanged = running.sources.keys().cloned().collect();
        (gone, unchanged)
    }

    /// Starts one source.
    fn begin(&self, config: SourceConfig) {
        let promise = match &config.input {
            Input::File(file) => Promise::Tailed {
                flush_delay: file.flush_delay,
            },
            Input::Scrape(scrape) => Promise::Scraped {
                every: scrape.every,
                timeout: scrape.timeout,
            },
            Input::Http(http) => Promise::Pushed {
                expect_every: http.expect_every,
            },
        };
        let format = match &config.input {
            Input::Scrape(_) => "prometheus",
            _ => config.format.name(),
        };
        let kind = config.input.kind();
        let ledger = self.intake.open(&config.name, kind, format, promise);
        let (stop, stopped) = watch::channel(false);
        let intake = Arc::clone(&self.intake);
        let task = match &config.input {
            Input::File(file) => {
                let tail = Tail::new(intake, ledger, file.clone());
                let before = self.running().leaving.remove(&config.name);
                let tailing = tail.run(config.clone(), stopped);
                Some(tokio::spawn(async move {
                    if let Some(before) = before {
                        let _ended = before.await;
                    }
                    tailing.await;
                }))
            }
            Input::Scrape(scrape) => {
                let scrape = Scrape {
                    intake,
                    ledger,
                    input: Arc::new(scrape.clone()),
                    outbound: self.outbound.clone(),
                    in_flight: Arc::clone(&self.in_flight),
                    ending: self.ending.subscribe(),
                };
                Some(tokio::spawn(scrape.run(stopped)))
            }
            Input::Http(_) => None,
        };
        events::source_started(&config.name, kind);
        let source = RunningSource {
            config: Arc::new(config),
            stop,
            task,
        };
        let name = source.config.name.clone();
        self.running().sources.insert(name, source);
    }

    /// Stops sources, all at once, and waits a bounded time for them. What a file source is
    /// committing then goes on without being waited for; others are cut off.
    async fn stop_all(&self, sources: Vec<(String, RunningSource)>) {
        for (_, source) in &sources {
            source.stop.send_replace(true);
        }
        self.running().leaving.retain(|_, task| !task.is_finished());
        let deadline = tokio::time::sleep(STOP_DEADLINE);
        tokio::pin!(deadline);
        for (name, source) in sources {
            if let Some(mut task) = source.task {
                tokio::select! {
                    biased;
                    ended = &mut task => { let _ = ended; }
                    () = &mut deadline => match source.config.input {
                        Input::File(_) => {
                            self.running().leaving.insert(name.clone(), task);
                        }
                        _ => task.abort(),
                    },
                }
            }
            events::source_stopped(&name);
        }
    }
}

#[cfg(test)]
mod tests;
