//! What committed changes of people mean: the directory learns of them, then every shard.
//! Never: a session or a right that outlives its commit.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use portcullis_audit::Audit;
use portcullis_guard::{Directory, RevocationName, SessionFacts, UserFacts, Withdrawn};
use portcullis_model::{Clock, Now, Role, UserId};
use portcullis_server::Delta;
use portcullis_store::{
    Authority, Change, Loaded, Revocation, RevocationKind, SessionRow, UserRow,
};

use crate::outside;

/// Turns changes of people into what the directory and the shards have to know.
#[derive(Clone)]
pub struct AccountFeed {
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    admins_need_totp: bool,
    audit: Arc<OnceLock<Audit>>,
}

impl AccountFeed {
    /// A feed that changes this directory; `admins_need_totp` as in [`crate::AccountOptions`].
    #[must_use]
    pub fn new(directory: Arc<Directory>, clock: Arc<dyn Clock>, admins_need_totp: bool) -> Self {
        Self { directory, clock, admins_need_totp, audit: Arc::default() }
    }

    /// Says where to record what others did to the store; the first log attached stays.
    ///
    /// The store opens before the log does, which lies beside it; nothing is told before the first
    /// recheck, which runs in a started server.
    pub fn attach(&self, audit: Audit) {
        let _first_stays = self.audit.set(audit);
    }

    /// Fills the directory before the server starts.
    pub fn load(&self, loaded: &Loaded) {
        let now = self.clock.now();
        for user in &loaded.users {
            self.directory.apply_user(self.user_facts(user));
        }
        for session in &loaded.sessions {
            self.directory.put_session(session_facts(session));
        }
        self.directory.authority().evicted_until(loaded.revocations_ended_unix_ms);
        for revocation in &loaded.revocations {
            self.withdraw(revocation, now);
        }
    }

    /// Changes the directory and says what the shards have to do.
    pub fn apply(&self, change: &Change, deltas: &mut Vec<Delta>) {
        match change {
            Change::User(row) => {
                let known = self.directory.user(&row.id).is_some();
                self.directory.apply_user(self.user_facts(row));
                if known {
                    recheck(&row.id, deltas);
                }
            }
            Change::Session(row) => self.directory.put_session(session_facts(row)),
            Change::SessionEnded { session, user } => {
                self.directory.end_session(session);
                recheck(user, deltas);
            }
            Change::Revoked(revocation) => {
                self.withdraw(revocation, self.clock.now());
                deltas.push(Delta::RecheckAll);
            }
            Change::Authority(authority) => {
                self.take_over(authority);
                deltas.push(Delta::RecheckAll);
            }
            Change::Operator(act) => {
                if let Some(audit) = self.audit.get() {
                    outside::record_act(audit, act, self.clock.now());
                }
            }
            Change::RoomCreated { .. }
            | Change::Joined { .. }
            | Change::Left { .. }
            | Change::RoomDeleted { .. }
            | Change::Message { .. }
            | Change::Resumed { .. }
            | Change::Invited { .. }
            | Change::Barred { .. } => {}
        }
    }

    /// All there is, as somebody else has left it: what is not in it is over.
    fn take_over(&self, authority: &Authority) {
        let now = self.clock.now();
        for user in &authority.users {
            let facts = self.user_facts(user);
            if let (Some(audit), Some(known)) = (self.audit.get(), self.directory.user(&user.id)) {
                outside::record_gain(audit, &known, &facts, now);
            }
            self.directory.apply_user(facts);
        }
        let users = authority.users.iter().map(|user| user.id.clone()).collect();
        self.directory.end_users_beside(&users);
        for session in &authority.sessions {
            self.directory.put_session(session_facts(session));
        }
        let standing: HashSet<_> =
            authority.sessions.iter().map(|session| session.id.clone()).collect();
        self.directory.end_sessions_beside(&standing);
        self.directory.authority().evicted_until(authority.revocations_ended_unix_ms);
        for revocation in &authority.revocations {
            self.withdraw(revocation, now);
        }
    }

    fn withdraw(&self, revocation: &Revocation, now: Now) {
        let kind = match revocation.kind {
            RevocationKind::Token => Withdrawn::Token,
            RevocationKind::Session => Withdrawn::Session,
        };
        let Revocation { issuer, name, until_unix_ms, .. } = revocation;
        let what = RevocationName { issuer, kind, name };
        self.directory.authority().withdraw(what, *until_unix_ms, now);
    }

    /// A user as decisions see them. An administrator who lacks a second factor where one is asked
    /// for is none: whoever has the password alone can add nothing but that factor.
    fn user_facts(&self, row: &UserRow) -> UserFacts {
        let totp_missing = self.admins_need_totp
            && !row.foreign
            && !row.has_totp
            && row.roles.contains(Role::Admin);
        UserFacts {
            id: row.id.clone(),
            name: row.username.to_string(),
            roles: if totp_missing { row.roles.without(Role::Admin) } else { row.roles },
            disabled: row.disabled,
            valid_after_unix_ms: row.valid_after_unix_ms,
            banned_until_unix_ms: row.banned_until_unix_ms,
            muted_until_unix_ms: row.muted_until_unix_ms,
            totp_missing,
            external: row.foreign,
        }
    }
}

fn recheck(user: &UserId, deltas: &mut Vec<Delta>) {
    deltas.push(Delta::Recheck { user: user.clone() });
}

fn session_facts(row: &SessionRow) -> SessionFacts {
    SessionFacts {
        id: row.id.clone(),
        user: row.user.clone(),
        authenticated_unix_ms: row.authenticated_unix_ms,
        ends_unix_ms: row.ends_unix_ms.min(row.idle_ends_unix_ms),
        key: row.key.clone(),
    }
}
