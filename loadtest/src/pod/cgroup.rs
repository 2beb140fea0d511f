//! A pod's control group, version 2 (Linux: Documentation/admin-guide/cgroup-v2.rst).

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::{PodError, PodFigures};

/// Bytes of one file; the kernel writes a few hundred.
const FILE_BYTES_MAX: u64 = 64 * 1_024;
/// Control groups above the pod's whose limits hold for it too.
const ANCESTORS_MAX: usize = 32;

/// The folder of a pod's control group.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// A folder that holds `cpu.stat`.
    pub(super) fn open(folder: &Path) -> Result<Self, PodError> {
        let opened = Cgroup {
            folder: folder.to_owned(),
        };
        if read(&folder.join("cpu.stat"))?.is_none() {
            return Err(PodError::NoCgroup {
                folder: folder.to_owned(),
            });
        }
        // What does not read like a control group is told before a run, not in it.
        opened.read()?;
        Ok(opened)
    }

    /// The figures now. Files that a control group may lack (the root's limits) leave them unknown.
    pub(super) fn read(&self) -> Result<PodFigures, PodError> {
        let (cpu_path, cpu) = self.file("cpu.stat")?;
        // It was there when the folder was opened.
        let cpu = cpu.ok_or_else(|| PodError::Unreadable {
            path: cpu_path.clone(),
            source: ErrorKind::NotFound.into(),
        })?;
        let cpu = |key| value(&cpu_path, &cpu, key);
        let usage = cpu("usage_usec")?.ok_or_else(|| PodError::Malformed {
            path: cpu_path.clone(),
            why: "it has no usage_usec".to_owned(),
        })?;
        let throttled = cpu("throttled_usec")?;
        let throttled_periods = cpu("nr_throttled")?;
        let (events_path, events) = self.file("memory.events")?;
        let oom_kills = match &events {
            Some(events) => value(&events_path, events, "oom_kill")?,
            None => None,
        };
        let (memory_path, memory) = self.file("memory.current")?;
        let memory_bytes = match &memory {
            Some(text) => Some(whole(&memory_path, text.trim())?),
            None => None,
        };
        Ok(PodFigures {
            cpu_seconds: Some(micros(usage)),
            throttled_seconds: throttled.map(micros),
            throttled_periods,
            oom_kills,
            memory_bytes,
            cpus_limit: self.lowest("cpu.max", cpus)?,
            memory_limit: self.lowest("memory.max", bytes)?,
        })
    }

    fn file(&self, name: &str) -> Result<(PathBuf, Option<String>), PodError> {
        let path = self.folder.join(name);
        let text = read(&path)?;
        Ok((path, text))
    }

    /// The lowest limit of this control group and those above it, as all of them hold.
    fn lowest<T: PartialOrd>(
        &self,
        name: &str,
        limit: impl Fn(&Path, &str) -> Result<Option<T>, PodError>,
    ) -> Result<Option<T>, PodError> {
        let mut lowest: Option<T> = None;
        for folder in self.folder.ancestors().take(ANCESTORS_MAX) {
            let path = folder.join(name);
            // The root has no limits: there the control groups end.
            let Some(text) = read(&path)? else {
                break;
            };
            if let Some(limit) = limit(&path, text.trim())?
                && lowest.as_ref().is_none_or(|lowest| limit < *lowest)
            {
                lowest = Some(limit);
            }
        }
        Ok(lowest)
    }
}

/// A file's text; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<String>, PodError> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(PodError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The number behind a key, one of each to a line.
fn value(path: &Path, text: &str, key: &str) -> Result<Option<u64>, PodError> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
        .map(|number| whole(path, number.trim()))
        .transpose()
}

fn whole(path: &Path, text: &str) -> Result<u64, PodError> {
    text.parse().map_err(|_| PodError::Malformed {
        path: path.to_owned(),
        why: format!("`{text}` is not a whole number"),
    })
}

/// `200000 100000`: time that may be used in each period, both in µs; `max` for any.
fn cpus(path: &Path, text: &str) -> Result<Option<f64>, PodError> {
    let malformed = || PodError::Malformed {
        path: path.to_owned(),
        why: format!("`{text}` is not a quota and a period"),
    };
    let (quota, period) = text.split_once(' ').ok_or_else(malformed)?;
    if quota == "max" {
        return Ok(None);
    }
    let (quota, period) = (whole(path, quota)?, whole(path, period)?);
    if period == 0 {
        return Err(malformed());
    }
    Ok(Some(quota as f64 / period as f64))
}

fn bytes(path: &Path, text: &str) -> Result<Option<u64>, PodError> {
    match text {
        "max" => Ok(None),
        text => whole(path, text).map(Some),
    }
}

fn micros(count: u64) -> f64 {
    count as f64 / 1e6
}
