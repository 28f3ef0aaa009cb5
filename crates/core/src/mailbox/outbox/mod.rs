//! Sending the device's messages.

mod backlog;
mod device_queues;
mod dispatch;
mod group_commit;
mod group_rows;
mod job_rows;
mod jobs;
mod part_rows;
mod publish;
mod receipt_rows;
mod receipts;
mod resolve;
mod retention;
mod rows;
mod sent;
mod sent_bytes;
mod under_way;

use super::connection as link;
use super::{ConnectionId, Effect, Errand, Failure, Mailbox, PublishFrame, account, rate};

pub(super) use self::jobs::{CALLS, SAFETY_DELAY};
pub(super) use self::publish::Outbox;
pub use self::publish::Published;
pub use self::sent::Cancelled;
