//! Tests of the admission queues.
//! Never: a wait for real time that decides a result.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use portcullis_model::ShedKind;

use super::*;

/// The denial without a free slot.
const FULL: Denial = Denial::Shed(ShedKind::ReturningConnection);
/// Longer than any test takes.
const TIMEOUT_MS: u64 = 60_000;

/// A queue, the free slots, and the clients that got one, in their order.
struct World {
    queue: AdmissionQueue,
    free: Cell<u32>,
    admitted: RefCell<Vec<u32>>,
}

fn world(max: u32) -> Rc<World> {
    world_with_timeout(max, TIMEOUT_MS)
}

fn world_with_timeout(max: u32, timeout_ms: u64) -> Rc<World> {
    let queue = AdmissionQueue::new(max, timeout_ms);
    Rc::new(World { queue, free: Cell::new(0), admitted: RefCell::default() })
}

impl World {
    async fn connect(self: Rc<Self>, name: u32) -> Result<(), Denial> {
        let attempt = || {
            let left = self.free.get().checked_sub(1).ok_or(FULL)?;
            self.free.set(left);
            Ok(())
        };
        self.queue.enter(|denial| *denial == FULL, attempt).await?;
        self.admitted.borrow_mut().push(name);
        Ok(())
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// Runs all tasks that are ready.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn spawn(world: &Rc<World>, name: u32) -> tokio::task::JoinHandle<Result<(), Denial>> {
    tokio::task::spawn_local(Rc::clone(world).connect(name))
}

#[test]
fn client_that_finds_a_slot_does_not_wait() {
    run(async {
        let world = world(1);
        world.free.set(1);
        assert_eq!(Rc::clone(&world).connect(1).await, Ok(()));
    });
}

#[test]
fn oldest_client_gets_the_first_slot() {
    run(async {
        let world = world(10);
        let waiting: Vec<_> = (0..4).map(|name| spawn(&world, name)).collect();
        settle().await;
        world.free.set(3);
        // A slot is free, and other clients wait for it.
        let late = spawn(&world, 9);
        settle().await;
        assert_eq!(*world.admitted.borrow(), [0_u32; 0]);
        world.queue.call();
        settle().await;
        assert_eq!(*world.admitted.borrow(), [0, 1, 2], "each client calls the next");
        world.free.set(5);
        world.queue.call();
        for one in waiting.into_iter().chain([late]) {
            assert_eq!(one.await.unwrap(), Ok(()));
        }
        assert_eq!(*world.admitted.borrow(), [0, 1, 2, 3, 9]);
    });
}

#[test]
fn loaded_server_serves_the_newest_and_evicts_the_oldest() {
    run(async {
        let world = world(3);
        world.queue.newest_first.store(true, Ordering::Relaxed);
        let waiting: Vec<_> = (0..5).map(|name| spawn(&world, name)).collect();
        settle().await;
        world.free.set(2);
        world.queue.call();
        settle().await;
        assert_eq!(*world.admitted.borrow(), [4, 3]);
        world.free.set(1);
        world.queue.call();
        let mut outcomes = Vec::new();
        for one in waiting {
            outcomes.push(one.await.unwrap().is_ok());
        }
        assert_eq!(outcomes, [false, false, true, true, true]);
    });
}

#[test]
fn full_queue_rejects_and_a_long_wait_ends() {
    run(async {
        let world = world_with_timeout(2, 30);
        let waiting = [spawn(&world, 0), spawn(&world, 1)];
        settle().await;
        assert_eq!(Rc::clone(&world).connect(2).await, Err(FULL));
        // They are not called.
        for one in waiting {
            assert_eq!(one.await.unwrap(), Err(FULL));
        }
        assert!(world.queue.state.lock().waiting.is_empty());
        assert!(AdmissionQueue::new(0, TIMEOUT_MS).add(&Denial::Draining).is_none());
    });
}

#[test]
fn permanent_denial_is_returned_at_once() {
    run(async {
        let queue = AdmissionQueue::new(10, TIMEOUT_MS);
        let rejected = queue.enter(|_| false, || Err::<(), _>(Denial::Draining)).await;
        assert_eq!(rejected, Err(Denial::Draining));
        // A waiting client gets it with its next attempt.
        let attempts = Cell::new(0);
        let attempt = || {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(if attempts.get() == 1 { FULL } else { Denial::Draining })
        };
        let enter = queue.enter(|denial| *denial != Denial::Draining, attempt);
        let call = async {
            settle().await;
            queue.call();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = enter => assert_eq!(outcome, Err(Denial::Draining)),
            () = call => {}
        }
    });
}
