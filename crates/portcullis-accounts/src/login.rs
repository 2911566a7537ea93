//! `POST /auth/login`: a name and a password, and where asked for a code, become a session.
//! Never: an answer or a delay that tells an unknown name from a wrong password.

use std::sync::Arc;

use portcullis_guard::{LoginFrom, read_json};
use portcullis_model::{Code, Denial, Role, Roles, Secret, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::CredentialsRow;
use serde::Deserialize;

use crate::accounts::{Accounts, fresh_salt};
use crate::cookies;
use crate::device::Device;
use crate::failures::NOTABLE;
use crate::input::{optional_secret, record_act, record_with, store_denial};
use crate::password::Password;
use crate::password_pool::PasswordLane;
use crate::session_open::{self, Holder};
use crate::totp;
use crate::username::{USERNAME_MAX_CHARS, Username};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginInput {
    username: String,
    password: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
}

/// Answers 200 `{access_token, token_type, expires_in, user}`, with the refresh cookie.
///
/// Every refusal past the rate costs one look-up and one hash, whatever the reason (T-028).
pub(crate) async fn login(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let input: LoginInput = read_json(&request.body, &["username", "password", "totp"])?;
    input.password.check_size()?;
    let key = proven_key(&accounts, &request)?;
    let username = Username::parse(&input.username).ok();
    let budget = budget_name(username.as_ref(), &input.username);
    let device = known_device(&accounts, &request, &budget);
    let from =
        device.as_ref().map_or(LoginFrom::Anywhere, |device| LoginFrom::KnownDevice(device.name()));
    request.login_allowed(&budget, from).await?;

    let lane = match &device {
        Some(_) => PasswordLane::Known,
        None => PasswordLane::Strangers,
    };
    let row = match check(&accounts, &request, &username, (lane, input.password)).await {
        Ok(row) => row,
        Err(denial) => return Err(failed(&accounts, &request, &budget, device, denial)),
    };
    if let Err(denial) = totp::check(&accounts, &row, input.totp, request.now).await {
        // A right password without a code is no failure yet, and tells its owner what is missing.
        return Err(match denial {
            Denial::TotpRequired => Denial::TotpRequired,
            other => failed(&accounts, &request, &budget, device, other),
        });
    }
    succeeded(&accounts, &request, &budget, &row);
    let device = match device {
        Some(device) => device,
        None => accounts.secret.new_device(&budget, request.now)?,
    };
    let (roles, totp_missing) = effective(&accounts, &row);
    let factors = totp::factors(&row);
    let (user, username) = (row.id, row.username);
    let holder = Holder { user, username, roles, key, factors, totp_missing };
    session_open::open(&accounts, &request, holder, &device).await
}

/// The key the client proves, which the strict profile asks for.
pub(crate) fn proven_key(
    accounts: &Accounts,
    request: &ApiRequest,
) -> Result<Option<Vec<u8>>, Denial> {
    match request.proven_key()? {
        None if accounts.options.proof_required => Err(Denial::Token(TokenFault::Proof)),
        key => Ok(key),
    }
}

fn known_device(accounts: &Accounts, request: &ApiRequest, name: &str) -> Option<Device> {
    let cookie = cookies::read(request.cookie.as_deref(), cookies::DEVICE)?;
    accounts.secret.known_device(cookie, name, request.now)
}

/// Looks the name up and verifies the password, and for an unknown name a decoy.
async fn check(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    username: &Option<Username>,
    (lane, password): (PasswordLane, Password),
) -> Result<CredentialsRow, Denial> {
    // What can be no name is looked up all the same, as one that nobody has.
    let wanted = username.as_ref().map_or("-", Username::as_str);
    let found = accounts.store.credentials(wanted).await.map_err(|error| store_denial(&error))?;
    let stored = found.as_ref().map_or(&accounts.decoy, |row| &row.password_phc).clone();
    let again = password.clone();
    let matches = accounts.pool.verify(lane, password, stored).await?;
    let row = judge(found, matches, request.now.unix_ms).map_err(|reason| Denial::Login {
        reason,
        username: username.as_ref().map(|name| String::from(name.as_str())),
    })?;
    if accounts.hashing.is_outdated(&row.password_phc) {
        rehash(accounts, &row, again);
    }
    Ok(row)
}

/// Whether the password is right, and for the operator why it does not help.
fn judge(
    found: Option<CredentialsRow>,
    matches: bool,
    now_unix_ms: i64,
) -> Result<CredentialsRow, &'static str> {
    match found {
        None => Err("unknown_user"),
        Some(_) if !matches => Err("wrong_password"),
        Some(row) if row.disabled => Err("disabled"),
        Some(row) if now_unix_ms < row.banned_until_unix_ms => Err("banned"),
        Some(row) => Ok(row),
    }
}

/// Makes a hash of today's cost, besides: the log-in does not wait for it.
fn rehash(accounts: &Arc<Accounts>, row: &CredentialsRow, password: Password) {
    let (accounts, user) = (Arc::clone(accounts), row.id.clone());
    let old = row.password_phc.clone();
    tokio::spawn(async move {
        let Ok(salt) = fresh_salt() else { return };
        let Ok(new) = accounts.pool.hash(PasswordLane::Known, password, salt).await else { return };
        if let Err(error) = accounts.store.rehash(user, old, new).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a password hash was not renewed; the next log-in tries again");
        }
    });
}

/// What a user may do once everything their roles ask for is there.
pub(crate) fn effective(accounts: &Accounts, row: &CredentialsRow) -> (Roles, bool) {
    let missing =
        accounts.options.admins_need_totp && row.roles.contains(Role::Admin) && row.totp.is_none();
    let roles = if missing { row.roles.without(Role::Admin) } else { row.roles };
    (roles, missing)
}

/// Counts what went wrong. The answer stays what it was.
fn failed(
    accounts: &Accounts,
    request: &ApiRequest,
    budget: &str,
    device: Option<Device>,
    denial: Denial,
) -> Denial {
    if matches!(denial, Denial::Login { .. }) {
        accounts.failures.count(budget, request.now);
        if device.is_none() && request.gate.login_failed(budget, request.now) {
            let mut record = portcullis_audit::Record::new(Code::AuthnLoginLock);
            record.outcome = portcullis_audit::Outcome::Failure;
            record.client = Some(request.client);
            record.user_name = Some(String::from(budget));
            record.detail = Some(String::from("closed to devices that are not known"));
            request.audit.record(record, request.now);
        }
    }
    denial
}

fn succeeded(accounts: &Accounts, request: &ApiRequest, budget: &str, row: &CredentialsRow) {
    let before = accounts.failures.settle(budget, request.now);
    if before >= NOTABLE {
        record_with(request, Code::AuthnLoginSuccessAfterFail, &row.id, |record| {
            record.user_name = Some(row.username.to_string());
            record.detail = Some(format!("after {before} failures"));
        });
    } else {
        record_act(request, Code::AuthnLoginSuccess, &row.id, &row.username);
    }
}

/// Whose budget an attempt uses up. What can be no name has budgets of its own.
pub(crate) fn budget_name(username: Option<&Username>, raw: &str) -> String {
    username.map_or_else(
        || {
            let start: String = raw.chars().take(USERNAME_MAX_CHARS).collect();
            format!(":other:{start}")
        },
        Username::folded,
    )
}
