//! What ends a run early: a file that appears, production that suffers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::RunError;
use crate::engine::Stop;
use crate::plan::Abort;

/// How often the kill file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks between two questions about production.
const LOOKS_PER_QUESTION: u32 = 20;

/// How many production calls of the tested function fail, as a server sees it.
pub trait ProductionWatch: Sync {
    /// Share of live calls that failed of late, 0 to 1; `None` when it is not known. May take a second.
    fn failed_share(&self) -> Option<f64>;
}

/// Refuses to begin while the kill file is there.
pub(super) fn may_begin(abort: &Abort) -> Result<(), RunError> {
    kill_file(abort).map_or(Ok(()), |reason| Err(RunError::Stopped(reason)))
}

fn kill_file(abort: &Abort) -> Option<String> {
    let file = abort.kill_file.as_ref().filter(|file| file.exists())?;
    Some(format!("the kill file {} is there", file.display()))
}

/// Looks until `over`; raises `stop` with the reason when the run must end.
pub(super) fn watch(
    abort: &Abort,
    production: Option<&dyn ProductionWatch>,
    stop: &Stop,
    over: &AtomicBool,
) {
    let mut looks = 0;
    while !over.load(Ordering::Relaxed) && !stop.is_raised() {
        if let Some(reason) = kill_file(abort) {
            stop.raise(reason);
            return;
        }
        if looks % LOOKS_PER_QUESTION == 0
            && let (Some(allowed), Some(production)) = (abort.production_burn, production)
            && let Some(failed) = production.failed_share()
            && failed > allowed.get()
        {
            stop.raise(format!(
                "{:.1} % of production calls fail, more than abort.production_burn {allowed} allows",
                failed * 100.0
            ));
            return;
        }
        looks += 1;
        std::thread::sleep(LOOK_EVERY);
    }
}
