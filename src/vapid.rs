//! How the service identifies itself to push services (VAPID, RFC 8292), with the platform's cryptography.
//!
//! The key that checks other senders is theirs: see [`tagpost_core::web_push::vapid`].

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Result;

use crate::config::Vapid;

#[wasm_bindgen(module = "/src/vapid.js")]
extern "C" {
    #[wasm_bindgen(js_name = publicKey, catch)]
    async fn public_half(key: &[u8]) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = authorization, catch)]
    async fn authorize(
        key: &[u8],
        audience: &str,
        subject: &str,
    ) -> std::result::Result<JsValue, JsValue>;
}

/// The public half of the key, as a browser takes it: an uncompressed point in base64url.
pub(crate) async fn public_key(vapid: &Vapid) -> Result<String> {
    text(public_half(vapid.key()).await?)
}

/// `Authorization` for a push to a push service of the origin `audience`. `own` is the origin of this service.
pub(crate) async fn authorization(vapid: &Vapid, audience: &str, own: &str) -> Result<String> {
    text(authorize(vapid.key(), audience, &vapid.subject(own)).await?)
}

fn text(value: JsValue) -> Result<String> {
    value.as_string().ok_or_else(|| "no text".into())
}
