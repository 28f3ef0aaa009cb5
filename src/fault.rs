//! Faults on purpose, for the tests that show what a fault does not do.
//!
//! Only a build with the feature `fault-injection` has any; in others these functions are empty. The
//! header `Tagpost-Fault: panic@deliver` makes the call `deliver` panic; `throw` throws a JavaScript
//! error and `hang` never ends. With `@message` or `@alarm` the next event of that kind in this isolate
//! fails instead of the call.

#[cfg(feature = "fault-injection")]
mod injected {
    use std::cell::RefCell;

    use wasm_bindgen::prelude::wasm_bindgen;
    use worker::Request;

    thread_local! {
        static ARMED: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    #[wasm_bindgen(
        inline_js = "export function throw_on_purpose() { throw new TypeError('on purpose'); }"
    )]
    extern "C" {
        fn throw_on_purpose();
    }

    pub(crate) async fn cause(place: &str, request: &Request) -> worker::Result<()> {
        let Some(fault) = request.headers().get("tagpost-fault")? else {
            return Ok(());
        };
        match fault.split_once('@') {
            Some((_, "message" | "alarm")) => ARMED.with(|armed| *armed.borrow_mut() = Some(fault)),
            Some((kind, at)) if at == place => fail(kind).await,
            _ => {}
        }
        Ok(())
    }

    pub(crate) async fn cause_armed(place: &str) -> worker::Result<()> {
        let fault = ARMED.with(|armed| armed.borrow().clone());
        let fault = fault.and_then(|fault| {
            let (kind, at) = fault.split_once('@')?;
            (at == place).then(|| kind.to_owned())
        });
        if let Some(kind) = fault {
            ARMED.with(|armed| *armed.borrow_mut() = None);
            fail(&kind).await;
        }
        Ok(())
    }

    #[allow(clippy::panic, reason = "this is what the fault is")]
    async fn fail(kind: &str) {
        match kind {
            "panic" => panic!("on purpose"),
            "throw" => throw_on_purpose(),
            "hang" => std::future::pending().await,
            _ => {}
        }
    }
}

#[cfg(feature = "fault-injection")]
pub(crate) use injected::{cause, cause_armed};

/// Fails if the request asks for it.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn cause(_place: &str, _request: &worker::Request) -> worker::Result<()> {
    Ok(())
}

/// Fails if an earlier request asked for it.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn cause_armed(_place: &str) -> worker::Result<()> {
    Ok(())
}
