//! Tokens as stock identity providers issue them: which are accepted, and which kinds are not.
//! Never: a payload without the claims that the provider really writes.

use portcullis_model::TokenFault;
use serde_json::{Value, json};

use crate::tokens::forge::{AUDIENCE, FOREIGN, NOW_S, foreign, issuers, now, with};
use crate::tokens::key::Issuer;
use crate::tokens::rules::{FactorRule, IssuerRules, TokenKind};
use crate::tokens::token::{Tokens, VerifiedCredential};

fn issuer(rules: IssuerRules) -> Vec<Issuer> {
    let of_rules = |issuer: Issuer| match issuer.issuer == FOREIGN {
        true => Issuer { rules: rules.clone(), ..issuer },
        false => issuer,
    };
    issuers().into_iter().map(of_rules).collect()
}

/// Believes a token of a payload as the provider writes it, with our issuer and audience in place
/// of the provider's.
fn believe(
    rules: &IssuerRules,
    header: Value,
    payload: Value,
) -> Result<VerifiedCredential, TokenFault> {
    let header = with(json!({"alg": "HS256"}), header);
    let aud = if payload["aud"].is_null() { Value::Null } else { json!(AUDIENCE) };
    let ours = json!({"iss": FOREIGN, "aud": aud, "iat": NOW_S, "exp": NOW_S + 300});
    let token = foreign(&header, &with(payload, ours));
    Tokens::build(issuer(rules.clone())).unwrap().verify(&token, now())
}

fn fault(rules: &IssuerRules, header: Value, payload: Value) -> Option<TokenFault> {
    believe(rules, header, payload).err()
}

fn jwt() -> Value {
    json!({"typ": "JWT"})
}

fn auth0_access() -> Value {
    json!({"sub": "auth0|5f7c8ec7c33c6c004bbafe82", "aud": ["https://chat.example",
        "https://tenant.eu.auth0.com/userinfo"], "azp": "my_client_id",
        "scope": "openid profile email read:rooms", "permissions": ["read:rooms"],
        "https://chat.example/roles": ["moderator"], "https://chat.example/amr": ["mfa"]})
}

fn okta_access() -> Value {
    json!({"ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "aud": "api://default", "cid": "0oa3chc", "uid": "00uid4BxXw6I6TV4m0g3",
        "scp": ["openid", "profile", "chat"], "auth_time": NOW_S - 20, "sub": "ann@example.com"})
}

fn keycloak_access() -> Value {
    json!({"auth_time": NOW_S - 10, "jti": "onrtac:0d4c1b60-8c4b-4f4b-92c0-3a5c0f0e5a0e",
        "aud": ["portcullis", "account"], "sub": "b4f1a9f0-93a0-4a8e-8d3e-0d7d5d7f1c11",
        "typ": "Bearer", "azp": "chat", "sid": "2c5a8e6e-3b0f-4a45-9a4e-6a5ddc1a1f60",
        "acr": "1", "allowed-origins": ["https://app.example"],
        "realm_access": {"roles": ["offline_access", "uma_authorization", "moderator"]},
        "resource_access": {"account": {"roles": ["manage-account"]}},
        "scope": "openid profile email", "email_verified": true, "name": "Ann Example",
        "preferred_username": "ann", "given_name": "Ann", "family_name": "Example"})
}

fn cognito_access() -> Value {
    json!({"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "device_key": "eu-1_1",
        "cognito:groups": ["moderator"], "version": 2, "client_id": "1example23456789",
        "aud": "1example23456789", "origin_jti": "a1", "event_id": "e1",
        "token_use": "access", "scope": "openid chat/send", "auth_time": NOW_S,
        "jti": "b1", "username": "ann"})
}

fn cognito_id() -> Value {
    json!({"at_hash": "9Ql6zsE1ULrcRLTWbcLhfw", "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["moderator"], "email_verified": true, "cognito:username": "ann",
        "origin_jti": "a1", "aud": "1example23456789", "event_id": "e1", "token_use": "id",
        "auth_time": NOW_S, "jti": "b2", "email": "ann@example.com"})
}

fn entra_access() -> Value {
    json!({"aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "nbf": NOW_S - 1,
        "aio": "AXQAi/8TAAAA", "azp": "6e74172b", "azpacr": "0", "name": "Ann Example",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "preferred_username": "ann@example.com",
        "rh": "I", "roles": ["moderator"], "scp": "access_as_user", "sub": "HKZpfaHyWadeOouYlitj",
        "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0"})
}

fn firebase() -> Value {
    json!({"name": "Ann", "aud": "my-project", "auth_time": NOW_S - 30, "user_id": "u1",
        "sub": "u1", "email": "ann@example.com", "email_verified": true,
        "firebase": {"identities": {"email": ["ann@example.com"]},
            "sign_in_provider": "password", "sign_in_second_factor": "totp",
            "second_factor_identifier": "2f1"}})
}

fn supabase(aal: &str) -> Value {
    json!({"sub": "ad3ad4b1-c0f4-4d09-9c0e-9d6fe8d6a1ac", "aud": "authenticated",
        "email": "ann@example.com", "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"email_verified": true}, "role": "authenticated", "aal": aal,
        "amr": [{"method": "totp", "timestamp": NOW_S - 5},
            {"method": "password", "timestamp": NOW_S - 60}],
        "session_id": "05b1c2a3-4b4a-4d4a-8d4a-1a2b3c4d5e6f", "is_anonymous": false})
}

/// A token of a JWT template, which has `aud`; session tokens have none.
fn clerk() -> Value {
    json!({"azp": "https://app.example", "aud": "portcullis", "fva": [0, -1],
        "jti": "a7c3e4b2f8", "nbf": NOW_S - 5, "sid": "sess_2KjAz", "sts": "active",
        "sub": "user_2KjAx", "v": 2, "pla": "u:free", "fea": "u:chat"})
}

#[test]
fn stock_access_tokens_are_accepted() {
    let kid = json!({"kid": "main"});
    let rfc9068 = with(auth0_access(), json!({"client_id": "c", "jti": "j", "nonce": "n-0S6"}));
    let cases = [
        ("Auth0", jwt(), auth0_access()),
        ("Auth0 with the RFC 9068 profile", json!({"typ": "at+jwt"}), rfc9068),
        ("Okta", kid.clone(), okta_access()),
        ("Keycloak", jwt(), keycloak_access()),
        ("Keycloak before 24", jwt(), with(keycloak_access(), json!({"nonce": "a-b-c"}))),
        ("Keycloak with DPoP", jwt(), with(keycloak_access(), json!({"typ": "DPoP"}))),
        ("Cognito with aud", kid, cognito_access()),
        ("Entra ID", jwt(), entra_access()),
        (
            "Entra ID, version 1",
            jwt(),
            with(entra_access(), json!({"ver": "1.0", "acr": "1", "amr": ["pwd", "mfa"]})),
        ),
        (
            "Azure AD B2C",
            jwt(),
            with(entra_access(), json!({"nonce": "678910", "tfp": "B2C_1_susi"})),
        ),
        ("Firebase", jwt(), firebase()),
        ("Supabase", jwt(), supabase("aal2")),
        ("Clerk", json!({"typ": "JWT", "cat": "cl_B7d4PD222AAA"}), clerk()),
        (
            "own server",
            jwt(),
            json!({"aud": "portcullis", "sub": "42", "name": "Ann", "type": "user", "events": 3}),
        ),
    ];
    for (name, header, payload) in cases {
        let outcome = fault(&IssuerRules::default(), header, payload);
        assert_eq!(outcome, None, "{name}");
    }
}

#[test]
fn t_054_tokens_of_other_kinds_are_rejected_with_their_kind() {
    use TokenFault::{Details, IdToken, OtherToken, Type};
    let plain = || json!({"aud": "portcullis", "sub": "42"});
    let keycloak = |typ: &str| with(keycloak_access(), json!({"typ": typ}));
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let detail = json!([{"type": "payment_initiation", "actions": ["initiate"]}]);
    let of = |change: Value| with(plain(), change);
    let id = || with(auth0_access(), json!({"nonce": "n-0S6", "scope": null}));
    let cases = [
        (jwt(), id(), IdToken),
        (jwt(), of(json!({"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"})), IdToken),
        (jwt(), of(json!({"c_hash": "LDktKdoQak3Pk0cnXxCltA"})), IdToken),
        (jwt(), of(json!({"s_hash": "LDktKdoQak3Pk0cnXxCltA"})), IdToken),
        // A claim that only id-tokens have outweighs the stated kind.
        (json!({"typ": "at+jwt"}), of(json!({"at_hash": "MTIz", "scp": "chat"})), IdToken),
        (json!({}), cognito_id(), IdToken),
        (jwt(), keycloak("ID"), IdToken),
        (jwt(), of(json!({"typ": "application/id+jwt"})), IdToken),
        (jwt(), of(json!({"token_type": "id_token"})), IdToken),
        (jwt(), of(json!({"type": "idToken"})), IdToken),
        (jwt(), keycloak("Refresh"), OtherToken),
        (jwt(), keycloak("Offline"), OtherToken),
        (jwt(), keycloak("Logout"), OtherToken),
        (jwt(), keycloak("verify-email"), OtherToken),
        (jwt(), keycloak("reset-credentials"), OtherToken),
        (jwt(), of(json!({"typ": "rt+jwt"})), OtherToken),
        (jwt(), of(json!({"token_type": "refresh"})), OtherToken),
        (jwt(), of(json!({"type": "refresh_token"})), OtherToken),
        (jwt(), of(json!({"token_use": "refresh"})), OtherToken),
        (jwt(), of(json!({"token_use": "something"})), OtherToken),
        (jwt(), of(json!({"events": event.clone()})), OtherToken),
        (jwt(), of(json!({"events": event, "sid": "08a5019c", "token_use": "access"})), OtherToken),
        (json!({"typ": "logout+jwt"}), of(json!({"events": {}})), Type),
        (json!({"typ": "secevent+jwt"}), plain(), Type),
        (jwt(), of(json!({"authorization_details": detail})), Details),
        (jwt(), of(json!({"authorization_details": {"type": "x"}})), Details),
    ];
    for (header, payload, expect) in cases {
        let shown = format!("{header} {payload}");
        let outcome = fault(&IssuerRules::default(), header, payload);
        assert_eq!(outcome, Some(expect), "{shown}");
    }
    let nothing = [
        json!({"nonce": null, "at_hash": null, "events": null, "authorization_details": null}),
        json!({"authorization_details": [], "typ": null, "token_use": null}),
    ];
    for change in nothing {
        assert_eq!(fault(&IssuerRules::default(), jwt(), of(change)), None, "null is absent");
    }
}

#[test]
fn issuer_that_has_only_id_tokens_can_be_set_to_them() {
    let rules = IssuerRules { kind: TokenKind::Id, ..IssuerRules::default() };
    assert_eq!(fault(&rules, json!({}), cognito_id()), None);
    let nonce = with(auth0_access(), json!({"nonce": "n-0S6", "at_hash": "MTIz"}));
    assert_eq!(fault(&rules, jwt(), nonce), None);
    assert_eq!(fault(&rules, jwt(), firebase()), None, "others are accepted as before");
    let refresh = with(keycloak_access(), json!({"typ": "Refresh"}));
    assert_eq!(fault(&rules, jwt(), refresh), Some(TokenFault::OtherToken));
}

#[test]
fn every_scope_of_the_issuer_has_to_be_listed() {
    let scope = ["chat", "openid"].map(String::from).to_vec();
    let rules = IssuerRules { scope, ..IssuerRules::default() };
    let of = |change: Value| {
        let payload = with(json!({"aud": "portcullis", "sub": "42"}), change);
        fault(&rules, jwt(), payload)
    };
    let accepted = [
        json!({"scope": "openid chat"}),
        json!({"scope": "profile chat email openid"}),
        json!({"scope": ["chat", "openid"]}),
        json!({"scp": ["openid", "profile", "chat"]}),
        json!({"scp": "openid chat"}),
        json!({"scope": "openid", "scp": ["chat"]}),
    ];
    for change in accepted {
        assert_eq!(of(change.clone()), None, "{change}");
    }
    let rejected = [
        json!({}),
        json!({"scope": null}),
        json!({"scope": "openid"}),
        json!({"scope": "billing:read"}),
        json!({"scope": "openid chat:read"}),
        json!({"scope": "openid Chat"}),
        json!({"scope": "openid,chat"}),
        json!({"scope": {"openid": 1, "chat": 1}}),
        json!({"scp": [["chat", "openid"]]}),
        json!({"scopes": "openid chat"}),
    ];
    for change in rejected {
        assert_eq!(of(change.clone()), Some(TokenFault::Scope), "{change}");
    }
    assert_eq!(fault(&rules, json!({}), okta_access()), None);
}

#[test]
fn required_type_of_the_header_is_compared_without_application() {
    let rules = |typ: &str| IssuerRules { typ: Some(typ.into()), ..IssuerRules::default() };
    let payload = || json!({"aud": "portcullis", "sub": "42"});
    let cases = [
        ("at+jwt", json!({"typ": "at+jwt"}), true),
        ("at+jwt", json!({"typ": "application/at+jwt"}), true),
        ("at+jwt", json!({"typ": "Application/AT+JWT"}), true),
        ("at+jwt", json!({"typ": "JWT"}), false),
        ("at+jwt", json!({}), false),
        ("chat+jwt", json!({"typ": "chat+jwt"}), true),
        ("chat+jwt", json!({"typ": "at+jwt"}), false),
    ];
    for (typ, header, accepted) in cases {
        let expect = if accepted { None } else { Some(TokenFault::OtherToken) };
        assert_eq!(fault(&rules(typ), header.clone(), payload()), expect, "{typ} {header}");
    }
}

#[test]
fn second_factor_is_read_where_each_provider_says_it() {
    let list = |words: &[&str]| words.iter().map(|word| String::from(*word)).collect::<Vec<_>>();
    let amr = |words: &[&str], path: &[&str]| FactorRule {
        amr: list(words),
        amr_claim: list(path),
        ..FactorRule::default()
    };
    let acr = |words: &[&str], path: &[&str]| FactorRule {
        acr: list(words),
        acr_claim: list(path),
        ..FactorRule::default()
    };
    let entra = || with(entra_access(), json!({"amr": ["pwd", "mfa"], "acr": "1"}));
    let keycloak = |class: Value| with(keycloak_access(), json!({"acr": class}));
    let methods = |amr: Value| json!({"aud": "portcullis", "sub": "42", "amr": amr});
    let cases = [
        (amr(&["mfa"], &["https://chat.example/amr"]), auth0_access(), true),
        (amr(&["mfa"], &["amr"]), auth0_access(), false),
        (amr(&["mfa"], &["amr"]), entra(), true),
        (amr(&["hwk"], &["amr"]), entra(), false),
        (acr(&["2"], &["acr"]), keycloak(json!("2")), true),
        (acr(&["2"], &["acr"]), keycloak(json!(2)), true),
        (acr(&["2"], &["acr"]), keycloak(json!("1")), false),
        (acr(&["2"], &["acr"]), keycloak(json!("12")), false),
        (amr(&["totp", "phone"], &["firebase", "sign_in_second_factor"]), firebase(), true),
        (amr(&["totp"], &["amr"]), supabase("aal1"), true),
        (acr(&["aal2"], &["aal"]), supabase("aal2"), true),
        (acr(&["aal2"], &["aal"]), supabase("aal1"), false),
        (FactorRule::default(), entra(), false),
        (amr(&["mfa"], &["amr"]), methods(json!("mfa")), true),
        (amr(&["mfa"], &["amr"]), methods(json!("pwd mfa")), false),
        (amr(&["mfa"], &["amr"]), methods(json!(["MFA"])), false),
        (amr(&["mfa"], &["amr"]), methods(json!({"mfa": true})), false),
        (amr(&["mfa"], &["amr"]), methods(json!([["mfa"]])), false),
        (amr(&["mfa"], &["amr"]), methods(json!(null)), false),
    ];
    for (factors, payload, expect) in cases {
        let rules = IssuerRules { factors: factors.clone(), ..IssuerRules::default() };
        let verified = believe(&rules, jwt(), payload.clone()).unwrap();
        assert_eq!(verified.login.second_factor, expect, "{factors:?} {payload}");
    }
}
