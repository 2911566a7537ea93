//! `POST /auth/login`: opens a session for a name and a password, and a code where required.
//! Never: a response or a delay that distinguishes an unknown name from a wrong password.

use std::sync::Arc;

use portcullis_audit::{Device, Outcome, Privilege, Record, Subject};
use portcullis_guard::{CheckedProof, EntryOwner, FactorGap, LoginSource, read_json};
use portcullis_model::{Code, Denial, Limit, Now, Roles, Secret, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{CredentialsRow, StoreError};
use serde::Deserialize;

use super::attempts::{Attempts, account_key};
use super::failure_counts::NOTABLE_FAILURES;
use super::known_device::KnownDevice;
use super::link_use;
use super::login_link::LoginLink;
use crate::accounts::{Accounts, new_salt};
use crate::factors::code_check::{self, AuthenticationOccasion};
use crate::factors::recovery_code::RecoveryCode;
use crate::factors::totp::SECRET_BYTES;
use crate::passwords::hashing::PasswordMatch;
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordQueue;
use crate::request::cookies;
use crate::request::input::optional_secret;
use crate::sessions::open;
use crate::sessions::session_response::SessionHolder;
use crate::users::username::Username;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginInput {
    username: String,
    password: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
    /// A login link, for an account that attackers have closed by guessing.
    #[serde(default, deserialize_with = "optional_secret")]
    door: Option<Secret<String>>,
}

/// Answers 200 `{access_token, token_type, expires_in, user}`, with the refresh cookie.
///
/// Behind the rate limit, every rejection costs one look-up and one hash, whatever the reason
/// (T-028).
pub(crate) async fn login(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let outcome = attempt(&accounts, request).await;
    accounts.logins.count(outcome.as_ref().err());
    outcome
}

async fn attempt(accounts: &Arc<Accounts>, request: ApiRequest) -> Result<ApiResponse, Denial> {
    const FIELDS: &[&str] = &["username", "password", "totp", "door"];
    let input: LoginInput = read_json(&request.body, FIELDS)?;
    input.password.check_size()?;
    let username = Username::parse(&input.username).ok();
    let account = account_key(username.as_ref(), &input.username);
    let link = read_link(accounts, &request, &account, input.door.as_ref())?;
    let proof = checked_proof(accounts, &request)?;
    let device = known_device(accounts, &request, &account);
    let recovery = input.totp.as_ref().and_then(|code| RecoveryCode::read(code.expose()));
    let from = match (&link, &device) {
        (Some(link), _) if link.is_by_operator() => LoginSource::OperatorLink,
        (Some(_), _) => LoginSource::Link,
        (None, Some(device)) => LoginSource::KnownDevice(device.name()),
        (None, None) => LoginSource::Anywhere,
    };
    let mut attempts =
        Attempts { request: &request, failures: &accounts.failures, account: &account, from };
    if let Err(denial) = attempts.check_allowed().await {
        attempts.from = admit_by_recovery_code(accounts, &attempts, recovery, denial).await?;
        attempts.check_allowed().await?;
    }
    let key = proof.map(|proof| use_proof(&request, proof)).transpose()?;

    let queue = match attempts.from {
        LoginSource::Anywhere => PasswordQueue::Unauthenticated,
        LoginSource::KnownDevice(_)
        | LoginSource::Link
        | LoginSource::OperatorLink
        | LoginSource::RecoveryCode
        | LoginSource::SignedIn => PasswordQueue::Returning,
    };
    let checked = check(accounts, &request, &username, (queue, input.password)).await;
    let row = checked.inspect_err(|denial| {
        if let Denial::Login { .. } = denial {
            attempts.count_wrong_password();
        }
    })?;
    request.gate.limits().refund_login(request.client, request.now);
    let authenticated = code_check::check(accounts, &attempts, &row, input.totp).await?;
    if let Some(link) = &link {
        link_use::mark_used(accounts, &request, &row.id, link).await?;
    }
    let occasion = match link {
        Some(_) => AuthenticationOccasion::LoginLink,
        None => AuthenticationOccasion::Login,
    };
    let from_device = if device.is_some() { Device::Known } else { Device::New };
    let reason = authenticated.reason(occasion);
    record_login(accounts, &request, &account, &row, (reason, from_device));
    let device = match device {
        Some(device) => device,
        None => KnownDevice::new(&accounts.secret, &account, request.now)?,
    };
    let holder = session_holder(accounts, row, key, request.now);
    open::open(accounts, &request, holder, &device).await
}

/// The user of a new session, who has just authenticated.
fn session_holder(
    accounts: &Accounts,
    row: CredentialsRow,
    key: Option<Vec<u8>>,
    now: Now,
) -> SessionHolder {
    let (roles, gap) = effective_roles(accounts, &row);
    let factors = code_check::factors(&row);
    SessionHolder {
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

/// The login link of a request, which has to belong to this user and must be unused.
fn read_link(
    accounts: &Accounts,
    request: &ApiRequest,
    account: &str,
    door: Option<&Secret<String>>,
) -> Result<Option<LoginLink>, Denial> {
    let Some(door) = door else { return Ok(None) };
    let link = LoginLink::read(door.expose(), &accounts.secret, account, request.now)?;
    link_use::check_unused(request, &link)?;
    Ok(Some(link))
}

/// Admits a login that a limit has rejected, if it contains a valid recovery code.
///
/// A recovery code cannot be guessed, so attackers who close the account cannot send one. Only the
/// limits of the account, of its known devices and of its links are lifted. The look-ups follow the
/// limit of the address and cost no hash. They are the same for an unknown name, for a user without
/// a second factor, and for a factor that cannot be opened, so time and answer reveal nothing.
async fn admit_by_recovery_code(
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
    let factor = match accounts.store.credentials(attempts.account).await {
        Ok(row) => row.and_then(|row| row.totp),
        Err(error @ StoreError::Unsealable { .. }) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "a recovery code was not checked: the factor does not open");
            None
        }
        Err(error) => return Err(error.into_denial()),
    };
    let decoy = Secret::new(vec![0; SECRET_BYTES]);
    let hash = code.stored_hash(factor.as_ref().unwrap_or(&decoy));
    let known = accounts.store.has_recovery_code(attempts.account, hash).await;
    let known = known.map_err(StoreError::into_denial)?;
    if known && factor.is_some() { Ok(LoginSource::RecoveryCode) } else { Err(denial) }
}

/// The proof of the client key, which the strict profile requires; it is not marked as used yet.
fn checked_proof(
    accounts: &Accounts,
    request: &ApiRequest,
) -> Result<Option<CheckedProof>, Denial> {
    match request.checked_proof()? {
        None if accounts.options.proof_required => Err(Denial::Token(TokenFault::Proof)),
        proof => Ok(proof),
    }
}

/// Marks the proof as used; returns the key of the client.
fn use_proof(request: &ApiRequest, proof: CheckedProof) -> Result<Vec<u8>, Denial> {
    let owner = EntryOwner::Address(request.client);
    request.gate.authentication().consume_proof(proof, owner, request.now)
}

fn known_device(accounts: &Accounts, request: &ApiRequest, account: &str) -> Option<KnownDevice> {
    let cookie = cookies::read(request.headers.cookie.as_deref(), cookies::DEVICE)?;
    KnownDevice::read(cookie, &accounts.secret, account, request.now)
}

/// Looks up the name and verifies the password; for an unknown name, verifies a decoy hash.
async fn check(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    username: &Option<Username>,
    (queue, password): (PasswordQueue, Password),
) -> Result<CredentialsRow, Denial> {
    // An invalid name is looked up too, as a name that no user has.
    let wanted = username.as_ref().map_or("-", Username::as_str);
    let found = accounts.store.credentials(wanted).await.map_err(StoreError::into_denial)?;
    let stored = found.as_ref().map_or(&accounts.decoy, |row| &row.password_phc).clone();
    let again = password.clone();
    let matches = accounts.pool.verify(queue, password, stored).await?;
    let is_right = matches != PasswordMatch::No;
    let row = check_row(found, is_right, request.now.unix_ms).map_err(|reason| Denial::Login {
        reason,
        username: username.as_ref().map(|name| String::from(name.as_str())),
    })?;
    if matches == PasswordMatch::AsSent || accounts.hashing.is_outdated(&row.password_phc) {
        rehash(accounts, &row, again);
    }
    Ok(row)
}

/// Checks that the password is right and the user can log in; the error is for the operator.
fn check_row(
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

/// Creates a hash of the current cost in the background; the login does not wait for it.
fn rehash(accounts: &Arc<Accounts>, row: &CredentialsRow, password: Password) {
    let (accounts, user) = (Arc::clone(accounts), row.id.clone());
    let old = row.password_phc.clone();
    tokio::spawn(async move {
        let Ok(salt) = new_salt() else { return };
        let hashed = accounts.pool.hash(PasswordQueue::Returning, password, salt).await;
        let Ok(new) = hashed else { return };
        if let Err(error) = accounts.store.rehash(user, old, new).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a password hash was not renewed; the next login tries again");
        }
    });
}

/// The roles in force after a login, and the roles that a missing second factor withholds.
fn effective_roles(accounts: &Accounts, row: &CredentialsRow) -> (Roles, FactorGap) {
    let gap = accounts.options.second_factor.gap(row.roles, row.totp.is_some());
    (row.roles.minus(gap.withheld), gap)
}

fn record_login(
    accounts: &Accounts,
    request: &ApiRequest,
    account: &str,
    row: &CredentialsRow,
    (reason, device): (&'static str, Device),
) {
    let failures = accounts.failures.take(account, request.now);
    let notable = failures >= NOTABLE_FAILURES;
    let code = if notable { Code::AuthnLoginSuccessAfterFail } else { Code::AuthnLoginSuccess };
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.client = Some(request.client);
    record.user = Some(row.id.clone());
    record.user_name = Some(row.username.to_string());
    record.origin = request.origin.as_deref().map(String::from);
    record.reason = reason;
    record.detail = notable.then(|| format!("after {failures} failures"));
    let subject = Subject {
        name: Some(account),
        privilege: Privilege::of(row.roles),
        device,
        ..Subject::default()
    };
    request.audit.record_with(record, &subject, request.now, |_| ());
}
