//! What a user may do at all, apart from any room.
//! Never: read from a token; the server's own records decide.

/// A role a user holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs the server: may do everything a moderator may, and announce to everyone.
    Admin,
    /// Keeps order among users.
    Moderator,
    /// Anyone who is signed in.
    User,
}

impl Role {
    /// Every role, strongest first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Moderator, Self::User];

    /// The name used on the wire, in the log and in storage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Moderator => "moderator",
            Self::User => "user",
        }
    }

    /// Reads a name; exact bytes only, so that `Admin` or `admin ` is no role.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    fn bit(self) -> u32 {
        match self {
            Self::Admin => 1,
            Self::Moderator => 2,
            Self::User => 4,
        }
    }
}

/// A set of roles, small enough to be changed in one atomic store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Roles(u32);

impl Roles {
    /// No role at all.
    pub const NONE: Self = Self(0);

    /// Just `user`, what every account starts with.
    #[must_use]
    pub fn user() -> Self {
        Self::NONE.with(Role::User)
    }

    /// This set and one more role.
    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    /// Whether the role is in the set.
    #[must_use]
    pub fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// The set as bits, for storage and for atomics.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// The set from bits; bits that name no role are dropped.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & 0b111)
    }

    /// The roles in the set, strongest first.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_roles() {
        for name in ["Admin", "admin ", " admin", "\u{430}dmin", "ADMIN", ""] {
            assert_eq!(Role::parse(name), None, "{name:?}");
        }
        assert_eq!(Role::parse("admin"), Some(Role::Admin));
    }

    #[test]
    fn bits_round_trip() {
        let roles = Roles::user().with(Role::Admin);
        assert_eq!(Roles::from_bits(roles.bits()), roles);
        assert_eq!(roles.iter().map(Role::name).collect::<Vec<_>>(), ["admin", "user"]);
    }
}
