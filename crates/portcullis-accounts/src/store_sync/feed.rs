//! What committed changes of people mean: the directory learns of them, then every shard.
//! Never: a session or a right that outlives its commit.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use portcullis_audit::Audit;
use portcullis_guard::{
    Directory, FactorGap, RevocationName, SecondFactorRule, SessionFacts, UserFacts,
};
use portcullis_model::{Clock, Now, UserId};
use portcullis_server::Delta;
use portcullis_store::{Authority, Change, Revocation, SessionRow, StoreSnapshot, UserRow};

use crate::login::link_request::LINKS;
use crate::store_sync::external_changes;

/// Turns changes of people into what the directory and the shards have to know.
#[derive(Clone)]
pub struct AccountFeed {
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    second_factor: SecondFactorRule,
    audit: Arc<OnceLock<Audit>>,
}

impl AccountFeed {
    /// A feed that changes this directory; `second_factor` as in [`crate::AccountOptions`].
    #[must_use]
    pub fn new(
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        second_factor: SecondFactorRule,
    ) -> Self {
        Self { directory, clock, second_factor, audit: Arc::default() }
    }

    /// Says where to record what others did to the store; the first log attached stays.
    ///
    /// The store opens before the log does, which lies beside it; nothing is told before the first
    /// recheck, which runs in a started server.
    pub fn attach(&self, audit: Audit) {
        let _first_stays = self.audit.set(audit);
    }

    /// Fills the directory before the server starts.
    pub fn load(&self, loaded: &StoreSnapshot) {
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
            Change::Session(row) => {
                let known = self.directory.session(&row.id);
                let replaced = known.is_some_and(|known| known.generation() < row.generation);
                self.directory.put_session(session_facts(row));
                if replaced {
                    recheck(&row.user, deltas);
                }
            }
            Change::SessionEnded { session, user } => {
                self.directory.end_session(session);
                recheck(user, deltas);
            }
            Change::Revoked(revocation) => {
                self.withdraw(revocation, self.clock.now());
                deltas.extend(recheck_of(revocation));
            }
            Change::Authority(authority) => {
                self.take_over(authority);
                deltas.push(Delta::RecheckAll);
            }
            Change::Operator(act) => {
                if let Some(audit) = self.audit.get() {
                    external_changes::record_act(audit, act, self.clock.now());
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
                external_changes::record_gain(audit, &known, &facts, now);
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
        let Revocation { issuer, user, kind, name, until_unix_ms } = revocation;
        let what = RevocationName { issuer, user, kind: *kind, name };
        let authority = self.directory.authority();
        if issuer == LINKS {
            authority.note_use(what, *until_unix_ms, now);
        } else {
            authority.withdraw(what, *until_unix_ms, now);
        }
    }

    /// A user as decisions see them, without the roles that a missing second factor withholds.
    /// Users of other issuers show theirs in each token, so nothing is known of it here.
    fn user_facts(&self, row: &UserRow) -> UserFacts {
        let gap = match row.foreign {
            true => FactorGap::default(),
            false => self.second_factor.gap(row.roles, row.has_totp),
        };
        UserFacts {
            id: row.id.clone(),
            name: row.username.to_string(),
            roles: row.roles.minus(gap.withheld),
            disabled: row.disabled,
            valid_after_unix_ms: row.valid_after_unix_ms,
            banned_until_unix_ms: row.banned_until_unix_ms,
            muted_until_unix_ms: row.muted_until_unix_ms,
            withheld: gap.withheld,
            setup_only: gap.setup_only,
            external: row.foreign,
        }
    }
}

/// The connections that a revocation may end.
fn recheck_of(revocation: &Revocation) -> Option<Delta> {
    let Revocation { issuer, user, .. } = revocation;
    match UserId::parse(user) {
        // No connection is opened with a login link.
        _ if issuer == LINKS => None,
        Ok(user) => Some(Delta::Recheck { user }),
        Err(_) => Some(Delta::RecheckAll),
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
        generation: row.generation,
        key: row.key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::RevocationKind;

    use super::*;
    use portcullis_guard::DirectoryLimits;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Now {
            Now { monotonic_ms: 0, unix_ms: 0 }
        }
    }

    #[test]
    fn revocation_rechecks_only_the_connections_that_it_may_end() {
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        let feed =
            AccountFeed::new(Arc::clone(&directory), Arc::new(Fixed), SecondFactorRule::None);
        let cases =
            [(LINKS, "", "none"), ("https://id", "x_ann", "x_ann"), ("https://id", "", "all")];
        for (issuer, user, expect) in cases {
            let (issuer, name) = (String::from(issuer), String::from("n"));
            let user = String::from(user);
            let kind = RevocationKind::Token;
            let revocation = Revocation { issuer, user, kind, name, until_unix_ms: 9 };
            let mut deltas = Vec::new();
            feed.apply(&Change::Revoked(revocation.clone()), &mut deltas);
            let rechecked = match deltas.as_slice() {
                [] => "none",
                [Delta::Recheck { user }] => user.as_str(),
                [Delta::RecheckAll] => "all",
                _ => "more",
            };
            assert_eq!(rechecked, expect);
            let Revocation { issuer, user, name, .. } = &revocation;
            let what = RevocationName { issuer, user, kind: RevocationKind::Token, name };
            assert!(directory.authority().is_withdrawn(what), "{expect}");
        }
    }
}
