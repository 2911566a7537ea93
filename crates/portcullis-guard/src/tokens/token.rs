//! Verifies tokens (JWT, RFC 7519 and 8725) by a strict profile.
//! Never: a key from a token, a lookup that a token names, or roles of an untrusted issuer.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use portcullis_model::limits::TOKEN_MAX_BYTES;
use portcullis_model::{Now, TokenFault, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::GateError;
use crate::tokens::claims::{Claims, listed_roles};
use crate::tokens::header::Header;
use crate::tokens::key::{Algorithm, Issuer, TokenKey, is_name};

/// Tolerated difference to the clock of another machine.
const LEEWAY_S: i64 = 5;
/// Longest lifetime of this server's own tokens.
const OWN_LIFETIME_MAX_S: i64 = 15 * 60;
/// Longest lifetime of tokens of other issuers.
const FOREIGN_LIFETIME_MAX_S: i64 = 24 * 60 * 60;
/// Most keys of all issuers together.
const KEYS_MAX: usize = 64;
/// Most keys a token without a key id is tried with.
const KEYS_TRIED_MAX: usize = 16;
/// An own token that is further in the future shows that a clock is wrong.
const CLOCK_SKEW_S: i64 = 60;
/// Length of a thumbprint: SHA-256 in base64url.
const THUMBPRINT_BYTES: usize = 43;
/// Longest display name that is read from a token, in characters.
const NAME_MAX_CHARS: usize = 64;

/// A verified credential. Only [`crate::Gate`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedCredential {
    /// The user here: an own token's subject, or derived from issuer and subject.
    pub user: UserId,
    /// Whether this server issued the token itself.
    pub own: bool,
    /// The issuer.
    pub issuer: Arc<str>,
    /// The subject that the issuer names.
    pub subject: String,
    /// The display name that the issuer gives; none when it is invalid.
    pub name: Option<String>,
    /// When it was issued, in seconds since 1970.
    pub issued_unix_s: i64,
    /// When it expires, in seconds since 1970.
    pub expires_unix_s: i64,
    /// The session (`sid`) it belongs to.
    pub session: Option<String>,
    /// Its id (`jti`); empty when another issuer gives none.
    pub token: String,
    /// Names of roles, from an issuer that is trusted to assign them.
    pub roles: Option<Vec<String>>,
    /// How the user has authenticated.
    pub login: LoginEvidence,
    /// The keys of the credential.
    pub keys: CredentialKeys,
}

/// How the user of a credential has authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginEvidence {
    /// When the user authenticated (`auth_time`), in seconds since 1970.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub authenticated_unix_s: Option<i64>,
    /// How often the user had authenticated again within the session (`gen`).
    #[serde(rename = "g")]
    pub generation: u64,
    /// Whether a token of another issuer shows a second factor.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub second_factor: bool,
}

/// The keys of a credential: of the client and of the signature.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialKeys {
    /// Thumbprint (RFC 7638) of the client's key that the credential is bound to.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// The client's key, when the client has proved it: an uncompressed P-256 point.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<Vec<u8>>,
    /// The mark of the key that signed the credential.
    #[serde(rename = "m")]
    pub(crate) mark: u64,
}

impl VerifiedCredential {
    /// A client without a credential, on a server that requires none.
    pub(crate) fn anonymous(user: UserId, now_unix_s: i64) -> Self {
        Self {
            user,
            own: false,
            issuer: Arc::from(""),
            subject: String::new(),
            name: None,
            issued_unix_s: now_unix_s,
            expires_unix_s: i64::MAX / 1000,
            session: None,
            token: String::new(),
            roles: None,
            login: LoginEvidence::default(),
            keys: CredentialKeys::default(),
        }
    }

    /// A verified token for tests.
    #[cfg(test)]
    pub(crate) fn for_tests(user: UserId, expires_unix_s: i64) -> Self {
        Self { expires_unix_s, ..Self::anonymous(user, 0) }
    }
}

/// The keys that verify tokens; the keys of one issuer are replaced as a whole.
pub(crate) struct Tokens {
    keys: RwLock<Arc<[Arc<TokenKey>]>>,
    /// Algorithms of keys that may still arrive; such a token names a key that is unknown yet.
    expected: Vec<Algorithm>,
}

impl Tokens {
    pub(crate) fn build(issuers: Vec<Issuer>) -> Result<Self, GateError> {
        let keys = build_keys(issuers)?;
        check_together(&keys)?;
        Ok(Self { keys: RwLock::new(keys.into()), expected: Vec::new() })
    }

    pub(crate) fn expecting(self, expected: Vec<Algorithm>) -> Self {
        Self { expected, ..self }
    }

    /// Replaces all keys of one issuer; keys of other issuers stay.
    pub(crate) fn replace(&self, name: &str, issuers: Vec<Issuer>) -> Result<(), GateError> {
        self.replace_all(&[name], issuers)
    }

    /// Replaces all keys of these issuers in one step; keys of other issuers stay.
    pub(crate) fn replace_all(
        &self,
        names: &[&str],
        issuers: Vec<Issuer>,
    ) -> Result<(), GateError> {
        let is_replaced = |key: &TokenKey| names.iter().any(|name| *key.issuer == **name);
        let fresh = build_keys(issuers)?;
        if let Some(other) = fresh.iter().find(|key| !is_replaced(key)) {
            let why = "its keys were given as another issuer's";
            return Err(GateError::Issuer { issuer: other.issuer.to_string(), why });
        }
        let mut keys = self.keys.write();
        // Other threads may verify with these keys now, so the rest is kept by reference.
        let kept = keys.iter().filter(|key| !is_replaced(key)).cloned();
        let next: Vec<_> = kept.chain(fresh).collect();
        check_together(&next)?;
        *keys = next.into();
        Ok(())
    }

    /// Whether the key of that mark is still in force; 0 means no key.
    pub(crate) fn has_key(&self, mark: u64) -> bool {
        mark == 0 || self.keys.read().iter().any(|key| key.mark == mark)
    }

    /// The algorithm of a token that names a key that is not known. The key may be published since;
    /// nothing else in the token is read, and nothing of it is believed.
    pub(crate) fn unknown_key(&self, token: &str) -> Option<Algorithm> {
        let header = Header::read(&Parts::read(token).ok()?.header).ok()?;
        let keys = Arc::clone(&self.keys.read());
        let Err(TokenFault::Key) = candidates(&keys, &self.expected, &header) else { return None };
        Algorithm::named(&header.alg)
    }

    /// Believes a token, or says why not. Cheapest first; no claim is read before the signature.
    pub(crate) fn verify(&self, token: &str, now: Now) -> Result<VerifiedCredential, TokenFault> {
        let parts = Parts::read(token)?;
        let header = Header::read(&parts.header)?;
        let keys = Arc::clone(&self.keys.read());
        let candidates = candidates(&keys, &self.expected, &header)?;
        let signed = parts.signed.as_bytes();
        // Two issuers may use the same key id: the signature decides.
        let key = candidates.into_iter().find(|key| key.verifies(signed, &parts.signature));
        let key = key.ok_or(TokenFault::Signature)?;
        let claims = Claims::read(&parts.payload).ok_or(TokenFault::Claims)?;
        if key.own {
            return check_claims(key, claims, now);
        }
        // The payload was read strictly before, so it is bounded and has no duplicates.
        let more: Value = serde_json::from_slice(&parts.payload).map_err(|_| TokenFault::Claims)?;
        // The kind first: the error of an id-token is clearer than that of its `aud`.
        key.rules.accept(header.typ.as_deref(), &more)?;
        let roles = key.roles_claim.as_ref().map(|path| listed_roles(&more, path));
        let second_factor = key.rules.factors.is_met(&more);
        check_claims(key, claims, now).map(|verified| {
            let login = LoginEvidence { second_factor, ..verified.login };
            VerifiedCredential { roles, login, ..verified }
        })
    }
}

fn build_keys(issuers: Vec<Issuer>) -> Result<Vec<Arc<TokenKey>>, GateError> {
    issuers.into_iter().map(|issuer| TokenKey::build(issuer).map(Arc::new)).collect()
}

/// Checks that the keys are unambiguous.
fn check_together(keys: &[Arc<TokenKey>]) -> Result<(), GateError> {
    for (index, key) in keys.iter().enumerate() {
        let refuse = |why| GateError::Issuer { issuer: key.issuer.to_string(), why };
        if index >= KEYS_MAX {
            return Err(refuse("more than 64 keys are listed"));
        }
        for other in keys.iter().take(index).filter(|other| other.issuer == key.issuer) {
            let facts = |key: &TokenKey| (key.own, key.roles_claim.is_some());
            if facts(key) != facts(other) || key.audience != other.audience {
                return Err(refuse("is listed twice, as own and not or for two audiences"));
            }
            if key.rules != other.rules {
                return Err(refuse("is listed twice, with two rules for its tokens"));
            }
            if key.key_id().is_none() || key.key_id() == other.key_id() {
                return Err(refuse("is listed twice: each of its keys needs its own key id"));
            }
        }
    }
    Ok(())
}

/// The keys that may have signed a token. The key determines the algorithm, never the token.
fn candidates<'k>(
    keys: &'k [Arc<TokenKey>],
    expected: &[Algorithm],
    header: &Header,
) -> Result<Vec<&'k Arc<TokenKey>>, TokenFault> {
    let named = Algorithm::named(&header.alg).ok_or(TokenFault::Algorithm)?;
    let mut found: Vec<_> = keys.iter().filter(|key| key.algorithm() == named).collect();
    if found.is_empty() && !expected.contains(&named) {
        return Err(TokenFault::Algorithm);
    }
    found.retain(|key| key.answers_to(header.kid.as_deref()));
    // A token without a `kid` costs a signature check for each key, so their number is bounded.
    if found.is_empty() || found.len() > KEYS_TRIED_MAX {
        return Err(TokenFault::Key);
    }
    found.retain(|key| is_type(key, header.typ.as_deref()));
    if found.is_empty() { Err(TokenFault::Type) } else { Ok(found) }
}

/// Own tokens name their type in exactly one form (RFC 9068 section 2.1).
fn is_type(key: &TokenKey, typ: Option<&str>) -> bool {
    if key.own { typ == Some("at+jwt") } else { key.rules.takes_type(typ) }
}

/// Checks the claims of a token with a valid signature.
fn check_claims(
    key: &TokenKey,
    claims: Claims,
    now: Now,
) -> Result<VerifiedCredential, TokenFault> {
    if *claims.iss != *key.issuer || !is_for_us(key, &claims.aud) {
        return Err(TokenFault::Claims);
    }
    if claims.jkt.as_ref().is_some_and(|jkt| jkt.len() != THUMBPRINT_BYTES) {
        return Err(TokenFault::Claims);
    }
    if key.own && (claims.sid.is_none() || claims.jti.is_none()) {
        return Err(TokenFault::Claims);
    }
    let user = if key.own {
        UserId::parse(&claims.sub).map_err(|_| TokenFault::Claims)?
    } else {
        foreign_user(&claims.iss, &claims.sub)?
    };
    let lifetime_max_s = if key.own { OWN_LIFETIME_MAX_S } else { FOREIGN_LIFETIME_MAX_S };
    if claims.exp <= claims.iat || claims.exp - claims.iat > lifetime_max_s {
        return Err(TokenFault::Lifetime);
    }
    let now_s = now.unix_s();
    let from = claims.iat.max(claims.nbf.unwrap_or(0));
    if from > now_s.saturating_add(LEEWAY_S) {
        let skewed = key.own && from > now_s.saturating_add(CLOCK_SKEW_S);
        return Err(if skewed { TokenFault::Clock } else { TokenFault::NotYet });
    }
    // No tolerance at the end: a connection opened with the token would end at once.
    if now_s >= claims.exp {
        return Err(TokenFault::Expired);
    }
    Ok(VerifiedCredential {
        user,
        own: key.own,
        issuer: Arc::clone(&key.issuer),
        subject: claims.sub,
        name: claims.name.filter(|name| is_shown(name)),
        issued_unix_s: claims.iat,
        expires_unix_s: claims.exp,
        session: claims.sid,
        token: claims.jti.unwrap_or_default(),
        roles: None,
        login: LoginEvidence {
            authenticated_unix_s: claims.auth_time,
            generation: if key.own { claims.generation } else { 0 },
            second_factor: false,
        },
        keys: CredentialKeys { bound: claims.jkt, proven: None, mark: key.mark },
    })
}

/// Whether the audience is this server, and otherwise only audiences that the operator lists.
fn is_for_us(key: &TokenKey, audiences: &[String]) -> bool {
    let known =
        |audience: &String| *audience == key.audience || key.audience_beside.contains(audience);
    audiences.contains(&key.audience) && audiences.iter().all(known)
}

/// The id of a user of another issuer. The lengths distinguish `ab` + `c` from `a` + `bc`.
fn foreign_user(issuer: &str, subject: &str) -> Result<UserId, TokenFault> {
    if !is_name(subject) {
        return Err(TokenFault::Claims);
    }
    let mut context = digest::Context::new(&digest::SHA256);
    for text in [issuer, subject] {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut id = String::from("x_");
    id.extend(URL_SAFE_NO_PAD.encode(context.finish()).chars().take(32));
    UserId::parse(&id).map_err(|_| TokenFault::Claims)
}

fn is_shown(name: &str) -> bool {
    (1..=NAME_MAX_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// The three decoded parts of a token.
struct Parts<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// The signed text: header and payload as sent (RFC 7515 section 5.2).
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn read(token: &'a str) -> Result<Self, TokenFault> {
        if token.is_empty() || token.len() > TOKEN_MAX_BYTES {
            return Err(TokenFault::Shape);
        }
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(TokenFault::Shape);
        };
        let (signed, signature) = token.split_at_checked(second).ok_or(TokenFault::Shape)?;
        let (header, payload) = signed.split_at_checked(first).ok_or(TokenFault::Shape)?;
        let header = decode(header)?;
        let payload = decode(payload.trim_start_matches('.'))?;
        let signature = decode(signature.trim_start_matches('.'))?;
        Ok(Self { header, payload, signature, signed })
    }
}

/// Base64url of RFC 7515 section 2: no padding and no unused bits, so exactly one encoding.
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Ok(_) | Err(_) => Err(TokenFault::Shape),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Secret;
    use serde_json::json;

    use super::*;
    use crate::tokens::forge::*;
    use crate::tokens::key::{IssuerKey, KeyStrength};
    use crate::tokens::rules::IssuerRules;

    fn verify(token: &str) -> Result<VerifiedCredential, TokenFault> {
        Tokens::build(issuers()).unwrap().verify(token, now())
    }

    #[track_caller]
    fn check(token: &str, expect: TokenFault) {
        assert_eq!(verify(token).map(|verified| verified.subject), Err(expect), "{token:.200}");
    }

    #[test]
    fn valid_tokens_are_verified_as_the_user_they_name() {
        let verified = verify(&own(&own_header(), &own_claims())).unwrap();
        assert_eq!((verified.user.as_str(), verified.own), ("ann", true));
        assert_eq!(verified.session.as_deref(), Some("s1"));
        assert_eq!((verified.token.as_str(), &*verified.issuer), ("t1", OWN));
        assert_eq!((verified.issued_unix_s, verified.expires_unix_s), (NOW_S, NOW_S + 600));

        let headers = [
            foreign_header(),
            json!({"alg": "HS256"}),
            json!({"alg": "HS256", "typ": "at+jwt"}),
            json!({"alg": "HS256", "typ": "JWT", "kid": "main"}),
        ];
        for header in headers {
            let verified = verify(&foreign(&header, &foreign_claims())).unwrap();
            assert_eq!((verified.own, verified.subject.as_str()), (false, "user 1"));
            assert!(verified.user.as_str().starts_with("x_") && verified.user.as_str().len() == 34);
        }
        let alone = with(foreign_claims(), json!({"aud": [AUDIENCE], "name": "Ann"}));
        let verified = verify(&foreign(&foreign_header(), &alone)).unwrap();
        assert_eq!(verified.name.as_deref(), Some("Ann"));
        let unfit = with(foreign_claims(), json!({"name": "a\u{7}"}));
        assert_eq!(verify(&foreign(&foreign_header(), &unfit)).unwrap().name, None);
    }

    #[test]
    fn keys_of_several_issuers_are_replaced_in_one_step_or_not_at_all() {
        let tokens = Tokens::build(issuers()).unwrap();
        let is_valid = |secret: &[u8], issuer: &str| {
            let claims = with(foreign_claims(), json!({ "iss": issuer })).to_string();
            let token = sign_shared(secret, &foreign_header().to_string(), &claims);
            tokens.verify(&token, now()).is_ok()
        };
        let swapped = || {
            let mut keys = issuers().split_off(1);
            keys.iter_mut().for_each(|key| {
                let other = if &*key.issuer == FOREIGN { OTHER } else { FOREIGN };
                key.issuer = other.into();
            });
            keys
        };
        let twice = [swapped(), swapped()].concat();
        assert!(tokens.replace_all(&[FOREIGN, OTHER], twice).is_err());
        assert!(tokens.replace_all(&[FOREIGN], swapped()).is_err(), "the other is not named");
        assert!(is_valid(SECRET, FOREIGN) && is_valid(OTHER_SECRET, OTHER));
        tokens.replace_all(&[FOREIGN, OTHER], swapped()).unwrap();
        assert!(is_valid(OTHER_SECRET, FOREIGN) && is_valid(SECRET, OTHER));
        assert!(!is_valid(SECRET, FOREIGN) && !is_valid(OTHER_SECRET, OTHER));
        assert!(tokens.verify(&own(&own_header(), &own_claims()), now()).is_ok(), "it stays");
    }

    #[test]
    fn unknown_key_is_named_without_trust_in_the_rest() {
        let tokens = Tokens::build(issuers()).unwrap();
        let unknown = |header: Value| tokens.unknown_key(&foreign(&header, &json!("no claims")));
        assert_eq!(unknown(json!({"alg": "HS256", "kid": "next"})), Some(Algorithm::Hs256));
        let known_or_bad = [
            foreign_header(),
            json!({"alg": "none", "kid": "next"}),
            json!({"alg": "RS256", "kid": "next"}),
            json!({"alg": "HS256", "kid": "next", "jku": "https://evil.example"}),
        ];
        for header in known_or_bad {
            assert_eq!(unknown(header.clone()), None, "{header}");
        }
        assert_eq!(tokens.unknown_key("a.b.c"), None);
    }

    #[test]
    fn users_of_other_issuers_are_distinguished_by_issuer_and_subject() {
        let id = |issuer, subject| foreign_user(issuer, subject).unwrap();
        assert_eq!(id("a", "bc"), id("a", "bc"));
        assert_ne!(id("a", "bc"), id("ab", "c"));
        assert_ne!(id("a", "b"), id("b", "a"));
    }

    #[test]
    fn t_030_t_033_t_034_key_determines_the_algorithm() {
        for alg in ["none", "None", "NONE", "nOnE", "RS384", "PS256", "ES384", "HS512", "eddsa", ""]
        {
            let header = with(own_header(), json!({"alg": alg}));
            check(&own(&header, &own_claims()), TokenFault::Algorithm);
            let header = with(foreign_header(), json!({"alg": alg}));
            check(&foreign(&header, &foreign_claims()), TokenFault::Algorithm);
        }
        let odd =
            [json!(["HS256"]), json!(1), json!({"a": 1}), json!(true), json!("A".repeat(1000))];
        for alg in odd {
            let header = with(foreign_header(), json!({"alg": alg}));
            check(&foreign(&header, &foreign_claims()), TokenFault::Header);
        }
        check(&own(&json!({"typ": "at+jwt"}), &own_claims()), TokenFault::Header);
        let unsigned = format!("{}.{}.", encode(json!({"alg": "none"}).to_string()), encode("{}"));
        check(&unsigned, TokenFault::Shape);
        check("a.b.", TokenFault::Shape);
    }

    #[test]
    fn t_031_public_key_does_not_work_as_a_shared_secret() {
        let raw = own_public();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&raw)}).to_string();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", encode(&raw));
        let secrets = [raw, jwk.into_bytes(), pem.clone().into_bytes(), format!("{pem}\n").into()];
        for secret in secrets {
            let forge = |header: Value| {
                sign_shared(&secret, &header.to_string(), &own_claims().to_string())
            };
            check(&forge(json!({"alg": "HS256", "kid": "own-1"})), TokenFault::Key);
            check(&forge(foreign_header()), TokenFault::Signature);
        }
    }

    #[test]
    fn t_036_t_038_t_039_t_044_headers_that_carry_or_steer_anything() {
        let extras = [
            json!({"jwk": {"kty": "oct", "k": "AAAA"}}),
            json!({"jku": "https://evil.com/keys"}),
            json!({"x5u": "https://evil.com/cert"}),
            json!({"x5c": ["AAAA"]}),
            json!({"crit": ["exp"]}),
            json!({"crit": []}),
            json!({"b64": false}),
            json!({"zip": "DEF"}),
            json!({"cty": "JWT"}),
            json!({"cty": "application/jwt"}),
            json!({"kid": "x' UNION SELECT '1';--"}),
            json!({"kid": "|sleep 10"}),
            json!({"kid": "a\u{0}"}),
            json!({"kid": "$(id)"}),
            json!({"kid": "../../dev/null"}),
            json!({"kid": "k".repeat(400)}),
            json!({"x": "x".repeat(2048)}),
            json!({"__proto__": {}}),
            json!({"kid": "caf\u{e9}"}),
            json!({"kid": ""}),
            json!({"kid": 1}),
            json!({"typ": ["at+jwt"]}),
        ];
        for extra in extras {
            let foreign_token = foreign(&with(foreign_header(), extra.clone()), &foreign_claims());
            check(&foreign_token, TokenFault::Header);
            check(&own(&with(own_header(), extra), &own_claims()), TokenFault::Header);
        }
        let texts = [
            r#"["HS256","JWT",null]"#,
            r#"{"alg":"HS256","typ":null}"#,
            r#" {"alg":"HS256"}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":"HS256"} x"#,
            r#"{"alg":"HS256"}{}"#,
            "{",
            // T-052.
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
            r#"{"alg":"HS256","cat":"a","cat":"b"}"#,
            r#"{"alg":"HS256","jku":null}"#,
            r#"{"alg":"HS256","crit":null}"#,
        ];
        for header in texts {
            let token = sign_shared(SECRET, header, &foreign_claims().to_string());
            check(&token, TokenFault::Header);
        }
    }

    #[test]
    fn header_parameters_that_are_not_known_are_ignored() {
        let extras = [
            // Clerk, AWS, Azure, and applications of any kind.
            json!({"cat": "cl_B7d4PD111AAA"}),
            json!({"signer": "arn:aws:elasticloadbalancing:eu-1:1:loadbalancer/x", "client": "c"}),
            json!({"x5t": "abc", "x5t#S256": "abc", "nonce": "n"}),
            json!({"x": 1, "y": null, "z": [{"a": {"b": []}}], "cty": "json", "iss": "a"}),
            json!({"cty": 7, "x5t": ["a"], "ver": "1.0", "cr\u{0}it": ["exp"]}),
        ];
        for extra in extras {
            let header = with(foreign_header(), extra.clone());
            assert!(verify(&foreign(&header, &foreign_claims())).is_ok(), "{extra}");
            let header = with(own_header(), extra.clone());
            assert!(verify(&own(&header, &own_claims())).is_ok(), "{extra}");
            let forged = sign_shared(b"wrong", &foreign_header().to_string(), "{}");
            check(&forged, TokenFault::Signature);
        }
    }

    #[test]
    fn key_id_of_any_content_is_only_compared() {
        let kids = [
            "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "https://id.example/keys/1",
            "urn:key:1",
            "vault:v1",
            "a+b/c=",
            "v1@id.example,2",
            "1",
        ];
        for kid in kids {
            let mut issuers = issuers();
            issuers[1].key_id = Some(kid.into());
            let tokens = Tokens::build(issuers).unwrap();
            let named = |kid: &str| with(foreign_header(), json!({"kid": kid}));
            assert!(tokens.verify(&foreign(&named(kid), &foreign_claims()), now()).is_ok());
            let other = tokens.verify(&foreign(&named("other"), &foreign_claims()), now());
            assert_eq!(other.err(), Some(TokenFault::Key), "{kid}");
            check(&foreign(&named(kid), &foreign_claims()), TokenFault::Key);
        }
    }

    #[test]
    fn unused_claims_of_another_type_do_not_reject_a_token() {
        let odd = [
            json!({"name": 1}),
            json!({"name": null}),
            json!({"name": {"first": "Ann"}}),
            json!({"sid": null, "jti": null, "auth_time": null, "nbf": null, "cnf": null}),
        ];
        for change in odd {
            let token = foreign(&foreign_header(), &with(foreign_claims(), change.clone()));
            let verified = verify(&token).map(|verified| (verified.name, verified.subject));
            assert_eq!(verified, Ok((None, String::from("user 1"))), "{change}");
        }
    }

    #[test]
    fn t_040_t_041_keys_belong_to_their_issuer() {
        let header = json!({"alg": "HS256", "kid": "main"}).to_string();
        let claims = |issuer| with(foreign_claims(), json!({"iss": issuer})).to_string();
        check(&sign_shared(SECRET, &header, &claims(OTHER)), TokenFault::Claims);
        check(&sign_shared(OTHER_SECRET, &header, &claims(FOREIGN)), TokenFault::Claims);
        check(&sign_shared(SECRET, &header, &claims(OWN)), TokenFault::Claims);
        assert!(verify(&sign_shared(OTHER_SECRET, &header, &claims(OTHER))).is_ok());
        for kid in ["unknown", "own-1"] {
            let header = json!({"alg": "HS256", "kid": kid});
            check(&foreign(&header, &foreign_claims()), TokenFault::Key);
        }
        check(&own(&with(own_header(), json!({"kid": null})), &own_claims()), TokenFault::Key);
        check(&own(&with(own_header(), json!({"kid": "main"})), &own_claims()), TokenFault::Key);
    }

    #[test]
    fn t_045_t_046_claims_are_exact() {
        let wrong = [
            json!({"exp": "1800000600"}),
            json!({"exp": 1.8e9}),
            json!({"exp": -1}),
            json!({"exp": null}),
            json!({"exp": [1]}),
            json!({"exp": true}),
            json!({"exp": 9_007_199_254_740_992_u64}),
            json!({"exp": u64::MAX}),
            json!({"iat": "1800000000"}),
            json!({"iat": null}),
            json!({"iat": false}),
            json!({"nbf": "1"}),
            json!({"nbf": 0.5}),
            json!({"nbf": [0]}),
            json!({"iss": [FOREIGN]}),
            json!({"iss": null}),
            json!({"iss": "https://ID.example"}),
            json!({"iss": "https://id.example/"}),
            json!({"iss": "https://evil.com/jwks"}),
            json!({"aud": "other"}),
            json!({"aud": null}),
            json!({"aud": []}),
            json!({"aud": ["other"]}),
            json!({"aud": [AUDIENCE, "other"]}),
            json!({"aud": {}}),
            json!({"aud": [AUDIENCE, AUDIENCE]}),
            json!({"aud": [[AUDIENCE]]}),
            json!({"aud": 1}),
            json!({"sub": null}),
            json!({"sub": 1}),
            json!({"sub": ""}),
            json!({"sub": "a\u{0}b"}),
            json!({"sub": "s".repeat(256)}),
            json!({"sub": ["a"]}),
            json!({"jti": 1}),
            json!({"jti": ""}),
            json!({"sid": {}}),
            json!({"auth_time": "1"}),
        ];
        for change in wrong {
            let claims = with(foreign_claims(), change);
            check(&foreign(&foreign_header(), &claims), TokenFault::Claims);
        }
        for name in ["sid", "jti", "sub", "aud", "iss", "iat", "exp"] {
            let mut claims = own_claims();
            claims.as_object_mut().unwrap().remove(name);
            check(&own(&own_header(), &claims), TokenFault::Claims);
        }
        let claims = with(own_claims(), json!({"sub": "not an id"}));
        check(&own(&own_header(), &claims), TokenFault::Claims);
    }

    #[test]
    fn t_047_t_048_time() {
        let cases = [
            (json!({"exp": NOW_S}), TokenFault::Expired),
            (json!({"iat": NOW_S - 600, "exp": NOW_S - 60}), TokenFault::Expired),
            (json!({"nbf": NOW_S + 10}), TokenFault::NotYet),
            (json!({"iat": NOW_S + 6, "exp": NOW_S + 60}), TokenFault::NotYet),
            (json!({"iat": NOW_S + 86_400, "exp": NOW_S + 86_500}), TokenFault::NotYet),
            (json!({"exp": NOW_S + 315_360_000}), TokenFault::Lifetime),
            (json!({"exp": NOW_S + 86_401}), TokenFault::Lifetime),
            (json!({"iat": NOW_S + 3, "exp": NOW_S + 2}), TokenFault::Lifetime),
            (json!({"exp": 0}), TokenFault::Lifetime),
        ];
        for (change, expect) in cases {
            let claims = with(foreign_claims(), change);
            let expect = if claims["exp"] == claims["iat"] { TokenFault::Lifetime } else { expect };
            check(&foreign(&foreign_header(), &claims), expect);
            let forged = sign_shared(b"wrong", &foreign_header().to_string(), &claims.to_string());
            check(&forged, TokenFault::Signature);
        }
        for fine in
            [json!({"nbf": NOW_S + 5}), json!({"iat": NOW_S + 5}), json!({"exp": NOW_S + 1})]
        {
            let token = foreign(&foreign_header(), &with(foreign_claims(), fine));
            assert!(verify(&token).is_ok());
        }
        let long = with(own_claims(), json!({"exp": NOW_S + 901}));
        check(&own(&own_header(), &long), TokenFault::Lifetime);
    }

    #[test]
    fn t_049_t_050_token_has_one_bounded_encoding() {
        let token = own(&own_header(), &own_claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut malleable = URL_SAFE_NO_PAD.decode(signature).unwrap();
        // The same signature plus the group order: the other spelling of `S`.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u16,
        ];
        let mut carry = 0;
        for (byte, add) in malleable[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + add + carry;
            (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
        }
        check(&format!("{signed}.{}", encode(&malleable)), TokenFault::Signature);
        check(&format!("{signed}.{}", encode([0; 64])), TokenFault::Signature);
        check(&format!("{signed}.{}", encode([0; 32])), TokenFault::Signature);
        // The last of 86 characters carries four bits; the other two must be zero.
        let strayed = |last: u8| (b'A'..=b'z').map(char::from).filter(move |c| *c as u8 != last);
        let last = token.as_bytes()[token.len() - 1];
        let believed = strayed(last)
            .filter(|other| verify(&format!("{}{other}", &token[..token.len() - 1])).is_ok());
        assert_eq!(believed.count(), 0);
        let shapes = [
            format!("{token}="),
            format!("{token} "),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}."),
            format!("{token}.a"),
            format!(".{token}"),
            token.replace('.', ".."),
            signed.into(),
            format!("{signed}."),
            signature.into(),
            format!(".{signed}"),
            token.replacen('.', "+.", 1),
            format!("{}é", &token[..token.len() - 1]),
            String::new(),
            ".".into(),
            "..".into(),
            "a..b".into(),
            "...".into(),
            ".".repeat(1 << 20),
            "a".repeat(1 << 20),
            "a".repeat(TOKEN_MAX_BYTES + 1),
            format!("{token}{}", "A".repeat(TOKEN_MAX_BYTES)),
        ];
        for shape in shapes {
            assert_eq!(verify(&shape), Err(TokenFault::Shape), "{:.80}", shape);
        }
    }

    #[test]
    fn any_other_character_anywhere_breaks_a_token() {
        let tokens = Tokens::build(issuers()).unwrap();
        for token in
            [own(&own_header(), &own_claims()), foreign(&foreign_header(), &foreign_claims())]
        {
            assert!(tokens.verify(&token, now()).is_ok());
            for (index, byte) in token.bytes().enumerate() {
                for other in [byte ^ 1, byte ^ 4, b'A', b'.', b' '] {
                    let mut changed = token.clone().into_bytes();
                    changed[index] = other;
                    let changed = String::from_utf8(changed).unwrap();
                    let believed = changed != token && tokens.verify(&changed, now()).is_ok();
                    assert!(!believed, "{changed}");
                }
            }
        }
    }

    #[test]
    fn t_052_t_053_duplicate_or_foreign_claims_are_rejected() {
        let inner = foreign_claims().to_string();
        let inner = inner.trim_matches(['{', '}']);
        let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let refused = [
            format!(r#"{{{inner},"sub":"admin"}}"#),
            format!(r#"{{{inner},"s\u0075b":"admin"}}"#),
            format!(r#"{{{inner},"x":1,"x":1}}"#),
            format!(r#"{{{inner},"x":{{"a":1,"a":2}}}}"#),
            format!(r#"{{{inner},"__proto__":{{"admin":true}}}}"#),
            format!(r#"{{{inner},"x":{{"__proto__":1}}}}"#),
            format!(r#"{{{inner},"x":{}}}"#, deep(9)),
            format!(r#"{{{inner},"x":{}}}"#, deep(900)),
            format!(r#"{{{inner},"x":1e400}}"#),
            format!(r#"{{{inner},"x":"\ud800"}}"#),
            format!(r"{{{inner}}}{{}}"),
            format!(r"[{{{inner}}}]"),
            format!(r"{{{inner}"),
            String::from("null"),
        ];
        for claims in refused {
            let token = sign_shared(SECRET, &foreign_header().to_string(), &claims);
            check(&token, TokenFault::Claims);
        }
        let bold = json!({"roles": ["admin"], "isAdmin": true, "realm": {"roles": [["admin"]]}});
        let plain = verify(&foreign(&foreign_header(), &foreign_claims())).unwrap();
        let token = foreign(&foreign_header(), &with(foreign_claims(), bold));
        assert_eq!(verify(&token).unwrap(), plain, "ignored");
    }

    #[test]
    fn t_054_other_kinds_of_tokens() {
        for typ in ["JWT", "rt+jwt", "id+jwt", "ticket", "dpop+jwt", "secevent+jwt", "AT+JWT", ""] {
            let header = with(own_header(), json!({"typ": typ}));
            check(&own(&header, &own_claims()), TokenFault::Type);
            if !["JWT", "AT+JWT"].contains(&typ) {
                let header = with(foreign_header(), json!({"typ": typ}));
                check(&foreign(&header, &foreign_claims()), TokenFault::Type);
            }
        }
        check(&own(&with(own_header(), json!({"typ": null})), &own_claims()), TokenFault::Type);
        let media_types = ["jwt", "at+jwt", "application/at+jwt", "Application/JWT", "AT+JWT"];
        for typ in media_types {
            let header = with(foreign_header(), json!({"typ": typ}));
            assert!(verify(&foreign(&header, &foreign_claims())).is_ok(), "{typ}");
        }
        for typ in ["application/", "application/application/jwt", "text/jwt", "application/json"] {
            let header = with(foreign_header(), json!({"typ": typ}));
            check(&foreign(&header, &foreign_claims()), TokenFault::Type);
        }
    }

    #[test]
    fn listed_issuers_are_distinguishable() {
        let foreign = |key_id: Option<&str>, secret: &[u8], audience: &str| Issuer {
            issuer: FOREIGN.into(),
            audience: audience.into(),
            audience_beside: Vec::new(),
            roles_claim: None,
            own: false,
            rules: IssuerRules::default(),
            strength: KeyStrength::default(),
            key_id: key_id.map(String::from),
            key: IssuerKey::Hs256(Secret::new(secret.to_vec())),
        };
        let first = || foreign(Some("main"), SECRET, AUDIENCE);
        let cases = [
            (foreign(Some("next"), OTHER_SECRET, AUDIENCE), true),
            (foreign(Some("main"), OTHER_SECRET, AUDIENCE), false),
            (foreign(None, OTHER_SECRET, AUDIENCE), false),
            (foreign(Some("next"), OTHER_SECRET, "other"), false),
        ];
        for (second, expect) in cases {
            assert_eq!(Tokens::build(vec![first(), second]).is_ok(), expect);
        }
        let many = (0..65).map(|n| foreign(Some(&format!("k{n}")), SECRET, AUDIENCE)).collect();
        assert!(Tokens::build(many).is_err());
        let none_but = |algorithm| Tokens::build(Vec::new()).unwrap().expecting(vec![algorithm]);
        let none = Tokens::build(Vec::new()).unwrap();
        let token = own(&own_header(), &own_claims());
        assert_eq!(none.verify(&token, now()).err(), Some(TokenFault::Algorithm));
        let expecting = |algorithm| none_but(algorithm).verify(&token, now()).err();
        assert_eq!(expecting(Algorithm::EdDsa), Some(TokenFault::Key), "it may still come");
        assert_eq!(expecting(Algorithm::Es256), Some(TokenFault::Algorithm));
    }

    #[test]
    fn t_033_rs256_and_es256_are_believed_by_their_own_keys_only() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::rsa;
        use aws_lc_rs::signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
        };
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let of = |kid: &str, key| Issuer {
            issuer: FOREIGN.into(),
            audience: AUDIENCE.into(),
            audience_beside: vec![String::from("https://id.example/userinfo")],
            roles_claim: Some(vec![String::from("realm"), String::from("roles")]),
            own: false,
            rules: IssuerRules::default(),
            strength: KeyStrength::default(),
            key_id: Some(kid.into()),
            key,
        };
        let modulus = rsa.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let exponent = rsa.public_key().exponent().big_endian_without_leading_zero().to_vec();
        let tokens = Tokens::build(vec![
            of("ec", IssuerKey::Es256Public(ec.public_key().as_ref().to_vec())),
            of("rsa", IssuerKey::Rs256Public { modulus, exponent }),
        ])
        .unwrap();
        let sign = |alg: &str, kid: &str, claims: &Value| {
            let header = json!({"alg": alg, "kid": kid, "typ": "JWT", "x5t": "abc"});
            let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
            let signature = if kid == "ec" {
                ec.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec()
            } else {
                let mut signature = vec![0; rsa.public_modulus_len()];
                rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            };
            format!("{signed}.{}", encode(signature))
        };
        let claims = with(foreign_claims(), json!({"realm": {"roles": ["moderator", 7, "x"]}}));
        for (alg, kid) in [("ES256", "ec"), ("RS256", "rsa")] {
            let verified = tokens.verify(&sign(alg, kid, &claims), now()).unwrap();
            let listed = vec![String::from("moderator"), String::from("x")];
            assert_eq!((verified.subject.as_str(), verified.roles), ("user 1", Some(listed)));
        }
        let faults = [
            ("RS256", "ec", TokenFault::Key),
            ("ES256", "rsa", TokenFault::Key),
            ("RS384", "rsa", TokenFault::Algorithm),
            ("PS256", "rsa", TokenFault::Algorithm),
            ("ES384", "ec", TokenFault::Algorithm),
            ("HS256", "rsa", TokenFault::Algorithm),
        ];
        for (alg, kid, fault) in faults {
            let outcome = tokens.verify(&sign(alg, kid, &claims), now());
            assert_eq!(outcome.err(), Some(fault), "{alg} {kid}");
        }
        // T-043: an all-zero signature is nobody's.
        let good = sign("ES256", "ec", &claims);
        let (signed, _) = good.rsplit_once('.').unwrap();
        let zero = format!("{signed}.{}", encode([0; 64]));
        assert_eq!(tokens.verify(&zero, now()).err(), Some(TokenFault::Signature));

        let audiences = [
            (json!([AUDIENCE, "https://id.example/userinfo"]), true),
            (json!([AUDIENCE]), true),
            (json!([AUDIENCE, "https://other.example"]), false),
            (json!(["https://id.example/userinfo"]), false),
            (json!([AUDIENCE, AUDIENCE]), false),
        ];
        for (aud, fine) in audiences {
            let token = sign("ES256", "ec", &with(claims.clone(), json!({"aud": aud})));
            assert_eq!(tokens.verify(&token, now()).is_ok(), fine, "{aud}");
        }
    }

    #[test]
    fn t_056_own_token_from_the_future_shows_a_wrong_clock() {
        for (ahead, fault) in
            [(6, TokenFault::NotYet), (60, TokenFault::NotYet), (61, TokenFault::Clock)]
        {
            let change = json!({"iat": NOW_S + ahead, "exp": NOW_S + ahead + 600});
            check(&own(&own_header(), &with(own_claims(), change)), fault);
        }
    }

    #[test]
    fn t_148_key_of_a_bound_token_is_read_strictly() {
        let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let bound = |cnf: Value| own(&own_header(), &with(own_claims(), json!({"cnf": cnf})));
        assert_eq!(verify(&bound(json!({"jkt": jkt}))).unwrap().keys.bound.as_deref(), Some(jkt));
        for cnf in [
            json!({}),
            json!({"jkt": 1}),
            json!({"jkt": "short"}),
            json!("x"),
            json!([]),
            json!({"x5t#S256": jkt}),
            json!({"jkt": jkt, "jwk": {}}),
        ] {
            check(&bound(cnf), TokenFault::Claims);
        }
    }
}
