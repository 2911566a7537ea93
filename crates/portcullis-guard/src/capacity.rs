//! How many connections the server holds, and the permit each of them carries.
//! Never: a count that is not given back; dropping a permit is the only way to return it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many connections there are, read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapacityCounts {
    /// Connections that have not proved who they are.
    pub pre_auth: u32,
    /// Connections of users.
    pub authenticated: u32,
}

impl CapacityCounts {
    /// Both counts live in one word, so that both limits hold at every moment.
    fn from_bits(bits: u64) -> Self {
        Self { pre_auth: (bits >> 32) as u32, authenticated: (bits & 0xffff_ffff) as u32 }
    }

    fn to_bits(self) -> u64 {
        (u64::from(self.pre_auth) << 32) | u64::from(self.authenticated)
    }
}

/// The pools. A stranger can fill the pre-auth pool, never the whole server.
pub(crate) struct Capacity {
    counts: AtomicU64,
    total_max: u32,
    pre_auth_max: u32,
}

impl Capacity {
    pub(crate) fn new(total_max: u32, pre_auth_max: u32) -> Arc<Self> {
        Arc::new(Self { counts: AtomicU64::new(0), total_max, pre_auth_max })
    }

    pub(crate) fn counts(&self) -> CapacityCounts {
        CapacityCounts::from_bits(self.counts.load(Ordering::Relaxed))
    }

    /// Reserves a place in the pre-auth pool, if there is one.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let reserved = self.change(|counts| {
            let total = counts.pre_auth.checked_add(counts.authenticated)?;
            let room = counts.pre_auth < self.pre_auth_max && total < self.total_max;
            room.then_some(CapacityCounts { pre_auth: counts.pre_auth + 1, ..counts })
        });
        reserved.then(|| ConnectionSlot { capacity: Arc::clone(self), pool: Pool::PreAuth })
    }

    fn change(&self, change: impl Fn(CapacityCounts) -> Option<CapacityCounts>) -> bool {
        let update = |bits| change(CapacityCounts::from_bits(bits)).map(CapacityCounts::to_bits);
        self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_ok()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pool {
    PreAuth,
    Authenticated,
}

/// The right to hold one connection. Dropping it gives the place back.
#[must_use = "dropping the slot gives the connection's place back"]
pub struct ConnectionSlot {
    capacity: Arc<Capacity>,
    pool: Pool,
}

impl ConnectionSlot {
    /// Moves from the pre-auth pool to the authenticated one; again does nothing.
    pub fn authenticated(&mut self) {
        if self.pool == Pool::Authenticated {
            return;
        }
        self.pool = Pool::Authenticated;
        self.capacity.change(|counts| {
            Some(CapacityCounts {
                pre_auth: counts.pre_auth.saturating_sub(1),
                authenticated: counts.authenticated.saturating_add(1),
            })
        });
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let pool = self.pool;
        self.capacity.change(|mut counts| {
            match pool {
                Pool::PreAuth => counts.pre_auth = counts.pre_auth.saturating_sub(1),
                Pool::Authenticated => {
                    counts.authenticated = counts.authenticated.saturating_sub(1);
                }
            }
            Some(counts)
        });
    }
}

impl std::fmt::Debug for ConnectionSlot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ConnectionSlot({:?})", self.pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pre_auth: u32, authenticated: u32) -> CapacityCounts {
        CapacityCounts { pre_auth, authenticated }
    }

    #[test]
    fn t_085_strangers_fill_only_their_pool() {
        let capacity = Capacity::new(5, 2);
        let mut users = Vec::new();
        for _ in 0..3 {
            let mut slot = capacity.reserve().unwrap();
            slot.authenticated();
            slot.authenticated();
            users.push(slot);
        }
        let strangers: Vec<_> = (0..10).filter_map(|_| capacity.reserve()).collect();
        assert_eq!((strangers.len(), capacity.counts()), (2, counts(2, 3)));
        drop(strangers);
        let mut last: Vec<_> = (0..10).filter_map(|_| capacity.reserve()).collect();
        assert_eq!(last.len(), 2);
        last.iter_mut().for_each(ConnectionSlot::authenticated);
        assert!(capacity.reserve().is_none(), "the total is full");
        drop((users, last));
        assert_eq!(capacity.counts(), counts(0, 0));
    }

    #[test]
    fn t_086_churn_from_many_threads_leaves_nothing_behind() {
        let capacity = Capacity::new(50, 20);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let capacity = &capacity;
                scope.spawn(move || {
                    for round in 0..500 {
                        let slot = capacity.reserve();
                        let seen = capacity.counts();
                        assert!(seen.pre_auth <= 20 && seen.pre_auth + seen.authenticated <= 50);
                        if let (Some(mut slot), true) = (slot, (round + thread) % 2 == 0) {
                            slot.authenticated();
                        }
                    }
                });
            }
        });
        assert_eq!(capacity.counts(), counts(0, 0));
    }
}
