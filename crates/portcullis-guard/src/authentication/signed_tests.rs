//! Tests of authorization with the key of a session: signatures, old logins, muted users.
//! Never: part of a build that is not a test.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use portcullis_model::{Denial, Now, Role, RoleTable, Roles, SessionId, UserId};
use serde::Deserialize;
use serde_json::json;

use crate::directory::sessions::session::SessionFacts;
use crate::directory::space::DirectoryLimits;
use crate::directory::tables::Directory;
use crate::directory::user::UserFacts;
use crate::gate::Gate;
use crate::gate_options::GateOptions;
use crate::tokens::forge::*;
use crate::{
    Access, Caller, Credential, DeclaredEvent, Event, EventBody, EventRequest, ReplayRules,
    RoleRules, Rule,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Announce {
    #[serde(rename = "text")]
    _text: String,
}

impl Event for Announce {
    const NAME: &'static str = "test:announce";
    const RULE: Rule = Rule {
        fields: &["text"],
        access: Access::Role(Role::Moderator),
        sensitive: true,
        speaks: true,
        login_max_age_s: 300,
        ..Rule::DEFAULT
    };
}

struct World {
    gate: Gate,
    rule: DeclaredEvent<Announce>,
    pair: EcdsaKeyPair,
}

fn facts() -> UserFacts {
    let facts = UserFacts::new(UserId::parse("ann").unwrap(), String::from("Ann"));
    UserFacts { roles: Roles::user().with(Role::Moderator), ..facts }
}

fn world(strict: bool) -> World {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let directory = Directory::new(DirectoryLimits::default());
    directory.put_user(facts());
    directory.put_session(session(Some(pair.public_key().as_ref().to_vec())));
    let options = GateOptions {
        hosts: vec![String::from("chat.example")],
        origins: vec![String::from("https://chat.example")],
        issuers: issuers(),
        rate_keys_max: 1024,
        replay: ReplayRules { strict, ..ReplayRules::default() },
        ..GateOptions::default()
    };
    let mut gate = Gate::build(options, Arc::new(directory)).unwrap();
    let rule = gate.declare("/").unwrap();
    World { gate, rule, pair }
}

fn session(key: Option<Vec<u8>>) -> SessionFacts {
    SessionFacts {
        id: SessionId::parse("s1").unwrap(),
        user: facts().id,
        authenticated_unix_ms: NOW_S * 1000,
        ends_unix_ms: (NOW_S + 100_000) * 1000,
        generation: 0,
        key,
    }
}

fn after(seconds: i64) -> Now {
    let monotonic_ms = now().monotonic_ms + seconds.unsigned_abs() * 1000;
    Now { monotonic_ms, unix_ms: now().unix_ms + seconds * 1000 }
}

const PAYLOAD: &str = r#"{"text":"tea"}"#;

impl World {
    fn connect(&self, nonce: &str) -> Caller {
        let token = own(&own_header(), &with(own_claims(), json!({"auth_time": NOW_S})));
        let verified = self.gate.verify(Credential::Bearer(&token), None, now()).unwrap();
        Caller::new(self.gate.authenticate(verified, now()).unwrap(), nonce)
    }

    fn ask(&self, caller: &Caller, namespace: &str, text: &str, at: Now) -> Result<(), Denial> {
        let (event, body, size_bytes) = (Announce::NAME, EventBody::Array(text), text.len());
        let ask = EventRequest { namespace, event, body, size_bytes, attachments: &[] };
        self.gate.permit(&self.rule, caller, &ask, at).map(|_| ())
    }

    /// The values that an honest client signs: nonce, namespace, event, number, time, payload.
    fn sign(&self, parts: [&str; 6]) -> String {
        let [nonce, namespace, event, seq, ts, payload] = parts;
        let sum = encode(digest(&SHA256, payload.as_bytes()));
        let text =
            format!("portcullis-event-v1\n{nonce}\n{namespace}\n{event}\n{seq}\n{ts}\n{sum}");
        encode(self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap())
    }
}

fn message(payload: &str, seq: &str, ts: &str, sig: &str) -> String {
    format!(r#"["test:announce",{payload},{{"seq":{seq},"ts":{ts},"sig":"{sig}"}}]"#)
}

#[test]
fn t_144_t_149_signature_of_another_message_or_a_replay_is_rejected() {
    let world = world(true);
    let ts = now().unix_ms.to_string();
    let good = ["n1", "/", "test:announce", "1", ts.as_str(), PAYLOAD];
    let honest = message(PAYLOAD, "1", &ts, &world.sign(good));
    let caller = world.connect("n1");
    assert_eq!(world.ask(&caller, "/", &honest, now()), Ok(()));
    assert_eq!(world.ask(&caller, "/", &honest, now()), Err(Denial::Replay("seq_repeated")));

    // Each signature covers other values than the message.
    let others = [
        ["n2", "/", "test:announce", "1", ts.as_str(), PAYLOAD],
        ["n1", "/admin", "test:announce", "1", ts.as_str(), PAYLOAD],
        ["n1", "/", "test:other", "1", ts.as_str(), PAYLOAD],
        ["n1", "/", "test:announce", "2", ts.as_str(), PAYLOAD],
        ["n1", "/", "test:announce", "1", "1", PAYLOAD],
        ["n1", "/", "test:announce", "1", ts.as_str(), r#"{"text":"gin"}"#],
    ];
    for parts in others {
        let caller = world.connect("n1");
        let forged = message(PAYLOAD, "1", &ts, &world.sign(parts));
        let refused = world.ask(&caller, "/", &forged, now());
        assert_eq!(refused, Err(Denial::Replay("signature")), "{parts:?}");
    }
    let other_world = crate::authentication::signed_tests::world(true);
    let caller = world.connect("n1");
    let forged = message(PAYLOAD, "1", &ts, &other_world.sign(good));
    assert_eq!(world.ask(&caller, "/", &forged, now()), Err(Denial::Replay("signature")));
    for sig in ["", "AAAA", "not base64!"] {
        let caller = world.connect("n1");
        let refused = world.ask(&caller, "/", &message(PAYLOAD, "1", &ts, sig), now());
        assert_eq!(refused, Err(Denial::Replay("signature")), "{sig}");
    }
    for (seconds, expect) in [(30, Ok(())), (31, Err(Denial::Replay("ts")))] {
        let caller = world.connect("n1");
        assert_eq!(world.ask(&caller, "/", &honest, after(seconds)), expect);
    }
}

#[test]
fn t_149_stripped_signature_or_missing_key_is_rejected() {
    let world = world(true);
    let ts = now().unix_ms.to_string();
    let cases = [
        (String::from("{}"), "seq"),
        (String::from(r#"{"seq":1}"#), "ts"),
        (format!(r#"{{"seq":1,"ts":{ts}}}"#), "sig"),
        (format!(r#"{{"ts":{ts},"sig":"AAAA"}}"#), "seq"),
    ];
    for (envelope, field) in cases {
        let text = format!(r#"["test:announce",{PAYLOAD},{envelope}]"#);
        let refused = world.ask(&world.connect("n1"), "/", &text, now()).unwrap_err();
        assert_eq!((refused.field(), refused.reason()), (Some(field), "missing"), "{envelope}");
    }
    world.gate.directory().put_session(session(None));
    let signed = world.sign(["n1", "/", "test:announce", "1", &ts, PAYLOAD]);
    let text = message(PAYLOAD, "1", &ts, &signed);
    let refused = world.ask(&world.connect("n1"), "/", &text, now());
    assert_eq!(refused, Err(Denial::Replay("no_key")));
}

#[test]
fn t_068_old_login_and_muted_user_are_rejected() {
    let world = world(false);
    let text = format!(r#"["test:announce",{PAYLOAD}]"#);
    let caller = world.connect("n1");
    assert_eq!(world.ask(&caller, "/", &text, after(300)), Ok(()));
    assert_eq!(world.ask(&caller, "/", &text, after(301)), Err(Denial::ReauthRequired));
    let authenticated_unix_ms = after(301).unix_ms;
    let stepped = SessionFacts { authenticated_unix_ms, generation: 1, ..session(None) };
    world.gate.directory().put_session(stepped);
    let before = world.ask(&caller, "/", &text, after(302));
    assert_eq!(before, Err(Denial::ReauthRequired), "another token of the session proved it");
    let newer = json!({"auth_time": NOW_S + 301, "gen": 1});
    let token = own(&own_header(), &with(own_claims(), newer));
    world.gate.renew(&caller.principal, &token, after(302)).unwrap();
    assert_eq!(world.ask(&caller, "/", &text, after(302)), Ok(()));

    let muted_until_unix_ms = after(310).unix_ms;
    world.gate.directory().put_user(UserFacts { muted_until_unix_ms, ..facts() });
    assert_eq!(
        world.ask(&caller, "/", &text, after(309)),
        Err(Denial::Muted { until_unix_ms: Some(muted_until_unix_ms), retry_after_ms: 1_000 })
    );
    assert_eq!(world.ask(&caller, "/", &text, after(310)), Ok(()));
}

#[test]
fn t_059_ended_session_ends_its_connections_and_tokens() {
    let world = world(false);
    let caller = world.connect("n1");
    let text = format!(r#"["test:announce",{PAYLOAD}]"#);
    assert_eq!(world.ask(&caller, "/", &text, now()), Ok(()));
    world.gate.directory().end_session(&SessionId::parse("s1").unwrap()).unwrap();
    assert_eq!(world.ask(&caller, "/", &text, now()), Err(Denial::SessionEnded("revoked")));
    let token = own(&own_header(), &own_claims());
    let verified = world.gate.verify(Credential::Bearer(&token), None, now()).unwrap();
    let refused = world.gate.authenticate(verified, now()).map(|_| ());
    assert_eq!(refused.unwrap_err().reason(), "session");
}

#[test]
fn t_057_connection_ends_when_idle_and_at_its_absolute_end() {
    let world = world(false);
    let caller = world.connect("n1");
    let check =
        |seconds| caller.principal.is_current(Now { unix_ms: now().unix_ms, ..after(seconds) });
    assert_eq!(check(1_799), Ok(()));
    assert_eq!(check(1_800), Err(Denial::SessionEnded("idle")));
    for minute in 1..480 {
        caller.principal.touch(after(60 * minute));
    }
    assert_eq!(check(28_799), Ok(()));
    assert_eq!(check(28_800), Err(Denial::SessionEnded("absolute")));
    let next_ms = caller.principal.next_check_ms(after(599));
    assert_eq!(next_ms, after(600).monotonic_ms, "the token's end is nearer");
}

#[test]
fn t_058_revoked_tokens_and_removed_keys_end_connections() {
    let world = world(false);
    let caller = world.connect("n1");
    let authority = world.gate.directory().authority();
    let until = after(600).unix_ms;
    let kind = crate::RevocationKind::Token;
    let token = |user, name| crate::RevocationName { issuer: OWN, user, kind, name };
    for (user, name) in [("ann", "other"), ("bob", "t1")] {
        authority.revoke(token(user, name), until, now());
        assert_eq!(caller.principal.is_current(now()), Ok(()), "{user} {name}");
    }
    authority.revoke(token("ann", "t1"), until, now());
    assert_eq!(caller.principal.is_current(now()), Err(Denial::SessionEnded("revoked")));
    let token = own(&own_header(), &own_claims());
    let verified = world.gate.verify(Credential::Bearer(&token), None, now()).unwrap();
    assert_eq!(world.gate.identify(&verified, now()).unwrap_err().reason(), "revoked");

    let token = own(&own_header(), &with(own_claims(), serde_json::json!({"jti": "t2"})));
    let verified = world.gate.verify(Credential::Bearer(&token), None, now()).unwrap();
    let caller = Caller::new(world.gate.authenticate(verified, now()).unwrap(), "n");
    world.gate.replace_keys(OWN, issuers().into_iter().take(1).collect()).unwrap();
    assert_eq!(caller.principal.is_current(now()), Ok(()), "the same key stays the same");
    world.gate.replace_keys(OWN, Vec::new()).unwrap();
    assert_eq!(caller.principal.is_current(now()), Err(Denial::SessionEnded("revoked")));
    assert!(world.gate.verify(Credential::Bearer(&token), None, now()).is_err());
}

#[test]
fn table_of_actions_shows_the_rules_in_force() {
    let mut table = RoleTable::default();
    let support = table.define("support").unwrap();
    let roles = RoleRules {
        table,
        grants: vec![(support, String::from("test:announce"))],
        access: Vec::new(),
    };
    let options = GateOptions {
        hosts: vec![String::from("chat.example")],
        origins: vec![String::from("https://chat.example")],
        rate_keys_max: 1024,
        roles,
        ..GateOptions::default()
    };
    let mut gate =
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap();
    gate.declare::<Announce>("/").unwrap();
    let actions = gate.authorization.actions();
    assert_eq!(actions.len(), 1);
    assert_eq!(actions[0].roles, ["admin", "moderator", "support"]);
    assert_eq!(
        (actions[0].event, actions[0].access),
        ("test:announce", Access::Role(Role::Moderator))
    );
}
