//! `tagpost trace` and `tagpost ls`.

use clap::Args;
use tagpost_client::{MessageId, State};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost trace 01JQ3Y5M2E8ZK4TB6V7N9WXHCD
  tagpost trace 01JQ3Y5M2E8ZK4TB6V7N9WXHCD --follow

The exit code is 0, 3 or 4, as with `tagpost send`.")]
pub(crate) struct Trace {
    /// The message
    pub(crate) id: MessageId,
    /// Wait until every delivery is settled
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost ls
  tagpost ls --state held --limit 100")]
pub(crate) struct Ls {
    /// Only messages with a delivery in this state
    #[arg(long, value_parser = state)]
    pub(crate) state: Option<State>,
    /// At most this many messages
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

fn state(text: &str) -> Result<State, String> {
    let named = |state: &State| tagpost_client::state_name(*state) == text;
    State::ALL.into_iter().find(named).ok_or_else(|| {
        let names = State::ALL.map(tagpost_client::state_name);
        format!("it must be one of {}", names.join(", "))
    })
}
