//! What the events share, and where they are installed.
//! Never: an event's own work.

use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Directory, GateError, Permit, User};
use portcullis_model::{Denial, RoomId, Severity};
use portcullis_server::{Builder, Context};
use portcullis_store::{Store, StoreError};

use crate::admin_broadcast::{self, AdminBroadcast};
use crate::chat_history::{self, ChatHistory};
use crate::chat_send::{self, ChatSend};
use crate::room_create::{self, RoomCreate};
use crate::room_delete::{self, RoomDelete};
use crate::room_join::{self, RoomJoin};
use crate::room_leave::{self, RoomLeave};
use crate::room_list::{self, RoomList};
use crate::room_members::{self, RoomMembers};
use crate::{feed, presence};

/// How chat works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatOptions {
    /// Rooms one user may own.
    pub rooms_per_user_max: u32,
    /// Members one room may have.
    pub members_per_room_max: u32,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self { rooms_per_user_max: 100, members_per_room_max: 10_000 }
    }
}

/// Why chat cannot work; the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// An event's rule is not sound, or another product has the event already.
    #[error("an event of chat cannot be declared")]
    Rule(#[from] GateError),
}

/// What the events share.
pub(crate) struct Chat {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: ChatOptions,
}

/// Declares the events of chat and what handles them.
///
/// # Errors
/// [`ChatError`] when an event is declared already.
pub fn install(
    builder: &mut Builder,
    store: Arc<dyn Store>,
    options: ChatOptions,
) -> Result<(), ChatError> {
    let chat = Arc::new(Chat { store, options });
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomCreate>, context| {
        room_create::handle(Arc::clone(&shared), permit, context)
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomJoin>, context| {
        room_join::handle(Arc::clone(&shared), permit, context)
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomLeave>, context| {
        room_leave::handle(Arc::clone(&shared), permit, context)
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomDelete>, context| {
        room_delete::handle(Arc::clone(&shared), permit, context)
    })?;
    builder.on(|permit: Permit<RoomList>, context| room_list::handle(permit, context))?;
    builder.on(|permit: Permit<RoomMembers>, context| room_members::handle(permit, context))?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<ChatSend>, context| {
        chat_send::handle(Arc::clone(&shared), permit, context)
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<ChatHistory>, context| {
        chat_history::handle(Arc::clone(&shared), permit, context)
    })?;
    builder
        .on(|permit: Permit<AdminBroadcast>, context| admin_broadcast::handle(permit, context))?;
    builder.on_unwatch(|hub, room, user| presence::went_offline(hub, &room, &user));
    Ok(())
}

/// Fills the directory with everything stored, before the server starts.
///
/// Rooms come before their members. What the directory has no space for is refused later on, and
/// logged here.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn load(store: &dyn Store, directory: &Directory) -> Result<(), StoreError> {
    let loaded = store.load().await?;
    let mut left_out = 0_usize;
    for user in &loaded.users {
        left_out += usize::from(!directory.put_user(feed::user_facts(user)));
    }
    for room in &loaded.rooms {
        left_out += usize::from(!directory.put_room(feed::room_facts(room)));
    }
    for (room, user) in &loaded.members {
        left_out += usize::from(!directory.add_member(room, user));
    }
    if left_out > 0 {
        tracing::error!(
            left_out,
            "the directory is full: some users, rooms or members are refused"
        );
    }
    Ok(())
}

/// What the client hears of a store that fails; the operator finds the cause in the log.
pub(crate) fn store_denial(error: &StoreError) -> Denial {
    match error {
        StoreError::Busy | StoreError::Closed => Denial::Overloaded,
        StoreError::InUse(_)
        | StoreError::SchemaNewer { .. }
        | StoreError::Corrupt(_)
        | StoreError::File { .. }
        | StoreError::Database(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "the store failed");
            Denial::Internal("store")
        }
    }
}

/// Records what a user did to a room, or to everyone.
pub(crate) fn record_act(
    context: &Context,
    user: &User,
    code: &'static str,
    event: &'static str,
    room: Option<&RoomId>,
) {
    let mut record = Record::new(code, Severity::Warning);
    record.outcome = Outcome::Success;
    record.client = Some(context.client);
    record.user = Some(user.id.clone());
    record.user_name = Some(user.name().to_string());
    record.connection = Some(context.connection);
    record.event = Some(String::from(event));
    record.detail = room.map(|room| format!("room {room}"));
    context.audit.record(record, context.now);
}
