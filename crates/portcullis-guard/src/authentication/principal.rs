//! The user of a connection, and the state that guards keep of the connection.
//! Never: a copy of roles; those are read from the user at every message.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use portcullis_model::{Denial, Now, RevocationKind, Roles, UserId};

use crate::authentication::lease::Lease;
use crate::directory::sessions::authority::{Authority, RevocationName};
use crate::directory::sessions::session::Session;
use crate::directory::user::{LastActivity, User, UserSlot};
use crate::limits::connection_usage::{AddressBuckets, ConnectionUsage};
use crate::tables::rate::{Gcra, Rate};
use crate::tokens::token::{Tokens, VerifiedCredential};

/// Violations after which a connection ends: ten in a minute.
const STRIKES: Rate = Rate::per(10, 60_000);
/// Messages above a rate that a connection may send before it is read more slowly: a hundred at
/// once, then 25 a second. Each gets an answer.
const OVER_RATE: Rate = Rate::per(100, 4_000);
/// Repeated or forged messages after which a connection ends.
const REPLAYS_MAX: u8 = 3;

/// How long a connection lasts after a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimeouts {
    /// It ends after this time without a message or a newer credential, in milliseconds.
    pub idle_ms: u64,
    /// It always ends after this time, in milliseconds.
    pub absolute_ms: u64,
}

impl Default for SessionTimeouts {
    /// 30 minutes and 8 hours.
    fn default() -> Self {
        Self { idle_ms: 30 * 60_000, absolute_ms: 8 * 3_600_000 }
    }
}

/// The names by which a credential can be revoked.
pub(crate) struct CredentialMarks {
    own: bool,
    expires_unix_s: i64,
    user: UserId,
    issuer: Arc<str>,
    session: Option<Box<str>>,
    token: Box<str>,
    key: u64,
}

impl CredentialMarks {
    pub(crate) fn new(verified: &VerifiedCredential) -> Self {
        Self {
            own: verified.own,
            expires_unix_s: verified.expires_unix_s,
            user: verified.user.clone(),
            issuer: Arc::clone(&verified.issuer),
            session: verified.session.as_deref().map(Box::from),
            token: Box::from(verified.token.as_str()),
            key: verified.keys.mark,
        }
    }

    /// Whether neither the credential nor the key that signed it is revoked.
    pub(crate) fn are_valid(&self, authority: &Authority, tokens: &Tokens) -> bool {
        // An own token ends with its session, independently of clocks.
        if !self.own && authority.may_be_evicted(self.expires_unix_s) {
            return false;
        }
        let (issuer, user) = (&self.issuer, self.user.as_str());
        let revoked_name =
            |kind, name| authority.is_revoked(RevocationName { issuer, user, kind, name });
        let token = !self.token.is_empty() && revoked_name(RevocationKind::Token, &self.token);
        let session = self.session.as_deref();
        let session = session.is_some_and(|name| revoked_name(RevocationKind::Session, name));
        tokens.has_key(self.key) && !token && !session
    }
}

/// The checked parts of a principal.
pub(crate) struct PrincipalParts {
    pub(crate) slot: UserSlot,
    /// Read before the user was checked, so that later changes are noticed.
    pub(crate) sessions_epoch: u64,
    /// Read before revocations were checked.
    pub(crate) authority_epoch: u64,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) authority: Arc<Authority>,
    /// Roles that have no effect with the credential.
    pub(crate) withheld: Cell<Roles>,
    /// None for a client without a credential.
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) timeouts: SessionTimeouts,
}

impl PrincipalParts {
    fn lease(&self, marks: CredentialMarks) -> Lease {
        Lease {
            user: Arc::clone(self.slot.user()),
            sessions_epoch: self.sessions_epoch,
            session: self.session.clone(),
            authority: Arc::clone(&self.authority),
            authority_epoch: self.authority_epoch,
            tokens: self.tokens.clone(),
            marks,
        }
    }
}

/// An authenticated user, with one of the connection slots of the user.
///
/// Only [`crate::Gate`] makes one.
pub struct Principal {
    proof: PrincipalParts,
    authority_epoch: Cell<u64>,
    lease: RefCell<Arc<Lease>>,
    name: Option<Box<str>>,
    key: RefCell<Option<Box<[u8]>>>,
    authenticated_unix_s: Cell<Option<i64>>,
    /// How often the user had authenticated in the session when the credential was issued.
    generation: Cell<u64>,
    expires_unix_s: Cell<i64>,
    opened_ms: u64,
    active_ms: Cell<u64>,
}

impl Principal {
    pub(crate) fn new(proof: PrincipalParts, verified: VerifiedCredential, now: Now) -> Self {
        let lease = RefCell::new(Arc::new(proof.lease(CredentialMarks::new(&verified))));
        Self {
            authority_epoch: Cell::new(proof.authority_epoch),
            proof,
            lease,
            name: verified.session.map(String::into_boxed_str),
            key: RefCell::new(verified.keys.proven.map(Vec::into_boxed_slice)),
            authenticated_unix_s: Cell::new(verified.login.authenticated_unix_s),
            generation: Cell::new(verified.login.generation),
            expires_unix_s: Cell::new(verified.expires_unix_s),
            opened_ms: now.monotonic_ms,
            active_ms: Cell::new(now.monotonic_ms),
        }
    }

    /// The user, with its current facts.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        self.proof.slot.user()
    }

    /// The roles of the user that are in force on this connection.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.user().roles().minus(self.proof.withheld.get())
    }

    /// The roles of the user that have no effect here without a second factor.
    #[must_use]
    pub fn withheld(&self) -> Roles {
        let user = self.user();
        user.withheld().union(user.roles().common(self.proof.withheld.get()))
    }

    /// Whether another connection of the user was ended for this one.
    #[must_use]
    pub fn evicts(&self) -> bool {
        self.proof.slot.evicts()
    }

    /// Whether it was ended because its client was silent: the client may reconnect.
    #[must_use]
    pub fn is_evicted_silent(&self) -> bool {
        self.proof.slot.is_evicted_silent()
    }

    /// When the client was last active.
    #[must_use]
    pub fn last_activity(&self) -> LastActivity {
        self.proof.slot.last_activity()
    }

    /// Records that the client has sent something.
    pub fn record_activity(&self, now: Now) {
        self.proof.slot.record_activity(now);
    }

    /// Whether it was made without a credential.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.proof.tokens.is_none()
    }

    /// When the credential ends, in seconds since 1970; earlier once a newer one has replaced it.
    #[must_use]
    pub fn expires_unix_s(&self) -> i64 {
        let expires_unix_s = self.expires_unix_s.get();
        match self.handover_ends_unix_ms() {
            Some(ends_ms) => expires_unix_s.min(ends_ms.div_euclid(1000)),
            None => expires_unix_s,
        }
    }

    /// Whether the user has authenticated again since the credential was issued.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.handover_ends_unix_ms().is_some()
    }

    fn handover_ends_unix_ms(&self) -> Option<i64> {
        self.proof.session.as_ref()?.handover_ends_unix_ms(self.generation.get())
    }

    /// Applies a newer credential of the same session.
    pub(crate) fn renew(&self, verified: &VerifiedCredential, withheld: Roles, now: Now) {
        // The roles of a token last no longer than that token.
        if self.proof.withheld.replace(withheld) != withheld {
            self.expires_unix_s.set(verified.expires_unix_s);
        }
        self.expires_unix_s.set(verified.expires_unix_s.max(self.expires_unix_s.get()));
        if verified.login.authenticated_unix_s.is_some() {
            self.authenticated_unix_s.set(verified.login.authenticated_unix_s);
        }
        self.generation.set(verified.login.generation);
        *self.lease.borrow_mut() = Arc::new(self.proof.lease(CredentialMarks::new(verified)));
        self.touch(now);
    }

    /// The session (`sid`) the credential belongs to, if it named one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The client's key: shown with the credential, or known of the session.
    pub(crate) fn key(&self) -> Option<Box<[u8]>> {
        let shown = self.key.borrow().clone();
        shown.or_else(|| self.proof.session.as_ref()?.key())
    }

    /// When the user authenticated for this credential, in seconds since 1970, if it is known.
    /// Other credentials of the session do not count.
    #[must_use]
    pub fn authenticated_unix_s(&self) -> Option<i64> {
        self.authenticated_unix_s.get()
    }

    /// The issuer of the credential, when it is another login system.
    #[must_use]
    pub fn foreign_issuer(&self) -> Option<Arc<str>> {
        let lease = self.lease.borrow();
        (!lease.marks.own).then(|| Arc::clone(&lease.marks.issuer))
    }

    /// The lease of this authority, to check it again at the commit.
    pub(crate) fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease.borrow())
    }

    /// Records an operation of the user.
    pub(crate) fn touch(&self, now: Now) {
        self.active_ms.set(now.monotonic_ms);
    }

    /// Checks that the authority is still valid, before every message.
    ///
    /// A few atomic loads and comparisons; a lookup only after a revocation.
    ///
    /// # Errors
    /// [`Denial::SessionEnded`] with the cause, or [`Denial::AuthorityUnconfirmed`].
    pub fn is_current(&self, now: Now) -> Result<(), Denial> {
        let ended = |word| Err(Denial::SessionEnded(word));
        let user = self.user();
        if user.is_barred(now) {
            return ended("barred");
        }
        if user.sessions_epoch() != self.proof.sessions_epoch {
            return ended("revoked");
        }
        if self.proof.slot.is_evicted() {
            return ended("evicted");
        }
        match &self.proof.session {
            Some(session) if session.is_ended() => return ended("revoked"),
            Some(session) if !session.is_live(now) => return ended("absolute"),
            Some(_) | None => {}
        }
        if !self.is_unrevoked() {
            return ended("revoked");
        }
        if now.unix_s() >= self.expires_unix_s() {
            return ended(if self.is_replaced() { "replaced" } else { "expired" });
        }
        let idle_ms = now.monotonic_ms.saturating_sub(self.active_ms.get());
        if idle_ms >= self.proof.timeouts.idle_ms {
            return ended("idle");
        }
        if now.monotonic_ms.saturating_sub(self.opened_ms) >= self.proof.timeouts.absolute_ms {
            return ended("absolute");
        }
        self.proof.authority.check_open(now)
    }

    fn is_unrevoked(&self) -> bool {
        let epoch = self.proof.authority.epoch();
        if epoch == self.authority_epoch.get() {
            return true;
        }
        let valid = self.lease.borrow().is_unrevoked();
        if valid {
            self.authority_epoch.set(epoch);
        }
        valid
    }

    /// When to check it again, if nothing else happens: its earliest end.
    #[must_use]
    pub fn next_check_ms(&self, now: Now) -> u64 {
        let left_ms = self.expires_unix_s().saturating_mul(1000).saturating_sub(now.unix_ms);
        let expires_ms = now.monotonic_ms.saturating_add(u64::try_from(left_ms).unwrap_or(0));
        let timeouts = self.proof.timeouts;
        let idle_ms = self.active_ms.get().saturating_add(timeouts.idle_ms);
        let absolute_ms = self.opened_ms.saturating_add(timeouts.absolute_ms);
        expires_ms.min(idle_ms).min(absolute_ms)
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Principal").field("user", &self.user().id).finish_non_exhaustive()
    }
}

/// A principal and the counts of its connection: no lock, no table.
pub struct Caller {
    /// The user of the connection.
    pub principal: Principal,
    /// How much has come over this connection.
    pub(crate) usage: ConnectionUsage,
    /// The number of the last message that had one.
    pub(crate) sequence: Cell<u64>,
    /// Messages rejected since then before their number was read.
    pub(crate) unread: Cell<u32>,
    /// The nonce that signatures on this connection cover, so that none is valid on another.
    nonce: Box<str>,
    replays: Cell<u8>,
    strikes: Gcra,
    over_rate: Gcra,
}

impl Caller {
    /// A fresh connection of a principal; the nonce is random and sent to the client.
    #[must_use]
    pub fn new(principal: Principal, nonce: &str) -> Self {
        Self {
            principal,
            usage: ConnectionUsage::default(),
            sequence: Cell::new(0),
            unread: Cell::new(0),
            nonce: Box::from(nonce),
            replays: Cell::new(0),
            strikes: Gcra::default(),
            over_rate: Gcra::default(),
        }
    }

    /// The same, also counted by its address.
    #[must_use]
    pub fn coming_from(self, buckets: AddressBuckets) -> Self {
        Self { usage: ConnectionUsage::of(buckets), ..self }
    }

    /// The nonce that signatures on this connection cover.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Counts a violation; true when the budget, ten in a minute, is used up.
    pub fn count_violation(&self, now: Now) -> bool {
        self.strikes.count(&STRIKES, now)
    }

    /// Counts a message that was rejected for its rate.
    ///
    /// # Errors
    /// The time in milliseconds during which the connection is not read.
    pub fn over_rate(&self, now: Now) -> Result<(), u64> {
        self.over_rate.spend(&OVER_RATE, now, 1)
    }

    /// Counts a repeated or forged message; true at the third of a connection.
    pub fn replayed(&self) -> bool {
        let replays = self.replays.get().saturating_add(1);
        self.replays.set(replays);
        replays >= REPLAYS_MAX
    }
}
