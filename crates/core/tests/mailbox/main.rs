//! The mailbox under a controlled clock: an event in, the exact effects out.
//!
//! One file a subject. What holds over many events and many mailboxes is the simulation's matter.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by panicking"
)]

mod alarm;
mod backlog;
mod calls;
mod cancel;
mod depth;
mod drain;
mod ends;
mod enough;
mod escalation;
mod failures;
mod fast_path;
mod flapping;
mod gather;
mod harness;
mod hooks;
mod jobs;
mod kept;
mod listing;
mod operator_events;
mod overwriting;
mod pages;
mod pairing;
mod poll;
mod progress;
mod properties;
mod protocol;
mod publish;
mod push;
mod queue;
mod receipts;
mod registration;
mod resend;
mod resolve;
mod retention;
mod revoked;
mod schedule;
mod sent_bytes;
mod summary;
mod topic;
mod under_way;
mod unlisted;
mod waiting;
mod wake;
mod watch;
mod webhook;
mod window;
mod withdrawn;
