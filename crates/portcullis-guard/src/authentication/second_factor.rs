//! Rules for second factors: users who need one, and roles that are withheld without one.
//! Never: how a factor is proved; this server's accounts and other issuers do that.

use portcullis_model::{Role, Roles};

/// Which users need a second factor.
///
/// Users of this server have their own; users of other issuers show it in their tokens
/// ([`crate::FactorRule`]). Stricter rules are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SecondFactorRule {
    /// No user.
    None,
    /// Administrators and auditors of this server, and privileged roles of users of other issuers.
    #[default]
    Admins,
    /// As `Admins`, and moderators and users with a role of the operator.
    Staff,
    /// All users: a user without one can only add it.
    All,
}

/// The restrictions of a user of this server without a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactorGap {
    /// Roles that the user holds and that have no effect.
    pub withheld: Roles,
    /// Whether the user can only add a second factor.
    pub setup_only: bool,
}

impl FactorGap {
    /// Whether the user has to add a second factor.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.setup_only || self.withheld != Roles::NONE
    }
}

impl SecondFactorRule {
    /// All rules, with their names in the configuration.
    pub const ALL: [(&'static str, Self); 4] = [
        ("none", Self::None),
        ("admins", Self::Admins),
        ("staff", Self::Staff),
        ("all", Self::All),
    ];

    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Admins => "admins",
            Self::Staff => "staff",
            Self::All => "all",
        }
    }

    /// The restrictions of a user of this server with these roles, with or without a second factor.
    #[must_use]
    pub fn gap(self, roles: Roles, has_factor: bool) -> FactorGap {
        if has_factor {
            return FactorGap::default();
        }
        let needing = match self {
            Self::None => Roles::NONE,
            Self::Admins => Roles::NONE.with(Role::Admin).with(Role::Auditor),
            Self::Staff | Self::All => roles.without(Role::User),
        };
        FactorGap { withheld: roles.common(needing), setup_only: self == Self::All }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_withholds_roles_from_users_without_a_factor() {
        use SecondFactorRule::{Admins, All, None, Staff};
        let user = Roles::user();
        let admin = user.with(Role::Admin).with(Role::Moderator);
        let moderator = user.with(Role::Moderator);
        let support = user.with(Role::Custom(3));
        let cases = [
            (None, admin, user.minus(user), false),
            (Admins, admin, Roles::NONE.with(Role::Admin), false),
            (Admins, moderator, Roles::NONE, false),
            (Admins, user.with(Role::Auditor), Roles::NONE.with(Role::Auditor), false),
            (Staff, admin, admin.minus(user), false),
            (Staff, moderator, moderator.minus(user), false),
            (Staff, support, support.minus(user), false),
            (Staff, user, Roles::NONE, false),
            (All, user, Roles::NONE, true),
            (All, admin, admin.minus(user), true),
        ];
        for (rule, roles, withheld, setup_only) in cases {
            let gap = FactorGap { withheld, setup_only };
            assert_eq!(rule.gap(roles, false), gap, "{rule:?} {roles:?}");
            assert_eq!(gap.is_open(), setup_only || withheld != Roles::NONE);
            assert!(!rule.gap(roles, true).is_open(), "{rule:?} {roles:?}");
        }
        assert!(SecondFactorRule::ALL.iter().all(|(name, rule)| rule.name() == *name));
    }
}
