//! `POST /auth/login`: a name and a password, and where asked for a code, become a session.
//! Never: an answer or a delay that tells an unknown name from a wrong password.

use std::sync::Arc;

use portcullis_guard::{CheckedProof, EntryOwner, FactorGap, LoginSource, read_json};
use portcullis_model::{Code, Denial, Limit, Now, Roles, Secret, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::CredentialsRow;
use serde::Deserialize;

use crate::accounts::{Accounts, fresh_salt};
use crate::factors::totp::Occasion;
use crate::factors::totp::{self, RecoveryCode};
use crate::login::attempts::Attempts;
use crate::login::failure_counts::NOTABLE;
use crate::login::known_device::Device;
use crate::login::link_request;
use crate::login::login_link::LoginLink;
use crate::passwords::password::{Password, PasswordMatch};
use crate::passwords::pool::PasswordLane;
use crate::request::cookies;
use crate::request::input::{optional_secret, record_with, store_denial};
use crate::sessions::open::{self, Holder};
use crate::users::username::{USERNAME_MAX_CHARS, Username};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginInput {
    username: String,
    password: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
    /// A login link, for an account that others have closed by guessing.
    #[serde(default, deserialize_with = "optional_secret")]
    door: Option<Secret<String>>,
}

/// Answers 200 `{access_token, token_type, expires_in, user}`, with the refresh cookie.
///
/// Every refusal past the rate costs one look-up and one hash, whatever the reason (T-028).
pub(crate) async fn login(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    const FIELDS: &[&str] = &["username", "password", "totp", "door"];
    let input: LoginInput = read_json(&request.body, FIELDS)?;
    input.password.check_size()?;
    let username = Username::parse(&input.username).ok();
    let budget = budget_name(username.as_ref(), &input.username);
    let link = read_link(&accounts, &request, &budget, input.door.as_ref())?;
    let proof = checked_proof(&accounts, &request)?;
    let device = known_device(&accounts, &request, &budget);
    let recovery = input.totp.as_ref().and_then(|code| RecoveryCode::read(code.expose()));
    let from = match (&link, &device) {
        (Some(link), _) if link.is_by_operator() => LoginSource::OperatorLink,
        (Some(_), _) => LoginSource::Link,
        (None, Some(device)) => LoginSource::KnownDevice(device.name()),
        (None, None) => LoginSource::Anywhere,
    };
    let mut attempts =
        Attempts { request: &request, failures: &accounts.failures, budget: &budget, from };
    if let Err(denial) = attempts.allowed().await {
        attempts.from = by_recovery_code(&accounts, &attempts, recovery, denial).await?;
        attempts.allowed().await?;
    }
    let owner = EntryOwner::Address(request.client);
    let key = proof
        .map(|proof| request.gate.authentication().use_proof(proof, owner, request.now))
        .transpose()?;

    let lane = match attempts.from {
        LoginSource::Anywhere => PasswordLane::Strangers,
        LoginSource::KnownDevice(_)
        | LoginSource::Link
        | LoginSource::OperatorLink
        | LoginSource::RecoveryCode
        | LoginSource::SignedIn => PasswordLane::Known,
    };
    let checked = check(&accounts, &request, &username, (lane, input.password)).await;
    let row = checked.inspect_err(|denial| {
        if let Denial::Login { .. } = denial {
            attempts.password_failed();
        }
    })?;
    request.gate.limits().login_proven(request.client, request.now);
    let proved = totp::check(&accounts, &attempts, &row, input.totp).await?;
    if let Some(link) = &link {
        link_request::consume(&accounts, &request, &row.id, link).await?;
    }
    let occasion = if link.is_some() { Occasion::LoginLink } else { Occasion::Login };
    succeeded(&accounts, &request, &budget, &row, proved.reason(occasion));
    let device = match device {
        Some(device) => device,
        None => accounts.secret.new_device(&budget, request.now)?,
    };
    let holder = holder(&accounts, row, key, request.now);
    open::open(&accounts, &request, holder, &device).await
}

/// The user of a new session, who has just proved who they are.
fn holder(accounts: &Accounts, row: CredentialsRow, key: Option<Vec<u8>>, now: Now) -> Holder {
    let (roles, gap) = effective(accounts, &row);
    let factors = totp::factors(&row);
    Holder {
        user: row.id,
        username: row.username,
        roles,
        key,
        factors,
        gap,
        authenticated_unix_s: now.unix_s(),
        generation: 0,
    }
}

/// The login link a request shows, which has to be this user's and unused.
fn read_link(
    accounts: &Accounts,
    request: &ApiRequest,
    budget: &str,
    door: Option<&Secret<String>>,
) -> Result<Option<LoginLink>, Denial> {
    let Some(door) = door else { return Ok(None) };
    let link = accounts.secret.read_login_link(door.expose(), budget, request.now)?;
    link_request::check_unused(request, &link)?;
    Ok(Some(link))
}

/// Where a log-in comes from that a limit of the account, or of the known device or link that it
/// shows, rejects, when it shows a recovery code as well.
///
/// A recovery code cannot be guessed, so attackers who close the account cannot show one. The
/// look-up follows the limit of the address, and costs no hash.
async fn by_recovery_code(
    accounts: &Accounts,
    attempts: &Attempts<'_>,
    recovery: Option<RecoveryCode>,
    denial: Denial,
) -> Result<LoginSource<'static>, Denial> {
    let closed = match &denial {
        Denial::Shed(_) => true,
        Denial::Limit { limit, .. } => {
            matches!(limit, Limit::LoginPerUser | Limit::LoginFailedPerUser | Limit::LoginTotal)
        }
        _ => false,
    };
    let Some(code) = recovery.filter(|_| closed) else { return Err(denial) };
    let row = accounts.store.credentials(attempts.budget).await;
    let row = row.map_err(|error| store_denial(&error))?;
    let Some(factor) = row.and_then(|row| row.totp) else { return Err(denial) };
    let hash = code.stored_hash(&factor);
    let known = accounts.store.has_recovery_code(attempts.budget, hash).await;
    let known = known.map_err(|error| store_denial(&error))?;
    if known { Ok(LoginSource::RecoveryCode) } else { Err(denial) }
}

/// The proof of the client's key, which the strict profile asks for; it is not used up yet.
fn checked_proof(
    accounts: &Accounts,
    request: &ApiRequest,
) -> Result<Option<CheckedProof>, Denial> {
    match request.checked_proof()? {
        None if accounts.options.proof_required => Err(Denial::Token(TokenFault::Proof)),
        proof => Ok(proof),
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
    let is_right = matches != PasswordMatch::No;
    let row = judge(found, is_right, request.now.unix_ms).map_err(|reason| Denial::Login {
        reason,
        username: username.as_ref().map(|name| String::from(name.as_str())),
    })?;
    if matches == PasswordMatch::AsSent || accounts.hashing.is_outdated(&row.password_phc) {
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

/// The roles that are in force after a log-in, and what a missing second factor withholds.
pub(crate) fn effective(accounts: &Accounts, row: &CredentialsRow) -> (Roles, FactorGap) {
    let gap = accounts.options.second_factor.gap(row.roles, row.totp.is_some());
    (row.roles.minus(gap.withheld), gap)
}

fn succeeded(
    accounts: &Accounts,
    request: &ApiRequest,
    budget: &str,
    row: &CredentialsRow,
    reason: &'static str,
) {
    let before = accounts.failures.settle(budget, request.now);
    if before >= NOTABLE {
        record_with(request, Code::AuthnLoginSuccessAfterFail, &row.id, |record| {
            record.user_name = Some(row.username.to_string());
            record.reason = reason;
            record.detail = Some(format!("after {before} failures"));
        });
    } else {
        record_with(request, Code::AuthnLoginSuccess, &row.id, |record| {
            record.user_name = Some(row.username.to_string());
            record.reason = reason;
        });
    }
}

/// Whose budget an attempt uses up. What can be no name has budgets of its own.
pub(crate) fn budget_name(username: Option<&Username>, raw: &str) -> String {
    username.map_or_else(
        || {
            let start: String = raw.chars().take(USERNAME_MAX_CHARS).collect();
            format!("{OTHER}{start}")
        },
        Username::folded,
    )
}

/// The user name a budget is of, folded; none for what can be no name.
pub(crate) fn budget_user_name(budget: &str) -> Option<&str> {
    (!budget.starts_with(OTHER)).then_some(budget)
}

/// No user name holds a colon.
const OTHER: &str = ":other:";
