//! The account routes together, over a real store and a real gate.
//! Never: a socket; those tests stand elsewhere.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use portcullis_audit::Audit;
use portcullis_guard::{Credential, Directory, DirectoryLimits, Gate, GateOptions, Rate};
use portcullis_model::{Clock, Denial, Now, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{Change, CommitFeed, SqliteOptions, SqliteStore, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::login::login;
use crate::password::PasswordHashing;
use crate::register::register;
use crate::setup::setup;
use crate::{AccountOptions, Accounts, Registration, Setup, SigningKeys};

const NOW: Now = Now { monotonic_ms: 1_000, unix_ms: 1_800_000_000_000 };

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Now {
        NOW
    }
}

struct Deaf;

impl CommitFeed for Deaf {
    fn committed(&mut self, _changes: &[Change]) {}
}

struct World {
    directory: TempDir,
    store: Arc<SqliteStore>,
    accounts: Arc<Accounts>,
    gate: Arc<Gate>,
    audit: Audit,
    lines: Arc<Mutex<Vec<String>>>,
    token: Option<Secret<String>>,
}

async fn world(registration: Registration) -> World {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();
    let store = Arc::new(store);
    let (audit, lines) = Audit::memory();
    let (setup, token) = Setup::prepare(&*store, directory.path()).await.unwrap();
    let fixed = AccountOptions::new(audit.clone(), Arc::new(Fixed));
    let options = AccountOptions { registration, setup, hashing_threads: 1, ..fixed };
    let keys = SigningKeys::load_or_create(&directory.path().join("keys")).unwrap();
    let gate = GateOptions {
        hosts: vec![String::from("localhost")],
        origins: vec![String::from("https://localhost")],
        login_per_prefix: Rate::per(1_000, 60_000),
        login_per_user: Rate::per(5, 60_000),
        rate_keys_max: 1024,
        issuers: vec![keys.issuer(&options)],
        ..GateOptions::default()
    };
    let gate = Gate::build(gate, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap();
    let hashing = PasswordHashing::for_tests();
    let shared: Arc<dyn Store> = store.clone();
    let accounts = Arc::new(Accounts::build(shared, keys, options, &hashing).unwrap());
    World { directory, store, accounts, gate: Arc::new(gate), audit, lines, token }
}

impl World {
    fn request(&self, body: &Value) -> (Arc<Accounts>, ApiRequest) {
        let request = ApiRequest {
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            origin: None,
            bearer: None,
            cookie: None,
            body: body.to_string().into_bytes(),
            now: NOW,
            gate: Arc::clone(&self.gate),
            audit: self.audit.clone(),
        };
        (Arc::clone(&self.accounts), request)
    }

    async fn register(&self, body: Value) -> Result<ApiResponse, Denial> {
        let (accounts, request) = self.request(&body);
        register(accounts, request).await
    }

    async fn login(&self, body: Value) -> Result<ApiResponse, Denial> {
        let (accounts, request) = self.request(&body);
        login(accounts, request).await
    }

    async fn setup(&self, body: Value) -> Result<ApiResponse, Denial> {
        let (accounts, request) = self.request(&body);
        setup(accounts, request).await
    }

    fn recorded(&self, code: &str) -> usize {
        let code = format!("\"{code}\"");
        self.lines.lock().unwrap().iter().filter(|line| line.contains(&code)).count()
    }
}

const PASSWORD: &str = " kLq9#vw2 \u{e9}";

fn ann(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

fn read(response: &ApiResponse) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

#[tokio::test]
async fn who_registers_logs_in_and_the_gate_believes_the_token() {
    let world = world(Registration::Open).await;
    let registered = world.register(ann("Ann.Lee", PASSWORD)).await.unwrap();
    assert_eq!(registered.status, 201);
    let user = &read(&registered)["user"];
    assert_eq!((&user["username"], &user["roles"]), (&json!("Ann.Lee"), &json!(["user"])));

    let logged_in = world.login(ann("ann.lee", PASSWORD)).await.unwrap();
    let body = read(&logged_in);
    assert_eq!((logged_in.status, &body["expires_in"], &body["user"]), (200, &json!(600), user));
    let token = body["access_token"].as_str().unwrap();
    let verified = world.gate.verify(Credential::Bearer(token), NOW).unwrap();
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
async fn t_028_wrong_logins_are_told_apart_inside_only() {
    let world = world(Registration::Open).await;
    world.register(ann("ann", PASSWORD)).await.unwrap();
    let cases = [
        ("nobody", PASSWORD, "unknown_user", Some("nobody")),
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
async fn bodies_are_exactly_what_is_declared() {
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
            None,
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
async fn names_are_unique_whatever_their_case() {
    let world = world(Registration::Open).await;
    world.register(ann("Ann", PASSWORD)).await.unwrap();
    assert_eq!(world.register(ann("aNN", PASSWORD)).await.err(), Some(Denial::NameTaken));
}

#[tokio::test]
async fn t_027_a_name_has_a_budget_that_registering_does_not_touch() {
    let world = world(Registration::Open).await;
    world.register(ann("ann", PASSWORD)).await.unwrap();
    for _ in 0..4 {
        assert_eq!(world.register(ann("ann", PASSWORD)).await.err(), Some(Denial::NameTaken));
    }
    let refused = world.register(ann("ann", PASSWORD)).await;
    assert!(matches!(refused, Err(Denial::LoginRate { .. })));
    for _ in 0..5 {
        world.login(ann("ann", PASSWORD)).await.unwrap();
    }
    assert!(matches!(world.login(ann("Ann", PASSWORD)).await, Err(Denial::LoginRate { .. })));
    world.register(ann("bob", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn the_link_makes_one_administrator_even_with_registration_closed() {
    let world = world(Registration::Closed).await;
    assert_eq!(world.register(ann("ann", PASSWORD)).await.err(), Some(Denial::RegistrationClosed));
    let token = world.token.as_ref().unwrap().expose().clone();
    let ask = |token: &str, username: &str, password: &str| {
        let mut body = ann(username, password);
        body["token"] = json!(token);
        body
    };
    let wrong = world.setup(ask("wrong", "root", PASSWORD)).await;
    assert_eq!(wrong.err(), Some(Denial::RegistrationClosed));
    let weak = world.setup(ask(&token, "root", "password1")).await;
    assert_eq!(weak.err(), Some(Denial::PasswordWeak));

    let made = world.setup(ask(&token, "root", PASSWORD)).await.unwrap();
    assert_eq!(made.status, 201);
    assert_eq!(read(&made)["user"]["roles"], json!(["admin", "user"]));
    assert_eq!(world.recorded("privilege_permissions_changed"), 1);

    let again = world.setup(ask(&token, "root2", PASSWORD)).await;
    assert_eq!(again.err(), Some(Denial::RegistrationClosed));
    let (_, next) = Setup::prepare(&*world.store, world.directory.path()).await.unwrap();
    assert!(next.is_none());
    world.login(ann("root", PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn a_new_start_makes_the_older_link_void() {
    let world = world(Registration::Open).await;
    let old = world.token.as_ref().unwrap().expose().clone();
    let (_, new) = Setup::prepare(&*world.store, world.directory.path()).await.unwrap();
    let ask = |token: &str| json!({ "token": token, "username": "root", "password": PASSWORD });
    assert_eq!(world.setup(ask(&old)).await.err(), Some(Denial::RegistrationClosed));
    world.setup(ask(new.unwrap().expose())).await.unwrap();
}

#[tokio::test]
async fn the_routes_are_installed_with_hashes_at_full_cost() {
    let world = world(Registration::Open).await;
    let options = GateOptions {
        hosts: vec![String::from("localhost")],
        origins: vec![String::from("https://localhost")],
        rate_keys_max: 1024,
        ..GateOptions::default()
    };
    let live = Arc::new(Directory::new(DirectoryLimits::default()));
    let gate = Gate::build(options, live).unwrap();
    let clock = Arc::new(Fixed);
    let server = portcullis_server::Options::default();
    let mut builder = portcullis_server::Builder::new(server, gate, world.audit.clone(), clock);
    let keys = SigningKeys::load_or_create(&world.directory.path().join("keys")).unwrap();
    let options = AccountOptions::new(world.audit.clone(), Arc::new(Fixed));
    crate::install(&mut builder, world.store.clone(), keys, options).unwrap();
}
