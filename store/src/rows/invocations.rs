//! Rows of the table `invocations`.

use arrow::array::BooleanArray;
use arrow::array::BooleanBufferBuilder;
use arrow::array::RecordBatch;
use arrow::datatypes::{
    DataType, Int64Type, TimeUnit, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type,
};
use model::{FunctionId, Outcome, Timestamp, Traffic};
use std::sync::Arc;

use super::assemble;
use super::columns::{CodeColumn, MapColumn, NumberColumn, RunColumn, TextColumn, WordColumn};
use crate::schema::Table;

/// One call of one function, borrowed from wherever it was decoded. An empty text is an absent one.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// Start of the call.
    pub ts: Timestamp,
    /// The function's namespace; empty means [`FunctionId::DEFAULT_NAMESPACE`].
    pub namespace: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// Deployed version.
    pub version: &'a str,
    /// Deployment alias or qualifier.
    pub alias: &'a str,
    /// The platform's id of the request.
    pub request_id: &'a str,
    /// Which attempt of the request, counted from 0.
    pub attempt: u16,
    /// Trace the call belongs to.
    pub trace_id: &'a str,
    /// The pod that ran it.
    pub instance: &'a str,
    /// Cloud region.
    pub region: &'a str,
    /// Data centre.
    pub zone: &'a str,
    /// Cell of the deployment that can be switched away from.
    pub unit: &'a str,
    /// What caused the call: http, pubsub, datasource, timer, other.
    pub trigger: &'a str,
    /// How long it took.
    pub duration_us: i64,
    /// How long the instance took to start.
    pub init_us: Option<i64>,
    /// How long the call waited.
    pub queue_us: Option<i64>,
    /// Whether the instance had to be started.
    pub cold_start: bool,
    /// Memory the instance may use, in bytes.
    pub memory_limit: Option<u64>,
    /// Memory it used at most, in bytes.
    pub memory_max: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// The error's kind, in the platform's words.
    pub error_type: &'a str,
    /// HTTP status answered.
    pub http_status: Option<u16>,
    /// Which hop answered: faas, java, cdn.
    pub served_by: &'a str,
    /// Whose call it was.
    pub traffic: Traffic,
    /// Who wrote the record: gateway, sidecar, function.
    pub layer: &'a str,
    /// How many calls this record stands for; 1 unless sampled.
    pub weight: u32,
    /// The source it came through.
    pub source: &'a str,
    /// When it was received.
    pub seen_at: Timestamp,
    /// Everything else that was known.
    pub attrs: &'a [(&'a str, &'a str)],
}

impl Default for Invocation<'_> {
    fn default() -> Self {
        Invocation {
            ts: Timestamp::EPOCH,
            namespace: "",
            function: "",
            version: "",
            alias: "",
            request_id: "",
            attempt: 0,
            trace_id: "",
            instance: "",
            region: "",
            zone: "",
            unit: "",
            trigger: "",
            duration_us: 0,
            init_us: None,
            queue_us: None,
            cold_start: false,
            memory_limit: None,
            memory_max: None,
            outcome: Outcome::Ok,
            error_type: "",
            http_status: None,
            served_by: "",
            traffic: Traffic::Live,
            layer: "",
            weight: 1,
            source: "",
            seen_at: Timestamp::EPOCH,
            attrs: &[],
        }
    }
}

/// Collects invocations into a batch.
#[derive(Debug)]
pub struct InvocationRows {
    len: usize,
    ts: NumberColumn<TimestampMicrosecondType>,
    namespace: WordColumn,
    function: WordColumn,
    version: WordColumn,
    alias: WordColumn,
    request_id: TextColumn,
    attempt: RunColumn<UInt16Type>,
    trace_id: TextColumn,
    instance: WordColumn,
    region: WordColumn,
    zone: WordColumn,
    unit: WordColumn,
    trigger: WordColumn,
    duration_us: NumberColumn<Int64Type>,
    init_us: RunColumn<Int64Type>,
    queue_us: RunColumn<Int64Type>,
    cold_start: BooleanBufferBuilder,
    memory_limit: RunColumn<UInt64Type>,
    memory_max: RunColumn<UInt64Type>,
    outcome: CodeColumn,
    error_type: WordColumn,
    http_status: RunColumn<UInt16Type>,
    served_by: WordColumn,
    traffic: CodeColumn,
    layer: WordColumn,
    weight: RunColumn<UInt32Type>,
    source: WordColumn,
    seen_at: RunColumn<TimestampMicrosecondType>,
    attrs: MapColumn,
}

impl Default for InvocationRows {
    fn default() -> Self {
        Self::new()
    }
}

impl InvocationRows {
    /// No rows yet.
    pub fn new() -> Self {
        let micros = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        InvocationRows {
            len: 0,
            ts: NumberColumn::of_type(micros()),
            namespace: WordColumn::new(),
            function: WordColumn::new(),
            version: WordColumn::new(),
            alias: WordColumn::new(),
            request_id: TextColumn::new(),
            attempt: RunColumn::new(),
            trace_id: TextColumn::new(),
            instance: WordColumn::new(),
            region: WordColumn::new(),
            zone: WordColumn::new(),
            unit: WordColumn::new(),
            trigger: WordColumn::new(),
            duration_us: NumberColumn::new(),
            init_us: RunColumn::new(),
            queue_us: RunColumn::new(),
            cold_start: BooleanBufferBuilder::new(0),
            memory_limit: RunColumn::new(),
            memory_max: RunColumn::new(),
            outcome: CodeColumn::default(),
            error_type: WordColumn::new(),
            http_status: RunColumn::new(),
            served_by: WordColumn::new(),
            traffic: CodeColumn::default(),
            layer: WordColumn::new(),
            weight: RunColumn::new(),
            source: WordColumn::new(),
            seen_at: RunColumn::of_type(micros()),
            attrs: MapColumn::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Invocation<'_>) {
        let namespace = if row.namespace.is_empty() {
            FunctionId::DEFAULT_NAMESPACE
        } else {
            row.namespace
        };
        self.ts.push(row.ts.as_micros());
        self.namespace.push_required(namespace);
        self.function.push_required(row.function);
        self.version.push(row.version);
        self.alias.push(row.alias);
        self.request_id.push(row.request_id);
        self.attempt.push(Some(row.attempt));
        self.trace_id.push(row.trace_id);
        self.instance.push(row.instance);
        self.region.push(row.region);
        self.zone.push(row.zone);
        self.unit.push(row.unit);
        self.trigger.push(row.trigger);
        self.duration_us.push(row.duration_us);
        self.init_us.push(row.init_us);
        self.queue_us.push(row.queue_us);
        self.cold_start.append(row.cold_start);
        self.memory_limit.push(row.memory_limit);
        self.memory_max.push(row.memory_max);
        self.outcome.push(row.outcome as usize);
        self.error_type.push(row.error_type);
        self.http_status.push(row.http_status);
        self.served_by.push(row.served_by);
        self.traffic.push(row.traffic as usize);
        self.layer.push(row.layer);
        self.weight.push(Some(row.weight));
        self.source.push(row.source);
        self.seen_at.push(Some(row.seen_at.as_micros()));
        self.attrs.push(row.attrs.iter().copied());
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

    /// The collected rows as a batch of [`Table::Invocations`]; the builder is empty again.
    pub fn finish(&mut self) -> RecordBatch {
        self.len = 0;
        let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
        let traffics = Traffic::ALL.iter().map(|traffic| traffic.as_str());
        let columns = (|| {
            Ok(vec![
                self.ts.finish()?,
                self.namespace.finish()?,
                self.function.finish()?,
                self.version.finish()?,
                self.alias.finish()?,
                self.request_id.finish()?,
                self.attempt.finish()?,
                self.trace_id.finish()?,
                self.instance.finish()?,
                self.region.finish()?,
                self.zone.finish()?,
                self.unit.finish()?,
                self.trigger.finish()?,
                self.duration_us.finish()?,
                self.init_us.finish()?,
                self.queue_us.finish()?,
                Arc::new(BooleanArray::new(self.cold_start.finish(), None)),
                self.memory_limit.finish()?,
                self.memory_max.finish()?,
                self.outcome.finish(outcomes)?,
                self.error_type.finish()?,
                self.http_status.finish()?,
                self.served_by.finish()?,
                self.traffic.finish(traffics)?,
                self.layer.finish()?,
                self.weight.finish()?,
                self.source.finish()?,
                self.seen_at.finish()?,
                self.attrs.finish()?,
            ])
        })();
        assemble(Table::Invocations, columns)
    }
}
