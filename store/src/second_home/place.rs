//! Where a file of rows is, as the manifest says it.

use serde::{Deserialize, Serialize};

/// Where a file of rows is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// On the machine's disk only.
    #[default]
    Local,
    /// On the disk, and in the second home.
    Both,
    /// In the second home only.
    Away,
}

impl Place {
    /// Whether it is on the machine's disk.
    pub(crate) fn is_local(self) -> bool {
        self != Place::Away
    }

    /// Whether the second home has it.
    pub(crate) fn is_away(self) -> bool {
        self != Place::Local
    }

    /// A record of the manifest needs not say where most files are.
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde asks so
    pub(crate) fn is_default(&self) -> bool {
        *self == Place::Local
    }
}
