//! One load test as a row: out of a result, into the store, back out of SQL.

use std::time::Duration;

use inbound::ProblemDocument;
use loadtest::result::{CapacityResult, Kept, RunResult, Subject, Verdict};
use model::{FunctionId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use store::{Loadtest, LoadtestRows};
use utoipa::ToSchema;

/// The longest id, in bytes.
const ID_BYTES_MAX: usize = 128;
/// The longest of the other texts, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// How far ahead of this clock another machine's may be.
const AHEAD_MAX: Duration = Duration::from_mins(10);

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LoadtestKind)]
pub(crate) enum Kind {
    /// One load that was sent.
    Run,
    /// A search for what one pod carries.
    Capacity,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Kind::Run => "run",
            Kind::Capacity => "capacity",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Kind> {
        [Kind::Run, Kind::Capacity]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// One load test without its details.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Loadtest)]
pub(crate) struct Summary {
    /// Names the test.
    pub(crate) id: String,
    /// When it ended.
    pub(crate) ts: Timestamp,
    /// The function's namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) function: String,
    /// The version that was tested.
    pub(crate) version: Option<String>,
    /// The digest of the image that was tested.
    pub(crate) digest: Option<String>,
    /// What kind of test it was.
    pub(crate) kind: Kind,
    /// Of a capacity: `Confirmed`, `AtLeast`, `Noisy`, `Invalid`; of a run: `Held`, `Missed`, `Done` (no objective), `Invalid`.
    pub(crate) verdict: String,
    /// The highest rate that held, calls per second.
    pub(crate) low: Option<f64>,
    /// The lowest rate that did not, calls per second.
    pub(crate) high: Option<f64>,
    /// Calls per second that one pod carries.
    pub(crate) per_pod: Option<f64>,
    /// Calls per second for each CPU of a pod.
    pub(crate) per_cpu: Option<f64>,
    /// Calls at once that one pod carries.
    pub(crate) concurrency: Option<u64>,
    /// CPUs that a pod may use.
    pub(crate) cpu_limit: Option<f64>,
    /// Bytes of memory that a pod may use.
    pub(crate) memory_limit: Option<u64>,
    /// Results are comparable when it is the same.
    pub(crate) scenario_hash: Option<String>,
    /// Where load went.
    pub(crate) target: Option<String>,
}

impl Summary {
    /// Reads a result that was sent in at `now`. What cannot be kept is told with its field.
    pub(crate) fn of(
        kept: &Kept,
        now: Timestamp,
        keep_for: Duration,
    ) -> Result<Summary, ProblemDocument> {
        match kept {
            Kept::Run(run) => {
                let mut summary = Summary::about(&run.subject, Kind::Run, now, keep_for)?;
                word_of_run(run).clone_into(&mut summary.verdict);
                Ok(summary)
            }
            Kept::Capacity(found) => {
                let mut summary = Summary::about(&found.subject, Kind::Capacity, now, keep_for)?;
                summary.take_capacity(found)?;
                Ok(summary)
            }
        }
    }

    fn about(
        subject: &Subject,
        kind: Kind,
        now: Timestamp,
        keep_for: Duration,
    ) -> Result<Summary, ProblemDocument> {
        check_id(&subject.id)?;
        let named = subject.function.as_deref().ok_or_else(|| {
            refusal(
                "subject.function",
                "the result does not say which function was tested",
            )
            .hint("name `function: namespace/name` in the plan; results are kept under it")
        })?;
        let id: FunctionId = named
            .parse()
            .map_err(|error| refusal("subject.function", format!("{error}")))?;
        let text = |field: &'static str, text: Option<&str>| short(field, text);
        Ok(Summary {
            id: subject.id.clone(),
            ts: ended(subject, now, keep_for)?,
            namespace: id.namespace,
            function: id.name,
            version: text("subject.version", subject.version.as_deref())?,
            digest: text("subject.digest", subject.digest.as_deref())?,
            kind,
            verdict: String::new(),
            low: None,
            high: None,
            per_pod: None,
            per_cpu: None,
            concurrency: None,
            cpu_limit: positive("subject.pod_cpus", subject.pod_cpus)?,
            memory_limit: subject.pod_memory_bytes,
            scenario_hash: text("subject.scenario_hash", Some(&subject.scenario_hash))?,
            target: text("subject.target", Some(&subject.target))?,
        })
    }

    fn take_capacity(&mut self, found: &CapacityResult) -> Result<(), ProblemDocument> {
        let (word, low, high) = match &found.verdict {
            Verdict::Confirmed { low, high } => ("Confirmed", Some(*low), Some(*high)),
            Verdict::AtLeast { low, .. } => ("AtLeast", Some(*low), None),
            Verdict::Noisy { low, high, .. } => ("Noisy", Some(*low), Some(*high)),
            Verdict::Invalid { .. } => ("Invalid", None, None),
        };
        word.clone_into(&mut self.verdict);
        self.low = positive("low", low)?;
        self.high = positive("high", high)?;
        self.per_pod = positive("per_pod", found.per_pod)?;
        self.per_cpu = positive("per_cpu", found.per_cpu)?;
        self.concurrency = found.limits.map(|limits| limits.concurrency);
        Ok(())
    }

    /// The function that was tested.
    pub(crate) fn function_id(&self) -> FunctionId {
        FunctionId {
            namespace: self.namespace.clone(),
            name: self.function.clone(),
        }
    }

    /// Whether pods may be planned with it.
    pub(crate) fn is_plannable(&self) -> bool {
        self.kind == Kind::Capacity && matches!(self.verdict.as_str(), "Confirmed" | "AtLeast")
    }

    /// Adds it, with the whole result, to rows for the store.
    pub(crate) fn push(&self, result: &str, rows: &mut LoadtestRows) {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        rows.push(&Loadtest {
            ts: self.ts,
            id: &self.id,
            namespace: &self.namespace,
            function: &self.function,
            version: &text(&self.version),
            digest: &text(&self.digest),
            kind: self.kind.as_str(),
            verdict: &self.verdict,
            low: self.low,
            high: self.high,
            per_pod: self.per_pod,
            per_cpu: self.per_cpu,
            concurrency: self.concurrency,
            cpu_limit: self.cpu_limit,
            memory_limit: self.memory_limit,
            scenario_hash: &text(&self.scenario_hash),
            target: &text(&self.target),
            result,
        });
    }

    /// The columns that [`Summary::read`] reads, in its order.
    pub(crate) const COLUMNS: &'static str = "id, ts, namespace, function, version, digest, kind, \
        verdict, low, high, per_pod, per_cpu, concurrency, cpu_limit, memory_limit, scenario_hash, target";

    /// Reads a row of [`Summary::COLUMNS`]; `None` for a row that is no load test.
    pub(crate) fn read(row: &Value) -> Option<Summary> {
        let text = |at: usize| row.get(at)?.as_str().map(str::to_owned);
        let number = |at: usize| row.get(at)?.as_f64();
        Some(Summary {
            id: text(0)?,
            ts: text(1)?.parse().ok()?,
            namespace: text(2)?,
            function: text(3)?,
            version: text(4),
            digest: text(5),
            kind: Kind::from_word(&text(6)?)?,
            verdict: text(7).unwrap_or_default(),
            low: number(8),
            high: number(9),
            per_pod: number(10),
            per_cpu: number(11),
            concurrency: whole(row.get(12)),
            cpu_limit: number(13),
            memory_limit: whole(row.get(14)),
            scenario_hash: text(15),
            target: text(16),
        })
    }
}

/// A count; those beyond 2⁵³ come as texts.
pub(crate) fn whole(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn word_of_run(run: &RunResult) -> &'static str {
    if !run.invalid.is_empty() {
        "Invalid"
    } else if run.thresholds.is_empty() {
        "Done"
    } else if run.thresholds.iter().all(|threshold| threshold.held) {
        "Held"
    } else {
        "Missed"
    }
}

fn refusal(field: &'static str, said: impl Into<String>) -> ProblemDocument {
    ProblemDocument::unprocessable(said).field(field)
}

/// Ids stand in paths and in SQL, so they hold nothing that means something there.
pub(crate) fn check_id(id: &str) -> Result<(), ProblemDocument> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
        return Err(refusal(
            "subject.id",
            format!("an id has 1 to {ID_BYTES_MAX} letters, digits, and signs of -_.:"),
        ));
    }
    Ok(())
}

fn short(field: &'static str, text: Option<&str>) -> Result<Option<String>, ProblemDocument> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(refusal(
            field,
            format!("{field} is longer than {TEXT_BYTES_MAX} bytes or holds control characters"),
        ));
    }
    Ok(Some(text.to_owned()))
}

fn positive(field: &'static str, number: Option<f64>) -> Result<Option<f64>, ProblemDocument> {
    match number {
        Some(number) if !(number.is_finite() && number >= 0.0) => Err(refusal(
            field,
            format!("{field} is {number}, which is no rate"),
        )),
        number => Ok(number),
    }
}

/// When the test ended by the clock of the machine that ran it, but never ahead of ours: what comes
/// next must be newer.
fn ended(
    subject: &Subject,
    now: Timestamp,
    keep_for: Duration,
) -> Result<Timestamp, ProblemDocument> {
    let began: Timestamp = subject.started_at.parse().map_err(|error| {
        refusal("subject.started_at", format!("{error}"))
            .hint("write the instant as RFC 3339, such as 2026-11-11T00:00:00Z")
    })?;
    let lasted = Duration::try_from_secs_f64(subject.seconds).map_err(|_| {
        refusal(
            "subject.seconds",
            format!("{} is no length of time in seconds", subject.seconds),
        )
    })?;
    let ended = began + lasted;
    if ended > now + AHEAD_MAX {
        return Err(refusal(
            "subject.started_at",
            format!("the test ended {ended} by its clock, which is in the future"),
        )
        .hint("set the clock of the machine that ran the test"));
    }
    if now.since(ended) >= keep_for {
        return Err(refusal(
            "subject.started_at",
            format!("the test ended {ended}, longer ago than load tests are kept"),
        )
        .hint("`store.retention.loadtests` says how long that is"));
    }
    Ok(ended.min(now))
}
