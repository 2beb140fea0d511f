//! Rows of the table `loadtests`.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
use model::{FunctionId, Timestamp};

use super::assemble;
use super::columns::{NumberColumn, RunColumn, TextColumn, WordColumn};
use crate::schema::Table;

/// One result of a load test, or one decision about the limits that follow from it. An empty text is
/// an absent one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loadtest<'a> {
    /// When the test ended, or the decision was taken.
    pub ts: Timestamp,
    /// Names the row; chosen by whoever ran the test.
    pub id: &'a str,
    /// The function's namespace; empty means [`FunctionId::DEFAULT_NAMESPACE`].
    pub namespace: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// Its deployed version.
    pub version: &'a str,
    /// Digest of its image.
    pub digest: &'a str,
    /// `run`, `capacity` or `limits`.
    pub kind: &'a str,
    /// How it came out, in a word.
    pub verdict: &'a str,
    /// Highest rate that held, calls per second.
    pub low: Option<f64>,
    /// Lowest rate that did not, calls per second.
    pub high: Option<f64>,
    /// Calls per second that one pod carries.
    pub per_pod: Option<f64>,
    /// Calls per second for each CPU of a pod.
    pub per_cpu: Option<f64>,
    /// Calls at once that one pod carries.
    pub concurrency: Option<u64>,
    /// CPUs that a pod may use.
    pub cpu_limit: Option<f64>,
    /// Bytes of memory that a pod may use.
    pub memory_limit: Option<u64>,
    /// Results are comparable when it is the same.
    pub scenario_hash: &'a str,
    /// Where load went.
    pub target: &'a str,
    /// The whole result as JSON.
    pub result: &'a str,
}

/// Collects load tests into a batch.
#[derive(Debug)]
pub struct LoadtestRows {
    len: usize,
    ts: NumberColumn<TimestampMicrosecondType>,
    id: TextColumn,
    namespace: WordColumn,
    function: WordColumn,
    version: WordColumn,
    digest: WordColumn,
    kind: WordColumn,
    verdict: WordColumn,
    low: RunColumn<Float64Type>,
    high: RunColumn<Float64Type>,
    per_pod: RunColumn<Float64Type>,
    per_cpu: RunColumn<Float64Type>,
    concurrency: RunColumn<UInt64Type>,
    cpu_limit: RunColumn<Float64Type>,
    memory_limit: RunColumn<UInt64Type>,
    scenario_hash: WordColumn,
    target: WordColumn,
    result: TextColumn,
}

impl Default for LoadtestRows {
    fn default() -> Self {
        Self::new()
    }
}

impl LoadtestRows {
    /// No rows yet.
    pub fn new() -> Self {
        LoadtestRows {
            len: 0,
            ts: NumberColumn::of_type(DataType::Timestamp(
                TimeUnit::Microsecond,
                Some("UTC".into()),
            )),
            id: TextColumn::new(),
            namespace: WordColumn::new(),
            function: WordColumn::new(),
            version: WordColumn::new(),
            digest: WordColumn::new(),
            kind: WordColumn::new(),
            verdict: WordColumn::new(),
            low: RunColumn::new(),
            high: RunColumn::new(),
            per_pod: RunColumn::new(),
            per_cpu: RunColumn::new(),
            concurrency: RunColumn::new(),
            cpu_limit: RunColumn::new(),
            memory_limit: RunColumn::new(),
            scenario_hash: WordColumn::new(),
            target: WordColumn::new(),
            result: TextColumn::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Loadtest<'_>) {
        let namespace = if row.namespace.is_empty() {
            FunctionId::DEFAULT_NAMESPACE
        } else {
            row.namespace
        };
        self.ts.push(row.ts.as_micros());
        self.id.push(row.id);
        self.namespace.push_required(namespace);
        self.function.push_required(row.function);
        self.version.push(row.version);
        self.digest.push(row.digest);
        self.kind.push_required(row.kind);
        self.verdict.push(row.verdict);
        self.low.push(row.low);
        self.high.push(row.high);
        self.per_pod.push(row.per_pod);
        self.per_cpu.push(row.per_cpu);
        self.concurrency.push(row.concurrency);
        self.cpu_limit.push(row.cpu_limit);
        self.memory_limit.push(row.memory_limit);
        self.scenario_hash.push(row.scenario_hash);
        self.target.push(row.target);
        self.result.push(row.result);
        self.len += 1;
    }

    /// How many rows are collected.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The collected rows as a batch of [`Table::Loadtests`]; the builder is empty again.
    pub fn finish(&mut self) -> RecordBatch {
        self.len = 0;
        let columns = (|| {
            Ok(vec![
                self.ts.finish()?,
                self.id.finish()?,
                self.namespace.finish()?,
                self.function.finish()?,
                self.version.finish()?,
                self.digest.finish()?,
                self.kind.finish()?,
                self.verdict.finish()?,
                self.low.finish()?,
                self.high.finish()?,
                self.per_pod.finish()?,
                self.per_cpu.finish()?,
                self.concurrency.finish()?,
                self.cpu_limit.finish()?,
                self.memory_limit.finish()?,
                self.scenario_hash.finish()?,
                self.target.finish()?,
                self.result.finish()?,
            ])
        })();
        assemble(Table::Loadtests, columns)
    }
}
