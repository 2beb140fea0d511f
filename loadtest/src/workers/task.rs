//! What a worker does for its leader, one thing at a time, each on a thread of its own.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::messages::{Preparation, Prepared, Report, Share};
use super::secret::nonce;
use super::{WorkerSettings, check};
use crate::engine::{RunClock, Stop, TALLIES_QUEUED_MAX};
use crate::plan::{Parcel, Plan};
use crate::run::ready::{self, Gate, Ready};
use crate::run::senders::Purpose;
use crate::run::threads::{self, Part};
use crate::run::{RunError, calibration, preflight, subject};
use crate::timing::Nanos;

/// A plan that may be sent from here.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) plan: Plan,
    pub(super) purpose: Purpose,
    ready: Ready,
}

/// What a task ends with: its last word, and what is prepared from then on.
pub(super) type Done = (Report, Option<Bench>);

/// Something that is being done.
#[derive(Debug)]
pub(super) struct Task {
    stop: Arc<Stop>,
    thread: JoinHandle<Done>,
}

impl Task {
    /// Begins it.
    pub(super) fn start(
        work: impl FnOnce(&Arc<Stop>) -> Done + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Stop::new();
        let thread = std::thread::Builder::new().name("task".to_owned()).spawn({
            let stop = Arc::clone(&stop);
            move || work(&stop)
        })?;
        Ok(Task { stop, thread })
    }

    /// Ends it soon.
    pub(super) fn stop(&self, why: &str) {
        self.stop.raise(why);
    }

    /// Whether its last word is there.
    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Its last word.
    pub(super) fn end(self) -> Done {
        self.thread.join().unwrap_or_else(|_| {
            let why = "a thread of the worker panicked".to_owned();
            (Report::Failed { why }, None)
        })
    }
}

fn failed(error: &dyn std::fmt::Display) -> Report {
    Report::Failed {
        why: error.to_string(),
    }
}

/// Reads the plan, proves that it may be sent from here, and sends one request of each kind.
pub(super) fn prepare(
    preparation: Preparation,
    files: std::collections::BTreeMap<String, Vec<u8>>,
    settings: &WorkerSettings,
    clock: &RunClock,
    stop: &Arc<Stop>,
) -> Done {
    let Preparation {
        run_id,
        purpose,
        file_name,
        text,
        variables,
    } = preparation;
    let parcel = Parcel {
        file_name,
        text,
        variables,
        files,
    };
    match try_prepare(&parcel, &run_id, purpose, settings, clock, stop) {
        Err(why) => (Report::Failed { why }, None),
        Ok(bench) => {
            let prepared = Prepared {
                machine: subject::machine(),
                cpus: threads::cpus(),
                scenario_hash: bench.plan.scenario_hash.clone(),
            };
            (Report::Prepared(prepared), Some(bench))
        }
    }
}

fn try_prepare(
    parcel: &Parcel,
    run_id: &str,
    purpose: Purpose,
    settings: &WorkerSettings,
    clock: &RunClock,
    stop: &Arc<Stop>,
) -> Result<Bench, String> {
    check::run_id(run_id)?;
    // Everything is in memory once the plan is ready, so the folder ends with this function.
    let folder =
        Folder::new().map_err(|error| format!("cannot put down the plan's files: {error}"))?;
    let plan = parcel
        .unpack(&folder.0)
        .map_err(|error| error.to_string())?;
    let gate = Gate {
        now: clock.wall(),
        permission_key: settings.permission_key.as_deref(),
        own: Some(&settings.allow),
    };
    let ready = |plan: &Plan| -> Result<Ready, RunError> {
        let ready = ready::make(plan, run_id, purpose.highest(plan), &gate)?;
        preflight::check(&ready, &plan.load, clock, stop)?;
        Ok(ready)
    };
    let ready = ready(&plan).map_err(|error| error.to_string())?;
    Ok(Bench {
        plan,
        purpose,
        ready,
    })
}

/// Measures what this machine can send.
pub(super) fn calibrate(bench: &Bench, clock: &RunClock, stop: &Arc<Stop>) -> Done {
    let measured = calibration::measure(&bench.ready, &bench.plan.load, clock, stop);
    let report = match measured {
        Ok(per_second) => Report::Calibrated { per_second },
        Err(error) => failed(&error),
    };
    (report, None)
}

/// Sends a share; every second of every thread is told as it comes. A leader that does not listen any
/// more ends it.
pub(super) fn send(
    bench: &Bench,
    share: &Share,
    clock: &RunClock,
    stop: &Arc<Stop>,
    reports: &SyncSender<Report>,
) -> Done {
    let load = share.sending.load(&bench.plan);
    let part = Part {
        first: share.first,
        count: share.threads,
        of: share.of,
        start: Nanos(share.start_nanos),
    };
    let (tallies, seen) = sync_channel(TALLIES_QUEUED_MAX);
    let ended =
        threads::launch(&bench.ready, &load, &part, clock, stop, tallies).and_then(|running| {
            while let Ok(second) = seen.recv() {
                if reports.send(Report::Second(second)).is_err() {
                    stop.raise("the leader does not listen any more");
                    break;
                }
            }
            drop(seen);
            running.join()
        });
    let report = match ended {
        Ok(()) => Report::Ended,
        Err(error) => failed(&error),
    };
    (report, None)
}

/// A folder of our own that nobody else can read, as long as it is kept.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let chance = nonce().first_chunk().copied().unwrap_or_default();
        let name = format!("rampart-worker-{:032x}", u128::from_be_bytes(chance));
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that stays; it holds what the leader sent.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
