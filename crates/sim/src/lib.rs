//! The whole system in one thread, under a simulated clock: mailboxes over SQLite, the platform that
//! drives them, the network between them, and the devices.
//!
//! The mailboxes are the product's own. Everything around them is simulated, and fails: calls are late, lost,
//! reordered or lose their answer; objects crash between any two statements or leave memory; sockets vanish; clocks
//! are off; alarms are late or go off twice. A run depends only on its seed. During the run, and after the faults have
//! ended and everything has settled, every guarantee is checked from outside: from frames, answers and committed rows.
//!
//! Not here: HTTP, token signatures, the directory's database, and any decision of a mailbox.

#![expect(
    clippy::indexing_slicing,
    reason = "devices, tags and connections are named by their place; a slip ends the run with its seed"
)]

mod chance;
mod claims;
mod generate;
mod history;
mod pile;
mod plan;
mod runner;
mod shrink;
pub mod store;
mod world;

pub use claims::Violation;
pub use runner::{Failure, Runner, Summary};
