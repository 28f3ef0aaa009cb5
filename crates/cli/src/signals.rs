//! The signals with which somebody asks a command to end.
//!
//! From the first wait on they no longer end the process by themselves: whoever waits here ends it in order.

use std::future::pending;

use tokio::signal;

/// Waits for Ctrl-C, for what service managers send, or for the terminal to be closed.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use signal::unix::{SignalKind, signal};
        let came = async |kind| match signal(kind) {
            Ok(mut signals) => _ = signals.recv().await,
            Err(_) => pending().await,
        };
        tokio::select! {
            _ = signal::ctrl_c() => {}
            () = came(SignalKind::terminate()) => {}
            () = came(SignalKind::hangup()), if !hangup_is_ignored() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = signal::ctrl_c().await;
}

/// Whether this was started by `nohup` or the like, and is to outlive its terminal. A handler would undo
/// that, so there is none where it cannot be told (proc_pid_status(5), which only Linux has).
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_none_or(|mask| mask & 1 != 0)
}
