//! Counts packets of a connection other than events, and signature checks.
//! Never: an event or a control frame; those have limits of their own.

use std::cell::Cell;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::{Denial, Limit, Now, UserId};

use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::tables::rate::{Gcra, Rate};

/// The usage of one connection's packet limits: 32 bytes, no lock, no table.
///
/// A connection that shows a token a second time has the token's digest here as well, so that
/// further repetitions need no signature check.
#[derive(Default)]
pub struct PacketBudget {
    namespaces: Gcra,
    signatures: Gcra,
    /// Numbered since the start, for traces.
    connection: u64,
    repeated: Cell<Option<Box<RepeatedToken>>>,
}

/// A token that was verified on this connection.
struct RepeatedToken {
    sha256: [u8; 32],
    user: UserId,
    expires_unix_s: i64,
}

impl fmt::Debug for PacketBudget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespaces, signatures, connection, repeated: _ } = self;
        let mut budget = formatter.debug_struct("PacketBudget");
        budget.field("namespaces", namespaces).field("signatures", signatures);
        budget.field("connection", connection).finish_non_exhaustive()
    }
}

impl PacketBudget {
    /// The user of a token that was verified on this connection and has not expired.
    pub(crate) fn user_of(&self, token: &str, now: Now) -> Option<UserId> {
        let known = self.repeated.take().filter(|known| now.unix_s() < known.expires_unix_s)?;
        let sha256 = digest(&SHA256, token.as_bytes());
        let is_same = verify_slices_are_equal(&known.sha256, sha256.as_ref()).is_ok();
        let user = is_same.then(|| known.user.clone());
        self.repeated.set(Some(known));
        user
    }

    pub(crate) fn remember(&self, token: &str, user: &UserId, expires_unix_s: i64) {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let known = RepeatedToken { sha256, user: user.clone(), expires_unix_s };
        self.repeated.set(Some(Box::new(known)));
    }

    /// Removes the remembered token: it is no longer the token of the connection.
    pub(crate) fn clear_token(&self) {
        self.repeated.take();
    }

    /// Whether the connection has caused no signature check.
    pub(crate) fn is_unused(&self) -> bool {
        self.signatures.is_unused()
    }
}

impl Limiter {
    /// The budget of a new connection.
    #[must_use]
    pub fn packet_budget(&self) -> PacketBudget {
        PacketBudget { connection: self.next_connection(), ..PacketBudget::default() }
    }

    /// Counts a CONNECT or DISCONNECT packet toward its connection and its user.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn count_namespace_packet(
        &self,
        budget: &PacketBudget,
        user: Option<&UserId>,
        now: Now,
    ) -> Result<(), Denial> {
        let outcome = self.count_namespace(Some(budget), user, now);
        self.note(now, outcome, || Attempt::Namespace {
            connection: Some(budget.connection),
            user: user.map(UserId::to_string),
        })
    }

    /// Counts, toward the user, the CONNECT that has signed the user in.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn count_first_namespace_packet(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let outcome = self.count_namespace(None, Some(user), now);
        self.note(now, outcome, || Attempt::Namespace {
            connection: None,
            user: Some(user.to_string()),
        })
    }

    pub(crate) fn count_namespace(
        &self,
        budget: Option<&PacketBudget>,
        user: Option<&UserId>,
        now: Now,
    ) -> Result<(), Denial> {
        let policy = self.policy();
        let options = &policy.options;
        let connection = budget.map(|budget| &budget.namespaces);
        self.count_packet(
            connection.map(|used| {
                (used, Limit::NamespacePerConnection, &options.namespace_per_connection)
            }),
            user.map(|user| (user, Limit::NamespacePerUser, &options.namespace_per_user)),
            now,
        )
    }

    pub(crate) fn count_signature(
        &self,
        budget: Option<&PacketBudget>,
        user: Option<&UserId>,
        now: Now,
    ) -> Result<(), Denial> {
        let policy = self.policy();
        let options = &policy.options;
        let connection = budget.map(|budget| &budget.signatures);
        self.count_packet(
            connection.map(|used| {
                (used, Limit::SignaturePerConnection, &options.signature_per_connection)
            }),
            user.map(|user| (user, Limit::SignaturePerUser, &options.signature_per_user)),
            now,
        )
    }

    /// Counts one toward a limit of the connection, then toward the same limit of the user.
    fn count_packet(
        &self,
        connection: Option<(&Gcra, Limit, &Rate)>,
        user: Option<(&UserId, Limit, &Rate)>,
        now: Now,
    ) -> Result<(), Denial> {
        if let Some((used, limit, rate)) = connection {
            self.judged(limit, used.take(rate, now))?;
        }
        let Some((user, limit, rate)) = user else { return Ok(()) };
        self.take_of_user(limit, rate, self.rates.key(user), now)
    }

    /// Counts a signature check of a connection, before the check.
    pub(crate) fn count_connection_signature(
        &self,
        budget: &PacketBudget,
        now: Now,
    ) -> Result<(), Denial> {
        let outcome = self.count_signature(Some(budget), None, now);
        let connection = Some(budget.connection);
        self.note(now, outcome, || Attempt::Signature { connection, user: None })
    }

    /// Counts a signature check toward the user that the credential names.
    pub(crate) fn count_user_signature(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let outcome = self.count_signature(None, Some(user), now);
        let user = Some(user.to_string());
        self.note(now, outcome, || Attempt::Signature { connection: None, user })
    }
}
