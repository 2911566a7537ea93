//! A new account, however it came about: stored, recorded, answered.
//! Never: left without a record because the client went away meanwhile.

use std::sync::Arc;

use portcullis_guard::{Party, Table};
use portcullis_model::{Code, Deadline, Denial, Role, RoleTable, Roles, UserId};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::{CreateUserOutcome, NewUser};
use serde::Serialize;

use crate::accounts::{Accounts, fresh_salt};
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordLane;
use crate::request::input::{UserView, record_act, store_denial};
use crate::users::external_names::{self, NameSlot};
use crate::users::username::Username;

/// How an account comes about, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Somebody registered: an ordinary user.
    Registration,
    /// Somebody registered who was invited; the digest of what they showed.
    Invitation([u8; 32]),
    /// The one-time link was used: the first administrator.
    Setup,
}

#[derive(Serialize)]
struct Created {
    user: UserView,
}

/// Answers 201 `{user: {id, username, roles}}`. The password has passed its rules.
pub(crate) async fn create_user(
    accounts: Arc<Accounts>,
    request: ApiRequest,
    username: Username,
    password: Password,
    way: Way,
) -> Result<ApiResponse, Denial> {
    way.check_name(&username, &accounts.roles)?;
    let (directory, party) = (request.gate.directory(), Party::of(request.client));
    match way {
        Way::Registration | Way::Invitation(_) => directory.check_space(Table::Users, party)?,
        // A full table keeps nobody from running the server.
        Way::Setup => {}
    }
    let slot = take_name(&accounts, &request, &username, way).await?;
    let phc = accounts.pool.hash(PasswordLane::Strangers, password, fresh_salt()?).await?;
    let user = NewUser {
        id: new_user_id()?,
        username: Arc::from(username.as_str()),
        password_phc: Some(phc),
        issuer: None,
        subject: None,
        roles: way.roles(),
        created_unix_ms: request.now.unix_ms,
        setup: way == Way::Setup,
        invitation: way.invitation(),
        roles_follow: false,
    };
    // From here on it runs to its end, also when the client hangs up: what is stored is recorded.
    let stored = async move {
        let stored = store(accounts, request, user, way).await;
        drop(slot);
        stored
    };
    let stored = tokio::spawn(Deadline::inherit(stored));
    let user = stored.await.map_err(|_| Denial::Internal("create_user"))??;
    Ok(ApiResponse::json(201, &Created { user }))
}

/// Takes the name, which has to be free. The first user of a server meets no other.
///
/// Whether a name is taken tells that there is such a user: where an invitation is needed, only a
/// client that has one learns it.
async fn take_name(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    username: &Username,
    way: Way,
) -> Result<Option<NameSlot>, Denial> {
    let taken = || NameSlot::take(accounts, request.gate.directory(), username.as_str(), None);
    match way {
        Way::Setup => Ok(None),
        Way::Registration => taken().map(Some),
        Way::Invitation(hash) => match taken() {
            Ok(slot) => Ok(Some(slot)),
            Err(denial) => {
                let open = accounts.store.has_invitation(hash, request.now.unix_ms).await;
                let open = open.map_err(|error| store_denial(&error))?;
                Err(if open { denial } else { Denial::RegistrationClosed })
            }
        },
    }
}

async fn store(
    accounts: Arc<Accounts>,
    request: ApiRequest,
    user: NewUser,
    way: Way,
) -> Result<UserView, Denial> {
    let (id, name) = (user.id.clone(), Arc::clone(&user.username));
    match accounts.store.create_user(user).await.map_err(|error| store_denial(&error))? {
        CreateUserOutcome::Created => {}
        CreateUserOutcome::NameTaken => return Err(Denial::NameTaken),
        CreateUserOutcome::Deleted => return Err(Denial::Internal("create_user")),
        CreateUserOutcome::SetupUsed | CreateUserOutcome::InvitationInvalid => {
            return Err(Denial::RegistrationClosed);
        }
    }
    request.gate.directory().charge_user(Party::of(request.client));
    record_act(&request, Code::UserCreated, &id, &name);
    external_names::displace(&accounts, request.gate.directory(), &name, request.now).await;
    match way {
        Way::Registration | Way::Invitation(_) => {}
        Way::Setup => {
            record_act(&request, Code::PrivilegePermissionsChanged, &id, &name);
        }
    }
    Ok(UserView::new(&id, name, way.roles(), &accounts.roles))
}

impl Way {
    /// Nobody registers the name of an office; the one who runs the server may call their account
    /// as they like.
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

/// An id nobody can guess, so that ids of others cannot be walked.
fn new_user_id() -> Result<UserId, Denial> {
    let text = format!("u_{}", random_id::<16>()?);
    UserId::parse(&text).map_err(|_| Denial::Internal("user_id"))
}
