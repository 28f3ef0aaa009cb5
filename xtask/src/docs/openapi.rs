//! The OpenAPI description as a page: each operation with its parameters, bodies and answers, and the schemas.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

const METHODS: [&str; 4] = ["get", "put", "post", "delete"];

/// The page, in Markdown.
///
/// # Errors
/// A reference that leads nowhere.
pub(crate) fn page(description: &Value) -> Result<String> {
    let mut page = format!(
        "# The HTTP interface\n\nMade of `src/openapi.json` by `cargo xtask docs`; a service has it at \
         `/openapi.json`. [The protocol](../protocol.md) explains it.\n\n{}\n",
        description.pointer("/info/description").map_or("", text)
    );
    for tag in list(&description["tags"]) {
        write!(
            page,
            "\n## {}\n\n{}\n",
            heading(text(&tag["name"])),
            text(&tag["description"])
        )?;
        for (path, item) in object(&description["paths"]) {
            for method in METHODS {
                let operation = &item[method];
                if list(&operation["tags"]).contains(&tag["name"]) {
                    let shared = list(&item["parameters"]);
                    page.push_str(&operation_of(description, path, method, shared, operation)?);
                }
            }
        }
    }
    page.push_str("\n## Schemas\n");
    let schemas = description
        .pointer("/components/schemas")
        .context("there are no schemas")?;
    for (name, schema) in object(schemas) {
        page.push_str(&schema_of(name, schema)?);
    }
    Ok(page)
}

fn operation_of(
    description: &Value,
    path: &str,
    method: &str,
    shared: &[Value],
    operation: &Value,
) -> Result<String> {
    let mut part = format!(
        "\n### `{} {path}`\n\n{}. {}\n\n",
        method.to_uppercase(),
        text(&operation["summary"]),
        text(&operation["description"])
    );
    let by: Vec<&str> = list(&operation["security"])
        .iter()
        .flat_map(|scheme| object(scheme).map(|(name, _)| name.as_str()))
        .collect();
    let by = if by.is_empty() {
        "none".to_owned()
    } else {
        format!("`{}`", by.join("` or `"))
    };
    writeln!(part, "Credential: {by}.")?;

    let parameters: Vec<&Value> = shared
        .iter()
        .chain(list(&operation["parameters"]))
        .map(|parameter| resolve(description, parameter))
        .collect::<Result<_>>()?;
    if !parameters.is_empty() {
        part.push_str("\n| parameter | in | type | |\n| --- | --- | --- | --- |\n");
        for parameter in parameters {
            writeln!(
                part,
                "| `{}` | {} | {} | {} |",
                text(&parameter["name"]),
                text(&parameter["in"]),
                kind(&parameter["schema"]),
                cell(text(&parameter["description"]))
            )?;
        }
    }
    let body = resolve(description, &operation["requestBody"])?;
    if body.is_object() {
        let bodies: Vec<String> = object(&body["content"])
            .map(|(media, content)| format!("`{media}` ({})", kind(&content["schema"])))
            .collect();
        writeln!(
            part,
            "\nBody: {}. {}",
            bodies.join(", "),
            text(&body["description"])
        )?;
    }
    part.push_str("\n| status | answer | |\n| --- | --- | --- |\n");
    for (status, answer) in object(&operation["responses"]) {
        let answer = resolve(description, answer)?;
        let bodies: Vec<String> = object(&answer["content"])
            .map(|(_, content)| kind(&content["schema"]))
            .collect();
        writeln!(
            part,
            "| {status} | {} | {} |",
            bodies.join(", "),
            cell(text(&answer["description"]))
        )?;
    }
    Ok(part)
}

fn schema_of(name: &str, schema: &Value) -> Result<String> {
    let mut part = format!("\n### {name}\n\n{}", kind(schema));
    match text(&schema["description"]) {
        "" => part.push_str(".\n"),
        said => writeln!(part, ". {said}")?,
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        writeln!(part, "\n```text\n{pattern}\n```")?;
    }
    let required = list(&schema["required"]);
    let fields: Vec<_> = object(&schema["properties"]).collect();
    if !fields.is_empty() {
        part.push_str("\n| field | type | |\n| --- | --- | --- |\n");
        for (field, value) in fields {
            let optional = if required.iter().any(|name| name == field) {
                ""
            } else {
                " (optional)"
            };
            writeln!(
                part,
                "| `{field}`{optional} | {} | {} |",
                kind(value),
                cell(text(&value["description"]))
            )?;
        }
    }
    Ok(part)
}

/// The type of a schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for alternatives in ["oneOf", "anyOf", "allOf"] {
        let of = list(&schema[alternatives]);
        if !of.is_empty() {
            return of.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    let values = list(&schema["enum"]);
    if !values.is_empty() {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

/// What `value` is, or what it refers to.
fn resolve<'a>(description: &'a Value, value: &'a Value) -> Result<&'a Value> {
    let Some(reference) = value["$ref"].as_str() else {
        return Ok(value);
    };
    description
        .pointer(reference.trim_start_matches('#'))
        .with_context(|| format!("{reference} leads nowhere"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Text for the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A tag's name as a heading.
fn heading(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
