//! Runs a question: on threads of its own, so that no query delays what pages people.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use futures_util::StreamExt;
use model::{FunctionId, Outcome, SharedClock, Timestamp};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::functions;
use super::plan::stoppable;
use super::pool::SharePool;
use super::relation::Relation;
use super::seconds::SecondsTable;
use super::table::{SnapshotTable, away_url};
use super::{ANSWER_BYTES_MAX, CONCURRENT_MAX, QueryAnswer, QueryError, QueryLimits, guard};
use crate::budget::Share;
use crate::minutes::{minute_rows, sum_minutes};
use crate::rollup::{Counts, Rollups, SeriesKey};
use crate::schema::Table;
use crate::second_home::SecondHome;
use crate::snapshot::Snapshot;

/// Deep expressions are walked recursively; the depth allowed needs this much in unoptimised builds.
const STACK_BYTES: usize = 64 << 20;
/// How long summing minutes may take.
const MINUTES_DEADLINE: Duration = Duration::from_mins(1);

/// Answers questions over snapshots.
#[derive(Debug)]
pub struct QueryEngine {
    memory: Arc<Share>,
    clock: SharedClockDebug,
    /// `None` when threads could not be had, or while it is dropped.
    runtime: Option<Runtime>,
    threads: usize,
    template: SessionState,
    slots: Arc<Semaphore>,
    rollups: Arc<Rollups>,
    home: Option<SecondHome>,
}

/// A clock that does not print.
struct SharedClockDebug(SharedClock);

impl std::fmt::Debug for SharedClockDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("clock")
    }
}

/// One question on its way.
struct Question {
    snapshot: Snapshot,
    rollups: Arc<Rollups>,
    home: Option<SecondHome>,
    limits: QueryLimits,
    now: Timestamp,
    threads: usize,
    memory: Arc<Share>,
    template: SessionState,
}

impl QueryEngine {
    /// An engine whose queries together use at most `memory_bytes`; `now()` is what `clock` says.
    pub fn new(memory_bytes: usize, clock: SharedClock) -> Self {
        Self::within(Share::new("query", memory_bytes as u64), clock)
    }

    /// An engine whose queries together use at most a share of the memory budget.
    pub(crate) fn within(memory: Arc<Share>, clock: SharedClock) -> Self {
        let threads = available_parallelism()
            .map_or(2, NonZeroUsize::get)
            .clamp(2, 16);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("store-query")
            .thread_stack_size(STACK_BYTES)
            .enable_io()
            .enable_time()
            .build()
            .inspect_err(
                |error| tracing::warn!(%error, "queries share the threads of everything else"),
            )
            .ok();
        QueryEngine {
            clock: SharedClockDebug(clock),
            runtime,
            threads,
            template: template(&memory, threads),
            memory,
            slots: Arc::new(Semaphore::new(CONCURRENT_MAX)),
            rollups: Arc::default(),
            home: None,
        }
    }

    /// The same, whose table `minutes` leaves out the layers that these rollups do not count.
    pub fn counting(mut self, rollups: Arc<Rollups>) -> Self {
        self.rollups = rollups;
        self
    }

    /// The same, which finds in this home what is not on the machine's disk any more.
    pub fn reading(mut self, home: Option<SecondHome>) -> Self {
        if let (Some(home), Some(url)) = (&home, away_url()) {
            let environment = self.template.runtime_env();
            environment.register_object_store(url.as_ref(), Arc::clone(home.store()));
        }
        self.home = home;
        self
    }

    /// Answers one SELECT over a snapshot.
    pub async fn query(
        &self,
        snapshot: Snapshot,
        sql: &str,
        limits: &QueryLimits,
    ) -> Result<QueryAnswer, QueryError> {
        let question = self.question(snapshot, *limits);
        let sql = sql.to_owned();
        let work = Box::pin(async move {
            let (statement, tables) = guard::admit(&sql)?;
            question.answer(statement, &tables).await
        });
        self.run(limits.deadline, work).await
    }

    /// Counts per series and minute for the minutes that begin in `from..to`, in order.
    pub async fn minutes(
        &self,
        snapshot: Snapshot,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(SeriesKey, i64, Counts)>, QueryError> {
        self.minutes_where(snapshot, minutes_sql(None, from, to))
            .await
    }

    /// The same of one function, reading only what concerns it.
    pub async fn minutes_of(
        &self,
        snapshot: Snapshot,
        function: &FunctionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(SeriesKey, i64, Counts)>, QueryError> {
        self.minutes_where(snapshot, minutes_sql(Some(function), from, to))
            .await
    }

    async fn minutes_where(
        &self,
        snapshot: Snapshot,
        sql: String,
    ) -> Result<Vec<(SeriesKey, i64, Counts)>, QueryError> {
        let limits = QueryLimits {
            rows_max: usize::MAX,
            deadline: MINUTES_DEADLINE,
        };
        let question = self.question(snapshot, limits);
        let work = Box::pin(async move {
            let (statement, tables) = guard::admit(&sql)?;
            let answer = question.answer(statement, &tables).await?;
            Ok(sum_minutes(&answer.batches, i64::MIN..i64::MAX))
        });
        self.run(limits.deadline, work).await
    }

    fn question(&self, snapshot: Snapshot, limits: QueryLimits) -> Question {
        Question {
            snapshot,
            rollups: Arc::clone(&self.rollups),
            home: self.home.clone(),
            limits,
            now: self.clock.0.now(),
            threads: self.threads,
            memory: Arc::clone(&self.memory),
            template: self.template.clone(),
        }
    }

    /// Waits for a slot, runs on the engine's threads, and gives up at the deadline. The slot is held
    /// until the work has really ended, so abandoned queries cannot pile up.
    async fn run<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: Pin<Box<dyn Future<Output = Result<T, QueryError>> + Send>>,
    ) -> Result<T, QueryError> {
        let started = self.clock.0.elapsed();
        let slot = timeout(deadline, Arc::clone(&self.slots).acquire_owned())
            .await
            .map_err(|_| QueryError::Busy)?
            .map_err(|_| QueryError::Busy)?;
        let waited = self.clock.0.elapsed().saturating_sub(started);
        let handle = self
            .runtime
            .as_ref()
            .map_or_else(Handle::current, |own| own.handle().clone());
        // Dropping the set at the deadline, or with the caller, aborts the work.
        let mut tasks = JoinSet::new();
        tasks.spawn_on(
            async move {
                let outcome = work.await;
                drop(slot);
                outcome
            },
            &handle,
        );
        match timeout(deadline.saturating_sub(waited), tasks.join_next()).await {
            Err(_) => Err(QueryError::Deadline(deadline)),
            Ok(Some(Ok(outcome))) => outcome,
            Ok(Some(Err(error))) => Err(QueryError::Failed(error.to_string())),
            Ok(None) => Err(QueryError::Failed("it ended without an answer".to_owned())),
        }
    }
}

impl Drop for QueryEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Question {
    async fn answer(
        mut self,
        statement: Statement,
        tables: &[Relation],
    ) -> Result<QueryAnswer, QueryError> {
        let memory = Arc::clone(&self.memory);
        let fail = |error: DataFusionError| {
            let error = QueryError::from_engine(&error, memory.bytes_max() as usize);
            if matches!(error, QueryError::Memory { .. }) {
                memory.refuse();
            }
            error
        };
        let (plan, state) = self.plan(statement, tables).await.map_err(fail)?;
        collect(plan, &state, &self.limits).await.map_err(fail)
    }

    async fn plan(
        &mut self,
        statement: Statement,
        tables: &[Relation],
    ) -> Result<(Arc<dyn ExecutionPlan>, SessionState), DataFusionError> {
        let state = self.session(tables)?;
        let plan = logical(&state, statement).await?;
        let plan = stoppable(state.create_physical_plan(&plan).await?)?;
        Ok((plan, state))
    }

    /// A session that knows the tables of the snapshot and nothing else.
    fn session(&mut self, tables: &[Relation]) -> Result<SessionState, DataFusionError> {
        let schema = MemorySchemaProvider::new();
        for table in tables {
            let provider: Arc<dyn TableProvider> = match table {
                Relation::Stored(table) => Arc::new(self.table(*table)),
                Relation::Seconds => Arc::new(self.seconds()),
            };
            schema.register_table(table.name().to_owned(), provider)?;
        }
        let defaults = &self.template.config_options().catalog;
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(&defaults.default_schema, Arc::new(schema))?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(defaults.default_catalog.clone(), Arc::new(catalog));
        let mut state = SessionStateBuilder::new_from_existing(self.template.clone())
            .with_catalog_list(Arc::new(catalogs))
            .build();
        state.execution_props_mut().query_execution_start_time = Some(self.now.to_utc());
        Ok(state)
    }

    fn seconds(&self) -> SecondsTable {
        let rollups = self.snapshot.rollups.clone().unwrap_or_default();
        SecondsTable::new(rollups, self.now, self.threads)
    }

    fn table(&mut self, table: Table) -> SnapshotTable {
        let mut memory = self.snapshot.memory_of(table).to_vec();
        if table == Table::Minutes {
            // Minutes of what is not flushed yet: summed from the rows.
            let rows = self.snapshot.memory_of(Table::Invocations);
            memory.extend(rows.iter().map(|rows| minute_rows(rows, &self.rollups)));
        }
        memory.retain(|batch| batch.num_rows() > 0);
        let files = self.snapshot.files_of(table).to_vec();
        SnapshotTable::new(table, memory, files, self.home.clone(), self.threads)
    }
}

async fn logical(
    state: &SessionState,
    statement: Statement,
) -> Result<LogicalPlan, DataFusionError> {
    let plan = state.statement_to_plan(statement).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    Ok(plan)
}

async fn collect(
    plan: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    limits: &QueryLimits,
) -> Result<QueryAnswer, DataFusionError> {
    let schema: SchemaRef = plan.schema();
    let mut stream = execute_stream(plan, state.task_ctx())?;
    let mut answer = QueryAnswer {
        schema,
        batches: Vec::new(),
        truncated: false,
    };
    let mut rows_left = limits.rows_max;
    let mut bytes_left = if limits.rows_max == usize::MAX {
        usize::MAX
    } else {
        ANSWER_BYTES_MAX
    };
    while let Some(batch) = stream.next().await {
        let batch: RecordBatch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        let bytes = batch.get_array_memory_size();
        if rows_left == 0 || bytes_left == 0 {
            answer.truncated = true;
            break;
        }
        answer.truncated = batch.num_rows() > rows_left;
        let batch = batch.slice(0, batch.num_rows().min(rows_left));
        rows_left -= batch.num_rows();
        bytes_left = bytes_left.saturating_sub(bytes);
        answer.batches.push(batch);
        if answer.truncated {
            break;
        }
    }
    Ok(answer)
}

/// What every session starts from.
fn template(memory: &Arc<Share>, threads: usize) -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.execution.enable_recursive_ctes = false;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment(memory))
        .with_default_features()
        .with_table_functions(std::collections::HashMap::new())
        .build();
    if let Err(error) = functions::register(&mut state) {
        tracing::error!(%error, "functions of ours are not there for queries");
    }
    state
}

fn environment(memory: &Arc<Share>) -> Arc<RuntimeEnv> {
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let builder = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(SharePool(Arc::clone(memory))))
        .with_disk_manager_builder(disk);
    builder.build_arc().unwrap_or_else(|error| {
        tracing::error!(%error, "queries run with the engine's default limits");
        Arc::default()
    })
}

fn minutes_sql(function: Option<&FunctionId>, from: Timestamp, to: Timestamp) -> String {
    let outcomes = Outcome::ALL.iter().map(|outcome| outcome.as_str());
    let sums: Vec<String> = outcomes
        .chain(["weighted", "cold_starts", "duration_us"])
        .map(|column| format!("sum({column}) as {column}"))
        .collect();
    let sums = sums.join(", ");
    let only = function.map_or_else(String::new, |id| {
        format!(
            " and function_id = '{}'",
            id.to_string().replace('\'', "''")
        )
    });
    let key = "minute, namespace, function, version, unit, zone, traffic";
    format!(
        "select {key}, {sums} from minutes where minute >= to_timestamp_micros({}) \
         and minute < to_timestamp_micros({}){only} group by {key}",
        from.as_micros(),
        to.as_micros(),
    )
}

#[cfg(test)]
impl QueryEngine {
    /// Runs a query and gives its plan, whose metrics then tell what was read.
    pub(super) async fn executed_plan(
        &self,
        snapshot: Snapshot,
        sql: &str,
    ) -> Arc<dyn ExecutionPlan> {
        let mut question = self.question(snapshot, QueryLimits::default());
        let (statement, tables) = guard::admit(sql).unwrap();
        let (plan, state) = question.plan(statement, &tables).await.unwrap();
        collect(Arc::clone(&plan), &state, &question.limits)
            .await
            .unwrap();
        plan
    }
}
