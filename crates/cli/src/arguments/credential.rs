//! `tagpost token` and `tagpost login`.

use clap::Args;
use tagpost_client::DeviceId;

use super::grant::Grant;
use super::target::device_name;
use crate::complete::devices;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TOKEN_KEY=... tagpost token doorbell
  tagpost token doorbell --publish 'hall*' --expires-in 1h < token-key.txt

The key is the secret TOKEN_KEY of the service. It is taken from the environment, or read
from standard input; on a terminal it is asked for without echo. The service registers a
device with its first use.")]
pub(crate) struct Token {
    /// The device that the token is for
    #[arg(value_parser = device_name, add = devices())]
    pub(crate) device: DeviceId,
    #[command(flatten)]
    pub(crate) grant: Grant,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tagpost login https://push.example.com       asks for an admin key, a viewer key or a token
  tagpost login http://127.0.0.1:8787 --profile dev < doorbell.token
  tagpost login https://push.example.com       again, with another credential: both are stored

The credential is tried first. It is kept in a file that only you can read;
`tagpost logout` removes it.")]
pub(crate) struct Login {
    /// The URL of the service
    #[arg(value_name = "URL")]
    pub(crate) service: String,
}
