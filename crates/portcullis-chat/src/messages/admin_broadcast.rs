//! `admin:broadcast {message}`: an administrator sends an announcement to all signed-in users.
//! Never: markup; an announcement is plain text.

use portcullis_guard::{Access, Cleaner, Event, Permit, Priority, Rate, Rule};
use portcullis_model::{Code, Denial, Role};
use portcullis_server::{Context, Delta, Frame, Reply};
use serde::{Deserialize, Serialize};

use crate::record::record_success;

/// The payload. `message` is raw on arrival, and plain text after cleaning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminBroadcast {
    message: String,
}

impl Event for AdminBroadcast {
    const NAME: &'static str = "admin:broadcast";
    const RULE: Rule = Rule {
        fields: &["message"],
        size_max_bytes: 10 * 1024,
        rate: Some(Rate::per(10, 60_000)),
        access: Access::Role(Role::Admin),
        sensitive: true,
        speaks: true,
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        self.message = cleaner.message("message", &self.message)?.text;
        Ok(())
    }
}

#[derive(Serialize)]
struct AnnouncementView<'a> {
    message: &'a str,
    timestamp: i64,
}

/// Acknowledges with `ok` when every shard has got the announcement.
pub(crate) async fn handle(
    permit: Permit<AdminBroadcast>,
    context: Context,
) -> Result<Reply, Denial> {
    let timestamp = context.now.unix_ms;
    let announcement = AnnouncementView { message: &permit.payload().message, timestamp };
    let json =
        serde_json::to_string(&announcement).map_err(|_| Denial::Internal("announcement"))?;
    // Recorded first: when the queue of one shard is full, others have got the announcement.
    record_success(&context, permit.user(), Code::AuthzAdmin, AdminBroadcast::NAME, None, None);
    let frame = Frame::event("announcement", &json);
    context.hub.try_deliver(Delta::Announce { frame }).map_err(|_| Denial::Overloaded)?;
    Ok(Reply::ok())
}
