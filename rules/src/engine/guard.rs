//! A bug met while one rule is evaluated costs that evaluation and nothing that other rules found.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::windows::EvaluationError;

/// Does the work; a panic in it becomes an error.
///
/// What the work touched may be left half done by a panic. That is safe for a rule's phases: each
/// step of a label set ends with its change noted, and the next evaluation meets all of them again.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, EvaluationError> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| EvaluationError::Broken(text_of(&*panic).to_owned()))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason is known")
}
