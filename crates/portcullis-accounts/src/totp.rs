//! One-time codes (RFC 6238): six digits that change every 30 seconds, each good once.
//! Never: a code taken twice, or one from before the last that was.

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::{Denial, Now, Secret};
use portcullis_store::{CredentialsRow, Factors};
use totp_rs::{Algorithm, Builder, Totp};

use crate::accounts::Accounts;
use crate::attempts::Attempts;
use crate::input::store_denial;

/// Bytes of a shared secret (RFC 4226 section 4 recommends 20).
pub(crate) const SECRET_BYTES: usize = 20;
const DIGITS: u8 = 6;
const STEP_S: u64 = 30;
/// How many steps the other clock may be off, either way.
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
) -> Result<(), Denial> {
    let Some(secret) = &row.totp else { return Ok(()) };
    let shown = shown.ok_or(Denial::TotpRequired)?;
    let recovery = recovery_hash(shown.expose());
    let used = match recovery {
        Some(hash) => accounts.store.use_recovery_code(row.id.clone(), hash).await,
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
        (Ok(true), Some(_)) => return Ok(()),
        (Ok(true), None) => {
            attempts.code_accepted();
            return Ok(());
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

/// A recovery code as it is given out: `xxxxx-xxxxx-xxxxx-xxxxx`, 100 random bits.
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
pub(crate) const RECOVERY_LETTERS: usize = 20;
/// Crockford's base 32: no letter looks like another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What is stored of a recovery code; nothing for a text that cannot be one.
pub(crate) fn recovery_hash(code: &str) -> Option<[u8; 32]> {
    let plain: String = code.chars().filter(|letter| *letter != '-').collect();
    let plain = plain.to_ascii_lowercase();
    let fits =
        plain.len() == RECOVERY_LETTERS && plain.bytes().all(|byte| ALPHABET.contains(&byte));
    fits.then(|| {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, plain.as_bytes()).as_ref());
        hash
    })
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
            assert_eq!(step_of(&codes, code, at(unix_s + 30)), Some(step), "a clock that is off");
            assert_eq!(step_of(&codes, code, at(unix_s + 90)), None);
        }
        for wrong in ["", "28708", "2870822", "28708a", " 287082", "000000"] {
            assert_eq!(step_of(&codes, wrong, at(59)), None, "{wrong:?}");
        }
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let code = recovery_code(&std::array::from_fn(|index| u8::try_from(index * 7).unwrap()));
        assert_eq!(code.len(), RECOVERY_LETTERS + 3);
        let hash = recovery_hash(&code).unwrap();
        assert_eq!(recovery_hash(&code.to_uppercase()), Some(hash));
        assert_eq!(recovery_hash(&code.replace('-', "")), Some(hash));
        for wrong in ["", "287082", &code[1..], &format!("{code}0"), &code.replace('-', " ")] {
            assert_eq!(recovery_hash(wrong), None, "{wrong:?}");
        }
        assert_ne!(recovery_hash(&recovery_code(&[9; RECOVERY_LETTERS])), Some(hash));
    }
}
