//! Counts events and bytes: by connection, user, address prefix and in all.
//! Never: a bucket that is left out because another one is used up.

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::limits::attempt::Attempt;
use crate::limits::connection_usage::ConnectionUsage;
use crate::limits::limiter::Limiter;
use crate::tables::rate::Rate;

impl Limiter {
    /// Takes one event from every bucket, also when an earlier one is used up: none is a shelter.
    /// `named` is the event, if it is declared, and its rate of its own.
    pub(crate) fn take_events(
        &self,
        user: &UserId,
        amounts: &ConnectionUsage,
        named: Option<(&str, Option<Rate>)>,
        now: Now,
    ) -> Result<(), Denial> {
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
        amounts: &ConnectionUsage,
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
    pub(crate) fn take_bytes(
        &self,
        user: &UserId,
        amounts: &ConnectionUsage,
        bytes: usize,
        now: Now,
    ) -> Result<(), Denial> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let outcome = self.count_bytes(user, amounts, bytes, now);
        self.note(now, outcome, || {
            let (client, connection) = amounts.whence();
            Attempt::Bytes { client, connection, user: user.to_string(), bytes }
        })
    }

    pub(crate) fn count_bytes(
        &self,
        user: &UserId,
        amounts: &ConnectionUsage,
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
}
