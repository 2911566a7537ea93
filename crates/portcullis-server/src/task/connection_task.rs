//! The task of a connection: it writes, polls the running job, reads, and closes.
//! Never: a wait for the peer after the connection has ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_guard::{ConnectionSlot, Cookies, LoadState};
use portcullis_model::{Deadline, Denial, Moment, Namespace, Now, Secret};

use crate::connect::flow::ConnectFlow;
use crate::connect::request::ConnectRequest;
use crate::connect::state::{ConnectState, Step};
use crate::connection::end::EndReason;
use crate::connection::link::Link;
use crate::connection::state::Connection;
use crate::delivery::hub::PendingBatches;
use crate::events::handling::{EventHandling, EventJob};
use crate::rooms::membership::remove_connection;
use crate::shard::state::Shard;
use crate::task::closing::{begin_closing, poll_closing};
use crate::task::input::Input;
use crate::task::progress::Progress;

/// Reads of one connection before other tasks of the shard continue.
const READS_PER_TURN: usize = 8;

/// The running job of the connection; its next packet waits for the end of the job.
pub(crate) enum Job {
    /// A handler.
    Event(EventJob),
    /// A CONNECT.
    Connect(Box<ConnectState>),
    /// A DISCONNECT, which waits for the events that were emitted to the socket before it.
    Leave(Namespace, PendingBatches),
}

/// The task. There is one for each connection, so rare parts are boxed.
pub(crate) struct ConnectionTask {
    pub(crate) link: Link,
    pub(crate) connect: ConnectFlow,
    pub(crate) input: Input,
    pub(crate) progress: Progress,
    pub(crate) job: Option<Job>,
    /// The event whose handler was started last, for the record of a panic.
    last_event: Option<&'static str>,
    lingered_bytes: usize,
    /// Turns that this connection skips for connections of other users.
    turns_to_skip: u16,
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
            link: Link { shard, connection },
            connect: ConnectFlow::new(slot, bearer, cookies),
            input: Input::default(),
            progress: Progress::default(),
            job: None,
            last_event: None,
            lingered_bytes: 0,
            turns_to_skip: 0,
        }
    }

    /// Connects a plain connection by the token of its upgrade request.
    pub(crate) fn connect_by_request(&mut self, now: Now) {
        let step = self.connect.start(&self.link, ConnectRequest::main(), None, now);
        self.take_step(step, now);
    }

    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = self.link.shard.now();
        let is_loaded = self.link.shard.server.gate.load() >= LoadState::Elevated;
        if let Some(left) = self.turns_to_skip.checked_sub(1)
            && is_loaded
        {
            self.turns_to_skip = left;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        for _ in 0..if is_loaded { 1 } else { READS_PER_TURN } {
            let Link { shard, connection } = &self.link;
            if connection.is_stalled() {
                // The time in which the peer does not read does not count for events.
                self.progress.advance(now.monotonic_ms);
                shard.flush(connection, now);
            }
            if connection.is_ending() {
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
            let may_read = !connection.is_stalled() && !connection.is_paused(now);
            if self.input.backlog.is_some() && may_read {
                self.read_backlog(now);
                continue;
            }
            match self.poll_transport(context, now) {
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        if is_loaded {
            self.skip_turns();
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Skips a turn for each further connection of the user, so that users take turns.
    fn skip_turns(&mut self) {
        let caller = self.link.connection.caller();
        let connections = caller.map_or(1, |caller| caller.principal.user().connections());
        self.turns_to_skip = u16::try_from(connections.saturating_sub(1)).unwrap_or(u16::MAX);
    }

    fn poll_transport(&mut self, context: &mut Context<'_>, now: Now) -> Poll<()> {
        let connection = &self.link.connection;
        if self.input.peer_ended {
            connection.end(EndReason::PeerClosed);
            return Poll::Ready(());
        }
        if connection.is_paused(now) {
            return Poll::Pending;
        }
        if let Some(polled) = self.poll_posted(now) {
            return polled;
        }
        // A slow consumer cannot cause further answers.
        if self.link.connection.is_stalled() {
            return Poll::Pending;
        }
        self.poll_read(context, now)
    }

    fn poll_job(&mut self, context: &mut Context<'_>, now: Now) -> Poll<()> {
        let Some(job) = self.job.take() else {
            return Poll::Ready(());
        };
        let options = &self.link.shard.server.options;
        let since_ms = self.link.connection.timers.job_since_ms.get();
        let ran_ms = now.monotonic_ms.saturating_sub(since_ms);
        let is_timed_out = ran_ms >= options.handler_cut_ms();
        let left = options.handler_timeout().saturating_sub(Duration::from_millis(ran_ms));
        let polled_at = Moment::now();
        let accepted = match &job {
            Job::Event(event) => event.started,
            Job::Connect(_) | Job::Leave(..) => polled_at,
        };
        let deadline = Deadline::of_request(accepted, polled_at.plus(left));
        let waiting = deadline.enter(|| self.poll_within(job, context, is_timed_out, now));
        match waiting {
            Some(job) => {
                self.job = Some(job);
                Poll::Pending
            }
            None => {
                // The end of one job may have started the next.
                if self.job.is_none() {
                    self.link.connection.timers.job_since_ms.set(0);
                }
                Poll::Ready(())
            }
        }
    }

    /// Polls the job under its deadline; returns it while it waits.
    fn poll_within(
        &mut self,
        job: Job,
        context: &mut Context<'_>,
        is_timed_out: bool,
        now: Now,
    ) -> Option<Job> {
        match job {
            Job::Event(EventJob { mut future, target, started }) => {
                match future.as_mut().poll(context) {
                    Poll::Ready(outcome) => {
                        let since_ms = self.link.connection.timers.job_since_ms.get();
                        let mut handling = self.events(now);
                        handling.record_time(started);
                        handling.job_ended(&outcome, since_ms);
                        handling.acknowledge(&target, outcome);
                        None
                    }
                    Poll::Pending if is_timed_out => {
                        self.events(now).record_time(started);
                        self.events(now).acknowledge(&target, Err(Denial::HandlerTimeout));
                        None
                    }
                    Poll::Pending => Some(Job::Event(EventJob { future, target, started })),
                }
            }
            Job::Connect(state) => {
                let step = match self.connect.poll(&self.link, *state, context, now) {
                    Step::Waiting(state) if is_timed_out => {
                        self.connect.time_out(&self.link, *state, now)
                    }
                    Step::Waiting(state) => return Some(Job::Connect(state)),
                    step => step,
                };
                self.take_step(step, now);
                None
            }
            Job::Leave(namespace, pending) if !pending.are_applied() && !is_timed_out => {
                context.waker().wake_by_ref();
                Some(Job::Leave(namespace, pending))
            }
            Job::Leave(namespace, _) => {
                self.leave(namespace.as_str());
                None
            }
        }
    }

    /// The part of the task that handles events.
    pub(crate) fn events(&mut self, now: Now) -> EventHandling<'_> {
        let Self { link, progress, last_event, .. } = self;
        EventHandling { link, progress, last_event, now }
    }

    /// Starts the next state of a CONNECT as a job.
    pub(crate) fn take_step(&mut self, step: Step, now: Now) {
        match step {
            Step::Started(state) | Step::Waiting(state) => {
                self.start_job(Job::Connect(state), now);
            }
            Step::Done => {}
        }
    }

    /// Starts a job; further packets wait for its end. Its time started at the packet's arrival.
    pub(crate) fn start_job(&mut self, job: Job, now: Now) {
        self.job = Some(job);
        let Link { shard, connection } = &self.link;
        let since_ms = now.monotonic_ms.saturating_sub(self.progress.waited_ms(now)).max(1);
        connection.timers.job_since_ms.set(since_ms);
        shard.deadlines.set(connection, since_ms + shard.server.options.handler_cut_ms());
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.link.connection.set_waker(context.waker());
        if self.link.connection.lifecycle.closing_until_ms.get() == 0 {
            // A panic of a handler or hook ends only this connection.
            let opened = catch_unwind(AssertUnwindSafe(|| self.poll_open(context)));
            let opened = opened.unwrap_or_else(|_panic| {
                self.link.deny(Denial::Internal("handler_panic"));
                Poll::Ready(())
            });
            match opened {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => {
                    self.job = None;
                    self.input.clear();
                    let task = &mut *self;
                    begin_closing(&task.link, &mut task.connect, task.last_event);
                }
            }
        }
        let task = &mut *self;
        poll_closing(&task.link, &mut task.lingered_bytes, context)
    }
}

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        let Link { shard, connection } = &self.link;
        remove_connection(shard, connection, &EndReason::PeerClosed, shard.now());
        connection.with_polling(|polling| {
            polling.wake_poller();
            polling.wake_poster();
        });
        shard.remove_closing(connection);
    }
}
