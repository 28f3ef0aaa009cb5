//! `/v1/devices`: the operator's view of the devices, and each device's view of itself.

use futures_util::future::join;
use serde::Serialize;
use tagpost_core::call::{Call, Registered, Status};
use tagpost_core::id::{DeviceId, Tag};
use tagpost_core::problem::{Code, Problem};
use tagpost_core::time::Millis;
use tagpost_core::token::TokenId;

use super::{Exchange, grant};
use crate::auth::Caller;
use crate::respond::{self, Error, Response};
use crate::{directory, log};

/// The latest time at which a token may expire, in milliseconds: the last second of the year 9999.
const LATEST_EXPIRY: u64 = 253_402_300_799_000;

/// The answer to [`list`].
#[derive(Serialize)]
struct DeviceList<'a> {
    devices: &'a [directory::Device],
    next: Option<&'a DeviceId>,
}

/// The answer to [`put`].
#[derive(Serialize)]
struct DeviceToken {
    device: DeviceId,
    token: String,
    token_id: TokenId,
    /// When the token expires; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Millis>,
    created_at: Millis,
}

/// The answer to [`get`].
#[derive(Serialize)]
struct DeviceStatus {
    device: DeviceId,
    online: bool,
    connected_at: Option<Millis>,
    last_seen_at: Option<Millis>,
    held: u32,
    in_flight: u32,
    in_progress: u32,
    held_bytes: u64,
    held_since: Option<Millis>,
    tags: Vec<Tag>,
}

/// `GET /v1/devices`
pub(super) async fn list(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    caller.reading().admin()?;
    let query = exchange.query()?;
    let (after, limit) = (query.cursor()?, query.limit()?);
    let page = directory::devices(&exchange.directory()?, after.as_ref(), limit).await?;
    let next = page.next(|device| &device.device);
    let devices = &page.entries;
    Ok(respond::json(200, &DeviceList { devices, next }))
}

/// `PUT /v1/devices/{device}`
pub(super) async fn put(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    let grant = grant::read(&exchange, &device).await?;
    let token_id = grant::new_id()?;
    let registration = directory::register(&exchange.directory()?, &device, exchange.now).await?;
    let registered: Registered = exchange.ask_for(&device, None, Call::Register).await?;
    let issued_at = exchange.now.div_euclid(1_000);
    let claims = grant.claims(
        device.clone(),
        token_id.clone(),
        issued_at,
        registered.revocations,
    );
    let token = grant::mint(&exchange, &claims)?;
    if registration.created {
        log::info("device_registered", &[("device", device.as_str())]);
    }
    let status = if registration.created { 201 } else { 200 };
    Ok(respond::json(
        status,
        &DeviceToken {
            device,
            token,
            token_id,
            expires_at: claims.expires_at_millis(),
            created_at: registration.created_at,
        },
    ))
}

/// `GET /v1/devices/{device}`
pub(super) async fn get(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = caller.reading().admin_or(&device)?;
    let directory = exchange.directory()?;
    let status = exchange.ask_for(&device, caller, Call::Status);
    let (status, tags) = join(status, directory::tags_of(&directory, &device)).await;
    let (status, tags): (Status, Vec<Tag>) = (status?, tags?);
    if !status.known {
        return Err(unknown(&device));
    }
    Ok(respond::json(
        200,
        &DeviceStatus {
            device,
            online: status.online,
            connected_at: status.connected_at,
            last_seen_at: status.last_seen_at,
            held: status.held,
            in_flight: status.in_flight,
            in_progress: status.in_progress,
            held_bytes: status.held_bytes,
            held_since: status.held_since,
            tags,
        },
    ))
}

/// `DELETE /v1/devices/{device}`
pub(super) async fn delete(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    // The mailbox first, and each whether or not the other knew the device: wherever this is cut off, a
    // repetition finds the rest and finishes it.
    let removed: Registered = exchange.ask_for(&device, None, Call::Remove).await?;
    let forgotten = directory::forget(&exchange.directory()?, &device).await?;
    if !(removed.changed || forgotten) {
        return Err(unknown(&device));
    }
    log::info("device_removed", &[("device", device.as_str())]);
    Ok(respond::empty(204))
}

/// `DELETE /v1/devices/{device}/tokens`
pub(super) async fn revoke(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    let revoked: Registered = exchange.ask_for(&device, None, Call::Revoke).await?;
    if revoked.created_at == 0 {
        return Err(unknown(&device));
    }
    log::info("tokens_revoked", &[("device", device.as_str())]);
    Ok(respond::empty(204))
}

/// `DELETE /v1/devices/{device}/tokens/{jti}`
pub(super) async fn revoke_one(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
    id: TokenId,
) -> Result<Response, Error> {
    caller.admin()?;
    let expires_at = exchange.query()?.given_time("expires_at", LATEST_EXPIRY)?;
    if expires_at.is_some_and(|at| at <= exchange.now) {
        let detail =
            "expires_at must be in the future, in milliseconds: the `exp` of the token, times 1000";
        return Err(Problem::bad_request(detail).into());
    }
    let text = id.to_string();
    let call = Call::RevokeToken { id, expires_at };
    let answer = exchange.ask_of(device.clone(), None, call).await?;
    if answer.status() == 204 {
        let fields = [("device", device.as_str()), ("jti", text.as_str())];
        log::info("token_revoked", &fields);
    }
    Ok(answer)
}

/// The error if the device is not known.
pub(super) fn unknown(device: &DeviceId) -> Error {
    Problem::new(Code::UnknownDevice, format!("there is no device {device}")).into()
}
