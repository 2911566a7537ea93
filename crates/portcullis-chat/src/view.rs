//! Rooms and messages as clients see them.
//! Never: a field that a client must not read.

use std::sync::Arc;

use portcullis_guard::Room;
use portcullis_model::{RoomId, UserId, Visibility};
use portcullis_store::MessageRow;
use serde::{Deserialize, Serialize};

/// The visibility of a room, as a word in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub(crate) enum VisibilityWord {
    /// All signed-in users can find the room.
    Public,
    /// Only members can find the room.
    Private,
}

/// Not derived: a derived enum would also accept `{"public": null}`.
impl TryFrom<String> for VisibilityWord {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.as_str() {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            _ => Err("the visibility is public or private"),
        }
    }
}

impl From<Visibility> for VisibilityWord {
    fn from(stored: Visibility) -> Self {
        match stored {
            Visibility::Public => Self::Public,
            Visibility::Private => Self::Private,
        }
    }
}

impl From<VisibilityWord> for Visibility {
    fn from(word: VisibilityWord) -> Self {
        match word {
            VisibilityWord::Public => Self::Public,
            VisibilityWord::Private => Self::Private,
        }
    }
}

/// A room in an acknowledgement.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RoomView {
    pub(crate) id: String,
    pub(crate) name: Arc<str>,
    pub(crate) owner_id: String,
    pub(crate) visibility: VisibilityWord,
    /// Whether the user of the request is a member; only in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<bool>,
}

impl RoomView {
    pub(crate) fn new(room: &Room) -> Self {
        Self {
            id: room.id.to_string(),
            name: room.name(),
            owner_id: room.owner().to_string(),
            visibility: room.visibility().into(),
            member: None,
        }
    }
}

/// A message, in `chat:message` and in the history. Times are in milliseconds since 1970.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageView<'a> {
    id: &'a str,
    seq: u64,
    room_id: &'a str,
    user_id: &'a str,
    username: &'a str,
    /// Whether the user belongs to another issuer.
    #[serde(skip_serializing_if = "is_false")]
    external: bool,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<&'a str>,
    timestamp: i64,
}

impl<'a> MessageView<'a> {
    pub(crate) fn new(row: &'a MessageRow, external: bool) -> Self {
        Self {
            id: row.id.as_str(),
            seq: row.seq,
            room_id: row.room.as_str(),
            user_id: row.user.as_str(),
            username: &row.username,
            external,
            message: &row.text,
            html: row.html.as_deref(),
            reply_to: row.reply_to.as_ref().map(portcullis_model::MessageId::as_str),
            timestamp: row.sent_unix_ms,
        }
    }
}

/// A change of a member, as a word in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MemberChange {
    /// The user is a member now.
    Joined,
    /// The user is no longer a member.
    Left,
    /// A connection of the member receives the messages of the room.
    Online,
    /// No connection of the member receives them any more.
    Offline,
}

/// The payload of `room:member`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberView<'a> {
    room_id: &'a str,
    user_id: &'a str,
    username: &'a str,
    /// Whether the user belongs to another issuer.
    #[serde(skip_serializing_if = "is_false")]
    external: bool,
    change: MemberChange,
    /// Whether the user joined because of an invitation by a moderator or administrator.
    #[serde(skip_serializing_if = "is_false")]
    by_role: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> MemberView<'a> {
    pub(crate) fn new(
        room: &'a RoomId,
        user: &'a UserId,
        username: &'a str,
        change: MemberChange,
        external: bool,
    ) -> Self {
        let (room_id, user_id) = (room.as_str(), user.as_str());
        Self { room_id, user_id, username, external, change, by_role: false }
    }

    /// Sets whether the invitation came from a moderator or administrator.
    pub(crate) fn by_role(self, by_role: bool) -> Self {
        Self { by_role, ..self }
    }
}

/// The payload of `room:deleted`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeletedView<'a> {
    pub(crate) room_id: &'a str,
}

#[cfg(test)]
mod tests {
    use portcullis_model::MessageId;

    use super::*;

    fn check<T: Serialize>(view: &T, expect: &str) {
        assert_eq!(serde_json::to_string(view).unwrap(), expect);
    }

    fn row() -> MessageRow {
        MessageRow {
            id: MessageId::parse("m1").unwrap(),
            seq: 7,
            number: 7,
            room: RoomId::parse("r1").unwrap(),
            user: UserId::parse("u1").unwrap(),
            username: Arc::from("ann"),
            text: String::from("a < \"b\""),
            html: None,
            reply_to: None,
            sent_unix_ms: 1_700_000_000_123,
        }
    }

    #[test]
    fn views_serialize_to_the_documented_payloads() {
        check(
            &MessageView::new(&row(), false),
            concat!(
                r#"{"id":"m1","seq":7,"roomId":"r1","userId":"u1","username":"ann","#,
                r#""message":"a < \"b\"","timestamp":1700000000123}"#
            ),
        );
        let formatted = MessageRow {
            html: Some(String::from("<b>x</b>")),
            reply_to: Some(MessageId::parse("m0").unwrap()),
            text: String::from("x"),
            ..row()
        };
        check(
            &MessageView::new(&formatted, false),
            concat!(
                r#"{"id":"m1","seq":7,"roomId":"r1","userId":"u1","username":"ann","#,
                r#""message":"x","html":"<b>x</b>","replyTo":"m0","timestamp":1700000000123}"#
            ),
        );
        let (room, user) = (RoomId::parse("r1").unwrap(), UserId::parse("u1").unwrap());
        check(
            &MemberView::new(&room, &user, "ann", MemberChange::Offline, false),
            r#"{"roomId":"r1","userId":"u1","username":"ann","change":"offline"}"#,
        );
        let joined = MemberView::new(&room, &user, "ann", MemberChange::Joined, true);
        check(
            &joined.by_role(true),
            concat!(
                r#"{"roomId":"r1","userId":"u1","username":"ann","external":true,"#,
                r#""change":"joined","byRole":true}"#
            ),
        );
        check(&DeletedView { room_id: "r1" }, r#"{"roomId":"r1"}"#);
        let view = RoomView {
            id: String::from("r1"),
            name: Arc::from("Tea"),
            owner_id: String::from("u1"),
            visibility: VisibilityWord::Private,
            member: None,
        };
        check(&view, r#"{"id":"r1","name":"Tea","owner_id":"u1","visibility":"private"}"#);
    }

    #[test]
    fn visibility_accepts_two_exact_words_only() {
        for word in ["\"Public\"", "\"public \"", "0", "null", "[\"public\"]", "{\"public\":null}"]
        {
            assert!(serde_json::from_str::<VisibilityWord>(word).is_err(), "{word}");
        }
        let word = serde_json::from_str::<VisibilityWord>("\"public\"").unwrap();
        assert_eq!(word, VisibilityWord::Public);
    }
}
