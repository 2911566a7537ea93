//! Checks of credentials within the budget of one connection.
//! Never: a signature check that the budget does not count.

use portcullis_model::{Denial, Now, UserId};

use crate::admission::handshake::AdmittedRequest;
use crate::authentication::authenticate::Authentication;
use crate::authentication::credentials::credential::{self, Credential};
use crate::authentication::credentials::ticket::TICKET_PREFIX;
use crate::authentication::principal::Principal;
use crate::limits::packets::PacketBudget;
use crate::tokens::token::VerifiedCredential;

impl Authentication {
    /// The user of a credential that this connection has shown before; costs one hash.
    #[must_use]
    pub fn repeated_user(
        &self,
        budget: &PacketBudget,
        credential: Credential<'_>,
        now: Now,
    ) -> Option<UserId> {
        budget.user_of(credential::presented_token(credential)?, now)
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
    ) -> Result<VerifiedCredential, Denial> {
        // Nothing on a socket proves a key, so only a ticket opens it where tokens need a proof.
        let token = credential::presented(credential)?.token();
        if self.policy.load().options.proof_required && token.is_some() {
            return Err(Denial::TicketNeeded);
        }
        let is_first = budget.is_unused();
        self.limits.count_connection_signature(budget, now)?;
        let verified = self.verify(credential, origin, now)?;
        if let (false, Some(token)) = (is_first, token) {
            budget.remember(token, &verified.user, verified.expires_unix_s);
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
        admitted: &AdmittedRequest,
        now: Now,
    ) -> Result<Option<UserId>, Denial> {
        // A ticket is not checked here.
        let shown = admitted.bearer.as_ref().map(|bearer| bearer.expose().as_str());
        let shown = shown.filter(|bearer| !bearer.starts_with(TICKET_PREFIX));
        if let Some(bearer) = shown {
            if let Some(user) = self.repeated_user(budget, Credential::Bearer(bearer), now) {
                return Ok(Some(user));
            }
            self.limits.count_connection_signature(budget, now)?;
        }
        let verified = self.precheck(admitted, now)?;
        if let (Some(bearer), Some(verified)) = (shown, &verified) {
            budget.remember(bearer, &verified.user, verified.expires_unix_s);
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
    ) -> Result<VerifiedCredential, Denial> {
        self.limits.count_connection_signature(budget, now)?;
        let verified = self.renew(principal, token, now)?;
        // The earlier token is no longer the connection's token.
        budget.clear_token();
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_model::Limit;
    use serde_json::json;

    use super::*;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;
    use crate::tables::rate::Rate;
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
        let open = || gate.limits.packet_budget();
        let packets = |budget: &PacketBudget, user: Option<&UserId>, many: usize| {
            let packet = |_| limit_of(gate.limits.count_namespace_packet(budget, user, now()));
            (0..many).map(packet).collect::<Vec<_>>()
        };
        let (first, second, third) = (open(), open(), open());
        let per_connection = Some(Limit::NamespacePerConnection);
        assert_eq!(packets(&first, None, 4), [None, None, None, per_connection]);
        assert_eq!(packets(&second, Some(&ann), 4), [None, None, None, per_connection]);
        assert_eq!(gate.limits.count_first_namespace_packet(&ann, now()), Ok(()));
        let per_user = Some(Limit::NamespacePerUser);
        assert_eq!(packets(&third, Some(&ann), 2), [None, per_user]);
        assert_eq!(packets(&open(), Some(&bob), 3), [None; 3], "another user");
    }

    #[test]
    fn honest_client_stays_within_the_default_limits() {
        let gate = gate(GateOptions::default());
        let (ann, budget) = (user("ann"), gate.limits.packet_budget());
        // Eight namespaces, mounted twice by a development build, and reconnected twice.
        for _ in 0..8 * 3 + 2 * 8 * 2 {
            assert_eq!(gate.limits.count_namespace_packet(&budget, Some(&ann), now()), Ok(()));
        }
        // Five tabs that mount twice.
        for budget in [(); 4].map(|()| gate.limits.packet_budget()) {
            for _ in 0..8 * 3 {
                assert_eq!(gate.limits.count_namespace_packet(&budget, Some(&ann), now()), Ok(()));
            }
        }
    }

    #[test]
    fn repeated_token_needs_no_signature_check() {
        let gate = gate(GateOptions {
            signature_per_connection: Rate::per(3, 60_000),
            ..GateOptions::default()
        });
        let budget = gate.limits.packet_budget();
        let token = own(&own_header(), &own_claims());
        let payload = json!({ "token": token }).to_string();
        let shown = Credential::Payload(Some(&payload));
        assert_eq!(gate.authentication.repeated_user(&budget, shown, now()), None);
        for _ in 0..2 {
            assert!(gate.authentication.verify_on(&budget, shown, None, now()).is_ok());
        }
        for _ in 0..100 {
            assert_eq!(gate.authentication.repeated_user(&budget, shown, now()), Some(user("ann")));
        }
        let expired = Now { unix_ms: (NOW_S + 600) * 1000, ..now() };
        assert_eq!(gate.authentication.repeated_user(&budget, shown, expired), None);
        let other = own(&own_header(), &with(own_claims(), json!({ "jti": "other" })));
        let other = json!({ "token": other }).to_string();
        let other = Credential::Payload(Some(&other));
        assert_eq!(gate.authentication.repeated_user(&budget, other, now()), None);
        assert!(gate.authentication.verify_on(&budget, other, None, now()).is_ok());
        let over = gate.authentication.verify_on(&budget, other, None, now());
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
        let budget = gate.limits.packet_budget();
        assert!(gate.verify(shown, None, now()).is_ok());
        assert!(gate.authentication.verify_on(&budget, shown, None, now()).is_ok());
        assert!(
            gate.authentication.verify_on(&gate.limits.packet_budget(), shown, None, now()).is_ok()
        );
        let over = limit_of(gate.verify(shown, None, now()));
        assert_eq!(over, Some(Limit::SignaturePerUser));
        // An unverified token names no user, so that it counts toward no user's limits.
        let forged = format!("{}x", &token[..token.len() - 1]);
        let forged = gate.verify(Credential::Bearer(&forged), None, now());
        assert!(matches!(forged, Err(Denial::Token(_))), "{forged:?}");
    }
}
