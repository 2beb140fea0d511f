//! The tables of docs/early-bench.md.

use std::fmt::Write;

use early::{PAGE_EVERY_DEFAULT, divergence};

use crate::faults::measure::Delay;
use crate::faults::world::{Bursts, HEALTHY};
use crate::plan::{Cell, Measured};

const TIMES_MAX: f64 = 1.5;
const FALSE_MAX: f64 = 1.0;

pub(crate) fn markdown(measured: &[Measured]) -> String {
    let mut out = String::new();
    verdicts(&mut out, measured);
    false_pages(&mut out, measured);
    constant(&mut out, measured);
    labelled(&mut out, measured);
    harmless(&mut out, measured);
    out
}

fn name(cell: &Cell) -> String {
    let bursts = match cell.bursts {
        Bursts::None => String::new(),
        bursts => format!(" ({})", bursts.word()),
    };
    format!("{} QPS, dispersion {}{bursts}", cell.qps, cell.dispersion)
}

/// Lorden's yardstick in calls.
fn yardstick(measured: &Measured, share: f64) -> f64 {
    let blocks = PAGE_EVERY_DEFAULT.as_secs_f64() / measured.block_seconds;
    blocks.ln() / divergence(share, HEALTHY)
}

/// Calls of one look, which arrive together.
fn look(cell: &Cell) -> f64 {
    (cell.qps / 10.0).max(1.0)
}

fn calls(delays: &[Option<Delay>]) -> Vec<f64> {
    sorted(delays.iter().flatten().map(|delay| delay.calls).collect())
}

fn seconds(delays: &[Option<Delay>]) -> Vec<f64> {
    sorted(delays.iter().flatten().map(|delay| delay.seconds).collect())
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn at(values: &[f64], part: f64) -> f64 {
    let index = (values.len() as f64 * part) as usize;
    values
        .get(index.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

fn three(values: &[f64], places: usize) -> String {
    if values.is_empty() {
        return "never".to_owned();
    }
    format!(
        "{:.places$} · {:.places$} · {:.places$}",
        at(values, 0.5),
        at(values, 0.95),
        at(values, 1.0)
    )
}

fn missed(delays: &[Option<Delay>]) -> usize {
    delays.iter().filter(|delay| delay.is_none()).count()
}

/// What was promised, and whether it holds.
fn verdicts(out: &mut String, measured: &[Measured]) {
    let mut over = Vec::new();
    for cell in measured.iter().filter(|m| m.cell.dispersion <= 1.0) {
        for (share, delays) in &cell.constant {
            let found = mean(&calls(&delays.early));
            let allowed = TIMES_MAX * yardstick(cell, *share) + look(&cell.cell);
            if found > allowed || missed(&delays.early) > 0 {
                over.push(format!(
                    "{} at {:.0} % failing: {found:.0} calls, allowed {allowed:.0}",
                    name(&cell.cell),
                    share * 100.0
                ));
            }
        }
    }
    let held = if over.is_empty() {
        "held".to_owned()
    } else {
        format!("missed: {}", over.join("; "))
    };
    let _ = writeln!(
        out,
        "- At most {TIMES_MAX} times the yardstick plus one look, dispersion 1, mean: {held}."
    );
    let steady: Vec<&Measured> = measured
        .iter()
        .filter(|m| m.cell.dispersion <= 3.0)
        .collect();
    let days: u64 = steady.iter().map(|m| m.function_days).sum();
    let pages: u64 = steady.iter().map(|m| m.pages.early).sum();
    let rate = pages as f64 * 1_000.0 / days as f64;
    let held = if rate <= FALSE_MAX { "held" } else { "missed" };
    let _ = writeln!(
        out,
        "- At most {FALSE_MAX} false page per 1,000 function-days, dispersion up to 3: {held}, {pages} in {days} \
         function-days (with 95 % certainty under {:.1} per 1,000).",
        upper(pages) * 1_000.0 / days as f64
    );
    let learning: u64 = measured.iter().map(|m| m.pages_learning).sum();
    let days: u64 = measured.iter().map(|m| m.days_learning).sum();
    let _ = writeln!(
        out,
        "- In the first 14 days of each function, seven of them learning: {learning} false pages in {days} function-days.\n"
    );
}

/// The upper bound of a Poisson mean at 95 %, within 2 % (Wilson and Hilferty).
fn upper(count: u64) -> f64 {
    if count == 0 {
        return 2.996;
    }
    let n = count as f64 + 1.0;
    n * (1.0 - 1.0 / (9.0 * n) + 1.645 / (3.0 * n.sqrt())).powi(3)
}

fn false_pages(out: &mut String, measured: &[Measured]) {
    let _ = writeln!(out, "### False pages per 1,000 function-days\n");
    let _ = writeln!(
        out,
        "| function | function-days | early | < 99 % in 1 min | burn rate |\n|---|---|---|---|---|"
    );
    for cell in measured {
        let rate =
            |pages: u64| format!("{:.0}", pages as f64 * 1_000.0 / cell.function_days as f64);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            name(&cell.cell),
            cell.function_days,
            rate(cell.pages.early),
            rate(cell.pages.minute),
            rate(cell.pages.burn_rate)
        );
    }
}

fn constant(out: &mut String, measured: &[Measured]) {
    let _ = writeln!(out, "\n### Delay of constant faults\n");
    let _ = writeln!(
        out,
        "Calls and seconds are p50 · p95 · max. The ratio is mean calls to the yardstick. For the other two: median calls.\n"
    );
    let _ = writeln!(
        out,
        "| function | failing | early, calls | early, seconds | ratio | missed | < 99 % in 1 min | burn rate |\n|---|---|---|---|---|---|---|---|"
    );
    for cell in measured {
        for (share, delays) in &cell.constant {
            let early = calls(&delays.early);
            let _ = writeln!(
                out,
                "| {} | {:.0} % | {} | {} | {:.1} | {} of {} | {} | {} |",
                name(&cell.cell),
                share * 100.0,
                three(&early, 0),
                three(&seconds(&delays.early), 1),
                mean(&early) / yardstick(cell, *share),
                missed(&delays.early),
                delays.early.len(),
                median(&delays.minute),
                median(&delays.burn_rate)
            );
        }
    }
}

fn median(delays: &[Option<Delay>]) -> String {
    let found = calls(delays);
    let missed = missed(delays);
    match (found.is_empty(), missed) {
        (true, _) => "never".to_owned(),
        (false, 0) => format!("{:.0}", at(&found, 0.5)),
        (false, missed) => format!("{:.0}, {missed} missed", at(&found, 0.5)),
    }
}

fn labelled(out: &mut String, measured: &[Measured]) {
    let _ = writeln!(out, "\n### Other faults\n");
    let _ = writeln!(
        out,
        "| function | fault | early, calls | early, seconds | missed | < 99 % in 1 min, seconds | burn rate, seconds |\n|---|---|---|---|---|---|---|"
    );
    for cell in measured {
        for (fault, delays) in &cell.labelled {
            let _ = writeln!(
                out,
                "| {} | {fault} | {} | {} | {} of {} | {} | {} |",
                name(&cell.cell),
                three(&calls(&delays.early), 0),
                three(&seconds(&delays.early), 1),
                missed(&delays.early),
                delays.early.len(),
                three(&seconds(&delays.minute), 0),
                three(&seconds(&delays.burn_rate), 0)
            );
        }
    }
}

fn harmless(out: &mut String, measured: &[Measured]) {
    let _ = writeln!(out, "\n### What must not page\n");
    let _ = writeln!(
        out,
        "| function | what happens | trials | pages: early | < 99 % in 1 min | burn rate |\n|---|---|---|---|---|---|"
    );
    for cell in measured {
        for (what, trials, pages) in &cell.harmless {
            let _ = writeln!(
                out,
                "| {} | {what} | {trials} | {} | {} | {} |",
                name(&cell.cell),
                pages.early,
                pages.minute,
                pages.burn_rate
            );
        }
    }
}
