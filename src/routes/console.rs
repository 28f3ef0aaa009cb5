//! `GET /`: the console's page. It is a static asset, like the console's other files, which the platform serves
//! without the Worker. The page comes here so that its path answers other methods like any path.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::web_sys::Request;

use crate::respond::{Error, Response};

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
