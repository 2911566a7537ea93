//! Counts what a connection asks for besides events: namespaces, and checks of signatures.
//! Never: an event or a control frame; those have limits of their own.

use std::cell::Cell;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::{Denial, Limit, Now, UserId};

use crate::admission::handshake::Admitted;
use crate::authentication::credential::{self, Credential, Shown};
use crate::authentication::principal::Principal;
use crate::authentication::ticket::TICKET_PREFIX;
use crate::gate::Gate;
use crate::limits::attempt::Attempt;
use crate::limits::rate::Gcra;
use crate::tokens::token::Verified;

/// What one connection has used of its packet limits: 32 bytes, no lock, no table.
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
    fn user_of(&self, token: &str, now: Now) -> Option<UserId> {
        let known = self.repeated.take().filter(|known| now.unix_s() < known.expires_unix_s)?;
        let sha256 = digest(&SHA256, token.as_bytes());
        let is_same = verify_slices_are_equal(&known.sha256, sha256.as_ref()).is_ok();
        let user = is_same.then(|| known.user.clone());
        self.repeated.set(Some(known));
        user
    }

    fn remember(&self, token: &str, verified: &Verified) {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let (user, expires_unix_s) = (verified.user.clone(), verified.expires_unix_s);
        let known = RepeatedToken { sha256, user, expires_unix_s };
        self.repeated.set(Some(Box::new(known)));
    }
}

impl Gate {
    /// The budget of a new connection.
    #[must_use]
    pub fn packet_budget(&self) -> PacketBudget {
        PacketBudget { connection: self.next_connection(), ..PacketBudget::default() }
    }

    /// Counts a CONNECT or DISCONNECT packet, of its connection and of the user signed in there.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn namespace_packet(
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

    /// Counts the CONNECT that has just signed a user in; its connection has counted it before.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn first_namespace_packet(&self, user: &UserId, now: Now) -> Result<(), Denial> {
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
        let options = &self.options;
        if let Some(budget) = budget {
            let taken = budget.namespaces.take(&options.namespace_per_connection, now);
            self.judged(Limit::NamespacePerConnection, taken)?;
        }
        let Some(user) = user else { return Ok(()) };
        let key = self.rates.key(user);
        self.take_of_user(Limit::NamespacePerUser, &options.namespace_per_user, key, now)
    }

    pub(crate) fn count_signature(
        &self,
        budget: Option<&PacketBudget>,
        user: Option<&UserId>,
        now: Now,
    ) -> Result<(), Denial> {
        let options = &self.options;
        if let Some(budget) = budget {
            let taken = budget.signatures.take(&options.signature_per_connection, now);
            self.judged(Limit::SignaturePerConnection, taken)?;
        }
        let Some(user) = user else { return Ok(()) };
        let key = self.rates.key(user);
        self.take_of_user(Limit::SignaturePerUser, &options.signature_per_user, key, now)
    }

    /// Counts a check that a connection asks for, before its cost.
    fn signature_of_connection(&self, budget: &PacketBudget, now: Now) -> Result<(), Denial> {
        let outcome = self.count_signature(Some(budget), None, now);
        let connection = Some(budget.connection);
        self.note(now, outcome, || Attempt::Signature { connection, user: None })
    }

    /// Counts a check of a user's credential, as soon as it has shown whose credential it is.
    pub(crate) fn signature_of_user(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let outcome = self.count_signature(None, Some(user), now);
        let user = Some(user.to_string());
        self.note(now, outcome, || Attempt::Signature { connection: None, user })
    }

    /// The user of a credential that this connection has shown before; costs one hash.
    #[must_use]
    pub fn repeated(
        &self,
        budget: &PacketBudget,
        credential: Credential<'_>,
        now: Now,
    ) -> Option<UserId> {
        match credential::shown(credential) {
            Ok(Shown::Token(token)) => budget.user_of(token, now),
            Ok(Shown::Ticket(_)) | Err(_) => None,
        }
    }

    /// [`Gate::verify`] for a connection, within its budget.
    ///
    /// # Errors
    /// As [`Gate::verify`], [`Denial::TicketNeeded`] and [`Denial::Limit`].
    pub fn verify_on(
        &self,
        budget: &PacketBudget,
        credential: Credential<'_>,
        origin: Option<&str>,
        now: Now,
    ) -> Result<Verified, Denial> {
        // Nothing on a socket proves a key, so only a ticket opens it where tokens need a proof.
        let shown = credential::shown(credential)?;
        if let (true, Shown::Token(_)) = (self.options.proof_required, shown) {
            return Err(Denial::TicketNeeded);
        }
        let is_first = budget.signatures.is_unused();
        self.signature_of_connection(budget, now)?;
        let verified = self.verify(credential, origin, now)?;
        if let (false, Shown::Token(token)) = (is_first, shown) {
            budget.remember(token, &verified);
        }
        Ok(verified)
    }

    /// [`Gate::precheck`] for a further request of a connection: the user its credential names.
    ///
    /// # Errors
    /// As [`Gate::precheck`], and [`Denial::Limit`].
    pub fn precheck_on(
        &self,
        budget: &PacketBudget,
        admitted: &Admitted,
        now: Now,
    ) -> Result<Option<UserId>, Denial> {
        // A ticket is not looked at here, so it costs no check.
        let shown = admitted.bearer.as_ref().map(|bearer| bearer.expose().as_str());
        let shown = shown.filter(|bearer| !bearer.starts_with(TICKET_PREFIX));
        if let Some(bearer) = shown {
            if let Some(user) = self.repeated(budget, Credential::Bearer(bearer), now) {
                return Ok(Some(user));
            }
            self.signature_of_connection(budget, now)?;
        }
        let verified = self.precheck(admitted, now)?;
        if let (Some(bearer), Some(verified)) = (shown, &verified) {
            budget.remember(bearer, verified);
        }
        Ok(verified.map(|verified| verified.user))
    }

    /// [`Gate::renew`] within the budget of the connection.
    ///
    /// # Errors
    /// As [`Gate::renew`], and [`Denial::Limit`].
    pub fn renew_on(
        &self,
        budget: &PacketBudget,
        principal: &Principal,
        token: &str,
        now: Now,
    ) -> Result<Verified, Denial> {
        self.signature_of_connection(budget, now)?;
        let verified = self.renew(principal, token, now)?;
        // The earlier token is no longer the connection's token.
        budget.repeated.take();
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::directory::tables::{Directory, DirectoryLimits};
    use crate::gate_options::GateOptions;
    use crate::limits::rate::Rate;
    use crate::tokens::forge::*;

    fn gate(options: GateOptions) -> Gate {
        let options = GateOptions {
            hosts: vec!["myapp.com".into()],
            origins: vec!["https://myapp.com".into()],
            issuers: issuers(),
            rate_keys_max: 1024,
            ..options
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    fn limit_of<T>(outcome: Result<T, Denial>) -> Option<Limit> {
        outcome.err().map(|denial| denial.limit().unwrap())
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[test]
    fn t_191_namespace_packets_are_limited_by_connection_and_by_user() {
        let gate = gate(GateOptions {
            namespace_per_connection: Rate::per(3, 60_000),
            namespace_per_user: Rate::per(5, 60_000),
            ..GateOptions::default()
        });
        let (ann, bob) = (user("ann"), user("bob"));
        let open = || gate.packet_budget();
        let packets = |budget: &PacketBudget, user: Option<&UserId>, many: usize| {
            let packet = |_| limit_of(gate.namespace_packet(budget, user, now()));
            (0..many).map(packet).collect::<Vec<_>>()
        };
        let (first, second, third) = (open(), open(), open());
        let per_connection = Some(Limit::NamespacePerConnection);
        assert_eq!(packets(&first, None, 4), [None, None, None, per_connection]);
        assert_eq!(packets(&second, Some(&ann), 4), [None, None, None, per_connection]);
        assert_eq!(gate.first_namespace_packet(&ann, now()), Ok(()));
        let per_user = Some(Limit::NamespacePerUser);
        assert_eq!(packets(&third, Some(&ann), 2), [None, per_user]);
        assert_eq!(packets(&open(), Some(&bob), 3), [None; 3], "another user");
    }

    #[test]
    fn honest_client_stays_within_the_default_limits() {
        let gate = gate(GateOptions::default());
        let (ann, budget) = (user("ann"), gate.packet_budget());
        // Eight namespaces, mounted twice by a development build, and reconnected twice.
        for _ in 0..8 * 3 + 2 * 8 * 2 {
            assert_eq!(gate.namespace_packet(&budget, Some(&ann), now()), Ok(()));
        }
        // Five tabs that mount twice.
        for budget in [(); 4].map(|()| gate.packet_budget()) {
            for _ in 0..8 * 3 {
                assert_eq!(gate.namespace_packet(&budget, Some(&ann), now()), Ok(()));
            }
        }
    }

    #[test]
    fn repeated_token_needs_no_signature_check() {
        let gate = gate(GateOptions {
            signature_per_connection: Rate::per(3, 60_000),
            ..GateOptions::default()
        });
        let budget = gate.packet_budget();
        let token = own(&own_header(), &own_claims());
        let payload = json!({ "token": token }).to_string();
        let shown = Credential::Payload(Some(&payload));
        assert_eq!(gate.repeated(&budget, shown, now()), None);
        for _ in 0..2 {
            assert!(gate.verify_on(&budget, shown, None, now()).is_ok());
        }
        for _ in 0..100 {
            assert_eq!(gate.repeated(&budget, shown, now()), Some(user("ann")));
        }
        let expired = Now { unix_ms: (NOW_S + 600) * 1000, ..now() };
        assert_eq!(gate.repeated(&budget, shown, expired), None);
        let other = own(&own_header(), &with(own_claims(), json!({ "jti": "other" })));
        let other = json!({ "token": other }).to_string();
        let other = Credential::Payload(Some(&other));
        assert_eq!(gate.repeated(&budget, other, now()), None);
        assert!(gate.verify_on(&budget, other, None, now()).is_ok());
        let over = gate.verify_on(&budget, other, None, now());
        assert_eq!(limit_of(over), Some(Limit::SignaturePerConnection));
    }

    #[test]
    fn signature_checks_of_a_user_are_limited_wherever_the_token_is_shown() {
        let gate = gate(GateOptions {
            signature_per_user: Rate::per(3, 60_000),
            ..GateOptions::default()
        });
        let token = own(&own_header(), &own_claims());
        let shown = Credential::Bearer(&token);
        let budget = gate.packet_budget();
        assert!(gate.verify(shown, None, now()).is_ok());
        assert!(gate.verify_on(&budget, shown, None, now()).is_ok());
        assert!(gate.verify_on(&gate.packet_budget(), shown, None, now()).is_ok());
        let over = limit_of(gate.verify(shown, None, now()));
        assert_eq!(over, Some(Limit::SignaturePerUser));
        // A token that is not believed names no user, so that it uses up nothing of anyone.
        let forged = format!("{}x", &token[..token.len() - 1]);
        let forged = gate.verify(Credential::Bearer(&forged), None, now());
        assert!(matches!(forged, Err(Denial::Token(_))), "{forged:?}");
    }
}
