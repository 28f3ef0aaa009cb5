//! `tagpost hook`.

use clap::{Subcommand, ValueEnum};
use tagpost_client::{DeviceId, HookName, HookTarget, Template, Topic};
use tagpost_core::publish;

use super::send::UrgencyName;
use super::target::{device_name, hook_target};
use super::time::within;
use crate::complete::{devices, targets};

#[derive(Debug, Subcommand)]
pub(crate) enum Hook {
    /// Print a URL: what is posted to it is published as a device
    #[command(after_help = "\
Examples:
  tagpost hook new ci phones --template github --name CI     for a webhook of GitHub
  tagpost hook new lab @anna --template grafana              for a contact point of Grafana
  tagpost hook new backup phones --template text --topic backup --ttl 2h
  tagpost hook new ci phones --json | jq -r .url > hook-url

Whoever has the URL publishes as the device, to this target alone, and learns only the message's
id. One that is made with the device's token expires with the token at the latest. `tagpost hook
revoke DEVICE` ends all hooks of the device, and so does `tagpost device revoke DEVICE`.")]
    New {
        /// The device that publishes
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
        /// What it publishes to: a tag or an @device
        #[arg(
            value_name = "TARGET",
            value_parser = hook_target,
            add = targets(),
            required_unless_present = "to_device",
            conflicts_with = "to_device"
        )]
        to: Option<HookTarget>,
        // As it was written before a target could be a device.
        #[arg(long, hide = true, value_name = "DEVICE", value_parser = device_name, add = devices())]
        to_device: Option<DeviceId>,
        /// What becomes of a body [default: raw]
        #[arg(long)]
        template: Option<TemplateName>,
        /// What the hook is for; with --template text, the title of its notifications
        #[arg(long, value_name = "TEXT")]
        name: Option<HookName>,
        /// How long its messages may be delivered, up to 30d; 0 is now or never [default: 1d]
        #[arg(long, value_name = "TIME", value_parser = within(publish::TTL, "30d"))]
        ttl: Option<u32>,
        /// Its messages replace an undelivered message of this topic
        #[arg(long)]
        topic: Option<Topic>,
        /// The urgency; messages of higher urgency are sent first [default: normal]
        #[arg(long)]
        urgency: Option<UrgencyName>,
    },
    /// Revoke all hooks of a device made so far
    #[command(after_help = "\
Examples:
  tagpost hook revoke ci                       its hooks answer 404; its tokens stay valid")]
    Revoke {
        /// The device
        #[arg(value_parser = device_name, add = devices())]
        device: DeviceId,
    },
}

/// The templates, by the names of the API.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum TemplateName {
    /// The body as it is
    Raw,
    /// A notification with the text
    Text,
    /// A notification of what happened on GitHub
    Github,
    /// A notification of Grafana's alerts
    Grafana,
}

impl From<TemplateName> for Template {
    fn from(name: TemplateName) -> Self {
        match name {
            TemplateName::Raw => Self::Raw,
            TemplateName::Text => Self::Text,
            TemplateName::Github => Self::Github,
            TemplateName::Grafana => Self::Grafana,
        }
    }
}
