//! The operator's limits in use: taken, or only observed; explained, and lifted.
//! Never: a limit that refuses without a name.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::authentication::principal::Caller;
use crate::gate::Gate;
use crate::gate_options::GateOptions;
use crate::limits::address::{self, SITE_FACTOR};
use crate::limits::attempt::Attempt;
use crate::limits::capacity::{Class, ConnectionSlot, HttpSeat};
use crate::limits::rate::{Gcra, Rate};
use crate::limits::rates::TableUse;

/// The buckets of a connection's address, found once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lanes {
    narrow: u64,
    wide: Option<u64>,
    client: Option<IpAddr>,
    /// Numbered since the start, for traces.
    connection: u64,
}

/// What the guards remember of one connection's amounts: no lock, no table.
#[derive(Debug, Default)]
pub(crate) struct Amounts {
    pub(crate) messages: Gcra,
    bytes: Gcra,
    lanes: Option<Lanes>,
}

impl Amounts {
    pub(crate) fn of(lanes: Lanes) -> Self {
        Self { lanes: Some(lanes), ..Self::default() }
    }

    /// The address and the number of the connection.
    fn whence(&self) -> (Option<IpAddr>, u64) {
        self.lanes.map_or((None, 0), |lanes| (lanes.client, lanes.connection))
    }

    /// Asks the buckets of the address, the narrow one first; one that is unknown has none.
    fn of_prefix(
        &self,
        rate: &Rate,
        ask: impl Fn(u64, &Rate) -> Result<(), u64>,
    ) -> Result<(), u64> {
        let Some(Lanes { narrow, wide, .. }) = self.lanes else { return Ok(()) };
        ask(narrow, rate)?;
        wide.map_or(Ok(()), |wide| ask(wide, &rate.times(SITE_FACTOR)))
    }
}

impl GateOptions {
    /// Every rate there is, by its limit; [`GateOptions::event_per_user`] stands apart.
    #[must_use]
    pub fn rates(&self) -> Vec<(Limit, Rate)> {
        vec![
            (Limit::ConnectPerPrefix, self.connect_per_prefix),
            (Limit::ConnectKnownPerPrefix, self.connect_known_per_prefix),
            (Limit::ConnectTotal, self.connect_total),
            (Limit::TlsPerPrefix, self.tls_per_prefix),
            (Limit::TlsTotal, self.tls_total),
            (Limit::RequestPerPrefix, self.request_per_prefix),
            (Limit::LoginPerPrefix, self.login_per_prefix),
            (Limit::LoginPerUser, self.login_per_user),
            (Limit::LoginFailedPerUser, self.login_failed_per_user),
            (Limit::CodeFailedPerUser, self.code_failed_per_user),
            (Limit::LoginTotal, self.login_total),
            (Limit::TicketPerUser, self.ticket_per_user),
            (Limit::MessagePerConnection, self.message_per_connection),
            (Limit::MessagePerUser, self.message_per_user),
            (Limit::MessagePerPrefix, self.message_per_prefix),
            (Limit::MessageTotal, self.message_total),
            (Limit::BytesPerConnection, self.bytes_per_connection),
            (Limit::BytesPerUser, self.bytes_per_user),
            (Limit::BytesPerPrefix, self.bytes_per_prefix),
            (Limit::BytesTotal, self.bytes_total),
            (Limit::NamespacePerConnection, self.namespace_per_connection),
            (Limit::NamespacePerUser, self.namespace_per_user),
            (Limit::SignaturePerConnection, self.signature_per_connection),
            (Limit::SignaturePerUser, self.signature_per_user),
            (Limit::PenaltyPerPrefix, self.penalty_per_prefix),
            (Limit::PenaltyPerUser, self.penalty_per_user),
        ]
    }
}

impl Gate {
    /// What a limit has to say, unless it is only observed.
    pub(crate) fn judged(&self, limit: Limit, outcome: Result<(), u64>) -> Result<(), Denial> {
        match outcome {
            Err(retry_after_ms) if !self.observed.lets_pass(limit) => {
                Err(Denial::Limit { limit, retry_after_ms: retry_after_ms.max(1) })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(crate) fn take_of_prefix(
        &self,
        limit: Limit,
        rate: &Rate,
        client: IpAddr,
        now: Now,
    ) -> Result<(), Denial> {
        self.judged(limit, address::take(&self.rates, limit, client, rate, now))
    }

    /// As [`Gate::take_of_prefix`]; a rejection tells how long it takes until all have passed that
    /// were rejected before.
    pub(crate) fn take_in_turn(
        &self,
        limit: Limit,
        rate: &Rate,
        client: IpAddr,
        now: Now,
    ) -> Result<(), Denial> {
        let taken = address::take(&self.rates, limit, client, rate, now);
        let (narrow, _) = address::prefixes(client);
        let turn = taken.map_err(|wait_ms| {
            let before_ms = self.rates.queue(limit, self.rates.key(narrow), rate, now);
            wait_ms.saturating_add(before_ms).min(rate.period_ms)
        });
        self.judged(limit, turn)
    }

    pub(crate) fn take_of_all(&self, limit: Limit, rate: &Rate, now: Now) -> Result<(), Denial> {
        self.judged(limit, self.rates.take(limit, 0, rate, now))
    }

    pub(crate) fn take_of_user(
        &self,
        limit: Limit,
        rate: &Rate,
        key: u64,
        now: Now,
    ) -> Result<(), Denial> {
        self.judged(limit, self.rates.take(limit, key, rate, now))
    }

    /// A seat for an accepted TCP connection, before anything of it is read.
    ///
    /// # Errors
    /// [`Denial::Limit`] when its address holds as many as it may.
    pub fn accept(&self, client: IpAddr) -> Result<HttpSeat, Denial> {
        let seat = self.capacity.seat(client, |limit| self.observed.lets_pass(limit));
        seat.map_err(|limit| Denial::Limit { limit, retry_after_ms: 0 })
    }

    pub(crate) fn reserve(&self, client: IpAddr, class: Class) -> Result<ConnectionSlot, Denial> {
        let observed = |limit| self.observed.lets_pass(limit);
        let slot = self.capacity.reserve(client, class, self.pre_auth_max(), observed);
        slot.map_err(|limit| Denial::Limit { limit, retry_after_ms: 0 })
    }

    /// Whether the address is kept out for what it did.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn check_penalty(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let blocked = self.check_blocked(client, now);
        if blocked.is_err() {
            // Going on with it makes it longer.
            let (narrow, _) = address::prefixes(client);
            let (limit, rate) = (Limit::PenaltyPerPrefix, &self.options.penalty_per_prefix);
            self.rates.fault(limit, self.rates.key(narrow), rate, self.options.penalty, now);
        }
        blocked
    }

    /// The same for what another site's page may have caused, which makes nothing longer.
    pub(crate) fn check_blocked(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let (limit, rate) = (Limit::PenaltyPerPrefix, &self.options.penalty_per_prefix);
        let (narrow, _) = address::prefixes(client);
        self.judged(limit, self.rates.kept_out(limit, self.rates.key(narrow), rate, now))
    }

    /// Whether the user is kept out for what they did.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn check_user_penalty(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let limit = Limit::PenaltyPerUser;
        let key = self.rates.key(user);
        let outcome = self.rates.kept_out(limit, key, &self.options.penalty_per_user, now);
        self.judged(limit, outcome)
    }

    /// Counts a violation: of the user, where one is signed in, otherwise of the address.
    ///
    /// Never both: who shares an address with somebody has not done what they did. And never of a
    /// proxy of the operator's: what comes by it without a client's address is nobody's.
    pub fn violated(&self, client: Option<IpAddr>, user: Option<&UserId>, now: Now) {
        let client = client.filter(|client| !self.is_proxy(*client));
        self.note_done(now, || Attempt::Fault {
            client: client.filter(|_| user.is_none()),
            user: user.map(UserId::to_string),
        });
        let (options, rates) = (&self.options, &self.rates);
        match (user, client) {
            (Some(user), _) => {
                let (limit, rate) = (Limit::PenaltyPerUser, &options.penalty_per_user);
                rates.fault(limit, rates.key(user), rate, options.penalty, now);
            }
            (None, Some(client)) => {
                let (limit, rate) = (Limit::PenaltyPerPrefix, &options.penalty_per_prefix);
                let (narrow, _) = address::prefixes(client);
                rates.fault(limit, rates.key(narrow), rate, options.penalty, now);
            }
            (None, None) => {}
        }
    }

    /// The buckets of an address, for a connection's life.
    #[must_use]
    pub fn lanes(&self, client: IpAddr) -> Lanes {
        let (narrow, wide) = address::prefixes(client);
        Lanes {
            narrow: self.rates.key(narrow),
            wide: wide.map(|wide| self.rates.key(wide)),
            client: Some(client),
            connection: self.next_connection(),
        }
    }

    /// Takes one event from every bucket, also when an earlier one is used up: none is a shelter.
    /// `named` is the event, if it is declared, and its rate of its own.
    pub(crate) fn take_events(
        &self,
        caller: &Caller,
        named: Option<(&str, Option<Rate>)>,
        now: Now,
    ) -> Result<(), Denial> {
        let (user, amounts) = (&caller.principal.user().id, &caller.amounts);
        let outcome = self.count_event(user, amounts, named, now);
        self.note(now, outcome, || {
            let rate = |rate: Rate| format!("{}/{}ms", rate.count, rate.period_ms);
            let event = named.map(|(name, own)| (String::from(name), own.map(rate)));
            let (client, connection) = amounts.whence();
            Attempt::Event { client, connection, user: user.to_string(), event }
        })
    }

    pub(crate) fn count_event(
        &self,
        user: &UserId,
        amounts: &Amounts,
        named: Option<(&str, Option<Rate>)>,
        now: Now,
    ) -> Result<(), Denial> {
        let options = &self.options;
        let connection = amounts.messages.take(&options.message_per_connection, now);
        let key = self.rates.key(user);
        let of_user = self.rates.take(Limit::MessagePerUser, key, &self.message_per_user(), now);
        let rate = &options.message_per_prefix;
        let prefix = amounts
            .of_prefix(rate, |key, rate| self.rates.take(Limit::MessagePerPrefix, key, rate, now));
        let total = self.rates.take(Limit::MessageTotal, 0, &options.message_total, now);
        let event = match named {
            Some((name, Some(rate))) => {
                let key = self.rates.key((user, name));
                self.take_of_user(Limit::EventPerUser, &rate, key, now)
            }
            Some((_, None)) | None => Ok(()),
        };
        self.judged(Limit::MessagePerConnection, connection)
            .and(self.judged(Limit::MessagePerUser, of_user))
            .and(self.judged(Limit::MessagePerPrefix, prefix))
            .and(self.judged(Limit::MessageTotal, total))
            .and(event)
    }

    /// Counts bytes that have arrived of a signed-in connection.
    ///
    /// # Errors
    /// [`Denial::Limit`] with the time for which nothing more may be read; these have been.
    pub fn received(&self, caller: &Caller, bytes: usize, now: Now) -> Result<(), Denial> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (user, amounts) = (&caller.principal.user().id, &caller.amounts);
        let outcome = self.count_bytes(user, amounts, bytes, now);
        self.note(now, outcome, || {
            let (client, connection) = amounts.whence();
            Attempt::Bytes { client, connection, user: user.to_string(), bytes }
        })
    }

    pub(crate) fn count_bytes(
        &self,
        user: &UserId,
        amounts: &Amounts,
        many: u32,
        now: Now,
    ) -> Result<(), Denial> {
        let options = &self.options;
        let connection = amounts.bytes.spend(&options.bytes_per_connection, now, many);
        let key = self.rates.key(user);
        let of_user =
            self.rates.spend(Limit::BytesPerUser, key, &options.bytes_per_user, many, now);
        let rate = &options.bytes_per_prefix;
        let prefix = amounts.of_prefix(rate, |key, rate| {
            self.rates.spend(Limit::BytesPerPrefix, key, rate, many, now)
        });
        let total = self.rates.spend(Limit::BytesTotal, 0, &options.bytes_total, many, now);
        self.judged(Limit::BytesPerConnection, connection)
            .and(self.judged(Limit::BytesPerUser, of_user))
            .and(self.judged(Limit::BytesPerPrefix, prefix))
            .and(self.judged(Limit::BytesTotal, total))
    }

    /// How full the tables of buckets are.
    #[must_use]
    pub fn rate_tables(&self, now: Now) -> [TableUse; 3] {
        self.rates.tables(now)
    }
}
