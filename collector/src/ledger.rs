//! The books of one source: what came, what was refused, and how it is doing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Timestamp;
use serde::Serialize;

use crate::events;
use crate::formats::{Decoded, RefusalCounts, RefusalKind, cut};

/// The longest error kept.
const ERROR_BYTES_MAX: usize = 512;

/// How a source is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Nothing has come yet.
    Waiting,
    /// It delivers.
    Running,
    /// The last attempt failed; it is tried again.
    Failing,
}

/// What is known of one source, for the API and the pages.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// `file`, `scrape` or `http`.
    pub kind: &'static str,
    /// How its lines are written.
    pub format: &'static str,
    /// How it is doing.
    pub state: SourceState,
    /// Rows or samples taken since the start.
    pub rows: u64,
    /// Bytes read since the start, decompressed.
    pub bytes: u64,
    /// Lines refused since the start, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Lines of functions that the source leaves out.
    pub skipped: u64,
    /// Values cut or clamped to a limit.
    pub clamped: u64,
    /// When the last batch came.
    pub last_seen: Option<Timestamp>,
    /// Up to when it is known complete.
    pub watermark: Option<Timestamp>,
    /// How far the watermark is behind.
    pub lag_seconds: Option<f64>,
    /// 1 when it is up to date, 0 when it is late, nothing when that cannot be told.
    pub completeness: Option<f64>,
    /// What went wrong last; empty while it works.
    pub last_error: String,
}

#[derive(Debug, Default)]
struct Books {
    rows: u64,
    bytes: u64,
    rejected: RefusalCounts,
    skipped: u64,
    clamped: u64,
    last_seen: Option<Timestamp>,
    last_error: String,
}

/// The books of one source.
#[derive(Debug)]
pub(crate) struct Ledger {
    source: String,
    kind: &'static str,
    format: &'static str,
    books: Mutex<Books>,
}

impl Ledger {
    pub(crate) fn new(source: &str, kind: &'static str, format: &'static str) -> Self {
        Ledger {
            source: source.to_owned(),
            kind,
            format,
            books: Mutex::default(),
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn is_of(&self, kind: &str, format: &str) -> bool {
        self.kind == kind && self.format == format
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows were committed.
    pub(crate) fn delivered(&self, rows: u64, bytes: u64, now: Timestamp) {
        let mut books = self.books();
        books.rows += rows;
        books.bytes += bytes;
        books.last_seen = Some(now);
    }

    /// Lines were refused, left out or changed.
    pub(crate) fn decoded(&self, decoded: &Decoded) {
        let mut books = self.books();
        books.rejected.merge(&decoded.rejected);
        books.skipped += decoded.skipped;
        books.clamped += decoded.clamped;
    }

    /// Lines were refused before anything could decode them.
    pub(crate) fn rejected(&self, kind: RefusalKind, lines: u64) {
        events::rejected(&self.source, kind, lines);
        self.books().rejected.add(kind, lines);
    }

    /// An attempt failed.
    pub(crate) fn fails(&self, error: &str) {
        let error = cut(error, ERROR_BYTES_MAX);
        let mut books = self.books();
        if books.last_error != error {
            error.clone_into(&mut books.last_error);
            drop(books);
            events::source_failing(&self.source, error);
        }
    }

    /// An attempt succeeded.
    pub(crate) fn works(&self) {
        let mut books = self.books();
        if !books.last_error.is_empty() {
            books.last_error.clear();
            drop(books);
            events::source_recovered(&self.source);
        }
    }

    /// What is known, with the watermark that the caller knows and whether it is as it should be.
    pub(crate) fn status(
        &self,
        watermark: Option<Timestamp>,
        on_time: Option<bool>,
        now: Timestamp,
    ) -> SourceStatus {
        let books = self.books();
        let state = match (books.last_error.is_empty(), books.last_seen) {
            (false, _) => SourceState::Failing,
            (true, None) => SourceState::Waiting,
            (true, Some(_)) => SourceState::Running,
        };
        let lag = watermark.map(|watermark| now.since(watermark));
        events::lag(&self.source, watermark, now);
        SourceStatus {
            name: self.source.clone(),
            kind: self.kind,
            format: self.format,
            state,
            rows: books.rows,
            bytes: books.bytes,
            rejected: books
                .rejected
                .iter()
                .map(|(kind, lines)| (kind.as_str(), lines))
                .collect(),
            skipped: books.skipped,
            clamped: books.clamped,
            last_seen: books.last_seen,
            watermark,
            lag_seconds: lag.map(|lag| lag.as_secs_f64()),
            completeness: on_time.map(|on_time| f64::from(u8::from(on_time))),
            last_error: books.last_error.clone(),
        }
    }
}
