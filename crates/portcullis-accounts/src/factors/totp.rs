//! One-time codes (RFC 6238): six digits that change every 30 seconds, each good once.
//! Never: a code taken twice, or one from before the last that was.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use portcullis_model::{Denial, Now, Secret};
use portcullis_store::{CredentialsRow, Factors};
use totp_rs::{Algorithm, Builder, Totp};

use crate::accounts::Accounts;
use crate::login::attempts::Attempts;
use crate::request::input::store_denial;

/// Bytes of a shared secret (RFC 4226 section 4 recommends 20).
pub(crate) const SECRET_BYTES: usize = 20;
const DIGITS: u8 = 6;
const STEP_S: u64 = 30;
/// How many steps the other clock may be off, either way; `docs/identity.md` says why.
const SKEW_STEPS: u16 = 1;
/// Recovery codes of one user.
pub(crate) const RECOVERY_CODES: usize = 10;

/// The codes of a shared secret; the name and issuer are what an authenticator shows.
pub(crate) fn codes(secret: &Secret<Vec<u8>>, username: &str) -> Result<Totp, Denial> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_skew(SKEW_STEPS)
        .with_step_duration(STEP_S)
        .with_secret(secret.expose().clone())
        .with_account_name(username)
        .with_issuer(Some("Portcullis"))
        .build()
        .map_err(|_| Denial::Internal("totp"))
}

/// The step a code is for, if it is one of now.
pub(crate) fn step_of(codes: &Totp, code: &str, now: Now) -> Option<u64> {
    let plain = code.len() == usize::from(DIGITS) && code.bytes().all(|byte| byte.is_ascii_digit());
    let now_s = u64::try_from(now.unix_s()).ok()?;
    if plain { codes.check(code, now_s) } else { None }
}

/// What whoever has passed [`check`] has proved who they are by.
pub(crate) fn factors(row: &CredentialsRow) -> Factors {
    if row.totp.is_some() { Factors::PasswordAndCode } else { Factors::Password }
}

/// Checks the second factor of a client that has shown the right password.
///
/// A wrong code counts toward the account. Past that limit one-time codes are rejected unread;
/// recovery codes, which cannot be guessed, are still accepted.
///
/// # Errors
/// [`Denial::TotpRequired`] when one is asked for and none is there, [`Denial::Login`] when it is
/// wrong or was used before, [`Denial::Limit`].
pub(crate) async fn check(
    accounts: &Accounts,
    attempts: &Attempts<'_>,
    row: &CredentialsRow,
    shown: Option<Secret<String>>,
) -> Result<Proved, Denial> {
    let Some(secret) = &row.totp else { return Ok(Proved::Password) };
    let shown = shown.ok_or(Denial::TotpRequired)?;
    let recovery = RecoveryCode::read(shown.expose());
    let used = match &recovery {
        Some(code) => {
            let hash = code.stored_hash(secret);
            accounts.store.use_recovery_code(row.id.clone(), hash).await
        }
        None => {
            let codes = codes(secret, &row.username)?;
            attempts.code_allowed()?;
            match step_of(&codes, shown.expose(), attempts.request.now) {
                Some(step) => accounts.store.use_totp_step(row.id.clone(), step).await,
                None => Ok(false),
            }
        }
    };
    match (used, recovery) {
        (Ok(true), Some(_)) => return Ok(Proved::RecoveryCode),
        (Ok(true), None) => {
            attempts.code_accepted();
            return Ok(Proved::Totp);
        }
        (Ok(false), Some(_)) => attempts.recovery_code_failed(),
        (Ok(false), None) => attempts.code_failed(),
        (Err(error), Some(_)) => return Err(store_denial(&error)),
        (Err(error), None) => {
            // Only a right code is asked of the store, so this was no guess.
            attempts.code_accepted();
            return Err(store_denial(&error));
        }
    }
    Err(Denial::Login { reason: "wrong_totp", username: Some(row.username.to_string()) })
}

/// What a user proved beside anything that only names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proved {
    /// The password alone.
    Password,
    /// The password and a code of the authenticator.
    Totp,
    /// The password and a recovery code.
    RecoveryCode,
}

/// On which occasion it was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A log-in.
    Login,
    /// A log-in with a login link.
    LoginLink,
    /// A signed-in user was asked again.
    Again,
}

impl Proved {
    /// What records say of it (`event.reason`).
    pub(crate) const fn reason(self, occasion: Occasion) -> &'static str {
        match (occasion, self) {
            (Occasion::Login, Self::Password) => "password",
            (Occasion::Login, Self::Totp) => "password+totp",
            (Occasion::Login, Self::RecoveryCode) => "password+recovery_code",
            (Occasion::LoginLink, Self::Password) => "login_link+password",
            (Occasion::LoginLink, Self::Totp) => "login_link+password+totp",
            (Occasion::LoginLink, Self::RecoveryCode) => "login_link+password+recovery_code",
            (Occasion::Again, Self::Password) => "reauthenticated+password",
            (Occasion::Again, Self::Totp) => "reauthenticated+password+totp",
            (Occasion::Again, Self::RecoveryCode) => "reauthenticated+password+recovery_code",
        }
    }
}

/// A recovery code as it is given out: six groups `xxxxx-…`, 150 random bits.
pub(crate) fn recovery_code(random: &[u8; RECOVERY_LETTERS]) -> String {
    let letters = random.iter().map(|byte| ALPHABET.get(usize::from(byte % 32)).copied());
    let mut code = String::new();
    for (index, letter) in letters.enumerate() {
        if index > 0 && index % 5 == 0 {
            code.push('-');
        }
        code.push(char::from(letter.unwrap_or(b'0')));
    }
    code
}

/// Letters of a recovery code, of five bits each.
pub(crate) const RECOVERY_LETTERS: usize = 30;
/// Letters of the codes that older versions gave out; unused ones are still accepted.
const FORMER_LETTERS: usize = 20;
/// Crockford's base 32: no letter looks like another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// What the key of recovery codes is derived for.
const KEY_PURPOSE: &[u8] = b"portcullis recovery code v2";

/// A text with the form of a recovery code.
pub(crate) struct RecoveryCode {
    digest: [u8; 32],
    is_former: bool,
}

impl RecoveryCode {
    /// Reads a code as people type it: in capitals, without hyphens.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter(|letter| *letter != '-').collect();
        let plain = plain.to_ascii_lowercase();
        let is_former = plain.len() == FORMER_LETTERS;
        let fits = is_former || plain.len() == RECOVERY_LETTERS;
        let is_code = fits && plain.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then(|| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(digest(&SHA256, plain.as_bytes()).as_ref());
            Self { digest: bytes, is_former }
        })
    }

    /// What is stored of the code: HMAC-SHA-256 under a key of this user's second factor.
    ///
    /// The secret of the factor is random, belongs to one user, and is sealed in the database. So
    /// the hash is salted, and the database alone does not tell whether a guess is right. Of codes
    /// that older versions gave out the plain digest is stored.
    pub(crate) fn stored_hash(&self, factor: &Secret<Vec<u8>>) -> [u8; 32] {
        if self.is_former {
            return self.digest;
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, factor.expose());
        let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, KEY_PURPOSE).as_ref());
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&key, &self.digest).as_ref());
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_s: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms: unix_s * 1000 }
    }

    #[test]
    fn codes_of_rfc_6238_appendix_b() {
        let secret = Secret::new(b"12345678901234567890".to_vec());
        let codes = codes(&secret, "ann").unwrap();
        // The vectors have eight digits; ours are their last six.
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (2_000_000_000, "279037"),
        ];
        for (unix_s, code) in vectors {
            let step = u64::try_from(unix_s / 30).unwrap();
            assert_eq!(step_of(&codes, code, at(unix_s)), Some(step));
            let begins_s = unix_s / 30 * 30;
            for (second, expect) in [(-31, None), (-30, Some(step)), (59, Some(step)), (60, None)] {
                let found = step_of(&codes, code, at(begins_s + second));
                assert_eq!(found, expect, "{second} s after {code} begins");
            }
        }
        for wrong in ["", "28708", "2870822", "28708a", " 287082", "000000"] {
            assert_eq!(step_of(&codes, wrong, at(59)), None, "{wrong:?}");
        }
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let code = recovery_code(&std::array::from_fn(|index| u8::try_from(index * 7).unwrap()));
        assert_eq!(code.len(), RECOVERY_LETTERS + 5);
        let factor = Secret::new(vec![7; SECRET_BYTES]);
        let hash_of = |text: &str| RecoveryCode::read(text).map(|code| code.stored_hash(&factor));
        let hash = hash_of(&code).unwrap();
        assert_eq!(hash_of(&code.to_uppercase()), Some(hash));
        assert_eq!(hash_of(&code.replace('-', "")), Some(hash));
        for wrong in ["", "287082", &code[1..], &format!("{code}0"), &code.replace('-', " ")] {
            assert_eq!(hash_of(wrong), None, "{wrong:?}");
        }
        assert_ne!(hash_of(&recovery_code(&[9; RECOVERY_LETTERS])), Some(hash));
    }

    #[test]
    fn recovery_code_is_stored_under_the_key_of_its_user_and_former_ones_as_before() {
        let stored = |text: &str, factor: u8| {
            let factor = Secret::new(vec![factor; SECRET_BYTES]);
            RecoveryCode::read(text).unwrap().stored_hash(&factor)
        };
        let plain = |text: &str| digest(&SHA256, text.as_bytes());
        let code = "0123456789abcdefghjkmnpqrstvwx";
        assert_ne!(stored(code, 1), stored(code, 2), "the same code of two users");
        assert_ne!(stored(code, 1), plain(code).as_ref());
        let former = "0123456789abcdefghjk";
        assert_eq!(stored(former, 1), plain(former).as_ref());
    }
}
