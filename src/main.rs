//! rampart
fn main() {}
