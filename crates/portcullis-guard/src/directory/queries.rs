//! Queries over the whole directory: names that look alike, and space in its tables.
//! Never: a change; the committed feed makes those.

use portcullis_model::{Denial, UserId};

use crate::directory::display_name::skeleton;
use crate::directory::look_alike::{is_look_alike, looks};
use crate::directory::space::{Party, Table};
use crate::directory::tables::Directory;
use crate::tables::buckets::TableUse;

impl Directory {
    /// Whether a name of another issuer's user looks like the name of an own user.
    #[must_use]
    pub fn looks_like_own_name(&self, name: &str) -> bool {
        let names = self.names.read();
        looks(name).iter().any(|look| names.own.contains_key(look))
    }

    /// Whether an own user, other than this one, has a name that could be taken for this name.
    #[must_use]
    pub fn has_own_look_alike(&self, name: &str, except: Option<&UserId>) -> bool {
        let names = self.names.read();
        let own = names.own.get(&skeleton(name)).into_iter().flatten();
        let mut others = own.filter(|(id, _)| Some(id) != except);
        others.any(|(_, other)| is_look_alike(name, other))
    }

    /// Whether the user belongs to another issuer.
    #[must_use]
    pub fn is_external(&self, user: &UserId) -> bool {
        self.user(user).is_some_and(|user| user.external)
    }

    /// The users of other issuers whose names look like this name of an own user.
    #[must_use]
    pub fn external_users_like(&self, name: &str) -> Vec<UserId> {
        self.names.read().external.get(&skeleton(name)).cloned().unwrap_or_default()
    }
}

impl Directory {
    /// Checks, before anything is committed, that a table has space for one more of a party.
    ///
    /// A party may hold as many entries as are free (a dynamic threshold): one party alone fills
    /// half of a table at most, and `n` parties together leave one part in `n + 1` free. Entries
    /// that commit between a check and its own commit can exceed the limit by as many as the
    /// store has requests in its queue.
    ///
    /// # Errors
    /// [`Denial::RoomLimit`]; its reason says whether the table or the share of the party is full.
    pub fn check_space(&self, table: Table, party: Party) -> Result<(), Denial> {
        let sizes = self.sizes.lock();
        let free = self.limits.most(table).saturating_sub(sizes.used(table));
        let held = sizes.held.get(&(table, party)).copied().unwrap_or(0);
        let (full, share) = table.reasons();
        if free == 0 {
            return Err(Denial::RoomLimit(full));
        }
        if held >= free { Err(Denial::RoomLimit(share)) } else { Ok(()) }
    }

    /// Charges a new user to a party, until the server restarts.
    pub fn charge_user(&self, party: Party) {
        self.sizes.lock().charge(Table::Users, party);
    }

    /// How full the tables are.
    #[must_use]
    pub fn tables(&self) -> [TableUse; 4] {
        let sizes = self.sizes.lock();
        Table::ALL.map(|table| TableUse {
            table: table.name(),
            used: sizes.used(table),
            max: self.limits.most(table),
        })
    }

    /// The party that holds most of a table, and how much. Reads the entry of every party.
    #[must_use]
    pub fn largest_party(&self, table: Table) -> Option<(Party, usize)> {
        let sizes = self.sizes.lock();
        let held = sizes.held.iter().filter(|((of, _), _)| *of == table);
        held.max_by_key(|(_, held)| **held).map(|((_, party), held)| (*party, *held))
    }
}
