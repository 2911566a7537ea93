//! What an admitted socket or request counts toward.
//! Never: a limit that two clients behind one address use up for each other.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::admission::admission_token::AdmissionClaims;
use crate::admission::admit::Admission;
use crate::limits::address::{self, SITE_FACTOR};
use crate::limits::attempt::{Attempt, RequestFrom};
use crate::limits::capacity::Class;
use crate::limits::rate_table::Refused;

impl Admission {
    /// Whoever shows that a user logged in there lately is not kept out for its neighbours.
    pub(crate) fn count_socket(
        &self,
        client: IpAddr,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> Result<Class, Denial> {
        let class = self.class_of_socket(admission, now);
        let outcome = self.limits.check_shed(class).and_then(|()| match class {
            Class::Stranger => {
                self.limits.check_penalty(client, now)?;
                let rate = &self.options.connect_per_prefix;
                self.limits.take_in_turn(Limit::ConnectPerPrefix, rate, client, now)
            }
            Class::Known | Class::Admin => {
                let rate = &self.options.connect_known_per_prefix;
                self.limits.take_in_turn(Limit::ConnectKnownPerPrefix, rate, client, now)
            }
        });
        let admission = admission.map(AdmissionClaims::traced);
        self.limits.note(now, outcome.map(|()| class), || Attempt::Connect { client, admission })
    }

    /// What all may connect, once there is a place.
    pub(crate) fn count_place(&self, class: Class, now: Now) -> Result<(), Denial> {
        match class {
            Class::Stranger => {
                self.limits.take_of_all(Limit::ConnectTotal, &self.limits.connect_total(), now)
            }
            Class::Known => self.limits.take_known(now),
            Class::Admin => Ok(()),
        }
    }

    /// Whoever shows that a user logged in there lately is counted by that, and neither kept out
    /// nor used up by what neighbours behind the same address do.
    pub(crate) fn count_request(
        &self,
        client: IpAddr,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> Result<Class, Denial> {
        let class = self.class_of_request(admission, now);
        let outcome = self.limits.check_shed_request(class).and_then(|()| match class {
            Class::Stranger => self.take_request(client, now),
            Class::Known | Class::Admin => Ok(()),
        });
        let admission = admission.map(AdmissionClaims::traced);
        let from = RequestFrom::Client;
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
        self.limits
            .note(now, outcome, || Attempt::Again { client, user: whose.map(UserId::to_string) })
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
    ) -> Result<Class, Denial> {
        match self.class_of_request(admission, now) {
            Class::Stranger => self.count_anywhere(client, now).map(|()| Class::Stranger),
            class @ (Class::Known | Class::Admin) => {
                let outcome = self.limits.check_shed_request(class).map(|()| class);
                let admission = admission.map(AdmissionClaims::traced);
                let from = RequestFrom::Client;
                self.limits.note(now, outcome, || Attempt::Request { client, admission, from })
            }
        }
    }

    /// Counts a request that shows no admission, and that any page may have caused.
    pub(crate) fn count_anywhere(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let outcome = self.limits.check_shed_request(Class::Stranger).and_then(|()| {
            self.limits.check_blocked(client, now)?;
            let limit = Limit::RequestPerPrefix;
            let rate = self.options.request_per_prefix;
            let (narrow, wide) = address::prefixes(client);
            let take = |prefix, rate| {
                let key = self.limits.rates.key(("unattributed", prefix));
                self.limits.judged(
                    limit,
                    self.limits.rates.take_prefix(limit, key, &rate, Refused::Free, now),
                )
            };
            take(narrow, rate)?;
            wide.map_or(Ok(()), |wide| take(wide, rate.times(SITE_FACTOR)))
        });
        let from = RequestFrom::Anywhere;
        self.limits.note(now, outcome, || Attempt::Request { client, admission: None, from })
    }

    /// Counts a violation: of the user, where one is signed in, otherwise of the address.
    ///
    /// A violation never counts for both, and never for one of the operator's proxies: such a
    /// request came without the address of a client.
    pub fn violated(&self, client: Option<IpAddr>, user: Option<&UserId>, now: Now) {
        let client = client.filter(|client| !self.is_proxy(*client));
        self.limits.violated(client, user, now);
    }
}
