//! `pod RATE ADDRESS`: a modelled pod that carries RATE within p99 100 ms.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
use std::time::Duration;
use loadtest::engine::{RunClock, Stop};
use loadtest::serve::model::{self, ModelPlan};
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = ModelPlan::of_capacity(arguments[0].parse().unwrap());
    println!("{plan:?} {}", plan.capacity());
    let objective = loadtest::plan::Objective { quantile: 0.99, latency: Duration::from_millis(100), success_rate: ::model::Ratio::new(0.999).unwrap() };
    println!("within {}", model::rate_within(&plan, loadtest::plan::Arrivals::Poisson, &objective));
    model::run(arguments[1].parse().unwrap(), plan, RunClock::start(), Stop::new(), |at| println!("{at}")).unwrap();
}
