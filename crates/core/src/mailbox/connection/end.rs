//! How a connection ends.

use super::ConnectionId;
pub(in crate::mailbox) use crate::protocol::{
    CLOSE_BAD_FRAMES, CLOSE_SILENT, CLOSE_TAKEN_OVER, CLOSE_TOKEN,
};

/// What remains to be handled of a connection that ended.
#[derive(Debug)]
pub(in crate::mailbox) struct Ended {
    pub(in crate::mailbox) connection: ConnectionId,
    /// The last receipt that the device has seen.
    pub(in crate::mailbox) receipts_seen: i64,
    /// The service closed it: its frames that are not accepted yet are dropped.
    pub(in crate::mailbox) closed_here: bool,
}
