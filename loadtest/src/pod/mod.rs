//! What the pod under test uses, read where the platform keeps it: its control group, or a metrics page.
//!
//! The figures say what a capacity costs (CPU per request, memory) and why it ends where it does
//! (throttled by the kernel, out of memory).

mod cgroup;
mod fetch;
mod metrics;

use std::net::SocketAddr;
use std::path::PathBuf;

use model::AllowList;

use crate::plan::PodSources;
use cgroup::Cgroup;
use metrics::Metrics;

/// Reads a pod's figures, as often as asked. A reading from a metrics page blocks for up to 2 s.
#[derive(Debug)]
pub enum PodReader {
    /// The plan names no source: every figure is unknown.
    Unknown,
    /// From the control group.
    Cgroup(Cgroup),
    /// From a metrics page.
    Metrics(Metrics),
    /// From the control group, and what that does not know from a metrics page.
    Both(Cgroup, Metrics),
}

/// A pod's figures at one instant. Counters count from the pod's start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PodFigures {
    /// CPU used, in seconds; a counter.
    pub cpu_seconds: Option<f64>,
    /// Time for which the kernel kept it from running because of its limit, in seconds; a counter.
    pub throttled_seconds: Option<f64>,
    /// Enforcement periods (100 ms by default) in which it was kept from running; a counter.
    pub throttled_periods: Option<u64>,
    /// Processes that the kernel killed for want of memory; a counter.
    pub oom_kills: Option<u64>,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPUs it may use; `None` when unlimited or unknown.
    pub cpus_limit: Option<f64>,
    /// Bytes of memory it may use; `None` when unlimited or unknown.
    pub memory_limit: Option<u64>,
}

/// What a pod used between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PodUse {
    /// CPU, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Time for which the kernel kept it from running, in seconds.
    pub throttled_seconds: Option<f64>,
    /// Enforcement periods in which it was kept from running.
    pub throttled_periods: Option<u64>,
    /// Processes that were killed for want of memory.
    pub oom_kills: Option<u64>,
    /// A counter went back: the pod was started anew, and that counter's use is unknown.
    pub restarted: bool,
}

/// Why a pod's figures cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// The folder is no control group.
    #[error(
        "{folder} is no control group of version 2: it has no cpu.stat; give the pod's own folder \
         below /sys/fs/cgroup, as /proc/<pid>/cgroup names it, on the machine that it runs on"
    )]
    NoCgroup {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of the control group cannot be read.
    #[error("cannot read {path}; was the pod removed, or may this user not read it?")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A file of the control group says something else than the kernel writes there.
    #[error("{path} does not read like a control group's file: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
    /// The address of the metrics page cannot be used.
    #[error("pod.metrics {url:?}: {why}; write it like http://127.0.0.1:9100/metrics")]
    Url {
        /// As written.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The metrics page lies where nothing may be sent to.
    #[error("pod.metrics: {host} ({address}) is not allowed; add it under `allow`")]
    NotAllowed {
        /// The host as written.
        host: String,
        /// What it resolves to.
        address: SocketAddr,
    },
    /// The metrics page cannot be fetched.
    #[error("cannot fetch {url}: {why}")]
    Fetch {
        /// As written.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The page has none of the figures, or those of several pods.
    #[error("{url} says nothing about one pod: {why}")]
    Ambiguous {
        /// As written.
        url: String,
        /// What is missing or too much.
        why: String,
    },
}

impl PodReader {
    /// Opens the sources that the plan names. A metrics page's host is resolved here, once, and must be
    /// allowed by name or address; nothing is sent yet.
    pub fn open(sources: &PodSources, allow: &AllowList) -> Result<Self, PodError> {
        let cgroup = sources.cgroup.as_deref().map(Cgroup::open).transpose()?;
        let metrics = match &sources.metrics {
            Some(url) => Some(Metrics::open(url, allow)?),
            None => None,
        };
        Ok(match (cgroup, metrics) {
            (None, None) => PodReader::Unknown,
            (Some(cgroup), None) => PodReader::Cgroup(cgroup),
            (None, Some(metrics)) => PodReader::Metrics(metrics),
            (Some(cgroup), Some(metrics)) => PodReader::Both(cgroup, metrics),
        })
    }

    /// The figures now.
    pub fn read(&mut self) -> Result<PodFigures, PodError> {
        match self {
            PodReader::Unknown => Ok(PodFigures::default()),
            PodReader::Cgroup(cgroup) => cgroup.read(),
            PodReader::Metrics(metrics) => metrics.read(),
            PodReader::Both(cgroup, metrics) => Ok(cgroup.read()?.or(metrics.read()?)),
        }
    }
}

impl PodFigures {
    /// What was used since an earlier reading of the same pod.
    pub fn since(&self, earlier: &PodFigures) -> PodUse {
        let counters = [
            (self.cpu_seconds, earlier.cpu_seconds),
            (self.throttled_seconds, earlier.throttled_seconds),
            (
                self.throttled_periods.map(|count| count as f64),
                earlier.throttled_periods.map(|count| count as f64),
            ),
        ];
        PodUse {
            cpu_seconds: difference(self.cpu_seconds, earlier.cpu_seconds),
            throttled_seconds: difference(self.throttled_seconds, earlier.throttled_seconds),
            throttled_periods: counted(self.throttled_periods, earlier.throttled_periods),
            oom_kills: counted(self.oom_kills, earlier.oom_kills),
            restarted: counters.into_iter().any(
                |(now, before)| matches!((now, before), (Some(now), Some(before)) if now < before),
            ),
        }
    }

    /// These figures, and the other's where these are unknown.
    fn or(self, other: PodFigures) -> PodFigures {
        PodFigures {
            cpu_seconds: self.cpu_seconds.or(other.cpu_seconds),
            throttled_seconds: self.throttled_seconds.or(other.throttled_seconds),
            throttled_periods: self.throttled_periods.or(other.throttled_periods),
            oom_kills: self.oom_kills.or(other.oom_kills),
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            cpus_limit: self.cpus_limit.or(other.cpus_limit),
            memory_limit: self.memory_limit.or(other.memory_limit),
        }
    }
}

fn difference(now: Option<f64>, before: Option<f64>) -> Option<f64> {
    Some(now? - before?).filter(|used| *used >= 0.0)
}

fn counted(now: Option<u64>, before: Option<u64>) -> Option<u64> {
    now?.checked_sub(before?)
}

#[cfg(test)]
mod tests;
