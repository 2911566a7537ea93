//! Proofs that a client holds its key (DPoP, RFC 9449).
//! Never: a proof taken twice, or one made for another request, token or time.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use portcullis_model::{Denial, Now, TokenFault};
use serde::Deserialize;

use crate::client_key::{self, ClientJwk, thumbprint};

/// Longest proof, in bytes.
pub(crate) const PROOF_MAX_BYTES: usize = 2048;
/// How old a proof may be, and how far ahead its clock.
const AGE_MAX_S: i64 = 60;
const AHEAD_MAX_S: i64 = 5;
/// How long a nonce is handed out; it is taken for as long again.
const NONCE_LIFE_S: i64 = 150;
/// Proofs remembered so that none counts twice; 80 bytes each.
const SEEN_MAX: usize = 65_536;
/// Longest `jti` of a proof, in bytes.
const NAME_MAX_BYTES: usize = 128;

/// What a proof has to be about.
#[derive(Debug, Clone, Copy)]
pub struct ProofAsk<'a> {
    /// The proof, as the `DPoP` header has it.
    pub proof: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// The path of the request; host and scheme are this server's.
    pub path: &'a str,
    /// The access token shown with it, if there is one.
    pub token: Option<&'a str>,
}

/// Remembers proofs and makes nonces.
pub(crate) struct Proofs {
    secret: hmac::Key,
    seen: Mutex<HashMap<[u8; 32], i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    jwk: ClientJwk,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    ath: Option<String>,
    nonce: Option<String>,
}

impl Proofs {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self { secret: hmac::Key::new(hmac::HMAC_SHA256, secret), seen: Mutex::default() }
    }

    /// The nonce clients sign at the moment.
    pub(crate) fn nonce(&self, now: Now) -> String {
        self.nonce_of(now.unix_s().div_euclid(NONCE_LIFE_S))
    }

    fn nonce_of(&self, period: i64) -> String {
        let tag = hmac::sign(&self.secret, &period.to_be_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..16).unwrap_or_default())
    }

    fn is_nonce(&self, shown: &str, now: Now) -> bool {
        let period = now.unix_s().div_euclid(NONCE_LIFE_S);
        shown == self.nonce_of(period) || shown == self.nonce_of(period - 1)
    }

    /// Gives the key a proof proves, an uncompressed point.
    pub(crate) fn check(
        &self,
        ask: &ProofAsk<'_>,
        hosts: &[String],
        now: Now,
    ) -> Result<Vec<u8>, Denial> {
        let wrong = Denial::Token(TokenFault::Proof);
        let (point, claims) = read(ask.proof).ok_or(wrong.clone())?;
        let fits = claims.htm == ask.method
            && is_this_server(&claims.htu, ask.path, hosts)
            && claims.ath == ask.token.map(hash_of)
            && (1..=NAME_MAX_BYTES).contains(&claims.jti.len());
        let age_s = now.unix_s().saturating_sub(claims.iat);
        if !fits || !(-AHEAD_MAX_S..=AGE_MAX_S).contains(&age_s) {
            return Err(wrong);
        }
        // Last of all, so that only whoever holds a key learns to ask again.
        if !claims.nonce.as_deref().is_some_and(|nonce| self.is_nonce(nonce, now)) {
            return Err(Denial::NonceNeeded);
        }
        self.remember(&point, &claims.jti, now)?;
        Ok(point)
    }

    fn remember(&self, point: &[u8], name: &str, now: Now) -> Result<(), Denial> {
        let mut seen = self.seen.lock();
        let mut key = [0; 32];
        let made = digest(&SHA256, &[point, name.as_bytes()].concat());
        key.copy_from_slice(made.as_ref());
        if seen.contains_key(&key) {
            return Err(Denial::Token(TokenFault::Used));
        }
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, until| *until > now.unix_s());
            // Still full: a proof that could not be remembered could be shown again.
            if seen.len() >= SEEN_MAX {
                return Err(Denial::Busy);
            }
        }
        seen.insert(key, now.unix_s() + AGE_MAX_S + AHEAD_MAX_S);
        Ok(())
    }
}

/// Reads a proof whose signature is its own key's.
fn read(proof: &str) -> Option<(Vec<u8>, Claims)> {
    if proof.len() > PROOF_MAX_BYTES {
        return None;
    }
    let (signed, signature) = proof.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode =
        |part: &str| URL_SAFE_NO_PAD.decode(part).ok().filter(|part| part.starts_with(b"{"));
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    if header.typ != "dpop+jwt" || header.alg != "ES256" {
        return None;
    }
    let point = header.jwk.point()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !client_key::verifies(&point, signed.as_bytes(), &signature) {
        return None;
    }
    let claims = serde_json::from_slice(&decode(claims)?).ok()?;
    Some((point, claims))
}

/// `htu` names this server and the path, without query or fragment (RFC 9449 section 4.3).
///
/// Behind a proxy that speaks TLS the scheme is not ours to know, so both are taken.
fn is_this_server(htu: &str, path: &str, hosts: &[String]) -> bool {
    let rest = htu.strip_prefix("https://").or_else(|| htu.strip_prefix("http://"));
    let Some((host, rest)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    path.strip_prefix('/') == Some(rest)
        && hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host))
}

/// `ath`: the access token's digest (RFC 9449 section 4.2).
fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

/// Whether a key is the one a token is bound to.
pub(crate) fn is_bound_to(jkt: &str, point: &[u8]) -> bool {
    thumbprint(point).is_some_and(|print| print == jkt)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;
    use crate::token_forge::{NOW_S, encode, now, with};

    fn pair() -> EcdsaKeyPair {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
    }

    fn jwk(pair: &EcdsaKeyPair) -> Value {
        let point = pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
    }

    fn sign(pair: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature))
    }

    const URL: &str = "https://chat.example/auth/ticket";

    struct World {
        proofs: Proofs,
        pair: EcdsaKeyPair,
    }

    impl World {
        fn new() -> Self {
            Self { proofs: Proofs::new(&[9; 32]), pair: pair() }
        }

        fn header(&self) -> Value {
            json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&self.pair)})
        }

        fn claims(&self) -> Value {
            json!({"jti": "p1", "htm": "POST", "htu": URL, "iat": NOW_S, "ath": hash_of("token"),
                "nonce": self.proofs.nonce(now())})
        }

        fn check(&self, proof: &str) -> Result<Vec<u8>, Denial> {
            let hosts = [String::from("chat.example")];
            let (method, path) = ("POST", "/auth/ticket");
            let ask = ProofAsk { proof, method, path, token: Some("token") };
            self.proofs.check(&ask, &hosts, now())
        }
    }

    #[test]
    fn t_148_a_proof_is_for_one_request_one_token_one_time() {
        let wrong = Err(Denial::Token(TokenFault::Proof));
        let nonce = Err(Denial::NonceNeeded);
        let world = World::new();
        let good = sign(&world.pair, &world.header(), &world.claims());
        let point = world.check(&good).unwrap();
        assert_eq!(point, world.pair.public_key().as_ref());
        assert_eq!(world.check(&good), Err(Denial::Token(TokenFault::Used)));

        let late = world.proofs.nonce_of(NOW_S.div_euclid(NONCE_LIFE_S) - 2);
        let claims = [
            (json!({"htm": "GET"}), &wrong),
            (json!({"htm": "post"}), &wrong),
            (json!({"htu": "https://evil.example/auth/ticket"}), &wrong),
            (json!({"htu": "https://chat.example/auth/login"}), &wrong),
            (json!({"htu": "https://chat.example/auth/ticket?x=1"}), &wrong),
            (json!({"htu": "chat.example/auth/ticket"}), &wrong),
            (json!({"ath": hash_of("other")}), &wrong),
            (json!({"ath": null}), &wrong),
            (json!({"iat": NOW_S - 61}), &wrong),
            (json!({"iat": NOW_S + 6}), &wrong),
            (json!({"iat": "now"}), &wrong),
            (json!({"iat": null}), &wrong),
            (json!({"jti": ""}), &wrong),
            (json!({"jti": null}), &wrong),
            (json!({"nonce": null}), &nonce),
            (json!({"nonce": "guessed"}), &nonce),
            (json!({"nonce": late}), &nonce),
        ];
        for (change, expect) in claims {
            let claims = with(with(world.claims(), json!({"jti": "p2"})), change.clone());
            let proof = sign(&world.pair, &world.header(), &claims);
            assert_eq!(world.check(&proof), *expect, "{change}");
        }
        let mut private = jwk(&world.pair);
        private["d"] = json!("AAAA");
        let headers = [
            json!({"typ": "JWT"}),
            json!({"typ": null}),
            json!({"alg": "none"}),
            json!({"alg": "HS256"}),
            json!({"jwk": jwk(&pair())}),
            json!({"jwk": private}),
            json!({"jwk": null}),
            json!({"crit": ["x"]}),
        ];
        for change in headers {
            let header = with(world.header(), change.clone());
            assert_eq!(
                world.check(&sign(&world.pair, &header, &world.claims())),
                wrong,
                "{change}"
            );
        }
        let long = "a".repeat(PROOF_MAX_BYTES + 1);
        for text in ["", "a.b", "a.b.c", "..", long.as_str(), &good.replace('.', "")] {
            assert_eq!(world.check(text), wrong, "{text:.40}");
        }
    }

    #[test]
    fn a_nonce_holds_for_its_period_and_the_next() {
        let proofs = Proofs::new(&[9; 32]);
        let at = |seconds: i64| Now { monotonic_ms: 0, unix_ms: seconds * 1000 };
        let nonce = proofs.nonce(at(0));
        assert!(proofs.is_nonce(&nonce, at(2 * NONCE_LIFE_S - 1)));
        assert!(!proofs.is_nonce(&nonce, at(2 * NONCE_LIFE_S)));
        assert!(!Proofs::new(&[8; 32]).is_nonce(&nonce, at(0)), "another server's");
    }

    #[test]
    fn what_cannot_be_remembered_is_not_taken() {
        let proofs = Proofs::new(&[9; 32]);
        for number in 0..SEEN_MAX {
            proofs.remember(b"key", &number.to_string(), now()).unwrap();
        }
        assert_eq!(proofs.remember(b"key", "one more", now()), Err(Denial::Busy));
        let later = Now { unix_ms: now().unix_ms + 66_000, ..now() };
        assert_eq!(proofs.remember(b"key", "one more", later), Ok(()));
    }
}
