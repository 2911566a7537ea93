//! `POST /auth/register`: a person makes an account.
//! Never: a role beyond `user`, or a hash made before the rate has allowed it.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Denial, Roles, Secret, Severity, UserId};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::{CreateUser, NewUser};

use crate::accounts::fresh_salt;
use crate::input::{
    Created, NAME_AND_PASSWORD, NameAndPassword, UserView, record_act, store_denial,
};
use crate::password::Password;
use crate::username::Username;
use crate::{Accounts, Registration};

/// Answers 201 `{user: {id, username, roles}}`.
pub(crate) async fn register(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    match accounts.options.registration {
        Registration::Open => {}
        Registration::Closed => return Err(Denial::RegistrationClosed),
    }
    let input: NameAndPassword = read_json(&request.body, NAME_AND_PASSWORD)?;
    let username = Username::parse(&input.username)?;
    // Not the name's log-in budget: whoever registers a name must not lock its owner out.
    let budget = format!(":register:{}", username.folded());
    request.gate.login_allowed(request.client, &budget, request.now)?;
    input.password.check_new(&[username.as_str(), &accounts.options.audience, "portcullis"])?;

    let phc = hash(&accounts, input.password).await?;
    let id = new_user_id()?;
    let name: Arc<str> = Arc::from(username.as_str());
    let user = NewUser {
        id: id.clone(),
        username: Arc::clone(&name),
        password_phc: Some(phc),
        issuer: None,
        subject: None,
        roles: Roles::user(),
        created_unix_ms: request.now.unix_ms,
        setup: false,
    };
    match accounts.store.create_user(user).await.map_err(|error| store_denial(&error))? {
        CreateUser::Created => {}
        CreateUser::NameTaken => return Err(Denial::NameTaken),
        CreateUser::SetupUsed => return Err(Denial::RegistrationClosed),
    }
    record_act(&request, "user_created", Severity::Warning, &id, &name);
    let user = UserView::new(&id, name, Roles::user());
    Ok(ApiResponse::json(201, &Created { user }))
}

/// Hashes a new password with fresh salt.
pub(crate) async fn hash(
    accounts: &Accounts,
    password: Password,
) -> Result<Secret<String>, Denial> {
    accounts.pool.hash(password, fresh_salt()?).await
}

/// An id nobody can guess, so that ids of others cannot be walked.
pub(crate) fn new_user_id() -> Result<UserId, Denial> {
    let text = format!("u_{}", random_id::<16>()?);
    UserId::parse(&text).map_err(|_| Denial::Internal("user_id"))
}
