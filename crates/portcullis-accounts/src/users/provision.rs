//! Creates users of other issuers when they first connect.
//! Never: a role from an issuer that cannot assign roles, or a name that looks like another.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_audit::{ADMIN_ROLE, Outcome, Record};
use portcullis_guard::{Directory, NameClaim, Party, Table, VerifiedCredential};
use portcullis_model::{Code, Deadline, Denial, Role, Roles, TokenFault};
use portcullis_store::{CreateUserOutcome, NewUser, StoreError};

use super::external_names;
use crate::accounts::Accounts;

/// Creates or updates a verified user who is unknown, or whose roles the issuer has changed.
///
/// An unknown user of this server was deleted: no user is created, and authentication fails.
pub(crate) async fn provision(
    accounts: Arc<Accounts>,
    directory: Arc<Directory>,
    client: IpAddr,
    verified: VerifiedCredential,
) -> Result<(), Denial> {
    if verified.own {
        return Ok(());
    }
    // Runs in a task of its own, so that a stored user is recorded when the client disconnects.
    tokio::spawn(Deadline::inherit(create(accounts, directory, client, verified)))
        .await
        .map_err(|_| Denial::Internal("provision"))?
}

/// The roles that a trusted issuer lists and this server knows, beside that of an ordinary user.
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
    let issued_unix_ms = verified.issued_unix_s.saturating_mul(1000);
    let is_own = |name: &str| directory.looks_like_own_name(name);
    let (name, subject, id) = (verified.name.as_deref(), &verified.subject, &verified.user);
    let name = NameClaim { name, subject, id }.shown(&accounts.roles, is_own);
    let roles = roles_of(&accounts, &verified);
    let is_admin = roles.contains(Role::Admin);
    let user = NewUser {
        id: verified.user.clone(),
        username: Arc::from(name.as_str()),
        password_phc: None,
        issuer: Some(verified.issuer.to_string()),
        subject: Some(verified.subject.clone()),
        roles,
        created_unix_ms: now.unix_ms,
        setup: false,
        invitation: None,
        roles_issued_unix_ms: verified.roles.is_some().then_some(issued_unix_ms),
    };
    match accounts.store.create_user(user).await.map_err(StoreError::into_denial)? {
        CreateUserOutcome::Created => {}
        CreateUserOutcome::Deleted => return Err(Denial::Token(TokenFault::User)),
        // These outcomes are impossible for a user of another issuer; no user was created.
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
    record.rule = if is_admin { ADMIN_ROLE } else { "" };
    record.labels.push(("issuer", verified.issuer.to_string()));
    record.client = Some(client);
    record.user = Some(verified.user.clone());
    record.user_name = Some(name.clone());
    accounts.options.audit.record(record, now);
    // A user of this server can have taken the name between the check and the commit.
    if directory.looks_like_own_name(&name) {
        external_names::replace_name(&accounts, verified.user, now).await;
    }
    Ok(())
}
