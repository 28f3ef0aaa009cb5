//! `tagpost failures` and `tagpost resend`.

use clap::Args;
use tagpost_client::{DeviceId, IdempotencyKey, MessageId, State};

use super::target::device_name;
use super::time;
use crate::complete::{devices, failed_states, messages};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost failures
  tagpost failures --since 2h --state expired
  tagpost failures --device kitchen-cam --json")]
pub(crate) struct Failures {
    /// Only failures of this last time, such as 15m, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = time::seconds)]
    pub(crate) since: Option<u32>,
    /// Only failures in this state: expired, undeliverable, refused or rejected
    #[arg(long, value_parser = state, add = failed_states())]
    pub(crate) state: Option<State>,
    /// Only failures of messages to this tag or expression
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only failures of this recipient
    #[arg(long, value_parser = device_name, add = devices())]
    pub(crate) device: Option<DeviceId>,
    /// Only failures of this sender's messages
    #[arg(long, value_name = "DEVICE", value_parser = device_name, add = devices())]
    pub(crate) sender: Option<DeviceId>,
    /// At most this many failures
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost resend 01JQ3Y5M2E8ZK4TB6V7N9WXHCD
  tagpost resend 01JQ3Y5M2E8ZK4TB6V7N9WXHCD --device kitchen-cam --follow

The exit code is 0, 3 or 4, as with `tagpost send`.")]
pub(crate) struct Resend {
    /// The message
    #[arg(add = messages())]
    pub(crate) id: MessageId,
    /// Only to this device, which it has failed for; may be given several times
    #[arg(long, value_delimiter = ',', value_parser = device_name, add = devices())]
    pub(crate) device: Vec<DeviceId>,
    /// An idempotency key: repeated with it, it is sent again only once
    #[arg(long)]
    pub(crate) key: Option<IdempotencyKey>,
    /// Wait until every delivery is settled
    #[arg(long, short)]
    pub(crate) follow: bool,
}

fn state(text: &str) -> Result<State, String> {
    let mut failed = State::ALL.into_iter().filter(|state| state.is_failure());
    let named = |state: &State| state.as_str() == text;
    failed
        .find(named)
        .ok_or_else(|| "it must be expired, undeliverable, refused or rejected".to_owned())
}
