//! `rampart loadtest capacity`.

use loadtest::result::{Kept, Verdict};

use super::{lead, plan};
use crate::args::{Remote, RunArguments};
use crate::exit::Exit;

/// Searches what the plan's target carries.
pub(super) async fn run(remote: &Remote, arguments: RunArguments) -> Exit {
    let (plan, workers) = match plan::read_to_send(&arguments) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let work = |plan: &loadtest::plan::Plan, context: &mut loadtest::run::Context<'_>| {
        loadtest::run::find_capacity(plan, context)
    };
    match lead::lead(&arguments, plan, workers, work).await {
        Err(exit) => exit,
        Ok((plan, result)) => {
            let outcome = match result.verdict {
                Verdict::Confirmed { .. } | Verdict::AtLeast { .. } => Exit::Fine,
                Verdict::Noisy { .. } | Verdict::Invalid { .. } => Exit::InvalidResult,
            };
            let kept = Kept::Capacity(Box::new(result));
            match lead::deliver(remote, &arguments, &plan, kept, None).await {
                Exit::Fine => outcome,
                failed => failed,
            }
        }
    }
}
