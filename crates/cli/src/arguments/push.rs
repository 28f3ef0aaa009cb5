//! `tagpost push`.

use clap::Subcommand;
use tagpost_client::{Channel, DeviceId};

use super::target::device_name;
use super::time::seconds;
use crate::complete::devices;

#[derive(Debug, Subcommand)]
pub(crate) enum Push {
    /// Print a URL with which a browser or phone connects as a device
    #[command(after_help = "\
Examples:
  tagpost push url laptop                      on a terminal with the settings and a QR code
  tagpost push url laptop --expires-in 30d
  tagpost push url laptop --json | jq -r .push_url > push-url

Whoever has the URL receives as the device. One URL is for one browser profile or one phone.
One that is made with the device's token expires with the token at the latest.
Earlier URLs stay valid; `tagpost device revoke DEVICE` ends them all, with its tokens.")]
    Url {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        /// How long the URL is valid [default: until the device's tokens are revoked]
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires_in: Option<u32>,
    },
    /// List the channels of a device: what its pages and apps have subscribed to
    #[command(after_help = "\
Examples:
  tagpost push channels laptop
  tagpost push channels laptop --json | jq -r .channel")]
    Channels {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
    },
    /// Remove channels of a device: their endpoints answer 410 from then on
    #[command(after_help = "\
Examples:
  tagpost push revoke laptop 24cf03b3-f215-489e-8a5b-f3a5ec97785d
  tagpost push revoke laptop --all             Firefox learns it, and tells its pages

The push URLs of the device stay valid; `tagpost device revoke DEVICE` ends those.")]
    Revoke {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        /// The channels, as `tagpost push channels` lists them
        #[arg(
            value_name = "CHANNEL",
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        channels: Vec<Channel>,
        /// Remove all channels of the device
        #[arg(long)]
        all: bool,
    },
}
