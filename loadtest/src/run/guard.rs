//! What ends a run early: a file that appears, production that suffers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::Ratio;

use super::RunError;
use crate::engine::Stop;
use crate::plan::Abort;

/// How often the kill file is looked for, and whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks between two questions about production.
const LOOKS_PER_QUESTION: u32 = 20;
/// Questions in a row that may stay without an answer. A run that cannot see what it does to production
/// ends.
const UNANSWERED_MAX: u32 = 10;

/// How many production calls of the tested function fail, as a server sees it.
pub trait ProductionWatch: Sync {
    /// Share of live calls that failed of late, 0 to 1; `None` when there were none. The error is a
    /// sentence. Takes a second at most.
    fn failed_share(&self) -> Result<Option<f64>, String>;
}

/// What looks after a run.
#[derive(Clone, Copy)]
pub(super) struct Guards<'a> {
    pub(super) abort: &'a Abort,
    pub(super) production: Option<&'a dyn ProductionWatch>,
}

impl Guards<'_> {
    /// Refuses to begin while the kill file is there or production cannot be seen.
    pub(super) fn may_begin(&self) -> Result<(), RunError> {
        if let Some(reason) = self.kill_file() {
            return Err(RunError::Stopped(reason));
        }
        let Some((allowed, production)) = self.burn() else {
            return Ok(());
        };
        let share = production.failed_share().map_err(RunError::Blind)?;
        match too_many(share, allowed) {
            Some(reason) => Err(RunError::Stopped(reason)),
            None => Ok(()),
        }
    }

    /// Does something while the guards look; raises `stop` with the reason when it must end.
    pub(super) fn watch<T>(&self, stop: &Stop, what: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.watch_file(stop, &over));
            // A server may take its time to answer; the file is looked for meanwhile.
            if let Some((allowed, production)) = self.burn() {
                let over = &over;
                scope.spawn(move || watch_production(allowed, production, stop, over));
            }
            let done = what();
            over.store(true, Ordering::Relaxed);
            done
        })
    }

    fn burn(&self) -> Option<(Ratio, &dyn ProductionWatch)> {
        self.abort.production_burn.zip(self.production)
    }

    fn kill_file(&self) -> Option<String> {
        let file = self.abort.kill_file.as_ref().filter(|file| file.exists())?;
        Some(format!("the kill file {} is there", file.display()))
    }

    fn watch_file(&self, stop: &Stop, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) && !stop.is_raised() {
            if let Some(reason) = self.kill_file() {
                stop.raise(reason);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn watch_production(
    allowed: Ratio,
    production: &dyn ProductionWatch,
    stop: &Stop,
    over: &AtomicBool,
) {
    let (mut looks, mut unanswered) = (0, 0);
    while !over.load(Ordering::Relaxed) && !stop.is_raised() {
        if looks % LOOKS_PER_QUESTION == 0 {
            match production.failed_share() {
                Ok(share) => {
                    unanswered = 0;
                    if let Some(reason) = too_many(share, allowed) {
                        stop.raise(reason);
                    }
                }
                Err(why) => {
                    unanswered += 1;
                    if unanswered >= UNANSWERED_MAX {
                        stop.raise(format!("production cannot be seen any more: {why}"));
                    }
                }
            }
        }
        looks += 1;
        std::thread::sleep(LOOK_EVERY);
    }
}

fn too_many(share: Option<f64>, allowed: Ratio) -> Option<String> {
    let failed = share.filter(|failed| *failed > allowed.get())?;
    Some(format!(
        "{:.1} % of production calls fail, more than abort.production_burn {allowed} allows",
        failed * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Gives its answers one after the other, the last one again and again.
    struct Answers(Mutex<Vec<Result<Option<f64>, String>>>);

    impl ProductionWatch for Answers {
        fn failed_share(&self) -> Result<Option<f64>, String> {
            let mut left = self.0.lock().unwrap();
            match left.len() {
                1 => left[0].clone(),
                _ => left.remove(0),
            }
        }
    }

    #[test]
    fn production_that_suffers_or_cannot_be_seen_ends_a_run() {
        let abort = Abort {
            production_burn: Some(Ratio::new(0.02).unwrap()),
            kill_file: None,
        };
        let unseen = || Err("no server answers".to_owned());
        for (answers, begins, reason) in [
            (
                vec![Ok(Some(0.5))],
                Err("50.0 % of production calls fail"),
                None,
            ),
            (
                vec![unseen()],
                Err("no server answers; nothing was sent"),
                None,
            ),
            (
                vec![Ok(None), Ok(Some(0.02)), Ok(Some(0.021))],
                Ok(()),
                Some("2.1 % of production calls fail, more than abort.production_burn 2% allows"),
            ),
            (
                vec![Ok(None), unseen()],
                Ok(()),
                Some("production cannot be seen any more: no server answers"),
            ),
        ] {
            let production = Answers(Mutex::new(answers));
            let guards = Guards {
                abort: &abort,
                production: Some(&production),
            };
            let began = guards.may_begin().map_err(|error| error.to_string());
            match begins {
                Ok(()) => assert_eq!(began, Ok(())),
                Err(why) => assert!(began.unwrap_err().contains(why), "{why}"),
            }
            let Some(reason) = reason else { continue };
            let stop = Stop::new();
            guards.watch(&stop, || {
                while !stop.is_raised() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            assert_eq!(stop.reason().as_deref(), Some(reason));
        }
    }
}
