//! The store, the gate and the clients that the tests of the routes use.
//! Never: sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_audit::Audit;
use portcullis_guard::{
    Credential, Directory, DirectoryLimits, Gate, GateOptions, Issuer, IssuerKey, Rate,
    SecondFactorRule,
};
use portcullis_model::{Clock, Denial, Now, RoleTable, Secret};
use portcullis_server::{
    AdmissionQueues, ApiCredentials, ApiHeaders, ApiRequest, ApiResponse, Method, QueueLimits,
};
use portcullis_store::{AccountStore, Change, CommitFeed, SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::accounts::Accounts;
use crate::login::password_login;
use crate::passwords::hashing::PasswordHashing;
use crate::sessions::refresh;
use crate::users::{provision, register, setup};
use crate::{
    AccountFeed, AccountOptions, AccountParts, Registration, ServerSecret, Setup, SigningKeys,
};

pub(super) const NOW: Now = Now { monotonic_ms: 1_000, unix_ms: 1_800_000_000_000 };

pub(super) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Now {
        NOW
    }
}

/// Applies each commit to the directory, like the feed of the server.
pub(super) struct DirectoryFeed(AccountFeed);

impl CommitFeed for DirectoryFeed {
    fn committed(&mut self, changes: &[Change]) {
        let mut deltas = Vec::new();
        changes.iter().for_each(|change| self.0.apply(change, &mut deltas));
    }
}

pub(super) struct World {
    pub(super) directory: TempDir,
    pub(super) store: Arc<SqliteStore>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) gate: Arc<Gate>,
    pub(super) audit: Audit,
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    pub(super) token: Option<Secret<String>>,
}

pub(super) async fn world(registration: Registration) -> World {
    world_with(registration, SecondFactorRule::None).await
}

pub(super) async fn world_with(
    registration: Registration,
    second_factor: SecondFactorRule,
) -> World {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let live = Arc::new(Directory::new(DirectoryLimits::default()));
    let feed = AccountFeed::new(Arc::clone(&live), Arc::new(FixedClock), second_factor);
    let store =
        SqliteStore::open(&path, SqliteOptions::default(), Box::new(DirectoryFeed(feed))).unwrap();
    let store = Arc::new(store);
    let (audit, lines) = Audit::memory();
    let (setup, token) = Setup::prepare(&*store, directory.path()).await.unwrap();
    let defaults = AccountOptions::new(audit.clone(), Arc::new(FixedClock));
    let options =
        AccountOptions { registration, setup, hashing_threads: 1, second_factor, ..defaults };
    let keys = SigningKeys::load_or_create(&directory.path().join("keys"), 0).unwrap();
    let mut issuers = keys.issuers(&options, NOW.unix_ms);
    issuers.push(foreign_issuer());
    let gate = GateOptions {
        hosts: vec![String::from("localhost")],
        origins: vec![String::from("https://localhost")],
        login_per_prefix: Rate::per(1_000, 60_000),
        login_per_user: Rate::per(5, 60_000),
        // Logins would wait, because the clock does not advance.
        login_total: Rate::per(10_000, 1_000),
        rate_keys_max: 1024,
        second_factor,
        issuers,
        ..GateOptions::default()
    };
    let gate = Gate::build(gate, live).unwrap();
    let account_store: Arc<dyn AccountStore> = store.clone();
    let secret = ServerSecret::load_or_create(directory.path()).unwrap();
    let parts = AccountParts { store: account_store, keys, secret, roles: RoleTable::default() };
    let hashing = PasswordHashing::for_tests();
    let accounts = Arc::new(Accounts::build(parts, options, hashing).unwrap());
    World { directory, store, accounts, gate: Arc::new(gate), audit, lines, token }
}

/// Another issuer, with a shared secret.
pub(super) fn foreign_issuer() -> Issuer {
    let secret = Secret::new(b"k7Jx2mQ9vR4tZ8wB1nL6pD3sF5hG0cYe".to_vec());
    Issuer::new("https://id.example", "portcullis", IssuerKey::Hs256(secret))
}

/// A token of that issuer, with more claims.
pub(super) fn foreign_token(subject: &str, now: Now, more: &Value) -> String {
    let issued = now.unix_s();
    let mut claims = json!({"iss": "https://id.example", "aud": "portcullis", "sub": subject,
        "iat": issued, "exp": issued + 3_600});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
    let IssuerKey::Hs256(secret) = foreign_issuer().key else { unreachable!("it is shared") };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

/// The credentials of a request: a token, and the cookies of a browser.
#[derive(Default, Clone)]
pub(super) struct Credentials {
    pub(super) bearer: Option<String>,
    pub(super) cookies: Option<String>,
}

/// The credentials that a client gets from a login.
pub(super) struct Client {
    pub(super) token: String,
    pub(super) refresh: String,
    pub(super) device: String,
}

impl Client {
    pub(super) fn of(response: &ApiResponse) -> Self {
        let cookie = |name: &str| {
            let set = response.headers.iter().map(|(_, value)| value.as_str());
            let found = set.filter_map(|text| text.strip_prefix(&format!("{name}="))).next();
            found.unwrap_or_default().split(';').next().unwrap().to_owned()
        };
        Self {
            token: read(response)["access_token"].as_str().unwrap().to_owned(),
            refresh: cookie("__Host-rt"),
            device: cookie("__Host-device"),
        }
    }

    pub(super) fn by_token(&self) -> Credentials {
        Credentials { bearer: Some(self.token.clone()), cookies: None }
    }

    pub(super) fn by_cookie(&self) -> Credentials {
        let cookies = format!("__Host-rt={}; __Host-device={}", self.refresh, self.device);
        Credentials { bearer: None, cookies: Some(cookies) }
    }
}

impl World {
    pub(super) fn request(&self, body: &Value) -> (Arc<Accounts>, ApiRequest) {
        self.request_of(&Credentials::default(), body, NOW)
    }

    pub(super) fn request_of(
        &self,
        credentials: &Credentials,
        body: &Value,
        now: Now,
    ) -> (Arc<Accounts>, ApiRequest) {
        let request = ApiRequest {
            user: Arc::default(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            origin: None,
            method: Method::Post,
            path: "/auth/test",
            credentials: ApiCredentials {
                bearer: credentials.bearer.clone().map(Secret::new),
                ..ApiCredentials::default()
            },
            headers: ApiHeaders {
                cookie: credentials.cookies.clone(),
                user_agent: String::from("test"),
                is_own_page: false,
            },
            body: body.to_string().into_bytes(),
            now,
            gate: Arc::clone(&self.gate),
            queues: Arc::new(AdmissionQueues::new(&QueueLimits::default(), Arc::new(FixedClock))),
            audit: self.audit.clone(),
        };
        (Arc::clone(&self.accounts), request)
    }

    pub(super) async fn register(&self, body: Value) -> Result<ApiResponse, Denial> {
        let (accounts, request) = self.request(&body);
        register::register(accounts, request).await
    }

    pub(super) async fn login(&self, body: Value) -> Result<ApiResponse, Denial> {
        let (accounts, request) = self.request(&body);
        password_login::login(accounts, request).await
    }

    /// Registers a user and logs in.
    pub(super) async fn client(&self, name: &str) -> Client {
        self.register(ann(name, PASSWORD)).await.unwrap();
        self.log_in(name).await
    }

    pub(super) async fn log_in(&self, name: &str) -> Client {
        Client::of(&self.login(ann(name, PASSWORD)).await.unwrap())
    }

    pub(super) async fn refresh(
        &self,
        credentials: &Credentials,
        now: Now,
    ) -> Result<ApiResponse, Denial> {
        let (accounts, request) = self.request_of(credentials, &json!({}), now);
        refresh::refresh(accounts, request).await
    }

    pub(super) async fn setup(&self, body: Value) -> Result<ApiResponse, Denial> {
        let (accounts, request) = self.request(&body);
        setup::setup(accounts, request).await
    }

    /// Whether a token is still valid.
    pub(super) fn is_valid(&self, token: &str) -> bool {
        self.is_valid_at(token, NOW)
    }

    pub(super) fn is_valid_at(&self, token: &str, now: Now) -> bool {
        let verified = self.gate.verify(Credential::Bearer(token), None, now);
        verified.is_ok_and(|verified| self.gate.identify(&verified, now).is_ok())
    }

    /// Whether a token of another issuer opens a socket, as CONNECT decides.
    pub(super) async fn opens(&self, token: &str, now: Now) -> bool {
        let Ok(verified) = self.gate.verify(Credential::Bearer(token), None, now) else {
            return false;
        };
        if self.gate.directory().user(&verified.user).is_none() {
            let directory = Arc::clone(self.gate.directory());
            let client = IpAddr::from([192, 0, 2, 1]);
            let accounts = Arc::clone(&self.accounts);
            provision::provision(accounts, directory, client, verified.clone()).await.unwrap();
        }
        self.gate.authenticate(verified, now).is_ok()
    }

    pub(super) fn recorded(&self, code: &str) -> usize {
        let code = format!("\"{code}\"");
        self.lines.lock().unwrap().iter().filter(|line| line.contains(&code)).count()
    }
}

pub(super) fn after(seconds: i64) -> Now {
    let monotonic_ms = NOW.monotonic_ms + seconds.unsigned_abs() * 1000;
    Now { monotonic_ms, unix_ms: NOW.unix_ms + seconds * 1000 }
}

/// Calls a route with credentials.
macro_rules! call {
    ($world:expr, $route:path, $credentials:expr, $body:expr) => {{
        let (accounts, request) = $world.request_of(&$credentials, &$body, NOW);
        $route(accounts, request).await
    }};
}

pub(super) const PASSWORD: &str = " kLq9#vw2 \u{e9}";

pub(super) fn ann(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

pub(super) fn read(response: &ApiResponse) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

pub(super) use call;
