//! What an event costs: the memory of the core, and the work of the store.
//!
//! Memory is the most that the core allocates during an event beyond what it had before, including its outputs. The
//! store's work is counted in steps of SQLite's virtual machine, about five to ten per row. Like the rows that the
//! platform bills, these do not depend on the machine.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::claims::{Checked, claim};
use crate::store::Sqlite;

/// The most bytes that an event may add to the memory of its mailbox: an eighth of an isolate's memory.
const MAX_BYTES: u64 = 16 << 20;
/// The most bytes that opening a mailbox may take, including what it keeps.
const MAX_OPENED: u64 = 128 << 10;
/// The most steps of the store for opening a mailbox: about 1,000 rows.
const MAX_OPENING: u64 = 12_000;
/// The most steps of the store for an event: the largest are batches of 500 rows.
const MAX_STEPS: u64 = 600_000;

/// The most bytes of memory that a mailbox may hold between two events.
const MAX_HELD: u64 = 12 << 20;

/// Whether a mailbox stayed within the bounds on memory.
pub(crate) fn holds_little(held: u64) -> Checked {
    claim(
        "a mailbox holds a bounded amount in memory",
        held <= MAX_HELD,
        || format!("{held} bytes"),
    )
}

/// The cost of one event.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// The cost of opening the mailbox, if it was not open.
    pub(crate) opening: Option<Taken>,
    pub(crate) event: Taken,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Taken {
    /// The most memory at any moment.
    pub(crate) bytes: u64,
    /// How much less memory there is at the end.
    pub(crate) freed: u64,
    pub(crate) steps: u64,
}

impl Work {
    /// Whether the cost is within the bounds.
    pub(crate) fn is_bounded(&self, object: usize) -> Checked {
        let opening = self.opening.unwrap_or_default();
        let seen = || format!("device {object}: {self:?}");
        claim(
            "opening a mailbox reads a bounded number of rows",
            opening.steps <= MAX_OPENING,
            seen,
        )?;
        claim(
            "an event reads and writes a bounded number of rows",
            self.event.steps <= MAX_STEPS,
            seen,
        )?;
        claim(
            "opening a mailbox takes a bounded amount of memory",
            opening.bytes <= MAX_OPENED,
            seen,
        )?;
        claim(
            "an event takes a bounded amount of memory",
            self.event.bytes <= MAX_BYTES,
            seen,
        )
    }
}

/// Runs `work`, and measures its cost.
pub(crate) fn measured<T>(store: &Sqlite, work: impl FnOnce() -> T) -> (T, Taken) {
    let before = store.steps();
    let mut outcome = None;
    // The counter has to be stopped even if the core panics.
    let memory = allocation_counter::measure(|| {
        outcome = Some(catch_unwind(AssertUnwindSafe(work)));
    });
    let taken = Taken {
        bytes: memory.bytes_max,
        freed: u64::try_from(-memory.bytes_current).unwrap_or(0),
        steps: store.steps() - before,
    };
    match outcome {
        Some(Ok(outcome)) => (outcome, taken),
        Some(Err(panic)) => resume_unwind(panic),
        None => unreachable!("what is measured is done"),
    }
}
