//! Faults on purpose, for the tests that show what a fault does not do.
//!
//! Only a build with the feature `fault-injection` has any; in others these functions are empty. The
//! header `Tagpost-Fault: panic@deliver` makes the next call `deliver` in this isolate panic; `throw`
//! throws a JavaScript error, `hang` never ends, and `late` lets what comes behind go first. Places are the
//! names of calls, and `fetch`, `message` and `alarm` for the object's events.

#[cfg(feature = "fault-injection")]
mod injected {
    use std::cell::RefCell;
    use std::time::Duration;

    use wasm_bindgen::prelude::wasm_bindgen;
    use worker::Delay;

    /// Half as long as a call waits for one that it overtook.
    const LATE: Duration = Duration::from_millis(50);

    thread_local! {
        static ARMED: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    #[wasm_bindgen(
        inline_js = "export function throw_on_purpose() { throw new TypeError('on purpose'); }"
    )]
    extern "C" {
        fn throw_on_purpose();
    }

    /// Fails now if the wish is for here; one for elsewhere waits until it comes there.
    pub(crate) async fn cause(place: &str, wish: Option<String>) {
        if wish.is_some() {
            ARMED.with(|armed| armed.replace(wish));
        }
        cause_armed(place).await;
    }

    pub(crate) async fn cause_armed(place: &str) {
        let armed = ARMED.with(|armed| {
            let mut armed = armed.borrow_mut();
            let here =
                |fault: &mut String| fault.split_once('@').is_some_and(|(_, at)| at == place);
            armed.take_if(here)
        });
        if let Some((kind, _)) = armed.as_deref().and_then(|fault| fault.split_once('@')) {
            fail(kind).await;
        }
    }

    #[allow(clippy::panic, reason = "this is what the fault is")]
    async fn fail(kind: &str) {
        match kind {
            "panic" => panic!("on purpose"),
            "throw" => throw_on_purpose(),
            "hang" => std::future::pending().await,
            "late" => Delay::from(LATE).await,
            _ => {}
        }
    }
}

#[cfg(feature = "fault-injection")]
pub(crate) use injected::{cause, cause_armed};

/// Fails if the wish is for here.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn cause(_place: &str, _wish: Option<String>) {}

/// Fails if an earlier wish was for here.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn cause_armed(_place: &str) {}
