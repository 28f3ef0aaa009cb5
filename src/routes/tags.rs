//! `/v1/tags`: which tags there are, and which devices they are bound to.

use futures_util::future::join_all;
use serde::Serialize;
use tagpost_core::call::{Call, Status};
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::message::Target;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::token::{Claims, MAX_TAGS};

use super::Exchange;
use crate::auth::Caller;
use crate::directory::{self, Binding, Change};
use crate::respond::{self, Error, Response};

/// How many devices a page with presence may have, which is also the default: each costs a call to its mailbox, and
/// all calls are made at the same time.
const PRESENCE_PAGE: u32 = 50;

/// The answer to [`list`].
#[derive(Serialize)]
struct TagList<'a> {
    tags: &'a [directory::Tagged],
    next: Option<&'a Tag>,
}

/// The answer to [`get`].
#[derive(Serialize)]
struct Members<'a> {
    tag: Tag,
    devices: Vec<Member<'a>>,
    /// Present only if there is another page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a DeviceId>,
}

#[derive(Serialize)]
struct Member<'a> {
    device: &'a DeviceId,
    /// Present only if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<bool>,
}

/// `GET /v1/tags`
pub(super) async fn list(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    caller.reading().admin()?;
    let query = exchange.query()?;
    let (after, limit) = (query.cursor()?, query.limit()?);
    let page = directory::tags(&exchange.directory()?, after.as_ref(), limit).await?;
    let next = page.next(|tagged| &tagged.tag);
    let tags = &page.entries;
    Ok(respond::json(200, &TagList { tags, next }))
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
    let presence = query.flag("presence")?;
    let limit = match presence {
        true => query.number("limit", PRESENCE_PAGE, 1..=PRESENCE_PAGE)?,
        false => query.limit()?,
    };
    let after = query.cursor()?;
    let page = directory::members(&exchange.directory()?, &tag, after.as_ref(), limit).await?;
    if let Caller::Device(claims) = caller {
        let mailboxes = match presence {
            true => u32::try_from(page.entries.len()).unwrap_or(u32::MAX),
            false => 0,
        };
        admit(&exchange, claims, mailboxes).await?;
    }
    if page.entries.is_empty() && after.is_none() {
        return Err(Problem::new(Code::UnknownTag, format!("no device has the tag {tag}")).into());
    }
    let members = page.entries.iter();
    let devices = join_all(members.map(|device| member(&exchange, device, presence))).await;
    let next = page.next(|device| device);
    Ok(respond::json(200, &Members { tag, devices, next }))
}

/// A device, with its presence if that was asked for. If its mailbox fails, it is offline: nothing can be
/// delivered to it.
async fn member<'a>(exchange: &Exchange, device: &'a DeviceId, presence: bool) -> Member<'a> {
    if !presence {
        let online = None;
        return Member { device, online };
    }
    let status: Result<Status, Error> = exchange.ask_for(device, None, Call::Status).await;
    let online = status
        .inspect_err(Error::log)
        .is_ok_and(|status| status.online);
    let online = Some(online);
    Member { device, online }
}

/// `PUT /v1/tags/{tag}/devices/{device}`, and `DELETE` if it is not to `bind`: for the admin, and for the device itself
/// if its token is for this tag.
pub(super) async fn change(
    exchange: Exchange,
    caller: Caller,
    tag: Tag,
    device: DeviceId,
    bind: bool,
) -> Result<Response, Error> {
    let itself = caller.admin_or(&device)?;
    let limit = itself.as_ref().map(|_| MAX_TAGS);
    if let Some(claims) = itself {
        if !claims.may_join(&tag) {
            let detail = "the token's `tags` patterns do not match this tag";
            return Err(Problem::new(Code::Forbidden, detail).into());
        }
        admit(&exchange, claims, 1).await?;
    }
    let change = match bind {
        true => Change::Bind { limit },
        false => Change::Unbind,
    };
    match directory::change(&exchange.directory()?, &tag, &device, change).await? {
        Binding::UnknownDevice => Err(super::devices::unknown(&device)),
        Binding::Unbound if bind => {
            let detail = format!(
                "{device} has {MAX_TAGS} tags or more; only the operator may bind it to another"
            );
            Err(Problem::new(Code::TooManyTags, detail).into())
        }
        Binding::Bound | Binding::Unbound => Ok(respond::empty(204)),
    }
}

/// Admits a device whose token is not revoked and whose reads may ask this many more mailboxes. Only the device's own
/// mailbox knows both.
async fn admit(exchange: &Exchange, claims: Claims, mailboxes: u32) -> Result<(), Error> {
    let device = claims.device.clone();
    let call = Call::MayAsk { mailboxes };
    let _: [(); 0] = exchange.ask_for(&device, Some(claims), call).await?;
    Ok(())
}
