//! What clients send to the account routes, and what every route does with it first.
//! Never: an unknown field taken, a password outside `Password`.

use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{User, VerifiedCredential};
use portcullis_model::{Code, Denial, RoleTable, Roles, Secret, SessionId, TokenFault, UserId};
use portcullis_server::ApiRequest;
use portcullis_store::StoreError;
use serde::{Deserialize, Deserializer, Serialize};

/// A body without members: `{}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Reads a secret out of a member.
pub(crate) fn secret<'de, D: Deserializer<'de>>(reader: D) -> Result<Secret<String>, D::Error> {
    String::deserialize(reader).map(Secret::new)
}

/// Reads a secret out of a member that may be left out or null.
pub(crate) fn optional_secret<'de, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<Secret<String>>, D::Error> {
    Option::<String>::deserialize(reader).map(|text| text.map(Secret::new))
}

/// A user as the account routes show them.
#[derive(Debug, Serialize)]
pub(crate) struct UserView {
    id: String,
    username: Arc<str>,
    roles: Vec<String>,
}

impl UserView {
    pub(crate) fn new(id: &UserId, username: Arc<str>, roles: Roles, table: &RoleTable) -> Self {
        let roles = table.names(roles).into_iter().map(String::from).collect();
        Self { id: id.to_string(), username, roles }
    }
}

/// A user of our own who is signed in, with the session they are in.
pub(crate) struct SignedIn {
    pub(crate) user: Arc<User>,
    pub(crate) session: SessionId,
    /// When the user proved who they are to get this token, in seconds since 1970.
    authenticated_unix_s: Option<i64>,
}

impl SignedIn {
    /// Who asks; users of other issuers manage their accounts there. A user who has to add a second
    /// factor first is rejected.
    pub(crate) fn read(request: &ApiRequest) -> Result<Self, Denial> {
        let signed_in = Self::read_for_setup(request)?;
        if signed_in.user.is_setup_only() {
            return Err(Denial::SecondFactor("setup"));
        }
        Ok(signed_in)
    }

    /// The same for what it takes to add a second factor.
    pub(crate) fn read_for_setup(request: &ApiRequest) -> Result<Self, Denial> {
        let (verified, user) = request.authenticated()?;
        Self::of(request, &verified, user)
    }

    fn of(
        request: &ApiRequest,
        verified: &VerifiedCredential,
        user: Arc<User>,
    ) -> Result<Self, Denial> {
        let named = verified.session.as_deref().and_then(|name| SessionId::parse(name).ok());
        let live = named.and_then(|id| request.gate.directory().session(&id));
        match live.filter(|_| verified.own) {
            Some(live) => Ok(Self {
                user,
                session: live.id.clone(),
                authenticated_unix_s: verified.authenticated_unix_s,
            }),
            None => Err(Denial::Token(TokenFault::Session)),
        }
    }

    /// Refuses when the log-in is longer ago than what changes an account's safety may rest on.
    pub(crate) fn check_recent(&self, request: &ApiRequest) -> Result<(), Denial> {
        check_recent(self.authenticated_unix_s, request)
    }
}

/// How long ago a log-in may be for what changes an account's safety: 5 minutes.
const RECENT_S: i64 = 5 * 60;

/// Refuses a token whose own log-in is too long ago, or not known.
///
/// What another token of the session has proved does not count: one of the two may be a copy.
pub(crate) fn check_recent(
    authenticated_unix_s: Option<i64>,
    request: &ApiRequest,
) -> Result<(), Denial> {
    let age_s = authenticated_unix_s.map(|at_s| request.now.unix_s().saturating_sub(at_s));
    match age_s {
        Some(age_s) if age_s <= RECENT_S => Ok(()),
        Some(_) | None => Err(Denial::ReauthRequired),
    }
}

/// The error that the client gets when the store fails; the cause is in the log.
pub(crate) fn store_denial(error: &StoreError) -> Denial {
    let denial = error.denial();
    if matches!(denial, Denial::Internal(_)) {
        tracing::error!(error = error as &dyn std::error::Error, "the store failed");
    }
    denial
}

/// Records something a user did or became through an account route.
pub(crate) fn record_act(request: &ApiRequest, code: Code, user: &UserId, username: &str) {
    record_with(request, code, user, |record| {
        record.user_name = Some(String::from(username));
    });
}

/// Records an act, with more that is known of it.
pub(crate) fn record_with(
    request: &ApiRequest,
    code: Code,
    user: &UserId,
    more: impl FnOnce(&mut Record),
) {
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.client = Some(request.client);
    record.user = Some(user.clone());
    record.origin = request.origin.as_deref().map(String::from);
    more(&mut record);
    request.audit.record(record, request.now);
}
