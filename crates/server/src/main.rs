//! `flagwire-server`.
fn main() {}
