//! Injected faults, for the tests that show how far a fault reaches.
//!
//! Only a build with the feature `fault-injection` has them; in others these functions are empty. The header
//! `Tagpost-Fault: panic@deliver` makes the next call `deliver` in this isolate panic; `throw` throws a JavaScript
//! error, `hang` never returns, and `late` lets the next call overtake this one. Places are the names of calls;
//! `fetch`, `message` and `alarm` for the object's events; `directory` for a query of D1.

#[cfg(feature = "fault-injection")]
mod injected {
    use std::cell::RefCell;
    use std::time::Duration;

    use wasm_bindgen::prelude::wasm_bindgen;
    use worker::Delay;

    /// Half the time that a call waits for one that it overtook.
    const DELAY: Duration = Duration::from_millis(50);

    thread_local! {
        static ARMED: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    #[wasm_bindgen(
        inline_js = "export function throw_on_purpose() { throw new TypeError('on purpose'); }"
    )]
    extern "C" {
        fn throw_on_purpose();
    }

    /// Arms `fault`, if there is one, and causes it now if it is for this place.
    pub(crate) async fn cause(place: &str, fault: Option<String>) {
        if fault.is_some() {
            ARMED.with(|armed| armed.replace(fault));
        }
        cause_armed(place).await;
    }

    /// Causes the armed fault if it is for this place.
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

    #[allow(clippy::panic, reason = "the panic is the fault")]
    async fn fail(kind: &str) {
        match kind {
            "panic" => panic!("on purpose"),
            "throw" => throw_on_purpose(),
            "hang" => std::future::pending().await,
            "late" => Delay::from(DELAY).await,
            _ => {}
        }
    }
}

#[cfg(feature = "fault-injection")]
pub(crate) use injected::{cause, cause_armed};

/// There are no faults in this build.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn cause(_place: &str, _fault: Option<String>) {}

/// There are no faults in this build.
#[cfg(not(feature = "fault-injection"))]
pub(crate) async fn cause_armed(_place: &str) {}
