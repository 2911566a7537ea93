//! Door 2: a credential becomes a principal.
//! Never: an answer that tells why; every refusal of a token reads the same outside.

use std::sync::Arc;

use portcullis_model::{Denial, Now, TokenFault};

use crate::credential::{self, Credential};
use crate::directory_user::User;
use crate::gate::Gate;
use crate::principal::Principal;
use crate::token::Verified;

impl Gate {
    /// Believes a credential: where it stands, its shape, signature, claims.
    ///
    /// # Errors
    /// [`Denial::Token`] or [`Denial::TwoCredentials`].
    pub fn verify(&self, credential: Credential<'_>, now: Now) -> Result<Verified, Denial> {
        let token = credential::token(credential)?;
        self.tokens.believe(token, now).map_err(Denial::Token)
    }

    /// The user a believed token stands for: known, not disabled, not revoked.
    ///
    /// # Errors
    /// [`Denial::Token`].
    pub fn identify(&self, verified: &Verified, now: Now) -> Result<Arc<User>, Denial> {
        let user = self.known(verified)?;
        check(&user, verified, now).map_err(Denial::Token)?;
        Ok(user)
    }

    /// Makes a principal, who holds one of the user's connection slots.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::UserConnections`] when all slots are taken.
    pub fn authenticate(&self, verified: Verified, now: Now) -> Result<Principal, Denial> {
        let user = self.known(&verified)?;
        // The epoch is read first: a revocation while this runs makes the principal outdated.
        let epoch = user.sessions_epoch();
        check(&user, &verified, now).map_err(Denial::Token)?;
        let slot = user.connect(self.options.connections_per_user);
        let slot = slot.ok_or(Denial::UserConnections)?;
        Ok(Principal::new(slot, epoch, verified))
    }

    /// Prolongs an open session by a newer token of the same user and session.
    ///
    /// # Errors
    /// [`Denial::SessionEnded`] when the session is over, [`Denial::Token`] when the token is not
    /// believed or is another session's.
    pub fn renew(
        &self,
        principal: &Principal,
        verified: &Verified,
        now: Now,
    ) -> Result<(), Denial> {
        principal.is_current(now)?;
        let user = self.identify(verified, now)?;
        let same =
            user.id == principal.user().id && verified.session.as_deref() == principal.session();
        if !same {
            return Err(Denial::Token(TokenFault::Claims));
        }
        principal.renew(verified.expires_unix_s);
        Ok(())
    }

    fn known(&self, verified: &Verified) -> Result<Arc<User>, Denial> {
        self.directory.user(&verified.user).ok_or(Denial::Token(TokenFault::User))
    }
}

fn check(user: &User, verified: &Verified, now: Now) -> Result<(), TokenFault> {
    if user.is_disabled() {
        return Err(TokenFault::User);
    }
    // `iat` counts whole seconds: a token of the very second of the revocation is refused.
    if verified.issued_unix_s.saturating_mul(1000) < user.valid_after_unix_ms() {
        return Err(TokenFault::Revoked);
    }
    if now.unix_s() >= verified.expires_unix_s {
        return Err(TokenFault::Expired);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Role, Roles, UserId};
    use serde_json::json;

    use super::*;
    use crate::directory::{Directory, DirectoryLimits};
    use crate::directory_user::UserFacts;
    use crate::gate::GateOptions;
    use crate::token_forge::*;

    fn ann() -> UserFacts {
        UserFacts {
            id: UserId::parse("ann").unwrap(),
            name: String::from("Ann"),
            roles: Roles::user(),
            disabled: false,
            valid_after_unix_ms: 0,
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
        Gate::build(options, directory).unwrap()
    }

    fn after(seconds: i64) -> Now {
        Now { unix_ms: now().unix_ms + seconds * 1000, ..now() }
    }

    fn verified(gate: &Gate) -> Verified {
        let token = own(&own_header(), &own_claims());
        gate.verify(Credential::Bearer(&token), now()).unwrap()
    }

    #[test]
    fn a_token_in_the_payload_or_the_header_becomes_a_principal() {
        let gate = gate();
        let token = own(&own_header(), &own_claims());
        let payload = json!({"token": token}).to_string();
        for credential in [
            Credential::Payload(Some(&payload)),
            Credential::Bearer(&token),
            Credential::Both { bearer: &token, payload: Some(&payload) },
        ] {
            let verified = gate.verify(credential, now()).unwrap();
            let principal = gate.authenticate(verified, now()).unwrap();
            assert_eq!(principal.user().id.as_str(), "ann");
            assert_eq!(
                (principal.session(), principal.expires_unix_s()),
                (Some("s1"), NOW_S + 600)
            );
            assert_eq!(principal.is_current(now()), Ok(()));
        }
        let missing = gate.verify(Credential::Payload(None), now());
        assert_eq!(missing, Err(Denial::Token(TokenFault::Missing)));
    }

    #[test]
    fn t_055_tokens_of_users_who_are_gone_or_locked_out_and_revoked_ones() {
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
        let stranger = own(&own_header(), &with(own_claims(), json!({"sub": "bob"})));
        let verified = gate.verify(Credential::Bearer(&stranger), now()).unwrap();
        let outcome = gate.authenticate(verified, now()).map(|_| ());
        assert_eq!(outcome, Err(Denial::Token(TokenFault::User)));
    }

    #[test]
    fn t_083_slots_are_the_users_and_come_back() {
        let gate = gate();
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
            (None, 600, Err(Denial::SessionEnded)),
            // A changed role is in force, and the session goes on.
            (Some(UserFacts { roles: admin, ..ann() }), 0, Ok(())),
            (Some(UserFacts { name: "Anna".into(), ..ann() }), 0, Ok(())),
            (Some(UserFacts { disabled: true, ..ann() }), 0, Err(Denial::SessionEnded)),
            (Some(UserFacts { valid_after_unix_ms: 1, ..ann() }), 0, Err(Denial::SessionEnded)),
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
        assert_eq!(principal.is_current(now()), Err(Denial::SessionEnded), "ended is ended");
    }

    #[test]
    fn a_session_is_renewed_only_by_its_own_tokens() {
        let gate = gate();
        gate.directory().put_user(UserFacts { id: UserId::parse("bob").unwrap(), ..ann() });
        let principal = gate.authenticate(verified(&gate), now()).unwrap();
        let renew = |change, seconds| {
            let fresh = json!({"iat": NOW_S + seconds, "exp": NOW_S + seconds + 600});
            let token = own(&own_header(), &with(with(own_claims(), fresh), change));
            let verified = gate.verify(Credential::Bearer(&token), after(seconds))?;
            gate.renew(&principal, &verified, after(seconds))
        };
        assert_eq!(renew(json!({}), 300), Ok(()));
        assert_eq!(principal.expires_unix_s(), NOW_S + 900);
        let other = Err(Denial::Token(TokenFault::Claims));
        assert_eq!(renew(json!({"sid": "s2"}), 400), other);
        assert_eq!(renew(json!({"sub": "bob"}), 400), other);
        assert_eq!(renew(json!({}), 900), Err(Denial::SessionEnded), "too late");
        assert_eq!(principal.expires_unix_s(), NOW_S + 900);
    }

    #[test]
    fn ten_strikes_in_a_minute_end_a_connection() {
        let gate = gate();
        let caller = crate::Caller::new(gate.authenticate(verified(&gate), now()).unwrap());
        let strikes: Vec<_> = (0..10).map(|_| caller.strike(now())).collect();
        assert_eq!(strikes.iter().position(|used| *used), Some(9));
    }
}
