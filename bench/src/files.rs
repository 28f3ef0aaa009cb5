//! The limit of open files, which bounds the number of devices on one machine.
//!
//! workerd has three files open for each awake object (its database, the log and the log's index), and one for the
//! socket of its device.

use anyhow::{Context, Result, ensure};
use rlimit::Resource;

/// Files that workerd has open for a connected device whose object is awake.
const FOR_A_DEVICE: u64 = 4;
/// What else it needs: its own files, the senders' objects, D1.
const RESERVE: u64 = 1_000;

/// Raises the limit of open files, for this process and its children, to what `devices` awake devices need, as far
/// as the system allows. Returns how many devices may be awake at the same time.
pub(crate) fn room_for(devices: usize) -> Result<usize> {
    let wanted = u64::try_from(devices)? * FOR_A_DEVICE + RESERVE;
    let (_, hard) = Resource::NOFILE.get().context("the limit of open files")?;
    if hard < wanted {
        // It takes a privilege.
        let _ = Resource::NOFILE.set(wanted, wanted);
    }
    let allowed = rlimit::increase_nofile_limit(wanted).context("the limit of open files")?;
    let room = devices.min(devices_within(allowed)?);
    ensure!(room > 0, "{allowed} open files are too few");
    Ok(room)
}

fn devices_within(files: u64) -> Result<usize> {
    Ok(usize::try_from(
        files.saturating_sub(RESERVE) / FOR_A_DEVICE,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_devices_as_files_allow() {
        assert_eq!(devices_within(41_000).unwrap(), 10_000);
        assert_eq!(devices_within(20_000).unwrap(), 4_750);
        assert_eq!(devices_within(256).unwrap(), 0);
    }
}
