//! One-time codes (RFC 6238): six digits that change every 30 seconds.
//! Never: a decision about a login.

use portcullis_model::{Denial, Now, Secret};
use totp_rs::{Algorithm, Builder, Totp};

/// Bytes of a shared secret (RFC 4226 section 4 recommends 20).
pub(crate) const SECRET_BYTES: usize = 20;
const DIGITS: u8 = 6;
const STEP_S: u64 = 30;
/// Steps by which the clock of the device can differ, in both directions; see `docs/identity.md`.
const SKEW_STEPS: u16 = 1;

/// The codes of a shared secret; an authenticator app shows the name and the issuer.
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

/// The time step of a code, if the code is valid now.
pub(crate) fn step_of(codes: &Totp, code: &str, now: Now) -> Option<u64> {
    let plain = code.len() == usize::from(DIGITS) && code.bytes().all(|byte| byte.is_ascii_digit());
    let now_s = u64::try_from(now.unix_s()).ok()?;
    if plain { codes.check(code, now_s) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_s: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms: unix_s * 1000 }
    }

    #[test]
    fn one_time_codes_match_rfc_6238_appendix_b() {
        let secret = Secret::new(b"12345678901234567890".to_vec());
        let codes = codes(&secret, "ann").unwrap();
        // The vectors have eight digits; these are their last six.
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
}
