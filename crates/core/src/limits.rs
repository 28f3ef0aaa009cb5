//! The limits an operator can set: the entries of `[vars]`.

/// Every limit of the service; see the table in `docs/protocol.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `MAX_PAYLOAD_BYTES`
    pub max_payload_bytes: u32,
    /// `MAX_HELD_MESSAGES`
    pub max_held_messages: u32,
    /// `MAX_HELD_BYTES`
    pub max_held_bytes: u64,
    /// `MAX_IN_FLIGHT`
    pub max_in_flight: u32,
    /// `ACK_TIMEOUT`, seconds.
    pub ack_timeout: u32,
    /// `MAX_ATTEMPTS`
    pub max_attempts: u32,
    /// `MAX_FANOUT`
    pub max_fanout: u32,
    /// `RETENTION`, seconds.
    pub retention: u32,
    /// `PUBLISH_RATE`, publishes a second.
    pub publish_rate: u32,
    /// `PUBLISH_BURST`, publishes.
    pub publish_burst: u32,
    /// `KEEPALIVE`, seconds.
    pub keepalive: u32,
}
