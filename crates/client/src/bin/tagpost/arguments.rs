//! The command line: every command, flag and environment variable, with examples for each.
//!
//! It is long because it is the command's documentation, too, and is read from top to bottom like one.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tagpost_client::{DeviceId, IdempotencyKey, MessageId, Pattern, State, Tag, Topic, Urgency};
use tagpost_core::publish;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Push messages addressed by tag, held until the device is there, and confirmed back to the sender.
#[derive(Debug, Parser)]
#[command(name = "tagpost", version, styles = STYLES, max_term_width = 100, after_help = "\
Examples:
  tagpost login https://push.example.com       keep a credential, asked for without echo
  tagpost device add kitchen-cam               create a device and print its token
  tagpost tag add kitchen kitchen-cam          let the tag kitchen lead to it
  tagpost listen --reply '\"seen\"'              be that device: print and acknowledge
  tagpost send kitchen \"Dinner!\" --follow      publish, and see what becomes of it

Credentials come from TAGPOST_TOKEN, TAGPOST_TOKEN_FILE and TAGPOST_ADMIN_KEY,
or from the profile that `tagpost login` keeps.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Where the service is; else the profile says
    #[arg(long, global = true, env = "TAGPOST_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The profile to use
    #[arg(
        long,
        global = true,
        env = "TAGPOST_PROFILE",
        default_value = "default",
        value_name = "NAME"
    )]
    pub(crate) profile: String,
    /// A file that holds the device's token
    #[arg(long, global = true, env = "TAGPOST_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print JSON, one object a line, in the shapes of the API
    #[arg(long, global = true, env = "TAGPOST_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish a message, and say what becomes of it
    Send(Send),
    /// Be a device: print messages as they come, and acknowledge them
    Listen(Listen),
    /// Show every step of a message
    Trace(Trace),
    /// List the messages that this device sent, newest first
    Ls(Ls),
    /// Add, list, show, remove devices, revoke their tokens (admin key)
    #[command(after_help = "\
Examples:
  tagpost device add kitchen-cam               create it, and print its token
  tagpost device ls
  tagpost device show kitchen-cam              is it online? what waits for it?
  tagpost device revoke kitchen-cam            its tokens stop working at once
  tagpost device rm kitchen-cam")]
    Device {
        #[command(subcommand)]
        command: Device,
    },
    /// Let tags lead to devices (admin key)
    #[command(after_help = "\
Examples:
  tagpost tag add kitchen kitchen-cam          a message to kitchen reaches kitchen-cam now
  tagpost tag show kitchen                     its devices, and who is online
  tagpost tag ls
  tagpost tag rm kitchen kitchen-cam")]
    Tag {
        #[command(subcommand)]
        command: TagCommand,
    },
    /// Mint a device's token offline, from the service's TOKEN_KEY
    Token(Token),
    /// Keep a URL and a credential in a profile
    Login(Login),
    /// Forget a profile
    #[command(after_help = "\
Examples:
  tagpost logout
  tagpost logout --profile dev")]
    Logout,
    /// Show which service is used, as whom, and whether it works
    #[command(after_help = "\
Examples:
  tagpost status
  tagpost status --profile work --json")]
    Status,
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  tagpost completions bash > ~/.local/share/bash-completion/completions/tagpost
  tagpost completions zsh > ~/.zfunc/_tagpost
  tagpost completions fish > ~/.config/fish/completions/tagpost.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost send kitchen \"Dinner!\"               to every device of the tag kitchen
  tagpost send --to-device cam-1 '{\"pan\":90}'  to one device; JSON is recognised
  date | tagpost send log -                    the payload from standard input
  tagpost send wall --file cat.png             a file; its media type follows from its name
  tagpost send door ring --ttl 30s --topic bell --urgency high
  tagpost send kitchen \"Dinner!\" --follow      stay until every delivery is at its end

Ends with 0 if all devices took it, 3 if some have not yet, 4 if some never will,
1 if it was not published, 2 if the command line is wrong.")]
pub(crate) struct Send {
    /// The tag; with --to-device this is the message
    #[arg(value_name = "TAG", required_unless_present = "to_device")]
    pub(crate) tag: Option<String>,
    /// The message; - or nothing reads standard input
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: Option<String>,
    /// The message is this file's content
    #[arg(
        long,
        env = "TAGPOST_FILE",
        value_name = "FILE",
        conflicts_with = "message"
    )]
    pub(crate) file: Option<PathBuf>,
    /// Send to this device instead of a tag
    #[arg(long, env = "TAGPOST_TO_DEVICE", value_name = "DEVICE")]
    pub(crate) to_device: Option<DeviceId>,
    /// How long to keep trying, up to 30d; 0 is now or never [default: 1d]
    #[arg(long, env = "TAGPOST_TTL", value_name = "TIME", value_parser = within(publish::TTL, "30d"))]
    pub(crate) ttl: Option<u32>,
    /// Replace an undelivered message of this topic
    #[arg(long, env = "TAGPOST_TOPIC")]
    pub(crate) topic: Option<Topic>,
    /// How soon it wants to be there; higher goes first [default: normal]
    #[arg(long, env = "TAGPOST_URGENCY")]
    pub(crate) urgency: Option<UrgencyName>,
    /// How long to wait for devices that are online, up to 60s [default: 1s]
    #[arg(long, env = "TAGPOST_WAIT", value_name = "TIME", value_parser = within(publish::WAIT, "60s"))]
    pub(crate) wait: Option<u32>,
    /// The media type [default: JSON or text, as it looks; for a file, by its name]
    #[arg(long = "type", env = "TAGPOST_TYPE", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Makes repetitions of this command one message
    #[arg(long, env = "TAGPOST_KEY")]
    pub(crate) key: Option<IdempotencyKey>,
    /// Stay until every delivery is at its end
    #[arg(long, short, env = "TAGPOST_FOLLOW", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) follow: bool,
    /// How long to go on trying to reach the service
    #[arg(long, env = "TAGPOST_RETRY", value_name = "TIME", value_parser = seconds, default_value = "10s")]
    pub(crate) retry: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost listen                               print each message, acknowledge it
  tagpost listen --reply '{\"opened\":true}'     with a reply, which the sender gets
  tagpost listen --once                        take one message, and end
  tagpost listen --json | jq .payload          for programs
  tagpost listen --exec ./open-door.sh         run a command for each message
  tagpost listen --no-ack                      show what waits, and take nothing

With --exec the shell runs the command with the payload on its standard input, and
TAGPOST_ID, TAGPOST_FROM, TAGPOST_TAG, TAGPOST_CONTENT_TYPE and TAGPOST_ATTEMPT in its
environment. Of this command's own variables it is given TAGPOST_URL alone: no credential.
If it ends with 0, the message is acknowledged and what it printed is the reply (JSON if it
is JSON, else a string); otherwise the message is rejected, for the reason that it printed.
What it leaves running in the background is not waited for. One that does not end within
--exec-timeout is ended, with all that it started, and the message is rejected.

It stays connected, and connects again whenever the connection is lost. It ends only on
Ctrl-C or SIGTERM, if the token is no longer valid, or if another connection of the same
device takes over. With --once it ends with 4 if the message was rejected.

With --no-ack it is no device but looks at the queue: it prints what waits for the device,
in the order of delivery, and ends; with --once only the first message. A look leaves no
trace: nothing counts as sent, and the device does not count as online.")]
pub(crate) struct Listen {
    /// Run this shell command for each message
    #[arg(long, env = "TAGPOST_EXEC", value_name = "COMMAND", conflicts_with_all = ["reply", "no_ack"])]
    pub(crate) exec: Option<String>,
    /// How long the command may take
    #[arg(long, env = "TAGPOST_EXEC_TIMEOUT", value_name = "TIME", value_parser = within(1..=86_400, "1d, and not 0"), default_value = "5m")]
    pub(crate) exec_timeout: u32,
    /// Reply this to every message: JSON if it is JSON, else a string
    #[arg(
        long,
        env = "TAGPOST_REPLY",
        value_name = "REPLY",
        conflicts_with = "no_ack"
    )]
    pub(crate) reply: Option<String>,
    /// Take nothing: show what waits, and end
    #[arg(long, env = "TAGPOST_NO_ACK", conflicts_with = "receipts", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_ack: bool,
    /// Take one message, and end
    #[arg(long, env = "TAGPOST_ONCE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) once: bool,
    /// Print receipts too: what became of messages that this device sent
    #[arg(long, env = "TAGPOST_RECEIPTS", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) receipts: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost trace 01JQ3Y5M2E8ZK4TB6V7N9WXHCD
  tagpost trace 01JQ3Y5M2E8ZK4TB6V7N9WXHCD --follow

Ends with 0, 3 or 4 as `tagpost send` does.")]
pub(crate) struct Trace {
    /// The message
    pub(crate) id: MessageId,
    /// Stay until every delivery is at its end
    #[arg(long, short, env = "TAGPOST_FOLLOW", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost ls
  tagpost ls --state held --limit 100")]
pub(crate) struct Ls {
    /// Only messages with a delivery in this state
    #[arg(long, env = "TAGPOST_STATE", value_parser = state)]
    pub(crate) state: Option<State>,
    /// How many
    #[arg(long, env = "TAGPOST_LIMIT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Create a device, or not, and print a new token for it
    #[command(after_help = "\
Examples:
  tagpost device add kitchen-cam
  tagpost device add doorbell --publish 'hall*' --publish @kitchen-cam --expires-in 90d
  TAGPOST_TOKEN=$(tagpost device add kitchen-cam) tagpost listen
  tagpost device add kitchen-cam --json | jq -r .token")]
    Add {
        /// The name
        device: DeviceId,
        #[command(flatten)]
        grant: Grant,
    },
    /// List all devices
    #[command(after_help = "\
Examples:
  tagpost device ls
  tagpost device ls --json | jq -r .device")]
    Ls,
    /// Show a device's presence, queue and tags
    #[command(after_help = "\
Examples:
  tagpost device show kitchen-cam
  tagpost device show kitchen-cam --json | jq .held

A device may ask for itself, with its token.")]
    Show {
        /// The name
        device: DeviceId,
    },
    /// Forget a device, its tags and its messages; their senders are told
    #[command(after_help = "\
Examples:
  tagpost device rm kitchen-cam")]
    Rm {
        /// The name
        device: DeviceId,
    },
    /// Revoke all tokens of a device issued so far
    #[command(after_help = "\
Examples:
  tagpost device revoke kitchen-cam && tagpost device add kitchen-cam")]
    Revoke {
        /// The name
        device: DeviceId,
    },
}

/// What a token allows.
#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// Where it may publish to: hall, hall*, @device, @*; repeatable [default: everywhere]
    #[arg(long, env = "TAGPOST_PUBLISH", value_name = "PATTERN", value_delimiter = ',', value_parser = pattern)]
    pub(crate) publish: Vec<Pattern>,
    /// It may publish nowhere
    #[arg(long, env = "TAGPOST_NO_PUBLISH", conflicts_with = "publish", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) no_publish: bool,
    /// How long it holds [default: until it is revoked]
    #[arg(long, env = "TAGPOST_EXPIRES_IN", value_name = "TIME", value_parser = seconds)]
    pub(crate) expires_in: Option<u32>,
}

impl Grant {
    /// Where the token may publish to; `None` for everywhere.
    pub(crate) fn patterns(&self) -> Option<Vec<Pattern>> {
        (self.no_publish || !self.publish.is_empty()).then(|| self.publish.clone())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// Let a tag lead to devices
    #[command(after_help = "\
Examples:
  tagpost tag add kitchen kitchen-cam kitchen-display")]
    Add {
        /// The tag
        tag: Tag,
        /// The devices
        #[arg(required = true)]
        devices: Vec<DeviceId>,
    },
    /// Let a tag no longer lead to devices
    #[command(after_help = "\
Examples:
  tagpost tag rm kitchen kitchen-display")]
    Rm {
        /// The tag
        tag: Tag,
        /// The devices
        #[arg(required = true)]
        devices: Vec<DeviceId>,
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
        tag: Tag,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TOKEN_KEY=... tagpost token doorbell
  tagpost token doorbell --publish 'hall*' --expires-in 1h < token-key.txt

The key is the secret TOKEN_KEY of the service. It is taken from the environment, or read
from standard input; on a terminal it is asked for without echo. The service registers a
device with its first use.")]
pub(crate) struct Token {
    /// The device it speaks for
    pub(crate) device: DeviceId,
    #[command(flatten)]
    pub(crate) grant: Grant,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost login https://push.example.com       asks for an admin key or a device's token
  tagpost login http://127.0.0.1:8787 --profile dev < doorbell.token
  tagpost login https://push.example.com       a second time, with the other kind: both are kept

The credential is tried first. It is kept in a file that only you can read;
`tagpost logout` removes it.")]
pub(crate) struct Login {
    /// Where the service is
    pub(crate) url: String,
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

/// Seconds, written as `90`, `90s`, `15m`, `2h` or `30d`.
fn seconds(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3_600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (Some(text), 1),
    };
    digits
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u32>().ok()?.checked_mul(unit))
        .ok_or_else(|| "it must be a time such as 30, 30s, 15m, 2h or 7d".to_owned())
}

/// Seconds in a range, whose end is written as `longest`.
fn within(
    range: RangeInclusive<u32>,
    longest: &str,
) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| {
        let time = Some(seconds(text)?).filter(|time| range.contains(time));
        time.ok_or_else(|| format!("it must be a time up to {longest}"))
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn state(text: &str) -> Result<State, String> {
    let named = |state: &State| tagpost_client::state_name(*state) == text;
    State::ALL.into_iter().find(named).ok_or_else(|| {
        let names = State::ALL.map(tagpost_client::state_name);
        format!("it must be one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|it| it.get_long().is_some()) {
                let name = argument.get_id();
                let is_own = name != "help" && name != "version";
                assert!(
                    !is_own || argument.get_env().is_some(),
                    "{} --{name}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }

    #[test]
    fn every_help_has_examples() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let name = command.get_name();
            assert!(
                help.starts_with("Examples:\n  ") && help.contains(name),
                "{name}: {help}"
            );
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }

    #[test]
    fn a_time_out_of_range_is_refused_before_anything_is_sent() {
        let ttl = within(publish::TTL, "30d");
        assert_eq!(ttl("30d"), Ok(2_592_000));
        assert!(ttl("31d").unwrap_err().contains("30d"));
        assert!(ttl("soon").unwrap_err().contains("such as"));
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("2h", 7_200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "s", "-1", "1.5h", "1w", "1 h", "99999999d", "é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
