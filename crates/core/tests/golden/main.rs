//! Every frame and every problem document, byte for byte, as clients in the field know them.
//!
//! A change of a file below `tests/golden` is a change of the protocol. `from_device/NAME.json` is a
//! frame as a device sends it, and `from_device/NAME.read.json` what the service reads in it; `hook/NAME.json` is a
//! request to a hook, and `hook/NAME.published.json` what is published; every other file is what the service writes.
//! All but the frames and requests are written anew by
//! `UPDATE_GOLDEN=1 cargo test -p tagpost-core --test golden`; look at the difference before it is kept.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod agents;
mod answers;
mod events;
mod files;
mod frames;
mod hooks;
mod samples;
