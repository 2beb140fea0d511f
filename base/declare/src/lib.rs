//! Declarations: YAML in, a tree with places out, and every mistake at once with its place and the
//! way out of it.
//!
//! Owns: reading YAML into [`Node`]s, the [`Shape`] of a section (from which checking, typed reading
//! and JSON Schema follow), [`Problems`] and how they are drawn, message templates.
//! Never: what a section means; files, environment or network (the caller reads and looks up).
//! Entry point: [`read`], then [`expand_variables`], then [`check`], then the typed leaves of [`Node`].

mod check;
mod leaf;
mod picture;
mod problem;
mod read;
mod schema;
mod shape;
mod source;
mod suggest;
pub mod template;
mod tree;
mod variables;

pub use check::check;
pub use problem::{Level, Problem, Problems};
pub use read::{DEPTH_LEVELS_MAX, FILE_BYTES_MAX, NODES_MAX, read};
pub use schema::json_schema;
pub use shape::{Field, Record, Shape};
pub use source::{Place, SourceFile};
pub use suggest::closest;
pub use tree::{Kind, Node};
pub use variables::{VARIABLE_BYTES_MAX, expand_variables};
