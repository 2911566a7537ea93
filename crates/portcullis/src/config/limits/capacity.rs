//! `[capacity]`: limits of connections, rooms and users (T-083 to T-087).
//! Never: an unbounded number.

use portcullis_chat::ChatOptions;
use portcullis_guard::{CapacityOptions, DirectoryLimits, GateOptions, WhenUserFull};
use portcullis_server::Options;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::error::ConfigError;
use crate::config::read::number::within;

/// `[capacity]`; the gate checks the ranges.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CapacitySection {
    /// All connections of the server.
    connections_total: Option<u32>,
    /// Connections of unauthenticated clients.
    #[schemars(extend("x-default-text" = "a fifth of `connections_total`", "examples" = [2000]))]
    pre_auth_total: Option<u32>,
    /// Connections of unauthenticated clients of one address prefix.
    pre_auth_per_prefix: Option<u32>,
    /// Connections of one address prefix.
    connections_per_prefix: Option<u32>,
    /// TCP connections of one address prefix that are not sockets yet.
    http_per_prefix: Option<u32>,
    /// TCP connections of one thread that are not sockets yet, or are closing.
    #[schemars(range(min = 16, max = 1000000))]
    http_total: Option<usize>,
    /// Connections that are reserved for administrators.
    #[schemars(extend("x-default-text" = "a hundredth of `connections_total`", "examples" = [100]))]
    admin_reserve: Option<u32>,
    /// Connections of one user.
    connections_per_user: Option<u32>,
    /// What happens to one more connection of a user. `evict-silent` ends one whose client does not
    /// answer a ping, `evict-oldest` ends the oldest one, `refuse` rejects the new one.
    #[schemars(extend("enum" = ["evict-silent", "refuse", "evict-oldest"]))]
    when_user_full: Option<String>,
    /// Rooms that one user can own.
    rooms_per_user: Option<u32>,
    /// Members of one room.
    members_per_room: Option<u32>,
    /// Rooms of which one user can be a member.
    memberships_per_user: Option<u32>,
    /// All users of the server.
    #[schemars(range(min = 10, max = 10000000))]
    users_total: Option<usize>,
    /// All rooms of the server.
    #[schemars(range(min = 10, max = 10000000))]
    rooms_total: Option<usize>,
    /// Members, invitations and bars of all rooms.
    #[schemars(range(min = 10, max = 10000000))]
    memberships_total: Option<usize>,
}

/// The words for [`WhenUserFull`].
pub(crate) const WHEN_USER_FULL: [(&str, WhenUserFull); 3] = [
    ("evict-silent", WhenUserFull::EvictSilent),
    ("refuse", WhenUserFull::Reject),
    ("evict-oldest", WhenUserFull::EvictOldest),
];

/// A server with fewer connections than this reserves none for signed-in users.
const SMALL: u32 = 100;

impl CapacitySection {
    pub(crate) fn read(&self, options: GateOptions) -> Result<GateOptions, ConfigError> {
        let default = options.capacity;
        let total = self.connections_total.unwrap_or(default.total);
        let pre_auth = (total / 5).max(SMALL).min(total);
        let per_user = options.connections_per_user.min(total);
        let places = CapacityOptions {
            total,
            pre_auth: self.pre_auth_total.unwrap_or(pre_auth),
            admin_reserve: self.admin_reserve.unwrap_or(total / 100),
            pre_auth_per_prefix: self.pre_auth_per_prefix.unwrap_or(default.pre_auth_per_prefix),
            per_prefix: self.connections_per_prefix.unwrap_or(default.per_prefix),
            http_per_prefix: self.http_per_prefix.unwrap_or(default.http_per_prefix),
        };
        Ok(GateOptions {
            capacity: places,
            connections_per_user: self.connections_per_user.unwrap_or(per_user),
            when_user_full: self.when_user_full()?,
            ..options
        })
    }

    pub(crate) fn read_http(&self, options: Options) -> Result<Options, ConfigError> {
        let most = options.http_connections_max;
        let most = within("capacity.http_total", self.http_total, most, 16..=1_000_000)?;
        Ok(Options { http_connections_max: most, ..options })
    }

    fn when_user_full(&self) -> Result<WhenUserFull, ConfigError> {
        let Some(seen) = &self.when_user_full else { return Ok(WhenUserFull::default()) };
        let known = WHEN_USER_FULL.iter().find(|(name, _)| name == seen);
        known.map(|(_, when)| *when).ok_or_else(|| {
            let mend = "write \"evict-silent\", \"refuse\" or \"evict-oldest\"";
            let why = "there is no such choice";
            ConfigError::refused("capacity.when_user_full", format!("{seen:?}"), why, mend)
        })
    }

    pub(crate) fn read_directory(&self) -> Result<DirectoryLimits, ConfigError> {
        let default = DirectoryLimits::default();
        let most = |key, value, default| within(key, value, default, 10..=10_000_000);
        Ok(DirectoryLimits {
            users_max: most("capacity.users_total", self.users_total, default.users_max)?,
            rooms_max: most("capacity.rooms_total", self.rooms_total, default.rooms_max)?,
            memberships_max: most(
                "capacity.memberships_total",
                self.memberships_total,
                default.memberships_max,
            )?,
            ..default
        })
    }

    pub(crate) fn read_chat(&self) -> ChatOptions {
        let default = ChatOptions::default();
        ChatOptions {
            rooms_per_user_max: self.rooms_per_user.unwrap_or(default.rooms_per_user_max),
            members_per_room_max: self.members_per_room.unwrap_or(default.members_per_room_max),
            memberships_per_user_max: self
                .memberships_per_user
                .unwrap_or(default.memberships_per_user_max),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unauthenticated_connections_are_a_fifth_except_on_small_servers() {
        for (total, expect) in [(None, 2_000), (Some(1_000), 200), (Some(150), 100), (Some(3), 3)] {
            let section = CapacitySection { connections_total: total, ..Default::default() };
            let options = section.read(GateOptions::default()).unwrap();
            assert_eq!(options.capacity.pre_auth, expect, "{total:?}");
            assert!(options.connections_per_user <= options.capacity.total);
            assert!(options.capacity.admin_reserve < options.capacity.total);
        }
    }
}
