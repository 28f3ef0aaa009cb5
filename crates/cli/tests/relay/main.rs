//! The library and the command against a real relay, over a network that the tests can break.
//!
//! The scenarios that every client library shares are listed in `clients/SCENARIOS.md`, under the same
//! names. They need the built Worker, so `cargo xtask test` runs them after it: they are ignored elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod closing;
mod command;
mod completing;
mod connection;
mod delivery;
mod devices;
mod exec;
mod failures;
mod hook;
mod listen;
mod looking;
mod pair;
mod progress;
mod publishing;
mod push;
mod queue;
mod readme;
mod resources;
mod routes;
mod sending;
mod support;
mod terminal;
mod token;
mod webhook;
