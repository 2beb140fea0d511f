//! `rampart loadtest permit`: a signed permission for a production target.

use loadtest::plan::Permission;
use model::{Clock, SystemClock};

use super::lead::PERMISSION_KEY;
use super::plan;
use crate::args::PermitArguments;
use crate::commands::{complain, say};
use crate::exit::Exit;

/// Prints the permission; it goes into the file that `target.permission_file` names.
pub(super) fn run(arguments: &PermitArguments) -> Exit {
    let Some(key) = std::env::var(PERMISSION_KEY)
        .ok()
        .filter(|key| !key.is_empty())
    else {
        return complain(
            &format!("set {PERMISSION_KEY} to the key with which permissions are signed"),
            Exit::Failed,
        );
    };
    let plan = match plan::read(&arguments.plan) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let now = SystemClock::new().now();
    let expires = now + arguments.lasts;
    match Permission::sign(
        &plan.target,
        arguments.rate_max.get(),
        expires,
        now,
        key.as_bytes(),
    ) {
        Ok(permission) => say(&format!("{permission}\n")),
        Err(error) => complain(&error.to_string(), Exit::Failed),
    }
}
