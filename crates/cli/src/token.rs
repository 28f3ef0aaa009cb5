//! `tagpost token`: mints a device's token without asking the service.

use std::env;

use serde_json::json;
use tagpost_core::token::{Claims, TokenId, mint};

use crate::advice::Failure;
use crate::arguments::{Global, Token};
use crate::clock;
use crate::login;
use crate::output::{self, Outcome};

/// The service's secret, by its own name.
const TOKEN_KEY: &str = "TOKEN_KEY";

/// What the service asks of its secrets, in bytes.
const SHORTEST_KEY: usize = 16;

pub(crate) fn run(global: &Global, options: Token) -> Result<Outcome, Failure> {
    let key = match env::var(TOKEN_KEY) {
        Ok(key) if !key.is_empty() => key,
        _ => login::secret("TOKEN_KEY of the service: ")?,
    };
    if key.len() < SHORTEST_KEY {
        let length = key.len();
        return Err(Failure::new(format!(
            "TOKEN_KEY has {length} bytes; the service needs at least {SHORTEST_KEY}"
        ))
        .advise("Copy the whole secret of the service."));
    }
    let id = getrandom::u64()
        .map_err(|error| Failure::new(format!("the system gives no random numbers: {error}")))?;
    let now = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
    let claims = Claims {
        expires_at: options
            .grant
            .expires_in
            .map(|seconds| now.saturating_add(seconds.into())),
        publish: options.grant.patterns(),
        tags: options.grant.tags,
        device: options.device,
        issued_at: now,
        revocations: None,
        webhook: options.grant.webhook,
        id: Some(TokenId::from_random(id)),
    };
    let token = mint(&claims, key.as_bytes()).map_err(|error| {
        Failure::new(error.to_string()).advise("Give fewer --publish or --tags patterns.")
    })?;
    output::object(
        global,
        &json!({ "device": claims.device, "token": token, "token_id": claims.id }),
        |_| token.clone(),
    )?;
    Ok(Outcome::Done)
}
