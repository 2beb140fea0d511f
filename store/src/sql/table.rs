//! One table of a snapshot as DataFusion reads it: its batches in memory and its Parquet files, each row
//! once.
//!
//! SQL sees texts as views, the form grouping is fastest on, and the derived column `function_id` last.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, Result, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::{ObjectMeta, path::Path};
use datafusion::physical_expr::expressions::{Column, cast};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::union::UnionExec;
use model::Timestamp;

use super::functions::FUNCTION_ID_OF;
use super::pruning::{Span, function_parts};
use crate::schema::{FUNCTION_ID, Table};
use crate::second_home::SecondHome;
use crate::snapshot::SnapshotFile;

/// A table of a snapshot.
#[derive(Debug)]
pub(super) struct SnapshotTable {
    pub(super) table: Table,
    /// The stored columns as SQL sees them.
    stored: SchemaRef,
    /// Those and the derived ones.
    visible: SchemaRef,
    memory: Vec<RecordBatch>,
    files: Vec<SnapshotFile>,
    /// Where files are that are not on the machine's disk.
    home: Option<SecondHome>,
    /// How many threads a scan is spread over.
    threads: usize,
}

/// Where the columns of a scan come from.
struct Columns {
    /// Indices of the stored columns that are read.
    read: Vec<usize>,
    /// What rows still have to meet.
    filter: Option<Expr>,
    /// The columns that are given, by index into the visible schema.
    given: Vec<usize>,
}

impl SnapshotTable {
    pub(super) fn new(
        table: Table,
        memory: Vec<RecordBatch>,
        files: Vec<SnapshotFile>,
        home: Option<SecondHome>,
        threads: usize,
    ) -> Self {
        let fields: Vec<Field> = table
            .schema()
            .fields()
            .iter()
            .map(|field| as_seen(field))
            .collect();
        let stored = Arc::new(Schema::new(fields.clone()));
        let id = Field::new(FUNCTION_ID, DataType::Utf8View, false);
        let derived = table.has_function().then_some(id);
        SnapshotTable {
            table,
            stored,
            visible: Arc::new(Schema::new(
                fields.into_iter().chain(derived).collect::<Vec<_>>(),
            )),
            memory,
            files,
            home,
            threads: threads.max(1),
        }
    }

    fn plan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        conditions: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let span = self.span(conditions);
        let (times, filter) = self.on_time(conditions);
        let mut parts = Vec::new();
        let (batches, cut_batches) = split(&self.memory, span, times, |batch| {
            self.table.time_range(batch)
        });
        let (files, cut_files) = split(&self.files, span, times, |file| Some((file.from, file.to)));
        // Where all rows meet what is asked of their time, that is not looked at again.
        for (batches, files, filter) in [(batches, files, None), (cut_batches, cut_files, filter)] {
            let columns = self.columns(projection, filter)?;
            if !batches.is_empty() {
                parts.push(self.memory_scan(session, &columns, &batches)?);
            }
            let (local, away): (Vec<_>, Vec<_>) =
                files.into_iter().partition(|file| file.away.is_none());
            if !local.is_empty() {
                let url = ObjectStoreUrl::local_filesystem();
                parts.push(self.file_scan(session, &columns, url, &local, conditions)?);
            }
            if !away.is_empty() {
                let url = away_url().filter(|_| self.home.is_some());
                let url = url.ok_or_else(|| no_home(self.table, &away))?;
                parts.push(self.file_scan(session, &columns, url, &away, conditions)?);
            }
        }
        if parts.is_empty() {
            let given = self.columns(projection, None)?.given;
            return Ok(Arc::new(EmptyExec::new(Arc::new(
                self.visible.project(&given)?,
            ))));
        }
        UnionExec::try_new(parts)
    }

    /// The conditions on nothing but time: the span that says just that, and themselves.
    fn on_time(&self, conditions: &[Expr]) -> (Span, Option<Expr>) {
        let conditions = conditions.iter().filter(|it| self.is_on_time(it));
        let conditions: Vec<Expr> = conditions.cloned().collect();
        (self.span(&conditions), conjunction(conditions))
    }

    /// Whether a condition says nothing but when.
    fn is_on_time(&self, condition: &Expr) -> bool {
        self.span(std::slice::from_ref(condition)).exact
    }

    /// `filter` is what rows still have to meet.
    fn columns(&self, projection: Option<&Vec<usize>>, filter: Option<Expr>) -> Result<Columns> {
        let all = || (0..self.visible.fields().len()).collect();
        let given: Vec<usize> = projection.cloned().unwrap_or_else(all);
        let stored = self.stored.fields().len();
        let mut read: Vec<usize> = given.iter().copied().filter(|at| *at < stored).collect();
        let mut also = |name| {
            let at = self.stored.index_of(name)?;
            if !read.contains(&at) {
                read.push(at);
            }
            Ok::<_, DataFusionError>(())
        };
        if given.iter().any(|at| *at >= stored) {
            also("namespace")?;
            also("function")?;
        }
        if filter.is_some() {
            also(self.table.time_column())?;
        }
        Ok(Columns {
            read,
            filter,
            given,
        })
    }

    fn memory_scan(
        &self,
        session: &dyn Session,
        columns: &Columns,
        batches: &[&RecordBatch],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut partitions = vec![Vec::new(); self.threads.min(batches.len())];
        let count = partitions.len();
        for (at, batch) in batches.iter().copied().enumerate() {
            if let Some(partition) = partitions.get_mut(at % count) {
                partition.push(batch.clone());
            }
        }
        let source = MemorySourceConfig::try_new(
            &partitions,
            self.table.schema(),
            Some(columns.read.clone()),
        )?;
        self.give(session, columns, DataSourceExec::from_data_source(source))
    }

    fn file_scan(
        &self,
        session: &dyn Session,
        columns: &Columns,
        url: ObjectStoreUrl,
        files: &[&SnapshotFile],
        conditions: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let environment = session.runtime_env();
        let reader = CachedParquetFileReaderFactory::new(
            environment.object_store(&url)?,
            environment.cache_manager.get_file_metadata_cache(),
        );
        let mut options = TableParquetOptions::new();
        options.global = session.config_options().execution.parquet.clone();
        let schema = TableSchema::from(Arc::clone(&self.stored));
        let mut source = ParquetSource::new(schema)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(reader));
        if let Some(parts) = function_parts(conditions) {
            let schema = DFSchema::try_from(Arc::clone(&self.stored))?;
            source = source.with_predicate(session.create_physical_expr(parts, &schema)?);
        }
        let rows = files.iter().map(|file| file.rows as usize).sum();
        let mut statistics = Statistics::new_unknown(&self.stored);
        statistics.num_rows = Precision::Exact(rows);
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(self.groups(files)?)
            .with_statistics(statistics)
            .with_projection_indices(Some(columns.read.clone()))?
            .build();
        self.give(session, columns, DataSourceExec::from_data_source(config))
    }

    /// Files spread over threads, the largest first to the least loaded.
    fn groups(&self, files: &[&SnapshotFile]) -> Result<Vec<FileGroup>> {
        let mut by_size = files.to_vec();
        by_size.sort_unstable_by_key(|file| std::cmp::Reverse((file.bytes, &file.path)));
        let mut groups: Vec<(u64, Vec<PartitionedFile>)> =
            vec![(0, Vec::new()); self.threads.min(files.len())];
        for file in by_size {
            if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
                *bytes += file.bytes;
                group.push(self.partitioned(file)?);
            }
        }
        Ok(groups
            .into_iter()
            .map(|(_, files)| FileGroup::new(files))
            .collect())
    }

    fn partitioned(&self, file: &SnapshotFile) -> Result<PartitionedFile> {
        let location = match (&file.away, &self.home) {
            (Some(path), Some(home)) => home.object(path),
            _ => Path::from_absolute_path(std::path::absolute(&file.path)?)
                .map_err(|error| DataFusionError::External(error.into()))?,
        };
        let mut statistics = Statistics::new_unknown(&self.stored);
        statistics.num_rows = Precision::Exact(file.rows as usize);
        let meta = ObjectMeta {
            location,
            // Files never change under their name, so no time is needed to tell versions apart.
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: file.bytes,
            e_tag: None,
            version: None,
        };
        Ok(PartitionedFile::new_from_meta(meta).with_statistics(Arc::new(statistics)))
    }

    /// Leaves out the rows that do not meet the filter, and puts the columns that were read into the form
    /// and order that was asked for.
    fn give(
        &self,
        session: &dyn Session,
        columns: &Columns,
        mut scan: Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let read = scan.schema();
        if let Some(filter) = &columns.filter {
            let schema = DFSchema::try_from(Arc::clone(&read))?;
            let filter = session.create_physical_expr(filter.clone(), &schema)?;
            scan = Arc::new(FilterExec::try_new(filter, scan)?);
        }
        let asked = self.visible.project(&columns.given)?;
        if read.fields() == asked.fields() {
            return Ok(scan);
        }
        let mut given = Vec::with_capacity(columns.given.len());
        for field in asked.fields() {
            let expr = if field.name() == FUNCTION_ID {
                function_id(session, &read)?
            } else {
                cast(
                    column(field.name(), &read)?,
                    &read,
                    field.data_type().clone(),
                )?
            };
            given.push(ProjectionExpr {
                expr,
                alias: field.name().clone(),
            });
        }
        Ok(Arc::new(ProjectionExec::try_new(given, scan)?))
    }
}

/// The parts that may have wanted rows: those all of whose rows are within `times`, and the others. `range` is
/// when a part's rows are, as far as it is known.
fn split<T>(
    parts: &[T],
    span: Span,
    times: Span,
    range: impl Fn(&T) -> Option<(Timestamp, Timestamp)>,
) -> (Vec<&T>, Vec<&T>) {
    if span.is_always() {
        return (parts.iter().collect(), Vec::new());
    }
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    for part in parts {
        match range(part) {
            Some((from, to)) if !span.meets(from, to) => {}
            Some((from, to)) if times.holds(from, to) => whole.push(part),
            _ => cut.push(part),
        }
    }
    (whole, cut)
}

/// What stands for the second home in a plan.
pub(super) fn away_url() -> Option<ObjectStoreUrl> {
    ObjectStoreUrl::parse("second-home://store").ok()
}

/// Rows are where the configuration does not say.
fn no_home(table: Table, away: &[&SnapshotFile]) -> DataFusionError {
    let until = away.iter().map(|file| file.to).max().unwrap_or_default();
    DataFusionError::Configuration(format!(
        "rows of {} up to {until} are in an object store, and the configuration names none; \
         set store.object_store as it was, or ask for later rows only",
        table.name()
    ))
}

fn column(name: &str, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(Arc::new(Column::new_with_schema(name, schema)?))
}

fn function_id(session: &dyn Session, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    let parts = vec![column("namespace", schema)?, column("function", schema)?];
    let options = Arc::new(session.config_options().clone());
    let call = ScalarFunctionExpr::try_new(Arc::clone(&FUNCTION_ID_OF), parts, schema, options)?;
    Ok(Arc::new(call.with_nullable(false)))
}

/// A stored column as SQL sees it.
fn as_seen(field: &Field) -> Field {
    let seen = match field.data_type() {
        DataType::Dictionary(..) | DataType::Utf8 => DataType::Utf8View,
        other => other.clone(),
    };
    Field::new(field.name(), seen, field.is_nullable())
}

impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.visible)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // What `async_trait` would write; planning here needs no waiting.
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

    /// Every condition helps to leave out files and row groups; only those on time are fully answered.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let answered = |filter: &&Expr| {
            if self.is_on_time(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        };
        Ok(filters.iter().map(answered).collect())
    }
}
