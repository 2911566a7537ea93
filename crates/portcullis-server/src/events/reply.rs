//! The answer of a handler.
//! Never: a member that the protocol writes itself.

use std::collections::HashMap;

use bytes::Bytes;
use memchr::memchr_iter;
use serde::Serialize;

use crate::events::payload::Payload;

/// The answer of a handler: the acknowledgement, when the client requested one.
#[derive(Debug, Clone)]
pub struct Reply {
    payload: Payload,
    /// The reason why it cannot be sent.
    fault: Option<&'static str>,
}

/// Members of an acknowledgement that the protocol writes itself.
const RESERVED_MEMBERS: [&str; 2] = ["ok", "error"];

impl Reply {
    /// `{"ok":true}`.
    #[must_use]
    pub fn ok() -> Self {
        Self::of(Payload::raw(String::from(r#"{"ok":true}"#)))
    }

    fn of(payload: Payload) -> Self {
        Self { payload, fault: None }
    }

    /// `{"ok":true, …}` with the members of an object.
    ///
    /// A value that does not serialize to an object adds nothing. The names `ok` and `error` belong
    /// to the protocol: an answer with one of them is not sent. The client reads `INTERNAL`, and
    /// the operational log has the reason; for a rejection return [`Denial::app`]. In the plain
    /// form `id` is the id of the request, so a member of that name does not arrive there.
    pub fn fields<T: Serialize>(fields: &T) -> Self {
        const OK: &[u8] = br#"{"ok":true"#;
        let mut json = OK.to_vec();
        let written = serde_json::to_writer(&mut json, fields);
        // The opening brace of the value becomes the comma.
        let is_object = json.get(OK.len()) == Some(&b'{');
        let is_empty = json.get(OK.len()..) == Some(b"{}".as_slice());
        if written.is_err() || !is_object || is_empty {
            return Self::ok();
        }
        if has_reserved(json.get(OK.len()..).unwrap_or_default()) {
            return Self { fault: Some("reply_reserved_member"), ..Self::ok() };
        }
        if let Some(brace) = json.get_mut(OK.len()) {
            *brace = b',';
        }
        String::from_utf8(json).map_or_else(|_| Self::ok(), |json| Self::of(Payload::raw(json)))
    }

    /// Arguments of any shape, for events without a payload type.
    #[must_use]
    pub fn arguments(payload: Payload) -> Self {
        Self::of(payload)
    }

    /// Adds a binary member. Its name must not be `ok` or `error`, as in [`Reply::fields`].
    #[must_use]
    pub fn attach(self, name: &str, bytes: impl Into<Bytes>) -> Self {
        let reserved = RESERVED_MEMBERS.contains(&name).then_some("reply_reserved_member");
        Self { payload: self.payload.attach(name, bytes), fault: self.fault.or(reserved) }
    }

    /// The first argument of the answer as JSON, for tests of handlers; `null` when it has none.
    ///
    /// # Panics
    /// If the answer cannot be sent, because it has a member of a reserved name.
    #[must_use]
    #[track_caller]
    pub fn value(&self) -> serde_json::Value {
        assert!(
            self.fault.is_none(),
            "the reply has a member \"ok\" or \"error\", which are reserved: it is not sent"
        );
        let arguments = format!("[{}]", self.payload.arguments());
        let arguments: Vec<serde_json::Value> =
            serde_json::from_str(&arguments).unwrap_or_default();
        arguments.into_iter().next().unwrap_or_default()
    }

    pub(crate) fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The reason why it must not be sent, in one word.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.fault
    }
}

/// Whether an object has a reserved member. It is parsed only if such a name occurs at any depth.
fn has_reserved(json: &[u8]) -> bool {
    let is_name = |colon: usize| {
        let quoted = json.get(..colon).and_then(|before| before.strip_suffix(b"\""));
        let ends_with = |name: &str| {
            let opening = quoted.and_then(|quoted| quoted.strip_suffix(name.as_bytes()));
            opening.is_some_and(|opening| opening.ends_with(b"\""))
        };
        RESERVED_MEMBERS.iter().any(|name| ends_with(name))
    };
    if !memchr_iter(b':', json).any(is_name) {
        return false;
    }
    let members = serde_json::from_slice::<HashMap<String, serde::de::IgnoredAny>>(json);
    members.is_ok_and(|members| RESERVED_MEMBERS.iter().any(|name| members.contains_key(*name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_fields_follow_ok() {
        #[derive(Serialize)]
        struct SendReply {
            seq: u64,
        }
        let json = |reply: Reply| reply.payload().arguments().to_owned();
        assert_eq!(json(Reply::fields(&SendReply { seq: 3 })), r#"{"ok":true,"seq":3}"#);
        assert_eq!(json(Reply::fields(&[1])), r#"{"ok":true}"#);
        assert_eq!(json(Reply::fields(&serde_json::json!({}))), json(Reply::ok()));
        let nested = serde_json::json!({"id": 1, "text": "\"ok\":", "inner": {"ok": 1}});
        assert_eq!(Reply::fields(&nested).fault(), None);
    }

    #[test]
    fn reply_with_a_reserved_member_is_a_fault_without_fields() {
        let reserved = [
            Reply::fields(&serde_json::json!({"ok": false})),
            Reply::fields(&serde_json::json!({"a": 1, "error": "x"})),
            Reply::ok().attach("ok", vec![1]),
        ];
        for reply in reserved {
            assert_eq!(reply.fault(), Some("reply_reserved_member"));
        }
        let reply = Reply::fields(&serde_json::json!({"ok": false}));
        assert_eq!(reply.payload().arguments(), r#"{"ok":true}"#);
    }
}
