//! The command line: every command and flag, with examples for each. Only the service and the credentials can come
//! from the environment.
//!
//! It is the command's documentation, too. Here is what all commands share; each has its own file.

mod cancel;
mod credential;
mod device;
mod escalation;
mod failures;
mod grant;
mod hook;
mod listen;
mod peek;
mod push;
mod send;
mod tag;
mod target;
mod time;
mod trace;
mod webhook;

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use cancel::Cancel;
pub(crate) use credential::{Login, Token};
pub(crate) use device::{Device, WhichToken};
pub(crate) use escalation::Escalation;
pub(crate) use failures::{Failures, Resend};
pub(crate) use grant::Grant;
pub(crate) use hook::Hook;
pub(crate) use listen::Listen;
pub(crate) use peek::Peek;
pub(crate) use push::Push;
pub(crate) use send::Send;
pub(crate) use tag::TagCommand;
pub(crate) use target::target;
pub(crate) use trace::{Ls, Trace};
pub(crate) use webhook::Webhook;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Push messages to tags, held until each device is online, and confirmed to the sender.
#[derive(Debug, Parser)]
#[command(name = "tagpost", version, styles = STYLES, max_term_width = 100, after_help = "\
Examples:
  tagpost login https://push.example.com       store a credential, entered without echo
  tagpost device add kitchen-cam               create a device and print its token
  tagpost tag add kitchen kitchen-cam          bind it to the tag kitchen
  tagpost listen --reply '\"seen\"'              act as that device: print and acknowledge
  tagpost send kitchen \"Dinner!\" --follow      publish, and follow each delivery
  tagpost send @kitchen-cam \"Look left\"        to one device: an @ is for devices

The service is that of TAGPOST_URL, and credentials are those of TAGPOST_TOKEN, TAGPOST_TOKEN_FILE
and TAGPOST_ADMIN_KEY; what is missing comes from the profile that `tagpost login` stores, or
TAGPOST_PROFILE names. No other option has a variable.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The URL of the service [default: that of the profile]
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
    /// A file with the device's token
    #[arg(long, global = true, env = "TAGPOST_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print JSON, one object per line, in the form that the API uses; errors too, as problem documents
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The global options that a command without a service has no use for. Its help leaves them out; they are taken all
/// the same.
fn unused() -> [Arg; 2] {
    let option = |id, name, parser: ValueParser| {
        let option = Arg::new(id).long(name).value_parser(parser);
        option.global(true).hide(true)
    };
    [
        option("url", "url", ValueParser::string()),
        option("token_file", "token-file", ValueParser::path_buf()),
    ]
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish a message, and print the state of each delivery
    Send(Send),
    /// Act as a device: print messages as they arrive, and acknowledge them
    Listen(Listen),
    /// Show what waits for a device, and leave everything as it is
    Peek(Peek),
    /// Show every step of a message's deliveries
    Trace(Trace),
    /// Cancel every delivery of a message that is still open
    Cancel(Cancel),
    /// List the messages that this device sent, newest first
    Ls(Ls),
    /// List the deliveries that have failed, newest first (admin key)
    Failures(Failures),
    /// Send a message again to the devices that it has failed for
    Resend(Resend),
    /// Add, list, show and remove devices, and revoke their tokens (admin key)
    #[command(after_help = "\
Examples:
  tagpost device add kitchen-cam               create it, and print its token
  tagpost device ls
  tagpost device show kitchen-cam              is it online? which messages wait for it?
  tagpost device revoke kitchen-cam            its tokens stop working at once
  tagpost device rm kitchen-cam")]
    Device {
        #[command(subcommand)]
        command: Device,
    },
    /// Bind devices to tags (admin key); join and leave tags as a device
    #[command(after_help = "\
Examples:
  tagpost tag add kitchen kitchen-cam          a message to kitchen reaches kitchen-cam now
  tagpost tag show kitchen                     its devices, and who is online
  tagpost tag ls
  tagpost tag rm kitchen kitchen-cam
  tagpost tag join kitchen                     this device itself, if its token allows it")]
    Tag {
        #[command(subcommand)]
        command: TagCommand,
    },
    /// Make push URLs for browsers and phones (Web Push), list and revoke their channels
    #[command(after_help = "\
Examples:
  tagpost push url laptop                      for Firefox, or for a phone with Sunup
  tagpost push channels laptop                 what its pages and apps have subscribed to
  tagpost push revoke laptop 24cf03b3-f215-489e-8a5b-f3a5ec97785d

The admin key may do this for every device, and a device's token for the device itself.")]
    Push {
        #[command(subcommand)]
        command: Push,
    },
    /// Make a device an HTTPS address, and check what is posted there
    #[command(after_help = "\
Examples:
  tagpost webhook set backend https://hooks.example.org/tagpost
  tagpost webhook test backend
  tagpost webhook verify --secret-file backend.secret < request.txt

The admin key may do this for every device, and a device's token for the device itself if it has
the claim webhook.")]
    Webhook {
        #[command(subcommand)]
        command: Webhook,
    },
    /// Make hooks: URLs for services that can only call a URL; revoke them
    #[command(after_help = "\
Examples:
  tagpost hook new ci phones --template github    what GitHub posts to it reaches the tag phones
  tagpost hook revoke ci

The admin key may do this for every device, and a device's token for the device itself.")]
    Hook {
        #[command(subcommand)]
        command: Hook,
    },
    /// Mint a device's token offline, from the service's TOKEN_KEY
    #[command(args(unused()))]
    Token(Token),
    /// Store a URL and a credential in a profile
    Login(Login),
    /// Delete a profile
    #[command(args(unused()))]
    #[command(after_help = "\
Examples:
  tagpost logout
  tagpost logout --profile dev")]
    Logout,
    /// Show which service is used, with which credential, and whether it works
    #[command(after_help = "\
Examples:
  tagpost status
  tagpost status --profile work --json")]
    Status,
    /// Print completions for a shell
    #[command(args(unused()))]
    #[command(after_help = "\
Examples:
  echo 'source <(tagpost completions bash)' >> ~/.bashrc
  echo 'source <(tagpost completions zsh)' >> ~/.zshrc
  echo 'tagpost completions fish | source' > ~/.config/fish/completions/tagpost.fish

Tags, devices and messages are asked of the service, as whom TAGPOST_URL and the profile say;
nothing is offered where it does not answer within a second. What is printed goes with this
version of tagpost, so have the shell read it each time that it starts.")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn only_the_connection_and_credentials_come_from_the_environment() {
        fn check(command: &clap::Command, found: &mut BTreeSet<String>) {
            let variables = command.get_arguments().filter_map(clap::Arg::get_env);
            found.extend(variables.map(|name| name.to_string_lossy().into_owned()));
            for command in command.get_subcommands() {
                check(command, found);
            }
        }
        let mut found = BTreeSet::new();
        check(&Arguments::command(), &mut found);
        let expected = ["TAGPOST_PROFILE", "TAGPOST_TOKEN_FILE", "TAGPOST_URL"];
        assert!(found.iter().eq(expected.iter()), "{found:?}");
    }

    #[test]
    fn a_help_has_the_global_options_that_its_command_uses() {
        let mut arguments = Arguments::command();
        arguments.build();
        for (name, is_used) in [
            ("send", true),
            ("status", true),
            ("token", false),
            ("logout", false),
            ("completions", false),
        ] {
            let command = arguments.find_subcommand_mut(name).unwrap();
            let help = command.render_long_help().to_string();
            for option in ["--url", "--token-file"] {
                assert_eq!(help.contains(&format!("{option} <")), is_used, "{help}");
            }
            assert!(help.contains("--json"), "{help}");
        }
        let options = ["--url=https://example.com", "--token-file=token"];
        let line = [&["tagpost", "logout"], &options[..]].concat();
        let global = Arguments::try_parse_from(line).unwrap().global;
        assert_eq!(global.url.as_deref(), Some("https://example.com"));
        assert_eq!(global.token_file, Some(PathBuf::from("token")));
    }

    #[test]
    fn no_argument_of_a_command_is_taken_for_a_global_option() {
        fn check(command: &clap::Command, global: &[String]) {
            for command in command.get_subcommands() {
                let own = command.get_arguments().filter(|own| !own.is_global_set());
                for own in own {
                    let (id, name) = (own.get_id().to_string(), command.get_name());
                    assert!(!global.contains(&id), "{id} of {name}");
                }
                check(command, global);
            }
        }
        let arguments = Arguments::command();
        let global = arguments.get_arguments().filter(|it| it.is_global_set());
        let global: Vec<_> = global.map(|it| it.get_id().to_string()).collect();
        assert!(global.contains(&"url".to_owned()), "{global:?}");
        check(&arguments, &global);
    }

    #[test]
    fn every_help_has_examples_and_lines_that_fit() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let name = command.get_name();
            assert!(
                help.starts_with("Examples:\n  ") && help.contains(name),
                "{name}: {help}"
            );
            // As wide as it is printed at most: a longer line would leave one word alone.
            let wide = help.lines().find(|line| line.chars().count() > 100);
            assert_eq!(wide, None, "{name}");
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }
}
