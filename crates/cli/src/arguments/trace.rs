//! `tagpost trace` and `tagpost ls`.

use clap::Args;
use tagpost_client::{DeviceId, MessageId, State, Target};

use super::target::{device_name, target};
use super::time::seconds;
use crate::complete::{devices, messages, states, targets};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost trace 01JQ3Y5M2E8ZK4TB6V7N9WXHCD
  tagpost trace 01JQ3Y5M2E8ZK4TB6V7N9WXHCD --follow
  tagpost trace 01JQ3Y5M2E8ZK4TB6V7N9WXHCD --payload > cat.png

The exit code is 0, 3 or 4, as with `tagpost send`.")]
pub(crate) struct Trace {
    /// The message
    #[arg(add = messages())]
    pub(crate) id: MessageId,
    /// Wait until every delivery is settled
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print the payload instead, while the service has it: the message waits, or has failed
    #[arg(long, conflicts_with = "follow")]
    pub(crate) payload: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost ls
  tagpost ls --state held --since 2h --limit 100
  tagpost ls --to @kitchen-cam                 those that were published to this device
  tagpost ls --sender doorbell                 those of another device (admin key)
  tagpost ls --after 01JQ3Y5M2E8ZK4TB6V7N9WXHCD   those before this one

The list is that of the messages that are still stored. --to and --since are looked for page by
page.")]
pub(crate) struct Ls {
    /// Only messages with a delivery in this state
    #[arg(long, value_parser = state, add = states())]
    pub(crate) state: Option<State>,
    /// Only messages to this tag, @device or expression, as it was written
    #[arg(long, value_name = "TARGET", value_parser = target, add = targets())]
    pub(crate) to: Option<Target>,
    /// Only messages of this last time, such as 15m, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(crate) since: Option<u32>,
    /// The messages that this device sent [default: that of the token]
    #[arg(long, value_name = "DEVICE", value_parser = device_name, add = devices())]
    pub(crate) sender: Option<DeviceId>,
    /// Go on after this message, which is the last that was listed
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<MessageId>,
    /// At most this many messages
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

fn state(text: &str) -> Result<State, String> {
    let named = |state: &State| state.as_str() == text;
    State::ALL.into_iter().find(named).ok_or_else(|| {
        let names = State::ALL.map(State::as_str);
        format!("it must be one of {}", names.join(", "))
    })
}
