//! `GET /v1/connect` and `GET /v1/devices/{device}/watch`: the part of a WebSocket handshake that needs no mailbox.

use tagpost_core::id::DeviceId;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::{self, WITH_TOKEN};
use tagpost_core::watch::SUBPROTOCOL;

use super::Exchange;
use crate::auth::{Caller, Offer};
use crate::respond::{Error, Response};
use crate::stub::{self, Handshake};

/// Passes the handshake to the device's mailbox, which owns the socket from then on.
pub(super) async fn connect(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    let claims = caller.device()?;
    exchange.upgrade()?;
    let offered = exchange
        .header("sec-websocket-protocol")
        .unwrap_or_default();
    let protocols = Offer::read(&offered).protocols;
    let Some(codec) = protocol::choose(WITH_TOKEN, protocols) else {
        let known: Vec<_> = WITH_TOKEN.iter().map(|codec| codec.subprotocol()).collect();
        let detail = format!("Sec-WebSocket-Protocol must offer {}", known.join(" or "));
        return Err(Problem::bad_request(detail).into());
    };
    let most = exchange.config.limits.max_in_flight;
    let window = exchange.query()?.given("max_in_flight", 1..=most)?;
    let handshake = Handshake {
        protocol: codec.subprotocol(),
        is_offered: true,
        window,
        ..Handshake::default()
    };
    let (device, fault) = (&claims.device, exchange.fault());
    stub::connect(&exchange.env, device, Some(&claims), handshake, fault).await
}

/// Passes the handshake of a watcher to the mailbox of `device`.
pub(super) async fn watch(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let sight = caller.sight();
    let claims = caller.reading().admin_or(&device)?;
    exchange.upgrade()?;
    let offered = exchange.header("sec-websocket-protocol");
    let offered = Offer::read(offered.as_deref().unwrap_or_default()).protocols;
    if !offered.contains(&SUBPROTOCOL) {
        let detail = format!("Sec-WebSocket-Protocol must offer {SUBPROTOCOL}");
        return Err(Problem::bad_request(detail).into());
    }
    let watch = match sight.allow(exchange.query()?.flag("payload")?)? {
        true => "payloads",
        false => "steps",
    };
    let handshake = Handshake {
        protocol: SUBPROTOCOL,
        is_offered: true,
        watch: Some(watch),
        ..Handshake::default()
    };
    let fault = exchange.fault();
    stub::connect(&exchange.env, &device, claims.as_ref(), handshake, fault).await
}

impl Exchange {
    /// # Errors
    /// The request is no WebSocket handshake (RFC 6455, section 4.1).
    pub(super) fn upgrade(&self) -> Result<(), Problem> {
        let upgrade = self.header("upgrade").unwrap_or_default();
        match upgrade.eq_ignore_ascii_case("websocket") {
            true => Ok(()),
            false => Err(Problem::new(
                Code::UpgradeRequired,
                "Upgrade must be websocket",
            )),
        }
    }
}
