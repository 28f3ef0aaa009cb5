//! `tagpost cancel`.

use clap::Args;
use tagpost_client::MessageId;

use crate::complete::messages;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost cancel 01JQ3Y5M2E8ZK4TB6V7N9WXHCD

Devices that have acknowledged the message keep it; a device that works on it is told to stop.
Ends with 0 if nothing of it is open any more, 3 if something is.")]
pub(crate) struct Cancel {
    /// The message
    #[arg(add = messages())]
    pub(crate) id: MessageId,
}
