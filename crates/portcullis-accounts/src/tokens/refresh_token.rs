//! Refresh tokens: a session, a rotation number, and an HMAC under the session secret.
//! Never: stored; the token of a number can be created again, so a lost response can be repeated.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Now, Secret, SessionId};
use portcullis_server::ApiRequest;

use crate::keys::server_secret::ServerSecret;
use crate::keys::session_key::SessionKey;
use crate::options::SESSION_TIME_LONGEST_S;
use crate::request::cookies;

/// The start of every refresh token, so that it is never mistaken for another credential.
const PREFIX: &str = "rt_";
/// Longest time for which a refresh token can be valid, in seconds.
const REFRESH_LIFE_S: i64 = SESSION_TIME_LONGEST_S;
/// Longest token that is read, in bytes.
const TOKEN_MAX_BYTES: usize = 192;
/// Bytes of the HMAC.
const HMAC_BYTES: usize = 32;

/// The verified content of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    /// Starts at 0 and grows by one at each rotation.
    pub(crate) number: u64,
    /// When its holder last authenticated, in seconds since 1970. Tokens of older versions do not
    /// contain it.
    pub(crate) authenticated_unix_s: Option<i64>,
}

impl RefreshToken {
    /// Encodes the token: `rt_`, the key id, a dot, then base64url of the claims and their
    /// HMAC-SHA256. The claims are rotation number, time of authentication and session.
    pub(crate) fn encode(&self, secret: &ServerSecret) -> Secret<String> {
        let Some(authenticated_unix_s) = self.authenticated_unix_s else {
            return self.encode_v1(secret);
        };
        let key = secret.current();
        let claims = [
            &self.number.to_be_bytes()[..],
            &authenticated_unix_s.to_be_bytes(),
            self.session.as_str().as_bytes(),
        ]
        .concat();
        let code = hmac::sign(&key.refresh, &claims);
        let text = URL_SAFE_NO_PAD.encode([&claims, code.as_ref()].concat());
        Secret::new(format!("{PREFIX}{}.{text}", key.id))
    }

    /// Reads a token; `None` unless this installation has created it.
    pub(crate) fn read(text: &str, secret: &ServerSecret, now: Now) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX).filter(|_| text.len() <= TOKEN_MAX_BYTES)?;
        let keys = secret.keys(REFRESH_LIFE_S, now);
        let Some((id, text)) = rest.split_once('.') else { return Self::read_v1(&keys, rest) };
        let (claims, code) = claims_and_code(text)?;
        let key = keys.iter().find(|key| key.id == id)?;
        hmac::verify(&key.refresh, &claims, &code).ok()?;
        let (number, rest) = claims.split_first_chunk::<8>()?;
        let (authenticated, session) = rest.split_first_chunk::<8>()?;
        Some(Self {
            session: SessionId::parse(std::str::from_utf8(session).ok()?).ok()?,
            number: u64::from_be_bytes(*number),
            authenticated_unix_s: Some(i64::from_be_bytes(*authenticated)),
        })
    }

    /// Reads the token of the refresh cookie of a request.
    pub(crate) fn of_request(request: &ApiRequest, secret: &ServerSecret) -> Option<Self> {
        let cookie = cookies::read(request.headers.cookie.as_deref(), cookies::REFRESH)?;
        Self::read(cookie, secret, request.now)
    }

    /// The form of older versions, without key id and time.
    fn encode_v1(&self, secret: &ServerSecret) -> Secret<String> {
        let claims = [&self.number.to_be_bytes()[..], self.session.as_str().as_bytes()].concat();
        let code = hmac::sign(&secret.current().refresh_v1, &claims);
        let text = URL_SAFE_NO_PAD.encode([&claims, code.as_ref()].concat());
        Secret::new(format!("{PREFIX}{text}"))
    }

    /// Reads the form of older versions, which any of the keys can have signed.
    fn read_v1(keys: &[Arc<SessionKey>], text: &str) -> Option<Self> {
        let (claims, code) = claims_and_code(text)?;
        keys.iter().find(|key| hmac::verify(&key.refresh_v1, &claims, &code).is_ok())?;
        let (number, session) = claims.split_first_chunk::<8>()?;
        let session = SessionId::parse(std::str::from_utf8(session).ok()?).ok()?;
        let number = u64::from_be_bytes(*number);
        Some(Self { session, number, authenticated_unix_s: None })
    }
}

/// Splits the decoded text into the claims and their HMAC.
fn claims_and_code(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut claims = URL_SAFE_NO_PAD.decode(text).ok()?;
    let at = claims.len().checked_sub(HMAC_BYTES)?;
    let code = claims.split_off(at);
    Some((claims, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_000_000 };

    fn token(number: u64) -> RefreshToken {
        let session = SessionId::parse("s_1-A").unwrap();
        RefreshToken { session, number, authenticated_unix_s: Some(900) }
    }

    #[test]
    fn t_146_refresh_token_round_trips_under_its_own_secret_only() {
        let (ours, theirs) = (ServerSecret::new(&[1; 32]), ServerSecret::new(&[2; 32]));
        for number in [0, 1, u64::MAX] {
            let text = token(number).encode(&ours);
            assert_eq!(RefreshToken::read(text.expose(), &ours, NOW), Some(token(number)));
            assert_eq!(RefreshToken::read(text.expose(), &theirs, NOW), None);
            let again = token(number).encode(&ours);
            assert_eq!(again.expose(), text.expose(), "a number always has the same token");
            // The form of older versions.
            let old = RefreshToken { authenticated_unix_s: None, ..token(number) };
            let text = old.encode(&ours);
            assert!(!text.expose().contains('.'));
            assert_eq!(RefreshToken::read(text.expose(), &ours, NOW), Some(old));
            assert_eq!(RefreshToken::read(text.expose(), &theirs, NOW), None);
        }
        assert_ne!(token(1).encode(&ours).expose(), token(2).encode(&ours).expose());
        let later = RefreshToken { authenticated_unix_s: Some(901), ..token(1) };
        assert_ne!(token(1).encode(&ours).expose(), later.encode(&ours).expose());
    }

    #[test]
    fn changed_refresh_token_is_rejected() {
        let ours = ServerSecret::new(&[1; 32]);
        let text = token(7).encode(&ours).expose().clone();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(RefreshToken::read(&changed, &ours, NOW), None, "{at}");
        }
        let long = format!("rt_{}", "A".repeat(4_000));
        let padded = format!("{text}=");
        for text in ["", "rt_", "rt_AAAA", &text[3..], &text[..text.len() - 1], &padded, &long] {
            assert_eq!(RefreshToken::read(text, &ours, NOW), None, "{text:.40}");
        }
    }
}
