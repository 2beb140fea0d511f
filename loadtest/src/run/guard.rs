//! What ends a run early: a file that appears, production that suffers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// Looks until `over`; raises `stop` with the reason when the run must end.
pub(super) fn watch(
    abort: &Abort,
    production: Option<&dyn ProductionWatch>,
    stop: &Stop,
    over: &AtomicBool,
) {
    let mut looks = 0;
    while !over.load(Ordering::Relaxed) && !stop.is_raised() {
        if let Some(file) = &abort.kill_file
            && file.exists()
        {
            stop.raise(format!("the kill file {} is there", file.display()));
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
