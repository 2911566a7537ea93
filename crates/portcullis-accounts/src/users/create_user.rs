//! Creates a user of this server: checks the name, stores the user, records it.
//! Never: a stored user without a record, even when the client disconnects.

use std::sync::Arc;

use portcullis_audit::ADMIN_ROLE;
use portcullis_guard::{Party, Table};
use portcullis_model::{Code, Deadline, Denial, Now, Role, RoleTable, Roles, UserId};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::{CreateUserOutcome, NewUser, StoreError};
use serde::Serialize;

use super::external_names;
use super::pending_names::NameReservation;
use super::username::Username;
use crate::accounts::{Accounts, new_salt};
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordQueue;
use crate::request::record::{record_success, record_success_with};
use crate::request::view::UserView;

/// The origin of an account, which decides its roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountOrigin {
    /// A registration: an ordinary user.
    Registration,
    /// A registration with an invitation; the digest of the invitation.
    Invitation([u8; 32]),
    /// The one-time setup link: the first administrator.
    Setup,
}

#[derive(Serialize)]
struct CreatedView {
    user: UserView,
}

/// Answers 201 `{user: {id, username, roles}}`. The password has passed its rules.
pub(crate) async fn create_user(
    accounts: Arc<Accounts>,
    request: ApiRequest,
    username: Username,
    password: Password,
    origin: AccountOrigin,
) -> Result<ApiResponse, Denial> {
    origin.check_name(&username, &accounts.roles)?;
    let (directory, party) = (request.gate.directory(), Party::of(request.client));
    match origin {
        AccountOrigin::Registration | AccountOrigin::Invitation(_) => {
            directory.check_space(Table::Users, party)?
        }
        // A full table must not block the first administrator.
        AccountOrigin::Setup => {}
    }
    let name = reserve_name(&accounts, &request, &username, origin)?;
    let phc = accounts.pool.hash(PasswordQueue::Unauthenticated, password, new_salt()?).await?;
    let user = NewUser {
        id: new_user_id()?,
        username: Arc::from(username.as_str()),
        password_phc: Some(phc),
        issuer: None,
        subject: None,
        roles: origin.roles(),
        created_unix_ms: request.now.unix_ms,
        setup: origin == AccountOrigin::Setup,
        invitation: origin.invitation(),
        roles_issued_unix_ms: None,
    };
    // Runs in a task of its own, so that a stored user is recorded when the client disconnects.
    let stored = async move {
        let stored = store(accounts, request, user, origin).await;
        drop(name);
        stored
    };
    let stored = tokio::spawn(Deadline::inherit(stored));
    let user = stored.await.map_err(|_| Denial::Internal("create_user"))??;
    Ok(ApiResponse::json(201, &CreatedView { user }))
}

/// Rejects a digest of no open invitation.
///
/// Before all else that costs or reveals something: only a client with an invitation uses the
/// threads that check and hash passwords, or learns that a name is taken.
pub(super) async fn check_invitation(
    accounts: &Accounts,
    hash: [u8; 32],
    now: Now,
) -> Result<(), Denial> {
    match accounts.store.has_invitation(hash, now.unix_ms).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Denial::Registration("invitation")),
        Err(error) => Err(error.into_denial()),
    }
}

/// Reserves the name, which has to be free. The first administrator needs no reservation.
///
/// A rejected name reveals that such a user exists; see [`check_invitation`].
fn reserve_name(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    username: &Username,
    origin: AccountOrigin,
) -> Result<Option<NameReservation>, Denial> {
    let (directory, name) = (request.gate.directory(), username.as_str());
    match origin {
        AccountOrigin::Setup => return Ok(None),
        AccountOrigin::Registration | AccountOrigin::Invitation(_) => {}
    }
    accounts.pending_names.reserve(directory, name, None).map(Some)
}

async fn store(
    accounts: Arc<Accounts>,
    request: ApiRequest,
    user: NewUser,
    origin: AccountOrigin,
) -> Result<UserView, Denial> {
    let (id, name) = (user.id.clone(), Arc::clone(&user.username));
    match accounts.store.create_user(user).await.map_err(StoreError::into_denial)? {
        CreateUserOutcome::Created => {}
        CreateUserOutcome::NameTaken => return Err(Denial::NameTaken),
        CreateUserOutcome::Deleted => return Err(Denial::Internal("create_user")),
        CreateUserOutcome::SetupUsed => return Err(Denial::Registration("setup")),
        CreateUserOutcome::InvitationInvalid => return Err(Denial::Registration("invitation")),
    }
    request.gate.directory().charge_user(Party::of(request.client));
    record_success(&request, Code::UserCreated, &id, &name);
    external_names::replace_look_alikes(&accounts, request.gate.directory(), &name, request.now)
        .await;
    match origin {
        AccountOrigin::Registration | AccountOrigin::Invitation(_) => {}
        AccountOrigin::Setup => {
            record_success_with(&request, Code::PrivilegePermissionsChanged, &id, |record| {
                record.rule = ADMIN_ROLE;
                record.user_name = Some(name.to_string());
            });
        }
    }
    Ok(UserView::new(&id, name, origin.roles(), &accounts.roles))
}

impl AccountOrigin {
    /// Rejects names of offices, such as `admin`; the first administrator can have any name.
    fn check_name(self, username: &Username, roles: &RoleTable) -> Result<(), Denial> {
        match self {
            Self::Setup => Ok(()),
            Self::Registration | Self::Invitation(_) => username.check_unreserved(roles),
        }
    }

    fn invitation(self) -> Option<[u8; 32]> {
        match self {
            Self::Invitation(hash) => Some(hash),
            Self::Registration | Self::Setup => None,
        }
    }

    fn roles(self) -> Roles {
        match self {
            Self::Registration | Self::Invitation(_) => Roles::user(),
            Self::Setup => Roles::user().with(Role::Admin),
        }
    }
}

/// A random id, so that ids of other users cannot be enumerated.
fn new_user_id() -> Result<UserId, Denial> {
    let text = format!("u_{}", random_id::<16>()?);
    UserId::parse(&text).map_err(|_| Denial::Internal("user_id"))
}
