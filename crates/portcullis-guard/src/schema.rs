//! Typed payloads: what a JSON text must be to become a value, and which field it is not.
//! Never: a coercion, a type's name or a value in what the peer is told.

use portcullis_model::Denial;
use serde::de::DeserializeOwned;

use crate::json;

/// Reads an HTTP body: UTF-8, sound JSON, an object, of the type; names the field at fault.
///
/// # Errors
/// [`Denial::Json`] when it is no JSON within the limits, [`Denial::Schema`] when it is another
/// object than the type asks for; only a name in `fields` is ever told.
pub fn read_json<T: DeserializeOwned>(
    bytes: &[u8],
    fields: &'static [&'static str],
) -> Result<T, Denial> {
    let text = std::str::from_utf8(bytes).map_err(|_| Denial::Json("utf8"))?;
    json::scan(text)?;
    read(text, fields)
}

/// Reads an object out of text that has passed [`json::scan`].
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    fields: &'static [&'static str],
) -> Result<T, Denial> {
    // serde takes an array for a struct, field by field; a client means an object or is wrong.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Denial::Schema { field: None, rule: "object" });
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let message = error.inner().to_string();
        let missing = message.strip_prefix("missing field `").and_then(|rest| {
            let name = rest.split('`').next()?;
            allowed(name, fields)
        });
        let rule = rule_of(&message);
        Denial::Schema { field: missing.or_else(|| field_at(error.path(), fields)), rule }
    })
}

/// The innermost name on the path that may be told.
fn field_at(
    path: &serde_path_to_error::Path,
    fields: &'static [&'static str],
) -> Option<&'static str> {
    let names = path.iter().filter_map(|segment| match segment {
        serde_path_to_error::Segment::Map { key } => allowed(key, fields),
        _ => None,
    });
    names.last()
}

fn allowed(name: &str, fields: &'static [&'static str]) -> Option<&'static str> {
    fields.iter().copied().find(|field| *field == name)
}

/// One word for the operator, out of what serde says.
fn rule_of(message: &str) -> &'static str {
    let words = [
        ("missing field", "missing"),
        ("unknown field", "unknown_field"),
        ("unknown variant", "choice"),
        ("invalid type", "type"),
    ];
    words.iter().find(|(start, _)| message.starts_with(start)).map_or("value", |(_, word)| word)
}
