//! `tagpost webhook`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use tagpost_client::{DeviceId, Events};

use super::target::device_name;
use crate::complete::devices;

#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Make a device an HTTPS address, and print the secret that verifies its requests
    #[command(after_help = "\
Examples:
  (umask 077; tagpost webhook set backend https://hooks.example.org/tagpost > backend.secret)
  tagpost webhook set backend https://hooks.example.org/tagpost --max-in-flight 16
  tagpost webhook set backend https://hooks.example.org/tagpost --events message,receipt

The secret is shown the first time. Setting it again keeps the secret, and enables a webhook that
was disabled.")]
    Set {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        /// The address
        #[arg(value_name = "URL")]
        address: String,
        /// How many requests are made at a time; only with 1 is there an order [default: 1]
        #[arg(long, value_name = "COUNT")]
        max_in_flight: Option<u32>,
        /// Seconds that the address may take to answer [default: 15]
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u32>,
        /// What is posted: messages for the device, receipts of what it has sent [default: message]
        #[arg(long, value_delimiter = ',', value_name = "EVENT")]
        events: Vec<EventName>,
    },
    /// Show the webhook of a device
    #[command(after_help = "\
Examples:
  tagpost webhook show backend
  tagpost webhook show backend --json | jq .disabled")]
    Show {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
    },
    /// Replace the secret of a webhook, and print the new one
    #[command(after_help = "\
Examples:
  (umask 077; tagpost webhook rotate backend > backend.secret)

The former secret signs, too, for 24 hours.")]
    Rotate {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
    },
    /// Try the address of a webhook with a test request
    #[command(after_help = "\
Examples:
  tagpost webhook test backend                 exit code 0 if it answers 2xx, 4 if not")]
    Test {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
    },
    /// Remove the webhook of a device: its messages are held from then on
    #[command(after_help = "\
Examples:
  tagpost webhook rm backend")]
    Rm {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
    },
    /// Check a request: its three headers, an empty line and its body, from standard input
    #[command(after_help = "\
Examples:
  tagpost webhook verify --secret-file backend.secret < request.txt

Prints the body if the signature matches the secret and the request is at most five minutes old;
with --any-age, however old it is.")]
    Verify {
        /// A file with the secret
        #[arg(long, value_name = "FILE")]
        secret_file: PathBuf,
        /// Do not look at the time
        #[arg(long)]
        any_age: bool,
    },
}

/// What is posted, by the names of the API.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum EventName {
    Message,
    Receipt,
}

impl From<EventName> for Events {
    fn from(name: EventName) -> Self {
        match name {
            EventName::Message => Self::Message,
            EventName::Receipt => Self::Receipt,
        }
    }
}
