//! The configuration explained: example, JSON Schema and the table of keys, all from the types.

use serde_json::Value;

use super::Config;

/// A complete, commented configuration.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The JSON Schema of `postern.toml`.
pub fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Every key with what its documentation says, e.g. `gateway.address`; `*` stands for a name of yours.
pub fn keys() -> Vec<(String, String)> {
    let root = schema();
    let mut found = Vec::new();
    walk(&root, &root, "", 0, &mut found);
    found
}

/// The keys as a Markdown table.
pub fn reference() -> String {
    let mut out = String::from("| key | what it means, and its default |\n|---|---|\n");
    for (path, doc) in keys() {
        let doc = doc.replace('\n', " ").replace('|', "\\|");
        out.push_str(&format!("| `{path}` | {doc} |\n"));
    }
    out
}

fn walk(root: &Value, schema: &Value, path: &str, depth: usize, found: &mut Vec<(String, String)>) {
    if depth > 8 {
        return;
    }
    let schema = resolve(root, schema);
    let below = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let doc = property.get("description").or_else(|| resolve(root, property).get("description"));
            let target = resolve(root, property);
            let nested =
                ["properties", "additionalProperties"].iter().any(|key| target.get(*key).is_some_and(Value::is_object));
            let items =
                target.get("items").map(|items| resolve(root, items)).filter(|items| items.get("properties").is_some());
            if !nested && items.is_none() {
                found.push((below(name), doc.and_then(Value::as_str).unwrap_or("").to_string()));
            }
            match items {
                Some(items) => walk(root, items, &below(name), depth + 1, found),
                None => walk(root, target, &below(name), depth + 1, found),
            }
        }
    }
    if let Some(more) = schema.get("additionalProperties").filter(|more| more.is_object()) {
        let target = resolve(root, more);
        if target.get("properties").is_some() {
            walk(root, target, &below("*"), depth + 1, found);
        } else {
            let doc = schema.get("description").and_then(Value::as_str).unwrap_or("").to_string();
            found.push((below("*"), doc));
        }
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(Value::Array(any)) = schema.get("anyOf") {
        // Option<T> is written as anyOf [T, null].
        if let Some(first) = any.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null")) {
            return resolve(root, first);
        }
    }
    match schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}
