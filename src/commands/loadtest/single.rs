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

/// A result that must not be believed says nothing about the objective; one of a run that was stopped
/// can show that it was missed, never that it holds.
fn exit(result: &RunResult) -> Exit {
    if !result.invalid.is_empty() {
        Exit::InvalidResult
    } else if result.thresholds.iter().any(|threshold| !threshold.held) {
        Exit::ThresholdCrossed
    } else if result.stopped.is_some() {
        Exit::InvalidResult
    } else {
        Exit::Fine
    }
}

#[cfg(test)]
mod tests {
    use loadtest::result::Threshold;

    use super::*;

    #[test]
    fn exits_say_what_may_be_concluded() {
        let of = |held: bool, invalid: bool, stopped: bool| {
            exit(&RunResult {
                thresholds: vec![Threshold {
                    wanted: "p99 ≤ 100ms".to_owned(),
                    got: "87ms".to_owned(),
                    held,
                }],
                invalid: invalid.then(|| "late".to_owned()).into_iter().collect(),
                stopped: stopped.then(|| "interrupted".to_owned()),
                ..RunResult::default()
            })
        };
        assert_eq!(of(true, false, false), Exit::Fine);
        assert_eq!(of(false, false, false), Exit::ThresholdCrossed);
        assert_eq!(of(false, true, false), Exit::InvalidResult);
        assert_eq!(of(true, false, true), Exit::InvalidResult);
        assert_eq!(of(false, false, true), Exit::ThresholdCrossed);
    }
}
