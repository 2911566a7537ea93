//! Rooms in which people wait for a place: few of them, and for a short time.
//! Never: a promise; whoever is not called in time is refused as if there were no room.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_guard::{Gate, LoadState};
use portcullis_model::{Clock, Denial};
use tokio::sync::Notify;

/// How many may wait at a time, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Who has been here before, for a connection.
    pub known_max: u32,
    /// Strangers, for a connection.
    pub strangers_max: u32,
    /// Log-ins from unknown devices.
    pub logins_max: u32,
    /// Longest wait of who has been here before, in ms.
    pub known_ms: u64,
    /// Longest wait of all others, in ms.
    pub others_ms: u64,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            known_max: 1_000,
            strangers_max: 500,
            logins_max: 200,
            known_ms: 5_000,
            others_ms: 2_000,
        }
    }
}

/// Most administrators who wait.
const ADMINS_MAX: u32 = 100;

/// How many wait in a room, and how many may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) room: &'static str,
    pub(crate) now: usize,
    pub(crate) max: usize,
}

/// The rooms of a server, for all its threads.
pub struct WaitingRooms {
    /// The server drains: on whatever thread somebody asks, there are no places.
    closed: AtomicBool,
    clock: Arc<dyn Clock>,
    /// For administrators, whose last places nobody else takes: behind no crowd.
    pub(crate) admins: WaitingRoom,
    pub(crate) known: WaitingRoom,
    pub(crate) strangers: WaitingRoom,
    pub(crate) logins: WaitingRoom,
}

impl WaitingRooms {
    /// Empty rooms.
    #[must_use]
    pub fn new(waits: &Waits, clock: Arc<dyn Clock>) -> Self {
        let Waits { known_max, strangers_max, logins_max, known_ms, others_ms } = *waits;
        Self {
            closed: AtomicBool::new(false),
            clock,
            admins: WaitingRoom::new(ADMINS_MAX, known_ms),
            known: WaitingRoom::new(known_max, known_ms),
            strangers: WaitingRoom::new(strangers_max, others_ms),
            logins: WaitingRoom::new(logins_max, others_ms),
        }
    }

    /// Calls the next one of each room; whoever comes in calls the one behind.
    pub(crate) fn call(&self, load: LoadState) {
        // A hard-pressed server serves who has waited least: those who have waited long are gone.
        let newest_first = load >= LoadState::Elevated;
        self.admins.call();
        self.known.call();
        for room in [&self.strangers, &self.logins] {
            room.newest_first.store(newest_first, Ordering::Relaxed);
            room.call();
        }
    }

    /// Calls everybody: a server that drains has no places to wait for.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for room in [&self.admins, &self.known, &self.strangers, &self.logins] {
            room.state.lock().waiting.iter().for_each(|waiter| waiter.called.notify_one());
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Each room, and how many wait there.
    pub(crate) fn counts(&self) -> [Waiting; 4] {
        let rooms = [
            ("admins", &self.admins),
            ("known", &self.known),
            ("strangers", &self.strangers),
            ("logins", &self.logins),
        ];
        rooms.map(|(room, of)| Waiting { room, now: of.state.lock().waiting.len(), max: of.max })
    }

    /// Takes the place of a log-in from an unknown device, as soon as there is one.
    pub(crate) async fn log_in(&self, gate: &Gate) -> Result<(), Denial> {
        let may_wait = |_: &Denial| gate.load() < LoadState::Critical;
        let mut tried = false;
        let attempt = || match std::mem::replace(&mut tried, true) {
            false => gate.limits().take_login_slot(self.clock.now()),
            true => gate.limits().retry_login_slot(self.clock.now()),
        };
        self.logins.enter(may_wait, attempt).await
    }
}

/// One room.
pub(crate) struct WaitingRoom {
    state: Mutex<State>,
    newest_first: AtomicBool,
    max: usize,
    patience: Duration,
}

#[derive(Default)]
struct State {
    /// The oldest first.
    waiting: VecDeque<Arc<Waiter>>,
    /// What the last one of them was refused for.
    refused: Option<Denial>,
}

/// Somebody who waits.
#[derive(Default)]
struct Waiter {
    called: Notify,
    /// Somebody newer has its place.
    dropped: AtomicBool,
}

/// A place in a room; dropping it leaves the room.
struct Standing<'r> {
    room: &'r WaitingRoom,
    waiter: Arc<Waiter>,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let mut state = self.room.state.lock();
        state.waiting.retain(|other| !Arc::ptr_eq(other, &self.waiter));
    }
}

impl WaitingRoom {
    fn new(max: u32, patience_ms: u64) -> Self {
        Self {
            state: Mutex::default(),
            newest_first: AtomicBool::new(false),
            max: max as usize,
            patience: Duration::from_millis(patience_ms),
        }
    }

    fn is_newest_first(&self) -> bool {
        self.newest_first.load(Ordering::Relaxed)
    }

    fn call(&self) {
        let state = self.state.lock();
        let next =
            if self.is_newest_first() { state.waiting.back() } else { state.waiting.front() };
        if let Some(next) = next {
            next.called.notify_one();
        }
    }

    /// What whoever comes now stands behind, where the oldest come in first.
    fn queue(&self) -> Option<Denial> {
        let state = self.state.lock();
        let behind = !self.is_newest_first() && !state.waiting.is_empty();
        if behind { state.refused.clone() } else { None }
    }

    /// Makes an attempt; where it is refused for a reason that may pass, waits to be called and
    /// makes it again. Nobody passes those who wait already, but where the newest come in first.
    ///
    /// # Errors
    /// What the last attempt was refused for.
    pub(crate) async fn enter<T>(
        &self,
        may_wait: impl Fn(&Denial) -> bool,
        mut attempt: impl FnMut() -> Result<T, Denial>,
    ) -> Result<T, Denial> {
        let mut denial = match self.queue() {
            Some(denial) => denial,
            None => match attempt() {
                Err(denial) if may_wait(&denial) => denial,
                outcome => return outcome,
            },
        };
        let Some(standing) = self.stand(&denial) else { return Err(denial) };
        let deadline = tokio::time::sleep(self.patience);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                () = standing.waiter.called.notified() => {}
                () = &mut deadline => return Err(denial),
            }
            if standing.waiter.dropped.load(Ordering::Relaxed) {
                return Err(denial);
            }
            match attempt() {
                Err(again) if may_wait(&again) => denial = again,
                outcome => {
                    drop(standing);
                    if outcome.is_ok() {
                        self.call();
                    }
                    return outcome;
                }
            }
        }
    }

    /// A place at the end of the room, if there is one.
    fn stand(&self, denial: &Denial) -> Option<Standing<'_>> {
        let mut state = self.state.lock();
        if state.waiting.len() >= self.max {
            let oldest =
                if self.is_newest_first() { state.waiting.pop_front()? } else { return None };
            oldest.dropped.store(true, Ordering::Relaxed);
            oldest.called.notify_one();
        }
        let waiter = Arc::new(Waiter::default());
        state.waiting.push_back(Arc::clone(&waiter));
        state.refused = Some(denial.clone());
        Some(Standing { room: self, waiter })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use portcullis_model::ShedKind;

    use super::*;

    /// Longer than any test takes.
    const PATIENCE_MS: u64 = 60_000;

    /// A room, the free places it is about, and who came in, in their order.
    struct World {
        room: WaitingRoom,
        free: Cell<u32>,
        came_in: RefCell<Vec<u32>>,
    }

    fn world(max: u32) -> Rc<World> {
        patient_world(max, PATIENCE_MS)
    }

    fn patient_world(max: u32, patience_ms: u64) -> Rc<World> {
        let room = WaitingRoom::new(max, patience_ms);
        Rc::new(World { room, free: Cell::new(0), came_in: RefCell::default() })
    }

    impl World {
        async fn come(self: Rc<Self>, name: u32) -> Result<(), Denial> {
            let attempt = || {
                let left = self
                    .free
                    .get()
                    .checked_sub(1)
                    .ok_or(Denial::Shed(ShedKind::ReturningConnection))?;
                self.free.set(left);
                Ok(())
            };
            self.room
                .enter(|denial| *denial == Denial::Shed(ShedKind::ReturningConnection), attempt)
                .await?;
            self.came_in.borrow_mut().push(name);
            Ok(())
        }
    }

    fn run<F: Future>(future: F) -> F::Output {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, future)
    }

    /// Lets everything run that can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn spawn(world: &Rc<World>, name: u32) -> tokio::task::JoinHandle<Result<(), Denial>> {
        tokio::task::spawn_local(Rc::clone(world).come(name))
    }

    #[test]
    fn whoever_finds_a_place_does_not_wait() {
        run(async {
            let world = world(1);
            world.free.set(1);
            assert_eq!(Rc::clone(&world).come(1).await, Ok(()));
        });
    }

    #[test]
    fn the_oldest_come_in_first_and_nobody_passes_them() {
        run(async {
            let world = world(10);
            let waiting: Vec<_> = (0..4).map(|name| spawn(&world, name)).collect();
            settle().await;
            world.free.set(3);
            // There is a place, and others who have waited for it.
            let late = spawn(&world, 9);
            settle().await;
            assert_eq!(*world.came_in.borrow(), [0_u32; 0]);
            world.room.call();
            settle().await;
            assert_eq!(*world.came_in.borrow(), [0, 1, 2], "each calls the next");
            world.free.set(5);
            world.room.call();
            for one in waiting.into_iter().chain([late]) {
                assert_eq!(one.await.unwrap(), Ok(()));
            }
            assert_eq!(*world.came_in.borrow(), [0, 1, 2, 3, 9]);
        });
    }

    #[test]
    fn hard_pressed_the_newest_come_in_first_and_the_oldest_make_room() {
        run(async {
            let world = world(3);
            world.room.newest_first.store(true, Ordering::Relaxed);
            let waiting: Vec<_> = (0..5).map(|name| spawn(&world, name)).collect();
            settle().await;
            world.free.set(2);
            world.room.call();
            settle().await;
            assert_eq!(*world.came_in.borrow(), [4, 3]);
            world.free.set(1);
            world.room.call();
            let mut outcomes = Vec::new();
            for one in waiting {
                outcomes.push(one.await.unwrap().is_ok());
            }
            assert_eq!(outcomes, [false, false, true, true, true]);
        });
    }

    #[test]
    fn a_full_room_turns_away_and_a_long_wait_ends() {
        run(async {
            let world = patient_world(2, 30);
            let waiting = [spawn(&world, 0), spawn(&world, 1)];
            settle().await;
            assert_eq!(
                Rc::clone(&world).come(2).await,
                Err(Denial::Shed(ShedKind::ReturningConnection))
            );
            // Nobody calls them.
            for one in waiting {
                assert_eq!(one.await.unwrap(), Err(Denial::Shed(ShedKind::ReturningConnection)));
            }
            assert!(world.room.state.lock().waiting.is_empty());
            assert!(WaitingRoom::new(0, PATIENCE_MS).stand(&Denial::Draining).is_none());
        });
    }

    #[test]
    fn what_no_wait_mends_is_said_at_once() {
        run(async {
            let room = WaitingRoom::new(10, PATIENCE_MS);
            let refused = room.enter(|_| false, || Err::<(), _>(Denial::Draining)).await;
            assert_eq!(refused, Err(Denial::Draining));
            // Somebody who waits is told as soon as it is asked for the last time.
            let asked = Cell::new(0);
            let attempt = || {
                asked.set(asked.get() + 1);
                Err::<(), _>(if asked.get() == 1 {
                    Denial::Shed(ShedKind::ReturningConnection)
                } else {
                    Denial::Draining
                })
            };
            let enter = room.enter(|denial| *denial != Denial::Draining, attempt);
            let call = async {
                settle().await;
                room.call();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                outcome = enter => assert_eq!(outcome, Err(Denial::Draining)),
                () = call => {}
            }
        });
    }
}
