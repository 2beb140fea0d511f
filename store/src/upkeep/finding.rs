//! One thing that is not as it should be: where, what, what it cost at most, what helps.

use std::fmt;

use serde::Serialize;

/// What `rampart store repair` does about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Moves the file to `quarantine/`; the manifest forgets it.
    Quarantine,
    /// The manifest forgets the file.
    Forget,
    /// Removes a leftover that holds nothing of its own.
    Remove,
    /// Cuts the segment where it is sound; damage is copied to `quarantine/` first.
    CutLog,
    /// Writes the segment anew from its sound records.
    RewriteSegment,
    /// Writes the manifest anew from what of it is sound; the damaged one is copied to `quarantine/`.
    RewriteManifest,
    /// Writes a manifest from the Parquet files that are there.
    RebuildManifest,
}

impl Remedy {
    /// What it does, after "`rampart store repair`".
    pub const fn sentence(self) -> &'static str {
        match self {
            Remedy::Quarantine => "moves it to quarantine/",
            Remedy::Forget => "takes it out of the manifest",
            Remedy::Remove => "removes it",
            Remedy::CutLog => "cuts it off there",
            Remedy::RewriteSegment => "writes the segment anew",
            Remedy::RewriteManifest => "writes the manifest anew",
            Remedy::RebuildManifest => "writes one from the Parquet files that are there",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, below the store's directory.
    pub path: String,
    /// What is wrong.
    pub wrong: String,
    /// What was lost at most.
    pub lost: String,
    /// What helps.
    pub remedy: Remedy,
    /// Whether it is what any crash leaves behind: the next start puts it right and nothing is lost.
    pub harmless: bool,
}

impl Finding {
    /// Damage.
    pub(super) fn damage(
        path: impl Into<String>,
        wrong: impl Into<String>,
        lost: impl Into<String>,
        remedy: Remedy,
    ) -> Finding {
        Finding {
            path: path.into(),
            wrong: wrong.into(),
            lost: lost.into(),
            remedy,
            harmless: false,
        }
    }

    /// What any crash leaves behind.
    pub(super) fn leftover(
        path: impl Into<String>,
        wrong: impl Into<String>,
        remedy: Remedy,
    ) -> Finding {
        Finding {
            harmless: true,
            ..Finding::damage(path, wrong, "nothing", remedy)
        }
    }
}

impl fmt::Display for Finding {
    /// One sentence without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            path,
            wrong,
            lost,
            remedy,
            ..
        } = self;
        let remedy = remedy.sentence();
        write!(
            f,
            "{path}: {wrong}; lost at most: {lost}; `rampart store repair` {remedy}"
        )
    }
}
