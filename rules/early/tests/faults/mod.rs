//! The simulated world, shared by the tests and the benchmark.

pub mod measure;
pub mod random;
pub mod rivals;
pub mod world;
