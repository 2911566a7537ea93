//! The first stage: a connection or request is admitted or rejected.
//! Never: state that outlives a rejection; a dropped slot is free again.

use std::sync::Arc;

use portcullis_model::{Denial, Limit, Now, Secret, ShedKind, UserId};

use crate::admission::admission_token::{AdmissionTokens, fresh_key};
use crate::admission::handshake::{AdmittedRequest, Endpoint, Handshake};
use crate::admission::names::dashboard::Reach;
use crate::admission::source::Source;
use crate::authentication::credentials::credential::{self, AuthorizationHeader};
use crate::capacity::client_class::ClientClass;
use crate::directory::blocks::Blocks;
use crate::error::GateError;
use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::policy::current::{CurrentPolicy, Policy};

/// The first stage: which connections and requests are admitted.
pub struct Admission {
    pub(crate) policy: Arc<CurrentPolicy>,
    pub(crate) limits: Arc<Limiter>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) tokens: AdmissionTokens,
}

impl Admission {
    pub(crate) fn build(
        policy: &Arc<CurrentPolicy>,
        limits: &Arc<Limiter>,
        blocks: &Arc<Blocks>,
        token_key: Option<&Secret<[u8; 32]>>,
    ) -> Result<Self, GateError> {
        let tokens = match token_key {
            Some(key) => AdmissionTokens::new(key),
            None => AdmissionTokens::new(&fresh_key().ok_or(GateError::Randomness)?),
        };
        Ok(Self {
            tokens,
            limits: Arc::clone(limits),
            blocks: Arc::clone(blocks),
            policy: Arc::clone(policy),
        })
    }

    /// Admits or rejects a request; the cheapest guard runs first.
    ///
    /// A request that a page of another site has caused is rejected before it is counted
    /// ([`Source`]). A request that a later guard rejects is counted. A new socket has no slot
    /// yet: [`Admission::take_slot`] takes one.
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects the request.
    pub fn admit(&self, request: &Handshake<'_>, now: Now) -> Result<AdmittedRequest, Denial> {
        let client = request.client;
        let source = self.source(request);
        Self::check_source(source, request)?;
        let class = match (source, request.endpoint.is_socket()) {
            (Source::Attributable, true) => {
                self.count_socket(client, self.shown(request, now), now)?
            }
            (Source::Attributable, false) => {
                self.count_request(client, self.shown(request, now), now)?
            }
            (Source::Unmarked | Source::Navigation | Source::CrossSite, _) => {
                self.count_unattributed(client, self.shown(request, now), now)?
            }
        };
        let wanted_slot = request.endpoint.is_socket().then_some(class);
        Ok(AdmittedRequest { wanted_slot, ..self.check_head(request, class)? })
    }

    /// Takes the connection slot of an admitted socket; a rejection takes nothing.
    ///
    /// # Errors
    /// The [`Denial`] of the limit that is used up.
    pub fn take_slot(&self, admitted: &mut AdmittedRequest, now: Now) -> Result<(), Denial> {
        let Some(class) = admitted.wanted_slot else { return Ok(()) };
        // A block or the load may have changed while the client waited for a slot.
        self.blocks.check(admitted.client, class, now)?;
        self.limits.check_shed(class)?;
        let slot = self.limits.reserve(admitted.client, class)?;
        let outcome = self.count_place(class, now);
        let attempt = || Attempt::Slot { class };
        match std::mem::replace(&mut admitted.was_tried, true) {
            false => self.limits.note(now, outcome, attempt),
            true => self.limits.note_again(now, outcome, attempt),
        }?;
        admitted.slot = Some(slot);
        admitted.wanted_slot = None;
        Ok(())
    }

    /// Whether a later call of [`Admission::take_slot`] may succeed after this denial.
    #[must_use]
    pub fn may_succeed_later(denial: &Denial) -> bool {
        match denial {
            Denial::Limit { limit, .. } => {
                matches!(limit, Limit::ConnectTotal | Limit::PreAuthTotal | Limit::ConnectionsTotal)
            }
            Denial::Shed(what) => *what == ShedKind::ReturningConnection,
            _ => false,
        }
    }

    /// Admits a further request of a long-polling session.
    ///
    /// All guards run except the slot, which the session already holds. It counts as a request, not
    /// as a connection: toward `user`, who is signed in on the session, otherwise toward the
    /// address.
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects the request.
    pub fn admit_again(
        &self,
        request: &Handshake<'_>,
        user: Option<&UserId>,
        now: Now,
    ) -> Result<AdmittedRequest, Denial> {
        let client = request.client;
        Self::check_source(self.source(request), request)?;
        self.count_again(client, user, now)?;
        self.check_head(request, ClientClass::Unauthenticated)
    }

    /// The parts of the server that exist for a request. Its host is checked later.
    #[must_use]
    pub fn reach(&self, request: &Handshake<'_>) -> Reach {
        self.policy.load().dashboard.reach(request)
    }

    /// The guards that read the head of a request, once it is counted. The request wants no slot.
    fn check_head(
        &self,
        request: &Handshake<'_>,
        class: ClientClass,
    ) -> Result<AdmittedRequest, Denial> {
        let policy = self.policy.load();
        policy.hosts.check(request)?;
        let cookies = credential::cookies(request);
        let origin = policy.origins_for(request).check(request, cookies)?;
        check_offered(&policy, request.endpoint)?;
        credential::reject_in_query(request.query)?;
        let AuthorizationHeader { bearer, bound, proof } = credential::authorization(request)?;
        Ok(AdmittedRequest {
            client: request.client,
            class,
            reach: policy.dashboard.reach(request),
            origin,
            bearer,
            bound,
            proof,
            cookies,
            wanted_slot: None,
            was_tried: false,
            slot: None,
        })
    }
}

fn check_offered(policy: &Policy, endpoint: Endpoint) -> Result<(), Denial> {
    match endpoint {
        Endpoint::PollingIo if !policy.options.polling => Err(Denial::PollingOff),
        Endpoint::PollingIo
        | Endpoint::SocketIo
        | Endpoint::Plain
        | Endpoint::Page
        | Endpoint::Api => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use portcullis_model::TokenFault;

    use super::*;
    use crate::capacity::pools::CapacityOptions;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;
    use crate::tables::rate::Rate;

    const HOST: (&str, &[u8]) = ("Host", b"myapp.com");
    const ORIGIN: (&str, &[u8]) = ("Origin", b"https://myapp.com");

    fn gate(options: GateOptions) -> Gate {
        let options = GateOptions {
            hosts: vec!["myapp.com".into()],
            origins: vec!["https://myapp.com".into()],
            rate_keys_max: 4096,
            ..options
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    fn request<'a>(endpoint: Endpoint, headers: &'a [(&'a str, &'a [u8])]) -> Handshake<'a> {
        let client = IpAddr::from([192, 0, 2, 1]);
        Handshake { client, endpoint, method: "GET", query: "", authority: None, headers }
    }

    /// Admits a request and takes its slot.
    fn enter(gate: &Gate, request: &Handshake<'_>) -> Result<AdmittedRequest, Denial> {
        let mut admitted = gate.admit(request, Now::default())?;
        gate.take_slot(&mut admitted, Now::default())?;
        Ok(admitted)
    }

    fn rejection(gate: &Gate, request: &Handshake<'_>) -> Option<&'static str> {
        enter(gate, request).err().map(|denial| denial.answer().rule)
    }

    /// The first request has every fault; each corrected fault shows the next guard.
    #[test]
    fn admission_guards_run_in_this_order() {
        let one = Rate::per(1, 1000);
        let options = GateOptions {
            connect_per_prefix: one,
            capacity: CapacityOptions { pre_auth: 1, ..CapacityOptions::default() },
            polling: false,
            ..GateOptions::default()
        };
        let gate = gate(options);
        let other = |last| IpAddr::from([198, 51, 100, last]);
        let held = enter(&gate, &request(Endpoint::SocketIo, &[HOST, ORIGIN])).unwrap();

        let bad: &[(&str, &[u8])] =
            &[("Host", b"evil.com"), ("Origin", b"https://evil.com"), ("Authorization", b"x")];
        let listed = &[bad[0], ORIGIN, bad[2]];
        let hosted = &[HOST, ORIGIN, bad[2]];
        let (query, endpoint) = ("token=x", Endpoint::PollingIo);
        let bad = Handshake { query, ..request(endpoint, bad) };
        let listed = Handshake { query, ..request(endpoint, listed) };
        let hosted = Handshake { query, ..request(endpoint, hosted) };

        let mut order = vec![rejection(&gate, &bad).unwrap(), rejection(&gate, &listed).unwrap()];
        let endpoint = Endpoint::SocketIo;
        let offered = Handshake { endpoint, ..hosted };
        let asks = [listed, hosted, offered, Handshake { query: "", ..offered }];
        for (request, last) in asks.into_iter().zip(1..) {
            order.push(rejection(&gate, &Handshake { client: other(last), ..request }).unwrap());
        }
        // Only a request that passes all of that takes a slot.
        let valid = Handshake { client: other(6), ..request(endpoint, &[HOST, ORIGIN]) };
        order.push(rejection(&gate, &valid).unwrap());
        drop(held);
        assert_eq!(rejection(&gate, &Handshake { client: other(7), ..valid }), None);
        let rules = [
            Denial::OriginForbidden,
            Denial::Limit { limit: Limit::ConnectPerPrefix, retry_after_ms: 1 },
            Denial::Host,
            Denial::PollingOff,
            Denial::TokenInUrl,
            Denial::Token(TokenFault::Shape),
            Denial::Limit { limit: Limit::PreAuthTotal, retry_after_ms: 0 },
        ];
        assert_eq!(order, rules.map(|denial| denial.answer().rule));
        assert_eq!(gate.limits.counts().pre_auth, 0, "a rejection holds nothing");
    }

    #[test]
    fn admitted_request_carries_the_values_read() {
        let gate = gate(GateOptions::default());
        let headers = [HOST, ORIGIN, ("cookie", b"a=b".as_slice()), ("authorization", b"Bearer t")];
        let mapped: IpAddr = "::ffff:192.0.2.9".parse().unwrap();
        for endpoint in [
            Endpoint::Page,
            Endpoint::Api,
            Endpoint::SocketIo,
            Endpoint::Plain,
            Endpoint::PollingIo,
        ] {
            let client = gate.client(mapped, &headers);
            let request = Handshake { client, ..request(endpoint, &headers) };
            let admitted = enter(&gate, &request).unwrap();
            assert_eq!(admitted.client, IpAddr::from([192, 0, 2, 9]));
            assert_eq!(admitted.origin.as_deref(), Some("https://myapp.com"));
            assert_eq!(admitted.bearer.as_ref().map(|token| token.expose().as_str()), Some("t"));
            assert_eq!(admitted.slot.is_some(), endpoint.is_socket());
            assert_eq!(gate.limits.counts().pre_auth, u32::from(endpoint.is_socket()));
        }
        assert_eq!(gate.limits.counts().pre_auth, 0);
    }

    #[test]
    fn t_070_t_073_rates_count_by_endpoint_and_address() {
        let options = GateOptions { request_per_prefix: Rate::per(3, 1000), ..Default::default() };
        let gate = gate(options);
        let passes = |endpoint, peer: u8, count: u8| {
            (0..count)
                .filter(|n| {
                    let forwarded = format!("203.0.113.{n}");
                    let spoofed: &[(&str, &[u8])] = &[
                        HOST,
                        ORIGIN,
                        ("X-Forwarded-For", forwarded.as_bytes()),
                        ("X-Real-IP", b"203.0.113.1"),
                        ("Forwarded", b"for=203.0.113.1"),
                    ];
                    let client = gate.client(IpAddr::from([192, 0, 2, peer]), spoofed);
                    gate.admit(&Handshake { client, ..request(endpoint, spoofed) }, Now::default())
                        .is_ok()
                })
                .count()
        };
        // Sockets share one bucket, pages and the API another.
        assert_eq!(passes(Endpoint::SocketIo, 1, 4), 4);
        assert_eq!(passes(Endpoint::Plain, 1, 4), 4);
        assert_eq!(passes(Endpoint::PollingIo, 1, 4), 2);
        assert_eq!(passes(Endpoint::Page, 1, 2), 2);
        assert_eq!(passes(Endpoint::Api, 1, 2), 1);
        assert_eq!(passes(Endpoint::SocketIo, 2, 11), 10, "other clients are unaffected");
    }

    #[test]
    fn rejected_slot_takes_no_space_and_may_succeed_later() {
        let gate = gate(GateOptions {
            connect_total: Rate::per(2, 1_000),
            capacity: CapacityOptions { pre_auth: 1, ..CapacityOptions::default() },
            ..GateOptions::default()
        });
        let from = |last| Handshake {
            client: IpAddr::from([192, 0, 2, last]),
            ..request(Endpoint::SocketIo, &[HOST, ORIGIN])
        };
        let first = enter(&gate, &from(1)).unwrap();
        let mut second = gate.admit(&from(2), Now::default()).unwrap();
        for _ in 0..10 {
            let full = gate.take_slot(&mut second, Now::default()).unwrap_err();
            assert_eq!(full, Denial::Limit { limit: Limit::PreAuthTotal, retry_after_ms: 0 });
            assert!(Admission::may_succeed_later(&full));
        }
        drop(first);
        // Ten rejections have used up nothing of the shared rate.
        gate.take_slot(&mut second, Now::default()).unwrap();
        assert!(second.wanted_slot.is_none() && second.slot.is_some());
        drop(second);
        let none_left = enter(&gate, &from(3)).unwrap_err();
        assert!(
            matches!(none_left, Denial::Limit { limit: Limit::ConnectTotal, .. }),
            "{none_left:?}"
        );
        assert!(Admission::may_succeed_later(&none_left));
        assert_eq!(gate.limits.counts().pre_auth, 0);
        for denial in
            [Denial::Host, Denial::Shed(ShedKind::UnauthenticatedConnection), Denial::Draining]
        {
            assert!(!Admission::may_succeed_later(&denial), "{denial:?}");
        }
    }

    #[test]
    fn rejected_attempts_count() {
        let gate = gate(GateOptions::default());
        let evil = request(Endpoint::SocketIo, &[("Host", b"evil.com"), ORIGIN]);
        for _ in 0..10 {
            assert_eq!(rejection(&gate, &evil), Some(Denial::Host.answer().rule));
        }
        let honest = gate.admit(&request(Endpoint::SocketIo, &[HOST, ORIGIN]), Now::default());
        assert!(matches!(honest, Err(Denial::Limit { .. })));
    }

    #[test]
    fn t_027_neighbours_do_not_block_a_returning_client() {
        let rate = Rate::per(5, 60_000);
        let gate = gate(GateOptions {
            request_per_prefix: rate,
            penalty_per_prefix: rate,
            ..GateOptions::default()
        });
        let ann = UserId::parse("ann").unwrap();
        let admission =
            gate.admission.make_token(&ann, portcullis_model::Roles::user(), Now::default());
        let again = |user| {
            let request =
                Handshake { query: "sid=a", ..request(Endpoint::PollingIo, &[HOST, ORIGIN]) };
            gate.admit_again(&request, user, Now::default()).map(drop)
        };
        let request = |shown: &str| {
            let headers: &[(&str, &[u8])] = &[HOST, ORIGIN, ("X-Admission", shown.as_bytes())];
            gate.admit(&request(Endpoint::Api, headers), Now::default()).map(drop)
        };
        let client = IpAddr::from([192, 0, 2, 1]);
        (0..50).for_each(|_| gate.admission.count_violation(Some(client), None, Now::default()));
        let is_blocked =
            |outcome| matches!(outcome, Err(Denial::Limit { limit: Limit::PenaltyPerPrefix, .. }));
        for _ in 0..20 {
            assert!(is_blocked(again(None)) && is_blocked(request("")));
        }
        // Each has the rate of an address, and no more.
        for _ in 0..5 {
            assert_eq!((again(Some(&ann)), request(&admission)), (Ok(()), Ok(())));
        }
        let limit = Limit::RequestPerPrefix;
        let over = again(Some(&ann));
        assert!(matches!(over, Err(Denial::Limit { limit: found, .. }) if found == limit));
        assert!(is_blocked(request(&admission)), "a token shown too often gives no class");
    }

    #[test]
    fn t_009_every_request_of_a_session_is_checked_again() {
        let gate = gate(GateOptions::default());
        let again = |headers: &[(&str, &[u8])], query| {
            let request = Handshake { query, ..request(Endpoint::PollingIo, headers) };
            gate.admit_again(&request, None, Now::default()).map(|admitted| admitted.slot.is_some())
        };
        let evil = ("Origin", b"https://evil.com".as_slice());
        let same = ("Sec-Fetch-Site", b"same-origin".as_slice());
        for _ in 0..20 {
            assert_eq!(again(&[HOST, ORIGIN], "sid=a"), Ok(false), "no connection is counted");
        }
        assert_eq!(again(&[HOST, same], "sid=a"), Ok(false));
        assert_eq!(again(&[HOST, evil], "sid=a"), Err(Denial::OriginForbidden));
        assert_eq!(again(&[HOST], "sid=a"), Err(Denial::OriginMissing));
        assert_eq!(again(&[ORIGIN], "sid=a"), Err(Denial::Host));
        assert_eq!(again(&[HOST, ORIGIN], "sid=a&token=b"), Err(Denial::TokenInUrl));
    }
}
