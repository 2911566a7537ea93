//! Who is acting on a connection, and what the guards remember of that connection.
//! Never: roles of its own; those are read from the user at every message.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use portcullis_model::{Denial, Now, RevocationKind, Roles, UserId};

use crate::authentication::lease::Lease;
use crate::directory::authority::{Authority, RevocationName};
use crate::directory::session::Session;
use crate::directory::user::{LastActivity, User, UserSlot};
use crate::limits::connection_usage::{AddressBuckets, ConnectionUsage};
use crate::tables::rate::{Gcra, Rate};
use crate::tokens::token::{Tokens, VerifiedCredential};

/// Violations after which a connection ends: ten in a minute.
const STRIKES: Rate = Rate::per(10, 60_000);
/// Messages over a rate that a connection may send before it is read more slowly: a hundred at
/// once, then 25 a second. Each is answered.
const OVER_RATE: Rate = Rate::per(100, 4_000);
/// Repeated or forged messages after which a connection ends.
const REPLAYS_MAX: u8 = 3;

/// How long one log-in carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimeouts {
    /// Without a message or a newer credential for so long it ends, in milliseconds.
    pub idle_ms: u64,
    /// After so long it ends whatever happens, in milliseconds.
    pub absolute_ms: u64,
}

impl Default for SessionTimeouts {
    /// 30 minutes and 8 hours.
    fn default() -> Self {
        Self { idle_ms: 30 * 60_000, absolute_ms: 8 * 3_600_000 }
    }
}

/// What a credential is known by, so that its withdrawal is noticed.
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

    /// Whether nothing of it was withdrawn, nor the key that signed it.
    pub(crate) fn stand(&self, authority: &Authority, tokens: &Tokens) -> bool {
        // An own token ends with its session, which no clock brings back.
        if !self.own && authority.may_be_evicted(self.expires_unix_s) {
            return false;
        }
        let (issuer, user) = (&self.issuer, self.user.as_str());
        let withdrawn =
            |kind, name| authority.is_revoked(RevocationName { issuer, user, kind, name });
        let token = !self.token.is_empty() && withdrawn(RevocationKind::Token, &self.token);
        let session = self.session.as_deref();
        let session = session.is_some_and(|name| withdrawn(RevocationKind::Session, name));
        tokens.knows(self.key) && !token && !session
    }
}

/// What a principal is made of, all of it checked.
pub(crate) struct PrincipalParts {
    pub(crate) slot: UserSlot,
    /// Read before the user was checked: what changes after that is noticed.
    pub(crate) sessions_epoch: u64,
    /// Read before anything withdrawn was looked for.
    pub(crate) authority_epoch: u64,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) authority: Arc<Authority>,
    /// Roles that have no effect with the credential.
    pub(crate) withheld: Cell<Roles>,
    /// None for whoever shows no credential.
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) patience: SessionTimeouts,
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

/// A user, proven, with one of the user's connection slots.
///
/// Only [`crate::Gate`] makes one.
pub struct Principal {
    proof: PrincipalParts,
    authority_epoch: Cell<u64>,
    lease: RefCell<Arc<Lease>>,
    name: Option<Box<str>>,
    key: RefCell<Option<Box<[u8]>>>,
    authenticated_unix_s: Cell<Option<i64>>,
    /// How many proofs of identity its session had when the credential was issued.
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

    /// The user, as of now.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        self.proof.slot.user()
    }

    /// The roles of the user that are in force on this connection.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.user().roles().minus(self.proof.withheld.get())
    }

    /// The roles that the user holds and that have no effect here, for want of a second factor.
    #[must_use]
    pub fn withheld(&self) -> Roles {
        let user = self.user();
        user.withheld().union(user.roles().common(self.proof.withheld.get()))
    }

    /// Whether another connection of the user had to make room for this one.
    #[must_use]
    pub fn evicts(&self) -> bool {
        self.proof.slot.evicts()
    }

    /// Whether it made room because nothing was heard of its client: the client may come back.
    #[must_use]
    pub fn is_evicted_silent(&self) -> bool {
        self.proof.slot.is_evicted_silent()
    }

    /// When the client was last heard.
    #[must_use]
    pub fn last_activity(&self) -> LastActivity {
        self.proof.slot.last_activity()
    }

    /// Notes that the client has sent something, whatever it is.
    pub fn heard(&self, now: Now) {
        self.proof.slot.heard(now);
    }

    /// Whether it was made without a credential.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.proof.tokens.is_none()
    }

    /// When the credential ends, in seconds since 1970; sooner once a newer one has replaced it.
    #[must_use]
    pub fn expires_unix_s(&self) -> i64 {
        let expires_unix_s = self.expires_unix_s.get();
        match self.handover_ends_unix_ms() {
            Some(ends_ms) => expires_unix_s.min(ends_ms.div_euclid(1000)),
            None => expires_unix_s,
        }
    }

    /// Whether the user has proved anew who they are since the credential was issued.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.handover_ends_unix_ms().is_some()
    }

    fn handover_ends_unix_ms(&self) -> Option<i64> {
        self.proof.session.as_ref()?.handover_ends_unix_ms(self.generation.get())
    }

    /// Takes over a newer credential of the same session, and what it withholds.
    pub(crate) fn renew(&self, verified: &VerifiedCredential, withheld: Roles, now: Now) {
        // What another token allows lasts no longer than that token.
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

    /// When the user proved who they are to get this credential, in seconds since 1970, as far as
    /// it is known. What another credential of the session has proved does not count.
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

    /// What this stands on, for whoever has to ask again later.
    pub(crate) fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease.borrow())
    }

    /// Notes that the user did something.
    pub(crate) fn touch(&self, now: Now) {
        self.active_ms.set(now.monotonic_ms);
    }

    /// Whether the authority still stands; asked before every message.
    ///
    /// A few atomic loads and comparisons; a look-up only after something was withdrawn.
    ///
    /// # Errors
    /// [`Denial::SessionEnded`] with how it ended, or [`Denial::AuthorityUnconfirmed`].
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
        if idle_ms >= self.proof.patience.idle_ms {
            return ended("idle");
        }
        if now.monotonic_ms.saturating_sub(self.opened_ms) >= self.proof.patience.absolute_ms {
            return ended("absolute");
        }
        self.proof.authority.check_open(now)
    }

    fn is_unrevoked(&self) -> bool {
        let epoch = self.proof.authority.epoch();
        if epoch == self.authority_epoch.get() {
            return true;
        }
        let stands = self.lease.borrow().is_unrevoked();
        if stands {
            self.authority_epoch.set(epoch);
        }
        stands
    }

    /// When to look at it again, if nothing else happens: the nearest of its ends.
    #[must_use]
    pub fn next_check_ms(&self, now: Now) -> u64 {
        let left_ms = self.expires_unix_s().saturating_mul(1000).saturating_sub(now.unix_ms);
        let expires_ms = now.monotonic_ms.saturating_add(u64::try_from(left_ms).unwrap_or(0));
        let patience = self.proof.patience;
        let idle_ms = self.active_ms.get().saturating_add(patience.idle_ms);
        let absolute_ms = self.opened_ms.saturating_add(patience.absolute_ms);
        expires_ms.min(idle_ms).min(absolute_ms)
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Principal").field("user", &self.user().id).finish_non_exhaustive()
    }
}

/// A principal and what the guards remember of the connection: no lock, no table.
pub struct Caller {
    /// Who is acting.
    pub principal: Principal,
    /// How much has come over this connection.
    pub(crate) amounts: ConnectionUsage,
    /// The number of the last message that had one.
    pub(crate) sequence: Cell<u64>,
    /// Messages refused since then before their number was read.
    pub(crate) unread: Cell<u32>,
    /// What signatures on this connection cover, so that none counts on another.
    nonce: Box<str>,
    replays: Cell<u8>,
    strikes: Gcra,
    over_rate: Gcra,
}

impl Caller {
    /// A fresh connection of a principal; the nonce is random and told to the client.
    #[must_use]
    pub fn new(principal: Principal, nonce: &str) -> Self {
        Self {
            principal,
            amounts: ConnectionUsage::default(),
            sequence: Cell::new(0),
            unread: Cell::new(0),
            nonce: Box::from(nonce),
            replays: Cell::new(0),
            strikes: Gcra::default(),
            over_rate: Gcra::default(),
        }
    }

    /// The same, counted by the address it comes from as well.
    #[must_use]
    pub fn coming_from(self, lanes: AddressBuckets) -> Self {
        Self { amounts: ConnectionUsage::of(lanes), ..self }
    }

    /// What signatures on this connection cover.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Counts a violation; true when the budget, ten in a minute, is used up.
    pub fn strike(&self, now: Now) -> bool {
        self.strikes.count(&STRIKES, now)
    }

    /// Counts a message that was rejected for its rate.
    ///
    /// # Errors
    /// For how many milliseconds nothing more is to be read.
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
