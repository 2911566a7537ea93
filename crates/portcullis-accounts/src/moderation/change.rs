//! Changes that moderators, administrators and operators make to users: stored and recorded.
//! Never: the permission to do so; the caller has checked it. A change without a record.

use portcullis_audit::{ADMIN_ROLE, Outcome, Record};
use portcullis_guard::User;
use portcullis_model::{Code, Denial, Now, Role, RoleTable, Roles};
use portcullis_server::{ConnectionSelection, Services, end_connections};
use portcullis_store::{AccountStore, ChangeUserOutcome, StoreError, UserChange, UserChangeKind};

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

fn is_admin(roles: Roles) -> bool {
    roles.contains(Role::Admin)
}

/// Reads the names of roles; `None` if one of them does not exist.
#[must_use]
pub fn read_roles(table: &RoleTable, names: &[String]) -> Option<Roles> {
    names.iter().try_fold(Roles::NONE, |roles, name| Some(roles.with(table.parse(name)?)))
}
