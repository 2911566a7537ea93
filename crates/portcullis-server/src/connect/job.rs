//! A CONNECT that waits for a hook, stage by stage.
//! Never: two stages at a time.

use std::pin::Pin;
use std::task::{Context, Poll};

use portcullis_guard::{Principal, RecoveryClaim};
use portcullis_model::{Denial, Namespace, Now};
use portcullis_wire::websocket::{Opcode, frame};

use crate::connection::state::End;
use crate::connection::task::{ConnectionTask, Job};
use crate::delivery::hub::{Handed, handed};
use crate::events::namespace::HookFuture;
use crate::rooms::offset;
use crate::rooms::recovery::{Comer, Parked, RecoverFuture, Recovered, Recovering, Resuming};

/// A namespace somebody asks to enter.
pub(crate) struct Entry {
    pub(crate) namespace: Namespace,
    /// Which of the registered namespaces it is.
    pub(crate) rule: usize,
    /// The CONNECT payload, where no credential is asked for.
    pub(crate) payload: Option<String>,
    /// Whether the credential shown for it was good for once.
    pub(crate) used_up: bool,
}

impl Entry {
    /// Namespace `/`, which is always the first registered.
    pub(crate) fn main() -> Self {
        Self { namespace: Namespace::MAIN, rule: 0, payload: None, used_up: false }
    }
}

pub(crate) type PrincipalFuture = Pin<Box<dyn Future<Output = Result<Principal, Denial>>>>;

/// What a CONNECT waits for.
pub(crate) enum Connecting {
    /// The product makes a verified stranger known.
    User { entry: Entry, back: Option<RecoveryClaim>, future: PrincipalFuture },
    /// The namespace decides.
    Namespace { entry: Entry, back: Option<RecoveryClaim>, future: HookFuture },
    /// The product looks for what was missed.
    Resume { entry: Entry, future: RecoverFuture },
    /// What was missed is on its way through the hub.
    Resuming { entry: Entry },
    /// The socket is in, and its hook runs.
    Entered { future: HookFuture },
    /// What the hook emitted is on its way: the next CONNECT's answer comes after it.
    Greeted { handed: Handed },
}

impl ConnectionTask {
    pub(crate) fn start_connecting(&mut self, connecting: Connecting, now: Now) {
        self.start_job(Job::Connect(Box::new(connecting)), now);
    }

    /// Goes on with a CONNECT; gives it back while it waits.
    pub(crate) fn poll_connecting(
        &mut self,
        connecting: Connecting,
        context: &mut Context<'_>,
        now: Now,
    ) -> Option<Connecting> {
        match connecting {
            Connecting::User { entry, back, mut future } => match future.as_mut().poll(context) {
                Poll::Ready(outcome) => self.authenticated(entry, back, outcome, now),
                Poll::Pending => return Some(Connecting::User { entry, back, future }),
            },
            Connecting::Namespace { entry, back, mut future } => {
                match future.as_mut().poll(context) {
                    Poll::Ready(Ok(())) => self.admitted(entry, back, now),
                    Poll::Ready(Err(denial)) => self.connect_refused(&entry, &denial, now),
                    Poll::Pending => return Some(Connecting::Namespace { entry, back, future }),
                }
            }
            Connecting::Resume { entry, mut future } => match future.as_mut().poll(context) {
                Poll::Ready(Ok(Recovered::Resumed)) => {
                    return self.poll_connecting(Connecting::Resuming { entry }, context, now);
                }
                Poll::Ready(Ok(Recovered::Fresh) | Err(_)) => self.give_up_resuming(entry, now),
                Poll::Pending => return Some(Connecting::Resume { entry, future }),
            },
            Connecting::Resuming { entry } => {
                if self.connection.is_resuming() {
                    return Some(Connecting::Resuming { entry });
                }
                self.resumed(entry, now);
            }
            Connecting::Entered { mut future } => match future.as_mut().poll(context) {
                Poll::Ready(Ok(())) => {
                    let handed = handed()?;
                    return self.poll_connecting(Connecting::Greeted { handed }, context, now);
                }
                Poll::Ready(Err(denial)) => self.connection.end(End::Refused(denial)),
                Poll::Pending => return Some(Connecting::Entered { future }),
            },
            Connecting::Greeted { handed } => {
                if !handed.is_applied() {
                    context.waker().wake_by_ref();
                    return Some(Connecting::Greeted { handed });
                }
            }
        }
        None
    }

    /// The hook took too long.
    pub(crate) fn connecting_timed_out(&mut self, connecting: Connecting, now: Now) {
        match connecting {
            Connecting::User { entry, .. } | Connecting::Namespace { entry, .. } => {
                self.connect_refused(&entry, &Denial::HandlerTimeout, now);
            }
            Connecting::Resume { entry, .. } | Connecting::Resuming { entry } => {
                self.give_up_resuming(entry, now);
            }
            Connecting::Entered { .. } => self.refuse_unanswerable(&Denial::HandlerTimeout, now),
            Connecting::Greeted { .. } => {}
        }
    }

    /// Takes the place kept for a returning user, and asks the product for what was missed.
    pub(crate) fn resume(
        &mut self,
        entry: &Entry,
        back: &RecoveryClaim,
        now: Now,
    ) -> Option<RecoverFuture> {
        let rule = self.shard.registered.namespaces.rule(entry.rule)?;
        let hook = rule.recover.as_ref()?;
        let offset = offset::open(back.offset.as_deref()?)?;
        let caller = self.connection.caller()?;
        let user = caller.principal.user().clone();
        let comer = Comer { user: &user.id, session: caller.principal.session() };
        let Parked { socket, rooms, .. } =
            self.shard.parking.take(&back.pid, &comer, &entry.namespace, now)?;
        let future = hook(Recovering {
            connection: self.connection.id,
            namespace: entry.namespace.clone(),
            user,
            rooms,
            offset,
        });
        let socket = self.new_socket(entry, socket, Some(back.pid.clone().into_boxed_str()));
        let answer = self.connect_answer(&socket, now);
        let answer = frame(Opcode::Text, answer.as_bytes());
        self.connection.resuming.set(Some(Box::new(Resuming { socket, answer })));
        Some(future)
    }

    /// The hub has put the socket into its place.
    fn resumed(&mut self, entry: Entry, now: Now) {
        match self.connection.socket(entry.namespace.as_str()) {
            Some(socket) => self.entered(&socket, None, now),
            // More was missed than may wait for one connection.
            None => self.join_fresh(entry, now),
        }
    }

    fn give_up_resuming(&mut self, entry: Entry, now: Now) {
        // The hub may have been faster than the hook.
        let given_up = self.connection.resuming.take();
        match given_up {
            Some(_) => self.join_fresh(entry, now),
            None => self.resumed(entry, now),
        }
    }
}
