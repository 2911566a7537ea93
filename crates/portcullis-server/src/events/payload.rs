//! The content of an event or acknowledgement for clients: JSON and binary attachments.
//! Never: a placeholder without its bytes.

use bytes::Bytes;
use portcullis_model::limits::ATTACHMENTS_MAX;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The arguments of an event that is sent.
///
/// ```
/// use portcullis_server::Payload;
///
/// let payload = Payload::of(&serde_json::json!({"name": "map"})).attach("image", vec![1, 2, 3]);
/// assert_eq!(payload.attachments().len(), 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Payload {
    arguments: String,
    attachments: Vec<Bytes>,
}

impl Payload {
    /// One argument. A value that cannot be serialized becomes `null`.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::raw(serde_json::to_string(value).unwrap_or_else(|_| String::from("null")))
    }

    /// Arguments that are already JSON: values separated by commas.
    pub(crate) fn raw(arguments: String) -> Self {
        Self { arguments, attachments: Vec::new() }
    }

    /// Arguments and attachments of a client's message that a guard has accepted.
    #[must_use]
    pub fn echo(arguments: &str, attachments: &[Bytes]) -> Self {
        Self { arguments: arguments.to_owned(), attachments: attachments.to_vec() }
    }

    /// Adds a binary member to the payload, which has to be an object.
    ///
    /// Adds nothing when the payload is not an object or has ten attachments.
    #[must_use]
    pub fn attach(mut self, name: &str, bytes: impl Into<Bytes>) -> Self {
        let object = serde_json::from_str::<Map<String, Value>>(&self.arguments);
        let number = self.attachments.len();
        if let (Ok(mut members), true) = (object, number < ATTACHMENTS_MAX) {
            let placeholder = json!({"_placeholder": true, "num": number});
            members.insert(String::from(name), placeholder);
            self.arguments = Value::Object(members).to_string();
            self.attachments.push(bytes.into());
        }
        self
    }

    /// The JSON values, separated by commas.
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The binary attachments, in the order their placeholders number them.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachment_becomes_a_placeholder_member() {
        let payload = Payload::of(&json!({"a": 1})).attach("b", vec![1]).attach("c", vec![2]);
        let value: Value = serde_json::from_str(payload.arguments()).unwrap();
        assert_eq!(value["b"], json!({"_placeholder": true, "num": 0}));
        assert_eq!(value["c"]["num"], 1);
        assert_eq!(payload.attachments(), [Bytes::from_static(&[1]), Bytes::from_static(&[2])]);
        let no_object = Payload::of(&[1]).attach("b", vec![1]);
        assert_eq!((no_object.arguments(), no_object.attachments().len()), ("[1]", 0));
    }
}
