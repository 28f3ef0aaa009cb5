//! `tagpost peek`.

use clap::Args;
use tagpost_client::DeviceId;

use super::target::device_name;
use crate::complete::devices;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost peek                                 what waits for the device of the token
  tagpost peek kitchen-cam --limit 1           the next message of a device (admin key)
  tagpost peek --json | jq .payload

A look leaves no trace: nothing counts as sent, and the device does not count as online. The
messages come in the order of delivery.")]
pub(crate) struct Peek {
    /// The device [default: that of the token]
    #[arg(value_parser = device_name, add = devices())]
    pub(crate) device: Option<DeviceId>,
    /// At most this many messages [default: all]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
}
