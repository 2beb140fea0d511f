//! Serves a pod that carries so many calls per second, until it is killed:
//! `cargo run --release -p loadtest --example pod -- 127.0.0.1:8080 300`.

#![allow(clippy::print_stderr)] // an example talks to a person

use std::time::Duration;

use loadtest::engine::{RunClock, Stop};
use loadtest::plan::{Arrivals, Objective};
use loadtest::serve::model::{ModelPlan, rate_within, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned())
        .parse()?;
    let rate = arguments.next().map_or(Ok(300.0), |rate| rate.parse())?;
    let plan = ModelPlan::of_capacity(rate);
    let objective = Objective {
        quantile: 0.99,
        latency: Duration::from_millis(100),
        success_rate: model::Ratio::parse("99.9%")?,
    };
    let within = rate_within(&plan, Arrivals::Poisson, &objective);
    run(address, plan, RunClock::start(), Stop::new(), |address| {
        eprintln!("a pod for {rate}/s listens on {address}; p99 ≤ 100 ms up to {within:.0}/s");
    })?;
    Ok(())
}
