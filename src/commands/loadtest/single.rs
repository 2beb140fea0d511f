//! `rampart loadtest run`.

use loadtest::result::{Kept, RunResult};

use super::{lead, plan};
use crate::args::{Remote, RunArguments};
use crate::exit::Exit;

/// Sends the plan's load.
pub(super) async fn run(remote: &Remote, arguments: RunArguments) -> Exit {
    let (plan, workers) = match plan::read_to_send(&arguments) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let work = |plan: &loadtest::plan::Plan, context: &mut loadtest::run::Context<'_>| {
        loadtest::run::run(plan, context)
    };
    match lead::lead(&arguments, plan, workers, work).await {
        Err(exit) => exit,
        Ok((plan, (result, total))) => {
            let outcome = exit(&result);
            let kept = Kept::Run(Box::new(result));
            match lead::deliver(remote, &arguments, &plan, kept, Some(&total.latency)).await {
                Exit::Fine => outcome,
                failed => failed,
            }
        }
    }
}

/// A result that must not be believed says nothing about the objective.
fn exit(result: &RunResult) -> Exit {
    if !result.invalid.is_empty() {
        Exit::InvalidResult
    } else if result.thresholds.iter().any(|threshold| !threshold.held) {
        Exit::ThresholdCrossed
    } else {
        Exit::Fine
    }
}
