//! The webhook of a device: the address to which its messages are posted.
//!
//! The secret is in the answers that make one, and in no other.

use tagpost_core::call::Call;
use tagpost_core::id::DeviceId;
use tagpost_core::problem::{Code, Problem};
use tagpost_core::token::Claims;
use tagpost_core::webhook::{MAX_BODY, Secret, Service, Setting};

use super::Exchange;
use super::wake::is_written_as_browsers_do;
use crate::auth::Caller;
use crate::respond::{Error, Response};

/// How many random bytes a secret has.
const SECRET_BYTES: usize = 32;

/// `PUT /v1/devices/{device}/webhook`
pub(super) async fn put(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = permitted(caller, &device)?;
    let body = exchange.body(MAX_BODY).await?;
    let (own, asked) = (exchange.origin(), exchange.asked_origin());
    let service = Service {
        own: [&own, &asked],
        is_local: exchange.config.is_local,
    };
    let setting = Setting::read(&body, service)?;
    if !is_written_as_browsers_do(setting.url.as_str(), setting.url.origin()) {
        let detail = "url must have its host as browsers write it";
        return Err(Problem::bad_request(detail).into());
    }
    let secret = new_secret()?;
    let call = Call::SetWebhook { setting, secret };
    exchange.ask_of(device, caller, call).await
}

/// `GET /v1/devices/{device}/webhook`
pub(super) async fn get(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = permitted(caller, &device)?;
    exchange.ask_of(device, caller, Call::GetWebhook).await
}

/// `DELETE /v1/devices/{device}/webhook`
pub(super) async fn remove(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = permitted(caller, &device)?;
    exchange.ask_of(device, caller, Call::RemoveWebhook).await
}

/// `POST /v1/devices/{device}/webhook/rotate`
pub(super) async fn rotate(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = permitted(caller, &device)?;
    let secret = new_secret()?;
    exchange
        .ask_of(device, caller, Call::RotateWebhook { secret })
        .await
}

/// `POST /v1/devices/{device}/webhook/test`
pub(super) async fn test(
    exchange: Exchange,
    caller: Caller,
    device: DeviceId,
) -> Result<Response, Error> {
    let caller = permitted(caller, &device)?;
    exchange.ask_of(device, caller, Call::TestWebhook).await
}

/// Allows the admin, and the device itself if its token says so.
fn permitted(caller: Caller, device: &DeviceId) -> Result<Option<Claims>, Problem> {
    let caller = caller.admin_or(device)?;
    match &caller {
        Some(claims) if !claims.webhook => {
            let detail = "this needs the admin key, or a token with the claim webhook";
            Err(Problem::new(Code::Forbidden, detail))
        }
        _ => Ok(caller),
    }
}

fn new_secret() -> Result<Secret, Error> {
    let mut random = [0; SECRET_BYTES];
    let filled = getrandom::fill(&mut random).map_err(|error| error.to_string());
    let secret = filled.and_then(|()| Secret::new(&random).map_err(|error| error.to_string()));
    secret.map_err(|cause| Error::internal("no_secret", cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(device: &str, webhook: bool) -> Caller {
        let claims = serde_json::json!({ "sub": device, "iat": 0, "webhook": webhook });
        Caller::Device(serde_json::from_value(claims).unwrap())
    }

    #[test]
    fn only_the_admin_and_a_token_that_says_so_may_set_a_webhook() {
        let camera: DeviceId = "camera".parse().unwrap();
        assert_eq!(permitted(Caller::Admin, &camera), Ok(None));
        let own = permitted(claims("camera", true), &camera);
        assert!(own.is_ok_and(|claims| claims.is_some()));
        for refused in [claims("camera", false), claims("doorbell", true)] {
            let problem = permitted(refused, &camera).unwrap_err();
            assert_eq!(problem.code, Code::Forbidden);
        }
    }
}
