//! Counts admitted sockets and requests toward their limits.
//! Never: a limit that clients behind one address use up for each other.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::admission::admission_token::AdmissionClaims;
use crate::admission::admit::Admission;
use crate::capacity::address::{self, SITE_FACTOR};
use crate::capacity::client_class::ClientClass;
use crate::limits::attempt::{Attempt, RequestCause};
use crate::tables::rate_table::RejectionCost;

impl Admission {
    /// Counts a new socket. Returning clients have a rate of their own, and are not blocked for
    /// clients behind the same address.
    pub(crate) fn count_socket(
        &self,
        client: IpAddr,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> Result<ClientClass, Denial> {
        let class = self.class_of_socket(admission, now);
        self.blocks.check(client, class, now)?;
        let outcome = self.limits.check_shed(class).and_then(|()| match class {
            ClientClass::Unauthenticated => {
                self.limits.check_penalty(client, now)?;
                let rate = &self.policy.load().options.connect_per_prefix;
                self.limits.take_in_turn(Limit::ConnectPerPrefix, rate, client, now)
            }
            ClientClass::Returning | ClientClass::Admin => {
                let rate = &self.policy.load().options.connect_known_per_prefix;
                self.limits.take_in_turn(Limit::ConnectKnownPerPrefix, rate, client, now)
            }
        });
        let admission = admission.map(AdmissionClaims::traced);
        self.limits.note(now, outcome.map(|()| class), || Attempt::Connect { client, admission })
    }

    /// Counts a socket that has a slot toward the rates of all connections.
    pub(crate) fn count_place(&self, class: ClientClass, now: Now) -> Result<(), Denial> {
        match class {
            ClientClass::Unauthenticated => {
                self.limits.take_of_all(Limit::ConnectTotal, &self.limits.connect_total(), now)
            }
            ClientClass::Returning => self.limits.take_returning(now),
            ClientClass::Admin => Ok(()),
        }
    }

    /// Counts a request. A returning client is counted by its token: clients behind the same
    /// address neither block it nor use up its rate.
    pub(crate) fn count_request(
        &self,
        client: IpAddr,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> Result<ClientClass, Denial> {
        let class = self.class_of_request(admission, now);
        self.blocks.check(client, class, now)?;
        let outcome = self.limits.check_shed_request(class).and_then(|()| match class {
            ClientClass::Unauthenticated => self.take_request(client, now),
            ClientClass::Returning | ClientClass::Admin => Ok(()),
        });
        let admission = admission.map(AdmissionClaims::traced);
        let from = RequestCause::Client;
        self.limits.note(now, outcome.map(|()| class), || Attempt::Request {
            client,
            admission,
            from,
        })
    }

    pub(crate) fn count_again(
        &self,
        client: IpAddr,
        user_id: Option<&UserId>,
        now: Now,
    ) -> Result<(), Denial> {
        let class = user_id.map_or(ClientClass::Unauthenticated, |_| ClientClass::Returning);
        self.blocks.check(client, class, now)?;
        let outcome = match user_id {
            None => self.take_request(client, now),
            Some(user_id) => {
                let (limit, key) =
                    (Limit::RequestPerPrefix, self.limits.rates.key(("again", user_id)));
                let rate = &self.policy.load().options.request_per_prefix;
                self.limits.judged(limit, self.limits.rates.take_own(limit, key, rate, now))
            }
        };
        self.limits.note(now, outcome, || Attempt::PollingRequest {
            client,
            user: user_id.map(UserId::to_string),
        })
    }

    fn take_request(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        self.limits.check_penalty(client, now)?;
        let rate = &self.policy.load().options.request_per_prefix;
        self.limits.take_of_prefix(Limit::RequestPerPrefix, rate, client, now)
    }

    /// Counts a request that a page of another site may have caused.
    ///
    /// Such requests have the usual rate and a separate count, so they never use up the rate of the
    /// visitor. A valid admission token is counted by its own rate: a page cannot forge one.
    pub(crate) fn count_unattributed(
        &self,
        client: IpAddr,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> Result<ClientClass, Denial> {
        match self.class_of_request(admission, now) {
            ClientClass::Unauthenticated => {
                self.count_anywhere(client, now).map(|()| ClientClass::Unauthenticated)
            }
            class @ (ClientClass::Returning | ClientClass::Admin) => {
                self.blocks.check(client, class, now)?;
                let outcome = self.limits.check_shed_request(class).map(|()| class);
                let admission = admission.map(AdmissionClaims::traced);
                let from = RequestCause::Client;
                self.limits.note(now, outcome, || Attempt::Request { client, admission, from })
            }
        }
    }

    /// Counts a request without an admission token that any page may have caused.
    pub(crate) fn count_anywhere(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        self.blocks.check(client, ClientClass::Unauthenticated, now)?;
        let outcome = self.limits.check_shed_request(ClientClass::Unauthenticated).and_then(|()| {
            self.limits.check_blocked(client, now)?;
            self.take_unattributed(client, now)
        });
        self.note_anywhere(client, outcome, now)
    }

    /// Counts a request of a certificate authority for the answer to a pending challenge.
    ///
    /// Only an authority knows the token. It sends few requests, from many networks, and the server
    /// needs the certificate most while it is attacked: neither blocks, nor penalties, nor the load
    /// level reject such a request.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn count_validation(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let outcome = self.take_unattributed(client, now);
        self.note_anywhere(client, outcome, now)
    }

    fn take_unattributed(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let limit = Limit::RequestPerPrefix;
        let rate = self.policy.load().options.request_per_prefix;
        let (narrow, wide) = address::prefixes(client);
        let take = |prefix, rate| {
            let key = self.limits.rates.key(("unattributed", prefix));
            self.limits.judged(
                limit,
                self.limits.rates.take_prefix(limit, key, &rate, RejectionCost::Free, now),
            )
        };
        take(narrow, rate)?;
        wide.map_or(Ok(()), |wide| take(wide, rate.times(SITE_FACTOR)))
    }

    fn note_anywhere(
        &self,
        client: IpAddr,
        outcome: Result<(), Denial>,
        now: Now,
    ) -> Result<(), Denial> {
        let from = RequestCause::Anywhere;
        self.limits.note(now, outcome, || Attempt::Request { client, admission: None, from })
    }

    /// Counts a violation: of the user, where one is signed in, otherwise of the address.
    ///
    /// A violation never counts for both, and never for one of the operator's proxies: such a
    /// request came without the address of a client.
    pub fn count_violation(&self, client: Option<IpAddr>, user_id: Option<&UserId>, now: Now) {
        let client = client.filter(|client| !self.is_proxy(*client));
        self.limits.count_violation(client, user_id, now);
    }
}
