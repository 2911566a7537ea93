//! `[capacity]`: how many at a time. Answers exhaustion (T-083 to T-087).
//! Never: without a bound.

use portcullis_chat::ChatOptions;
use portcullis_guard::GateOptions;
use serde::Deserialize;

/// `[capacity]`; the gate knows the ranges.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CapacitySection {
    /// Connections in all; 10000.
    connections_total: Option<u32>,
    /// Connections that have not proved who they are; a fifth of all.
    pre_auth_total: Option<u32>,
    /// Connections of one user; 5.
    connections_per_user: Option<u32>,
    /// Rooms one user may own; 100.
    rooms_per_user: Option<u32>,
    /// Members one room may have; 10000.
    members_per_room: Option<u32>,
}

/// A server with fewer places than this keeps none of them for users who are signed in.
const SMALL: u32 = 100;

impl CapacitySection {
    pub(super) fn read(&self, options: GateOptions) -> GateOptions {
        let total = self.connections_total.unwrap_or(options.connections_total);
        let pre_auth = (total / 5).max(SMALL).min(total);
        let per_user = options.connections_per_user.min(total);
        GateOptions {
            connections_total: total,
            pre_auth_total: self.pre_auth_total.unwrap_or(pre_auth),
            connections_per_user: self.connections_per_user.unwrap_or(per_user),
            ..options
        }
    }

    pub(super) fn read_chat(&self) -> ChatOptions {
        let default = ChatOptions::default();
        ChatOptions {
            rooms_per_user_max: self.rooms_per_user.unwrap_or(default.rooms_per_user_max),
            members_per_room_max: self.members_per_room.unwrap_or(default.members_per_room_max),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_may_wait_to_sign_in_but_in_a_small_server_all() {
        for (total, expect) in [(None, 2_000), (Some(1_000), 200), (Some(150), 100), (Some(3), 3)] {
            let section = CapacitySection { connections_total: total, ..Default::default() };
            let options = section.read(GateOptions::default());
            assert_eq!(options.pre_auth_total, expect, "{total:?}");
            assert!(options.connections_per_user <= options.connections_total);
        }
    }
}
