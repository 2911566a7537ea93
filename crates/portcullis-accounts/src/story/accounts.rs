//! Registration, invitations and login.
//! Never: the life of a session, which `sessions` covers.

use std::sync::Arc;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use portcullis_guard::{Credential, Directory, DirectoryLimits, Gate, GateOptions};
use portcullis_model::{Denial, RoleTable, Roles, Secret, UserId};
use portcullis_store::{AccountStore, CreateUserOutcome, NewUser};
use serde_json::{Value, json};

use crate::{AccountOptions, AccountParts, Registration, ServerSecret, Setup, SigningKeys};

use crate::login::password_login;
use crate::passwords::pool::PasswordPool;
use crate::users::{invitation, profile};

use super::world::*;

#[tokio::test]
async fn registered_user_logs_in_and_the_gate_accepts_the_token() {
    let world = world(Registration::Open).await;
    let registered = world.register(ann("Ann.Lee", PASSWORD)).await.unwrap();
    assert_eq!(registered.status, 201);
    let user = &read(&registered)["user"];
    assert_eq!((&user["username"], &user["roles"]), (&json!("Ann.Lee"), &json!(["user"])));

    let logged_in = world.login(ann("ann.lee", PASSWORD)).await.unwrap();
    let body = read(&logged_in);
    assert_eq!((logged_in.status, &body["expires_in"], &body["user"]), (200, &json!(600), user));
    let token = body["access_token"].as_str().unwrap();
    let verified = world.gate.verify(Credential::Bearer(token), None, NOW).unwrap();
    assert!(verified.own);
    assert_eq!(json!(verified.user.as_str()), user["id"]);
    assert_eq!(verified.name.as_deref(), Some("Ann.Lee"));

    let again = read(&world.login(ann("ANN.LEE", PASSWORD)).await.unwrap());
    assert_ne!(again["access_token"], body["access_token"]);
    assert_eq!(world.recorded("user_created"), 1);
    assert_eq!(world.recorded("authn_login_success"), 2);
    assert_eq!(world.recorded("authn_token_created"), 2);
    // T-163: neither password nor token is in the log.
    let log = world.lines.lock().unwrap().join("\n");
    assert!(!log.contains("kLq9") && !log.contains(token));
}

#[tokio::test]
async fn t_028_wrong_logins_differ_in_the_log_but_not_for_the_client() {
    let world = world(Registration::Open).await;
    world.register(ann("ann", PASSWORD)).await.unwrap();
    let cases = [
        ("unknown", PASSWORD, "unknown_user", Some("unknown")),
        ("ann", "kLq9#vw2 \u{e9}", "wrong_password", Some("ann")),
        ("ann", "", "wrong_password", Some("ann")),
        ("ann lee", PASSWORD, "unknown_user", None),
        ("' OR 1=1 --", PASSWORD, "unknown_user", None),
    ];
    for (username, password, reason, name) in cases {
        let Err(denial) = world.login(ann(username, password)).await else {
            panic!("{username:?} must not log in");
        };
        assert_eq!((denial.reason(), denial.username()), (reason, name), "{username:?}");
        assert_eq!(denial.answer().code, "unauthorized");
        assert_eq!(denial.answer().status, 401);
    }
    assert_eq!(world.recorded("authn_login_success"), 0);
}

#[tokio::test]
async fn look_alike_name_is_taken_and_existing_look_alikes_keep_working() {
    let world = world(Registration::Open).await;
    let client = world.client("nora_q").await;
    for name in ["nora-q", "n0ra_q", "noraq", "Nora.Q", "N0RA--Q"] {
        let taken = world.register(ann(name, PASSWORD)).await;
        assert_eq!(taken.err(), Some(Denial::NameTaken), "{name}");
    }
    for name in ["staff", "guest", "guest12345678", "deleted_user", "m0d", "root", "security"] {
        let taken = world.register(ann(name, PASSWORD)).await;
        assert_eq!(taken.err(), Some(Denial::NameTaken), "{name}");
    }
    for name in ["guest1", "john1", "john2", "john", "anna", "hanna", "carl", "cari"] {
        let made = world.register(ann(name, PASSWORD)).await;
        assert!(made.is_ok(), "{name}: {:?}", made.err());
    }

    // Names of an older version: both users log in, and one changes the case of the name.
    let row = world.store.credentials("anna").await.unwrap().unwrap();
    for (user, name) in [("u_older1", "nora-q"), ("u_older2", "staff")] {
        let older = NewUser {
            id: UserId::parse(user).unwrap(),
            username: Arc::from(name),
            password_phc: Some(row.password_phc.clone()),
            issuer: None,
            subject: None,
            roles: Roles::user(),
            created_unix_ms: 0,
            setup: false,
            invitation: None,
            roles_issued_unix_ms: None,
        };
        assert_eq!(world.store.create_user(older).await.unwrap(), CreateUserOutcome::Created);
    }
    let older = world.log_in("nora-q").await;
    let staff = world.log_in("staff").await;
    let rename = async |client: &Client, name: &str| {
        call!(world, profile::write, client.by_token(), json!({"username": name})).map(drop)
    };
    assert_eq!(rename(&staff, "Staff").await, Ok(()));
    assert_eq!(rename(&staff, "root").await, Err(Denial::NameTaken));
    assert_eq!(rename(&older, "n0ra-q").await, Err(Denial::NameTaken), "nora_q is another user");
    assert_eq!(rename(&older, "olga").await, Ok(()));
    assert_eq!(rename(&client, "Nora-Q").await, Ok(()), "the other name has changed");
}

#[tokio::test]
async fn simultaneous_registrations_of_look_alikes_create_one_user() {
    let world = world(Registration::Open).await;
    let (one, two, three) = tokio::join!(
        world.register(ann("nora_q", PASSWORD)),
        world.register(ann("nora-q", PASSWORD)),
        world.register(ann("n0raq", PASSWORD))
    );
    let made = [one, two, three].iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(made, 1);
    assert!(world.accounts.pending_names.is_empty());
}

#[tokio::test]
async fn password_in_both_unicode_forms_logs_in_with_hashes_of_all_versions() {
    let world = world(Registration::Open).await;
    let (composed, decomposed) =
        ("stra\u{df}e 9 \u{fc}ber \u{e9}t\u{e9}", "stra\u{df}e 9 u\u{308}ber e\u{301}te\u{301}");
    world.register(ann("ann", decomposed)).await.unwrap();
    for typed in [composed, decomposed] {
        assert_eq!(world.login(ann("ann", typed)).await.unwrap().status, 200, "{typed}");
    }
    // A hash of an older version, created without normalisation.
    let row = world.store.credentials("ann").await.unwrap().unwrap();
    let text =
        Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap())
            .hash_password_with_salt(decomposed.as_bytes(), &[7; 16])
            .unwrap()
            .to_string();
    let old = Secret::new(text);
    assert!(world.store.rehash(row.id, row.password_phc, old.clone()).await.unwrap());
    assert!(world.login(ann("ann", composed)).await.is_err(), "another text was hashed");
    assert_eq!(world.login(ann("ann", decomposed)).await.unwrap().status, 200);
    // The login renews the hash in the background.
    while world.store.credentials("ann").await.unwrap().unwrap().password_phc.expose()
        == old.expose()
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.login(ann("ann", composed)).await.unwrap().status, 200);
}

#[tokio::test]
async fn optional_members_of_bodies_can_be_null() {
    let world = world(Registration::Open).await;
    let mut body = ann("ann", PASSWORD);
    body["invitation"] = json!(null);
    assert_eq!(world.register(body).await.unwrap().status, 201);
    let mut body = ann("ann", PASSWORD);
    (body["totp"], body["door"]) = (json!(null), json!(null));
    assert_eq!(world.login(body).await.unwrap().status, 200);
}

#[tokio::test]
async fn body_with_a_missing_wrong_or_unknown_member_is_rejected() {
    let world = world(Registration::Open).await;
    let long = "\u{1f98a}x1".repeat(60);
    let cases = [
        (json!({ "username": "ann" }), "INVALID_MESSAGE", Some("password")),
        (json!(["ann", PASSWORD]), "INVALID_MESSAGE", None),
        (json!({ "username": 1, "password": PASSWORD }), "INVALID_MESSAGE", Some("username")),
        (
            json!({ "username": "ann", "password": {"$gt": ""} }),
            "INVALID_MESSAGE",
            Some("password"),
        ),
        (
            json!({ "username": "ann", "password": PASSWORD, "roles": ["admin"] }),
            "INVALID_MESSAGE",
            Some("roles"),
        ),
        (ann("an", PASSWORD), "INVALID_MESSAGE", Some("username")),
        (ann("\u{430}nn", PASSWORD), "INVALID_MESSAGE", Some("username")),
        (ann("ann", "Ann2024!"), "weak_password", None),
        (ann("ann", &long), "weak_password", None),
    ];
    for (body, code, field) in cases {
        let Err(denial) = world.register(body.clone()).await else { panic!("{body} must fail") };
        assert_eq!((denial.answer().code, denial.field()), (code, field), "{body}");
    }
    let Err(denial) = world.login(ann("ann", &long)).await else { panic!("too long") };
    assert_eq!(denial.field(), Some("password"));
    assert_eq!(world.recorded("user_created"), 0);
}

#[tokio::test]
async fn usernames_are_unique_in_any_case() {
    let world = world(Registration::Open).await;
    world.register(ann("Ann", PASSWORD)).await.unwrap();
    assert_eq!(world.register(ann("aNN", PASSWORD)).await.err(), Some(Denial::NameTaken));
}

#[tokio::test]
async fn t_027_login_limit_of_a_name_is_not_used_by_registrations() {
    let world = world(Registration::Open).await;
    world.register(ann("ann", PASSWORD)).await.unwrap();
    for _ in 0..4 {
        assert_eq!(world.register(ann("ann", PASSWORD)).await.err(), Some(Denial::NameTaken));
    }
    let denied = world.register(ann("ann", PASSWORD)).await;
    assert!(matches!(denied, Err(Denial::Limit { .. })));
    for _ in 0..5 {
        world.login(ann("ann", PASSWORD)).await.unwrap();
    }
    assert!(matches!(world.login(ann("Ann", PASSWORD)).await, Err(Denial::Limit { .. })));
    world.register(ann("bob", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn setup_link_creates_one_administrator_with_registration_closed() {
    let world = world(Registration::Closed).await;
    let closed = world.register(ann("ann", PASSWORD)).await.err();
    assert_eq!(closed, Some(Denial::Registration("closed")));
    let token = world.token.as_ref().unwrap().expose().clone();
    let body = |token: &str, username: &str, password: &str| {
        let mut body = ann(username, password);
        body["token"] = json!(token);
        body
    };
    let wrong = world.setup(body("wrong", "root", PASSWORD)).await;
    assert_eq!(wrong.err(), Some(Denial::Registration("setup")));
    let weak = world.setup(body(&token, "root", "password1")).await;
    assert!(matches!(weak.err(), Some(Denial::PasswordWeak(_))));

    let made = world.setup(body(&token, "root", PASSWORD)).await.unwrap();
    assert_eq!(made.status, 201);
    assert_eq!(read(&made)["user"]["roles"], json!(["admin", "user"]));
    assert_eq!(world.recorded("privilege_permissions_changed"), 1);

    let again = world.setup(body(&token, "root2", PASSWORD)).await;
    assert_eq!(again.err(), Some(Denial::Registration("setup")));
    let (_, next) = Setup::prepare(&*world.store, world.directory.path()).await.unwrap();
    assert!(next.is_none());
    world.login(ann("root", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn restart_invalidates_the_older_setup_link() {
    let world = world(Registration::Open).await;
    let old = world.token.as_ref().unwrap().expose().clone();
    let (_, new) = Setup::prepare(&*world.store, world.directory.path()).await.unwrap();
    let body = |token: &str| json!({ "token": token, "username": "root", "password": PASSWORD });
    assert_eq!(world.setup(body(&old)).await.err(), Some(Denial::Registration("setup")));
    world.setup(body(new.unwrap().expose())).await.unwrap();
}

#[tokio::test]
async fn all_routes_are_installed_with_the_standard_hashing() {
    let world = world(Registration::Open).await;
    let options = GateOptions {
        hosts: vec![String::from("localhost")],
        origins: vec![String::from("https://localhost")],
        rate_keys_max: 1024,
        ..GateOptions::default()
    };
    let directory = Arc::new(Directory::new(DirectoryLimits::default()));
    let gate = Gate::build(options, directory).unwrap();
    let clock = Arc::new(FixedClock);
    let server = portcullis_server::Options::default();
    let mut builder = portcullis_server::Builder::new(server, gate, world.audit.clone(), clock);
    let keys = SigningKeys::load_or_create(&world.directory.path().join("keys"), 0).unwrap();
    let secret = ServerSecret::load_or_create(world.directory.path()).unwrap();
    let store: Arc<dyn AccountStore> = world.store.clone();
    let parts = AccountParts { store, keys, secret, roles: RoleTable::default() };
    let options = AccountOptions::new(world.audit.clone(), Arc::new(FixedClock));
    crate::install(&mut builder, parts, options).unwrap();
    assert_eq!(builder.routes().len(), 19);
}

#[tokio::test]
async fn invitation_admits_one_registration() {
    let world = world(Registration::Invitation).await;
    let token = world.token.as_ref().unwrap().expose().clone();
    let mut body = ann("root", PASSWORD);
    body["token"] = json!(token);
    world.setup(body).await.unwrap();
    let root = world.log_in("root").await;
    let answer = call!(world, invitation::invite, root.by_token(), json!({})).unwrap();
    let invitation = read(&answer)["invitation"].clone();
    let needed = Some(Denial::Registration("invitation_needed"));
    assert_eq!(world.register(ann("ann", PASSWORD)).await.err(), needed);
    let closed = Some(Denial::Registration("invitation"));
    let with = |name: &str, invitation: &Value| {
        let mut body = ann(name, PASSWORD);
        body["invitation"] = invitation.clone();
        body
    };
    assert_eq!(world.register(with("ann", &json!("inv_guess"))).await.err(), closed);
    assert_eq!(world.register(with("root", &invitation)).await.err(), Some(Denial::NameTaken));
    world.register(with("ann", &invitation)).await.unwrap();
    // Without a valid invitation, a client cannot learn which names are taken.
    for name in ["ann", "a.nn", "ANN-"] {
        for shown in [&invitation, &json!("inv_guess")] {
            assert_eq!(world.register(with(name, shown)).await.err(), closed, "{name}");
        }
    }
    assert_eq!(world.register(with("eve", &invitation)).await.err(), closed);
}

#[tokio::test]
async fn invitation_is_checked_before_the_password() {
    let mut world = world(Registration::Invitation).await;
    let mut body = ann("root", PASSWORD);
    body["token"] = json!(world.token.as_ref().unwrap().expose());
    world.setup(body).await.unwrap();
    let root = world.log_in("root").await;
    let answer = call!(world, invitation::invite, root.by_token(), json!({})).unwrap();
    let (pool, _waiting) = PasswordPool::busy();
    Arc::get_mut(&mut world.accounts).unwrap().pool = pool;
    let guess = json!("inv_guess");
    for (shown, password, expect) in [
        (&guess, PASSWORD, Denial::Registration("invitation")),
        (&guess, "weak", Denial::Registration("invitation")),
        // Waits for a thread, of which there is none.
        (&read(&answer)["invitation"], PASSWORD, Denial::Busy),
    ] {
        let mut body = ann("ann", password);
        body["invitation"] = shown.clone();
        assert_eq!(world.register(body).await.err(), Some(expect), "{shown}");
    }
}

#[tokio::test]
async fn t_027_known_device_logs_in_while_attackers_use_up_the_login_limit() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    for _ in 0..10 {
        let _refused = world.login(ann("ann", "wrong password")).await.err().unwrap();
    }
    assert!(matches!(world.login(ann("ann", PASSWORD)).await, Err(Denial::Limit { .. })));
    let body = ann("ann", PASSWORD);
    call!(world, password_login::login, client.by_cookie(), body).unwrap();
    assert_eq!(world.recorded("authn_login_successafterfail"), 0, "four attempts were checked");
}
