//! Reports: what a result looks like in files and on a terminal.
//!
//! Owns: the JSON, HTML, JUnit and HdrHistogram forms of a result, the text at a run's end, comparing two.
//! Never: measures or judges; it shows what [`crate::result`] holds.
//! Entry point: [`write`].

mod compare;
pub(crate) mod escape;
pub mod health;
mod hgrm;
mod html;
pub mod json;
mod junit;
mod text;
pub(crate) mod words;

#[cfg(test)]
pub(crate) mod sample;

use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use compare::compare;
pub use health::Health;
pub use json::{RESULT_BYTES_MAX, SCHEMA, read};
pub use text::text;

use crate::plan::Output;
use crate::result::Kept;
use crate::tally::Times;

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file system refused to write.
    #[error(
        "the report {path} cannot be written; check that its folder exists and is writable: {cause}"
    )]
    Write {
        /// Where it should have gone.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file system refused to read.
    #[error("the result {path} cannot be read: {cause}")]
    Read {
        /// Where it should have been.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is larger than any result that is read.
    #[error("the result {path} is larger than {} MiB; it is not a result of a load test", RESULT_BYTES_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is no JSON at all.
    #[error(
        "{path} is not a result of a load test: it is not JSON ({cause}); give a file that `output: {{json: …}}` wrote"
    )]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where JSON ends.
        cause: serde_json::Error,
    },
    /// The file is not what `output.json` writes.
    #[error(
        "{path} is not a result of a load test; give a file that `output: {{json: …}}` wrote: {cause}"
    )]
    NotAResult {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// The file was written in a later form.
    #[error(
        "{path} has schema {found}, this version reads up to {SCHEMA}; use the version that wrote it"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema it names.
        found: u64,
    },
    /// The result cannot be put into JSON.
    #[error("the result cannot be put into JSON: {0}")]
    Encode(serde_json::Error),
    /// A run and a capacity have nothing in common to compare.
    #[error("a run and a capacity cannot be compared; give two results of the same kind")]
    Kinds,
}

/// Writes every file that `output` names and gives their paths, in the order JSON, HTML, JUnit, hgrm.
/// `total` holds the whole latency histogram; without it the HTML draws percentiles from the few that
/// the result keeps, and no `hgrm` file is written, because a result alone cannot fill one.
/// Each file is whole or not there: it is written beside its place and renamed.
pub fn write(
    output: &Output,
    kept: &Kept,
    total: Option<&Times>,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = Vec::new();
    if let Some(path) = &output.json {
        put(path, &json::encode(kept)?)?;
        written.push(path.clone());
    }
    if let Some(path) = &output.html {
        put(path, html::page(kept, total).as_bytes())?;
        written.push(path.clone());
    }
    if let Some(path) = &output.junit {
        put(path, junit::encode(kept).as_bytes())?;
        written.push(path.clone());
    }
    if let (Some(path), Some(times)) = (&output.hgrm, total) {
        put(path, hgrm::encode(times).as_bytes())?;
        written.push(path.clone());
    }
    Ok(written)
}

/// Puts a whole file in its place, or none: a reader never sees half of one, and a crash leaves the
/// former one as it was.
fn put(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let beside = beside(path);
    let wrote = write_whole(&beside, content).and_then(|()| std::fs::rename(&beside, path));
    wrote.map_err(|cause| {
        // What is left of a failed attempt is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        ReportError::Write {
            path: path.to_path_buf(),
            cause,
        }
    })
}

fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A name in the same folder, because a rename never crosses file systems; with the process in it, so
/// that two runs that write the same report do not write into each other's.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or(path.as_os_str()));
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
pub(crate) mod tests;
