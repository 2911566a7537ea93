//! Declared events and their handlers, by name.
//! Never: a handler called without a permit.

use std::pin::Pin;

use portcullis_audit::{Outcome, Record, Subject};
use portcullis_guard::{
    Authorization, Caller, DeclaredEvent, Event, EventRequest, Findings, Gate, Permit, RawPermit,
    UntypedEvent,
};
use portcullis_model::{Code, Denial, Now, RoomId};

use crate::events::answer_memory::{AnswerKey, MidOutcome};
use crate::events::context::Context;
use crate::events::reply::Reply;

pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Result<Reply, Denial>>>>;

/// A declared event with its handler, independent of its payload type.
pub(crate) trait AnyEvent: Send + Sync {
    /// Authorizes the event and starts the handler with its permit.
    fn start(&self, call: EventCall<'_>) -> Result<HandlerFuture, Denial>;

    /// The number of binary attachments that a message may have.
    fn attachments_max(&self) -> usize;
}

/// The input of one event.
pub(crate) struct EventCall<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) caller: &'a Caller,
    pub(crate) request: &'a EventRequest<'a>,
    pub(crate) now: Now,
    pub(crate) context: Context,
    /// Set when the content of the message is rejected.
    pub(crate) room: &'a mut Option<RoomId>,
}

struct TypedEvent<E, H> {
    rule: DeclaredEvent<E>,
    handler: H,
}

impl<E, H, F> AnyEvent for TypedEvent<E, H>
where
    E: Event,
    DeclaredEvent<E>: Send + Sync,
    H: Fn(Permit<E>, Context) -> F + Send + Sync,
    F: Future<Output = Result<Reply, Denial>> + 'static,
{
    fn start(&self, call: EventCall<'_>) -> Result<HandlerFuture, Denial> {
        let permit = call.gate.permit(&self.rule, call.caller, call.request, call.now);
        let permit = permit.inspect_err(|denial| {
            if let Code::SpamDetected | Code::XssAttempt = denial.answer().event {
                *call.room = Authorization::room_of::<E>(call.request);
            }
        })?;
        let mut context = call.context;
        record_findings(permit.findings(), E::NAME, permit.room(), &context);
        context.covered.permit(permit.room());
        match begin_answer(&permit, &context)? {
            None => Ok(Box::pin((self.handler)(permit, context))),
            Some(MidOutcome::Copy(outcome)) => Ok(Box::pin(std::future::ready(outcome))),
            Some(MidOutcome::Run(running)) => {
                let future = (self.handler)(permit, context);
                Ok(Box::pin(async move {
                    let outcome = future.await;
                    running.finish(&outcome);
                    outcome
                }))
            }
        }
    }

    fn attachments_max(&self) -> usize {
        self.rule.attachments_max()
    }
}

/// Looks up the answer of an earlier copy; `None` for a message whose copies the product answers.
fn begin_answer<E: Event>(
    permit: &Permit<E>,
    context: &Context,
) -> Result<Option<MidOutcome>, Denial> {
    let Some(mid) = permit.mid().filter(|_| !E::STORES_MID) else { return Ok(None) };
    let (namespace, mid) = (context.namespace.clone(), mid.clone());
    let key = AnswerKey { namespace, event: E::NAME, mid };
    context.answers.begin(&permit.user().id, key, permit.digest(), context.now).map(Some)
}

/// Records the findings of content checks in an accepted text.
fn record_findings(
    findings: Findings,
    event: &'static str,
    room: Option<&RoomId>,
    context: &Context,
) {
    let malicious = findings.malicious.then_some((Code::XssAttempt, "markup", "recorded"));
    let spam = findings.spam.map(|rule| (Code::SpamDetected, "spam", rule));
    for (code, rule, reason) in malicious.into_iter().chain(spam) {
        let mut record = Record::new(code);
        record.outcome = Outcome::Success;
        record.rule = rule;
        record.reason = reason;
        record.client = Some(context.client);
        record.user = Some(context.user.id.clone());
        record.connection = Some(context.connection);
        // Most records of a flood are only counted: their texts are not built.
        let subject =
            Subject { object: Some(event), room: room.map(RoomId::as_str), ..Subject::default() };
        context.audit.record_with(record, &subject, context.now, |record| {
            record.event = Some(String::from(event));
            record.labels.extend(room.map(|room| ("room", room.to_string())));
        });
    }
}

struct RawEvent<H> {
    rule: UntypedEvent,
    handler: H,
}

impl<H, F> AnyEvent for RawEvent<H>
where
    H: Fn(RawPermit, Context) -> F + Send + Sync,
    F: Future<Output = Result<Reply, Denial>> + 'static,
{
    fn start(&self, call: EventCall<'_>) -> Result<HandlerFuture, Denial> {
        let permit = call.gate.permit_raw(&self.rule, call.caller, call.request, call.now)?;
        Ok(Box::pin((self.handler)(permit, call.context)))
    }

    fn attachments_max(&self) -> usize {
        self.rule.attachments_max()
    }
}

/// All declared events of one namespace.
#[derive(Default)]
pub(crate) struct EventTable {
    /// Sorted by name: for a few dozen names, a search is faster than a hash.
    events: Vec<(&'static str, Box<dyn AnyEvent>)>,
}

impl EventTable {
    pub(crate) fn insert<E, H, F>(&mut self, rule: DeclaredEvent<E>, handler: H)
    where
        E: Event,
        DeclaredEvent<E>: Send + Sync,
        H: Fn(Permit<E>, Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        self.add(E::NAME, Box::new(TypedEvent { rule, handler }));
    }

    pub(crate) fn insert_raw<H, F>(&mut self, name: &'static str, rule: UntypedEvent, handler: H)
    where
        H: Fn(RawPermit, Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        self.add(name, Box::new(RawEvent { rule, handler }));
    }

    /// The event with this name, and the declared name.
    pub(crate) fn find(&self, name: &str) -> Option<(&'static str, &dyn AnyEvent)> {
        let at = self.events.binary_search_by(|(declared, _)| (*declared).cmp(name)).ok()?;
        self.events.get(at).map(|(declared, event)| (*declared, &**event))
    }

    /// Adds an event; the gate declares each name once, so that names are unique.
    fn add(&mut self, name: &'static str, event: Box<dyn AnyEvent>) {
        let at = self.events.partition_point(|(declared, _)| *declared < name);
        self.events.insert(at, (name, event));
    }
}
