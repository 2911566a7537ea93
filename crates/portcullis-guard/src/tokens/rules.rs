//! Rules for tokens of an issuer beside their signature: kind, purpose, second factor.
//! Never: a signature, or a claim of a token whose signature was not checked.

use portcullis_model::TokenFault;
use serde_json::Value;

/// Which kind of token an issuer gives to clients of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenKind {
    /// Access tokens (RFC 9068 and the ones of stock identity providers).
    #[default]
    Access,
    /// Also id-tokens (OpenID Connect Core section 2), where an issuer has no others for us.
    Id,
}

/// Rules for tokens of one issuer. The default only requires an access token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssuerRules {
    /// Which kinds of tokens are accepted.
    pub kind: TokenKind,
    /// Scopes that a token has to list, all of them, in `scope` or `scp`.
    pub scope: Vec<String>,
    /// The type that the header has to name (`typ`).
    pub typ: Option<String>,
    /// Evidence that the user signed in with a second factor.
    pub factors: FactorRule,
}

/// Evidence that a user of another issuer signed in with a second factor.
///
/// One matching value is enough. Without any value nothing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorRule {
    /// Methods (`amr`, RFC 8176), such as `mfa` or `hwk`.
    pub amr: Vec<String>,
    /// Where a token lists methods, member by member from the outside in.
    pub amr_claim: Vec<String>,
    /// Classes (`acr`, OpenID Connect Core section 2).
    pub acr: Vec<String>,
    /// Where a token names its class, member by member from the outside in.
    pub acr_claim: Vec<String>,
}

impl Default for FactorRule {
    fn default() -> Self {
        let [amr_claim, acr_claim] = ["amr", "acr"].map(|name| vec![String::from(name)]);
        Self { amr: Vec::new(), amr_claim, acr: Vec::new(), acr_claim }
    }
}

impl FactorRule {
    /// Whether a token can show a second factor at all.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.amr.is_empty() || !self.acr.is_empty()
    }

    /// The methods of the rule that can be the only one of a login: they show a second factor only
    /// where the issuer uses them for nothing else.
    pub fn ambiguous_methods(&self) -> impl Iterator<Item = &str> {
        // A claim of the issuer's own can hold second factors alone, under the same names.
        let is_usual = self.amr_claim == Self::default().amr_claim;
        let named = self.amr.iter().map(String::as_str);
        named.filter(move |text| is_usual && is_one_of(text, &CAN_BE_ALONE))
    }

    /// Whether the claims show a second factor.
    pub(crate) fn is_met(&self, claims: &Value) -> bool {
        let meets = |wanted: &[String], path: &[String]| {
            let named = member(claims, path).map(texts).unwrap_or_default();
            named.iter().any(|text| wanted.contains(text))
        };
        meets(&self.amr, &self.amr_claim) || meets(&self.acr, &self.acr_claim)
    }
}

/// An invalid rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFault {
    /// The key of `[[token.issuer]]`.
    pub key: &'static str,
    /// The value that it must have.
    pub seen: String,
    /// Why that is rejected.
    pub why: &'static str,
    /// The remedy.
    pub mend: &'static str,
}

/// Longest text of a rule, in bytes, and most texts of one rule.
const TEXT_MAX_BYTES: usize = 255;
const TEXTS_MAX: usize = 16;
/// Methods and classes of one factor or none.
const ONE_FACTOR: [&str; 18] = [
    "0",
    "1",
    "aal1",
    "anonymous",
    "geo",
    "kba",
    "loa1",
    "none",
    "oauth",
    "password",
    "pin",
    "pwd",
    "rba",
    "urn:oasis:names:tc:saml:2.0:ac:classes:password",
    "urn:oasis:names:tc:saml:2.0:ac:classes:passwordprotectedtransport",
    "urn:oasis:names:tc:saml:2.0:ac:classes:unspecified",
    "urn:okta:loa:1fa:any",
    "urn:okta:loa:1fa:pwd",
];
/// Methods that can be the only one of a login, such as a code by mail (RFC 8176 section 2).
const CAN_BE_ALONE: [&str; 9] =
    ["email", "magiclink", "otp", "pop", "sms", "swk", "tel", "user", "wia"];

fn is_one_of(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(text))
}

impl IssuerRules {
    /// Checks whether the rules are valid.
    ///
    /// # Errors
    /// [`RuleFault`] names the first invalid rule.
    pub fn check(&self) -> Result<(), RuleFault> {
        let factors = &self.factors;
        // RFC 6749 section 3.3.
        let is_scope = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let why = "a scope has no space, quote or backslash";
        check_texts("scope", &self.scope, why, |text| text.bytes().all(is_scope))?;
        let is_type = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
        let why = "it is not a type of access tokens, such as at+jwt";
        check_texts("typ", self.typ.as_slice(), why, |text| {
            let short = short_type(text);
            let kind = named_kind(short);
            let accepted =
                matches!(kind, NamedKind::Access | NamedKind::Unknown) && short != "dpop+jwt";
            accepted && !short.is_empty() && short.bytes().all(is_type)
        })?;
        let why = "it names one factor, so it does not show a second one";
        let is_second = |text: &str| !is_one_of(text, &ONE_FACTOR);
        check_texts("privileged_amr", &factors.amr, why, is_second)?;
        check_texts("privileged_acr", &factors.acr, why, is_second)?;
        for (key, path) in [("amr_claim", &factors.amr_claim), ("acr_claim", &factors.acr_claim)] {
            check_texts(key, path, "", |_| true)?;
            if path.is_empty() {
                let (why, mend) =
                    ("no claim is named", "write it name by name, from the outside in");
                return Err(RuleFault { key, seen: String::from("[]"), why, mend });
            }
        }
        Ok(())
    }

    /// Whether a header can be one of an access token: its type is `at+jwt`, `JWT`, absent, or the
    /// one that is asked for. In any case, with or without `application/` (RFC 7515 section 4.1.9).
    pub(crate) fn takes_type(&self, typ: Option<&str>) -> bool {
        let Some(named) = typ.map(short_type) else { return true };
        is_access_type(named) || named.eq_ignore_ascii_case("jwt") || self.asks_for(named)
    }

    fn asks_for(&self, named: &str) -> bool {
        let wanted = self.typ.as_deref().map(short_type);
        wanted.is_some_and(|wanted| named.eq_ignore_ascii_case(wanted))
    }

    /// Checks the kind and the purpose of a genuine token.
    pub(crate) fn accept(&self, typ: Option<&str>, claims: &Value) -> Result<(), TokenFault> {
        match kind_of(typ, claims) {
            ClaimsKind::Access => {}
            ClaimsKind::Id if self.kind == TokenKind::Id => {}
            ClaimsKind::Id => return Err(TokenFault::IdToken),
            ClaimsKind::Other => return Err(TokenFault::OtherToken),
        }
        let named = typ.map(short_type);
        if self.typ.is_some() && !named.is_some_and(|named| self.asks_for(named)) {
            return Err(TokenFault::OtherToken);
        }
        if holds(claims, "authorization_details") {
            return Err(TokenFault::Details);
        }
        let listed = scopes(claims);
        let is_listed = |scope: &String| listed.iter().any(|known| known == scope);
        if self.scope.iter().all(is_listed) { Ok(()) } else { Err(TokenFault::Scope) }
    }
}

fn check_texts(
    key: &'static str,
    texts: &[String],
    why: &'static str,
    holds: impl Fn(&str) -> bool,
) -> Result<(), RuleFault> {
    let mend = "remove or replace it";
    if texts.len() > TEXTS_MAX {
        let (seen, why) = (format!("{} texts", texts.len()), "there are at most 16");
        return Err(RuleFault { key, seen, why, mend });
    }
    for text in texts {
        let seen = format!("{text:?}");
        if !(1..=TEXT_MAX_BYTES).contains(&text.len()) || text.chars().any(char::is_control) {
            let why = "a text has 1 to 255 bytes, and none of control";
            return Err(RuleFault { key, seen, why, mend });
        }
        if !holds(text) {
            return Err(RuleFault { key, seen, why, mend });
        }
    }
    Ok(())
}

/// The kind of token that the claims belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClaimsKind {
    Access,
    Id,
    /// For a log-out, a refresh, or another single purpose.
    Other,
}

/// The kind of a token, by its own statement and by claims that only one kind has.
///
/// A token that states that it is an access token can have a `nonce`: those of older Keycloak
/// versions and of Azure AD B2C repeat the one of the log-in.
fn kind_of(typ: Option<&str>, claims: &Value) -> ClaimsKind {
    // A logout token or another security event (RFC 8417 section 2.2).
    if claims.get("events").is_some_and(Value::is_object) {
        return ClaimsKind::Other;
    }
    let mut says_access = typ.map(short_type).is_some_and(is_access_type);
    for name in ["typ", "token_use", "token_type", "type"] {
        for word in words(claims.get(name)) {
            match named_kind(word) {
                NamedKind::Id => return ClaimsKind::Id,
                NamedKind::Other => return ClaimsKind::Other,
                NamedKind::Access => says_access = true,
                // Cognito names each kind, so one that is not known is not for us.
                NamedKind::Unknown if name == "token_use" => return ClaimsKind::Other,
                NamedKind::Unknown => {}
            }
        }
    }
    // Digests of values issued together with an id-token (OpenID Connect Core section 3.3.2.11).
    if ["at_hash", "c_hash", "s_hash"].into_iter().any(|name| holds(claims, name)) {
        return ClaimsKind::Id;
    }
    let says_access = says_access || words(claims.get("scp")).any(|word| !word.trim().is_empty());
    if holds(claims, "nonce") && !says_access { ClaimsKind::Id } else { ClaimsKind::Access }
}

/// The texts of a claim that is one text or a list of them.
fn words(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    value.into_iter().filter_map(Value::as_str).chain(list.iter().filter_map(Value::as_str))
}

/// The kind of token that a word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamedKind {
    Access,
    Id,
    Other,
    Unknown,
}

/// Kinds of tokens for one purpose, without `token` and `jwt`.
const OTHER_KINDS: [&str; 18] = [
    "refresh",
    "rt",
    "offline",
    "logout",
    "secevent",
    "reset",
    "passwordreset",
    "resetpassword",
    "resetcredentials",
    "verify",
    "verifyemail",
    "emailverification",
    "executeactions",
    "initialaccess",
    "registrationaccess",
    "authorizationcode",
    "invitation",
    "magiclink",
];

/// Reads `Refresh`, `refresh_token`, `rt+jwt`, `application/id+jwt`, and the URIs of RFC 8693
/// section 3 such as `urn:ietf:params:oauth:token-type:id_token`.
fn named_kind(text: &str) -> NamedKind {
    let short = short_type(text);
    let short = short.rsplit(':').next().unwrap_or(short);
    let letters = short.chars().filter(char::is_ascii_alphanumeric);
    let mut word: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    for end in ["jwt", "token"] {
        if let Some(rest) = word.strip_suffix(end) {
            word.truncate(rest.len());
        }
    }
    match word.as_str() {
        "bearer" | "dpop" | "access" | "at" => NamedKind::Access,
        "id" | "identity" | "serializedid" => NamedKind::Id,
        other if OTHER_KINDS.contains(&other) => NamedKind::Other,
        _ => NamedKind::Unknown,
    }
}

fn is_access_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt")
}

/// A media type without `application/`, in any case.
pub(crate) fn short_type(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        Some(_) | None => typ,
    }
}

/// Whether a claim is present and not empty; `null` and `[]` are empty.
fn holds(claims: &Value, name: &str) -> bool {
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    claims.get(name).is_some_and(|value| !is_empty(value))
}

/// `scope` is a text with spaces (RFC 8693 section 4.2), `scp` a list or such a text.
fn scopes(claims: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    for value in ["scope", "scp"].into_iter().filter_map(|name| claims.get(name)) {
        match value {
            Value::String(text) => found.extend(text.split_ascii_whitespace()),
            Value::Array(items) => found.extend(items.iter().filter_map(Value::as_str)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
        }
    }
    found
}

/// The value where a path of names leads, from the outside in.
pub(crate) fn member<'v>(claims: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(claims, |value, name| value.get(name))
}

/// One text or a list; Supabase lists objects `{method, timestamp}`.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(flag) => vec![flag.to_string()],
        Value::Array(items) => items.iter().filter_map(method).map(String::from).collect(),
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

fn method(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| item.get("method")?.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kind_of_a_token_is_read_from_lists_uris_and_empty_claims() {
        let cases = [
            (json!({ "token_type": "urn:ietf:params:oauth:token-type:id_token" }), ClaimsKind::Id),
            (
                json!({ "token_type": "urn:ietf:params:oauth:token-type:refresh_token" }),
                ClaimsKind::Other,
            ),
            (
                json!({ "token_type": "urn:ietf:params:oauth:token-type:access_token" }),
                ClaimsKind::Access,
            ),
            (json!({ "token_use": ["id"] }), ClaimsKind::Id),
            (json!({ "token_use": ["access", "id"] }), ClaimsKind::Id),
            (json!({ "token_use": ["access"] }), ClaimsKind::Access),
            (json!({ "nonce": "n", "scp": "" }), ClaimsKind::Id),
            (json!({ "nonce": "n", "scp": [" "] }), ClaimsKind::Id),
            (json!({ "nonce": "n", "scp": 1 }), ClaimsKind::Id),
            (json!({ "nonce": "n", "scp": ["chat"] }), ClaimsKind::Access),
            (json!({ "nonce": "n", "scp": "chat" }), ClaimsKind::Access),
        ];
        for (claims, expect) in cases {
            assert!(kind_of(None, &claims) == expect, "{claims}");
        }
    }
}
