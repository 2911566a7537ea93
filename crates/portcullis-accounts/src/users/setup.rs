//! `POST /auth/setup`: creates the first administrator, with a one-time token.
//! Never: a second user with the role administrator.

use std::sync::Arc;

use portcullis_guard::{LoginSource, read_json};
use portcullis_model::{Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Deserialize;

use super::create_user::{AccountOrigin, create_user};
use super::username::Username;
use crate::accounts::Accounts;
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordQueue;
use crate::request::input::secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupInput {
    #[serde(deserialize_with = "secret")]
    token: Secret<String>,
    username: String,
    password: Password,
}

/// Answers 201 `{user: {id, username, roles}}`; a used and a wrong token have the same answer.
pub(crate) async fn setup(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let input: SetupInput = read_json(&request.body, &["token", "username", "password"])?;
    // A limit per address: guesses of other clients must not block the holder of the link.
    let account = format!(":setup:{}", request.client);
    request.login_allowed(&account, LoginSource::Anywhere).await?;
    if !is_accepted(&accounts, input.token).await? {
        return Err(Denial::Registration("setup"));
    }
    let username = Username::parse(&input.username)?;
    accounts
        .pool
        .check_new(PasswordQueue::Unauthenticated, input.password.clone(), username.as_str())
        .await?;
    let shared = Arc::clone(&accounts);
    let created =
        create_user(shared, request, username, input.password, AccountOrigin::Setup).await?;
    run_blocking(move || accounts.options.setup.close()).await?;
    Ok(created)
}

async fn is_accepted(accounts: &Arc<Accounts>, token: Secret<String>) -> Result<bool, Denial> {
    let accounts = Arc::clone(accounts);
    run_blocking(move || accounts.options.setup.accepts(token.expose())).await
}

/// Runs on a thread that can wait for the disk; the limits of logins bound their number.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Denial> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Denial::Internal("setup"))
}
