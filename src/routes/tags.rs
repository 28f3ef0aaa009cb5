//! `/v1/tags`: which tags there are, and which devices they lead to.

use futures_util::future::join_all;
use serde_json::json;
use tagpost_core::call::{Call, Request, Status};
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};
use worker::Response;

use super::Exchange;
use crate::auth::Caller;
use crate::directory;
use crate::respond::{self, Error};
use crate::stub;

/// `GET /v1/tags`
pub(super) async fn list(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    caller.admin()?;
    let query = exchange.query()?;
    let (after, limit) = (query.cursor()?, query.limit()?);
    let page = directory::tags(&exchange.directory()?, after.as_ref(), limit).await?;
    let next = page.next(|tagged| &tagged.tag);
    Ok(respond::json(
        200,
        &json!({ "tags": page.entries, "next": next }),
    ))
}

/// `GET /v1/tags/{tag}`
pub(super) async fn get(exchange: Exchange, caller: Caller, tag: Tag) -> Result<Response, Error> {
    if let Caller::Device(claims) = &caller
        && !claims.may_publish(&Target::Tag(tag.clone()))
    {
        return Err(Problem::new(
            Code::Forbidden,
            "the token's `publish` patterns do not match this tag",
        )
        .into());
    }
    let query = exchange.query()?;
    let (after, limit) = (query.cursor()?, query.limit()?);
    if let Caller::Device(claims) = caller {
        // The directory cannot know whether the token was revoked; the device's own mailbox does.
        let device = claims.device.clone();
        stub::ask(
            &exchange.env,
            &Request {
                device,
                caller: Some(claims),
                call: Call::Status,
            },
        )
        .await?;
    }
    let page = directory::members(&exchange.directory()?, &tag, after.as_ref(), limit).await?;
    if page.entries.is_empty() && after.is_none() {
        return Err(Problem::new(Code::UnknownTag, format!("no device has the tag {tag}")).into());
    }
    let next = page.next(|device| device);
    let devices = join_all(
        page.entries
            .iter()
            .map(|device| is_online(&exchange, device)),
    )
    .await;
    let devices: Vec<_> = page
        .entries
        .iter()
        .zip(devices)
        .map(|(device, online)| json!({ "device": device, "online": online }))
        .collect();
    Ok(respond::json(
        200,
        &json!({ "tag": tag, "devices": devices, "next": next }),
    ))
}

/// Whether a device is online. One whose mailbox fails is not: nothing can be delivered to it.
async fn is_online(exchange: &Exchange, device: &DeviceId) -> bool {
    let request = Request {
        device: device.clone(),
        caller: None,
        call: Call::Status,
    };
    match stub::ask_for::<Status>(&exchange.env, &request).await {
        Ok(status) => status.online,
        Err(error) => {
            error.log();
            false
        }
    }
}

/// `PUT /v1/tags/{tag}/devices/{device}`
pub(super) async fn bind(
    exchange: Exchange,
    caller: Caller,
    tag: Tag,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    known(
        directory::bind(&exchange.directory()?, &tag, &device).await?,
        &device,
    )
}

/// `DELETE /v1/tags/{tag}/devices/{device}`
pub(super) async fn unbind(
    exchange: Exchange,
    caller: Caller,
    tag: Tag,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    known(
        directory::unbind(&exchange.directory()?, &tag, &device).await?,
        &device,
    )
}

fn known(is_known: bool, device: &DeviceId) -> Result<Response, Error> {
    if is_known {
        Ok(respond::empty(204))
    } else {
        Err(super::devices::unknown(device))
    }
}
