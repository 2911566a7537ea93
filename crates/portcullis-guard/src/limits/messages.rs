//! Counts events and bytes: by connection, user, address prefix and in all.
//! Never: a bucket that is left out because another one is used up.

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::limits::attempt::Attempt;
use crate::limits::connection_usage::ConnectionUsage;
use crate::limits::limiter::Limiter;
use crate::tables::rate::Rate;

impl Limiter {
    /// Takes one event from every bucket, also when an earlier one is used up: none is a shelter.
    /// `event` is the event, if it is declared, and its rate of its own.
    pub(crate) fn take_events(
        &self,
        user: &UserId,
        usage: &ConnectionUsage,
        event: Option<(&str, Option<Rate>)>,
        now: Now,
    ) -> Result<(), Denial> {
        let outcome = self.count_event(user, usage, event, now);
        self.note(now, outcome, || {
            let rate = |rate: Rate| format!("{}/{}ms", rate.count, rate.period_ms);
            let event = event.map(|(name, own)| (String::from(name), own.map(rate)));
            let (client, connection) = usage.source();
            Attempt::Event { client, connection, user: user.to_string(), event }
        })
    }

    pub(crate) fn count_event(
        &self,
        user: &UserId,
        usage: &ConnectionUsage,
        event: Option<(&str, Option<Rate>)>,
        now: Now,
    ) -> Result<(), Denial> {
        let policy = self.policy();
        let options = &policy.options;
        let connection = usage.messages.take(&options.message_per_connection, now);
        let key = self.rates.key(user);
        let user_outcome =
            self.rates.take(Limit::MessagePerUser, key, &self.message_per_user(), now);
        let rate = &options.message_per_prefix;
        let prefix = usage
            .of_prefix(rate, |key, rate| self.rates.take(Limit::MessagePerPrefix, key, rate, now));
        let total = self.rates.take(Limit::MessageTotal, 0, &options.message_total, now);
        let event = match event {
            Some((name, Some(rate))) => {
                let key = self.event_key(user, name, &rate);
                self.take_of_user(Limit::EventPerUser, &rate, key, now)
            }
            Some((_, None)) | None => Ok(()),
        };
        self.judged(Limit::MessagePerConnection, connection)
            .and(self.judged(Limit::MessagePerUser, user_outcome))
            .and(self.judged(Limit::MessagePerPrefix, prefix))
            .and(self.judged(Limit::MessageTotal, total))
            .and(event)
    }

    /// Counts bytes that a signed-in connection has received.
    ///
    /// # Errors
    /// [`Denial::Limit`] with the time for which the connection must not be read.
    pub(crate) fn take_bytes(
        &self,
        user: &UserId,
        usage: &ConnectionUsage,
        bytes: usize,
        now: Now,
    ) -> Result<(), Denial> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let outcome = self.count_bytes(user, usage, bytes, now);
        self.note(now, outcome, || {
            let (client, connection) = usage.source();
            Attempt::Bytes { client, connection, user: user.to_string(), bytes }
        })
    }

    pub(crate) fn count_bytes(
        &self,
        user: &UserId,
        usage: &ConnectionUsage,
        many: u32,
        now: Now,
    ) -> Result<(), Denial> {
        let policy = self.policy();
        let options = &policy.options;
        let connection = usage.bytes.spend(&options.bytes_per_connection, now, many);
        let key = self.rates.key(user);
        let user_outcome =
            self.rates.spend(Limit::BytesPerUser, key, &options.bytes_per_user, many, now);
        let rate = &options.bytes_per_prefix;
        let prefix = usage.of_prefix(rate, |key, rate| {
            self.rates.spend(Limit::BytesPerPrefix, key, rate, many, now)
        });
        let total = self.rates.spend(Limit::BytesTotal, 0, &options.bytes_total, many, now);
        self.judged(Limit::BytesPerConnection, connection)
            .and(self.judged(Limit::BytesPerUser, user_outcome))
            .and(self.judged(Limit::BytesPerPrefix, prefix))
            .and(self.judged(Limit::BytesTotal, total))
    }
}
