//! `rampart schema`: the JSON Schema of a kind of file, for editors, and the API's description.

use super::say;
use crate::args::{SchemaArguments, SchemaKind};
use crate::config;
use crate::exit::Exit;
use crate::server::openapi;

/// Prints it.
pub fn run(arguments: &SchemaArguments) -> Exit {
    let (shape, title) = match arguments.kind {
        SchemaKind::Openapi => return say(&openapi::text()),
        SchemaKind::Main => (config::main_shape(), "rampart.yaml"),
        SchemaKind::Rules => (rules::shape(), "Rampart rules"),
        SchemaKind::Loadtest => (loadtest::plan::shape(), "Rampart load plan"),
        SchemaKind::Alerting => (alerting::Config::shape(), "Rampart alerting"),
    };
    say(&format!("{:#}\n", declare::json_schema(&shape, title)))
}
