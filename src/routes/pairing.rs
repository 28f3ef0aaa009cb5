//! Pairing a phone: the operator has a code issued, and who scans it exchanges the code for a token of the device.
//!
//! The exchange needs no credential: the code is one. It is in the body alone, never in a path, a query or a log.

use serde::{Deserialize, Serialize};
use tagpost_core::call::{Call, IssuedCode};
use tagpost_core::id::DeviceId;
use tagpost_core::json;
use tagpost_core::pairing::PairingCode;
use tagpost_core::problem::Problem;
use tagpost_core::time::Millis;
use tagpost_core::token::{Claims, TokenId};

use super::{Exchange, grant};
use crate::auth::Caller;
use crate::log;
use crate::respond::{self, Error, Response};

/// The longest body of an [`exchange`], in bytes.
const LONGEST_BODY: usize = 1_024;

/// The answer to [`issue`].
#[derive(Serialize)]
struct Issued {
    code: String,
    url: String,
    expires_at: Millis,
}

/// The answer to [`exchange`].
#[derive(Serialize)]
struct Paired {
    device: DeviceId,
    token: String,
}

/// `POST /v1/devices/{device}/pair`. For the admin alone: nowhere can a device's token make another token, which might
/// permit more and would outlive it.
pub(super) async fn issue(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    caller.admin()?;
    let grant = grant::read(&exchange, &device).await?;
    let call = Call::IssueCode { grant };
    let IssuedCode { number, expires_at } = exchange.ask_for(&device, None, call).await?;
    log::info("pairing_code_issued", &[("device", device.as_str())]);
    let code = exchange.config.pairing_keys.seal(&PairingCode {
        device,
        number,
        expires_at,
    });
    // Browsers do not send a fragment.
    let url = format!("{}/phone#{code}", exchange.origin());
    Ok(respond::json(
        200,
        &Issued {
            code,
            url,
            expires_at,
        },
    ))
}

/// `POST /v1/pair`
pub(super) async fn exchange(exchange: Exchange) -> Result<Response, Error> {
    let text = code(&exchange.body(LONGEST_BODY).await?)?;
    let code = PairingCode::read(&text, &exchange.config.pairing_keys, exchange.now)?;
    let call = Call::ExchangeCode {
        number: code.number,
    };
    let claims: Claims = exchange.ask_for(&code.device, None, call).await?;
    let token = grant::mint(&exchange, &claims)?;
    let device = claims.device.clone();
    // Nobody but the phone sees the token, and it can be revoked by its id.
    let id = claims.id.as_ref().map_or("", TokenId::as_str);
    log::info("device_paired", &[("device", device.as_str()), ("jti", id)]);
    Ok(respond::json(200, &Paired { device, token }))
}

/// Reads the body of an [`exchange`]. An error repeats nothing of it.
fn code(body: &[u8]) -> Result<String, Problem> {
    #[derive(Deserialize)]
    struct Body {
        code: String,
    }
    let body = str::from_utf8(body).ok();
    let body = body.and_then(|text| json::object::<Body>(text).ok());
    body.map(|body| body.code)
        .ok_or_else(|| Problem::bad_request("the body must be a JSON object with code, a string"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_a_string_in_an_object() {
        assert_eq!(code(br#"{"code":"abc"}"#).as_deref(), Ok("abc"));
        for body in [
            &b""[..],
            b"abc",
            b"{}",
            br#""abc""#,
            br#"["abc"]"#,
            br#"{"code":7}"#,
            br#"{"code":null}"#,
            br#"{"code":"abc","code":"abd"}"#,
            b"{\"code\":\"abc\xff\"}",
        ] {
            let problem = code(body).unwrap_err();
            assert!(!problem.detail.contains("abc"), "{problem}");
        }
    }
}
