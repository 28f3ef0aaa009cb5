//! Webhooks: a device that is an HTTPS address, as values.
//!
//! A message for such a device is posted to its address, signed as Standard Webhooks has it (version 1.0.0), and what
//! the address answers is the device's answer. Everything here is pure. Not here: when a message is posted, which
//! [`crate::mailbox`] decides, and the request itself, which the shell makes.

mod address;
mod answer;
mod pause;
mod post;
mod secret;
mod setting;

pub use self::address::{Address, Service};
pub use self::answer::{Answer, PostError, PostResponse, Tried};
pub use self::pause::pause;
pub use self::post::Post;
pub use self::secret::{Secret, Secrets};
pub use self::setting::{Disabled, Events, MAX_BODY, MAX_TIMEOUT, Setting, WebhookStatus};
