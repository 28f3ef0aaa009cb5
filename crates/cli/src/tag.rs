//! `tagpost tag`: which devices a tag is bound to.

use serde_json::json;
use tagpost_client::{DeviceId, Tag};

use crate::advice::Failure;
use crate::arguments::{Global, TagCommand};
use crate::output::{self, FAINT, Outcome};
use crate::session::Session;

pub(crate) async fn run(global: &Global, command: TagCommand) -> Result<Outcome, Failure> {
    let session = Session::open(global)?;
    match command {
        TagCommand::Add { tag, devices } => {
            let client = session.operator()?;
            for device in &devices {
                client.bind(&tag, device).await?;
                done(global, &tag, device, true)?;
            }
        }
        TagCommand::Rm { tag, devices } => {
            let client = session.operator()?;
            for device in &devices {
                client.unbind(&tag, device).await?;
                done(global, &tag, device, false)?;
            }
        }
        TagCommand::Join { tags } => {
            let (client, device) = session.device_and_name()?;
            for tag in &tags {
                client.bind(tag, &device).await?;
                done(global, tag, &device, true)?;
            }
        }
        TagCommand::Leave { tags } => {
            let (client, device) = session.device_and_name()?;
            for tag in &tags {
                client.unbind(tag, &device).await?;
                done(global, tag, &device, false)?;
            }
        }
        TagCommand::Ls => list(global, &session).await?,
        TagCommand::Show { tag } => show(global, &session, &tag).await?,
    }
    Ok(Outcome::Done)
}

async fn list(global: &Global, session: &Session) -> Result<(), Failure> {
    let client = session.operator()?;
    let mut after = None;
    loop {
        let page = client.tags(after.as_ref()).await?;
        if page.entries.is_empty() && !global.json {
            output::note("There are no tags yet; `tagpost tag add TAG DEVICE` creates one.");
        }
        let width = output::width(page.entries.iter().map(|tag| tag.tag.as_str()));
        for tag in &page.entries {
            output::object(global, tag, |tag| {
                let devices = if tag.devices == 1 {
                    "device"
                } else {
                    "devices"
                };
                let name = tag.tag.as_str();
                format!("{name:<width$}  {FAINT}{} {devices}{FAINT:#}", tag.devices)
            })?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn show(global: &Global, session: &Session, tag: &Tag) -> Result<(), Failure> {
    let client = session.either()?;
    let mut after = None;
    loop {
        let page = client.members(tag, after.as_ref()).await?;
        let width = output::width(page.entries.iter().map(|member| member.device.as_str()));
        for member in &page.entries {
            output::object(global, member, |member| {
                let presence = if member.online { "online" } else { "offline" };
                let name = member.device.as_str();
                format!("{name:<width$}  {FAINT}{presence}{FAINT:#}")
            })?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn done(global: &Global, tag: &Tag, device: &DeviceId, bound: bool) -> Result<(), Failure> {
    output::object(
        global,
        &json!({ "tag": tag, "device": device, "bound": bound }),
        |_| {
            let verb = if bound {
                "is bound to"
            } else {
                "is not bound to"
            };
            format!("{tag} {verb} {device}")
        },
    )
}
