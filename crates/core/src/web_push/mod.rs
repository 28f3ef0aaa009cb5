//! Web Push (RFC 8030, RFC 8291, RFC 8292): browsers and apps as devices, and senders without a token.
//!
//! Every URL of this half of the service is a sealed capability ([`seal`]): it says what it permits, nobody without
//! `PUSH_KEY` can make or read one, and none is stored. A *channel* ([`channel`]) is what the standard calls a push
//! message subscription: one sender's way to one device.
//!
//! Not here: the frames of the WebSocket, which are in [`crate::protocol::web_push`], and the channels of a device,
//! which its mailbox has.

pub mod agent;
pub mod channel;
pub mod content;
pub mod matrix;
pub mod refusal;
pub mod request;
pub mod seal;
pub mod vapid;
