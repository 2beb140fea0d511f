//! The simulated world, shared by the tests and the benchmark.

pub(crate) mod measure;
pub(crate) mod random;
pub(crate) mod rivals;
pub(crate) mod world;
