//! The Rust library of tagpost: publish to tags, listen as a device, learn what became of a message.
//!
//! A [`Client`] is a service and a credential, or a function that gives tokens. [`Client::publish`] sends a message
//! and repeats the request until it is answered, without ever creating a second message. [`Client::connect`] gives
//! an [`Inbox`]: a stream of [`Message`]s, each to be answered, that reconnects forever and shows each message once.
//! A [`Trace`] says what became of a message, and [`Receipts`] bring each terminal state as it is reached.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tagpost_client::Client;
//!
//! let client = Client::new("http://127.0.0.1:8787", &std::env::var("TAGPOST_TOKEN")?)?;
//! let published = client.publish("hallway".parse()?).text("Dinner!").send().await?;
//! let trace = client.trace_within(published.id, 30).await?;
//! println!("{:?}", trace.summary);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` has programs to run. The library needs a tokio runtime. Not here: the command `tagpost`, which is
//! `crates/cli`, with the tests of both; and what the service promises, which is `docs/protocol.md`.

mod backoff;
mod client;
mod connection;
mod credential;
mod error;
mod failures;
mod frame;
mod handshake;
mod hooks;
mod inbox;
mod message;
mod operator;
mod payload;
mod progress;
mod publish;
mod receipts;
mod seen;
mod socket;
mod step;
mod tls;
mod trace;
mod unconfirmed;
mod waiting;
mod web_push;
mod webhook;

/// The examples of README.md, compiled with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use client::Client;
pub use credential::NoToken;
pub use error::{Error, Problem};
pub use failures::{FailureFilter, Failures};
pub use frame::Welcome;
pub use hooks::Hook;
pub use inbox::{Inbox, Status};
pub use message::{AnswerError, Message};
pub use operator::{
    Device, DeviceStatus, DeviceToken, Grant, Health, Member, Page, PairingCode, TagSize,
};
pub use payload::PayloadError;
pub use progress::Working;
pub use publish::Publish;
pub use receipts::Receipts;
pub use serde_json::value::RawValue;
pub use step::{AttemptedStep, DeliveryStep, Escalation, EscalationStep, Step, WokenStep};
pub use tagpost_core::call::{ChannelStatus, Progress, WebhookAnswer, WebhookTried};
pub use tagpost_core::delivery::{State, Withdrawal};
pub use tagpost_core::expression::{Expression, InvalidExpression};
pub use tagpost_core::failure::FailedDelivery;
pub use tagpost_core::hook::{HookName, HookTarget, Template, Terms as HookTerms};
pub use tagpost_core::id::{DeviceId, IdempotencyKey, InvalidName, MessageId, Tag, Topic};
pub use tagpost_core::message::{InvalidTarget, Target, Urgency};
pub use tagpost_core::pattern::Pattern;
pub use tagpost_core::protocol::Receipt;
pub use tagpost_core::token::{TokenId, same_secret};
pub use tagpost_core::web_push::channel::Channel;
pub use tagpost_core::webhook::{
    Events, PostError, Secret, Tried, Tries, Try, TryOf, WebhookStatus,
};
pub use trace::{Delivery, MessagePage, MessageState, Payload, Trace};
pub use waiting::Waiting;
pub use web_push::PushUrl;
pub use webhook::WebhookSetting;
