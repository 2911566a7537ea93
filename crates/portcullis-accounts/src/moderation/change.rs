//! What acts on other users have in common: the change, and who did what to whom.
//! Never: an act without its record.

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Cleaner, User};
use portcullis_model::{Code, Denial, UserId};
use portcullis_server::Context;
use portcullis_store::{ChangeUserOutcome, UserChange, UserChangeKind};

use crate::accounts::Accounts;
use crate::request::input::store_denial;

/// Who does what to whom.
pub(crate) struct Act<'a> {
    pub(crate) event: &'static str,
    pub(crate) by: &'a User,
    pub(crate) target: &'a UserId,
}

/// A reason is read by other moderators, so it is plain text.
pub(crate) fn clean_reason(
    reason: &mut Option<String>,
    cleaner: &mut Cleaner<'_>,
) -> Result<(), Denial> {
    if let Some(text) = reason {
        *text = cleaner.message("reason", text)?.text;
    }
    Ok(())
}

/// What else a record says: its label and the text.
pub(crate) type Said<'a> = (&'static str, &'a str);

/// The label of the reason a moderator gave.
pub(crate) fn stated(reason: Option<&str>) -> Option<Said<'_>> {
    reason.map(|reason| ("stated_reason", reason))
}

/// Changes a user, and records it once it is stored.
pub(crate) async fn change(
    accounts: &Accounts,
    context: &Context,
    act: &Act<'_>,
    what: UserChangeKind,
    more: Option<Said<'_>>,
) -> Result<(), Denial> {
    let (user, at_unix_ms) = (act.target.clone(), context.now.unix_ms);
    let change = UserChange { user, what, at_unix_ms };
    match accounts.store.change_user(change).await.map_err(|error| store_denial(&error))? {
        ChangeUserOutcome::Changed(_) => {}
        ChangeUserOutcome::Missing => return Err(Denial::Forbidden("missing")),
        ChangeUserOutcome::LastAdmin => return Err(Denial::Forbidden("last_admin")),
        ChangeUserOutcome::NameTaken => return Err(Denial::NameTaken),
    }
    record(context, act, more);
    Ok(())
}

/// Records an act on a user.
pub(crate) fn record(context: &Context, act: &Act<'_>, more: Option<Said<'_>>) {
    let code = match act.event {
        "user:role" => Code::PrivilegePermissionsChanged,
        _ => Code::AuthzAdmin,
    };
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.client = Some(context.client);
    record.user = Some(act.by.id.clone());
    record.user_name = Some(act.by.name().to_string());
    record.connection = Some(context.connection);
    record.event = Some(String::from(act.event));
    record.target = Some(act.target.clone());
    record.labels.extend(more.map(|(label, text)| (label, String::from(text))));
    context.audit.record(record, context.now);
}
