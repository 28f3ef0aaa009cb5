//! Posting to the address of a webhook.
//!
//! No more of an answer than its beginning is read, and none of its headers but three. Neither the address nor anything
//! of a message is logged, only where the address is.

use std::rc::Rc;

use js_sys::{Array, JsString, Uint8Array};
use tagpost_core::mailbox::{Chain, Input, PostPurpose};
use tagpost_core::webhook::{Address, Post, PostError, PostResponse, Service};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::Object;
use crate::config::Config;
use crate::log;

#[wasm_bindgen(module = "/src/post.js")]
extern "C" {
    /// Makes a request. The result is an array: the status, or the name of the error; the milliseconds; and, of an
    /// answer, the seconds of `Retry-After`, the media type and the body.
    #[wasm_bindgen(catch)]
    async fn post(
        url: &str,
        headers: Array,
        body: Uint8Array,
        limit: f64,
    ) -> Result<JsValue, JsValue>;
}

/// What came of a request, and how many milliseconds it took.
type Outcome = (Result<PostResponse, PostError>, u32);

impl Object {
    /// Makes a request, and passes the answer to the mailbox.
    pub(super) fn post(self: &Rc<Self>, purpose: PostPurpose, chain: Chain, request: Post) {
        let object = Rc::clone(self);
        self.spawn(async move {
            let (outcome, millis) = object.answer_of(request).await?;
            object.event(Input::Posted {
                purpose,
                chain,
                outcome,
                millis,
            })
        });
    }

    /// Tells the operator that nothing is posted any longer.
    pub(super) fn address_gone(&self) {
        let device = self.state.id().name().unwrap_or_default();
        log::info("webhook_gone", &[("device", &device)]);
    }

    async fn answer_of(&self, request: Post) -> worker::Result<Outcome> {
        let config = Config::checked(&self.env)?;
        if !is_still_allowed(&request, &config) {
            return Ok((Err(PostError::Address), 0));
        }
        let headers = request.headers.iter().map(|(name, value)| {
            let (name, value) = (JsString::from(*name), JsString::from(value.as_str()));
            Array::of2(&name, &value)
        });
        let body = Uint8Array::from(request.body.as_slice());
        let limit = request.timeout as f64;
        let answer = post(&request.url, headers.collect(), body, limit).await;
        // It does not throw, unless the request cannot be written.
        let Ok(answer) = answer else {
            return Ok((Err(PostError::Address), 0));
        };
        Ok(read(&answer.unchecked_into()))
    }
}

/// Whether the webhook could be set like this now: the configuration may have changed since, or what is allowed.
fn is_still_allowed(request: &Post, config: &Config) -> bool {
    let own = config.public_url.as_deref().unwrap_or(&request.origin);
    let service = Service {
        own: [own, &request.origin],
        is_local: config.is_local,
    };
    Address::read(request.url.clone(), service).is_ok()
}

fn read(answer: &Array) -> Outcome {
    let millis = answer.get(1).as_f64().unwrap_or_default() as u32;
    let Some(status) = answer.get(0).as_f64() else {
        let error = match answer.get(0).as_string().as_deref() {
            Some("timeout") => PostError::Timeout,
            _ => PostError::Connect,
        };
        return (Err(error), millis);
    };
    let response = PostResponse {
        status: status as u16,
        retry_after: answer.get(2).as_f64().map(|seconds| seconds as u32),
        content_type: answer.get(3).as_string(),
        body: Uint8Array::new(&answer.get(4)).to_vec(),
    };
    (Ok(response), millis)
}
