//! Builders that take borrowed rows and give Arrow batches of the tables' schemas.

pub(crate) mod columns;
pub(crate) mod intern;
mod invocations;
mod loadtests;
mod logs;
mod samples;
#[cfg(test)]
mod tests;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;

use crate::schema::Table;

pub use invocations::{Invocation, InvocationRows};
pub use loadtests::{Loadtest, LoadtestRows};
pub use logs::{LogLine, LogRows};
pub use samples::{Sample, SampleRows, series_id};

/// The batch of these columns. They come from the builders here, so they fit; should they not, that
/// is logged as the defect it is.
pub(crate) fn assemble(table: Table, columns: Result<Vec<ArrayRef>, ArrowError>) -> RecordBatch {
    let batch = columns.and_then(|columns| RecordBatch::try_new(table.schema(), columns));
    batch.unwrap_or_else(|error| {
        tracing::error!(table = table.name(), %error, "rows do not fit their own table");
        RecordBatch::new_empty(table.schema())
    })
}
