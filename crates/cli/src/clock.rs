//! The clock of this machine, for what a person is told and for tokens minted here. No message depends on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the command may tell the time; the library must not"
)]
pub(crate) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The time this many seconds ago, in milliseconds since the Unix epoch.
pub(crate) fn ago(seconds: u32) -> i64 {
    let now = i64::try_from(now().as_millis()).unwrap_or(i64::MAX);
    now - i64::from(seconds) * 1_000
}
