//! Refresh tokens: a session, its turn, and a code only this installation can make.
//! Never: stored; a turn's token is made again from the session, so a lost answer can be repeated.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Now, Secret, SessionId};

use crate::keys::server_secret::ServerSecret;
use crate::keys::session_key::SessionKey;

/// What every refresh token begins with, so that it is never taken for another.
const PREFIX: &str = "rt_";
/// How long a log-in may be refreshed at most, in seconds: no token is good for longer.
const REFRESH_LIFE_S: i64 = 30 * 24 * 60 * 60;
/// Longest token looked at, in bytes.
const TOKEN_MAX_BYTES: usize = 192;
/// Bytes of the code.
const CODE_BYTES: usize = 32;

/// A session and which of its tokens this is, believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) session: SessionId,
    /// From 0, one more at each rotation.
    pub(crate) number: u64,
    /// When its holder last proved who they are, in seconds since 1970. Tokens that older versions
    /// made do not tell.
    pub(crate) authenticated_unix_s: Option<i64>,
}

impl ServerSecret {
    /// The one token of a session's turn: `rt_`, the key's id, a dot, then base64url of turn, time
    /// of the proof, session and HMAC-SHA256.
    pub(crate) fn refresh_token(&self, turn: &Turn) -> Secret<String> {
        let Some(authenticated_unix_s) = turn.authenticated_unix_s else {
            return self.former_refresh_token(turn);
        };
        let key = self.current();
        let claims = [
            &turn.number.to_be_bytes()[..],
            &authenticated_unix_s.to_be_bytes(),
            turn.session.as_str().as_bytes(),
        ]
        .concat();
        let code = hmac::sign(&key.refresh, &claims);
        let text = URL_SAFE_NO_PAD.encode([&claims, code.as_ref()].concat());
        Secret::new(format!("{PREFIX}{}.{text}", key.id))
    }

    /// Reads a token this installation has made; nothing else is one.
    pub(crate) fn read_refresh_token(&self, token: &str, now: Now) -> Option<Turn> {
        let text = token.strip_prefix(PREFIX).filter(|_| token.len() <= TOKEN_MAX_BYTES)?;
        let keys = self.keys(REFRESH_LIFE_S, now);
        let Some((id, text)) = text.split_once('.') else { return read_former(&keys, text) };
        let (claims, code) = parts(text)?;
        let key = keys.iter().find(|key| key.id == id)?;
        hmac::verify(&key.refresh, &claims, &code).ok()?;
        let (number, rest) = claims.split_first_chunk::<8>()?;
        let (authenticated, session) = rest.split_first_chunk::<8>()?;
        Some(Turn {
            session: SessionId::parse(std::str::from_utf8(session).ok()?).ok()?,
            number: u64::from_be_bytes(*number),
            authenticated_unix_s: Some(i64::from_be_bytes(*authenticated)),
        })
    }

    /// The form of older versions, which names no key and no time.
    fn former_refresh_token(&self, turn: &Turn) -> Secret<String> {
        let claims = [&turn.number.to_be_bytes()[..], turn.session.as_str().as_bytes()].concat();
        let code = hmac::sign(&self.current().refresh_v1, &claims);
        let text = URL_SAFE_NO_PAD.encode([&claims, code.as_ref()].concat());
        Secret::new(format!("{PREFIX}{text}"))
    }
}

/// Reads the form of older versions; any of the keys may have made it.
fn read_former(keys: &[Arc<SessionKey>], text: &str) -> Option<Turn> {
    let (claims, code) = parts(text)?;
    keys.iter().find(|key| hmac::verify(&key.refresh_v1, &claims, &code).is_ok())?;
    let (number, session) = claims.split_first_chunk::<8>()?;
    let session = SessionId::parse(std::str::from_utf8(session).ok()?).ok()?;
    let number = u64::from_be_bytes(*number);
    Some(Turn { session, number, authenticated_unix_s: None })
}

/// What a token claims, and the code over it.
fn parts(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut claims = URL_SAFE_NO_PAD.decode(text).ok()?;
    let at = claims.len().checked_sub(CODE_BYTES)?;
    let code = claims.split_off(at);
    Some((claims, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_000_000 };

    fn turn(number: u64) -> Turn {
        let session = SessionId::parse("s_1-A").unwrap();
        Turn { session, number, authenticated_unix_s: Some(900) }
    }

    #[test]
    fn t_146_a_token_is_its_turns_alone_and_this_servers() {
        let (ours, theirs) = (ServerSecret::new(&[1; 32]), ServerSecret::new(&[2; 32]));
        for number in [0, 1, u64::MAX] {
            let token = ours.refresh_token(&turn(number));
            assert_eq!(ours.read_refresh_token(token.expose(), NOW), Some(turn(number)));
            assert_eq!(theirs.read_refresh_token(token.expose(), NOW), None);
            let again = ours.refresh_token(&turn(number));
            assert_eq!(again.expose(), token.expose(), "the same turn has the same token");
            // As an older version made it.
            let former = Turn { authenticated_unix_s: None, ..turn(number) };
            let token = ours.refresh_token(&former);
            assert!(!token.expose().contains('.'));
            assert_eq!(ours.read_refresh_token(token.expose(), NOW), Some(former));
            assert_eq!(theirs.read_refresh_token(token.expose(), NOW), None);
        }
        assert_ne!(ours.refresh_token(&turn(1)).expose(), ours.refresh_token(&turn(2)).expose());
        let later = Turn { authenticated_unix_s: Some(901), ..turn(1) };
        assert_ne!(ours.refresh_token(&turn(1)).expose(), ours.refresh_token(&later).expose());
    }

    #[test]
    fn whatever_is_changed_is_no_token() {
        let ours = ServerSecret::new(&[1; 32]);
        let token = ours.refresh_token(&turn(7)).expose().clone();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(ours.read_refresh_token(&changed, NOW), None, "{at}");
        }
        let long = format!("rt_{}", "A".repeat(4_000));
        let padded = format!("{token}=");
        for text in ["", "rt_", "rt_AAAA", &token[3..], &token[..token.len() - 1], &padded, &long] {
            assert_eq!(ours.read_refresh_token(text, NOW), None, "{text:.40}");
        }
    }
}
