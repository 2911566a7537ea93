//! The third stage: a message becomes a permit, guard by guard, the cheapest first.
//! Never: input for a handler that did not pass here.

use std::sync::Arc;

use portcullis_model::{Denial, Now, RoomId};

use crate::authentication::principal::Caller;
use crate::authorization::event::{DeclaredEvent, Event, EventDeclaration, EventRow, Replay};
use crate::authorization::permit::Permit;
use crate::authorization::replay::{self, Envelope, SignatureInput};
use crate::authorization::request::{EventBody, EventRequest};
use crate::authorization::sealing::{self, PlainFields};
use crate::content::cleaner::CleanText;
use crate::directory::tables::Directory;
use crate::limits::limiter::Limiter;
use crate::payload::attachment;
use crate::payload::schema;
use crate::payload::sealed::FieldSealer;
use crate::policy::current::CurrentPolicy;
use crate::tables::rate::Rate;

/// The third stage: from a message to a permit.
pub struct Authorization {
    pub(crate) policy: Arc<CurrentPolicy>,
    pub(crate) limits: Arc<Limiter>,
    pub(crate) directory: Arc<Directory>,
    /// The declared events, as the program declares them.
    pub(crate) declared: Vec<EventDeclaration>,
    /// The keys for fields of events that are sealed.
    pub(crate) sealer: Option<Arc<dyn FieldSealer>>,
}

/// A message with a valid payload, before its sender is checked.
struct Read<'a, E> {
    payload: E,
    /// JSON text of the payload, as sent.
    text: &'a str,
    envelope: Envelope,
    unsealed: PlainFields,
}

/// The time since the login of a caller, in seconds, if its token says it.
fn login_age_s(caller: &Caller, now: Now) -> Option<i64> {
    caller.principal.authenticated_unix_s().map(|at| now.unix_s().saturating_sub(at))
}

/// Checks the age of the login; an unknown age is rejected.
fn check_login_age(max_age_s: u32, age_s: Option<i64>) -> Result<(), Denial> {
    match age_s {
        _ if max_age_s == 0 => Ok(()),
        Some(age_s) if age_s <= i64::from(max_age_s) => Ok(()),
        Some(_) | None => Err(Denial::ReauthRequired),
    }
}

impl Authorization {
    pub(crate) fn new(
        policy: &Arc<CurrentPolicy>,
        limits: &Arc<Limiter>,
        directory: &Arc<Directory>,
    ) -> Self {
        Self {
            declared: Vec::new(),
            sealer: None,
            limits: Arc::clone(limits),
            directory: Arc::clone(directory),
            policy: Arc::clone(policy),
        }
    }

    /// Cleans a text that does not come in an event, by the options in force.
    ///
    /// # Errors
    /// [`Denial::Schema`] with the field and the rule that the text breaks.
    pub fn clean_message(&self, field: &'static str, raw: &str) -> Result<CleanText, Denial> {
        self.policy.load().cleaner().message(field, raw)
    }

    /// Decides about one message; a rejected message counts too.
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it, in this order: size, rates, load, JSON,
    /// schema, session, replay, age of the log-in, access, content, sealing.
    pub fn permit<E: Event>(
        &self,
        rule: &DeclaredEvent<E>,
        caller: &Caller,
        ask: &EventRequest<'_>,
        now: Now,
    ) -> Result<Permit<E>, Denial> {
        // Loaded once: all guards of a message apply the same options.
        let policy = self.policy.load();
        let rule = policy.event(rule.index)?;
        let Read { mut payload, text, mut envelope, unsealed } =
            self.read::<E>(rule, caller, ask, now).inspect_err(|_| {
                replay::count_unread(&caller.unread);
            })?;
        caller.principal.is_current(now)?;
        replay::check_complete(rule.replay, &envelope)?;
        replay::check_sequence(envelope.seq, caller)?;
        if rule.replay == Replay::Signed {
            let signed = SignatureInput { namespace: ask.namespace, event: E::NAME, payload: text };
            replay::check_signature(&envelope, &signed, caller, now)?;
        }
        let login_age_s = login_age_s(caller, now);
        check_login_age(payload.login_max_age_s(), login_age_s)?;
        let user = caller.principal.user();
        rule.allowed.check_caller(&caller.principal, payload.room(), &self.directory)?;
        if E::RULE.speaks {
            user.check_not_muted(now)?;
        }
        let mut cleaner = policy.cleaner();
        payload.clean(&mut cleaner)?;
        let findings = cleaner.findings();
        self.seal_fields::<E>(&unsealed, ask, &user.id, payload.room())?;
        match rule.replay {
            Replay::None => envelope.mid = None,
            Replay::Mid | Replay::MidRequired | Replay::SeqMid | Replay::Signed => {
                envelope.add_digest(unsealed.digested(text), ask.attachments);
            }
        }
        caller.principal.touch(now);
        let attachments = ask.attachments.to_vec();
        let roles = caller.principal.roles();
        let anywhere = roles.meets(rule.allowed.anywhere);
        let room = rule.allowed.covers_room().then(|| payload.room().cloned()).flatten();
        let (user, lease) = (Arc::clone(user), caller.principal.lease());
        Ok(Permit {
            user,
            roles,
            lease,
            payload,
            envelope,
            attachments,
            anywhere,
            findings,
            room,
            login_age_s,
        })
    }

    /// The room of a message that was rejected for its content; reads the payload again.
    #[must_use]
    pub fn room_of<E: Event>(ask: &EventRequest<'_>) -> Option<RoomId> {
        let parts = ask.scan(E::RULE.fields).ok()?;
        let (payload, _unsealed) = read_payload::<E>(parts.payload).ok()?;
        payload.room().cloned()
    }

    /// The guards up to the one that reads the message's number.
    fn read<'a, E: Event>(
        &self,
        rule: &EventRow,
        caller: &Caller,
        ask: &EventRequest<'a>,
        now: Now,
    ) -> Result<Read<'a, E>, Denial> {
        // Counted before any rejection, so that malformed messages count too.
        let rate = self.take_rates::<E>(rule, caller, now);
        if ask.size_bytes > rule.size_max_bytes {
            return Err(Denial::PayloadTooLarge);
        }
        rate?;
        if !E::RULE.priority.holds_in(self.limits.load()) {
            return Err(Denial::Overloaded);
        }
        let parts = ask.scan(E::RULE.fields)?;
        if E::RULE.attachments_max > 0
            && let EventBody::Array(text) = ask.body
        {
            attachment::check_placeholders(text, ask.attachments.len())?;
        }
        let (payload, unsealed) = read_payload::<E>(parts.payload)?;
        let envelope = parts.envelope()?;
        Ok(Read { payload, text: parts.payload, envelope, unsealed })
    }

    /// Rejects an undeclared event. It counts toward the limits of all events; its name is not
    /// stored.
    #[must_use]
    pub fn reject_undeclared(&self, caller: &Caller, ask: &EventRequest<'_>, now: Now) -> Denial {
        replay::count_unread(&caller.unread);
        let checked = self.take_events(caller, None, now).and_then(|()| ask.check_packet());
        checked.err().unwrap_or(Denial::EventUnknown)
    }

    /// Counts an event of a caller; see [`Limiter`].
    pub(crate) fn take_events(
        &self,
        caller: &Caller,
        named: Option<(&str, Option<Rate>)>,
        now: Now,
    ) -> Result<(), Denial> {
        self.limits.take_events(&caller.principal.user().id, &caller.usage, named, now)
    }

    /// Counts bytes that a signed-in connection has received.
    ///
    /// # Errors
    /// [`Denial::Limit`] with the time for which the connection must not be read.
    pub fn count_received_bytes(
        &self,
        caller: &Caller,
        bytes: usize,
        now: Now,
    ) -> Result<(), Denial> {
        self.limits.take_bytes(&caller.principal.user().id, &caller.usage, bytes, now)
    }

    fn take_rates<E: Event>(
        &self,
        rule: &EventRow,
        caller: &Caller,
        now: Now,
    ) -> Result<(), Denial> {
        let taken = self.take_events(caller, Some((E::NAME, rule.rate)), now);
        if E::RULE.release { Ok(()) } else { taken }
    }
}

fn read_payload<E: Event>(text: &str) -> Result<(E, PlainFields), Denial> {
    if E::RULE.sealed.is_empty() {
        Ok((schema::read(text, E::RULE.fields)?, PlainFields::default()))
    } else {
        sealing::read(text, &E::RULE)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Limit, Mid, RoomId, UserId};
    use serde::Deserialize;

    use super::*;
    use crate::authentication::principal::SessionTimeouts;
    use crate::authorization::event::{Access, Rule};
    use crate::authorization::replay::LooseEnvelope;
    use crate::content::cleaner::{CleanText, Cleaner};
    use crate::directory::room::RoomFacts;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::directory::user::UserFacts;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;
    use crate::limits::connection_usage::ConnectionUsage;
    use crate::payload::field;
    use crate::tables::rate::Rate;
    use crate::tokens::token::VerifiedCredential;
    use portcullis_model::Visibility;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Send {
        #[serde(deserialize_with = "field::room_id")]
        room_id: RoomId,
        message: String,
        #[serde(skip)]
        clean: Option<CleanText>,
    }

    const RULE: Rule = Rule {
        fields: &["roomId", "message"],
        size_max_bytes: 400,
        rate: Some(Rate::per(10, 60_000)),
        access: Access::Member,
        replay: Replay::Mid,
        release: false,
        ..Rule::DEFAULT
    };

    impl Event for Send {
        const NAME: &'static str = "test:send";
        const RULE: Rule = RULE;

        fn room(&self) -> Option<&RoomId> {
            Some(&self.room_id)
        }

        fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
            self.clean = Some(cleaner.message("message", &self.message)?);
            Ok(())
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {}

    impl Event for List {
        const NAME: &'static str = "test:list";
        const RULE: Rule =
            Rule { fields: &[], rate: None, access: Access::User, replay: Replay::None, ..RULE };
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Leave {}

    impl Event for Leave {
        const NAME: &'static str = "test:leave";
        const RULE: Rule = Rule { fields: &[], access: Access::User, release: true, ..RULE };
    }

    /// An undeclared event.
    fn nothing() -> EventRequest<'static> {
        let body = EventBody::Array(r#"["nothing",{}]"#);
        EventRequest { namespace: "/", event: "nothing", body, size_bytes: 14, attachments: &[] }
    }

    struct World {
        gate: Gate,
        send: DeclaredEvent<Send>,
        list: DeclaredEvent<List>,
        leave: DeclaredEvent<Leave>,
    }

    /// One user, `ann`, a member of `in` and not of `out`.
    fn world() -> World {
        let directory = Directory::new(DirectoryLimits::default());
        let ann = UserId::parse("ann").unwrap();
        directory.put_user(UserFacts::new(ann.clone(), String::from("Ann")));
        for name in ["in", "out"] {
            let id = RoomId::parse(name).unwrap();
            let owner = UserId::parse("olga").unwrap();
            let name = String::from(name);
            directory.put_room(RoomFacts { id, name, owner, visibility: Visibility::Private });
        }
        assert!(directory.add_member(&RoomId::parse("in").unwrap(), &ann));
        let options = GateOptions {
            hosts: vec![String::from("chat.example")],
            origins: vec![String::from("https://chat.example")],
            session_timeouts: SessionTimeouts { idle_ms: u64::MAX, absolute_ms: u64::MAX },
            ..GateOptions::default()
        };
        let mut gate = Gate::build(options, Arc::new(directory)).unwrap();
        let (send, list) = (gate.declare("/").unwrap(), gate.declare("/").unwrap());
        let leave = gate.declare("/").unwrap();
        World { gate, send, list, leave }
    }

    fn at(second: i64) -> Now {
        Now { monotonic_ms: second.unsigned_abs() * 1000, unix_ms: second * 1000 }
    }

    impl World {
        /// A connection whose credential ends at the given second.
        fn connect(&self, expires_unix_s: i64) -> Caller {
            let user = UserId::parse("ann").unwrap();
            let verified = VerifiedCredential::for_tests(user, expires_unix_s);
            Caller::new(self.gate.authenticate(verified, at(1)).unwrap(), "nonce")
        }

        fn send(&self, caller: &Caller, text: &str, second: i64) -> Result<Permit<Send>, Denial> {
            let body = EventBody::Array(text);
            let ask = EventRequest {
                namespace: "/",
                event: "test:send",
                body,
                size_bytes: text.len(),
                attachments: &[],
            };
            self.gate.permit(&self.send, caller, &ask, at(second))
        }

        fn list(&self, caller: &Caller, text: &str, second: i64) -> Result<Permit<List>, Denial> {
            let body = EventBody::Array(text);
            let ask = EventRequest {
                namespace: "/",
                event: "test:list",
                body,
                size_bytes: text.len(),
                attachments: &[],
            };
            self.gate.permit(&self.list, caller, &ask, at(second))
        }

        fn leave(&self, caller: &Caller, second: i64) -> Result<Permit<Leave>, Denial> {
            let body = EventBody::Parts { payload: None, envelope: LooseEnvelope::default() };
            let ask = EventRequest {
                namespace: "/",
                event: "test:leave",
                body,
                size_bytes: 12,
                attachments: &[],
            };
            self.gate.permit(&self.leave, caller, &ask, at(second))
        }
    }

    const GOOD: &str = r#"["test:send",{"roomId":"in","message":"<b>hi</b>"}]"#;

    #[test]
    fn guards_run_in_order_of_cost() {
        let world = world();
        let outdated = world.connect(100);
        for _ in 0..100 {
            assert!(world.leave(&outdated, 60).is_ok());
        }
        let caller = world.connect(100_000);
        let first = r#"["test:send",{"roomId":"in","message":"a"},{"seq":1}]"#;
        assert!(world.send(&caller, first, 500).is_ok());
        // Each line corrects the fault of the line before it.
        let huge = format!("[{}", "x".repeat(500));
        let cases = [
            (&outdated, 60, huge.as_str(), "payload", "payload"),
            (&outdated, 60, "[x", "message_per_connection", "message_per_connection"),
            (&outdated, 1_000, "[x", "json", "grammar"),
            (&outdated, 1_000, r#"["other"]"#, "schema", "arguments"),
            (&outdated, 1_000, r#"["test:send",{"roomId":"in"},{"seq":"5"}]"#, "schema", "missing"),
            (
                &outdated,
                1_000,
                r#"["test:send",{"roomId":"out","message":"http://http://x"},{"seq":"5"}]"#,
                "schema",
                "type",
            ),
            (
                &outdated,
                1_000,
                r#"["test:send",{"roomId":"out","message":"http://http://x"},{"seq":5}]"#,
                "session",
                "expired",
            ),
            (
                &caller,
                3_000,
                r#"["test:send",{"roomId":"out","message":"http://http://x"},{"seq":1}]"#,
                "replay",
                "seq_repeated",
            ),
            (
                &caller,
                3_000,
                r#"["test:send",{"roomId":"out","message":"http://http://x"},{"seq":2}]"#,
                "access",
                "not_member",
            ),
            (
                &caller,
                3_000,
                r#"["test:send",{"roomId":"in","message":"http://http://x"},{"seq":3}]"#,
                "spam",
                "link_in_link",
            ),
        ];
        for (caller, second, text, rule, reason) in cases {
            let denial = world.send(caller, text, second).unwrap_err();
            assert_eq!((denial.answer().rule, denial.reason()), (rule, reason), "{text}");
        }
        let good = r#"["test:send",{"roomId":"in","message":"hi"},{"seq":4}]"#;
        assert!(world.send(&caller, good, 3_000).is_ok());
    }

    #[test]
    fn t_143_numbers_have_gaps_only_for_unread_messages() {
        let world = world();
        let caller = world.connect(10_000_000);
        let numbered =
            |seq: &str| format!(r#"["test:send",{{"roomId":"in","message":"a"}},{{"seq":{seq}}}]"#);
        let cases = [
            ("0", "seq_repeated"),
            ("2", "seq_gap"),
            ("1", "ok"),
            ("1", "seq_repeated"),
            ("3", "seq_gap"),
            ("2", "ok"),
            ("9007199254740991", "seq_gap"),
            ("9007199254740992", "number_range"),
            ("\"3\"", "type"),
            // Two were rejected before their number was read: they may have been 3 and 4.
            ("6", "seq_gap"),
            ("5", "ok"),
            ("4", "seq_repeated"),
            ("7", "seq_gap"),
        ];
        for (turn, (seq, expect)) in (0..).zip(cases) {
            let outcome = world.send(&caller, &numbered(seq), 100 * turn + 1);
            let seen = outcome.as_ref().map_or_else(|denial| denial.reason(), |_| "ok");
            assert_eq!(seen, expect, "{seq}");
        }
        assert_eq!((caller.replayed(), caller.replayed(), caller.replayed()), (false, false, true));
    }

    #[test]
    fn permit_carries_the_checked_values() {
        let world = world();
        let caller = world.connect(1_000);
        let permit = world.send(&caller, GOOD, 1).unwrap();
        assert_eq!(permit.user().id.as_str(), "ann");
        assert_eq!((permit.mid(), permit.digest()), (None, None));
        let clean = permit.into_payload().clean.unwrap();
        assert_eq!((clean.text.as_str(), clean.html.as_deref()), ("hi", Some("<b>hi</b>")));

        let payload = r#"{"roomId":"in","message":"hi"}"#;
        let text = format!(r#" [ "test:send" , {payload} , {{"mid":"m-1","seq":1}} ] "#);
        let (_, _, envelope) = world.send(&caller, &text, 1).unwrap().into_parts();
        assert_eq!(envelope.mid.as_ref().map(Mid::as_str), Some("m-1"));
        assert_eq!(envelope.seq, Some(1));

        // The plain form has the same result.
        let loose = LooseEnvelope { mid: Some("m-1"), seq: Some(2), ..LooseEnvelope::default() };
        let body = EventBody::Parts { payload: Some(payload), envelope: loose };
        let ask = EventRequest {
            namespace: "/",
            event: "test:send",
            body,
            size_bytes: 60,
            attachments: &[],
        };
        let permit = world.gate.permit(&world.send, &caller, &ask, at(1)).unwrap();
        assert!(permit.digest().is_some());
        assert_eq!((permit.mid(), permit.digest()), (envelope.mid.as_ref(), envelope.digest));
    }

    #[test]
    fn t_110_arguments_are_a_payload_and_an_envelope_at_most() {
        let world = world();
        let caller = world.connect(1_000);
        let cases = [
            (r#"["test:list"]"#, "ok"),
            (r#"["test:list",{}]"#, "ok"),
            (r#"["test:list",{},{}]"#, "ok"),
            (r#"["test:list",{},{"mid":"a"}]"#, "ok"),
            (r#"["test:list",{},{"mid":"a b"}]"#, "value"),
            (r#"["test:list",{},{},{}]"#, "arguments"),
            (r#"["test:list",null]"#, "ok"),
            (r#"["test:list", null , null ]"#, "ok"),
            (r#"["test:list",[]]"#, "object"),
            (r#"["test:list","null"]"#, "object"),
            (r#"["test:list",{},null]"#, "ok"),
            (r#"["test:list",{},null,null]"#, "arguments"),
            (r#"["test:list",{},[]]"#, "object"),
            (r#"["test:list",{"a":1}]"#, "unknown_field"),
            (r#"["test:send",{}]"#, "arguments"),
            (r#"["test\u003alist",{}]"#, "arguments"),
            (r#"[{},"test:list"]"#, "arguments"),
            (r#"{"test:list":{}}"#, "arguments"),
            ("[]", "arguments"),
        ];
        for (text, expect) in cases {
            let outcome = world.list(&caller, text, 1);
            let seen = outcome.as_ref().map_or_else(|denial| denial.reason(), |_| "ok");
            assert_eq!(seen, expect, "{text}");
            assert!(outcome.is_err() || outcome.is_ok_and(|permit| permit.mid().is_none()));
        }
    }

    fn rule(denial: Option<Denial>) -> &'static str {
        match denial {
            Some(Denial::Limit { limit, retry_after_ms }) => {
                assert!(retry_after_ms > 0);
                limit.name()
            }
            Some(other) => panic!("{other:?}"),
            None => "none",
        }
    }

    #[test]
    fn t_080_eleventh_is_rejected_and_malformed_ones_count() {
        let world = world();
        let caller = world.connect(1_000);
        for turn in 0..10 {
            let text = if turn % 2 == 0 { GOOD } else { "[not json" };
            assert_eq!(world.send(&caller, text, 1).is_ok(), turn % 2 == 0);
        }
        assert_eq!(rule(world.send(&caller, GOOD, 1).err()), "event_per_user");
        assert!(world.list(&caller, r#"["test:list"]"#, 1).is_ok(), "another event goes on");
        // T-081: another connection of the user has the same limit.
        let second = world.connect(1_000);
        assert_eq!(rule(world.send(&second, GOOD, 1).err()), "event_per_user");
        assert!(world.send(&second, GOOD, 7).is_ok());
    }

    #[test]
    fn event_with_a_longer_period_is_not_freed_by_one_of_the_same_name() {
        let world = world();
        let (ann, usage) = (UserId::parse("ann").unwrap(), ConnectionUsage::default());
        let send = |rate: Rate, second| {
            let event = Some(("export", Some(rate)));
            world.gate.limits().count_event(&ann, &usage, event, at(second))
        };
        let (hourly, quick) = (Rate::per(3, 3_600_000), Rate::per(3, 1_000));
        let passed = |rate, second| (0..10).filter(|_| send(rate, second).is_ok()).count();
        assert_eq!([passed(hourly, 1), passed(quick, 1), passed(hourly, 5)], [3, 3, 0]);
    }

    #[test]
    fn unlock_of_a_user_resets_the_rate_of_each_event() {
        let world = world();
        let caller = world.connect(1_000);
        let ann = caller.principal.user().id.clone();
        let limits = world.gate.limits();
        let events = || {
            let states = limits.explain_user(&ann, "Ann", at(1)).into_iter();
            let states = states.filter(|state| state.limit == Limit::EventPerUser);
            states.map(|state| (state.event, state.used, state.wait_ms > 0)).collect::<Vec<_>>()
        };
        assert_eq!(events(), [], "an unused rate is not listed");
        for _ in 0..10 {
            assert!(world.send(&caller, GOOD, 1).is_ok());
        }
        assert_eq!(rule(world.send(&caller, GOOD, 1).err()), "event_per_user");
        assert_eq!(events(), [(Some(String::from("test:send")), 10, true)]);
        limits.unlock_user(&ann, "Ann", at(1));
        assert_eq!(events(), []);
        assert!(world.send(&caller, GOOD, 1).is_ok());
    }

    #[test]
    fn t_081_all_events_of_a_user_share_a_limit() {
        let world = world();
        let callers: Vec<_> = (0..5).map(|_| world.connect(1_000)).collect();
        for turn in 0..100 {
            let caller = &callers[turn % 5];
            match turn % 3 {
                0 => assert_eq!(
                    world.gate.reject_undeclared(caller, &nothing(), at(1)),
                    Denial::EventUnknown
                ),
                1 => assert!(world.list(caller, "[not json", 1).is_err()),
                _ => assert!(world.leave(caller, 1).is_ok()),
            }
        }
        for caller in &callers {
            let list = world.list(caller, r#"["test:list"]"#, 1);
            assert_eq!(rule(list.err()), "message_per_user");
            assert_eq!(
                rule(Some(world.gate.reject_undeclared(caller, &nothing(), at(1)))),
                "message_per_user"
            );
            assert!(world.leave(caller, 1).is_ok(), "a release is never rejected for its rate");
        }
    }

    #[test]
    fn t_061_disabled_user_is_rejected_at_the_next_message() {
        let world = world();
        let caller = world.connect(1_000);
        assert!(world.send(&caller, GOOD, 1).is_ok());
        let facts = UserFacts::new(UserId::parse("ann").unwrap(), String::from("Ann"));
        world.gate.directory().put_user(UserFacts { disabled: true, ..facts });
        assert_eq!(world.send(&caller, GOOD, 1).err(), Some(Denial::SessionEnded("barred")));
    }
}
