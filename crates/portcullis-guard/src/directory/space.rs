//! Usage of the tables of the directory, in total and by address prefix.
//! Never: a check of committed entries; those are always in force.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::capacity::address::canonical;

/// A table of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Users.
    Users,
    /// Rooms.
    Rooms,
    /// Members of rooms, invitations, and users who are barred from a room.
    Memberships,
    /// Sessions of this server's own users.
    Sessions,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Users, Self::Rooms, Self::Memberships, Self::Sessions];

    /// The word used in metrics and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "directory_users",
            Self::Rooms => "directory_rooms",
            Self::Memberships => "directory_memberships",
            Self::Sessions => "directory_sessions",
        }
    }

    /// The reasons of a rejection: the table is full, or the share of the prefix is.
    pub(crate) fn reasons(self) -> (&'static str, &'static str) {
        match self {
            Self::Users => ("users_total", "users_per_prefix"),
            Self::Rooms => ("rooms_total", "rooms_per_prefix"),
            Self::Memberships => ("memberships_total", "memberships_per_prefix"),
            Self::Sessions => ("sessions_total", "sessions_per_prefix"),
        }
    }
}

/// The party that an entry is charged to: an IPv4 address, or the /48 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Party(u64);

const IPV4_TAG: u64 = 4 << 56;
const IPV6_TAG: u64 = 6 << 56;

impl Party {
    /// No party: the entry existed at the start, or another program made it.
    pub const NONE: Self = Self(0);

    /// The party of a client's address.
    #[must_use]
    pub fn of(client: IpAddr) -> Self {
        match canonical(client) {
            IpAddr::V4(address) => Self(IPV4_TAG | u64::from(address.to_bits())),
            // The first 48 of 128 bits.
            IpAddr::V6(address) => Self(IPV6_TAG | (address.to_bits() >> 80) as u64),
        }
    }

    /// For a store that carries it; the bits mean nothing outside this process.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The party of the result of [`Party::to_bits`].
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.0 & !(0xff << 56);
        match self.0 >> 56 {
            4 => write!(formatter, "{}", Ipv4Addr::from_bits(rest as u32)),
            6 => write!(formatter, "{}/48", Ipv6Addr::from_bits(u128::from(rest) << 80)),
            _ => formatter.write_str("no prefix"),
        }
    }
}

/// How many entries there are; a change of the directory holds the lock on it.
///
/// Worst-case memory: 40 bytes for each entry of the tables, when each has another party.
#[derive(Default)]
pub(crate) struct Sizes {
    pub(crate) users: usize,
    pub(crate) rooms: usize,
    pub(crate) memberships: usize,
    pub(crate) sessions: usize,
    pub(crate) held: HashMap<(Table, Party), usize>,
}

impl Sizes {
    /// An entry is charged to a party.
    pub(crate) fn charge(&mut self, table: Table, party: Party) {
        if party != Party::NONE {
            *self.held.entry((table, party)).or_default() += 1;
        }
    }

    /// An entry that was charged to a party was removed.
    pub(crate) fn discharge(&mut self, table: Table, party: Party) {
        if let Some(held) = self.held.get_mut(&(table, party)) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.held.remove(&(table, party));
            }
        }
    }

    pub(crate) fn used(&self, table: Table) -> usize {
        match table {
            Table::Users => self.users,
            Table::Rooms => self.rooms,
            Table::Memberships => self.memberships,
            Table::Sessions => self.sessions,
        }
    }
}

/// The limits of the directory; see [`Directory::check_space`].
///
/// Committed entries are in force beyond these limits too: rows that were stored under larger
/// limits, or beside the server. Worst-case memory: 750 bytes a user, 1,050 a room, 170 a
/// membership, which is kept from both ends, and 300 a session: 150 + 53 + 170 + 150 MB with the
/// defaults; and 60 bytes for each user watching a room. Invitations and bars count as memberships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryLimits {
    /// Users.
    pub users_max: usize,
    /// Rooms.
    pub rooms_max: usize,
    /// Pairs of room and member.
    pub memberships_max: usize,
    /// Sessions of this server's own users.
    pub sessions_max: usize,
}

impl Default for DirectoryLimits {
    fn default() -> Self {
        Self {
            users_max: 200_000,
            rooms_max: 50_000,
            memberships_max: 1_000_000,
            sessions_max: 500_000,
        }
    }
}

impl DirectoryLimits {
    pub(crate) fn most(&self, table: Table) -> usize {
        match table {
            Table::Users => self.users_max,
            Table::Rooms => self.rooms_max,
            Table::Memberships => self.memberships_max,
            Table::Sessions => self.sessions_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::{RoomId, UserId};

    use super::*;
    use crate::directory::room::{Charge, RoomFacts};
    use crate::directory::tables::Directory;
    use crate::tables::buckets::TableUse;
    use portcullis_model::Visibility;

    fn party(text: &str) -> Party {
        Party::of(text.parse().unwrap())
    }

    fn directory(rooms_max: usize) -> Directory {
        Directory::new(DirectoryLimits { rooms_max, ..DirectoryLimits::default() })
    }

    /// Creates rooms until the check rejects one; returns how many, and the reason.
    fn fill(directory: &Directory, party: Party, name: &str) -> (usize, &'static str) {
        for number in 0.. {
            if let Err(denial) = directory.check_space(Table::Rooms, party) {
                return (number, denial.reason());
            }
            let facts = RoomFacts {
                id: RoomId::parse(&format!("{name}{number}")).unwrap(),
                name: String::from("Tea"),
                owner: UserId::parse("ann").unwrap(),
                visibility: Visibility::Public,
            };
            directory.put_charged_room(facts, Charge { party, active_unix_ms: 0 });
        }
        (0, "")
    }

    #[test]
    fn party_that_fills_its_share_leaves_space_for_others() {
        let directory = directory(100);
        let share = "rooms_per_prefix";
        assert_eq!(fill(&directory, party("203.0.113.7"), "a"), (50, share));
        assert_eq!(fill(&directory, party("203.0.113.8"), "b"), (25, share));
        assert_eq!(fill(&directory, party("2001:db8:1:2::1"), "c"), (13, share));
        // Another /64 of the same /48 is the same party.
        assert_eq!(fill(&directory, party("2001:db8:1:3::1"), "d"), (0, share));
        assert_eq!(directory.check_space(Table::Rooms, party("198.51.100.1")), Ok(()));
        assert_eq!(
            directory.tables()[1],
            TableUse { table: "directory_rooms", used: 88, max: 100 }
        );
        let largest = directory.largest_party(Table::Rooms).unwrap();
        assert_eq!((largest.0.to_string(), largest.1), (String::from("203.0.113.7"), 50));
    }

    #[test]
    fn removed_entries_return_to_the_share_of_their_party() {
        let directory = directory(10);
        let ann = party("203.0.113.7");
        assert_eq!(fill(&directory, ann, "a").0, 5);
        for number in 0..5 {
            directory.remove_room(&RoomId::parse(&format!("a{number}")).unwrap());
        }
        assert_eq!(directory.largest_party(Table::Rooms), None);
        assert_eq!(fill(&directory, ann, "b").0, 5);
    }

    #[test]
    fn full_table_rejects_new_entries_and_keeps_committed_ones() {
        let directory = directory(1);
        for name in ["one", "two"] {
            directory.put_room(RoomFacts {
                id: RoomId::parse(name).unwrap(),
                name: String::from("Tea"),
                owner: UserId::parse("ann").unwrap(),
                visibility: Visibility::Public,
            });
        }
        assert!(directory.room(&RoomId::parse("two").unwrap()).is_some());
        let denial = directory.check_space(Table::Rooms, Party::NONE).unwrap_err();
        assert_eq!(denial.reason(), "rooms_total");
    }

    #[test]
    fn parties_are_shown_as_prefixes() {
        for (address, expect) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ] {
            assert_eq!(party(address).to_string(), expect);
            assert_eq!(Party::from_bits(party(address).to_bits()), party(address));
        }
        assert_eq!(Party::NONE.to_string(), "no prefix");
    }
}
