//! The command `tagpost`.
fn main() {}
