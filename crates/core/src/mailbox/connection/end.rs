//! How a connection ends.

use super::ConnectionId;

/// Close code: too many bad frames.
pub(in crate::mailbox) const CLOSE_BAD_FRAMES: u16 = 4400;
/// Close code: the token of the connection is no longer valid.
pub(in crate::mailbox) const CLOSE_TOKEN: u16 = 4401;
/// Close code: no sign of life within 2.5 keepalives, or too much sent without an acknowledgement.
pub(in crate::mailbox) const CLOSE_SILENT: u16 = 4408;
/// Close code: a newer connection of the same device took over.
pub(in crate::mailbox) const CLOSE_TAKEN_OVER: u16 = 4409;

/// What remains to be handled of a connection that ended.
#[derive(Debug)]
pub(in crate::mailbox) struct Ended {
    pub(in crate::mailbox) connection: ConnectionId,
    /// The last receipt that the device has seen.
    pub(in crate::mailbox) receipts_seen: i64,
    /// The service closed it: its frames that are not accepted yet are dropped.
    pub(in crate::mailbox) closed_here: bool,
}
