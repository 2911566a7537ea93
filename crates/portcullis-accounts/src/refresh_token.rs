//! Refresh tokens: a session, its turn, and a code only this installation can make.
//! Never: stored; a turn's token is made again from the session, so a lost answer can be repeated.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Secret, SessionId};

use crate::server_secret::ServerSecret;

/// What every refresh token begins with, so that it is never taken for another.
const PREFIX: &str = "rt_";
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
}

impl ServerSecret {
    /// The one token of a session's turn: `rt_`, then base64url of turn, session and HMAC-SHA256.
    pub(crate) fn refresh_token(&self, turn: &Turn) -> Secret<String> {
        let said = said(turn);
        let code = hmac::sign(self.refresh(), &said);
        let text = URL_SAFE_NO_PAD.encode([&said, code.as_ref()].concat());
        Secret::new(format!("{PREFIX}{text}"))
    }

    /// Reads a token this installation has made; nothing else is one.
    pub(crate) fn read_refresh_token(&self, token: &str) -> Option<Turn> {
        let text = token.strip_prefix(PREFIX).filter(|_| token.len() <= TOKEN_MAX_BYTES)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (said, code) = bytes.split_at_checked(bytes.len().checked_sub(CODE_BYTES)?)?;
        hmac::verify(self.refresh(), said, code).ok()?;
        let (number, session) = said.split_first_chunk::<8>()?;
        let session = SessionId::parse(std::str::from_utf8(session).ok()?).ok()?;
        Some(Turn { session, number: u64::from_be_bytes(*number) })
    }
}

fn said(turn: &Turn) -> Vec<u8> {
    [&turn.number.to_be_bytes()[..], turn.session.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(number: u64) -> Turn {
        Turn { session: SessionId::parse("s_1-A").unwrap(), number }
    }

    #[test]
    fn t_146_a_token_is_its_turns_alone_and_this_servers() {
        let (ours, theirs) = (ServerSecret::new(&[1; 32]), ServerSecret::new(&[2; 32]));
        for number in [0, 1, u64::MAX] {
            let token = ours.refresh_token(&turn(number));
            assert_eq!(ours.read_refresh_token(token.expose()), Some(turn(number)));
            assert_eq!(theirs.read_refresh_token(token.expose()), None);
            let again = ours.refresh_token(&turn(number));
            assert_eq!(again.expose(), token.expose(), "the same turn has the same token");
        }
        assert_ne!(ours.refresh_token(&turn(1)).expose(), ours.refresh_token(&turn(2)).expose());
    }

    #[test]
    fn whatever_is_changed_is_no_token() {
        let ours = ServerSecret::new(&[1; 32]);
        let token = ours.refresh_token(&turn(7)).expose().clone();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(ours.read_refresh_token(&changed), None, "{at}");
        }
        let long = format!("rt_{}", "A".repeat(4_000));
        let padded = format!("{token}=");
        for text in ["", "rt_", "rt_AAAA", &token[3..], &token[..token.len() - 1], &padded, &long] {
            assert_eq!(ours.read_refresh_token(text), None, "{text:.40}");
        }
    }
}
