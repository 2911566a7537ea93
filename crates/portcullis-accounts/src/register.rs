//! `POST /auth/register`: a person makes an account.
//! Never: a role beyond `user`, or a hash made before the rate has allowed it.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::Denial;
use portcullis_server::{ApiRequest, ApiResponse};

use crate::create_user::{Way, create_user};
use crate::input::{NAME_AND_PASSWORD, NameAndPassword};
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
    input.password.check_new(&[username.as_str(), "portcullis"])?;
    create_user(accounts, request, username, input.password, Way::Registration).await
}
