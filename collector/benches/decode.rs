//! Rows per second and core: decoding NDJSON lines of 292 bytes into columns, and with the rollup.
//!
//! `cargo bench -p collector --bench decode`

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use collector::{Decoder, Format, Meaning};
use model::Timestamp;
use store::{InvocationRows, Rollups};

/// The same as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINE_BYTES: usize = 292;
const ROWS: usize = 100_000;
const ROUNDS: usize = 10;

/// Calls of 100 functions over a minute, each line padded to the same length.
fn body() -> String {
    let mut body = String::with_capacity(ROWS * (LINE_BYTES + 1));
    for row in 0..ROWS {
        let (function, pod) = (row * 7 % 100, row % 40);
        let (second, milli) = (row * 60 / ROWS, row % 1_000);
        let outcome = if row % 97 == 0 {
            "function_error"
        } else {
            "ok"
        };
        let mut line = format!(
            "{{\"ts\":\"2026-11-11T00:00:{second:02}.{milli:03}Z\",\"namespace\":\"guide\",\"function\":\"wow-video-feed-{function}\",\
             \"version\":\"12\",\"unit\":\"a\",\"zone\":\"zb-1\",\"instance\":\"pod-{pod}\",\"request_id\":\"r-{row:08}\",\
             \"duration_ms\":{}.7,\"outcome\":\"{outcome}\",\"http_status\":200,\"cold_start\":false,\"served_by\":\"faas\",\"traffic\":\"live\"",
            row % 90
        );
        let pad = LINE_BYTES.saturating_sub(line.len() + ",\"trace_id\":\"\"}".len());
        write!(line, ",\"trace_id\":\"{:0>pad$x}\"}}", row * 31).unwrap();
        body.push_str(&line);
        body.push('\n');
    }
    body
}

fn report(what: &str, took: Duration, bytes: usize) {
    let rows = (ROWS * ROUNDS) as f64 / took.as_secs_f64();
    let mib = (bytes * ROUNDS) as f64 / took.as_secs_f64() / f64::from(1 << 20);
    println!("{what:<36} {:>6.2} M rows/s {mib:>8.0} MiB/s", rows / 1e6);
}

fn main() {
    let body = body();
    let length = body.len() / ROWS - 1;
    println!("{ROWS} lines of {length} bytes, {ROUNDS} rounds, one core");
    let now: Timestamp = "2026-11-11T00:01:05Z".parse().unwrap();
    let mut decoder = Decoder::new(Format::RampartJson, Arc::new(Meaning::of_source("bench")));

    let spaced = body.replace("\":", "\": ").replace(",\"", ", \"");
    for (what, body) in [
        ("decode + columns", &body),
        ("the same with spaces between", &spaced),
    ] {
        let began = Instant::now();
        for _ in 0..ROUNDS {
            let mut rows = InvocationRows::new();
            let decoded = decoder.decode(body.as_bytes(), now, &mut rows);
            assert_eq!(
                decoded.accepted as usize,
                ROWS,
                "{:?}",
                decoded.refusals.first()
            );
            std::hint::black_box(rows.finish());
        }
        report(what, began.elapsed(), body.len());
    }

    let rollups = Rollups::default();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let mut rows = InvocationRows::new();
        decoder.decode(body.as_bytes(), now, &mut rows);
        std::hint::black_box(rollups.apply(&rows.finish(), now));
    }
    report("decode + columns + rollup", began.elapsed(), body.len());

    let began = Instant::now();
    for _ in 0..ROUNDS {
        let mut rows = InvocationRows::new();
        decoder.decode(body.as_bytes(), now, &mut rows);
        let rows = rows.finish();
        std::hint::black_box(rollups.apply(&rows, now));
        let batch = store::Batch {
            invocations: Some(rows),
            ..store::Batch::default()
        };
        std::hint::black_box(store::encode_for_measurement(&batch).unwrap());
    }
    report(
        "decode + columns + rollup + log",
        began.elapsed(),
        body.len(),
    );
}
