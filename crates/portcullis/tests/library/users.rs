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

#[test]
fn why_explains_references_of_an_application() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("records.log");
    let data = directory.path().join("data");
    let why = |reference: &str, file: Option<&std::path::Path>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("why").arg("--data").arg(&data).arg(reference).current_dir(directory.path());
        if let Some(file) = file {
            command.env("PORTCULLIS__AUDIT__FILE", file);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let builder = Server::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .own_origin()
        .audit_file(&log)
        .chat(ChatServerOptions::new(&data));
    let server = TestServer::start_with(builder, |server| {
        server.on(|_permit: Permit<Buy>, _context: Context| async move {
            Err::<Reply, _>(Denial::app("sold_out", "There are no tickets left"))
        })?;
        Ok(())
    });
    let mut ann = server.connect("ann");
    let sold_out = ann.rejected("buy", json!({}));
    let invalid = ann.rejected("buy", json!({"count": 1}));
    let reference = |error: &Value| String::from(error["ref"].as_str().unwrap());
    let (sold_out, invalid) = (reference(&sold_out), reference(&invalid));
    drop(ann);
    drop(server);

    let text = why(&sold_out, None);
    assert!(text.contains("Rejected by the application: the record has its code"), "{text}");
    assert!(text.contains("security.log does not exist") && text.contains("audit_file"), "{text}");
    let text = why(&sold_out, Some(&log));
    assert!(text.contains("\"sold_out\"") && text.contains("buy"), "{text}");
    let text = why(&invalid, Some(&log));
    assert!(text.contains("client got  INVALID_MESSAGE"), "{text}");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Buy {}

impl Event for Buy {
    const NAME: &'static str = "buy";
    const RULE: Rule = Rule::DEFAULT;
}
