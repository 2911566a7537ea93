//! What products do again and again while the server runs.
//! Never: twice at once, or after the drain has begun.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::shard::Shard;

impl Shard {
    /// Starts every chore, on the first shard alone.
    pub(crate) fn start_chores(self: &Rc<Self>) {
        if self.index != 0 {
            return;
        }
        for number in 0..self.registered.chores.len() {
            tokio::task::spawn_local(Rc::clone(self).do_forever(number));
        }
    }

    async fn do_forever(self: Rc<Self>, number: usize) {
        while let Some(chore) = self.registered.chores.get(number) {
            if self.draining.get() {
                return;
            }
            (chore.act)(Arc::clone(&self.surroundings)).await;
            tokio::time::sleep(Duration::from_millis(chore.every_ms)).await;
        }
    }
}
