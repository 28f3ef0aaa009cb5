//! The description of the HTTP interface (OpenAPI 3.1). It is written by hand; the tests here compare it with
//! what the code serves.

use js_sys::{Array, JsString};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::respond::Response;

#[wasm_bindgen(raw_module = "./openapi.js")]
extern "C" {
    /// `openapi.json`, which the build puts next to the wasm: inside, it would be 7.5 kB of the compressed file.
    #[wasm_bindgen(thread_local_v2, js_name = default)]
    static DESCRIPTION: JsString;
}

/// The document at `/openapi.json`.
pub(crate) fn description() -> Response {
    let headers = JsValue::from_str("content-type: application/json");
    let description = DESCRIPTION.with(|text| JsValue::from(text));
    Response::Passed(Array::of3(&JsValue::from(200), &headers, &description))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use tagpost_core::delivery::State;
    use tagpost_core::problem::Code;

    use crate::route;

    const METHODS: [&str; 8] = [
        "get", "put", "post", "delete", "head", "patch", "options", "trace",
    ];

    fn description() -> Value {
        serde_json::from_str(include_str!("openapi.json")).unwrap()
    }

    /// Every operation with its method and path.
    fn operations(description: &Value) -> Vec<(String, String, &Value)> {
        let paths = description["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                METHODS.into_iter().filter_map(move |method| {
                    Some((method.to_uppercase(), path.clone(), item.get(method)?))
                })
            })
            .collect()
    }

    /// Every `$ref` in the document.
    fn references(value: &Value) -> Vec<String> {
        match value {
            Value::Object(fields) => fields
                .iter()
                .flat_map(|(name, value)| match value {
                    Value::String(target) if name == "$ref" => vec![target.clone()],
                    value => references(value),
                })
                .collect(),
            Value::Array(values) => values.iter().flat_map(references).collect(),
            _ => vec![],
        }
    }

    fn texts(list: &Value) -> BTreeSet<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn it_lists_exactly_what_is_served() {
        let description = description();
        let described: BTreeSet<(String, String)> = operations(&description)
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .collect();
        let served: BTreeSet<(String, String)> = route::served()
            .map(|(method, path)| (method.to_owned(), path.to_owned()))
            .collect();
        assert_eq!(
            described, served,
            "left: openapi.json, right: the route table"
        );
    }

    #[test]
    fn it_knows_every_problem_code_and_every_state() {
        let schemas = &description()["components"]["schemas"];
        assert_eq!(
            texts(&schemas["Problem"]["properties"]["code"]["enum"]),
            Code::ALL
                .iter()
                .map(|code| code.as_str().to_owned())
                .collect(),
            "left: openapi.json, right: the problem codes"
        );
        let states = State::ALL
            .iter()
            .map(|state| serde_json::to_value(state).unwrap());
        assert_eq!(
            texts(&schemas["State"]["enum"]),
            states
                .map(|state| state.as_str().unwrap().to_owned())
                .collect(),
            "left: openapi.json, right: the states of a delivery"
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
        let description = description();
        let references: BTreeSet<String> = references(&description).into_iter().collect();
        for reference in &references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(
                description.pointer(pointer).is_some(),
                "{reference} leads nowhere"
            );
        }
        let components = description["components"].as_object().unwrap();
        for (kind, members) in components
            .iter()
            .filter(|(kind, _)| *kind != "securitySchemes")
        {
            for name in members.as_object().unwrap().keys() {
                let reference = format!("#/components/{kind}/{name}");
                assert!(
                    references.contains(&reference),
                    "nothing refers to {reference}"
                );
            }
        }
    }

    #[test]
    fn every_operation_names_its_parameters_and_what_a_missing_credential_gets() {
        let description = description();
        for (method, path, operation) in operations(&description) {
            let place = format!("{method} {path}");
            assert!(
                operation["operationId"].is_string(),
                "{place} has no operationId"
            );
            let parameters = description["paths"][&path]["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let named: BTreeSet<String> = parameters
                .iter()
                .map(|parameter| {
                    let pointer = parameter["$ref"]
                        .as_str()
                        .unwrap()
                        .trim_start_matches('#')
                        .to_owned();
                    description.pointer(&pointer).unwrap()["name"]
                        .as_str()
                        .unwrap()
                        .to_owned()
                })
                .collect();
            let wanted = path
                .split('/')
                .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
            assert_eq!(
                named,
                wanted.map(str::to_owned).collect(),
                "{place}: path parameters"
            );
            let is_open = operation["security"].as_array().unwrap().is_empty();
            let answers = operation["responses"].as_object().unwrap();
            assert_eq!(
                answers.contains_key("401"),
                !is_open,
                "{place}: 401 if a credential is required"
            );
            assert!(answers.contains_key("500"), "{place} can fail inside");
        }
    }
}
