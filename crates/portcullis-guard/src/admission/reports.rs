//! Reports of browsers about the policy of a page: which are admitted, and how many are recorded.
//! Never: a charge to a visitor, whose page or extension may cause any number of reports.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now};

use crate::admission::admit::Admission;
use crate::admission::handshake::Handshake;
use crate::authentication::credentials::credential;
use crate::capacity::address::{self, SITE_FACTOR};
use crate::capacity::client_class::ClientClass;
use crate::tables::rate::Rate;
use crate::tables::rate_table::RejectionCost;

/// Reports of an address prefix; a /48 may send eight times as many.
const REPORTS_PER_PREFIX: Rate = Rate::per(30, 60_000);
/// Reports of all clients.
const REPORTS_TOTAL: Rate = Rate::per(600, 60_000);

impl Admission {
    /// Admits a request with reports. It uses up no rate of its client, and its credentials are
    /// not read.
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects the request.
    pub fn admit_report(&self, request: &Handshake<'_>, now: Now) -> Result<(), Denial> {
        Self::check_source(self.source(request), request)?;
        self.limits.check_shed_request(ClientClass::Unauthenticated)?;
        self.limits.check_blocked(request.client, now)?;
        self.policy.load().hosts.check(request)?;
        credential::reject_in_query(request.query)
    }

    /// Counts one report; `false` when its network, or all clients together, have sent too many.
    ///
    /// The counts are apart from those of the operator's limits.
    pub fn count_report(&self, client: IpAddr, now: Now) -> bool {
        let rates = &self.limits.rates;
        let take = |key, rate| {
            let (limit, free) = (Limit::RequestPerPrefix, RejectionCost::Free);
            rates.take_prefix(limit, key, &rate, free, now).is_ok()
        };
        let (narrow, wide) = address::prefixes(client);
        let site = wide.map(|site| rates.key(("report", site)));
        take(rates.key(("report", narrow)), REPORTS_PER_PREFIX)
            && site.is_none_or(|key| take(key, REPORTS_PER_PREFIX.times(SITE_FACTOR)))
            && take(rates.key("reports"), REPORTS_TOTAL)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admission::handshake::Endpoint;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;

    fn gate() -> Gate {
        let options = GateOptions {
            hosts: vec!["myapp.com".into()],
            origins: vec!["https://myapp.com".into()],
            request_per_prefix: Rate::per(2, 60_000),
            rate_keys_max: 65_536,
            ..GateOptions::default()
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    #[test]
    fn t167_reports_are_limited_by_prefix_and_in_all() {
        let gate = gate();
        let at = |monotonic_ms| Now { monotonic_ms, unix_ms: 0 };
        let count = |client: IpAddr, attempts: usize, now| {
            (0..attempts).filter(|_| gate.admission().count_report(client, now)).count()
        };
        let client = |third, last| IpAddr::from([192, 0, third, last]);
        assert_eq!(count(client(2, 1), 1_000, at(0)), 30);
        assert_eq!(count(client(2, 2), 10, at(0)), 10, "other clients are unaffected");
        let all: usize = (0..200).map(|last| count(client(3, last), 100, at(0))).sum();
        assert_eq!(all, 600 - 40);
        assert_eq!(count(client(2, 1), 1_000, at(120_000)), 30, "the rate returns");
        let site = |network: u16| IpAddr::from([0x2001, 0xdb8, 1, network, 0, 0, 0, 1]);
        let of_site: usize = (0..50).map(|one| count(site(one), 30, at(300_000))).sum();
        assert_eq!(of_site, 240);
    }

    #[test]
    fn t167_report_uses_up_no_rate_and_is_rejected_from_other_sites() {
        let gate = gate();
        let client = IpAddr::from([192, 0, 2, 1]);
        let ask = |headers: &[(&str, &[u8])], query: &str| {
            let endpoint = Endpoint::Api;
            let request =
                Handshake { client, endpoint, method: "POST", query, authority: None, headers };
            gate.admission().admit_report(&request, Now::default())
        };
        let host = ("Host", b"myapp.com".as_slice());
        let same = ("Sec-Fetch-Site", b"same-origin".as_slice());
        let cookie = ("Cookie", b"a=b".as_slice());
        for _ in 0..100 {
            assert_eq!(ask(&[host, same, cookie], ""), Ok(()));
            assert_eq!(ask(&[host], ""), Ok(()));
        }
        let cross = ("Sec-Fetch-Site", b"cross-site".as_slice());
        let evil = ("Origin", b"https://evil.example".as_slice());
        assert_eq!(ask(&[host, cross], ""), Err(Denial::CrossSite));
        assert_eq!(ask(&[host, evil], ""), Err(Denial::OriginForbidden));
        assert_eq!(ask(&[("Host", b"evil.example")], ""), Err(Denial::Host));
        assert_eq!(ask(&[host, same], "token=x"), Err(Denial::TokenInUrl));
        let page = Handshake {
            client,
            endpoint: Endpoint::Page,
            method: "GET",
            query: "",
            authority: None,
            headers: &[host, same],
        };
        assert!(gate.admit(&page, Now::default()).is_ok(), "the visitor has its whole rate");
    }
}
