//! Everyday thresholds, or those of a sale.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which set of thresholds and routes is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The rules as written.
    #[default]
    Daily,
    /// The rules with their `rush:` overrides.
    Rush,
}

impl Mode {
    /// The word in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Daily => "daily",
            Mode::Rush => "rush",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
