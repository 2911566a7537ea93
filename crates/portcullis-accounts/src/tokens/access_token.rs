//! Access tokens of this server: EdDSA JSON Web Tokens of ten minutes (RFC 9068).
//! Never: roles; those are in the directory, and a token names only the user.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Secret, UserId};
use serde::Serialize;

use crate::keys::signing_key::SigningKey;

/// Life of an access token, in seconds.
pub const ACCESS_TOKEN_LIFE_S: i64 = 600;

/// The claims of an access token.
#[derive(Debug, Clone, Copy)]
pub struct AccessClaims<'a> {
    /// The issuer (`iss`).
    pub issuer: &'a str,
    /// The audience (`aud`).
    pub audience: &'a str,
    /// The user (`sub`).
    pub user: &'a UserId,
    /// The user's name (`name`).
    pub name: &'a str,
    /// The random id of the session (`sid`).
    pub session: &'a str,
    /// The random id of the token (`jti`), never used twice.
    pub token: &'a str,
    /// When it was issued (`iat`), in seconds since 1970.
    pub issued_unix_s: i64,
    /// When the user authenticated (`auth_time`), in seconds since 1970.
    pub authenticated_unix_s: i64,
    /// How often the user had reauthenticated in the session (`gen`).
    pub generation: u64,
    /// Thumbprint of the client key that the token is bound to (`cnf.jkt`, RFC 9449 section 6.1).
    pub bound: Option<&'a str>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    sid: &'a str,
    jti: &'a str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    #[serde(rename = "gen", skip_serializing_if = "is_first")]
    generation: u64,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(generation: &u64) -> bool {
    *generation == 0
}

#[derive(Serialize)]
struct Confirmation<'a> {
    jkt: &'a str,
}

/// Signs an access token with a key (compact form, RFC 7515 section 7.1).
pub(crate) fn sign(claims: &AccessClaims<'_>, key: &SigningKey) -> Result<Secret<String>, Denial> {
    let payload = Claims {
        iss: claims.issuer,
        aud: claims.audience,
        sub: claims.user.as_str(),
        sid: claims.session,
        jti: claims.token,
        iat: claims.issued_unix_s,
        exp: claims.issued_unix_s.saturating_add(ACCESS_TOKEN_LIFE_S),
        auth_time: claims.authenticated_unix_s,
        generation: claims.generation,
        name: claims.name,
        cnf: claims.bound.map(|jkt| Confirmation { jkt }),
    };
    let payload = part(&payload)?;
    let header = part(&Header { alg: "EdDSA", typ: "at+jwt", kid: key.id() })?;
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    Ok(Secret::new(format!("{signed}.{signature}")))
}

fn part<T: Serialize>(value: &T) -> Result<String, Denial> {
    let json = serde_json::to_vec(value).map_err(|_| Denial::Internal("token"))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use portcullis_guard::IssuerKey;

    use super::*;
    use crate::keys::signing_keys::SigningKeys;
    use crate::options::AccountOptions;

    #[test]
    fn access_token_names_the_user_for_ten_minutes_and_verifies() {
        let directory = tempfile::tempdir().unwrap();
        let keys = SigningKeys::load_or_create(directory.path(), 0).unwrap();
        let claims = AccessClaims {
            issuer: "https://portcullis",
            audience: "portcullis",
            user: &UserId::parse("u_1").unwrap(),
            name: "a\"b",
            session: "s",
            token: "t",
            issued_unix_s: 1_000,
            authenticated_unix_s: 900,
            generation: 0,
            bound: None,
        };
        let token = keys.access_token(&claims).unwrap();
        let (signed, signature) = token.expose().rsplit_once('.').unwrap();
        let issuers = keys.issuers(&AccountOptions::for_tests(), 0);
        let IssuerKey::EdDsaPublic(public) = &issuers[0].key else {
            panic!("signing keys are Ed25519 keys");
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature).unwrap();
        let read = |text: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let (header, payload) = signed.split_once('.').unwrap();
        let kid = keys.key_id();
        assert_eq!(
            read(header),
            serde_json::json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid })
        );
        let expect = serde_json::json!({
            "iss": "https://portcullis", "aud": "portcullis", "sub": "u_1", "sid": "s",
            "jti": "t", "iat": 1000, "exp": 1600, "auth_time": 900, "name": "a\"b",
        });
        assert_eq!(read(payload), expect);
        let claims = AccessClaims { bound: Some("print"), generation: 3, ..claims };
        let token = keys.access_token(&claims).unwrap();
        let payload = token.expose().split('.').nth(1).unwrap().to_owned();
        assert_eq!(read(&payload)["cnf"], serde_json::json!({"jkt": "print"}));
        assert_eq!(read(&payload)["gen"], 3);
    }
}
