//! tagpost's core: messages, ids, tokens, the wire protocol, and the mailbox as a state machine.
//!
//! It is pure. It imports no platform, has no `async`, no clock and no randomness: time and random
//! bits are passed in as [`time::Now`], storage is the synchronous [`store::Store`], and whatever has to
//! happen outside is returned as values. So the same code runs in a Durable Object and in the simulation.
//!
//! Not here: HTTP, sockets, D1, alarms. Those are the Worker's shell (`src/` of the root package).

// These panic, too; clippy.toml has no setting that allows them in tests.
#![cfg_attr(
    not(test),
    deny(clippy::string_slice, clippy::unreachable, clippy::unimplemented)
)]

pub mod call;
pub mod delivery;
pub mod expression;
pub mod failure;
pub mod hook;
pub mod id;
pub mod json;
pub mod limits;
pub mod mailbox;
pub mod message;
pub mod operator_event;
pub mod pairing;
pub mod pattern;
mod payload;
pub mod plan;
pub mod problem;
pub mod protocol;
pub mod publish;
pub mod schema;
pub mod secrets;
pub mod store;
pub mod time;
pub mod token;
pub mod trace;
pub mod via;
pub mod wake;
pub mod watch;
pub mod web_push;
pub mod webhook;
