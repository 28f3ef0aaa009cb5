//! `GET /`: the console's page. It is a static asset, as its other files are, which never come here; the
//! page does so that its path answers other methods as every path does.

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::Env;
use worker::worker_sys::web_sys::Request;

use crate::respond::{Error, Response};

#[wasm_bindgen]
extern "C" {
    /// What serves the static assets.
    type Assets;

    #[wasm_bindgen(method, catch)]
    async fn fetch(this: &Assets, request: &Request) -> Result<JsValue, JsValue>;
}

/// The page, as the static assets have it.
pub(crate) async fn console(request: &Request, env: &Env) -> Result<Response, Error> {
    // `Env::assets` would bring into the wasm what else only it needs.
    let assets = js_sys::Reflect::get(env, &JsValue::from_str("ASSETS")).map_err(failed)?;
    let assets = assets.unchecked_into::<Assets>();
    let page = assets.fetch(request).await.map_err(failed)?;
    Ok(Response::Finished(page))
}

fn failed(error: JsValue) -> Error {
    Error::from(worker::Error::from(error))
}
