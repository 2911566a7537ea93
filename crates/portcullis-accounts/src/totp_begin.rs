//! `POST /auth/totp/begin`: a secret for an authenticator, not yet asked for.
//! Never: stored before a code has proved it; a restart forgets it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::Mutex;
use portcullis_guard::read_json;
use portcullis_model::{Denial, Now, Secret, SessionId};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::input::{Nothing, SignedIn};
use crate::totp;

/// How long a secret waits for its first code.
const KEPT_MS: u64 = 10 * 60 * 1000;
/// Most that wait; about 200 bytes each.
const WAITING_MAX: usize = 4_096;

/// A secret, and since when it waits, in milliseconds.
type Waiting = (Secret<Vec<u8>>, u64);

/// Secrets that wait for their first code, by the session that asked.
#[derive(Default)]
pub(crate) struct Beginnings {
    waiting: Mutex<HashMap<SessionId, Waiting>>,
}

impl Beginnings {
    fn begin(&self, session: SessionId, secret: Secret<Vec<u8>>, now: Now) -> Result<(), Denial> {
        let mut waiting = self.waiting.lock();
        let is_young = |since_ms: u64| now.monotonic_ms.saturating_sub(since_ms) < KEPT_MS;
        if waiting.len() >= WAITING_MAX {
            waiting.retain(|_, (_, since_ms)| is_young(*since_ms));
        }
        if waiting.len() >= WAITING_MAX {
            return Err(Denial::Busy);
        }
        waiting.insert(session, (secret, now.monotonic_ms));
        Ok(())
    }

    /// The secret a session has asked for lately; it stays until it is proved or old.
    pub(crate) fn find(&self, session: &SessionId, now: Now) -> Option<Secret<Vec<u8>>> {
        let waiting = self.waiting.lock();
        let (secret, since_ms) = waiting.get(session)?;
        (now.monotonic_ms.saturating_sub(*since_ms) < KEPT_MS).then(|| secret.clone())
    }

    pub(crate) fn forget(&self, session: &SessionId) {
        self.waiting.lock().remove(session);
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
    let signed_in = SignedIn::read(&request)?;
    let Nothing {} = read_json(&request.body, &[])?;
    signed_in.check_recent(&request)?;
    let mut bytes = vec![0; totp::SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Denial::Internal("randomness"))?;
    let secret = Secret::new(bytes);
    let codes = totp::codes(&secret, &signed_in.user.name())?;
    let uri = Secret::new(codes.to_url().map_err(|_| Denial::Internal("totp"))?);
    let shown = totp_rs::Secret::from(secret.expose().clone()).to_base32();
    let shown = Secret::new(shown);
    accounts.beginnings.begin(signed_in.session, secret, request.now)?;
    Ok(ApiResponse::json(200, &Begun { secret: shown.expose(), uri: uri.expose() }))
}
