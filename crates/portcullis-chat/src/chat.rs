//! What the events share, and where they are installed.
//! Never: an event's own work.

use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Charge, Directory, GateError, Party, Permit, Relation, Table, User};
use portcullis_model::{Code, Deadline, Denial, RoomId, UserId};
use portcullis_server::{Builder, Context, Reply};
use portcullis_store::{RoomSnapshot, Store, StoreSnapshot};

use crate::messages::admin_broadcast::{self, AdminBroadcast};
use crate::messages::chat_history::{self, ChatHistory};
use crate::messages::chat_send::{self, ChatSend};
use crate::messages::recover;
use crate::rooms::room_create::{self, RoomCreate};
use crate::rooms::room_delete::{self, RoomDelete};
use crate::rooms::room_invite::{self, RoomInvite};
use crate::rooms::room_join::{self, RoomJoin};
use crate::rooms::room_kick::{self, RoomKick};
use crate::rooms::room_leave::{self, RoomLeave};
use crate::rooms::room_list::{self, RoomList};
use crate::rooms::room_members::{self, RoomMembers};
use crate::view::MemberChange;
use crate::{feed, presence};

/// How chat works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatOptions {
    /// Rooms one user may own.
    pub rooms_per_user_max: u32,
    /// Members one room may have.
    pub members_per_room_max: u32,
    /// Rooms one user may be a member of.
    pub memberships_per_user_max: u32,
    /// Users a room may have asked in, or keep out, at a time.
    pub standing_per_room_max: u32,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            rooms_per_user_max: 100,
            members_per_room_max: 10_000,
            memberships_per_user_max: 5_000,
            standing_per_room_max: 1_000,
        }
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
        to_the_end(room_create::handle(Arc::clone(&shared), permit, context))
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomJoin>, context| {
        to_the_end(room_join::handle(Arc::clone(&shared), permit, context))
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomLeave>, context| {
        to_the_end(room_leave::handle(Arc::clone(&shared), permit, context))
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomDelete>, context| {
        to_the_end(room_delete::handle(Arc::clone(&shared), permit, context))
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomInvite>, context| {
        to_the_end(room_invite::handle(Arc::clone(&shared), permit, context))
    })?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit: Permit<RoomKick>, context| {
        to_the_end(room_kick::handle(Arc::clone(&shared), permit, context))
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
    builder.on_unwatch(|hub, room, user| {
        presence::tell(hub, &room, &user, MemberChange::Offline);
    });
    builder.on_rewatch(|hub, room, user| {
        presence::tell(hub, &room, &user, MemberChange::Online);
    });
    builder.namespace("/")?.on_recover(move |back| recover::handle(Arc::clone(&chat), back));
    Ok(())
}

/// Runs a handler to its end, also when the client hangs up or the handler's time is over.
///
/// What changed who may do what is recorded after it is stored, so neither may be cut off. As many
/// run on their own as the store has places in its queue.
async fn to_the_end<F>(handler: F) -> Result<Reply, Denial>
where
    F: Future<Output = Result<Reply, Denial>> + Send + 'static,
{
    // Its own task still has the request's deadline.
    tokio::spawn(Deadline::inherit(handler)).await.map_err(|_| Denial::Internal("handler"))?
}

/// Fills the directory with rooms and who belongs to them, after its users.
///
/// All of it is in force, also what exceeds the limits of the directory.
pub fn load(loaded: &StoreSnapshot, directory: &Directory) {
    // The most active first, as they are listed: none has to move for the next one.
    let mut rooms: Vec<&RoomSnapshot> = loaded.rooms.iter().collect();
    rooms.sort_unstable_by_key(|room| std::cmp::Reverse(room.active_unix_ms));
    for RoomSnapshot { room, active_unix_ms } in rooms {
        let charge = Charge { party: Party::NOBODY, active_unix_ms: *active_unix_ms };
        directory.put_charged_room(feed::room_facts(room), charge);
    }
    for (room, user) in &loaded.members {
        directory.add_member(room, user);
    }
    for (room, user) in &loaded.invited {
        directory.invite(room, user, Party::NOBODY);
    }
    for (room, user) in &loaded.barred {
        directory.bar(room, user, Party::NOBODY);
    }
}

impl Chat {
    /// Checks that a user may have one more membership, before it is stored; what the user is to
    /// the room says whether it takes more space.
    pub(crate) fn check_membership(
        &self,
        context: &Context,
        user: &User,
        relation: Relation,
    ) -> Result<(), Denial> {
        let most = usize::try_from(self.options.memberships_per_user_max).unwrap_or(usize::MAX);
        if context.directory.membership_count(&user.id) >= most {
            return Err(Denial::RoomLimit("memberships_per_user"));
        }
        match relation {
            Relation::Invited | Relation::Barred => Ok(()),
            Relation::None | Relation::Member | Relation::Owner => {
                context.directory.check_space(Table::Memberships, Party::of(context.client))
            }
        }
    }
}

/// Records what a user did to a room, or to everyone.
pub(crate) fn record_act(
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

#[cfg(test)]
mod tests {
    use portcullis_audit::Audit;
    use portcullis_guard::{DirectoryLimits, Gate, GateOptions};
    use portcullis_model::{Roles, SystemClock, UserId};
    use portcullis_server::Options;
    use portcullis_store::{
        AccountStore, Change, CommitFeed, InviteRequest, NewRoom, NewUser, SqliteOptions,
        SqliteStore, Visibility,
    };

    use super::*;

    struct Deaf;

    impl CommitFeed for Deaf {
        fn committed(&mut self, _changes: &[Change]) {}
    }

    fn store(directory: &tempfile::TempDir) -> Arc<SqliteStore> {
        let path = directory.path().join("store.db");
        Arc::new(SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap())
    }

    #[test]
    fn every_rule_is_sound_and_declared_once() {
        let directory = tempfile::tempdir().unwrap();
        let options = GateOptions {
            hosts: vec![String::from("localhost")],
            origins: vec![String::from("https://localhost")],
            rate_keys_max: 1024,
            ..GateOptions::default()
        };
        let live = Arc::new(Directory::new(DirectoryLimits::default()));
        let gate = Gate::build(options, live).unwrap();
        let clock = Arc::new(SystemClock::start());
        let mut builder = Builder::new(Options::default(), gate, Audit::silent(), clock);
        let store = store(&directory);
        install(&mut builder, store.clone(), ChatOptions::default()).unwrap();
        assert!(install(&mut builder, store, ChatOptions::default()).is_err());
    }

    #[tokio::test]
    async fn the_directory_is_filled_from_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        let (ann, room) = (UserId::parse("ann").unwrap(), RoomId::parse("tea").unwrap());
        let bob = UserId::parse("bob").unwrap();
        for (id, name) in [(&ann, "Ann"), (&bob, "Bob")] {
            let user = NewUser {
                id: id.clone(),
                username: Arc::from(name),
                password_phc: None,
                issuer: None,
                subject: None,
                roles: Roles::user(),
                created_unix_ms: 1,
                setup: false,
                invitation: None,
                roles_follow: false,
            };
            store.create_user(user).await.unwrap();
        }
        let tea = NewRoom {
            id: room.clone(),
            name: Arc::from("Tea"),
            visibility: Visibility::Private,
            owner: ann.clone(),
            created_unix_ms: 1,
            origin: 0,
            rooms_per_user_max: 1,
            party: 0,
            fence: None,
        };
        store.create_room(tea).await.unwrap();
        let (user, by) = (bob.clone(), ann.clone());
        let room_id = room.clone();
        let ask =
            InviteRequest { room: room_id, user, by, anywhere: false, invited_max: 1, party: 0 };
        store.invite_to_room(ask).await.unwrap();

        let loaded = store.load().await.unwrap();
        let live = Directory::new(DirectoryLimits::default());
        load(&loaded, &live);
        let found = live.room(&room).unwrap();
        assert!(found.is_member(&ann) && found.owner() == ann);
        assert_eq!(found.relation(&bob), portcullis_guard::Relation::Invited);
        assert_eq!(found.visibility(), portcullis_guard::Visibility::Private);

        // Stored entries are in force, also beyond the limit.
        let limits = DirectoryLimits { rooms_max: 0, memberships_max: 0, ..Default::default() };
        let small = Directory::new(limits);
        load(&loaded, &small);
        assert!(small.room(&room).unwrap().is_member(&ann));
        assert!(small.check_space(Table::Rooms, Party::NOBODY).is_err());
    }
}
