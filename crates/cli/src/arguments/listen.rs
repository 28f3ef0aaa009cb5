//! `tagpost listen`.

use clap::Args;

use super::time::within;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost listen                               print each message, acknowledge it
  tagpost listen --reply '{\"opened\":true}'     with a reply, which the sender gets
  tagpost listen --once                        take one message, then exit
  tagpost listen --json | jq .payload          for programs
  tagpost listen --exec ./open-door.sh         run a command for each message
  tagpost listen --exec ./convert.sh --parallel 4   up to four at a time
  tagpost listen --no-ack                      the same as `tagpost peek`: take none

With --exec the shell runs the command with the payload on its standard input, and TAGPOST_ID,
TAGPOST_FROM, TAGPOST_TAG or TAGPOST_MATCH, TAGPOST_CONTENT_TYPE, TAGPOST_SENT_AT (milliseconds
since 1970), TAGPOST_URGENCY, TAGPOST_TOPIC and TAGPOST_ATTEMPT in its environment. TAGPOST_URL
and TAGPOST_PROFILE are there, too, so that `tagpost` in it uses the same service, with the
credentials of the profile. No variable holds a credential.

If the command ends with 0, the message is acknowledged and what it printed is the reply (JSON if
it is JSON, else a string; output that is not text is no reply). Otherwise the message is
rejected, with what it printed as the reason. Either is said on standard error.

What the command leaves running in the background is not waited for. A command that does not end
within --exec-timeout is ended, with all that it started, and the message is rejected. While it
runs, the service is told, and does not send the message again. If the message is withdrawn
(cancelled, expired, replaced, or answered by enough others), the command is ended,
and a line says why.

It stays connected, and connects again whenever the connection is lost. It ends only on
Ctrl-C or SIGTERM, if the token is no longer valid, or if another connection of the same
device takes over. With --once it ends with 4 if the message was rejected or withdrawn.

With --no-ack it is no device but looks at the queue, as `tagpost peek` does: it prints what waits
for the device, in the order of delivery, and ends; with --once only the first message. A look
leaves no trace: nothing counts as sent, and the device does not count as online.")]
pub(crate) struct Listen {
    /// Run this shell command for each message
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["reply", "no_ack"])]
    pub(crate) exec: Option<String>,
    /// How long the command may take
    #[arg(long, value_name = "TIME", value_parser = within(1..=86_400, "1d, and not 0"), default_value = "5m")]
    pub(crate) exec_timeout: u32,
    /// Run up to this many commands at a time, at most 32 and the service's MAX_IN_FLIGHT; with more than 1 the order
    /// of messages is not kept
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=32), default_value = "1", requires = "exec", conflicts_with = "once")]
    pub(crate) parallel: u32,
    /// The reply to every message: parsed as JSON if possible, else a string
    #[arg(long, value_name = "REPLY", conflicts_with = "no_ack")]
    pub(crate) reply: Option<String>,
    /// List the waiting messages, take none, and exit
    #[arg(long, conflicts_with = "receipts")]
    pub(crate) no_ack: bool,
    /// Take one message, then exit
    #[arg(long)]
    pub(crate) once: bool,
    /// Also print receipts of the messages that this device sent, and who is working on them
    #[arg(long)]
    pub(crate) receipts: bool,
}
