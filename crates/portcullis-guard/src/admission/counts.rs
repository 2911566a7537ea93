//! What an admitted socket or request counts toward.
//! Never: a limit that two clients behind one address use up for each other.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::admission::admission_token::AdmissionClaims;
use crate::admission::admit::Admission;
use crate::capacity::address::{self, SITE_FACTOR};
use crate::capacity::client_class::ClientClass;
use crate::limits::attempt::{Attempt, RequestCause};
use crate::tables::rate_table::RejectionCost;

impl Admission {
    /// Whoever shows that a user logged in there lately is not kept out for its neighbours.
    pub(crate) fn count_socket(
        &self,
        client: IpAddr,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> Result<ClientClass, Denial> {
        let class = self.class_of_socket(admission, now);
        let outcome = self.limits.check_shed(class).and_then(|()| match class {
            ClientClass::Unauthenticated => {
                self.limits.check_penalty(client, now)?;
                let rate = &self.options.connect_per_prefix;
                self.limits.take_in_turn(Limit::ConnectPerPrefix, rate, client, now)
            }
            ClientClass::Returning | ClientClass::Admin => {
                let rate = &self.options.connect_known_per_prefix;
                self.limits.take_in_turn(Limit::ConnectKnownPerPrefix, rate, client, now)
            }
        });
        let admission = admission.map(AdmissionClaims::traced);
        self.limits.note(now, outcome.map(|()| class), || Attempt::Connect { client, admission })
    }

    /// What all may connect, once there is a place.
    pub(crate) fn count_place(&self, class: ClientClass, now: Now) -> Result<(), Denial> {
        match class {
            ClientClass::Unauthenticated => {
                self.limits.take_of_all(Limit::ConnectTotal, &self.limits.connect_total(), now)
            }
            ClientClass::Returning => self.limits.take_returning(now),
            ClientClass::Admin => Ok(()),
        }
    }

    /// Whoever shows that a user logged in there lately is counted by that, and neither kept out
    /// nor used up by what neighbours behind the same address do.
    pub(crate) fn count_request(
        &self,
        client: IpAddr,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> Result<ClientClass, Denial> {
        let class = self.class_of_request(admission, now);
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
        whose: Option<&UserId>,
        now: Now,
    ) -> Result<(), Denial> {
        let outcome = match whose {
            None => self.take_request(client, now),
            Some(user) => {
                let (limit, key) =
                    (Limit::RequestPerPrefix, self.limits.rates.key(("again", user)));
                let rate = &self.options.request_per_prefix;
                self.limits.judged(limit, self.limits.rates.take_own(limit, key, rate, now))
            }
        };
        self.limits.note(now, outcome, || Attempt::PollingRequest {
            client,
            user: whose.map(UserId::to_string),
        })
    }

    fn take_request(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        self.limits.check_penalty(client, now)?;
        let rate = &self.options.request_per_prefix;
        self.limits.take_of_prefix(Limit::RequestPerPrefix, rate, client, now)
    }

    /// Counts a page or request that another site's page may have caused. Such requests have the
    /// same rate as others and a separate count: they never cause a rejection of the visitor's own
    /// requests, connections and logins.
    ///
    /// A valid admission is counted by its own rate: a page can show only one that it was given.
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
                let outcome = self.limits.check_shed_request(class).map(|()| class);
                let admission = admission.map(AdmissionClaims::traced);
                let from = RequestCause::Client;
                self.limits.note(now, outcome, || Attempt::Request { client, admission, from })
            }
        }
    }

    /// Counts a request that shows no admission, and that any page may have caused.
    pub(crate) fn count_anywhere(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let outcome = self.limits.check_shed_request(ClientClass::Unauthenticated).and_then(|()| {
            self.limits.check_blocked(client, now)?;
            let limit = Limit::RequestPerPrefix;
            let rate = self.options.request_per_prefix;
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
        });
        let from = RequestCause::Anywhere;
        self.limits.note(now, outcome, || Attempt::Request { client, admission: None, from })
    }

    /// Counts a violation: of the user, where one is signed in, otherwise of the address.
    ///
    /// A violation never counts for both, and never for one of the operator's proxies: such a
    /// request came without the address of a client.
    pub fn count_violation(&self, client: Option<IpAddr>, user: Option<&UserId>, now: Now) {
        let client = client.filter(|client| !self.is_proxy(*client));
        self.limits.count_violation(client, user, now);
    }
}
