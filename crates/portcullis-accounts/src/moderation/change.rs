//! Changes that moderators, administrators and operators make to users: stored and recorded.
//! Never: the permission to do so; the caller has checked it. A change without a record.

use portcullis_audit::{ADMIN_ROLE, Outcome, Record, utc};
use portcullis_guard::User;
use portcullis_model::{Code, Denial, Now, Role, RoleTable, Roles};
use portcullis_server::{ConnectionSelection, Services, end_connections};
use portcullis_store::{
    AccountStore, ChangeUserOutcome, FOR_EVER_UNIX_MS, StoreError, UserChange, UserChangeKind,
};

/// A change of another user.
#[derive(Debug)]
pub enum Moderation {
    /// A change of the stored user, which ends sessions and connections where it has to.
    Store(UserChangeKind),
    /// All connections of the user end; the user can connect again.
    Kick,
}

/// Why a change of another user is not made.
#[derive(Debug)]
pub enum ModerationError {
    /// The user was deleted.
    Missing,
    /// The server would have no administrator.
    LastAdmin,
    /// The store or a shard has rejected it.
    Denied(Denial),
}

impl From<Denial> for ModerationError {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// The parts of the server that a change needs.
#[derive(Clone, Copy)]
pub struct Moderator<'a> {
    /// The store of users.
    pub store: &'a dyn AccountStore,
    /// The names of all roles.
    pub roles: &'a RoleTable,
    /// The connections and the security log.
    pub services: &'a Services,
    /// The time of the request.
    pub now: Now,
}

impl Moderator<'_> {
    /// Makes a change, and records it when it is made. `by` is a record that names the caller, the
    /// event and the reason.
    ///
    /// # Errors
    /// [`ModerationError`]; nothing is changed or recorded then, except that a kick can end the
    /// connections of some shards.
    pub async fn change(
        &self,
        target: &User,
        change: Moderation,
        by: Record,
    ) -> Result<(), ModerationError> {
        let record = self.record(target, &change, by);
        match change {
            Moderation::Store(what) => {
                self.store(target, what).await?;
                self.services.audit.record(record, self.now);
            }
            Moderation::Kick => {
                // Recorded first: when the queue of one shard is full, others end connections.
                self.services.audit.record(record, self.now);
                let selection = ConnectionSelection::User(target.id.clone());
                let _counts = end_connections(&self.services.hub, selection).await?;
            }
        }
        Ok(())
    }

    async fn store(&self, target: &User, what: UserChangeKind) -> Result<(), ModerationError> {
        let change = UserChange { user: target.id.clone(), what, at_unix_ms: self.now.unix_ms };
        match self.store.change_user(change).await.map_err(StoreError::into_denial)? {
            ChangeUserOutcome::Changed(_) => Ok(()),
            ChangeUserOutcome::Missing => Err(ModerationError::Missing),
            ChangeUserOutcome::LastAdmin => Err(ModerationError::LastAdmin),
            ChangeUserOutcome::NameTaken => Err(ModerationError::Denied(Denial::NameTaken)),
        }
    }

    /// The record of a change; the target is as it was before.
    fn record(&self, target: &User, change: &Moderation, by: Record) -> Record {
        let mut record = by;
        record.outcome = Outcome::Success;
        record.labels.extend(effect_labels(change, self.now));
        record.target = Some(target.id.clone());
        record.target_name = Some(target.name().to_string());
        match change {
            Moderation::Store(UserChangeKind::Roles(roles)) => {
                record.code = Code::PrivilegePermissionsChanged;
                record.labels.push(("roles", self.roles.names(*roles).join(" ")));
                if is_admin(*roles) || is_admin(target.roles()) {
                    record.rule = ADMIN_ROLE;
                }
            }
            Moderation::Store(
                UserChangeKind::Disabled(_)
                | UserChangeKind::Banned { .. }
                | UserChangeKind::Muted { .. }
                | UserChangeKind::Username(_)
                | UserChangeKind::Password { .. }
                | UserChangeKind::RevokeAll,
            )
            | Moderation::Kick => record.code = Code::AuthzAdmin,
        }
        record
    }
}

/// What a change does, and until when: a ban and its end have the same event.
fn effect_labels(change: &Moderation, now: Now) -> Vec<(&'static str, String)> {
    let timed = |until_unix_ms: i64, set, lifted| {
        if until_unix_ms <= now.unix_ms {
            return vec![effect(lifted)];
        }
        let until = match until_unix_ms {
            FOR_EVER_UNIX_MS => String::from("never"),
            until_unix_ms => utc(until_unix_ms),
        };
        vec![effect(set), ("until", until)]
    };
    match change {
        Moderation::Kick => vec![effect("disconnected")],
        Moderation::Store(UserChangeKind::Banned { until_unix_ms }) => {
            timed(*until_unix_ms, "banned", "unbanned")
        }
        Moderation::Store(UserChangeKind::Muted { until_unix_ms }) => {
            timed(*until_unix_ms, "muted", "unmuted")
        }
        Moderation::Store(UserChangeKind::Disabled(true)) => vec![effect("disabled")],
        Moderation::Store(UserChangeKind::Disabled(false)) => vec![effect("enabled")],
        Moderation::Store(UserChangeKind::RevokeAll) => vec![effect("signed_out")],
        Moderation::Store(
            UserChangeKind::Roles(_)
            | UserChangeKind::Username(_)
            | UserChangeKind::Password { .. },
        ) => Vec::new(),
    }
}

fn effect(name: &str) -> (&'static str, String) {
    ("effect", String::from(name))
}

fn is_admin(roles: Roles) -> bool {
    roles.contains(Role::Admin)
}

/// Reads the names of roles; `None` if one of them does not exist.
#[must_use]
pub fn read_roles(table: &RoleTable, names: &[String]) -> Option<Roles> {
    names.iter().try_fold(Roles::NONE, |roles, name| Some(roles.with(table.parse(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_says_what_a_change_does_and_until_when() {
        use UserChangeKind::{Banned, Disabled, Muted, RevokeAll};
        let now = Now { monotonic_ms: 0, unix_ms: 1_790_824_365_000 };
        let (later, never) = (now.unix_ms + 60_000, FOR_EVER_UNIX_MS);
        let until = "until 2026-10-01T03:13:45.000Z";
        for (change, expect) in [
            (Moderation::Store(Banned { until_unix_ms: later }), vec!["effect banned", until]),
            (Moderation::Store(Banned { until_unix_ms: 0 }), vec!["effect unbanned"]),
            (
                Moderation::Store(Muted { until_unix_ms: never }),
                vec!["effect muted", "until never"],
            ),
            (Moderation::Store(Muted { until_unix_ms: now.unix_ms }), vec!["effect unmuted"]),
            (Moderation::Store(Disabled(true)), vec!["effect disabled"]),
            (Moderation::Store(Disabled(false)), vec!["effect enabled"]),
            (Moderation::Store(RevokeAll), vec!["effect signed_out"]),
            (Moderation::Kick, vec!["effect disconnected"]),
            (Moderation::Store(UserChangeKind::Roles(Roles::user())), vec![]),
        ] {
            let labels = effect_labels(&change, now);
            let labels: Vec<_> =
                labels.into_iter().map(|(name, value)| format!("{name} {value}")).collect();
            assert_eq!(labels, expect, "{change:?}");
        }
    }
}
