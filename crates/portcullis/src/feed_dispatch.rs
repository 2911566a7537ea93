//! Forwards committed changes to accounts and chat, in the order of the commits.
//! Never: a delivery before its commit.

use std::sync::{Arc, OnceLock};

use portcullis_accounts::AccountFeed;
use portcullis_audit::Audit;
use portcullis_guard::Directory;
use portcullis_server::Hub;
use portcullis_store::{Change, CommitFeed, StoreSnapshot};

/// Applies committed changes: first to the directory, then to every shard.
///
/// The store opens before the server, so the hub is attached later, through any clone. Earlier
/// commits change the directory alone: no client is connected yet.
#[derive(Clone)]
pub(crate) struct Feed {
    directory: Arc<Directory>,
    accounts: AccountFeed,
    hub: Arc<OnceLock<Hub>>,
}

impl Feed {
    /// Creates a feed for a directory.
    pub(crate) fn new(directory: Arc<Directory>, accounts: AccountFeed) -> Self {
        Self { directory, accounts, hub: Arc::default() }
    }

    /// Fills the directory before the server starts.
    pub(crate) fn load(&self, loaded: &StoreSnapshot) {
        self.accounts.load(loaded);
        portcullis_chat::load(loaded, &self.directory);
    }

    /// Sets the hub and the security log; a second call changes nothing.
    pub(crate) fn attach(&self, hub: Hub, audit: Audit) {
        self.accounts.attach(audit);
        let _already_set = self.hub.set(hub);
    }
}

impl CommitFeed for Feed {
    fn committed(&mut self, changes: &[Change]) {
        let mut deltas = Vec::with_capacity(changes.len() + 4);
        for change in changes {
            self.accounts.apply(change, &mut deltas);
            portcullis_chat::apply(&self.directory, change, &mut deltas);
        }
        match self.hub.get() {
            Some(hub) if !deltas.is_empty() => hub.deliver_blocking(deltas),
            Some(_) | None => {}
        }
    }
}
