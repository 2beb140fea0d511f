//! `make bench-faults`: false pages of clean days and delays of labelled faults, for early detection, a
//! threshold per minute and burn-rate windows. Prints markdown; with `UPDATE=1` it stands in
//! docs/early-bench.md. The same seeds give the same figures on every machine. `DAYS=20` measures fewer
//! clean days a function.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)] // a program

#[allow(dead_code)] // the tests use the rest
#[path = "../../tests/faults/mod.rs"]
mod faults;
mod plan;
mod tables;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use plan::{Cell, Measured};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/early-bench.md");
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->";

fn main() {
    let days = std::env::var("DAYS")
        .ok()
        .and_then(|days| days.parse().ok());
    let cells = plan::cells(days.unwrap_or(60));
    let measured = measure(&cells);
    let text = tables::markdown(&measured);
    println!("{text}");
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        let page = std::fs::read_to_string(PAGE).expect("docs/early-bench.md is there");
        let (before, rest) = page.split_once(BEGIN).expect("the page has its mark");
        let (_, after) = rest.split_once(END).expect("the page has its end mark");
        std::fs::write(PAGE, format!("{before}{BEGIN}{text}{END}{after}")).expect("it is written");
    }
}

/// All cells, on as many threads as there are processors, in the order of the plan.
fn measure(cells: &[Cell]) -> Vec<Measured> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, Measured>> = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(index) else { return };
                    let measured = plan::run(cell);
                    let pages = measured.pages;
                    eprintln!("{cell:?}: {pages:?}");
                    done.lock()
                        .expect("no thread panics")
                        .insert(index, measured);
                }
            });
        }
    });
    done.into_inner()
        .expect("no thread panics")
        .into_values()
        .collect()
}
