//! Makes a user of whoever a foreign issuer vouches for, when they first connect.
//! Never: a role taken from an issuer that is not trusted to give any, or a name that could be
//! drawn as another.

use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::Verified;
use portcullis_model::{Code, Deadline, Denial, Roles};
use portcullis_store::{CreateUser, NewUser};

use crate::accounts::Accounts;
use crate::input::store_denial;

/// Longest display name of a foreign user.
const NAME_MAX_CHARS: usize = 64;
/// Letters that are drawn as nothing (Hangul fillers), so that two names look alike.
const UNSEEN: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];

/// Runs for a verified user the directory does not know, or whose roles its issuer changed.
///
/// An own user unknown to the directory was removed: nothing is made, and authentication refuses.
pub(crate) async fn provision(accounts: Arc<Accounts>, verified: Verified) -> Result<(), Denial> {
    if verified.own {
        return Ok(());
    }
    // To the end, also when the client hangs up: what is stored is recorded.
    tokio::spawn(Deadline::inherit(create(accounts, verified)))
        .await
        .map_err(|_| Denial::Internal("provision"))?
}

/// The roles a trusted issuer lists, of those there are here; otherwise an ordinary user's.
fn roles_of(accounts: &Accounts, verified: &Verified) -> Roles {
    let listed = verified.roles.iter().flatten();
    let known = listed.filter_map(|name| accounts.roles.parse(name));
    known.fold(Roles::user(), Roles::with)
}

async fn create(accounts: Arc<Accounts>, verified: Verified) -> Result<(), Denial> {
    let known = accounts.store.person(verified.user.as_str()).await;
    let known = known.map_err(|error| store_denial(&error))?.is_some();
    let now = accounts.options.clock.now();
    let id = verified.user.as_str();
    let name = display_name(verified.name.as_deref(), &verified.subject, id);
    let user = NewUser {
        id: verified.user.clone(),
        username: Arc::from(name),
        password_phc: None,
        issuer: Some(verified.issuer.to_string()),
        subject: Some(verified.subject.clone()),
        roles: roles_of(&accounts, &verified),
        created_unix_ms: now.unix_ms,
        setup: false,
        invitation: None,
        roles_follow: verified.roles.is_some(),
    };
    let name = user.username.to_string();
    match accounts.store.create_user(user).await.map_err(|error| store_denial(&error))? {
        CreateUser::Created => {}
        // Neither can happen to a foreign user; whatever it means, nobody was made.
        CreateUser::NameTaken | CreateUser::SetupUsed | CreateUser::InvitationVoid => {
            return Err(Denial::Internal("provision"));
        }
    }
    let code = if known { Code::PrivilegePermissionsChanged } else { Code::UserCreated };
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.reason = "foreign_issuer";
    record.detail = Some(format!("issuer {}", verified.issuer));
    record.user = Some(verified.user);
    record.user_name = Some(name);
    accounts.options.audit.record(record, now);
    Ok(())
}

/// The name the issuer gives, if it is fit to be shown; else its subject; else the id.
fn display_name<'a>(name: Option<&'a str>, subject: &'a str, id: &'a str) -> &'a str {
    name.into_iter().chain([subject]).find(|name| is_fit(name)).unwrap_or(id)
}

/// One line of visible letters and digits, with few marks between them.
fn is_fit(name: &str) -> bool {
    let visible = |character: char| {
        (character.is_alphanumeric() && !UNSEEN.contains(&character))
            || matches!(character, ' ' | '.' | '_' | '-' | '\'' | '@' | '|')
    };
    !name.is_empty()
        && name.len() <= NAME_MAX_CHARS * 4
        && name.chars().count() <= NAME_MAX_CHARS
        && name.chars().all(visible)
        && name.chars().any(char::is_alphanumeric)
        && name.trim() == name
        && !name.contains("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_fit_to_be_shown() {
        let long = "a".repeat(65);
        let cases = [
            (Some("Ann O'Neil"), "42", "Ann O'Neil"),
            (Some("Zo\u{eb} \u{5f20}\u{4f1f}"), "42", "Zo\u{eb} \u{5f20}\u{4f1f}"),
            (None, "auth0|42", "auth0|42"),
            (Some(""), "42", "42"),
            (Some("<b>Ann</b>"), "42", "42"),
            (Some("Ann\u{202e}nnA"), "42", "42"),
            (Some("An\u{200b}n"), "42", "42"),
            (Some("\u{3164}"), "42", "42"),
            (Some(" Ann"), "42", "42"),
            (Some("Ann  Lee"), "42", "42"),
            (Some("--"), "42", "42"),
            (Some(&long), "\n", "x_1"),
        ];
        for (name, subject, expect) in cases {
            assert_eq!(display_name(name, subject, "x_1"), expect, "{name:?}");
        }
    }
}
