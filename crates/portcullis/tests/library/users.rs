//! Users of other issuers in a server of one's own: bans, second factors, and HTTP routes.
//! Never: a user who gains something by a new connection.

use portcullis::prelude::*;
use portcullis::testing::{TestServer, TokenMaker};
use portcullis::{
    ChatServerOptions, FactorRule, IssuerRules, SecondFactorRule, ServerBuilder, UserFacts,
};
use serde_json::Value;

const ISSUER: &str = "https://roles.test";

/// A server with a second issuer, whose tokens list roles and show a second factor.
fn served(second_factor: SecondFactorRule) -> (TestServer, TokenMaker) {
    let tokens = TokenMaker::new(ISSUER, "portcullis");
    let factors = FactorRule { amr: vec![String::from("mfa")], ..FactorRule::default() };
    let mut issuer = tokens.issuer();
    issuer.roles_claim = Some(vec![String::from("roles")]);
    issuer.rules = IssuerRules { factors, ..IssuerRules::default() };
    let builder = TestServer::builder().issuer(issuer);
    let builder = builder.guards(|guards| guards.second_factor = second_factor);
    (start(builder), tokens)
}

fn start(builder: ServerBuilder) -> TestServer {
    TestServer::start_with(builder, |server| {
        server.route(Method::Get, "/roles", |request| async move {
            let caller = request.authenticated()?;
            Ok(ApiResponse::json(200, &json!({"admin": caller.roles.contains(Role::Admin)})))
        });
        server.route(Method::Get, "/setup", |request| async move {
            request.authenticated_for_setup()?;
            Ok(ApiResponse::json(200, &json!({})))
        });
        Ok(())
    })
}

fn token(tokens: &TokenMaker, change: Value) -> String {
    let mut claims = tokens.claims("ann");
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    tokens.token_with(&claims)
}

#[test]
fn known_user_that_reconnects_keeps_ban_mute_and_roles() {
    let (server, tokens) = served(SecondFactorRule::None);
    let listed = token(&tokens, json!({"roles": ["moderator"]}));
    drop(server.try_connect("/", &listed).unwrap());
    let id = server.user_id("ann");
    let later = i64::MAX / 4;
    let changed = server.directory().change_user(&id, |facts| {
        facts.roles = facts.roles.with(Role::Admin);
        facts.muted_until_unix_ms = later;
    });
    assert!(changed);
    let renamed = token(&tokens, json!({"roles": ["moderator"], "name": "Anna"}));
    drop(server.try_connect("/", &renamed).unwrap());
    let user = server.directory().user(&id).unwrap();
    let facts = user.facts();
    assert_eq!((facts.name.as_str(), facts.muted_until_unix_ms), ("Anna", later));
    assert!(facts.roles.contains(Role::Admin) && !facts.roles.contains(Role::Moderator));
    server.directory().change_user(&id, |facts| facts.banned_until_unix_ms = later);
    for _ in 0..2 {
        assert!(server.try_connect("/", &listed).is_err(), "the ban stays");
    }
    assert_eq!(
        user.facts(),
        UserFacts { banned_until_unix_ms: later, name: "ann".into(), ..facts }
    );
}

#[test]
fn route_rejects_user_without_a_needed_second_factor() {
    let (server, tokens) = served(SecondFactorRule::All);
    let [weak, strong] = [json!({"amr": ["pwd"]}), json!({"amr": ["mfa"]})];
    let [weak, strong] = [weak, strong].map(|change| token(&tokens, change));
    assert_eq!(
        server.try_connect("/", &weak).err().unwrap()["data"]["code"],
        "second_factor_required"
    );
    assert!(server.directory().user_ids().is_empty(), "a rejected user leaves no entry");
    drop(server.try_connect("/", &strong).unwrap());
    assert_eq!(server.get("/roles", Some(&strong)).status, 200);
    let rejected = server.get("/roles", Some(&weak));
    assert_eq!(
        (rejected.status, &rejected.json()["code"]),
        (403, &json!("second_factor_required"))
    );
    assert_eq!(server.get("/setup", Some(&weak)).status, 200);
    // A user of this server who has to add one.
    let id = server.user_id("ann");
    server.directory().change_user(&id, |facts| facts.setup_only = true);
    assert_eq!(server.get("/roles", Some(&strong)).status, 403);
    assert_eq!(server.get("/setup", Some(&strong)).status, 200);
}

#[test]
fn route_gets_the_roles_that_the_token_allows() {
    let (server, tokens) = served(SecondFactorRule::Admins);
    let [weak, strong] = [json!({}), json!({"amr": ["mfa"]})];
    let [weak, strong] = [weak, strong].map(|change| token(&tokens, change));
    drop(server.try_connect("/", &weak).unwrap());
    server.give_role("ann", Role::Admin);
    assert_eq!(server.get("/roles", Some(&weak)).json(), json!({"admin": false}));
    assert_eq!(server.get("/roles", Some(&strong)).json(), json!({"admin": true}));
}

#[test]
fn stricter_rule_for_second_factors_wins_beside_chat() {
    use SecondFactorRule::{Admins, All, None};
    for (guards, chat, expect) in [(All, Admins, false), (None, All, false), (None, Admins, true)] {
        let directory = tempfile::tempdir().unwrap();
        let mut options = ChatServerOptions::new(directory.path());
        options.second_factor = chat;
        let builder = TestServer::builder().guards(|options| options.second_factor = guards);
        let server = start(builder.chat(options));
        let outcome = server.try_connect("/", &server.tokens().token("ann"));
        assert_eq!(outcome.is_ok(), expect, "{guards:?} {chat:?}");
        assert_eq!(server.directory().user_ids().len(), usize::from(expect), "no row is stored");
    }
}
