//! The usage of one connection's rates, and the buckets of its address.
//! Never: a lock or a table of its own.

use std::net::IpAddr;

use crate::capacity::address::SITE_FACTOR;
use crate::tables::rate::{Gcra, Rate};

/// The buckets of a connection's address, computed once.
#[derive(Debug, Clone, Copy, Default)]
pub struct AddressBuckets {
    pub(crate) narrow: u64,
    pub(crate) wide: Option<u64>,
    pub(crate) client: Option<IpAddr>,
    /// Numbered since the start, for traces.
    pub(crate) connection: u64,
}

/// The usage of one connection's rates: no lock, no table.
#[derive(Debug, Default)]
pub(crate) struct ConnectionUsage {
    pub(crate) messages: Gcra,
    pub(crate) bytes: Gcra,
    buckets: Option<AddressBuckets>,
}

impl ConnectionUsage {
    pub(crate) fn of(buckets: AddressBuckets) -> Self {
        Self { buckets: Some(buckets), ..Self::default() }
    }

    /// The address and the number of the connection, for traces.
    pub(crate) fn source(&self) -> (Option<IpAddr>, u64) {
        self.buckets.map_or((None, 0), |buckets| (buckets.client, buckets.connection))
    }

    /// Takes from the buckets of the address, the narrow one first. An unknown address has none.
    pub(crate) fn of_prefix(
        &self,
        rate: &Rate,
        ask: impl Fn(u64, &Rate) -> Result<(), u64>,
    ) -> Result<(), u64> {
        let Some(AddressBuckets { narrow, wide, .. }) = self.buckets else { return Ok(()) };
        ask(narrow, rate)?;
        wide.map_or(Ok(()), |wide| ask(wide, &rate.times(SITE_FACTOR)))
    }
}
