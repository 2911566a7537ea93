//! What a handler gets beside its permit, and what it gives back.
//! Never: a way to the client's data around the permit.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_audit::Audit;
use portcullis_guard::Directory;
use portcullis_model::{Clock, ConnectionId, Now};
use serde::Serialize;

use crate::hub::Hub;

/// The surroundings of one event.
#[derive(Clone)]
pub struct Context {
    /// The connection the event came on.
    pub connection: ConnectionId,
    /// The client's address.
    pub client: IpAddr,
    /// When the event was permitted.
    pub now: Now,
    /// The way to other connections.
    pub hub: Hub,
    /// For what happens later than `now`.
    pub clock: Arc<dyn Clock>,
    /// Where acts are recorded.
    pub audit: Audit,
    /// Users, rooms, memberships as they are now.
    pub directory: Arc<Directory>,
    /// How many rooms the connection hears.
    pub(crate) rooms: usize,
}

impl Context {
    /// How many rooms the connection hears; at most `ROOMS_PER_CONNECTION_MAX`.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms
    }
}

/// A handler's answer: becomes the acknowledgement when the client asked for one.
#[derive(Debug, Clone)]
pub struct Reply {
    json: String,
}

impl Reply {
    /// `{"ok":true}`.
    #[must_use]
    pub fn ok() -> Self {
        Self { json: String::from(r#"{"ok":true}"#) }
    }

    /// `{"ok":true, …}` with the members of an object.
    ///
    /// A value that does not serialise to an object adds nothing.
    pub fn fields<T: Serialize>(fields: &T) -> Self {
        let mut json = String::from(r#"{"ok":true"#);
        let object = serde_json::to_string(fields).unwrap_or_default();
        let members = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(members) = members.filter(|members| !members.is_empty()) {
            json.push(',');
            json.push_str(members);
        }
        json.push('}');
        Self { json }
    }

    pub(crate) fn json(&self) -> &str {
        &self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_join_ok() {
        #[derive(Serialize)]
        struct Sent {
            seq: u64,
        }
        assert_eq!(Reply::fields(&Sent { seq: 3 }).json(), r#"{"ok":true,"seq":3}"#);
        assert_eq!(Reply::fields(&[1]).json(), r#"{"ok":true}"#);
        assert_eq!(Reply::fields(&serde_json::json!({})).json(), Reply::ok().json());
    }
}
