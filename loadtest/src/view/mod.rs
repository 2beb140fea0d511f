//! What a person sees while a load runs.
//!
//! Owns: the screen, plain lines, the keys that stop a run.
//! Never: prints results (that is [`crate::report::text`]); writes to standard output.
//! Entry point: [`open`].

pub mod draw;
pub mod lines;
pub mod screen;
pub mod state;

use std::io::IsTerminal as _;
use std::sync::Arc;

pub use lines::Lines;
pub use screen::Screen;
pub use state::State;

use crate::engine::{RunClock, Stop};
use crate::plan::Objective;
use crate::run::{Observer, Unwatched};

/// How a run is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// Show nothing at all.
    pub quiet: bool,
    /// Use colours; without them the same is said by words and weight.
    pub colour: bool,
    /// What the plan wants, for the line between healthy and not.
    pub objective: Option<Objective>,
}

impl Settings {
    /// Colours unless the environment says `NO_COLOR` (<https://no-color.org>).
    pub fn from_environment(quiet: bool, objective: Option<Objective>) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Settings {
            quiet,
            colour: !refused,
            objective,
        }
    }
}

/// A screen when standard error is a terminal that can show one, else plain lines on standard error.
/// Keys on the screen raise `stop`.
pub fn open(settings: &Settings, stop: &Arc<Stop>) -> Box<dyn Observer + Send> {
    if settings.quiet {
        return Box::new(Unwatched);
    }
    let dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
    if std::io::stderr().is_terminal()
        && !dumb
        && let Ok(screen) = Screen::open(settings, Arc::clone(stop))
    {
        return Box::new(screen);
    }
    let clock = RunClock::start();
    Box::new(Lines::new(std::io::stderr(), move || {
        clock.now().duration()
    }))
}

#[cfg(test)]
mod tests;
