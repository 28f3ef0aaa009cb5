//! `tagpost device`.

use clap::Subcommand;
use tagpost_client::{DeviceId, InvalidName, TokenId};

use super::grant::Grant;
use super::target::device_name;
use crate::complete::devices;

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Create a device, if it does not exist, and print a new token for it
    #[command(after_help = "\
Examples:
  tagpost device add kitchen-cam
  tagpost device add doorbell --publish 'hall*' --publish @kitchen-cam --expires-in 90d
  tagpost device add phone --tags 'room.*'     it may join room.kitchen by itself
  tagpost device add backend --webhook         it may set a webhook by itself
  TAGPOST_TOKEN=$(tagpost device add kitchen-cam) tagpost listen
  tagpost device add kitchen-cam --json | jq -r .token")]
    Add {
        /// The name
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        #[command(flatten)]
        grant: Grant,
    },
    /// Print a link with which a phone becomes a device
    #[command(after_help = "\
Examples:
  tagpost device pair phone                    on a terminal with a QR code
  tagpost device pair phone --publish 'hall*' --expires-in 90d
  tagpost device pair phone --json | jq -r .url

The link is valid once, for ten minutes. The phone that opens it first gets a token, which it
keeps by itself. It may receive and answer, and publish only where --publish says. A new link ends
the one before, and so does `tagpost device revoke DEVICE`.")]
    Pair {
        /// The name
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        #[command(flatten)]
        grant: Grant,
    },
    /// List all devices
    #[command(after_help = "\
Examples:
  tagpost device ls
  tagpost device ls --presence                 who is online, since when, and what waits
  tagpost device ls --json | jq -r .device

With --presence every device is asked, and so woken, which costs a request for each.")]
    Ls {
        /// Show whether each device is online, and how many messages wait for it
        #[arg(long)]
        presence: bool,
    },
    /// Show a device's presence, queue and tags
    #[command(after_help = "\
Examples:
  tagpost device show kitchen-cam
  tagpost device show kitchen-cam --json | jq .held

A device may ask for itself, with its token.")]
    Show {
        /// The name
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
    },
    /// Delete a device, its tags and its messages; their senders get a receipt
    #[command(after_help = "\
Examples:
  tagpost device rm kitchen-cam                on a terminal it asks first
  tagpost device rm kitchen-cam --yes")]
    Rm {
        /// The name
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Revoke all tokens of a device issued so far, or one of them
    #[command(after_help = "\
Examples:
  tagpost device revoke kitchen-cam && tagpost device add kitchen-cam
  tagpost device revoke kitchen-cam --token-id 1f0c5a9e27b38d64    this token alone
  tagpost device revoke kitchen-cam --token-id - < leaked.token    the id is in the token

All tokens also end what was made with them: subscriptions, push URLs, hooks, and a webhook
that the device has set. One token ends alone, with its connection. `tagpost device add`
prints the id of a new token; it is the claim jti.")]
    Revoke {
        /// The name
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        /// Revoke only the token with this id; - reads the token itself from standard input
        #[arg(long, value_name = "ID", value_parser = which_token)]
        token_id: Option<WhichToken>,
    },
}

/// Which token is revoked.
#[derive(Debug, Clone)]
pub(crate) enum WhichToken {
    /// The one that standard input has.
    Given,
    /// The one with this id.
    Id(TokenId),
}

fn which_token(text: &str) -> Result<WhichToken, String> {
    match text {
        "-" => Ok(WhichToken::Given),
        id => id
            .parse()
            .map(WhichToken::Id)
            .map_err(|error: InvalidName| error.to_string()),
    }
}
