//! The JSON Schema of the file, for editors and other programs.
//! Never: a keyword that only this program reads.

use serde_json::Value;

use super::defaults::Defaults;
use super::key::{DefaultOf, default};
use super::source::{DEFAULT, DEFAULT_TEXT, Node, declared, table};
use crate::config::read::error::ConfigError;

/// The JSON Schema of `portcullis.toml`, draft 7, as formatted JSON.
pub(crate) fn schema() -> Result<String, ConfigError> {
    let defaults = Defaults::read()?;
    let mut root = declared();
    root.insert(String::from("title"), "portcullis.toml".into());
    publish(&mut root, "", &defaults);
    Ok(serde_json::to_string_pretty(&root).unwrap_or_default())
}

/// Writes the default of each key into its description, and removes the keywords of this program.
fn publish(node: &mut Node, path: &str, defaults: &Defaults) {
    if !path.is_empty() && table(node).is_none() {
        describe(node, path, defaults);
    }
    for keyword in [DEFAULT, DEFAULT_TEXT] {
        node.remove(keyword);
    }
    if node.contains_key("not") {
        // A key with a type would be offered by editors.
        node.remove("type");
    }
    for (name, child) in node.iter_mut() {
        match (name.as_str(), child) {
            ("properties", Value::Object(children)) => {
                for (name, child) in children {
                    let inner =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    child.as_object_mut().into_iter().for_each(|child| {
                        publish(child, &inner, defaults);
                    });
                }
            }
            ("items" | "additionalProperties", Value::Object(child))
                if child.contains_key("properties") =>
            {
                publish(child, path, defaults);
            }
            _ => {}
        }
    }
}

fn describe(node: &mut Node, path: &str, defaults: &Defaults) {
    let (text, value) = match default(path, node, defaults) {
        DefaultOf::None | DefaultOf::Required => return,
        DefaultOf::Text(text) => (text, None),
        DefaultOf::Value(value) => (value.text(), value.only().cloned()),
    };
    if let Some(Value::String(description)) = node.get_mut("description") {
        description.push_str(&format!(" Default: {text}."));
    }
    if let Some(value) = value {
        node.insert(String::from("default"), value);
    }
}
