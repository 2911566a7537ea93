//! `chat:history {roomId, before?, after?, limit?}`: reads a page of the messages of a room.
//! Never: messages for a user who is not a member when the page has been read.

use std::sync::Arc;

use portcullis_guard::{Access, Cleaner, Event, LoadState, Permit, Rate, Rule, field};
use portcullis_model::limits::INTEGER_MAX;
use portcullis_model::{Denial, RoomId};
use portcullis_server::{Context, Reply};
use portcullis_store::{HistoryRequest, MessageRow, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::chat::Chat;
use crate::view::MessageView;

/// Default number of messages in one response.
const LIMIT_DEFAULT: u32 = 50;
/// Most messages in one response.
const LIMIT_MAX: u32 = 100;
/// Most messages in one response while the server sheds load; `more` tells about the rest.
const LIMIT_SHEDDING: u32 = 20;
/// Most bytes of messages in one response: a quarter of the outbox of a connection.
const PAGE_MAX_BYTES: usize = 256 * 1024;

/// The payload. `before` and `after` are sequence numbers, which are excluded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ChatHistory {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
    #[serde(default, deserialize_with = "field::optional")]
    before: Option<u64>,
    #[serde(default, deserialize_with = "field::optional")]
    after: Option<u64>,
    #[serde(default, deserialize_with = "field::optional")]
    limit: Option<u32>,
}

impl Event for ChatHistory {
    const NAME: &'static str = "chat:history";
    const RULE: Rule = Rule {
        fields: &["roomId", "before", "after", "limit"],
        size_max_bytes: 512,
        rate: Some(Rate::per(60, 60_000)),
        access: Access::Member,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }

    fn clean(&mut self, _cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        self.check()
    }
}

impl ChatHistory {
    fn check(&self) -> Result<(), Denial> {
        let fault = |field, rule| Err(Denial::Schema { field: Some(field), rule });
        if self.before.is_some() && self.after.is_some() {
            return fault("after", "before_and_after");
        }
        if self.before.is_some_and(|seq| seq > INTEGER_MAX) {
            return fault("before", "integer_range");
        }
        if self.after.is_some_and(|seq| seq > INTEGER_MAX) {
            return fault("after", "integer_range");
        }
        match self.limit {
            Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => fault("limit", "limit_range"),
            Some(_) | None => Ok(()),
        }
    }

    fn direction(&self) -> Direction {
        if self.after.is_some() { Direction::Newer } else { Direction::Older }
    }
}

/// The direction of paging, which decides at which end a response is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From a sequence number towards the newest message.
    Newer,
    /// From the newest message, or a sequence number, towards the first.
    Older,
}

#[derive(Debug, Serialize)]
struct HistoryView {
    messages: Vec<Box<RawValue>>,
    more: bool,
}

/// Acknowledges with `messages`, ascending by `seq`, and whether there are `more` in this
/// direction.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<ChatHistory>,
    context: Context,
) -> Result<Reply, Denial> {
    let (user, payload, _envelope) = permit.into_parts();
    let direction = payload.direction();
    let is_shedding = context.gate.load() >= LoadState::Shedding;
    let most = if is_shedding { LIMIT_SHEDDING } else { LIMIT_MAX };
    let page = HistoryRequest {
        room: payload.room_id.clone(),
        before: payload.before,
        after: payload.after,
        limit: payload.limit.unwrap_or(LIMIT_DEFAULT).min(most),
    };
    let (rows, more) = chat.store.history(page).await.map_err(StoreError::into_denial)?;
    // The user can have been removed while the page was read.
    let room = context.directory.room(&payload.room_id);
    if !room.is_some_and(|room| room.is_member(&user.id)) {
        return Err(Denial::Forbidden("not_member"));
    }
    let is_external = |row: &MessageRow| context.directory.is_external(&row.user);
    Ok(Reply::fields(&fit(&rows, more, direction, PAGE_MAX_BYTES, is_external)?))
}

/// As many messages as fit, the nearest to the start of the page first; at least one.
fn fit(
    rows: &[MessageRow],
    more: bool,
    direction: Direction,
    max_bytes: usize,
    is_external: impl Fn(&MessageRow) -> bool,
) -> Result<HistoryView, Denial> {
    let mut messages = Vec::with_capacity(rows.len());
    let mut bytes = 0;
    let nearest_first: Box<dyn Iterator<Item = &MessageRow>> = match direction {
        Direction::Newer => Box::new(rows.iter()),
        Direction::Older => Box::new(rows.iter().rev()),
    };
    for row in nearest_first {
        let json = serde_json::value::to_raw_value(&MessageView::new(row, is_external(row)))
            .map_err(|_| Denial::Internal("history"))?;
        bytes += json.get().len();
        if bytes > max_bytes && !messages.is_empty() {
            break;
        }
        messages.push(json);
    }
    match direction {
        Direction::Newer => {}
        Direction::Older => messages.reverse(),
    }
    let more = more || messages.len() < rows.len();
    Ok(HistoryView { messages, more })
}

#[cfg(test)]
mod tests {
    use portcullis_model::{MessageId, UserId};

    use super::*;

    #[test]
    fn history_request_with_two_directions_or_out_of_range_is_rejected() {
        let cases = [
            ("", Some(Ok(()))),
            (r#","before":0"#, Some(Ok(()))),
            (r#","after":0,"limit":100"#, Some(Ok(()))),
            (r#","limit":1"#, Some(Ok(()))),
            (r#","limit":0"#, Some(Err("limit"))),
            (r#","limit":101"#, Some(Err("limit"))),
            (r#","before":1,"after":2"#, Some(Err("after"))),
            (r#","before":9007199254740992"#, Some(Err("before"))),
            (r#","before":-1"#, None),
            (r#","before":"1""#, None),
            (r#","before":null,"after":null,"limit":null"#, Some(Ok(()))),
            (r#","before":1.5"#, None),
            (r#","offset":1"#, None),
        ];
        for (members, expect) in cases {
            let json = format!(r#"{{"roomId":"r"{members}}}"#);
            let read = serde_json::from_str::<ChatHistory>(&json).ok();
            let checked = read
                .map(|payload| payload.check().map_err(|denial| denial.field().map(String::from)));
            let expect = expect.map(|fine| fine.map_err(|field: &str| Some(String::from(field))));
            assert_eq!(checked, expect, "{json}");
        }
    }

    fn rows(count: u64) -> Vec<MessageRow> {
        let row = |seq| MessageRow {
            id: MessageId::parse("m").unwrap(),
            seq,
            number: 7,
            room: RoomId::parse("r").unwrap(),
            user: UserId::parse("u").unwrap(),
            username: Arc::from("ann"),
            text: "x".repeat(1000),
            html: None,
            reply_to: None,
            sent_unix_ms: 1,
        };
        (1..=count).map(row).collect()
    }

    #[test]
    fn large_history_page_is_cut_at_its_far_end() {
        let cases = [
            (4, Direction::Newer, 1 << 20, vec![1, 2, 3, 4], false),
            (4, Direction::Older, 1 << 20, vec![1, 2, 3, 4], false),
            (4, Direction::Newer, 2_500, vec![1, 2], true),
            (4, Direction::Older, 2_500, vec![3, 4], true),
            (4, Direction::Older, 1, vec![4], true),
            (0, Direction::Newer, 1, vec![], false),
        ];
        for (count, direction, max_bytes, expect, more) in cases {
            let read = fit(&rows(count), false, direction, max_bytes, |_| false).unwrap();
            let seqs: Vec<u64> = read
                .messages
                .iter()
                .map(|json| {
                    let value: serde_json::Value = serde_json::from_str(json.get()).unwrap();
                    value["seq"].as_u64().unwrap()
                })
                .collect();
            assert_eq!((seqs, read.more), (expect, more), "{direction:?} {max_bytes}");
        }
        assert!(fit(&rows(1), true, Direction::Older, 1 << 20, |_| false).unwrap().more);
    }
}
