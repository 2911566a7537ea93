//! Creates a token of an issuer with a shared secret, for tests and support.
//! Never: a token of an issuer with a private key.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_guard::{Issuer, IssuerKey};
use portcullis_model::{Denial, Now, Secret};
use portcullis_server::random_id;
use serde_json::{Map, Value, json};

/// The claims of the token.
#[derive(Debug, Clone, Default)]
pub struct SharedClaims {
    /// The user, as the issuer names them (`sub`).
    pub subject: String,
    /// The name that other users see (`name`).
    pub name: Option<String>,
    /// Names of roles, for an issuer that can assign roles.
    pub roles: Vec<String>,
    /// Whether it states a second factor, in the claim that the rule of the issuer reads.
    pub second_factor: bool,
    /// Life of the token, in seconds.
    pub life_s: i64,
}

/// Creates a token of an issuer; `None` unless its key is a shared secret.
///
/// # Errors
/// [`Denial::Internal`] when the system returns no random bytes.
pub fn shared_token(
    issuer: &Issuer,
    claims: &SharedClaims,
    now: Now,
) -> Result<Option<Secret<String>>, Denial> {
    let IssuerKey::Hs256(secret) = &issuer.key else { return Ok(None) };
    let mut payload = json!({
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "sub": claims.subject,
        "jti": random_id::<16>()?,
        "iat": now.unix_s(),
        "exp": now.unix_s().saturating_add(claims.life_s),
    });
    if let (Some(name), Some(members)) = (&claims.name, payload.as_object_mut()) {
        members.insert(String::from("name"), json!(name));
    }
    if let (Some(path), Some(members)) = (&issuer.roles_claim, payload.as_object_mut()) {
        put(members, path, json!(claims.roles));
    }
    if let Some(members) = payload.as_object_mut() {
        add_required_claims(members, issuer, claims.second_factor);
    }
    let header = json!({ "alg": "HS256", "typ": issuer.rules.typ.as_deref().unwrap_or("JWT") });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    Ok(Some(Secret::new(format!("{signed}.{signature}"))))
}

/// Adds the claims that the rules of the issuer require, and the second factor if requested.
fn add_required_claims(members: &mut Map<String, Value>, issuer: &Issuer, second_factor: bool) {
    let scope = &issuer.rules.scope;
    if !scope.is_empty() {
        members.insert(String::from("scope"), json!(scope.join(" ")));
    }
    let factors = &issuer.rules.factors;
    match (second_factor, factors.amr.first(), factors.acr.first()) {
        (true, Some(amr), _) => put(members, &factors.amr_claim, json!([amr])),
        (true, None, Some(acr)) => put(members, &factors.acr_claim, json!(acr)),
        (true, None, None) | (false, _, _) => {}
    }
}

/// Inserts a value at a path of member names.
fn put(members: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            members.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = members.entry(first.clone()).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_guard::{
        Credential, Directory, DirectoryLimits, FactorRule, Gate, GateOptions, IssuerRules,
    };

    use super::*;

    #[test]
    fn shared_token_verifies_at_the_gate_with_its_roles() {
        let secret = Secret::new(b"kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o".to_vec());
        let issuer = Issuer {
            roles_claim: Some(vec![String::from("realm_access"), String::from("roles")]),
            rules: IssuerRules {
                scope: ["chat", "read"].map(String::from).to_vec(),
                typ: Some(String::from("at+jwt")),
                factors: FactorRule { acr: vec![String::from("2")], ..FactorRule::default() },
                ..IssuerRules::default()
            },
            ..Issuer::new("https://id.example", "portcullis", IssuerKey::Hs256(secret))
        };
        let options = GateOptions {
            hosts: vec![String::from("localhost")],
            origins: vec![String::from("https://localhost")],
            issuers: vec![issuer.clone()],
            rate_keys_max: 1024,
            ..GateOptions::default()
        };
        let live = Arc::new(Directory::new(DirectoryLimits::default()));
        let gate = Gate::build(options, live).unwrap();
        let now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };
        let claims = SharedClaims {
            subject: String::from("42"),
            name: Some(String::from("Ann")),
            roles: vec![String::from("moderator")],
            second_factor: true,
            life_s: 60,
        };
        let token = shared_token(&issuer, &claims, now).unwrap().unwrap();
        let verified = gate.verify(Credential::Bearer(token.expose()), None, now).unwrap();
        assert_eq!((verified.subject.as_str(), verified.name.as_deref()), ("42", Some("Ann")));
        assert_eq!(verified.roles, Some(vec![String::from("moderator")]));
        assert_eq!(verified.expires_unix_s, now.unix_s() + 60);
        assert!(verified.login.second_factor);
        let public = Issuer::new("a", "b", IssuerKey::EdDsaPublic(vec![0; 32]));
        assert!(shared_token(&public, &claims, now).unwrap().is_none());
    }
}
