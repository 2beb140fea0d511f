//! The version of what a store's directory holds.
//!
//! A directory has one version, told by the header of its manifest. Whatever is written into it is written in
//! that version, until [`crate::upkeep::upgrade`] takes up a newer one: a binary that knows a newer version
//! leaves the directory as an older binary can still read it. Every file names its version: segments of the
//! log and the manifest in their header, Parquet files under [`PARQUET_KEY`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// Under which key a Parquet file's metadata holds its version. Files without it are of version 1.
pub(crate) const PARQUET_KEY: &str = "rampart.format";

/// A version of the store's files.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct FormatVersion(u32);

impl FormatVersion {
    /// The first there was.
    pub const OLDEST: FormatVersion = FormatVersion(1);
    /// The newest this binary reads and writes; new directories are of this version.
    pub const NEWEST: FormatVersion = FormatVersion(1);

    /// The version with this number; `None` for 0, which no file has.
    pub const fn new(number: u32) -> Option<FormatVersion> {
        match number {
            0 => None,
            number => Some(FormatVersion(number)),
        }
    }

    /// Its number, from 1 on.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether this binary reads it.
    pub const fn is_known(self) -> bool {
        Self::OLDEST.0 <= self.0 && self.0 <= Self::NEWEST.0
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
