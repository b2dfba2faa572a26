#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

fn main() {}
