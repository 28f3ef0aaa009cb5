//! Time in the core: numbers that are passed in.

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// What every event brings along, since the core has neither a clock nor randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The current time.
    pub at: Millis,
    /// When the runtime last answered a keepalive on the live socket, without waking the mailbox.
    pub pong_at: Option<Millis>,
    /// Fresh random bits.
    pub random: u64,
}
