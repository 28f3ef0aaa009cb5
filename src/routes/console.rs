//! `GET /`: the console's page. It is a static asset, as its other files are, which never come here; the
//! page does so that its path answers other methods as every path does.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::web_sys::Request;

use crate::respond::{Error, Response};

#[wasm_bindgen]
extern "C" {
    /// What serves the static assets. Its response is passed on as it is; `worker`'s own would be taken apart and
    /// put together anew.
    type Assets;

    #[wasm_bindgen(method, catch)]
    async fn fetch(this: &Assets, request: &Request) -> Result<JsValue, JsValue>;
}

/// The page, as the static assets have it.
pub(crate) async fn console(request: &Request, env: &Env) -> Result<Response, Error> {
    let assets: Assets = env.assets("ASSETS")?.into_rpc();
    let page = assets.fetch(request).await.map_err(worker::Error::from)?;
    Ok(Response::Finished(page))
}
