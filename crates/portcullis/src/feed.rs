//! From commits to every product: each says what a change means, in the order of the commits.
//! Never: a delivery before its commit.

use std::sync::{Arc, OnceLock};

use portcullis_accounts::AccountFeed;
use portcullis_audit::Audit;
use portcullis_guard::Directory;
use portcullis_server::Hub;
use portcullis_store::{Change, CommitFeed, StoreSnapshot};

/// Hears of commits: first the directory learns of a batch, then every shard.
///
/// The store opens before the server, so the hub is attached later, through any clone. What is
/// committed before that reaches the directory alone: nobody is connected yet.
#[derive(Clone)]
pub(crate) struct Feed {
    directory: Arc<Directory>,
    accounts: AccountFeed,
    hub: Arc<OnceLock<Hub>>,
}

impl Feed {
    /// A feed that changes this directory.
    pub(crate) fn new(directory: Arc<Directory>, accounts: AccountFeed) -> Self {
        Self { directory, accounts, hub: Arc::default() }
    }

    /// Fills the directory before the server starts.
    pub(crate) fn load(&self, loaded: &StoreSnapshot) {
        self.accounts.load(loaded);
        portcullis_chat::load(loaded, &self.directory);
    }

    /// Says where to deliver and record from now on; what is attached first stays.
    pub(crate) fn attach(&self, hub: Hub, audit: Audit) {
        self.accounts.attach(audit);
        let _first_stays = self.hub.set(hub);
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
