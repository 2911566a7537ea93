//! Shares of a table of fixed size: an owner holds a part of the free space, never all of it.
//! Never: the entries themselves; it counts them by owner.

use std::collections::HashMap;
use std::net::IpAddr;

use portcullis_model::UserId;

/// The owner of the share that an entry counts toward: a keyed hash of a user or an address prefix.
pub type Owner = u64;

/// The party whose share an entry counts toward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryOwner<'a> {
    /// A signed-in user, or the user of a believed token.
    User(&'a UserId),
    /// An IPv4 address or an IPv6 /48: a client that has not signed in.
    Address(IpAddr),
}

impl EntryOwner<'_> {
    /// The owner as the operator reads it.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::User(user) => user.to_string(),
            Self::Address(client) => client.to_string(),
        }
    }
}

/// Why a table takes no further entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareError {
    /// The owner holds as many entries as its share allows.
    ShareFull,
    /// The table holds as many entries as it may.
    TableFull,
}

/// How full a table is, and how often it rejected an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareUse {
    /// The name of the table in metrics and records.
    pub table: &'static str,
    /// Entries in the table.
    pub used: usize,
    /// Most entries the table may hold.
    pub max: usize,
    /// Entries rejected since the start because the owner's share was full.
    pub share_full: u64,
    /// Entries rejected since the start because the table was full.
    pub table_full: u64,
    /// The owner whose entry was rejected last: a user id or an address prefix.
    pub rejected_owner: Option<String>,
}

/// Counts the entries of a table by owner and bounds each owner's share.
///
/// The bound is a part of the free space (a dynamic threshold, as in shared packet buffers). One
/// owner alone ends at `max / (part + 1)` entries. The more owners are greedy, the less each gets:
/// about `part * ln(max / part)` of them are needed before an owner without an entry finds no
/// space. Worst-case memory: 24 bytes an entry beside the table itself.
#[derive(Debug)]
pub struct Shares {
    table: &'static str,
    max: usize,
    part: usize,
    share_max: usize,
    used: usize,
    owners: HashMap<Owner, usize>,
    share_full: u64,
    table_full: u64,
    rejected_owner: Option<String>,
}

impl Shares {
    /// Counts for a table of `max` entries; an owner may hold `1 / part` of what is free and never
    /// more than `share_max`.
    #[must_use]
    pub fn new(table: &'static str, max: usize, part: usize, share_max: usize) -> Self {
        Self {
            table,
            max,
            part: part.max(1),
            share_max: share_max.max(1),
            used: 0,
            owners: HashMap::new(),
            share_full: 0,
            table_full: 0,
            rejected_owner: None,
        }
    }

    /// Counts one more entry of an owner; `label` names the owner for the operator.
    ///
    /// # Errors
    /// [`ShareError`]; nothing is counted then, except the rejection.
    pub fn take(&mut self, owner: Owner, label: impl FnOnce() -> String) -> Result<(), ShareError> {
        let outcome = self.check(owner);
        match outcome {
            Ok(()) => self.add(owner),
            Err(error) => self.reject(error, label()),
        }
        outcome
    }

    /// Whether one more entry of an owner fits.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn check(&self, owner: Owner) -> Result<(), ShareError> {
        let free = self.max.saturating_sub(self.used);
        let allowed = (free / self.part).clamp(1, self.share_max);
        let held = self.owners.get(&owner).copied().unwrap_or(0);
        match (free, held < allowed) {
            (0, _) => Err(ShareError::TableFull),
            (_, false) => Err(ShareError::ShareFull),
            (_, true) => Ok(()),
        }
    }

    /// Counts an entry that is in force already, also beyond the bounds.
    pub fn add(&mut self, owner: Owner) {
        self.used += 1;
        *self.owners.entry(owner).or_insert(0) += 1;
    }

    /// Counts one entry of an owner less.
    pub fn give_back(&mut self, owner: Owner) {
        let Some(held) = self.owners.get_mut(&owner) else { return };
        self.used = self.used.saturating_sub(1);
        *held -= 1;
        if *held == 0 {
            self.owners.remove(&owner);
        }
    }

    fn reject(&mut self, error: ShareError, label: String) {
        match error {
            ShareError::ShareFull => self.share_full += 1,
            ShareError::TableFull => self.table_full += 1,
        }
        self.rejected_owner = Some(label);
    }

    /// How full the table is.
    #[must_use]
    pub fn usage(&self) -> ShareUse {
        ShareUse {
            table: self.table,
            used: self.used,
            max: self.max,
            share_full: self.share_full,
            table_full: self.table_full,
            rejected_owner: self.rejected_owner.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(shares: &mut Shares, owner: Owner) -> usize {
        (0..100_000).take_while(|_| shares.take(owner, String::new).is_ok()).count()
    }

    #[test]
    fn full_share_of_an_owner_leaves_space_for_another_owner() {
        let mut shares = Shares::new("test", 9_000, 8, usize::MAX);
        assert_eq!(fill(&mut shares, 1), 1_000, "a ninth of the table");
        assert_eq!(shares.take(1, || String::from("ann")), Err(ShareError::ShareFull));
        assert_eq!(shares.take(2, String::new), Ok(()));
        let usage = shares.usage();
        assert_eq!((usage.used, usage.share_full), (1_001, 2));
        assert_eq!(usage.rejected_owner.as_deref(), Some("ann"));
    }

    #[test]
    fn greedy_owners_need_to_be_many_to_leave_no_space() {
        let mut shares = Shares::new("test", 65_536, 512, usize::MAX);
        for owner in 0..2_500 {
            fill(&mut shares, owner);
        }
        assert_eq!(shares.take(9_999, String::new), Ok(()), "2,500 parties fill no table");
    }

    #[test]
    fn returned_entries_are_free_again_and_the_share_has_a_ceiling() {
        let mut shares = Shares::new("test", 1_000, 2, 5);
        assert_eq!(fill(&mut shares, 1), 5);
        shares.give_back(1);
        assert_eq!(shares.take(1, String::new), Ok(()));
        (0..10).for_each(|_| shares.give_back(1));
        assert_eq!(shares.usage().used, 0);
    }

    #[test]
    fn full_table_rejects_every_owner_and_counts_it() {
        let mut shares = Shares::new("test", 3, 1, usize::MAX);
        (0..3).for_each(|owner| assert_eq!(shares.take(owner, String::new), Ok(())));
        assert_eq!(shares.take(9, String::new), Err(ShareError::TableFull));
        assert_eq!(shares.usage().table_full, 1);
    }
}
