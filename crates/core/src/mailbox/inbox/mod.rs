//! Receiving messages for the device.

pub(super) mod attempts;
mod deliver;
mod disconnect;
mod listing;
mod lost;
mod poll;
mod queue;
mod report;
pub(super) mod rows;
mod send;
mod settle;
mod settled_rows;
mod unstored;

use super::connection as link;
use super::totals;
use super::{Effect, Errand, Failure, Mailbox};

pub(super) use self::deliver::Inbox;
pub use self::deliver::{Accepted, Early, Terms};
pub use self::listing::{Page, Place, Waiting};
