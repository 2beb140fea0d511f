//! Reading a plan, and saying what is wrong with it.

use std::path::Path;

use loadtest::plan::{LoadModel, Plan};

use crate::commands::{complain, say};
use crate::exit::Exit;

/// Reads and proves a plan; its mistakes are printed.
pub(super) fn read(path: &Path) -> Result<Plan, Exit> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        complain(
            &format!("cannot read the plan {name}: {error}"),
            Exit::Failed,
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    loadtest::plan::read(&name, &text, folder, |variable| {
        std::env::var(variable).ok()
    })
    .map_err(|problems| complain(&problems.to_string(), Exit::InvalidConfiguration))
}

/// `rampart loadtest check`.
pub(super) fn check(path: &Path) -> Exit {
    match read(path) {
        Err(exit) => exit,
        Ok(plan) => {
            let load = match &plan.load.model {
                LoadModel::Closed { connections } => format!("{connections} callers"),
                LoadModel::Open { stages, .. } => format!(
                    "up to {:.0}/s",
                    stages
                        .iter()
                        .map(|stage| stage.from.max(stage.to))
                        .fold(0.0, f64::max)
                ),
            };
            say(&format!(
                "{} is fine: {load} to {} for {}\n",
                path.display(),
                plan.target.url,
                model::format_duration(plan.load.warm_up + plan.load.duration)
            ))
        }
    }
}
