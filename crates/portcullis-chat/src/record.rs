//! Security records of chat events.
//! Never: the text of a message.

use portcullis_audit::{Outcome, Record};
use portcullis_guard::User;
use portcullis_model::{Code, RoomId, UserId};
use portcullis_server::Context;

/// Records a change that a user has made to a room, or a broadcast.
pub(crate) fn record_success(
    context: &Context,
    user: &User,
    code: Code,
    event: &'static str,
    room: Option<&RoomId>,
    target: Option<&UserId>,
) {
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.client = Some(context.client);
    record.user = Some(user.id.clone());
    record.user_name = Some(user.name().to_string());
    record.connection = Some(context.connection);
    record.event = Some(String::from(event));
    record.target = target.cloned();
    record.labels.extend(room.map(|room| ("room", room.to_string())));
    context.audit.record(record, context.now);
}
