//! `POST /auth/totp/begin`: a secret for an authenticator, not yet asked for.
//! Never: stored before a code has proved it; a restart forgets it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::Mutex;
use portcullis_guard::{EntryOwner, Owner, ShareUse, Shares, read_json};
use portcullis_model::{Denial, Now, Secret, SessionId, UserId};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::factors::totp;
use crate::request::input::{Nothing, SignedIn};

/// How long a secret waits for its first code.
const KEPT_MS: u64 = 10 * 60 * 1000;
/// Most pending enrollments; about 250 bytes each. Each user has one.
const PENDING_MAX: usize = 4_096;
/// An address prefix holds an eighth of the free space at most.
const SHARE_PART: usize = 8;

struct Enrollment {
    session: SessionId,
    secret: Secret<Vec<u8>>,
    since_ms: u64,
    owner: Owner,
}

/// Secrets that wait for their first code, one a user, in shares by address prefix.
pub(crate) struct Enrollments {
    state: Mutex<State>,
}

struct State {
    pending: HashMap<UserId, Enrollment>,
    shares: Shares,
}

impl Default for Enrollments {
    fn default() -> Self {
        let shares = Shares::new("totp_enrollments", PENDING_MAX, SHARE_PART, PENDING_MAX);
        Self { state: Mutex::new(State { pending: HashMap::new(), shares }) }
    }
}

impl Enrollments {
    /// Stores a secret; it replaces the user's earlier one.
    fn begin(
        &self,
        user: &UserId,
        session: SessionId,
        secret: Secret<Vec<u8>>,
        (owner, client): (Owner, IpAddr),
        now: Now,
    ) -> Result<(), Denial> {
        let mut state = self.state.lock();
        state.end(user);
        if state.shares.check(owner).is_err() {
            state.evict_old(now);
        }
        let taken = state.shares.take(owner, || EntryOwner::Address(client).label());
        taken.map_err(|_| Denial::ShareFull("totp_enrollments"))?;
        let enrollment = Enrollment { session, secret, since_ms: now.monotonic_ms, owner };
        state.pending.insert(user.clone(), enrollment);
        Ok(())
    }

    /// The secret that this session requested; it is kept until it is confirmed or expires.
    pub(crate) fn find(
        &self,
        user: &UserId,
        session: &SessionId,
        now: Now,
    ) -> Option<Secret<Vec<u8>>> {
        let state = self.state.lock();
        let found = state.pending.get(user).filter(|found| found.session == *session)?;
        found.is_young(now).then(|| found.secret.clone())
    }

    /// Ends the user's enrollment.
    pub(crate) fn end(&self, user: &UserId) {
        self.state.lock().end(user);
    }

    /// How full the table is.
    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        let mut state = self.state.lock();
        state.evict_old(now);
        state.shares.usage()
    }
}

impl State {
    fn end(&mut self, user: &UserId) {
        if let Some(ended) = self.pending.remove(user) {
            self.shares.give_back(ended.owner);
        }
    }

    fn evict_old(&mut self, now: Now) {
        let Self { pending, shares } = self;
        pending.retain(|_, enrollment| {
            let young = enrollment.is_young(now);
            if !young {
                shares.give_back(enrollment.owner);
            }
            young
        });
    }
}

impl Enrollment {
    fn is_young(&self, now: Now) -> bool {
        now.monotonic_ms.saturating_sub(self.since_ms) < KEPT_MS
    }
}

#[derive(Serialize)]
struct Begun<'a> {
    /// In base 32, to be typed.
    secret: &'a str,
    /// `otpauth://…`, to be shown as a QR code.
    uri: &'a str,
}

/// Answers 200 `{secret, uri}`; `/auth/totp/confirm` with a code makes it count.
pub(crate) async fn begin(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read_for_setup(&request)?;
    let Nothing {} = read_json(&request.body, &[])?;
    signed_in.check_recent(&request)?;
    let mut bytes = vec![0; totp::SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Denial::Internal("randomness"))?;
    let secret = Secret::new(bytes);
    let codes = totp::codes(&secret, &signed_in.user.name())?;
    let uri = Secret::new(codes.to_url().map_err(|_| Denial::Internal("totp"))?);
    let shown = totp_rs::Secret::from(secret.expose().clone()).to_base32();
    let shown = Secret::new(shown);
    let owner = request.gate.limits().owner(EntryOwner::Address(request.client));
    let (user, session) = (&signed_in.user.id, signed_in.session);
    accounts.enrollments.begin(user, session, secret, (owner, request.client), request.now)?;
    Ok(ApiResponse::json(200, &Begun { secret: shown.expose(), uri: uri.expose() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_that_fills_its_share_rejects_no_other_address() {
        let enrollments = Enrollments::default();
        let client = IpAddr::from([127, 0, 0, 1]);
        let begin = |number: usize, owner: Owner, ms: u64| {
            let user = UserId::parse(&format!("user{number}")).unwrap();
            let session = SessionId::parse(&format!("s{number}")).unwrap();
            let now = Now { monotonic_ms: ms, unix_ms: 0 };
            enrollments.begin(&user, session, Secret::new(vec![1]), (owner, client), now)
        };
        let accepted = (0..PENDING_MAX).filter(|number| begin(*number, 1, 0).is_ok()).count();
        assert!(accepted <= PENDING_MAX / SHARE_PART, "{accepted}");
        assert_eq!(begin(9_999, 1, 0), Err(Denial::ShareFull("totp_enrollments")));
        assert_eq!(begin(9_998, 2, 0), Ok(()));
        assert_eq!(begin(9_998, 2, 0), Ok(()), "a user has one");
        assert_eq!(begin(9_999, 1, KEPT_MS), Ok(()), "old ones make space");
    }
}
