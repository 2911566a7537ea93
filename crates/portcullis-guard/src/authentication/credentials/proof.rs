//! Proofs that a client holds its key (DPoP, RFC 9449).
//! Never: a proof accepted twice, or one made for another request, token or time.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Now, TokenFault};
use serde::Deserialize;

use crate::authentication::credentials::client_key::{self, ClientJwk, thumbprint};
use crate::tables::once_table::{OnceError, OnceKey, OnceTable};
use crate::tables::shares::{Owner, ShareUse, Shares};

/// Longest proof, in bytes.
pub(crate) const PROOF_MAX_BYTES: usize = 2048;
/// How old a proof may be, and how far ahead its clock.
const AGE_MAX_S: i64 = 60;
const AHEAD_MAX_S: i64 = 5;
/// How long a nonce is issued; it is accepted for as long again.
const NONCE_LIFE_MS: u64 = 150_000;
/// Proofs remembered so that none counts twice: about 16 MiB. The rates of log-ins keep those of
/// clients that have not signed in at a quarter of it.
const SEEN_MAX: usize = 131_072;
/// A user's or address's part of the free space: 511 proofs in five minutes.
const SEEN_PART: usize = 256;
/// Longest `jti` of a proof, in bytes.
const NAME_MAX_BYTES: usize = 128;

/// The request that a proof has to cover.
#[derive(Debug, Clone, Copy)]
pub struct ProofRequest<'a> {
    /// The proof, as the `DPoP` header has it.
    pub proof: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// The path of the request; host and scheme are this server's.
    pub path: &'a str,
    /// The access token shown with it, if there is one.
    pub token: Option<&'a str>,
}

/// A valid proof that is not used yet; [`crate::Gate::consume_proof`] gives its key.
///
/// Nothing is stored for it, so that a request can be rejected before it costs an entry.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct CheckedProof {
    point: Vec<u8>,
    name: OnceKey,
    until_ms: u64,
}

impl CheckedProof {
    /// The key that the proof was made with, an uncompressed P-256 point; not verified yet.
    #[must_use]
    pub fn claimed_key(&self) -> &[u8] {
        &self.point
    }
}

/// Remembers proofs and makes nonces.
///
/// Nonces and used proofs follow the monotonic clock. A proof is remembered for as long as its
/// nonce is accepted, so a wall clock that is set back makes no proof valid again.
pub(crate) struct Proofs {
    secret: hmac::Key,
    seen: OnceTable,
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
        let shares = Shares::new("dpop_proofs", SEEN_MAX, SEEN_PART, SEEN_MAX);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self { secret, seen: OnceTable::new(shares) }
    }

    /// The nonce that clients sign at the moment.
    pub(crate) fn nonce(&self, now: Now) -> String {
        self.nonce_of(now.monotonic_ms / NONCE_LIFE_MS)
    }

    fn nonce_of(&self, period: u64) -> String {
        let tag = hmac::sign(&self.secret, &period.to_be_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..16).unwrap_or_default())
    }

    /// Until when a nonce is accepted, of the monotonic clock; `None` when it is not.
    fn nonce_ends_ms(&self, shown: &str, now: Now) -> Option<u64> {
        let period = now.monotonic_ms / NONCE_LIFE_MS;
        let found = [Some(period), period.checked_sub(1)].into_iter().flatten();
        let mut found = found.filter(|period| shown == self.nonce_of(*period));
        found.next().map(|period| period.saturating_add(2).saturating_mul(NONCE_LIFE_MS))
    }

    /// Checks a proof against the request it is shown with; stores nothing.
    pub(crate) fn check(
        &self,
        ask: &ProofRequest<'_>,
        hosts: [&[String]; 2],
        now: Now,
    ) -> Result<CheckedProof, Denial> {
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
        // Checked last, so that only the holder of the key gets the answer to try again.
        let ends_ms = claims.nonce.as_deref().and_then(|nonce| self.nonce_ends_ms(nonce, now));
        let until_ms = ends_ms.ok_or(Denial::NonceNeeded)?;
        let name = name_of(&point, &claims.jti);
        Ok(CheckedProof { point, name, until_ms })
    }

    /// Consumes a proof and returns the key it proves, an uncompressed P-256 point.
    pub(crate) fn consume(
        &self,
        proof: CheckedProof,
        owner: Owner,
        label: impl FnOnce() -> String,
        now: Now,
    ) -> Result<Vec<u8>, Denial> {
        match self.seen.consume(proof.name, owner, label, proof.until_ms, now) {
            Ok(()) => Ok(proof.point),
            Err(OnceError::Used) => Err(Denial::Token(TokenFault::Used)),
            // A proof that cannot be remembered could be shown again.
            Err(OnceError::Full(_)) => Err(Denial::ShareFull("dpop_proofs")),
        }
    }

    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        self.seen.usage(now)
    }
}

/// The stored part of a proof: a digest of its key and `jti`.
fn name_of(point: &[u8], jti: &str) -> OnceKey {
    let mut name = [0; 16];
    let made = digest(&SHA256, &[point, jti.as_bytes()].concat());
    name.iter_mut().zip(made.as_ref()).for_each(|(to, from)| *to = *from);
    name
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
/// Behind a proxy that ends TLS the scheme is unknown, so both are accepted.
fn is_this_server(htu: &str, path: &str, hosts: [&[String]; 2]) -> bool {
    let rest = htu.strip_prefix("https://").or_else(|| htu.strip_prefix("http://"));
    let Some((host, rest)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    path.strip_prefix('/') == Some(rest)
        && hosts.into_iter().flatten().any(|listed| listed.eq_ignore_ascii_case(host))
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
    use crate::tokens::forge::{NOW_S, encode, now, with};

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
            let ask = ProofRequest { proof, method, path, token: Some("token") };
            let checked = self.proofs.check(&ask, [&hosts, &[]], now())?;
            self.proofs.consume(checked, 1, String::new, now())
        }
    }

    #[test]
    fn t_148_proof_is_for_one_request_one_token_one_time() {
        let wrong = Err(Denial::Token(TokenFault::Proof));
        let nonce = Err(Denial::NonceNeeded);
        let world = World::new();
        let good = sign(&world.pair, &world.header(), &world.claims());
        let point = world.check(&good).unwrap();
        assert_eq!(point, world.pair.public_key().as_ref());
        assert_eq!(world.check(&good), Err(Denial::Token(TokenFault::Used)));

        let late = world.proofs.nonce_of(u64::MAX);
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
    fn nonce_is_accepted_for_its_period_and_the_next() {
        let proofs = Proofs::new(&[9; 32]);
        let at = |ms: u64| Now { monotonic_ms: ms, unix_ms: 0 };
        let nonce = proofs.nonce(at(0));
        let end_ms = 2 * NONCE_LIFE_MS;
        assert_eq!(proofs.nonce_ends_ms(&nonce, at(end_ms - 1)), Some(end_ms));
        assert_eq!(proofs.nonce_ends_ms(&nonce, at(end_ms)), None);
        let other = Proofs::new(&[8; 32]);
        assert_eq!(other.nonce_ends_ms(&nonce, at(0)), None, "another server's");
    }

    #[test]
    fn clock_that_is_set_back_makes_no_proof_valid() {
        let world = World::new();
        let proof = sign(&world.pair, &world.header(), &world.claims());
        assert!(world.check(&proof).is_ok());
        let hosts = [String::from("chat.example")];
        let ask = ProofRequest {
            proof: &proof,
            method: "POST",
            path: "/auth/ticket",
            token: Some("token"),
        };
        for ms in (0..4 * NONCE_LIFE_MS).step_by(30_000) {
            // The wall clock was set back to the moment of the proof.
            let back = Now { monotonic_ms: now().monotonic_ms + ms, ..now() };
            let checked = world.proofs.check(&ask, [&hosts, &[]], back);
            let used = checked.and_then(|proof| world.proofs.consume(proof, 2, String::new, back));
            assert!(used.is_err(), "{ms}");
        }
    }

    #[test]
    fn address_that_fills_its_share_rejects_no_other_owner() {
        let proofs = Proofs::new(&[9; 32]);
        let mut number = 0;
        let mut consume = |owner: Owner| {
            number += 1;
            let name = name_of(b"key", &number.to_string());
            let checked = CheckedProof { point: vec![4], name, until_ms: 60_000 };
            proofs.consume(checked, owner, String::new, Now { monotonic_ms: 0, unix_ms: 0 })
        };
        let accepted = (0..SEEN_MAX).filter(|_| consume(1).is_ok()).count();
        assert!(accepted <= SEEN_MAX / SEEN_PART, "{accepted}");
        assert_eq!(consume(1), Err(Denial::ShareFull("dpop_proofs")));
        assert!(consume(2).is_ok(), "the right user is not rejected");
        assert_eq!(proofs.usage(Now { monotonic_ms: 60_000, unix_ms: 0 }).used, 0);
    }
}
