//! `capacity PLAN`: the capacity search on the command line of a developer, without the whole program.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use loadtest::engine::{RunClock, Stop};
use loadtest::result::Kept;
use loadtest::run::{Context, find_capacity};
use loadtest::view::{self, Settings};

fn main() {
    let file = std::env::args().nth(1).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let plan = loadtest::plan::read(&file, &text, std::path::Path::new("."), |_| None)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let stop = Stop::new();
    let mut observer = view::open(&Settings::from_environment(false, plan.objective), &stop);
    let mut context = Context {
        clock: RunClock::start(),
        stop,
        observer: &mut *observer,
        production: None,
        permission_key: None,
    };
    let result = find_capacity(&plan, &mut context).unwrap();
    println!(
        "{}",
        loadtest::report::text(&Kept::Capacity(Box::new(result)))
    );
}
