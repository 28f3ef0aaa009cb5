//! `tagpost tag`.

use clap::Subcommand;
use tagpost_client::{DeviceId, Tag};

use super::target::device_name;
use crate::complete::{devices, tags};

#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// Bind devices to a tag
    #[command(after_help = "\
Examples:
  tagpost tag add kitchen kitchen-cam kitchen-display")]
    Add {
        /// The tag
        #[arg(add = tags())]
        tag: Tag,
        /// The devices
        #[arg(required = true, value_parser = device_name, add = devices())]
        devices: Vec<DeviceId>,
    },
    /// Unbind devices from a tag
    #[command(after_help = "\
Examples:
  tagpost tag rm kitchen kitchen-display")]
    Rm {
        /// The tag
        #[arg(add = tags())]
        tag: Tag,
        /// The devices
        #[arg(required = true, value_parser = device_name, add = devices())]
        devices: Vec<DeviceId>,
    },
    /// Bind this device to tags, with its own token
    #[command(after_help = "\
Examples:
  tagpost tag join room.kitchen

The token must allow it: `tagpost device add DEVICE --tags 'room.*'`.")]
    Join {
        /// The tags
        #[arg(required = true, add = tags())]
        tags: Vec<Tag>,
    },
    /// Unbind this device from tags, with its own token
    #[command(after_help = "\
Examples:
  tagpost tag leave room.kitchen")]
    Leave {
        /// The tags
        #[arg(required = true, add = tags())]
        tags: Vec<Tag>,
    },
    /// List all tags
    #[command(after_help = "\
Examples:
  tagpost tag ls
  tagpost tag ls --json | jq -r .tag")]
    Ls,
    /// Show the devices of a tag, and which of them are online
    #[command(after_help = "\
Examples:
  tagpost tag show kitchen
  tagpost tag show kitchen --json | jq -r 'select(.online).device'

A device may ask, with its token, for a tag that it may publish to.")]
    Show {
        /// The tag
        #[arg(add = tags())]
        tag: Tag,
    },
}
