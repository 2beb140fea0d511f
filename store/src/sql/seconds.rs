//! The live rollups as the table `seconds`: a row per series and second that had calls, as far back as
//! the rollups tell seconds.
//!
//! Conditions on names are asked of the list of functions first, those on `second` narrow the window, so
//! a question about one function walks that function's series only, and only the columns asked for are
//! made. Rows are made a few functions at a time while the query takes them; readers see whole commits,
//! but a later function may have counted more of them.

use std::future::ready;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringViewArray,
    StringViewBuilder, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::and;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures_util::stream;
use model::{FunctionId, Outcome, Timestamp};

use super::pruning::Span;
use crate::rollup::{Counts, Dimension, Rollups, SeriesKey};
use crate::schema::{FUNCTION_ID, outcome_column};

/// The column that says when.
const SECOND: &str = "second";
/// Calls, each as many as its record stands for.
const WEIGHTED: &str = "weighted";
const COLD_STARTS: &str = "cold_starts";
/// The sum of durations.
const DURATION_US: &str = "duration_us";
/// About how many rows are read and given at once.
const BATCH_ROWS: usize = 8_192;
const MICROS: i64 = 1_000_000;

/// The rollups at work.
#[derive(Debug)]
pub(super) struct SecondsTable {
    rollups: Arc<Rollups>,
    schema: SchemaRef,
    now: Timestamp,
    threads: usize,
}

impl SecondsTable {
    /// What the rollups tell at `now`, read by that many threads at most.
    pub(super) fn new(rollups: Arc<Rollups>, now: Timestamp, threads: usize) -> Self {
        SecondsTable {
            rollups,
            schema: Arc::new(schema()),
            now,
            threads: threads.max(1),
        }
    }

    fn plan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        conditions: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let functions = self.functions(session, conditions)?;
        let window = self.window(conditions);
        let schema = match projection {
            Some(asked) => Arc::new(self.schema.project(asked)?),
            None => Arc::clone(&self.schema),
        };
        let each = functions.len().div_ceil(self.threads).max(1);
        let parts = functions.chunks(each).map(|functions| {
            let part: Arc<dyn PartitionStream> = Arc::new(Part {
                rollups: Arc::clone(&self.rollups),
                schema: Arc::clone(&schema),
                functions: functions.to_vec(),
                window: window.clone(),
            });
            part
        });
        let parts = parts.collect();
        let scan =
            StreamingTableExec::try_new(Arc::clone(&schema), parts, None, None, false, None)?;
        Ok(Arc::new(scan))
    }

    /// The functions that the conditions on names leave.
    fn functions(&self, session: &dyn Session, conditions: &[Expr]) -> Result<Vec<FunctionId>> {
        let all: Vec<FunctionId> = self
            .rollups
            .functions()
            .into_iter()
            .map(|seen| seen.id)
            .collect();
        if conditions.is_empty() {
            return Ok(all);
        }
        let names = names(&all)?;
        let schema = DFSchema::try_from(names.schema())?;
        let mut wanted = BooleanArray::from(vec![true; all.len()]);
        for condition in conditions {
            let columns = condition.column_refs();
            let on_names = columns
                .iter()
                .all(|column| names.column_by_name(&column.name).is_some());
            if on_names && !columns.is_empty() {
                let condition = session.create_physical_expr(condition.clone(), &schema)?;
                let holds = condition.evaluate(&names)?.into_array(all.len())?;
                wanted = and(&wanted, holds.as_boolean())?;
            }
        }
        let kept = all.into_iter().zip(wanted.iter());
        Ok(kept
            .filter_map(|(id, wanted)| (wanted == Some(true)).then_some(id))
            .collect())
    }

    /// The seconds that the conditions leave.
    fn window(&self, conditions: &[Expr]) -> Range<i64> {
        let span = Span::of(conditions, SECOND);
        let now = self.now.as_seconds();
        let from = span
            .from
            .div_euclid(MICROS)
            .max(now - Rollups::BACK_SECONDS);
        let to = span.to.div_euclid(MICROS).min(now + Rollups::AHEAD_SECONDS);
        from..to + 1
    }
}

fn schema() -> Schema {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = vec![Field::new(SECOND, time, false)];
    fields.extend(Dimension::ALL.map(|dimension| {
        Field::new(
            dimension.as_str(),
            DataType::Utf8View,
            may_be_absent(dimension),
        )
    }));
    let outcomes = Outcome::ALL.iter().map(|outcome| outcome_column(*outcome));
    let sums = outcomes.chain([WEIGHTED, COLD_STARTS, DURATION_US]);
    fields.extend(sums.map(|name| Field::new(name, DataType::UInt64, false)));
    fields.push(Field::new(FUNCTION_ID, DataType::Utf8View, false));
    Schema::new(fields)
}

fn may_be_absent(dimension: Dimension) -> bool {
    matches!(
        dimension,
        Dimension::Version | Dimension::Unit | Dimension::Zone
    )
}

/// The names of functions as columns.
fn names(functions: &[FunctionId]) -> Result<RecordBatch> {
    let texts = |text: fn(&FunctionId) -> String| -> ArrayRef {
        let texts = functions.iter().map(|id| Some(text(id)));
        Arc::new(texts.collect::<StringViewArray>())
    };
    let columns = [
        ("namespace", texts(|id| id.namespace.clone())),
        ("function", texts(|id| id.name.clone())),
        (FUNCTION_ID, texts(ToString::to_string)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Some functions' rows.
#[derive(Debug)]
struct Part {
    rollups: Arc<Rollups>,
    schema: SchemaRef,
    functions: Vec<FunctionId>,
    window: Range<i64>,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let walk = Walk {
            rollups: Arc::clone(&self.rollups),
            schema: Arc::clone(&self.schema),
            functions: self.functions.clone().into_iter(),
            current: None,
            window: self.window.clone(),
        };
        let schema = Arc::clone(&self.schema);
        Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(walk)))
    }
}

/// Goes through functions and their seconds.
struct Walk {
    rollups: Arc<Rollups>,
    schema: SchemaRef,
    functions: std::vec::IntoIter<FunctionId>,
    /// The function at hand and the second it has been read up to.
    current: Option<(FunctionId, i64)>,
    window: Range<i64>,
}

impl Iterator for Walk {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rows = Rows::default();
        while rows.seconds.len() < BATCH_ROWS {
            let begin = |function| (function, self.window.start);
            let next = self.current.take();
            let Some((function, from)) = next.or_else(|| self.functions.next().map(begin)) else {
                break;
            };
            let window = (from, self.window.end);
            let reached = self.rollups.each_second(
                &function,
                window,
                BATCH_ROWS,
                |series, second, counts| {
                    rows.push(series, second, counts);
                },
            );
            self.current = (reached < self.window.end).then_some((function, reached));
        }
        (!rows.seconds.is_empty()).then(|| rows.finish(&self.schema))
    }
}

/// Rows on their way into columns.
#[derive(Default)]
struct Rows {
    seconds: Vec<i64>,
    counts: Vec<Counts>,
    /// The series, each with the number of its rows, which follow each other.
    series: Vec<(Arc<SeriesKey>, usize)>,
}

impl Rows {
    fn push(&mut self, series: &Arc<SeriesKey>, second: i64, counts: Counts) {
        self.seconds.push(second.saturating_mul(MICROS));
        self.counts.push(counts);
        match self.series.last_mut() {
            Some((last, rows)) if Arc::ptr_eq(last, series) => *rows += 1,
            _ => self.series.push((Arc::clone(series), 1)),
        }
    }

    /// The columns of this schema.
    fn finish(self, schema: &SchemaRef) -> Result<RecordBatch> {
        let fields = schema.fields().iter();
        let columns = fields.map(|field| self.column(field.name()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.counts.len()));
        let schema = Arc::clone(schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    fn column(&self, name: &str) -> Result<ArrayRef> {
        if let Some(dimension) = Dimension::from_word(name) {
            return Ok(self.texts(|series| {
                let text = series.get(dimension);
                (!text.is_empty() || !may_be_absent(dimension)).then(|| text.to_owned())
            }));
        }
        if let Some(outcome) = Outcome::from_word(name) {
            return Ok(self.numbers(|counts| counts.of(outcome)));
        }
        Ok(match name {
            SECOND => {
                let seconds = TimestampMicrosecondArray::from(self.seconds.clone());
                Arc::new(seconds.with_timezone("UTC"))
            }
            FUNCTION_ID => self.texts(|series| Some(series.function_id().to_string())),
            WEIGHTED => self.numbers(|counts| counts.weighted),
            COLD_STARTS => self.numbers(|counts| counts.cold_starts),
            DURATION_US => self.numbers(|counts| counts.duration_us),
            _ => return internal_err!("seconds have no column {name}"),
        })
    }

    fn numbers(&self, number: impl Fn(&Counts) -> u64) -> ArrayRef {
        let numbers = self.counts.iter().map(number);
        Arc::new(UInt64Array::from_iter_values(numbers))
    }

    fn texts(&self, text: impl Fn(&SeriesKey) -> Option<String>) -> ArrayRef {
        let mut texts = StringViewBuilder::with_capacity(self.counts.len());
        for (series, rows) in &self.series {
            let text = text(series);
            for _ in 0..*rows {
                texts.append_option(text.as_deref());
            }
        }
        Arc::new(texts.finish())
    }
}

impl TableProvider for SecondsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        session: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        filters: &'d [Expr],
        _limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'e>>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        Box::pin(ready(self.plan(session, projection, filters)))
    }

    /// Conditions on names and on the second leave out what need not be walked.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
