//! The second stage: a credential becomes a principal.
//! Never: an answer that names the reason; every rejection of a token reads the same to the client.

use std::cell::Cell;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_model::{Denial, Now, SessionId, TokenFault};

use crate::authentication::credentials::first_key::FirstKeys;
use crate::authentication::credentials::proof::{Proofs, is_bound_to};
use crate::authentication::credentials::ticket::Tickets;
use crate::authentication::principal::{CredentialMarks, Principal, PrincipalParts};
use crate::directory::sessions::session::Session;
use crate::directory::tables::Directory;
use crate::directory::user::{User, WhenFull};
use crate::error::GateError;
use crate::gate_options::WhenUserFull;
use crate::limits::limiter::Limiter;
use crate::policy::current::CurrentPolicy;
use crate::tokens::key::{Algorithm, Issuer};
use crate::tokens::token::{Tokens, VerifiedCredential};

/// The second stage: from a credential to a principal.
pub struct Authentication {
    pub(crate) policy: Arc<CurrentPolicy>,
    pub(crate) limits: Arc<Limiter>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) tickets: Tickets,
    pub(crate) proofs: Proofs,
    pub(crate) first_keys: FirstKeys,
}

impl Authentication {
    pub(crate) fn build(
        policy: &Arc<CurrentPolicy>,
        limits: &Arc<Limiter>,
        directory: &Arc<Directory>,
        issuers: Vec<Issuer>,
        awaited: Vec<Algorithm>,
    ) -> Result<Self, GateError> {
        let tokens = Tokens::build(issuers)?.expecting(awaited);
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| GateError::Randomness)?;
        let tickets = Tickets::new(&secret, &policy.load().options.ticket_per_user);
        Ok(Self {
            tokens: Arc::new(tokens),
            tickets: tickets.ok_or(GateError::Randomness)?,
            proofs: Proofs::new(&secret),
            first_keys: FirstKeys::new(),
            limits: Arc::clone(limits),
            directory: Arc::clone(directory),
            policy: Arc::clone(policy),
        })
    }

    /// Replaces all keys of one issuer. Connections that a removed key has opened end.
    ///
    /// # Errors
    /// [`GateError`] for keys that are invalid or ambiguous; the current keys stay in force.
    pub fn replace_keys(&self, issuer: &str, keys: Vec<Issuer>) -> Result<(), GateError> {
        self.tokens.replace(issuer, keys)?;
        self.directory.authority().changed();
        Ok(())
    }

    /// As [`Authentication::replace_keys`], of several issuers in one step: no token is verified
    /// with the new keys of one and the old keys of another.
    ///
    /// # Errors
    /// [`GateError`] for keys that are invalid or ambiguous; the current keys of all stay in force.
    pub fn replace_issuers(&self, names: &[&str], keys: Vec<Issuer>) -> Result<(), GateError> {
        self.tokens.replace_all(names, keys)?;
        self.directory.authority().changed();
        Ok(())
    }

    /// Checks that a verified credential is not revoked, also for an unknown user.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::AuthorityUnconfirmed`].
    pub fn check_not_revoked(&self, verified: &VerifiedCredential, now: Now) -> Result<(), Denial> {
        self.directory.authority().check_new(now)?;
        self.check_revocations(verified)
    }

    /// The user of a verified credential; it has to be known and not banned.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::AuthorityUnconfirmed`].
    pub fn identify(&self, verified: &VerifiedCredential, now: Now) -> Result<Arc<User>, Denial> {
        self.directory.authority().check_new(now)?;
        let user = self.known(verified)?;
        check(&user, verified, self.issued_unix_ms(verified), now).map_err(Denial::Token)?;
        self.check_revocations(verified)?;
        self.session_of(verified, now)?;
        Ok(user)
    }

    /// Makes a principal, which holds one of the connection slots of the user.
    ///
    /// # Errors
    /// [`Denial::Token`], [`Denial::AuthorityUnconfirmed`], [`Denial::SecondFactor`], or
    /// [`Denial::UserConnections`] when all slots are taken.
    pub fn authenticate(
        &self,
        verified: VerifiedCredential,
        now: Now,
    ) -> Result<Principal, Denial> {
        self.authenticate_replacing(verified, 0, now)
    }

    /// As [`Authentication::authenticate`]. With [`WhenUserFull::EvictSilent`], the connection of
    /// the user that was active longest ago ends, if that was before `since_ms` of the monotonic
    /// clock.
    ///
    /// # Errors
    /// As [`Authentication::authenticate`].
    pub fn authenticate_replacing(
        &self,
        verified: VerifiedCredential,
        since_ms: u64,
        now: Now,
    ) -> Result<Principal, Denial> {
        let authority = Arc::clone(self.directory.authority());
        authority.check_new(now)?;
        let user = self.known(&verified)?;
        // The epochs are read first: a change during this call makes the principal outdated.
        let (sessions_epoch, authority_epoch) = (user.sessions_epoch(), authority.epoch());
        check(&user, &verified, self.issued_unix_ms(&verified), now).map_err(Denial::Token)?;
        self.check_revocations(&verified)?;
        let session = self.session_of(&verified, now)?;
        self.check_second_factor(&verified, &user)?;
        self.limits.check_user_penalty(&user.id, now)?;
        let policy = self.policy.load();
        let options = &policy.options;
        let when_full = match options.when_user_full {
            WhenUserFull::Reject => WhenFull::Reject,
            WhenUserFull::EvictOldest => WhenFull::EvictOldest,
            WhenUserFull::EvictSilent => WhenFull::EvictSilent { since_ms },
        };
        let slot = user.connect(options.connections_per_user, when_full, now);
        let slot = slot.ok_or(Denial::UserConnections)?;
        let proof = PrincipalParts {
            slot,
            sessions_epoch,
            authority_epoch,
            session,
            authority,
            withheld: Cell::new(self.withheld_from(&verified)),
            tokens: Some(Arc::clone(&self.tokens)),
            timeouts: options.session_timeouts,
        };
        Ok(Principal::new(proof, verified, now))
    }

    /// Prolongs a connection by a newer token of the same user and session.
    ///
    /// A token bound to a key is taken without a proof where the connection was opened with that
    /// key: it opens nothing. Where every token needs a proof, a token that another issuer has
    /// bound to no key is bound to the key of the connection, unless it has another one.
    ///
    /// # Errors
    /// [`Denial::SessionEnded`] when the session has ended, [`Denial::Token`] when the token is
    /// invalid or of another session, [`Denial::ForeignToken`] when it is of another user.
    pub fn renew(
        &self,
        principal: &Principal,
        token: &str,
        now: Now,
    ) -> Result<VerifiedCredential, Denial> {
        principal.is_current(now)?;
        let verified = self.tokens.verify(token, now).map_err(Denial::Token)?;
        // Checked first, also for an unknown user: it is an attempt to act as another user.
        if verified.user != principal.user().id {
            return Err(Denial::ForeignToken);
        }
        self.limits.count_user_signature(&principal.user().id, now)?;
        self.identify(&verified, now)?;
        let same_key = verified
            .keys
            .bound
            .as_ref()
            .is_none_or(|jkt| principal.key().is_some_and(|key| is_bound_to(jkt, &key)));
        if verified.session.as_deref() != principal.session() || !same_key {
            return Err(Denial::Token(TokenFault::Claims));
        }
        self.check_external_factor(&verified)?;
        if self.policy.load().options.proof_required
            && !verified.own
            && verified.keys.bound.is_none()
        {
            let key = principal.key().ok_or(Denial::Token(TokenFault::Proof))?;
            self.hold_for_key(token, &verified, &key, now)?;
        }
        principal.renew(&verified, self.withheld_from(&verified), now);
        Ok(verified)
    }

    fn known(&self, verified: &VerifiedCredential) -> Result<Arc<User>, Denial> {
        self.directory.user(&verified.user).ok_or(Denial::Token(TokenFault::User))
    }

    /// When a token was issued, as exactly as possible.
    ///
    /// `iat` counts whole seconds. An own token is not older than its session, whose start is known
    /// to the millisecond. So a login directly after a revocation is accepted.
    fn issued_unix_ms(&self, verified: &VerifiedCredential) -> i64 {
        let session = verified.session.as_deref().filter(|_| verified.own);
        let session = session.and_then(|name| SessionId::parse(name).ok());
        let opened = session.and_then(|id| self.directory.session(&id));
        let opened = opened.filter(|session| session.user == verified.user);
        let issued_ms = verified.issued_unix_s.saturating_mul(1000);
        opened.map_or(issued_ms, |session| issued_ms.max(session.authenticated_unix_ms()))
    }

    fn check_revocations(&self, verified: &VerifiedCredential) -> Result<(), Denial> {
        let is_valid =
            CredentialMarks::new(verified).are_valid(self.directory.authority(), &self.tokens);
        if is_valid { Ok(()) } else { Err(Denial::Token(TokenFault::Revoked)) }
    }

    /// The session of an own token; it must be active. Other issuers check their own sessions.
    fn session_of(
        &self,
        verified: &VerifiedCredential,
        now: Now,
    ) -> Result<Option<Arc<Session>>, Denial> {
        if !verified.own {
            return Ok(None);
        }
        let named = verified.session.as_deref().and_then(|name| SessionId::parse(name).ok());
        let session = named.and_then(|id| self.directory.session(&id));
        match session {
            Some(session) if session.is_live(now) && session.user == verified.user => {
                // The user has authenticated again: earlier tokens may be copies.
                if session.has_replaced(verified.login.generation) {
                    return Err(Denial::Token(TokenFault::Revoked));
                }
                Ok(Some(session))
            }
            Some(_) | None => Err(Denial::Token(TokenFault::Session)),
        }
    }
}

fn check(
    user: &User,
    verified: &VerifiedCredential,
    issued_unix_ms: i64,
    now: Now,
) -> Result<(), TokenFault> {
    if user.is_barred(now) {
        return Err(TokenFault::User);
    }
    // A token of another issuer from the second of the revocation is rejected.
    if issued_unix_ms < user.valid_after_unix_ms() {
        return Err(TokenFault::Revoked);
    }
    if now.unix_s() >= verified.expires_unix_s {
        return Err(TokenFault::Expired);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::directory::sessions::session::SessionFacts;
    use portcullis_model::{Role, Roles, UserId};
    use serde_json::json;

    use super::*;
    use crate::authentication::credentials::credential::Credential;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::directory::user::UserFacts;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;
    use crate::tokens::forge::*;

    fn ann() -> UserFacts {
        UserFacts::new(UserId::parse("ann").unwrap(), String::from("Ann"))
    }

    fn session(id: &str) -> SessionFacts {
        SessionFacts {
            id: SessionId::parse(id).unwrap(),
            user: ann().id,
            authenticated_unix_ms: NOW_S * 1000,
            ends_unix_ms: (NOW_S + 100_000) * 1000,
            generation: 0,
            key: None,
        }
    }

    fn gate() -> Gate {
        let options = GateOptions {
            hosts: vec!["myapp.com".into()],
            origins: vec!["https://myapp.com".into()],
            issuers: issuers(),
            rate_keys_max: 1024,
            connections_per_user: 2,
            ..GateOptions::default()
        };
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        directory.put_user(ann());
        directory.put_session(session("s1"));
        Gate::build(options, directory).unwrap()
    }

    fn after(seconds: i64) -> Now {
        Now { unix_ms: now().unix_ms + seconds * 1000, ..now() }
    }

    fn verified(gate: &Gate) -> VerifiedCredential {
        let token = own(&own_header(), &own_claims());
        gate.verify(Credential::Bearer(&token), None, now()).unwrap()
    }

    #[test]
    fn token_in_payload_or_header_becomes_a_principal() {
        let gate = gate();
        let token = own(&own_header(), &own_claims());
        let payload = json!({"token": token}).to_string();
        for credential in [
            Credential::Payload(Some(&payload)),
            Credential::Bearer(&token),
            Credential::Both { bearer: &token, payload: Some(&payload) },
        ] {
            let verified = gate.verify(credential, None, now()).unwrap();
            let principal = gate.authenticate(verified, now()).unwrap();
            assert_eq!(principal.user().id.as_str(), "ann");
            assert_eq!(
                (principal.session(), principal.expires_unix_s()),
                (Some("s1"), NOW_S + 600)
            );
            assert_eq!(principal.is_current(now()), Ok(()));
        }
        let missing = gate.verify(Credential::Payload(None), None, now());
        assert_eq!(missing, Err(Denial::Token(TokenFault::Missing)));
    }

    #[test]
    fn t_055_tokens_of_removed_or_banned_users_are_rejected() {
        let cases = [
            (None, Ok(())),
            (Some(UserFacts { valid_after_unix_ms: NOW_S * 1000, ..ann() }), Ok(())),
            (
                Some(UserFacts { valid_after_unix_ms: NOW_S * 1000 + 1, ..ann() }),
                Err(Denial::Token(TokenFault::Revoked)),
            ),
            (Some(UserFacts { disabled: true, ..ann() }), Err(Denial::Token(TokenFault::User))),
        ];
        for (change, expect) in cases {
            let gate = gate();
            let verified = verified(&gate);
            if let Some(facts) = change {
                gate.directory().put_user(facts);
            }
            assert_eq!(gate.identify(&verified, now()).map(|_| ()), expect);
            assert_eq!(gate.authenticate(verified, now()).map(|_| ()), expect);
        }
        let gate = gate();
        let unknown_user = own(&own_header(), &with(own_claims(), json!({"sub": "bob"})));
        let verified = gate.verify(Credential::Bearer(&unknown_user), None, now()).unwrap();
        let outcome = gate.authenticate(verified, now()).map(|_| ());
        assert_eq!(outcome, Err(Denial::Token(TokenFault::User)));
    }

    #[test]
    fn t_083_slots_belong_to_the_user_and_are_returned() {
        // Logged in again in the second of the revocation, and after it.
        let gate = gate();
        gate.directory().put_user(UserFacts { valid_after_unix_ms: NOW_S * 1000 + 1, ..ann() });
        let authenticated_unix_ms = NOW_S * 1000 + 1;
        gate.directory().put_session(SessionFacts { authenticated_unix_ms, ..session("s1") });
        assert!(gate.authenticate(verified(&gate), now()).is_ok());
        let gate = super::tests::gate();
        let open = || gate.authenticate(verified(&gate), now());
        let (first, second) = (open().unwrap(), open().unwrap());
        assert_eq!(open().map(|_| ()), Err(Denial::UserConnections));
        drop(first);
        let third = open().unwrap();
        assert_eq!(gate.directory().user(&third.user().id).unwrap().connections(), 2);
        drop((second, third));
        assert_eq!(gate.directory().user(&ann().id).unwrap().connections(), 0);
    }

    #[test]
    fn t_057_t_066_open_sessions_see_changes_at_once() {
        type Case = (Option<UserFacts>, i64, Result<(), Denial>);
        let admin = Roles::user().with(Role::Admin);
        let cases: [Case; 6] = [
            (None, 599, Ok(())),
            (None, 600, Err(Denial::SessionEnded("expired"))),
            // A changed role is in force, and the session continues.
            (Some(UserFacts { roles: admin, ..ann() }), 0, Ok(())),
            (Some(UserFacts { name: "Anna".into(), ..ann() }), 0, Ok(())),
            (Some(UserFacts { disabled: true, ..ann() }), 0, Err(Denial::SessionEnded("barred"))),
            (
                Some(UserFacts { valid_after_unix_ms: 1, ..ann() }),
                0,
                Err(Denial::SessionEnded("revoked")),
            ),
        ];
        for (change, seconds, expect) in cases {
            let gate = gate();
            let principal = gate.authenticate(verified(&gate), now()).unwrap();
            if let Some(facts) = change.clone() {
                gate.directory().put_user(facts);
            }
            assert_eq!(principal.is_current(after(seconds)), expect, "{change:?}");
            let roles = change.map_or(ann().roles, |facts| facts.roles);
            assert_eq!(principal.user().roles(), roles);
        }
        let gate = gate();
        let principal = gate.authenticate(verified(&gate), now()).unwrap();
        gate.directory().put_user(UserFacts { disabled: true, ..ann() });
        gate.directory().put_user(ann());
        assert_eq!(
            principal.is_current(now()),
            Err(Denial::SessionEnded("revoked")),
            "ended is ended"
        );
    }

    #[test]
    fn session_is_renewed_only_by_its_own_tokens() {
        let gate = gate();
        let bob = UserId::parse("bob").unwrap();
        gate.directory().put_user(UserFacts { id: bob.clone(), ..ann() });
        gate.directory().put_session(session("s2"));
        gate.directory().put_session(SessionFacts { user: bob, ..session("s3") });
        let principal = gate.authenticate(verified(&gate), now()).unwrap();
        let renew = |change, seconds| {
            let fresh = json!({"iat": NOW_S + seconds, "exp": NOW_S + seconds + 600});
            let token = own(&own_header(), &with(with(own_claims(), fresh), change));
            gate.renew(&principal, &token, after(seconds)).map(|_| ())
        };
        assert_eq!(renew(json!({}), 300), Ok(()));
        assert_eq!(principal.expires_unix_s(), NOW_S + 900);
        assert_eq!(renew(json!({"sid": "s2"}), 400), Err(Denial::Token(TokenFault::Claims)));
        assert_eq!(renew(json!({"sub": "bob", "sid": "s3"}), 400), Err(Denial::ForeignToken));
        let unknown = renew(json!({"sub": "eve", "sid": "s3"}), 400);
        assert_eq!(unknown, Err(Denial::ForeignToken), "also for an unknown user");
        assert_eq!(renew(json!({}), 900), Err(Denial::SessionEnded("expired")), "too late");
        assert_eq!(principal.expires_unix_s(), NOW_S + 900);
    }

    #[test]
    fn t_068_token_from_before_a_step_up_ends_after_the_handover() {
        let gate = gate();
        let (shown, principal) =
            (verified(&gate), gate.authenticate(verified(&gate), now()).unwrap());
        let ticket = gate.authentication.issue_ticket(&shown, None, now()).unwrap();
        let stepped = SessionFacts {
            authenticated_unix_ms: after(1).unix_ms,
            generation: 1,
            ..session("s1")
        };
        gate.directory().put_session(stepped);
        let revoked = Some(Denial::Token(TokenFault::Revoked));
        assert_eq!(gate.identify(&shown, after(1)).err(), revoked);
        assert_eq!(gate.authenticate(shown, after(1)).err(), revoked);
        let redeemed = gate.verify(Credential::Bearer(&ticket), None, after(1)).unwrap();
        assert_eq!(gate.authenticate(redeemed, after(1)).err(), revoked, "a ticket of it");
        // Its connection continues until the client has sent the new token.
        assert!(principal.is_replaced());
        assert_eq!(principal.expires_unix_s(), NOW_S + 66);
        assert_eq!(principal.is_current(after(65)), Ok(()));
        assert_eq!(principal.authenticated_unix_s(), None, "nothing was proved with it");
        assert_eq!(principal.is_current(after(66)), Err(Denial::SessionEnded("replaced")));

        let newer = |generation| {
            let more = json!({"gen": generation, "auth_time": NOW_S + 1});
            own(&own_header(), &with(own_claims(), more))
        };
        for generation in [json!(0), json!(null), json!("1"), json!(-1), json!([1])] {
            let outcome = gate.renew(&principal, &newer(generation.clone()), after(2)).err();
            assert_eq!(outcome, revoked, "{generation}");
        }
        gate.renew(&principal, &newer(json!(1)), after(2)).unwrap();
        assert_eq!(principal.is_current(after(599)), Ok(()));
        assert_eq!(principal.authenticated_unix_s(), Some(NOW_S + 1));
    }

    #[test]
    fn ticket_of_a_token_with_many_roles_keeps_the_known_ones() {
        let gate = gate();
        let mut names: Vec<_> = (0..300).map(|number| format!("role-{number}")).collect();
        names.push(String::from("moderator"));
        let many = VerifiedCredential { roles: Some(names), ..verified(&gate) };
        let ticket = gate.authentication.issue_ticket(&many, None, now()).unwrap();
        assert!(ticket.len() < 1_024, "{}", ticket.len());
        let shown = gate.verify(Credential::Bearer(&ticket), None, now()).unwrap();
        assert_eq!(shown.roles, Some(vec![String::from("moderator")]));
    }

    #[test]
    fn ten_violations_in_a_minute_end_a_connection() {
        let gate = gate();
        let caller = crate::Caller::new(gate.authenticate(verified(&gate), now()).unwrap(), "n");
        let strikes: Vec<_> = (0..10).map(|_| caller.count_violation(now())).collect();
        assert_eq!(strikes.iter().position(|used| *used), Some(9));
    }
}
