//! Tests with users of other issuers: second factors, and tokens that need a proof.
//! Never: part of a build that is not a test.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use portcullis_model::{Denial, Now, Role, Roles, RoomId, TokenFault, UserId, Visibility};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::CredentialKeys;
use crate::directory::room::RoomFacts;
use crate::directory::space::DirectoryLimits;
use crate::directory::tables::Directory;
use crate::directory::user::UserFacts;
use crate::gate::Gate;
use crate::gate_options::GateOptions;
use crate::tokens::forge::*;
use crate::tokens::key::Issuer;
use crate::{
    Access, Caller, Credential, DeclaredEvent, Event, EventBody, EventRequest, FactorRule,
    IssuerRules, Principal, ProofRequest, Rule, SecondFactorRule, VerifiedCredential,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mute {}

impl Event for Mute {
    const NAME: &'static str = "test:mute";
    const RULE: Rule = Rule { access: Access::Role(Role::Moderator), ..Rule::DEFAULT };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kick {
    #[serde(deserialize_with = "crate::field::room_id")]
    room: RoomId,
}

impl Event for Kick {
    const NAME: &'static str = "test:kick";
    const RULE: Rule =
        Rule { fields: &["room"], access: Access::OwnerOr(Role::Moderator), ..Rule::DEFAULT };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room)
    }
}

struct World {
    gate: Gate,
    rule: DeclaredEvent<Mute>,
}

/// A gate for an issuer whose tokens show a second factor as `amr: ["mfa"]`.
fn world(options: GateOptions) -> World {
    let factors = FactorRule { amr: vec![String::from("mfa")], ..FactorRule::default() };
    let rules = IssuerRules { factors, ..IssuerRules::default() };
    let with_rules = |issuer: Issuer| match issuer.issuer == FOREIGN {
        true => Issuer { rules: rules.clone(), ..issuer },
        false => issuer,
    };
    let options = GateOptions {
        hosts: vec![String::from("chat.example")],
        origins: vec![String::from("https://chat.example")],
        issuers: issuers().into_iter().map(with_rules).collect(),
        rate_keys_max: 1024,
        ..options
    };
    let directory = Arc::new(Directory::new(DirectoryLimits::default()));
    let mut gate = Gate::build(options, directory).unwrap();
    let rule = gate.declare("/").unwrap();
    World { gate, rule }
}

fn token(change: Value) -> String {
    foreign(&foreign_header(), &with(foreign_claims(), change))
}

fn verified(gate: &Gate, change: Value) -> VerifiedCredential {
    gate.verify(Credential::Bearer(&token(change)), None, now()).unwrap()
}

impl World {
    /// The user of a token, known here with these roles.
    fn put(&self, roles: Roles) {
        let VerifiedCredential { user, .. } = verified(&self.gate, json!({}));
        let facts = UserFacts::new(user, String::from("Ann"));
        self.gate.directory().put_user(UserFacts { roles, external: true, ..facts });
    }

    fn connect(&self, change: Value) -> Result<Principal, Denial> {
        self.gate.authenticate(verified(&self.gate, change), now())
    }

    fn mute(&self, caller: &Caller) -> Result<(), Denial> {
        let body = EventBody::Array(r#"["test:mute",{}]"#);
        let ask = EventRequest {
            namespace: "/",
            event: Mute::NAME,
            body,
            size_bytes: 20,
            attachments: &[],
        };
        self.gate.permit(&self.rule, caller, &ask, now()).map(|_| ())
    }
}

fn mfa() -> Value {
    json!({"amr": ["pwd", "mfa"]})
}

#[test]
fn role_is_in_force_only_on_connections_that_show_a_second_factor() {
    let world = world(GateOptions::default());
    let moderator = Roles::user().with(Role::Moderator);
    world.put(moderator);
    let weak = Caller::new(world.connect(json!({"amr": ["pwd"]})).unwrap(), "a");
    let strong = Caller::new(world.connect(mfa()).unwrap(), "b");
    assert_eq!(world.mute(&weak), Err(Denial::SecondFactor("role")));
    assert_eq!(world.mute(&strong), Ok(()), "and the weak connection does not take it away");
    assert_eq!(world.mute(&weak), Err(Denial::SecondFactor("role")), "or gain it");
    assert_eq!(weak.principal.roles(), Roles::user());
    assert_eq!(weak.principal.withheld(), moderator.without(Role::User));

    // A newer token changes it in place, in both directions, and for as long as it lasts.
    let renew = |caller: &Caller, change| {
        world.gate.renew(&caller.principal, &token(change), now()).map(|_| ())
    };
    assert_eq!(renew(&weak, with(mfa(), json!({"exp": NOW_S + 60}))), Ok(()));
    assert_eq!(world.mute(&weak), Ok(()));
    assert_eq!(weak.principal.expires_unix_s(), NOW_S + 60);
    assert_eq!(renew(&strong, json!({})), Ok(()));
    assert_eq!(world.mute(&strong), Err(Denial::SecondFactor("role")));

    // A role that is granted while the connection is open is withheld as well.
    world.put(Roles::user());
    assert_eq!(world.mute(&strong), Err(Denial::Forbidden("role")));
    world.put(Roles::user().with(Role::Admin));
    assert_eq!(world.mute(&strong), Err(Denial::SecondFactor("role")));
}

#[test]
fn role_that_reaches_rooms_of_others_is_named_as_withheld_for_every_room() {
    let mut world = world(GateOptions::default());
    let kick = world.gate.declare::<Kick>("/").unwrap();
    let VerifiedCredential { user, .. } = verified(&world.gate, json!({}));
    let olga = UserId::parse("olga").unwrap();
    let directory = world.gate.directory();
    for (name, owner) in [("theirs", &olga), ("own", &user)] {
        directory.put_room(RoomFacts {
            id: RoomId::parse(name).unwrap(),
            name: String::from(name),
            owner: owner.clone(),
            visibility: Visibility::Private,
        });
        directory.add_member(&RoomId::parse(name).unwrap(), owner);
    }
    let withheld = Err(Denial::SecondFactor("role"));
    let cases = [
        (Roles::user(), "theirs", Err(Denial::Forbidden("not_owner"))),
        (Roles::user(), "missing", Err(Denial::Forbidden("missing"))),
        (Roles::user().with(Role::Moderator), "theirs", withheld.clone()),
        (Roles::user().with(Role::Admin), "theirs", withheld.clone()),
        (Roles::user().with(Role::Admin), "missing", withheld),
        (Roles::user().with(Role::Admin), "own", Ok(())),
    ];
    for (roles, room, expect) in cases {
        world.put(roles);
        let caller = Caller::new(world.connect(json!({})).unwrap(), "a");
        let text = format!(r#"["test:kick",{{"room":"{room}"}}]"#);
        let body = EventBody::Array(&text);
        let ask = EventRequest {
            namespace: "/",
            event: Kick::NAME,
            body,
            size_bytes: 40,
            attachments: &[],
        };
        let outcome = world.gate.permit(&kick, &caller, &ask, now()).map(|_| ());
        assert_eq!(outcome, expect, "{roles:?} {room}");
    }
}

#[test]
fn ticket_carries_whether_a_second_factor_was_shown() {
    let world = world(GateOptions::default());
    world.put(Roles::user().with(Role::Admin));
    for (change, expect) in [(mfa(), Ok(())), (json!({}), Err(Denial::SecondFactor("role")))] {
        let ticket = world
            .gate
            .authentication
            .issue_ticket(&verified(&world.gate, change), None, now())
            .unwrap();
        let shown = world.gate.verify(Credential::Bearer(&ticket), None, now()).unwrap();
        let caller = Caller::new(world.gate.authenticate(shown, now()).unwrap(), "a");
        assert_eq!(world.mute(&caller), expect);
    }
}

#[test]
fn rule_decides_which_roles_of_other_issuers_need_a_second_factor() {
    let mut roles = crate::RoleRules::default();
    let names = ["support", "helper", "guest-list"];
    let [support, helper, guest] = names.map(|name| roles.table.define(name).unwrap());
    // A role can get the events of moderators by a grant or by the access of an event.
    let mute = || String::from("test:mute");
    let by_access = Roles::user().with(Role::Moderator).with(helper);
    roles.grants = vec![(support, mute())];
    roles.access = vec![(mute(), by_access)];
    let user = Roles::user();
    let all = [Role::Admin, Role::Moderator, support, helper, guest];
    let all = all.into_iter().fold(user, Roles::with);
    let cases = [
        (SecondFactorRule::None, all),
        (SecondFactorRule::Admins, user.with(guest)),
        (SecondFactorRule::Staff, user),
    ];
    for (second_factor, expect) in cases {
        let options = GateOptions { second_factor, roles: roles.clone(), ..Default::default() };
        let world = world(options);
        world.put(all);
        assert_eq!(world.connect(json!({})).unwrap().roles(), expect, "{second_factor:?}");
        assert_eq!(world.connect(mfa()).unwrap().roles(), all, "{second_factor:?}");
    }
}

#[test]
fn rule_for_all_users_rejects_users_without_a_second_factor() {
    let options = GateOptions { second_factor: SecondFactorRule::All, ..GateOptions::default() };
    let world = world(options);
    world.put(Roles::user());
    let outcome = world.connect(json!({"amr": ["pwd"]})).map(|_| ());
    assert_eq!(outcome, Err(Denial::SecondFactor("issuer")));
    let principal = world.connect(mfa()).unwrap();
    let weak = world.gate.renew(&principal, &token(json!({})), now()).map(|_| ());
    assert_eq!(weak, Err(Denial::SecondFactor("issuer")));
    assert_eq!(principal.is_current(now()), Ok(()), "its token stays valid");

    // A user of this server who has to add one, and one who removes it while connected.
    let own_token = own(&own_header(), &own_claims());
    let ann = UserFacts::new(UserId::parse("ann").unwrap(), String::from("Ann"));
    let directory = world.gate.directory();
    directory.put_user(UserFacts { setup_only: true, ..ann.clone() });
    directory.put_session(crate::SessionFacts {
        id: portcullis_model::SessionId::parse("s1").unwrap(),
        user: ann.id.clone(),
        authenticated_unix_ms: NOW_S * 1000,
        ends_unix_ms: (NOW_S + 100_000) * 1000,
        generation: 0,
        key: None,
    });
    let connect = || {
        let verified = world.gate.verify(Credential::Bearer(&own_token), None, now()).unwrap();
        world.gate.authenticate(verified, now())
    };
    assert_eq!(connect().map(|_| ()), Err(Denial::SecondFactor("setup")));
    directory.put_user(ann.clone());
    let principal = connect().unwrap();
    directory.put_user(UserFacts { setup_only: true, ..ann });
    assert_eq!(principal.is_current(now()), Err(Denial::SessionEnded("revoked")));
}

/// A client with a key of its own.
struct Client(EcdsaKeyPair);

impl Client {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// Verifies a token with a proof, as a request for a ticket does.
    fn show(
        &self,
        gate: &Gate,
        token: &str,
        name: &str,
        at: Now,
    ) -> Result<VerifiedCredential, Denial> {
        let point = self.0.public_key().as_ref();
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]),
            "y": encode(&point[33..])});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let ath = encode(digest(&SHA256, token.as_bytes()));
        let claims = json!({"jti": name, "htm": "POST", "htu": "https://chat.example/auth/ticket",
            "iat": at.unix_s(), "ath": ath, "nonce": gate.authentication.proof_nonce(at)});
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let proof = format!("{signed}.{}", encode(signature));
        let (method, path) = ("POST", "/auth/ticket");
        let ask = ProofRequest { proof: &proof, method, path, token: Some(token) };
        gate.authentication.verify_bound(&ask, at)
    }
}

#[test]
fn copied_token_of_another_issuer_is_rejected_in_strict() {
    let world = world(GateOptions { proof_required: true, ..GateOptions::default() });
    let gate = &world.gate;
    let copied = token(json!({}));
    // Without a proof it opens no socket and no request; the denial names the next step.
    let budget = gate.limits.packet_budget();
    let payload = json!({ "token": copied }).to_string();
    for credential in [Credential::Bearer(&copied), Credential::Payload(Some(&payload))] {
        let on_socket = gate.authentication.verify_on(&budget, credential, None, now()).map(|_| ());
        assert_eq!(on_socket, Err(Denial::TicketNeeded));
        assert_eq!(gate.verify(credential, None, now()).map(|_| ()), Err(Denial::ProofNeeded));
    }
    // The honest client shows it with its key, as often as it likes.
    let (ann, eve) = (Client::new(), Client::new());
    let first = ann.show(gate, &copied, "p1", now()).unwrap();
    assert!(first.keys.proven.is_some());
    assert!(ann.show(gate, &copied, "p2", now()).is_ok(), "it reconnects");
    let used = Err(Denial::Token(TokenFault::Used));
    assert_eq!(eve.show(gate, &copied, "p3", now()).map(|_| ()), used);
    assert!(ann.show(gate, &copied, "p4", now()).is_ok(), "and the copy did not lock it out");
    // A token that its issuer has bound to a key is that key's from the start.
    let jkt = crate::thumbprint(ann.0.public_key().as_ref()).unwrap();
    let bound = token(json!({"cnf": {"jkt": jkt}, "jti": "b"}));
    let proof = Err(Denial::Token(TokenFault::Proof));
    assert_eq!(eve.show(gate, &bound, "p5", now()).map(|_| ()), proof);
    assert!(ann.show(gate, &bound, "p6", now()).is_ok());
    // The ticket opens one socket.
    let ticket = gate.authentication.issue_ticket(&first, None, now()).unwrap();
    let credential = Credential::Bearer(&ticket);
    assert!(gate.authentication.verify_on(&budget, credential, None, now()).is_ok());
    assert_eq!(gate.authentication.verify_on(&budget, credential, None, now()).map(|_| ()), used);
}

#[test]
fn refreshed_token_of_another_issuer_belongs_to_the_key_of_the_connection() {
    let world = world(GateOptions { proof_required: true, ..GateOptions::default() });
    let gate = &world.gate;
    let (ann, eve) = (Client::new(), Client::new());
    let [first, second, third] = ["t1", "t2", "t3"].map(|jti| token(json!({ "jti": jti })));
    let shown = ann.show(gate, &first, "p1", now()).unwrap();
    let facts = UserFacts::new(shown.user.clone(), String::from("Ann"));
    gate.directory().put_user(UserFacts { external: true, ..facts });
    let connect = |shown: &VerifiedCredential| {
        let ticket = gate.authentication.issue_ticket(shown, None, now()).unwrap();
        let shown = gate.verify(Credential::Bearer(&ticket), None, now()).unwrap();
        gate.authenticate(shown, now()).unwrap()
    };
    let anns = connect(&shown);
    let renew = |principal, token: &str| gate.renew(principal, token, now()).map(|_| ());
    assert_eq!(renew(&anns, &second), Ok(()));
    assert_eq!(renew(&anns, &second), Ok(()), "again with the same key");
    // A copy of the refreshed token gives no ticket to another key.
    let used = Err(Denial::Token(TokenFault::Used));
    assert_eq!(eve.show(gate, &second, "p2", now()).map(|_| ()), used);
    assert!(ann.show(gate, &second, "p3", now()).is_ok());
    // A connection of another key cannot be prolonged with tokens that belong to this one.
    let eves = connect(&eve.show(gate, &third, "p4", now()).unwrap());
    for copied in [&first, &second] {
        assert_eq!(renew(&eves, copied), used);
    }
    assert_eq!(renew(&anns, &third), used, "the rule is the same for both");
    // A connection without a key cannot hold a token.
    let keyless = connect(&VerifiedCredential {
        keys: CredentialKeys { proven: None, ..shown.keys.clone() },
        ..shown
    });
    let fresh = token(json!({ "jti": "t4" }));
    assert_eq!(renew(&keyless, &fresh), Err(Denial::Token(TokenFault::Proof)));
}

#[test]
fn token_without_a_key_is_bound_to_none_where_proofs_are_optional() {
    let world = world(GateOptions::default());
    let bearer = token(json!({}));
    let outcome = Client::new().show(&world.gate, &bearer, "p1", now()).map(|_| ());
    assert_eq!(outcome, Err(Denial::Token(TokenFault::Proof)));
    assert!(world.gate.verify(Credential::Bearer(&bearer), None, now()).is_ok());
}
