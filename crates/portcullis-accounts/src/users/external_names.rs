//! Names of users of other issuers, kept apart from the names of own users.
//! Never: two users whose names look alike, one of them this server's own.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_audit::{Audit, Outcome, Record};
use portcullis_guard::{Directory, is_look_alike, is_shown, neutral_name};
use portcullis_model::{Code, Denial, Now, RoleTable, UserId};
use portcullis_store::{AccountStore, ChangeUserOutcome, StoreError, UserChange, UserChangeKind};

use crate::accounts::Accounts;

/// Names that own users are taking at this moment, so that two look-alikes are not stored at the
/// same time. Bounded by the requests that are being served.
#[derive(Default)]
pub(crate) struct PendingNames(Mutex<Vec<String>>);

impl PendingNames {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// A name that is being taken; free again when it is dropped.
pub(crate) struct NameSlot {
    accounts: Arc<Accounts>,
    name: String,
}

impl NameSlot {
    /// Takes a name for an own user. Users who have look-alike names from older versions keep them:
    /// `by` is the user who changes their name.
    ///
    /// # Errors
    /// [`Denial::NameTaken`] when another own user has a name that looks like it.
    pub(crate) fn take(
        accounts: &Arc<Accounts>,
        directory: &Directory,
        name: &str,
        by: Option<&UserId>,
    ) -> Result<Self, Denial> {
        let mut pending = accounts.pending_names.0.lock();
        if pending.iter().any(|other| is_look_alike(name, other)) {
            return Err(Denial::NameTaken);
        }
        pending.push(String::from(name));
        drop(pending);
        let slot = Self { accounts: Arc::clone(accounts), name: String::from(name) };
        // Asked last: a name that was pending a moment ago is in the directory by now.
        if directory.has_own_look_alike(name, by) { Err(Denial::NameTaken) } else { Ok(slot) }
    }
}

impl Drop for NameSlot {
    fn drop(&mut self) {
        let mut pending = self.accounts.pending_names.0.lock();
        if let Some(at) = pending.iter().position(|name| *name == self.name) {
            pending.swap_remove(at);
        }
    }
}

/// Corrects names that were stored under older rules; gives how many. For the start.
///
/// # Errors
/// [`StoreError`] when a name cannot be stored.
pub async fn correct_names(
    store: &dyn AccountStore,
    directory: &Directory,
    roles: &RoleTable,
    now: Now,
) -> Result<usize, StoreError> {
    let mut corrected = 0;
    for user in directory.user_ids() {
        let Some(known) = directory.user(&user).filter(|known| known.external) else { continue };
        let (name, neutral) = (known.name(), neutral_name(&user));
        let passes = is_shown(&name, roles) && !directory.looks_like_own_name(&name);
        if !passes && *name != *neutral {
            rename(store, user, &neutral, now).await?;
            corrected += 1;
        }
    }
    if corrected > 0 {
        tracing::warn!(corrected, "users of other issuers got neutral names");
    }
    Ok(corrected)
}

/// Gives neutral names to users of other issuers whose names look like the new name of an own
/// user.
pub(crate) async fn displace(accounts: &Accounts, directory: &Directory, own: &str, now: Now) {
    for user in directory.external_users_like(own) {
        replace(accounts, user, now).await;
    }
}

/// Gives a user of another issuer a neutral name, on record.
///
/// When the store fails the name stays until the next start; what the caller has done stands.
pub(crate) async fn replace(accounts: &Accounts, user: UserId, now: Now) {
    let name = neutral_name(&user);
    match rename(&*accounts.store, user.clone(), &name, now).await {
        Ok(()) => record(&accounts.options.audit, user, name, now),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, %user, "a name that looks like an own user's stays");
        }
    }
}

async fn rename(
    store: &dyn AccountStore,
    user: UserId,
    name: &str,
    now: Now,
) -> Result<(), StoreError> {
    let what = UserChangeKind::Username(name.into());
    match store.change_user(UserChange { user, what, at_unix_ms: now.unix_ms }).await? {
        // A deleted user has no name to show.
        ChangeUserOutcome::Changed(_)
        | ChangeUserOutcome::Missing
        | ChangeUserOutcome::NameTaken
        | ChangeUserOutcome::LastAdmin => Ok(()),
    }
}

fn record(audit: &Audit, user: UserId, name: String, now: Now) {
    let mut record = Record::new(Code::UserUpdated);
    record.outcome = Outcome::Success;
    record.reason = "name_replaced";
    record.user = Some(user);
    record.user_name = Some(name);
    record.detail = Some(String::from("the name looks like that of an own user"));
    audit.record(record, now);
}
