//! `rampart schema`: the JSON Schema of a kind of file, for editors.

use super::say;
use crate::args::{SchemaArguments, SchemaKind};
use crate::config;
use crate::exit::Exit;

/// Prints it.
pub fn run(arguments: &SchemaArguments) -> Exit {
    let (shape, title) = match arguments.kind {
        SchemaKind::Main => (config::main_shape(), "rampart.yaml"),
        SchemaKind::Rules => (rules::shape(), "Rampart rules"),
        SchemaKind::Alerting => (alerting::Config::shape(), "Rampart alerting"),
    };
    say(&format!("{:#}\n", declare::json_schema(&shape, title)))
}
