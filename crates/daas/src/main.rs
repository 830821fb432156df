//! The daas binary.
fn main() {}
