//! Sealed capabilities, byte for byte. Subscriptions live for years: a change here ends every one of them.

#![allow(clippy::unwrap_used)]

use std::fmt::Debug;

use serde::Deserialize;
use tagpost_core::hook::{self, Hook, Revocations};
use tagpost_core::web_push::seal::{
    Capability, ConnectUrl, Keys, MessageUrl, PushUrl, ReceiptsUrl,
};

#[derive(Deserialize)]
struct Vectors {
    key: String,
    connect: String,
    push: String,
    message: String,
    receipts: String,
    hooks: Vec<SealedHook>,
}

#[derive(Deserialize)]
struct SealedHook {
    terms: serde_json::Value,
    sealed: String,
}

fn check<C: Capability + Debug + PartialEq>(keys: &Keys, capability: C, sealed: &str) {
    assert_eq!(keys.seal(&capability), sealed, "{capability:?}");
    assert_eq!(keys.open(sealed), Some(capability));
}

#[test]
fn capabilities_are_sealed_as_they_always_were() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("golden/sealed/vectors.json")).unwrap();
    let keys = Keys::new(vectors.key, None);
    let device = || "phone-1".parse().unwrap();
    let channel = "24cf03b3-f215-489e-8a5b-f3a5ec97785d".parse().unwrap();
    let since = 1_795_882_167_723;
    let connect = ConnectUrl {
        device: device(),
        issued_at: 1_795_882_000,
        expires_at: None,
        revocations: 0,
    };
    check(&keys, connect, &vectors.connect);
    let push = PushUrl {
        device: device(),
        channel,
        since,
        key: None,
    };
    check(&keys, push, &vectors.push);
    let message = MessageUrl {
        device: device(),
        id: "01M84WQ58TFYHWCCN22Z0FBG54".parse().unwrap(),
    };
    check(&keys, message, &vectors.message);
    let receipts = ReceiptsUrl {
        device: device(),
        channel,
        since,
    };
    check(&keys, receipts, &vectors.receipts);
    // Together they have every urgency and every template.
    for SealedHook { terms, sealed } in vectors.hooks {
        let hook = Hook {
            device: device(),
            terms: hook::read(terms.to_string().as_bytes()).unwrap(),
            expires_at: Some(1_800_000_000),
            revocations: Revocations {
                tokens: 1,
                hooks: 2,
            },
            nonce: [1, 2, 3, 4, 5, 6, 7, 8],
        };
        check(&keys, hook, &sealed);
    }
}
