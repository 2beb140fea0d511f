//! Reads everything and says what is not as it should be. Changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::finding::{Finding, Remedy};
use super::log::{End, Walked, segments, walk, walk_segment};
use super::parquet::{Unmeasured, measure};
use super::{UpkeepError, failed_at, files_below, is_running, load_manifest};
use crate::format::FormatVersion;
use crate::fs::Fs;
use crate::manifest::{self, Edit, Loaded, TableFile};
use crate::partition::{PARQUET, TABLES, TEMPORARY};
use crate::recovery::{WAL, log_follows};
use crate::schema::Table;
use crate::second_home::Place;

/// Findings that are listed; more are only counted.
const FINDINGS_MAX: usize = 10_000;

/// What was read, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether a server was running. What it may be writing at that moment is then not judged.
    pub running: bool,
    /// The directory's format, as far as a manifest tells.
    pub format: Option<FormatVersion>,
    /// Files that only the second home has, which is not asked.
    pub away_files: u64,
    /// Their rows.
    pub away_rows: u64,
    /// Parquet files read.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments of the log read.
    pub segments: u64,
    /// Their sound records.
    pub records: u64,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub unlisted: u64,
}

impl Verified {
    /// Whether anything is damaged; what any crash leaves behind is not.
    pub fn is_damaged(&self) -> bool {
        self.unlisted > 0 || self.findings.iter().any(|finding| !finding.harmless)
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.unlisted += 1;
        }
    }
}

/// Checks a store's directory, beside a running server or without one. Memory is bounded by the largest record of
/// the log and a page of each column of a Parquet file, whatever the size of the store.
pub fn verify(fs: &dyn Fs, directory: &Path) -> Result<Verified, UpkeepError> {
    let running = is_running(fs, directory)?;
    examine(fs, directory, running)
}

/// The same for who knows whether a server is running.
pub(super) fn examine(
    fs: &dyn Fs,
    directory: &Path,
    running: bool,
) -> Result<Verified, UpkeepError> {
    let loaded = load_manifest(fs, directory)?;
    let mut verified = Verified {
        running,
        format: loaded.version,
        ..Verified::default()
    };
    let lost = check_manifests(fs, directory, &mut verified)?;
    check_named(fs, directory, &loaded, &mut verified)?;
    check_unnamed(fs, directory, &loaded, lost, &mut verified)?;
    check_log(fs, directory, loaded.state.flushed, &mut verified)?;
    Ok(verified)
}

/// What is left of a store's account of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    Whole,
    /// Edits are gone.
    Partial,
    /// No checkpoint reads.
    Lost,
}

/// Reads the manifest and the copy of its checkpoint.
fn check_manifests(
    fs: &dyn Fs,
    directory: &Path,
    verified: &mut Verified,
) -> Result<Account, UpkeepError> {
    let read = |name: &str| {
        walk(fs, &directory.join(name), manifest::MAGIC, |payload| {
            serde_json::from_slice::<Edit>(payload)
                .map(|_| ())
                .map_err(|error| format!("an edit does not read: {error}"))
        })
    };
    let (name, copy) = (manifest::FILE_NAME, manifest::PREVIOUS_NAME);
    let current = read(name)?;
    let previous = read(copy)?;
    let holds_edits = |walked: &Option<Walked>| walked.as_ref().is_some_and(|it| it.records > 0);
    if !holds_edits(&current) && !holds_edits(&previous) {
        let wrong = "neither it nor its copy manifest.previous can be read";
        let lost = "how far sources were read and senders' keys, unless the log still holds them";
        let remedy = Remedy::RebuildManifest;
        verified.add(Finding::damage(name, wrong, lost, remedy));
        return Ok(Account::Lost);
    }
    let mut account = Account::Whole;
    if let Some((wrong, lost)) = defect(current.as_ref()) {
        if lost != LOST_NOTHING {
            account = Account::Partial;
        }
        verified.add(Finding::damage(name, wrong, lost, Remedy::RewriteManifest));
    } else if !verified.running && current.is_some_and(|it| it.end == End::Unfinished) {
        let wrong = "it ends with an edit that was not finished";
        verified.add(Finding::leftover(name, wrong, Remedy::RewriteManifest));
    }
    // Only `manifest` grows: its copy is written whole before it gets its name.
    if let Some((wrong, _)) = defect(previous.as_ref()) {
        verified.add(Finding::damage(
            copy,
            wrong,
            LOST_NOTHING,
            Remedy::RewriteManifest,
        ));
    }
    Ok(account)
}

const LOST_NOTHING: &str = "nothing";
/// Why edits that are gone cost little: what they named is looked at by itself.
const LOST_EDITS: &str =
    "the edits since the last start that are not read; files they name are found below";

/// What is wrong with one of the two, and what is lost by it.
fn defect(walked: Option<&Walked>) -> Option<(String, &'static str)> {
    let Some(walked) = walked else {
        return Some(("it is missing".to_owned(), LOST_EDITS));
    };
    match &walked.end {
        _ if walked.records == 0 => Some(("its checkpoint does not read".to_owned(), LOST_EDITS)),
        End::Damaged(reason) => Some((reason.clone(), LOST_EDITS)),
        _ if walked.version.is_none() => Some(("its header is damaged".to_owned(), LOST_NOTHING)),
        _ => None,
    }
}

/// Reads the files that the manifest names.
fn check_named(
    fs: &dyn Fs,
    directory: &Path,
    loaded: &Loaded,
    verified: &mut Verified,
) -> Result<(), UpkeepError> {
    for file in loaded.state.files.values() {
        if !file.place.is_local() {
            verified.away_files += 1;
            verified.away_rows += file.rows;
            continue;
        }
        let lost = match file.place {
            Place::Both => "nothing, the second home has it".to_owned(),
            _ => format!("its {} rows", file.rows),
        };
        match check_file(fs, directory, file) {
            Ok(()) => {
                verified.files += 1;
                verified.rows += file.rows;
                verified.bytes += file.bytes;
            }
            // A server merges and drops files; those it names now are there.
            Err(Unmeasured::Gone) if !still_named(fs, directory, file)? => {}
            Err(Unmeasured::Gone) => {
                let wrong = "the manifest names it, but it is missing";
                verified.add(Finding::damage(&file.path, wrong, lost, Remedy::Forget));
            }
            Err(Unmeasured::Newer(found)) => {
                return Err(UpkeepError::Newer {
                    path: directory.join(&file.path),
                    found,
                });
            }
            Err(Unmeasured::Damaged(wrong)) => {
                verified.add(Finding::damage(&file.path, wrong, lost, Remedy::Quarantine));
            }
        }
    }
    Ok(())
}

fn still_named(fs: &dyn Fs, directory: &Path, file: &TableFile) -> Result<bool, UpkeepError> {
    let loaded = load_manifest(fs, directory)?;
    Ok(loaded.state.files.contains_key(&file.path))
}

/// Whether a file is what the manifest says.
fn check_file(fs: &dyn Fs, directory: &Path, file: &TableFile) -> Result<(), Unmeasured> {
    let found = measure(fs, &directory.join(&file.path), file.table, file.checksum)?;
    let range = |from: i64, to: i64| {
        let [from, to] = [from, to].map(model::Timestamp::from_micros);
        format!("{from} to {to}")
    };
    for (what, named, found) in [
        ("bytes", file.bytes.to_string(), found.bytes.to_string()),
        ("rows", file.rows.to_string(), found.rows.to_string()),
        (
            "times",
            range(file.from_us, file.to_us),
            range(found.from_us, found.to_us),
        ),
    ] {
        if named != found {
            let reason = format!("the manifest says {what} {named}, it has {found}");
            return Err(Unmeasured::Damaged(reason));
        }
    }
    Ok(())
}

/// Looks for files that the manifest does not name. A running server has such files all the time: those it is
/// writing, and those it merged that a query still reads.
fn check_unnamed(
    fs: &dyn Fs,
    directory: &Path,
    loaded: &Loaded,
    account: Account,
    verified: &mut Verified,
) -> Result<(), UpkeepError> {
    if verified.running {
        return Ok(());
    }
    let named = &loaded.state.files;
    let missing = verified
        .findings
        .iter()
        .any(|it| it.remedy == Remedy::Forget);
    let tables = directory.join(TABLES);
    let accounted = account == Account::Whole
        && !missing
        && log_follows(fs, directory, loaded.state.flushed).map_err(failed_at(&tables))?;
    for (path, _) in files_below(fs, directory, TABLES)? {
        if path.ends_with(TEMPORARY) {
            let wrong = "it was being written when the server ended";
            verified.add(Finding::leftover(path, wrong, Remedy::Remove));
        } else if !path.ends_with(PARQUET) || named.contains_key(&path) {
            // Somebody else's, or looked at before.
        } else if account == Account::Lost {
            check_rebuildable(fs, directory, &path, verified)?;
        } else if accounted {
            let wrong =
                "the manifest does not name it; its rows are in the log or in a merged file";
            verified.add(Finding::leftover(path, wrong, Remedy::Quarantine));
        } else {
            let wrong = "the manifest does not name it";
            let lost = "its rows, unless the log or another file holds them";
            verified.add(Finding::damage(path, wrong, lost, Remedy::Quarantine));
        }
    }
    Ok(())
}

/// Whether a file can be part of a manifest that is rebuilt.
fn check_rebuildable(
    fs: &dyn Fs,
    directory: &Path,
    path: &str,
    verified: &mut Verified,
) -> Result<(), UpkeepError> {
    let measured = match table_of(path) {
        Some(table) => super::rebuild::file(fs, directory, path, table),
        None => Err(Unmeasured::Damaged("no table has this name".to_owned())),
    };
    match measured {
        Ok(file) => {
            verified.files += 1;
            verified.rows += file.rows;
            verified.bytes += file.bytes;
        }
        Err(Unmeasured::Gone) => {}
        Err(Unmeasured::Newer(found)) => {
            return Err(UpkeepError::Newer {
                path: directory.join(path),
                found,
            });
        }
        Err(Unmeasured::Damaged(wrong)) => {
            verified.add(Finding::damage(path, wrong, "its rows", Remedy::Quarantine));
        }
    }
    Ok(())
}

/// The table that a path below the store's directory belongs to.
pub(super) fn table_of(path: &str) -> Option<Table> {
    let mut parts = path.split('/');
    (parts.next() == Some(TABLES)).then_some(())?;
    Table::from_name(parts.next()?)
}

/// Reads every record of the log.
fn check_log(
    fs: &dyn Fs,
    directory: &Path,
    flushed: u64,
    verified: &mut Verified,
) -> Result<(), UpkeepError> {
    let log = directory.join(WAL);
    let segments = segments(fs, &log)?;
    let begins: BTreeMap<u64, u64> = segments
        .iter()
        .zip(segments.iter().skip(1))
        .map(|(segment, next)| (segment.first, next.first))
        .collect();
    for segment in &segments {
        let mut last = segment.first.saturating_sub(1);
        let walked = walk_segment(fs, &log, segment, |record| last = last.max(record.sequence))?;
        // A server lets go of segments whose rows are in Parquet.
        let Some(walked) = walked else { continue };
        verified.segments += 1;
        verified.records += walked.records;
        let next = begins.get(&segment.first).copied();
        let path = format!("{WAL}/{}", segment.name);
        if let Some(finding) = judge(path, &walked, verified.running, lost(last, next, flushed)) {
            verified.add(finding);
        }
    }
    Ok(())
}

/// What a segment that is sound up to record `last` has lost at most, when the one behind it begins with `next`.
fn lost(last: u64, next: Option<u64>, flushed: u64) -> String {
    let first = last.max(flushed) + 1;
    match next {
        Some(next) if next <= first => "nothing, its rows are in Parquet".to_owned(),
        Some(next) => format!("the commits {first} to {}", next - 1),
        None => format!("the commits from {first} on, as far as they were in this segment"),
    }
}

fn judge(path: String, walked: &Walked, running: bool, lost: String) -> Option<Finding> {
    match &walked.end {
        End::Damaged(wrong) => Some(Finding::damage(path, wrong, lost, Remedy::CutLog)),
        _ if running => None,
        _ if walked.version.is_none() && walked.records > 0 => {
            let (wrong, lost) = ("its header is damaged", "nothing, every record reads");
            Some(Finding::damage(path, wrong, lost, Remedy::RewriteSegment))
        }
        _ if walked.version.is_none() => {
            let wrong = "it was begun and nothing is in it";
            Some(Finding::leftover(path, wrong, Remedy::CutLog))
        }
        End::Unfinished => {
            let at = walked.sound_bytes;
            let wrong = format!("it ends with a record that was not finished, at byte {at}");
            Some(Finding::leftover(path, wrong, Remedy::CutLog))
        }
        End::Whole => None,
    }
}
