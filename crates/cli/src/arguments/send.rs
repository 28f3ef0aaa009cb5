//! `tagpost send`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tagpost_client::{DeviceId, Expression, IdempotencyKey, Topic, Urgency};
use tagpost_core::publish;

use super::escalation::Escalation;
use super::target::device_name;
use super::time::{seconds, within};
use crate::complete::{devices, targets};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost send kitchen \"Dinner!\"               to every device of the tag kitchen
  tagpost send @cam-1 '{\"pan\":90}'            to one device; JSON is recognised
  tagpost send 'hall & !muted' \"Dinner!\"       to those with hall, without muted
  date | tagpost send log -                    the payload from standard input
  tagpost send wall --file cat.png             a file; its media type follows from its name
  tagpost send door ring --ttl 30s --topic bell --urgency high
  tagpost send kitchen \"Dinner!\" --follow      wait until every delivery is settled
  tagpost send on-call \"Pump 2\" --acks-needed 1 --follow   until the first device has it
  tagpost send on-call \"Pump 2\" --acks-needed 1 --escalate 'managers;after=5m'
  tagpost send kitchen \"Tea is ready\" --delay 4m             handed over in four minutes

Ends with 0 if all devices took it, 3 if some have not yet, 4 if some never will;
with --acks-needed, with 0 as soon as that many took it;
3, too, if --follow cannot reach the service any more;
1 if it was not or may not have been published, 2 if the command line is wrong.

The first line is the message's id. Ctrl-C ends the waiting, not the message: what is open is
printed, and how to go on. Before there is an id, the idempotency key is printed, with which the
same command does not publish it twice.")]
pub(crate) struct Send {
    /// To whom: a tag, an @device, or an expression of both with & | ! and parentheses
    #[arg(value_name = "TARGET", add = targets(), required_unless_present_any = ["to_device", "to"])]
    pub(crate) target: Option<String>,
    /// The message; - or nothing reads standard input
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: Option<String>,
    /// Send the content of this file
    #[arg(long, value_name = "FILE", conflicts_with = "message")]
    pub(crate) file: Option<PathBuf>,
    // These two are how it was written before TARGET could be more than a tag. With them, the first argument is the
    // message.
    #[arg(long, hide = true, value_name = "DEVICE", value_parser = device_name, add = devices())]
    pub(crate) to_device: Option<DeviceId>,
    #[arg(
        long,
        hide = true,
        value_name = "EXPRESSION",
        conflicts_with = "to_device"
    )]
    pub(crate) to: Option<Expression>,
    /// Send the message even if it is empty
    #[arg(long)]
    pub(crate) empty: bool,
    /// How long the message may be delivered, up to 30d; 0 is now or never [default: 1d]
    #[arg(long, value_name = "TIME", value_parser = within(publish::TTL, "30d"))]
    pub(crate) ttl: Option<u32>,
    /// Replace an undelivered message of this topic
    #[arg(long)]
    pub(crate) topic: Option<Topic>,
    /// The urgency; messages of higher urgency are sent first [default: normal]
    #[arg(long)]
    pub(crate) urgency: Option<UrgencyName>,
    /// How long to wait for the answer of online devices, up to 60s [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = within(publish::WAIT, "60s"))]
    pub(crate) wait: Option<u32>,
    /// The media type [default: JSON or text, by the content; for a file, by its name]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// The idempotency key: repeating the command with it does not publish the message twice
    #[arg(long)]
    pub(crate) key: Option<IdempotencyKey>,
    /// Get the message, too, if this device has the tag
    #[arg(long)]
    pub(crate) echo: bool,
    /// How many acknowledgements are enough: after that, all other deliveries are cancelled
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) acks_needed: Option<u32>,
    /// Who else gets it if too few have acknowledged it this long after its hand-over; repeatable
    #[arg(long, value_name = "TARGET;after=TIME", value_delimiter = ',', value_parser = Escalation::read)]
    pub(crate) escalate: Vec<Escalation>,
    /// Hand the message over after this time, up to 30d
    #[arg(long, value_name = "TIME", value_parser = within(0..=publish::MAX_AHEAD, "30d"))]
    pub(crate) delay: Option<u32>,
    /// Hand the message over at this time: an HTTP date, or milliseconds since 1970
    #[arg(long, value_name = "DATE", value_parser = date, conflicts_with = "delay")]
    pub(crate) deliver_at: Option<i64>,
    /// Wait until every delivery is settled
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How long to keep trying to reach the service
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "10s")]
    pub(crate) retry: u32,
}

/// A date on the command line, as the header takes it.
fn date(text: &str) -> Result<i64, String> {
    publish::time("it", text).map_err(|problem| problem.detail)
}

/// The urgencies, by the names of the API.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum UrgencyName {
    VeryLow,
    Low,
    Normal,
    High,
}

impl From<UrgencyName> for Urgency {
    fn from(name: UrgencyName) -> Self {
        match name {
            UrgencyName::VeryLow => Self::VeryLow,
            UrgencyName::Low => Self::Low,
            UrgencyName::Normal => Self::Normal,
            UrgencyName::High => Self::High,
        }
    }
}
