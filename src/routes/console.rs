//! `GET /`: the console's page. It is a static asset, like the console's other files, which the platform serves
//! without the Worker. The page comes here so that its path answers other methods like any path.
//!
//! `GET /phone`: the way to the phone's page, `phone/`, which is such an asset.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::web_sys::Request;

use crate::respond::{self, Error, Response};

#[wasm_bindgen]
extern "C" {
    /// The platform's server of static assets. Its response is passed on as it is; `worker`'s type would take it
    /// apart and rebuild it.
    type Assets;

    #[wasm_bindgen(method, catch)]
    async fn fetch(this: &Assets, request: &Request) -> Result<JsValue, JsValue>;
}

/// The page, from the static assets.
pub(crate) async fn console(request: &Request, env: &Env) -> Result<Response, Error> {
    let assets: Assets = env.assets("ASSETS")?.into_rpc();
    let page = assets.fetch(request).await.map_err(worker::Error::from)?;
    Ok(Response::Finished(page))
}

/// The way to the phone's page. It is relative, since the service may be served below a path. The platform's own
/// redirect is not.
pub(crate) fn phone() -> Response {
    respond::with(respond::empty(308), "location", "phone/".to_owned())
}
