//! Permits and contexts for tests of handlers, without a server.
//! Never: a permit that no gate created.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_guard::{
    Caller, Credential, DeclaredEvent, Directory, DirectoryLimits, Event, EventBody, EventRequest,
    Gate, GateOptions, LoadState, Permit, Rate, SecondFactorRule, SessionTimeouts,
};
use portcullis_model::{Clock, Denial, Namespace, Now, Role, RoomId, UserId};
use portcullis_server::Context;
use portcullis_server::testing::{ContextLog, ContextParts, context};
use serde_json::{Value, json};

use super::test_server::{expect_ok, give_role};
use super::tokens::TokenMaker;
use crate::server::field_keys::FieldKeys;
use crate::server::new_user;

/// Time at the begin of a test: 1 January 2026.
const START_UNIX_MS: i64 = 1_767_225_600_000;
const WIDE: Rate = Rate::per(1_000_000, 1_000);

/// Clock that only the test advances.
struct TestClock(Mutex<Now>);

impl Clock for TestClock {
    fn now(&self) -> Now {
        *self.0.lock()
    }
}

/// A gate with users, for tests of handlers.
///
/// Limits that apply to all events are high. The rule of each event applies: rate, size, roles and
/// room access; so does the state of [`TestGate::directory`].
pub struct TestGate {
    gate: Gate,
    /// Gate for contexts: events are declared in the other one.
    context_gate: Arc<Gate>,
    directory: Arc<Directory>,
    clock: Arc<TestClock>,
    tokens: TokenMaker,
    callers: HashMap<String, Caller>,
    declared: HashMap<TypeId, Box<dyn Any>>,
}

impl Default for TestGate {
    fn default() -> Self {
        Self::new()
    }
}

impl TestGate {
    /// A gate without users; the first permit of a user adds it.
    ///
    /// # Panics
    /// When the system returns no random bytes.
    #[must_use]
    pub fn new() -> Self {
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        let tokens = TokenMaker::new("https://id.test", "portcullis");
        let build = || Gate::build(options(&tokens), Arc::clone(&directory)).expect("a gate");
        let (gate, context_gate) = (build(), Arc::new(build()));
        let now = Now { monotonic_ms: 1_000, unix_ms: START_UNIX_MS };
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let (callers, declared) = (HashMap::new(), HashMap::new());
        Self { gate, context_gate, directory, clock, tokens, callers, declared }
    }

    /// Adds keys, for events with sealed fields.
    #[must_use]
    pub fn field_keys(mut self, keys: &FieldKeys) -> Self {
        self.gate.seal_with(Arc::new(keys.clone()));
        self
    }

    /// Users, rooms and members, as events with [`crate::Access::Member`] need them.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The id of a user.
    ///
    /// # Panics
    /// When the name cannot be a subject of a token.
    #[track_caller]
    pub fn user(&mut self, user: &str) -> UserId {
        self.caller(user).principal.user().id.clone()
    }

    /// Grants a role to a user; it applies from the next permit.
    ///
    /// # Panics
    /// As [`TestGate::user`].
    #[track_caller]
    pub fn give_role(&mut self, user: &str, role: Role) {
        let known = Arc::clone(self.caller(user).principal.user());
        give_role(&self.directory, &known, role);
    }

    /// Advances the clock; tokens are valid for ten minutes.
    pub fn advance_ms(&mut self, elapsed_ms: u32) {
        let mut now = self.clock.0.lock();
        now.monotonic_ms += u64::from(elapsed_ms);
        now.unix_ms += i64::from(elapsed_ms);
    }

    /// Decides about one message of a user in namespace `/`.
    ///
    /// # Errors
    /// The denial that the client would read.
    ///
    /// # Panics
    /// When the event cannot be declared; the text says why.
    #[track_caller]
    pub fn permit<E: Event>(&mut self, user: &str, payload: Value) -> Result<Permit<E>, Denial> {
        self.permit_with(user, payload, json!({}))
    }

    /// Decides about one message with an envelope, such as `{"mid": "m1"}`.
    ///
    /// # Errors
    /// The denial that the client would read.
    ///
    /// # Panics
    /// As [`TestGate::permit`].
    #[track_caller]
    pub fn permit_with<E: Event>(
        &mut self,
        user: &str,
        payload: Value,
        envelope: Value,
    ) -> Result<Permit<E>, Denial> {
        if !self.declared.contains_key(&TypeId::of::<E>()) {
            let declared = self.gate.declare::<E>("/");
            let declared = expect_ok(declared, "the event cannot be declared");
            self.declared.insert(TypeId::of::<E>(), Box::new(declared));
        }
        self.caller(user);
        let now = self.clock.now();
        let declared = self.declared.get(&TypeId::of::<E>());
        let rule = declared.and_then(|any| any.downcast_ref::<DeclaredEvent<E>>()).expect("a rule");
        let caller = self.callers.get(user).expect("a caller");
        let text = json!([E::NAME, payload, envelope]).to_string();
        let body = EventBody::Array(&text);
        let size_bytes = text.len();
        let request =
            EventRequest { namespace: "/", event: E::NAME, body, size_bytes, attachments: &[] };
        self.gate.permit(rule, caller, &request, now)
    }

    /// The context of a permit, for a socket in no room; and a log of what the handler sends.
    #[track_caller]
    pub fn context<E>(&self, permit: &Permit<E>) -> (Context, ContextLog) {
        self.context_hearing(permit, &[])
    }

    /// The context of a permit, for a socket in these rooms.
    ///
    /// # Panics
    /// When the system returns no random bytes.
    #[track_caller]
    pub fn context_hearing<E>(
        &self,
        permit: &Permit<E>,
        rooms: &[RoomId],
    ) -> (Context, ContextLog) {
        let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(&self.clock);
        let parts = ContextParts {
            user: Arc::clone(permit.user()),
            namespace: Namespace::MAIN,
            rooms: rooms.to_vec(),
            permitted: permit.room().cloned(),
            gate: Arc::clone(&self.context_gate),
            directory: Arc::clone(&self.directory),
            clock,
        };
        context(parts).expect("randomness for the socket's id")
    }

    /// The user's connection, authenticated by a token.
    #[track_caller]
    fn caller(&mut self, user: &str) -> &Caller {
        let now = self.clock.now();
        let (gate, directory, tokens) = (&self.gate, &self.directory, &self.tokens);
        match self.callers.entry(String::from(user)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let token = tokens.token_with(&tokens.claims_at(user, now.unix_s()));
                let verified = gate.verify(Credential::Bearer(&token), None, now);
                let verified = expect_ok(verified, "the token of the user is rejected");
                if directory.user(&verified.user).is_none() {
                    new_user::put(directory, verified.clone());
                }
                let principal = gate.authenticate(verified, now);
                let principal = expect_ok(principal, "the user is rejected");
                free.insert(Caller::new(principal, "test"))
            }
        }
    }
}

fn options(tokens: &TokenMaker) -> GateOptions {
    GateOptions {
        // As in a server without accounts: roles come from the application.
        second_factor: SecondFactorRule::None,
        hosts: vec![String::from("test.invalid")],
        origins: vec![String::from("https://test.invalid")],
        issuers: vec![tokens.issuer()],
        load: Some(LoadState::Normal),
        message_per_user: WIDE,
        message_per_connection: WIDE,
        session_timeouts: SessionTimeouts { idle_ms: u64::MAX, absolute_ms: u64::MAX },
        ..GateOptions::default()
    }
}
