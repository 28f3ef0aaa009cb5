//! `GET /v1/connect`: the part of a WebSocket handshake that needs no mailbox.

use tagpost_core::problem::{Code, Problem};
use tagpost_core::protocol::{self, WITH_TOKEN};

use super::Exchange;
use crate::auth::{Caller, Offer};
use crate::respond::{Error, Response};
use crate::stub::{self, Handshake};

/// Passes the handshake to the device's mailbox, which owns the socket from then on.
pub(super) async fn connect(exchange: Exchange, caller: Caller) -> Result<Response, Error> {
    let claims = caller.device()?;
    let upgrade = exchange.header("upgrade").unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(Problem::new(Code::UpgradeRequired, "Upgrade must be websocket").into());
    }
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
        origin: None,
    };
    stub::connect(&exchange.env, &claims, handshake, exchange.fault()).await
}
