//! Ports for the systems under test.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// Below the ports that the system gives out by itself (`net.ipv4.ip_local_port_range`).
const FIRST: u16 = 20_000;
const COUNT: u32 = 12_000;

/// A port that nothing listens on. The system does not give it to a listener or a connection that takes any port,
/// of which there are many here.
pub(crate) fn free() -> Result<u16> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let next = || {
        let number = std::process::id().wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(number % COUNT).map_or(FIRST, |offset| FIRST + offset)
    };
    std::iter::repeat_with(next)
        .take(COUNT as usize)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port")
}
