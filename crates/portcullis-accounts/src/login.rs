//! `POST /auth/login`: a name and a password become an access token.
//! Never: an answer or a delay that tells an unknown name from a wrong password.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Denial, Severity};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::CredentialsRow;
use serde::Serialize;

use crate::Accounts;
use crate::input::{NAME_AND_PASSWORD, NameAndPassword, UserView, record_act, store_denial};
use crate::token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
use crate::username::{USERNAME_MAX_CHARS, Username};

#[derive(Serialize)]
struct LoggedIn<'a> {
    access_token: &'a str,
    expires_in: i64,
    user: UserView,
}

/// Answers 200 `{access_token, expires_in, user}`.
///
/// Every refusal past the rate costs one look-up and one hash, whatever the reason (T-028).
pub(crate) async fn login(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let input: NameAndPassword = read_json(&request.body, NAME_AND_PASSWORD)?;
    input.password.check_size()?;
    let username = Username::parse(&input.username).ok();
    let budget = budget_name(username.as_ref(), &input.username);
    request.gate.login_allowed(request.client, &budget, request.now)?;

    // What can be no name is looked up all the same, as one that nobody has.
    let wanted = username.as_ref().map_or("-", Username::as_str);
    let found = accounts.store.credentials(wanted).await.map_err(|error| store_denial(&error))?;
    let stored = found.as_ref().map_or(&accounts.decoy, |row| &row.password_phc).clone();
    let matches = accounts.pool.verify(input.password, stored).await?;
    let row = judge(found, matches).map_err(|reason| Denial::Login {
        reason,
        username: username.as_ref().map(|name| String::from(name.as_str())),
    })?;
    record_act(&request, "authn_login_success", Severity::Info, &row.id, &row.username);
    answer(&accounts, &request, &row)
}

/// Whether the log-in succeeds, and for the operator why it does not.
fn judge(found: Option<CredentialsRow>, matches: bool) -> Result<CredentialsRow, &'static str> {
    match found {
        None => Err("unknown_user"),
        Some(_) if !matches => Err("wrong_password"),
        Some(row) if row.disabled => Err("disabled"),
        Some(row) => Ok(row),
    }
}

/// Whose budget an attempt uses up. What can be no name has budgets of its own.
fn budget_name(username: Option<&Username>, raw: &str) -> String {
    username.map_or_else(
        || {
            let start: String = raw.chars().take(USERNAME_MAX_CHARS).collect();
            format!(":other:{start}")
        },
        Username::folded,
    )
}

fn answer(
    accounts: &Accounts,
    request: &ApiRequest,
    row: &CredentialsRow,
) -> Result<ApiResponse, Denial> {
    let claims = AccessClaims {
        issuer: &accounts.options.issuer,
        audience: &accounts.options.audience,
        user: &row.id,
        name: &row.username,
        session: &random_id::<16>()?,
        token: &random_id::<16>()?,
        issued_unix_s: request.now.unix_s(),
    };
    let token = accounts.keys.access_token(&claims)?;
    record_act(request, "authn_token_created", Severity::Info, &row.id, &row.username);
    let body = LoggedIn {
        access_token: token.expose(),
        expires_in: ACCESS_TOKEN_LIFE_S,
        user: UserView::new(&row.id, Arc::clone(&row.username), row.roles),
    };
    Ok(ApiResponse::json(200, &body))
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Roles, Secret, UserId};

    use super::*;

    fn row(disabled: bool) -> CredentialsRow {
        CredentialsRow {
            id: UserId::parse("u_1").unwrap(),
            username: Arc::from("Ann"),
            password_phc: Secret::new(String::new()),
            roles: Roles::user(),
            disabled,
        }
    }

    #[test]
    fn t_028_the_reason_is_known_inside_and_alike_outside() {
        let cases = [
            (None, true, Err("unknown_user")),
            (None, false, Err("unknown_user")),
            (Some(row(false)), false, Err("wrong_password")),
            (Some(row(true)), false, Err("wrong_password")),
            (Some(row(true)), true, Err("disabled")),
            (Some(row(false)), true, Ok("Ann")),
        ];
        let mut answers = Vec::new();
        for (found, matches, expect) in cases {
            let judged = judge(found, matches);
            assert_eq!(judged.as_ref().map(|row| &*row.username).map_err(|reason| *reason), expect);
            if let Err(reason) = judged {
                answers.push(Denial::Login { reason, username: None }.answer());
            }
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn budgets_are_per_name_without_case_and_bounded() {
        let check = |raw: &str| budget_name(Username::parse(raw).ok().as_ref(), raw);
        assert_eq!(check("Ann"), check("aNN"));
        assert_eq!(check("ann lee"), ":other:ann lee");
        assert_eq!(check(&"x".repeat(1 << 16)).len(), ":other:".len() + 32);
        assert_ne!(check("ann"), check(" ann"));
    }
}
