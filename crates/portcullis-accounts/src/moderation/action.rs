//! Stores a change that a moderator makes to another user, and records it.
//! Never: a change without a record.

use portcullis_audit::{Outcome, Record};
use portcullis_guard::User;
use portcullis_model::{Code, Denial, UserId};
use portcullis_server::Context;
use portcullis_store::{ChangeUserOutcome, StoreError, UserChange, UserChangeKind};

use crate::accounts::Accounts;

/// The event, the moderator and the user it is about.
pub(crate) struct ModeratorAction<'a> {
    pub(crate) event: &'static str,
    pub(crate) by: &'a User,
    pub(crate) target: &'a UserId,
    /// `rule.name` of its record: [`portcullis_audit::ADMIN_ROLE`], or empty.
    pub(crate) rule: &'static str,
}

/// A further label of the record, with its text.
pub(crate) type RecordLabel<'a> = (&'static str, &'a str);

/// Changes a user, and records the change when it is stored.
pub(crate) async fn store_change(
    accounts: &Accounts,
    context: &Context,
    action: &ModeratorAction<'_>,
    what: UserChangeKind,
    label: Option<RecordLabel<'_>>,
) -> Result<(), Denial> {
    let (user, at_unix_ms) = (action.target.clone(), context.now.unix_ms);
    let change = UserChange { user, what, at_unix_ms };
    match accounts.store.change_user(change).await.map_err(StoreError::into_denial)? {
        ChangeUserOutcome::Changed(_) => {}
        ChangeUserOutcome::Missing => return Err(Denial::Forbidden("missing")),
        ChangeUserOutcome::LastAdmin => return Err(Denial::Forbidden("last_admin")),
        ChangeUserOutcome::NameTaken => return Err(Denial::NameTaken),
    }
    record(context, action, label);
    Ok(())
}

/// Records an action of a moderator.
pub(crate) fn record(
    context: &Context,
    action: &ModeratorAction<'_>,
    label: Option<RecordLabel<'_>>,
) {
    let code = match action.event {
        "user:role" => Code::PrivilegePermissionsChanged,
        _ => Code::AuthzAdmin,
    };
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.rule = action.rule;
    record.client = Some(context.client);
    record.user = Some(action.by.id.clone());
    record.user_name = Some(action.by.name().to_string());
    record.connection = Some(context.connection);
    record.event = Some(String::from(action.event));
    record.target = Some(action.target.clone());
    record.labels.extend(label.map(|(label, text)| (label, String::from(text))));
    context.audit.record(record, context.now);
}
