//! Running a load and watching it.

pub mod observer;

pub use observer::{Observer, Unwatched};
