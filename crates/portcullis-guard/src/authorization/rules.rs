//! The operator's rules for events: roles, and how copies are recognized.
//! Never: a rule for an undeclared event; the server does not start with one.

use portcullis_model::{Role, RoleTable, Roles};

use crate::authorization::access::AllowedRoles;
use crate::authorization::event::{Access, Replay, Rule};

/// The suffix of an action that is granted for every room.
const ANYWHERE: &str = ":any";

/// The defined roles, and their permissions in addition to those that events declare.
#[derive(Debug, Clone, Default)]
pub struct RoleRules {
    /// Names of all roles.
    pub table: RoleTable,
    /// A grant of a role of the operator: an event's name, or, for events that are the
    /// owner's, the name and `:any`.
    pub grants: Vec<(Role, String)>,
    /// The roles that may send an event, in place of the declared ones, by its name.
    pub access: Vec<(String, Roles)>,
}

impl RoleRules {
    /// The roles of these names, and `user`; unknown names are ignored.
    #[must_use]
    pub fn named(&self, names: &[String]) -> Roles {
        let found = names.iter().filter_map(|name| self.table.parse(name));
        found.fold(Roles::user(), Roles::with)
    }

    /// The same rules, by the numbers the same names have in another table.
    #[must_use]
    pub fn renumbered(&self, table: RoleTable) -> Self {
        let renumber = |role: Role| table.parse(self.table.name(role));
        let set = |roles: Roles| {
            let held = self.table.all().filter(|role| roles.contains(*role));
            held.filter_map(renumber).fold(Roles::NONE, Roles::with)
        };
        let grants = self
            .grants
            .iter()
            .filter_map(|(role, action)| renumber(*role).map(|role| (role, action.clone())));
        let (grants, access) = (
            grants.collect(),
            self.access.iter().map(|(event, roles)| (event.clone(), set(*roles))).collect(),
        );
        Self { table, grants, access }
    }

    pub(crate) fn in_force(
        &self,
        name: &str,
        access: Access,
    ) -> Result<AllowedRoles, &'static str> {
        let mut allowed = AllowedRoles::by_rule(access);
        if let Some((_, roles)) = self.access.iter().find(|(known, _)| known == name) {
            allowed.roles = *roles;
        }
        for (role, action) in &self.grants {
            if action == name {
                allowed.roles = allowed.roles.with(*role);
            }
            if action.strip_suffix(ANYWHERE) == Some(name) {
                match access {
                    Access::OwnerOr(_) => {}
                    Access::User
                    | Access::Role(_)
                    | Access::Joinable
                    | Access::Member
                    | Access::Owner => return Err("no role can send it in every room (`:any`)"),
                }
                allowed.roles = allowed.roles.with(*role);
                allowed.anywhere = allowed.anywhere.with(*role);
            }
        }
        Ok(allowed)
    }

    /// The events that are named.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let granted =
            self.grants.iter().map(|(_, action)| action.strip_suffix(ANYWHERE).unwrap_or(action));
        granted.chain(self.access.iter().map(|(name, _)| name.as_str()))
    }
}

/// The rules for copies of messages, in addition to the declarations of events.
#[derive(Debug, Clone, Default)]
pub struct ReplayRules {
    /// By event.
    pub per_event: Vec<(String, Replay)>,
    /// Whether sensitive events have to be signed, and others that change something numbered.
    pub strict: bool,
}

impl ReplayRules {
    pub(crate) fn in_force(&self, name: &str, rule: &Rule) -> Replay {
        if let Some((_, replay)) = self.per_event.iter().find(|(known, _)| known == name) {
            return *replay;
        }
        self.usual(rule)
    }

    /// The rule for events without an entry.
    pub(crate) fn usual(&self, rule: &Rule) -> Replay {
        match (self.strict, rule.sensitive, rule.replay) {
            (true, true, _) => Replay::Signed,
            (true, false, Replay::Mid | Replay::MidRequired) => Replay::SeqMid,
            (_, _, declared) => declared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_the_operator_overrides_the_rule() {
        let mut rules = RoleRules::default();
        let support = rules.table.define("support").unwrap();
        rules.grants =
            vec![(support, String::from("user:mute")), (support, String::from("room:kick:any"))];
        rules.access = vec![(String::from("room:create"), Roles::NONE.with(Role::Moderator))];
        let of = |name, access| rules.in_force(name, access).unwrap();

        let mute = of("user:mute", Access::Role(Role::Moderator));
        assert!(mute.roles.contains(support) && !mute.roles.contains(Role::User));
        let kick = of("room:kick", Access::OwnerOr(Role::Moderator));
        assert!(kick.roles.contains(support) && kick.anywhere.contains(support));
        let create = of("room:create", Access::User);
        assert_eq!(create.roles, Roles::NONE.with(Role::Moderator));
        assert_eq!(of("chat:send", Access::Member), AllowedRoles::by_rule(Access::Member));

        rules.grants = vec![(support, String::from("chat:send:any"))];
        assert!(rules.in_force("chat:send", Access::Member).is_err());
        assert_eq!(rules.names().collect::<Vec<_>>(), ["chat:send", "room:create"]);
    }

    #[test]
    fn strict_asks_for_more_and_an_event_can_be_set_apart() {
        let rule = |replay, sensitive| Rule { replay, sensitive, ..Rule::DEFAULT };
        let relaxed = ReplayRules::default();
        let strict = ReplayRules { strict: true, ..ReplayRules::default() };
        let cases = [
            (Replay::None, false, Replay::None, Replay::None),
            (Replay::Mid, false, Replay::Mid, Replay::SeqMid),
            (Replay::None, true, Replay::None, Replay::Signed),
            (Replay::Mid, true, Replay::Mid, Replay::Signed),
        ];
        for (replay, sensitive, expect, expect_strict) in cases {
            assert_eq!(relaxed.in_force("e", &rule(replay, sensitive)), expect);
            assert_eq!(strict.in_force("e", &rule(replay, sensitive)), expect_strict);
        }
        let set = vec![(String::from("e"), Replay::None)];
        let apart = ReplayRules { per_event: set, strict: true };
        assert_eq!(apart.in_force("e", &rule(Replay::Mid, true)), Replay::None);
    }
}
