//! The whole result as JSON, and back.

use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ReportError;
use crate::result::Kept;

/// The form that is written. A later one that older versions cannot read has a higher number.
pub const SCHEMA: u64 = 1;
/// Largest file that is read: a day of seconds with every field is a tenth of it.
pub const RESULT_BYTES_MAX: u64 = 256 << 20;

#[derive(Serialize)]
struct File<'a> {
    schema: u64,
    #[serde(flatten)]
    kept: &'a Kept,
}

/// What is looked at before the rest.
#[derive(Deserialize)]
struct Head {
    schema: u64,
}

/// `{"schema":1,"kind":"run",…}`, indented, with a final line end.
pub fn encode(kept: &Kept) -> Result<Vec<u8>, ReportError> {
    let file = File {
        schema: SCHEMA,
        kept,
    };
    let mut text = serde_json::to_vec_pretty(&file).map_err(ReportError::Encode)?;
    text.push(b'\n');
    Ok(text)
}

/// Reads what [`super::write`] wrote as JSON.
pub fn read(path: &Path) -> Result<Kept, ReportError> {
    let unreadable = |cause| ReportError::Read {
        path: path.to_path_buf(),
        cause,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(RESULT_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() as u64 > RESULT_BYTES_MAX {
        return Err(ReportError::TooLarge {
            path: path.to_path_buf(),
        });
    }
    decode(path, &text)
}

fn decode(path: &Path, text: &[u8]) -> Result<Kept, ReportError> {
    let other = |cause: serde_json::Error| {
        let path = path.to_path_buf();
        if cause.is_data() {
            ReportError::NotAResult { path, cause }
        } else {
            ReportError::NotJson { path, cause }
        }
    };
    let head: Head = serde_json::from_slice(text).map_err(other)?;
    if head.schema > SCHEMA {
        return Err(ReportError::Schema {
            path: path.to_path_buf(),
            found: head.schema,
        });
    }
    serde_json::from_slice(text).map_err(other)
}
