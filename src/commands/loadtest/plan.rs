//! Reading a plan, and saying what is wrong with it or what it is good for.

use std::path::Path;

use loadtest::plan::Plan;

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
            say(&format!(
                "{} is fine, for {}\n",
                path.display(),
                plan.target.url
            ));
            for line in loadtest::run::intentions(&plan) {
                say(&format!("  {line}\n"));
            }
            Exit::Fine
        }
    }
}
