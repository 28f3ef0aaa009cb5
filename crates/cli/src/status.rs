//! `tagpost status`: which service, as whom, and whether it works. Without a credential nothing but this would.

use std::time::Duration;

use serde_json::json;
use tagpost_client::Client;

use crate::advice::Failure;
use crate::arguments::Global;
use crate::device::describe;
use crate::login::{self, subject};
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;

pub(crate) async fn run(global: &Global) -> Result<Outcome, Failure> {
    let session = Session::open(global)?;
    if !global.json {
        output::line(format!(
            "{} {FAINT}(profile {}){FAINT:#}",
            session.url, global.profile
        ))?;
    }
    // Somebody waits for this answer, and wants to know if there is none.
    let hurried = |client: Client| client.retry_for(Duration::ZERO);
    let health = hurried(Client::new(&session.url, "nobody")?)
        .health()
        .await?;
    let device = match session.token.as_deref().and_then(subject) {
        Some(device) => Some(hurried(session.device()?).device(&device).await?),
        None => None,
    };
    let mut is_viewer = false;
    if session.admin_key.is_some() {
        let client = hurried(session.operator()?);
        client.devices(None).await?;
        is_viewer = login::is_viewer(&client).await?;
    }
    if global.json {
        let status = json!({
            "url": session.url, "profile": global.profile, "version": health.version,
            "operator": session.admin_key.is_some() && !is_viewer, "viewer": is_viewer, "device": device,
        });
        output::json(&status)?;
    } else {
        output::line(format!("The service works, version {}.", health.version))?;
        if is_viewer {
            output::line("The key is the viewer key: it reads, and changes nothing.")?;
        } else if session.admin_key.is_some() {
            output::line("The admin key is valid.")?;
        }
        match &device {
            Some(device) => output::line(describe(device))?,
            None if session.token.is_some() => output::line("The token is not a device token.")?,
            None => {}
        }
    }
    if session.admin_key.is_none() && session.token.is_none() {
        let none = format!("there is no credential for {}", session.url);
        return Err(
            Failure::new(none).advise("Store one with `tagpost login URL`, or set TAGPOST_TOKEN.")
        );
    }
    Ok(Outcome::Done)
}
