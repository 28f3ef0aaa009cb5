//! Time as the core sees it: numbers that are handed in.

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// What a mailbox is told of the outside with every event: the core has neither a clock nor randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The current time.
    pub at: Millis,
    /// When the live socket last answered a keep-alive by itself, without waking the mailbox.
    pub pong_at: Option<Millis>,
    /// Fresh random bits.
    pub random: u64,
}
