//! Makes a user of whoever a foreign issuer vouches for, when they first connect.
//! Never: a role taken from an issuer that is not trusted to give any, or a name that could be
//! drawn as another.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Directory, NameClaim, Party, Table, VerifiedCredential};
use portcullis_model::{Code, Deadline, Denial, Roles, TokenFault};
use portcullis_store::{CreateUserOutcome, NewUser};

use crate::accounts::Accounts;
use crate::request::input::store_denial;
use crate::users::external_names;

/// Runs for a verified user the directory does not know, or whose roles its issuer changed.
///
/// An own user unknown to the directory was removed: nothing is made, and authentication refuses.
pub(crate) async fn provision(
    accounts: Arc<Accounts>,
    directory: Arc<Directory>,
    client: IpAddr,
    verified: VerifiedCredential,
) -> Result<(), Denial> {
    if verified.own {
        return Ok(());
    }
    // To the end, also when the client hangs up: what is stored is recorded.
    tokio::spawn(Deadline::inherit(create(accounts, directory, client, verified)))
        .await
        .map_err(|_| Denial::Internal("provision"))?
}

/// The roles a trusted issuer lists, of those there are here; otherwise an ordinary user's.
fn roles_of(accounts: &Accounts, verified: &VerifiedCredential) -> Roles {
    let listed = verified.roles.iter().flatten();
    let known = listed.filter_map(|name| accounts.roles.parse(name));
    known.fold(Roles::user(), Roles::with)
}

async fn create(
    accounts: Arc<Accounts>,
    directory: Arc<Directory>,
    client: IpAddr,
    verified: VerifiedCredential,
) -> Result<(), Denial> {
    let party = Party::of(client);
    let known = directory.user(&verified.user).is_some();
    if !known {
        directory.check_space(Table::Users, party)?;
    }
    let now = accounts.options.clock.now();
    let is_own = |name: &str| directory.looks_like_own_name(name);
    let (name, subject, id) = (verified.name.as_deref(), &verified.subject, &verified.user);
    let name = NameClaim { name, subject, id }.shown(&accounts.roles, is_own);
    let user = NewUser {
        id: verified.user.clone(),
        username: Arc::from(name.as_str()),
        password_phc: None,
        issuer: Some(verified.issuer.to_string()),
        subject: Some(verified.subject.clone()),
        roles: roles_of(&accounts, &verified),
        created_unix_ms: now.unix_ms,
        setup: false,
        invitation: None,
        roles_follow: verified.roles.is_some(),
    };
    match accounts.store.create_user(user).await.map_err(|error| store_denial(&error))? {
        CreateUserOutcome::Created => {}
        CreateUserOutcome::Deleted => return Err(Denial::Token(TokenFault::User)),
        // Neither can happen to a foreign user; whatever it means, nobody was made.
        CreateUserOutcome::NameTaken
        | CreateUserOutcome::SetupUsed
        | CreateUserOutcome::InvitationInvalid => {
            return Err(Denial::Internal("provision"));
        }
    }
    if !known {
        directory.charge_user(party);
    }
    let code = if known { Code::PrivilegePermissionsChanged } else { Code::UserCreated };
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.reason = "foreign_issuer";
    record.labels.push(("issuer", verified.issuer.to_string()));
    record.client = Some(client);
    record.user = Some(verified.user.clone());
    record.user_name = Some(name.clone());
    accounts.options.audit.record(record, now);
    // An own user can have taken the name between the look and the commit.
    if directory.looks_like_own_name(&name) {
        external_names::replace(&accounts, verified.user, now).await;
    }
    Ok(())
}
