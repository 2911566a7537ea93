//! `chat:send {roomId, message, replyTo?}`: a member sends a message.
//! Never: raw text stored or delivered, only the output of the cleaner.

use std::sync::Arc;

use portcullis_guard::{Access, Cleaner, Event, Permit, Priority, Rate, Replay, Rule, field};
use portcullis_model::{Denial, MessageId, Now, RoomId};
use portcullis_server::{Context, Reply, random_id};
use portcullis_store::{AppendOutcome, NewMessage, StoreError, WriteFence};
use serde::{Deserialize, Serialize};

use crate::chat::Chat;

/// The payload. `message` is raw on arrival, and plain text after cleaning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ChatSend {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
    message: String,
    #[serde(default, deserialize_with = "field::optional_message_id")]
    reply_to: Option<MessageId>,
    #[serde(skip)]
    html: Option<String>,
}

impl Event for ChatSend {
    const NAME: &'static str = "chat:send";
    const RULE: Rule = Rule {
        fields: &["roomId", "message", "replyTo"],
        size_max_bytes: 10 * 1024,
        rate: Some(Rate::per(10, 60_000)),
        access: Access::Member,
        replay: Replay::Mid,
        speaks: true,
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };
    const STORES_MID: bool = true;

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        let clean = cleaner.message("message", &self.message)?;
        self.message = clean.text;
        self.html = clean.html;
        Ok(())
    }
}

#[derive(Serialize)]
struct SentView<'a> {
    id: &'a str,
    /// The same id again: in the plain WebSocket form, `id` is the id of the request.
    #[serde(rename = "messageId")]
    message_id: &'a str,
    seq: u64,
    timestamp: i64,
}

/// Acknowledges with `id`, `seq` and `timestamp` when the message is durable.
///
/// A repeated message (`mid`) gets the same acknowledgement and is not delivered again.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<ChatSend>,
    context: Context,
) -> Result<Reply, Denial> {
    let (lease, now) = (permit.lease(), context.now);
    let (user, payload, envelope) = permit.into_parts();
    let message = NewMessage {
        id: new_message_id(context.now)?,
        room: payload.room_id,
        user: user.id.clone(),
        username: user.name(),
        text: payload.message,
        html: payload.html,
        reply_to: payload.reply_to,
        mid: envelope.mid,
        digest: envelope.digest,
        sent_unix_ms: context.now.unix_ms,
        origin: context.connection.to_bits(),
        fence: Some(WriteFence::new(move || lease.may_send(now))),
    };
    match chat.store.append(message).await.map_err(StoreError::into_denial)? {
        AppendOutcome::Stored { id, seq, sent_unix_ms }
        | AppendOutcome::Repeated { id, seq, sent_unix_ms } => Ok(Reply::fields(&SentView {
            id: id.as_str(),
            message_id: id.as_str(),
            seq,
            timestamp: sent_unix_ms,
        })),
        AppendOutcome::Conflict => Err(Denial::MidConflict),
        AppendOutcome::Ended => Err(Denial::Forbidden("ended")),
        AppendOutcome::NotMember => Err(Denial::Forbidden("not_member")),
        AppendOutcome::ReplyMissing => {
            Err(Denial::Schema { field: Some("replyTo"), rule: "reply_missing" })
        }
    }
}

/// The time, which keeps inserts at the end of the index of the store, then 128 random bits.
fn new_message_id(now: Now) -> Result<MessageId, Denial> {
    let text = format!("{:012x}{}", now.unix_ms, random_id::<16>()?);
    MessageId::parse(&text).map_err(|_| Denial::Internal("message_id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_send_accepts_declared_fields_only() {
        let cases = [
            (r#"{"roomId":"r","message":"x"}"#, true),
            (r#"{"roomId":"r","message":"x","replyTo":"m"}"#, true),
            (r#"{"roomId":"r","message":"x","replyTo":"../m"}"#, false),
            (r#"{"roomId":"r","message":"x","html":"<b>x</b>"}"#, false),
            (r#"{"roomId":"r","message":"x","userId":"u"}"#, false),
            (r#"{"roomId":{"$gt":""},"message":"x"}"#, false),
            (r#"{"roomId":"r"}"#, false),
        ];
        for (json, fine) in cases {
            assert_eq!(serde_json::from_str::<ChatSend>(json).is_ok(), fine, "{json}");
        }
    }

    #[test]
    fn message_ids_sort_by_time_and_are_unique() {
        let at = |unix_ms| new_message_id(Now { monotonic_ms: 0, unix_ms }).unwrap();
        assert!(at(1_700_000_000_000) < at(1_700_000_000_001));
        assert!(at(999_999_999_999) < at(1_000_000_000_000));
        assert_ne!(at(5), at(5));
    }
}
