//! What an event or acknowledgement carries to clients: JSON, and binary attachments beside it.
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
    /// One argument. A value that cannot be serialised becomes `null`.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        Self::raw(serde_json::to_string(value).unwrap_or_else(|_| String::from("null")))
    }

    /// Arguments that are JSON already: values with commas between them.
    pub(crate) fn raw(arguments: String) -> Self {
        Self { arguments, attachments: Vec::new() }
    }

    /// Arguments and attachments as a client sent them; what a guard has passed.
    #[must_use]
    pub fn echo(arguments: &str, attachments: &[Bytes]) -> Self {
        Self { arguments: arguments.to_owned(), attachments: attachments.to_vec() }
    }

    /// Adds a binary member to the payload, which has to be an object.
    ///
    /// Without an object to add to, and beyond ten attachments, nothing is added.
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

    /// The JSON values, with commas between them.
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
    fn attachments_become_members() {
        let payload = Payload::of(&json!({"a": 1})).attach("b", vec![1]).attach("c", vec![2]);
        let value: Value = serde_json::from_str(payload.arguments()).unwrap();
        assert_eq!(value["b"], json!({"_placeholder": true, "num": 0}));
        assert_eq!(value["c"]["num"], 1);
        assert_eq!(payload.attachments(), [Bytes::from_static(&[1]), Bytes::from_static(&[2])]);
        let no_object = Payload::of(&[1]).attach("b", vec![1]);
        assert_eq!((no_object.arguments(), no_object.attachments().len()), ("[1]", 0));
    }
}
