//! Signatures of webhooks, as <https://www.standardwebhooks.com> defines them.
//! Never: a secret in a text.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::Secret;
use zeroize::Zeroize;

/// Shortest secret, in bytes.
const SECRET_MIN_BYTES: usize = 24;
/// Longest secret, in bytes.
const SECRET_MAX_BYTES: usize = 64;
/// The prefix of a secret.
const PREFIX: &str = "whsec_";

/// The error of a text without valid secrets of webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is no secret, or there are more than two.
    #[error("it has {0} lines with a secret instead of one or two")]
    Count(usize),
    /// A line is not a secret.
    #[error("line {0} is not whsec_ and 24 to 64 bytes in Base64")]
    Form(usize),
}

/// The secret of a webhook, and its former secret while receivers change to the new one.
#[derive(Clone)]
pub struct WebhookSecrets {
    secrets: Vec<Secret<Vec<u8>>>,
}

impl WebhookSecrets {
    /// Reads one secret a line, the newest first; two at most.
    ///
    /// # Errors
    /// [`SecretError`] with the number of the line.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let mut secrets = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if !line.is_empty() {
                secrets.push(parse_line(line).ok_or(SecretError::Form(index + 1))?);
            }
        }
        match secrets.len() {
            1 | 2 => Ok(Self { secrets }),
            count => Err(SecretError::Count(count)),
        }
    }

    /// The value of `webhook-signature`: one signature for each secret.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let content = format!("{id}.{timestamp}.{body}");
        let signatures = self.secrets.iter().map(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
            format!("v1,{}", STANDARD.encode(hmac::sign(&key, content.as_bytes())))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn parse_line(line: &str) -> Option<Secret<Vec<u8>>> {
    let mut bytes = STANDARD.decode(line.strip_prefix(PREFIX)?).ok()?;
    if (SECRET_MIN_BYTES..=SECRET_MAX_BYTES).contains(&bytes.len()) {
        return Some(Secret::new(bytes));
    }
    bytes.zeroize();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn t397_signature_is_the_one_of_the_specification() {
        let secrets = WebhookSecrets::parse(SECRET).unwrap();
        let signed =
            secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn t397_two_secrets_make_two_signatures() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = WebhookSecrets::parse(&format!("{other}\n{SECRET}\n")).unwrap();
        let of = |text: &str| WebhookSecrets::parse(text).unwrap().sign("msg_1", 1, "{}");
        assert_eq!(both.sign("msg_1", 1, "{}"), format!("{} {}", of(&other), of(SECRET)));
    }

    #[test]
    fn invalid_secrets_are_rejected() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let three = format!("{SECRET}\n{SECRET}\n{SECRET}");
        for (text, expect) in [
            ("", SecretError::Count(0)),
            ("\n\n", SecretError::Count(0)),
            (three.as_str(), SecretError::Count(3)),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Form(1)),
            ("\nwhsec_*", SecretError::Form(2)),
            (&short, SecretError::Form(1)),
            (&long, SecretError::Form(1)),
        ] {
            assert_eq!(WebhookSecrets::parse(text).err(), Some(expect), "{text:?}");
        }
    }
}
