//! Names of users of other issuers, which must not look like names of users of this server.
//! Never: two look-alike names of which one belongs to a user of this server.

use portcullis_audit::{Audit, Outcome, Record};
use portcullis_guard::{Directory, is_shown, neutral_name};
use portcullis_model::{Code, Now, RoleTable, UserId};
use portcullis_store::{AccountStore, ChangeUserOutcome, StoreError, UserChange, UserChangeKind};

use crate::accounts::Accounts;

/// Corrects names that were stored under older rules, at the start; returns their number.
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

/// Gives neutral names to users of other issuers whose names look like a new name on this server.
pub(crate) async fn replace_look_alikes(
    accounts: &Accounts,
    directory: &Directory,
    name: &str,
    now: Now,
) {
    for user in directory.external_users_like(name) {
        replace_name(accounts, user, now).await;
    }
}

/// Gives a user of another issuer a neutral name, and records it.
///
/// When the store fails, the name stays until the next start, and the request succeeds.
pub(crate) async fn replace_name(accounts: &Accounts, user: UserId, now: Now) {
    let name = neutral_name(&user);
    match rename(&*accounts.store, user.clone(), &name, now).await {
        Ok(()) => record(&accounts.options.audit, user, name, now),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, %user, "a name that looks like another user's was not replaced");
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
        // A deleted user has no name.
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
    record.detail = Some(String::from("the name looks like that of a user of this server"));
    audit.record(record, now);
}
