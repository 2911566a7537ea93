//! Applies committed changes of users and sessions to the directory, then to all shards.
//! Never: a session or a role that stays in force after the commit that ends it.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use portcullis_audit::Audit;
use portcullis_guard::{
    Directory, FactorGap, RevocationName, SecondFactorRule, SessionFacts, UserFacts,
};
use portcullis_model::{Clock, Now, UserId};
use portcullis_server::Delta;
use portcullis_store::{AccessSnapshot, Change, Revocation, SessionRow, StoreSnapshot, UserRow};

use super::{blocks, external_changes};
use crate::login::link_use::LINK_ISSUER;

/// Turns changes of users into updates of the directory and orders to the shards.
#[derive(Clone)]
pub struct AccountFeed {
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    second_factor: SecondFactorRule,
    audit: Arc<OnceLock<Audit>>,
}

impl AccountFeed {
    /// A feed for this directory; `second_factor` as in [`crate::AccountOptions`].
    #[must_use]
    pub fn new(
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        second_factor: SecondFactorRule,
    ) -> Self {
        Self { directory, clock, second_factor, audit: Arc::default() }
    }

    /// Sets the security log for changes of other processes; only the first call has an effect.
    ///
    /// The store opens before the log, which is in the same directory. The first such change is
    /// read after the start.
    pub fn attach(&self, audit: Audit) {
        let _first_stays = self.audit.set(audit);
    }

    /// Fills the directory before the server starts.
    pub fn load(&self, loaded: &StoreSnapshot) {
        let now = self.clock.now();
        for user in &loaded.access.users {
            self.directory.apply_user(self.user_facts(user));
        }
        for session in &loaded.access.sessions {
            self.directory.put_session(session_facts(session));
        }
        self.directory.blocks().replace(blocks::facts(&loaded.access.blocks), now);
        self.directory.authority().evicted_until(loaded.access.revocations_ended_unix_ms);
        for revocation in &loaded.access.revocations {
            self.revoke(revocation, now);
        }
    }

    /// Updates the directory, and appends the orders to the shards.
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
                self.revoke(revocation, self.clock.now());
                deltas.extend(recheck_of(revocation));
            }
            Change::Blocked(row) => {
                if let Some(block) = blocks::facts_of(row) {
                    self.directory.blocks().put(block, self.clock.now());
                    deltas.push(Delta::RecheckBlocks);
                }
            }
            Change::Unblocked { prefix } => blocks::remove(&self.directory, prefix),
            Change::BlockEnded(row) => {
                blocks::remove(&self.directory, &row.prefix);
                self.record(|audit, now| blocks::record_end(audit, row, now));
            }
            Change::AccessSnapshot(access) => {
                let facts = blocks::facts(&access.blocks);
                if self.directory.blocks().replace(facts, self.clock.now()) {
                    deltas.push(Delta::RecheckBlocks);
                }
                self.apply_access_snapshot(access);
                deltas.push(Delta::RecheckAll);
            }
            Change::Operator(act) => {
                self.record(|audit, now| {
                    external_changes::record_operator_change(audit, act, now);
                });
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

    /// Records a change, if the log is open.
    fn record(&self, record: impl FnOnce(&Audit, Now)) {
        if let Some(audit) = self.audit.get() {
            record(audit, self.clock.now());
        }
    }

    /// Applies the whole state as another process has left it; everything else has ended.
    fn apply_access_snapshot(&self, access: &AccessSnapshot) {
        let now = self.clock.now();
        for user in &access.users {
            let facts = self.user_facts(user);
            if let (Some(audit), Some(known)) = (self.audit.get(), self.directory.user(&user.id)) {
                external_changes::record_new_roles(audit, &known, &facts, now);
            }
            self.directory.apply_user(facts);
        }
        let users = access.users.iter().map(|user| user.id.clone()).collect();
        self.directory.end_users_beside(&users);
        for session in &access.sessions {
            self.directory.put_session(session_facts(session));
        }
        let stored: HashSet<_> = access.sessions.iter().map(|session| session.id.clone()).collect();
        self.directory.end_sessions_beside(&stored);
        self.directory.authority().evicted_until(access.revocations_ended_unix_ms);
        for revocation in &access.revocations {
            self.revoke(revocation, now);
        }
    }

    fn revoke(&self, revocation: &Revocation, now: Now) {
        let Revocation { issuer, user, kind, name, until_unix_ms } = revocation;
        let what = RevocationName { issuer, user, kind: *kind, name };
        let authority = self.directory.authority();
        if issuer == LINK_ISSUER {
            authority.note_use(what, *until_unix_ms, now);
        } else {
            authority.revoke(what, *until_unix_ms, now);
        }
    }

    /// The facts about a user for decisions, without roles that a missing second factor withholds.
    /// Users of other issuers have their second factor in each token, so it is unknown here.
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
            roles_after_unix_ms: row.roles_after_unix_ms,
            withheld: gap.withheld,
            setup_only: gap.setup_only,
            external: row.foreign,
        }
    }
}

/// The connections that a revocation can end.
fn recheck_of(revocation: &Revocation) -> Option<Delta> {
    let Revocation { issuer, user, .. } = revocation;
    match UserId::parse(user) {
        // A login link opens no connection.
        _ if issuer == LINK_ISSUER => None,
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
    use super::*;
    use portcullis_guard::DirectoryLimits;
    use portcullis_model::RevocationKind;

    struct FixedClock;

    impl Clock for FixedClock {
        fn now(&self) -> Now {
            Now { monotonic_ms: 0, unix_ms: 0 }
        }
    }

    #[test]
    fn revocation_rechecks_only_the_connections_that_it_can_end() {
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        let feed =
            AccountFeed::new(Arc::clone(&directory), Arc::new(FixedClock), SecondFactorRule::None);
        let cases = [
            (LINK_ISSUER, "", "none"),
            ("https://id", "x_ann", "x_ann"),
            ("https://id", "", "all"),
        ];
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
                _ => "several",
            };
            assert_eq!(rechecked, expect);
            let Revocation { issuer, user, name, .. } = &revocation;
            let what = RevocationName { issuer, user, kind: RevocationKind::Token, name };
            assert!(directory.authority().is_revoked(what), "{expect}");
        }
    }
}
