//! `tagpost hook`: URLs that publish what is posted to them.
//!
//! A hook is a credential: it goes to standard output alone, since standard error may end up in a log.

use serde_json::json;
use tagpost_client::{DeviceId, Error, HookTarget, HookTerms};

use crate::advice::Failure;
use crate::arguments::{Global, Hook};
use crate::output::{self, Outcome};
use crate::session::Session;

pub(crate) async fn run(global: &Global, command: Hook) -> Result<Outcome, Failure> {
    match command {
        Hook::New {
            device,
            to,
            to_device,
            template,
            name,
            ttl,
            topic,
            urgency,
        } => {
            let Some(to) = to.or(to_device.map(HookTarget::Device)) else {
                return Err(Failure::new("no target was given").advise("Name a tag or an @device."));
            };
            let defaults = HookTerms::new(to);
            let terms = HookTerms {
                ttl: ttl.unwrap_or(defaults.ttl),
                urgency: urgency.map_or(defaults.urgency, Into::into),
                topic,
                name,
                template: template.map_or(defaults.template, Into::into),
                ..defaults
            };
            new(global, &device, &terms).await?;
        }
        Hook::Revoke { device } => revoke(global, &device).await?,
    }
    Ok(Outcome::Done)
}

/// The URL alone goes to standard output, so that it can be put where it belongs. It is too long for a QR code on a
/// terminal; the console shows one.
async fn new(global: &Global, device: &DeviceId, terms: &HookTerms) -> Result<(), Failure> {
    let client = Session::open(global)?.either()?;
    let made = client.hook(device, terms).await.map_err(no_push_key)?;
    output::object(global, &made, |made| made.url.clone())?;
    if global.json {
        return Ok(());
    }
    let target = match &terms.to {
        HookTarget::Tag(tag) => format!("the tag {tag}"),
        HookTarget::Device(to) => format!("the device {to}"),
    };
    output::note(format!(
        "Whoever has this URL publishes as {device} to {target}: keep it as you keep a token. The service does not \
         store it. `tagpost hook revoke {device}` ends it, with all hooks of {device}."
    ));
    Ok(())
}

async fn revoke(global: &Global, device: &DeviceId) -> Result<(), Failure> {
    let client = Session::open(global)?.either()?;
    client.revoke_hooks(device).await.map_err(no_push_key)?;
    let done = json!({ "device": device, "all_hooks": true, "revoked": true });
    output::object(global, &done, |_| {
        format!("All hooks of {device} are revoked.")
    })
}

/// A service without `PUSH_KEY` serves no sealed URL.
fn no_push_key(error: Error) -> Failure {
    match &error {
        Error::Refused(problem) if problem.code == "not_found" => {
            Failure::new("the service has no PUSH_KEY, and so no hooks").advise(
                "Set it with `openssl rand -hex 32 | npx wrangler secret put PUSH_KEY`, on your own machine in `secrets` of the --state directory; see docs/webhooks.md.",
            )
        }
        _ => error.into(),
    }
}
