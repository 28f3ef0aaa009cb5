//! Requests to a hook, and what is published.

use std::fs;

use serde_json::{Value, json};
use tagpost_core::hook::{self, Hook, Revocations};
use tagpost_core::limits::Limits;

use super::files::{compare, folder, names};
use super::samples::device;

#[test]
fn every_request_to_a_hook_is_published_as_documented() {
    let names = names("hook");
    let samples: Vec<_> = names
        .iter()
        .filter(|name| !name.ends_with(".published"))
        .collect();
    assert!(
        samples.len() >= 20,
        "only {} samples are there",
        samples.len()
    );
    for name in samples {
        let path = folder().join("hook").join(format!("{name}.json"));
        let sample: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let terms = json!({ "to": { "tag": "phones" }, "template": sample["template"] });
        let mut terms = terms.as_object().unwrap().clone();
        terms.extend(sample.get("name").map(|it| ("name".to_owned(), it.clone())));
        let hook = Hook {
            device: device("ci"),
            terms: hook::read(Value::from(terms).to_string().as_bytes()).unwrap(),
            expires_at: None,
            revocations: Revocations {
                tokens: 0,
                hooks: 0,
            },
            nonce: [0; 8],
        };
        let header = |name: &str| Some(sample["headers"].get(name)?.as_str()?.to_owned());
        let body = match &sample["body"] {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        let draft = hook.draft(header, body.as_bytes(), &Limits::default());
        let published = path.with_extension("published.json");
        compare(&published, draft.unwrap().payload.get());
    }
}
