//! Installs all events of chat.
//! Never: the work of one event.

use std::sync::Arc;

use portcullis_guard::{Event, GateError, Permit};
use portcullis_model::Denial;
use portcullis_server::{Builder, Context, Reply, run_to_completion};
use portcullis_store::Store;

use crate::chat::{Chat, ChatOptions};
use crate::messages::{admin_broadcast, chat_history, chat_send, recovery_forward};
use crate::presence;
use crate::rooms::{
    room_create, room_delete, room_invite, room_join, room_kick, room_leave, room_list,
    room_members,
};
use crate::view::MemberChange;

/// Why chat cannot work; the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The rule of an event is invalid, or another product has declared the event.
    #[error("cannot declare an event of chat")]
    Rule(#[from] GateError),
}

/// Declares the events of chat and their handlers.
///
/// # Errors
/// [`ChatError`] when an event is already declared.
pub fn install(
    builder: &mut Builder,
    store: Arc<dyn Store>,
    options: ChatOptions,
) -> Result<(), ChatError> {
    let times = Arc::clone(&store);
    let help = "Time of a commit of the store, from its first change to the disk";
    builder.times("store_commit_seconds", help, move || times.commit_times());
    let chat = Arc::new(Chat { store, options });
    on_change(builder, &chat, room_create::handle)?;
    on_change(builder, &chat, room_join::handle)?;
    on_change(builder, &chat, room_leave::handle)?;
    on_change(builder, &chat, room_delete::handle)?;
    on_change(builder, &chat, room_invite::handle)?;
    on_change(builder, &chat, room_kick::handle)?;
    builder.on(room_list::handle)?;
    builder.on(room_members::handle)?;
    let shared = Arc::clone(&chat);
    builder.on(move |permit, context| chat_send::handle(Arc::clone(&shared), permit, context))?;
    let shared = Arc::clone(&chat);
    builder
        .on(move |permit, context| chat_history::handle(Arc::clone(&shared), permit, context))?;
    builder.on(admin_broadcast::handle)?;
    builder.on_unwatch(|hub, room, user| {
        presence::publish(hub, &room, &user, MemberChange::Offline);
    });
    builder.on_rewatch(|hub, room, user| {
        presence::publish(hub, &room, &user, MemberChange::Online);
    });
    let recover = move |recovering| recovery_forward::handle(Arc::clone(&chat), recovering);
    builder.namespace("/")?.on_recover(recover);
    Ok(())
}

/// Declares an event that changes rooms or members.
///
/// Its handler runs to its end, also when the client disconnects or the time of the handler is
/// over: a stored change has to be recorded. The queue of the store bounds the number of such
/// handlers.
fn on_change<E, H, F>(builder: &mut Builder, chat: &Arc<Chat>, handler: H) -> Result<(), ChatError>
where
    E: Event + Send + Sync,
    H: Fn(Arc<Chat>, Permit<E>, Context) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Denial>> + Send + 'static,
{
    let shared = Arc::clone(chat);
    builder.on(move |permit: Permit<E>, context| {
        run_to_completion(handler(Arc::clone(&shared), permit, context))
    })?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use portcullis_audit::Audit;
    use portcullis_guard::{Directory, DirectoryLimits, Gate, GateOptions};
    use portcullis_model::SystemClock;
    use portcullis_server::Options;
    use portcullis_store::{Change, CommitFeed, SqliteOptions, SqliteStore};

    use super::*;

    struct NoFeed;

    impl CommitFeed for NoFeed {
        fn committed(&mut self, _changes: &[Change]) {}
    }

    pub(crate) fn store(directory: &tempfile::TempDir) -> Arc<SqliteStore> {
        let path = directory.path().join("store.db");
        Arc::new(SqliteStore::open(&path, SqliteOptions::default(), Box::new(NoFeed)).unwrap())
    }

    #[test]
    fn every_event_rule_is_valid_and_can_be_declared_once() {
        let directory = tempfile::tempdir().unwrap();
        let options = GateOptions {
            hosts: vec![String::from("localhost")],
            origins: vec![String::from("https://localhost")],
            rate_keys_max: 1024,
            ..GateOptions::default()
        };
        let directory_of_gate = Arc::new(Directory::new(DirectoryLimits::default()));
        let gate = Gate::build(options, directory_of_gate).unwrap();
        let clock = Arc::new(SystemClock::start());
        let mut builder = Builder::new(Options::default(), gate, Audit::silent(), clock);
        let store = store(&directory);
        install(&mut builder, store.clone(), ChatOptions::default()).unwrap();
        assert!(install(&mut builder, store, ChatOptions::default()).is_err());
    }
}
