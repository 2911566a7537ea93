//! The one task of a connection: write, finish the running act, read, end.
//! Never: waits for the peer once the connection ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_guard::{ConnectionSlot, Cookies, LoadState};
use portcullis_model::{Deadline, Denial, Namespace, Now, Secret};
use portcullis_wire::websocket::Decoder;

use crate::connect::job::Connecting;
use crate::connection::attachments::Awaiting;
use crate::connection::backlog::Backlog;
use crate::connection::state::{Connection, End};
use crate::delivery::hub::Handed;
use crate::events::event_table::HandlerFuture;
use crate::events::pipeline::AnswerTo;
use crate::refuse::{Refusal, Who, refuse};
use crate::shard::state::Shard;
use crate::websocket::control_rate::ControlRate;

/// Reads of one connection before others of the shard get a turn.
const READS_PER_TURN: usize = 8;

/// What runs for the connection; its next message waits until it is done.
pub(crate) enum Job {
    /// A handler.
    Event {
        /// The handler itself.
        future: HandlerFuture,
        /// Where its answer goes.
        answer: Box<AnswerTo>,
    },
    /// A CONNECT.
    Connect(Box<Connecting>),
    /// The client leaves a namespace, once it has what was emitted to it before.
    Leave(Namespace, Handed),
}

/// What is remembered until somebody is signed in, and not longer.
#[derive(Default)]
pub(crate) struct Before {
    /// The credential of the request that opened the connection.
    pub(crate) bearer: Option<Secret<String>>,
    /// The `id` of a plain connect that is being answered.
    pub(crate) plain_connect_id: Option<String>,
    /// Bytes that came so far.
    pub(crate) bytes: u64,
}

/// The task. Small, since there is one for each idle connection: what is rare is boxed.
pub(crate) struct ConnectionTask {
    pub(crate) shard: Rc<Shard>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) decoder: Decoder,
    pub(crate) slot: Option<ConnectionSlot>,
    pub(crate) before: Option<Box<Before>>,
    pub(crate) cookies: Cookies,
    /// Whether the credential cannot be shown again, so that further namespaces need none: it stood
    /// in the request, or was a ticket.
    pub(crate) shows_no_more: bool,
    /// A packet whose attachments are still to come.
    pub(crate) awaiting: Option<Box<Awaiting>>,
    pub(crate) job: Option<Job>,
    pub(crate) backlog: Option<Box<Backlog>>,
    /// Since when what is looked at now has waited for nothing but its turn.
    pub(crate) waits_since_ms: u64,
    /// When this connection last got on: an act ended in time, or a pause was over.
    pub(crate) progress_ms: u64,
    /// The peer has ended its side while an act ran.
    pub(crate) peer_ended: bool,
    pub(crate) control: ControlRate,
    pub(crate) lingered_bytes: usize,
    /// Turns this connection leaves to others.
    turns_left_to_others: u16,
}

impl ConnectionTask {
    pub(crate) fn new(
        shard: Rc<Shard>,
        connection: Rc<Connection>,
        slot: Option<ConnectionSlot>,
        bearer: Option<Secret<String>>,
        cookies: Cookies,
    ) -> Self {
        Self {
            shard,
            connection,
            decoder: Decoder::new(),
            slot,
            before: Some(Box::new(Before { bearer, ..Before::default() })),
            cookies,
            shows_no_more: false,
            awaiting: None,
            job: None,
            backlog: None,
            waits_since_ms: 0,
            progress_ms: 0,
            peer_ended: false,
            control: ControlRate::default(),
            lingered_bytes: 0,
            turns_left_to_others: 0,
        }
    }

    pub(crate) fn who(&self) -> Who<'static> {
        Who {
            client: Some(self.connection.client),
            port: self.connection.port,
            connection: Some(self.connection.id),
            ..Who::default()
        }
    }

    /// Records a refusal with everything known of this connection.
    pub(crate) fn refuse(&self, denial: &Denial, event: Option<&str>, now: Now) -> Refusal {
        let caller = self.connection.caller();
        let user = caller.as_ref().map(|caller| &**caller.principal.user());
        let origin = self.connection.origin.as_deref();
        refuse(&self.shard, denial, &Who { user, event, origin, ..self.who() }, now)
    }

    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = self.shard.now();
        let pressed = self.shard.gate.load() >= LoadState::Elevated;
        if let Some(left) = self.turns_left_to_others.checked_sub(1)
            && pressed
        {
            self.turns_left_to_others = left;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        for _ in 0..if pressed { 1 } else { READS_PER_TURN } {
            if self.connection.is_stalled() {
                // Events that wait because the peer reads nothing lose no time by that.
                self.progress_ms = self.progress_ms.max(now.monotonic_ms);
                self.shard.flush(&self.connection, now);
            }
            if self.connection.is_ending() {
                return Poll::Ready(());
            }
            if self.job.is_some() {
                match self.poll_job(context, now) {
                    Poll::Ready(()) => continue,
                    Poll::Pending => {
                        self.read_ahead(context, now);
                        return Poll::Pending;
                    }
                }
            }
            let is_paused = now.monotonic_ms < self.connection.paused_until_ms.get();
            if self.backlog.is_some() && !self.connection.is_stalled() && !is_paused {
                self.feed_backlog(now);
                continue;
            }
            match self.poll_transport(context, now) {
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        if pressed {
            self.leave_turns();
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Users take turns, not connections: one of several of a user leaves as many to others.
    fn leave_turns(&mut self) {
        let connections =
            self.connection.caller().map_or(1, |caller| caller.principal.user().connections());
        self.turns_left_to_others =
            u16::try_from(connections.saturating_sub(1)).unwrap_or(u16::MAX);
    }

    fn poll_transport(&mut self, context: &mut Context<'_>, now: Now) -> Poll<()> {
        if self.peer_ended {
            self.connection.end(End::Peer);
            return Poll::Ready(());
        }
        if now.monotonic_ms < self.connection.paused_until_ms.get() {
            return Poll::Pending;
        }
        if let Some(polled) = self.poll_posted(now) {
            return polled;
        }
        // A peer that does not read gets no further answers to cause.
        if self.connection.is_stalled() {
            return Poll::Pending;
        }
        self.poll_read(context, now)
    }

    fn poll_job(&mut self, context: &mut Context<'_>, now: Now) -> Poll<()> {
        let Some(job) = self.job.take() else {
            return Poll::Ready(());
        };
        let ran_ms = now.monotonic_ms.saturating_sub(self.connection.job_since_ms.get());
        let timed_out = ran_ms >= self.shard.options.handler_cut_ms();
        let left =
            self.shard.options.handler_timeout().saturating_sub(Duration::from_millis(ran_ms));
        let waits = Deadline::after(left).enter(|| self.poll_within(job, context, timed_out, now));
        match waits {
            Some(job) => {
                self.job = Some(job);
                Poll::Pending
            }
            None => {
                // What ended may have started the next act.
                if self.job.is_none() {
                    self.connection.job_since_ms.set(0);
                }
                Poll::Ready(())
            }
        }
    }

    /// Polls what runs, under its deadline; gives it back while it waits.
    fn poll_within(
        &mut self,
        job: Job,
        context: &mut Context<'_>,
        timed_out: bool,
        now: Now,
    ) -> Option<Job> {
        match job {
            Job::Event { mut future, answer } => match future.as_mut().poll(context) {
                Poll::Ready(outcome) => {
                    let since_ms = self.connection.job_since_ms.get();
                    self.ended(outcome.as_ref().err(), since_ms, now);
                    self.answer(&answer, outcome, now);
                    None
                }
                Poll::Pending if timed_out => {
                    self.answer(&answer, Err(Denial::HandlerTimeout), now);
                    None
                }
                Poll::Pending => Some(Job::Event { future, answer }),
            },
            Job::Connect(connecting) => match self.poll_connecting(*connecting, context, now) {
                Some(connecting) if timed_out => {
                    self.connecting_timed_out(connecting, now);
                    None
                }
                waits => waits.map(|connecting| Job::Connect(Box::new(connecting))),
            },
            Job::Leave(namespace, handed) if !handed.is_applied() && !timed_out => {
                context.waker().wake_by_ref();
                Some(Job::Leave(namespace, handed))
            }
            Job::Leave(namespace, _) => {
                self.leave(namespace.as_str());
                None
            }
        }
    }

    /// Starts an act: nothing else of this connection runs until it is done. Its time began when
    /// its packet came.
    pub(crate) fn start_job(&mut self, job: Job, now: Now) {
        self.job = Some(job);
        let since_ms = now.monotonic_ms.saturating_sub(self.waited_ms(now)).max(1);
        self.connection.job_since_ms.set(since_ms);
        self.shard.arm(&self.connection, since_ms + self.shard.options.handler_cut_ms());
    }

    /// How long what is looked at now has waited behind acts that did not end in time.
    pub(crate) fn waited_ms(&self, now: Now) -> u64 {
        now.monotonic_ms.saturating_sub(self.waits_since_ms.max(self.progress_ms))
    }

    /// Notes how an act ended whose time began at `since_ms`: what waits behind one that was done
    /// in time has lost no time.
    pub(crate) fn ended(&mut self, denial: Option<&Denial>, since_ms: u64, now: Now) {
        let too_late = now.monotonic_ms > since_ms + self.shard.options.handler_timeout_ms
            || denial.is_some_and(|denial| denial.answer().status == 503);
        if !too_late {
            self.progress_ms = self.progress_ms.max(now.monotonic_ms);
        }
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.connection.remember(context.waker());
        if self.connection.closing_until_ms.get() == 0 {
            // A panic of a handler or hook, wherever it strikes, ends this connection alone.
            let opened = catch_unwind(AssertUnwindSafe(|| self.poll_open(context)));
            let opened = opened.unwrap_or_else(|_panic| {
                self.connection.end(End::Refused(Denial::Internal("handler_panic")));
                Poll::Ready(())
            });
            match opened {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => {
                    self.begin_closing();
                    let shard = Rc::clone(&self.shard);
                    shard.linger(&self.connection);
                }
            }
        }
        self.poll_closing(context)
    }
}

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        let now = self.shard.now();
        self.shard.forget(&self.connection, &End::Peer, now);
        self.connection.with_polling(|polling| {
            polling.wake_poller();
            polling.wake_poster();
        });
        self.shard.linger_over(&self.connection);
    }
}
