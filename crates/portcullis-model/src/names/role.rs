//! Roles: the permissions of a user outside of rooms.
//! Never: read from a token; the server's own records decide.

use std::sync::Arc;

/// Most roles that an operator can define in addition to the built-in ones.
pub const CUSTOM_ROLES_MAX: usize = 24;
/// Longest name of a role, in bytes.
pub const ROLE_NAME_MAX_BYTES: usize = 32;
/// The bit of the first role of an operator; built-in roles have the lower bits.
const CUSTOM_SHIFT: u32 = 8;

/// A role a user holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Administers the server: every permission of a moderator, and announcements to all users.
    Admin,
    /// Moderates users.
    Moderator,
    /// Reads everything that administrators read, and changes nothing.
    Auditor,
    /// Every signed-in user.
    User,
    /// A role of the operator, by its number in the [`RoleTable`], below 24.
    Custom(u8),
}

impl Role {
    /// The built-in roles, strongest first.
    pub const BUILT_IN: [Self; 4] = [Self::Admin, Self::Moderator, Self::Auditor, Self::User];

    fn bit(self) -> u32 {
        match self {
            Self::Admin => 1,
            Self::Moderator => 2,
            Self::User => 4,
            Self::Auditor => 8,
            Self::Custom(number) if usize::from(number) < CUSTOM_ROLES_MAX => {
                1 << (CUSTOM_SHIFT + u32::from(number))
            }
            Self::Custom(_) => 0,
        }
    }
}

/// Why a role cannot be defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleError {
    /// Not `^[a-z][a-z0-9_-]{0,31}$`.
    Name,
    /// A role of that name exists.
    Taken,
    /// The table has 24 roles already.
    TooMany,
}

/// The names of all roles: the built-in ones, and those the operator defines.
///
/// The number of a role is its index. The store keeps names and numbers together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleTable {
    custom: Vec<(u8, Arc<str>)>,
}

impl RoleTable {
    /// Adds a role and gives it the first free number.
    ///
    /// # Errors
    /// [`RoleError`] if the name is invalid or taken, or the table is full.
    pub fn define(&mut self, name: &str) -> Result<Role, RoleError> {
        let taken = |number: &u8| self.custom.iter().any(|(known, _)| known == number);
        let free = (0..CUSTOM_ROLES_MAX as u8).find(|number| !taken(number));
        // A fault of the name is reported even if the table is full.
        self.define_as(free.unwrap_or(u8::MAX), name)
    }

    /// Adds a role under the number it is stored by.
    ///
    /// # Errors
    /// [`RoleError`] if the name is invalid, the name or number is taken, or the number is above
    /// 23.
    pub fn define_as(&mut self, number: u8, name: &str) -> Result<Role, RoleError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let fits = name.len() <= ROLE_NAME_MAX_BYTES
            && name.bytes().all(|byte| plain(byte) || matches!(byte, b'_' | b'-'));
        if !starts || !fits {
            return Err(RoleError::Name);
        }
        if self.parse(name).is_some() {
            return Err(RoleError::Taken);
        }
        if usize::from(number) >= CUSTOM_ROLES_MAX {
            return Err(RoleError::TooMany);
        }
        if self.custom.iter().any(|(known, _)| *known == number) {
            return Err(RoleError::Taken);
        }
        self.custom.push((number, Arc::from(name)));
        Ok(Role::Custom(number))
    }

    /// Reads a name by its exact bytes, so `Admin` or `admin ` is not a role.
    #[must_use]
    pub fn parse(&self, name: &str) -> Option<Role> {
        self.all().find(|role| self.name(*role) == name)
    }

    /// The name in messages, log and configuration; "" for a role that is not in this table.
    #[must_use]
    pub fn name(&self, role: Role) -> &str {
        match role {
            Role::Admin => "admin",
            Role::Moderator => "moderator",
            Role::Auditor => "auditor",
            Role::User => "user",
            Role::Custom(number) => {
                let found = self.custom.iter().find(|(known, _)| *known == number);
                found.map_or("", |(_, name)| name)
            }
        }
    }

    /// All roles: the built-in ones, strongest first, then the operator's.
    pub fn all(&self) -> impl Iterator<Item = Role> {
        let custom = self.custom.iter().map(|(number, _)| Role::Custom(*number));
        Role::BUILT_IN.into_iter().chain(custom)
    }

    /// The names of the roles in a set, in the order of the table.
    #[must_use]
    pub fn names(&self, roles: Roles) -> Vec<&str> {
        self.all().filter(|role| roles.contains(*role)).map(|role| self.name(role)).collect()
    }
}

/// A set of roles, small enough to be changed in one atomic store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Roles(u32);

impl Roles {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Only `user`, the role of every new account.
    #[must_use]
    pub fn user() -> Self {
        Self::NONE.with(Role::User)
    }

    /// This set with one more role.
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

    /// The set from bits. A bit without a defined role stays, and allows nothing.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The union with another set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without a role.
    #[must_use]
    pub fn without(self, role: Role) -> Self {
        Self(self.0 & !role.bit())
    }

    /// The intersection with another set.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set without the roles of another.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the sets share a role.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_063_name_that_differs_in_one_byte_is_not_a_role() {
        let mut table = RoleTable::default();
        let support = table.define("support").unwrap();
        for name in ["Admin", "admin ", " admin", "\u{430}dmin", "ADMIN", "", "Support", "suppor"] {
            assert_eq!(table.parse(name), None, "{name:?}");
        }
        assert_eq!(table.parse("admin"), Some(Role::Admin));
        assert_eq!(table.parse("support"), Some(support));
        assert_eq!(RoleTable::default().parse("support"), None);
    }

    #[test]
    fn invalid_or_taken_role_name_is_rejected() {
        let mut table = RoleTable::default();
        let too_long = "a".repeat(33);
        for name in ["", "A", "1a", "-a", "a b", "\u{e4}", "a.b", too_long.as_str()] {
            assert_eq!(table.define(name), Err(RoleError::Name), "{name:?}");
        }
        assert_eq!(table.define("admin"), Err(RoleError::Taken));
        for number in 0..CUSTOM_ROLES_MAX {
            let role = table.define(&format!("r{number}")).unwrap();
            assert_eq!(role, Role::Custom(u8::try_from(number).unwrap()));
        }
        let mut sparse = RoleTable::default();
        assert_eq!(sparse.define_as(7, "seven"), Ok(Role::Custom(7)));
        assert_eq!(sparse.define_as(7, "eight"), Err(RoleError::Taken));
        assert_eq!(sparse.define_as(24, "eight"), Err(RoleError::TooMany));
        assert_eq!(sparse.define("zero"), Ok(Role::Custom(0)));
        assert_eq!(sparse.names(Roles::NONE.with(Role::Custom(7))), ["seven"]);
        assert_eq!(table.define("r5"), Err(RoleError::Taken));
        assert_eq!(table.define("one-more"), Err(RoleError::TooMany));
    }

    #[test]
    fn roles_have_distinct_bits_that_are_read_back() {
        let mut table = RoleTable::default();
        for number in 0..CUSTOM_ROLES_MAX {
            table.define(&format!("r{number}")).unwrap();
        }
        let mut all = Roles::NONE;
        for role in table.all() {
            assert!(!all.contains(role), "{role:?}");
            all = all.with(role);
            assert!(all.contains(role));
        }
        assert_eq!(Roles::from_bits(all.bits()), all);
        assert!(!all.contains(Role::Custom(200)));
        let roles = Roles::user().with(Role::Admin).with(Role::Custom(1));
        assert_eq!(table.names(roles), ["admin", "user", "r1"]);
        assert_eq!(table.names(roles.without(Role::Admin)), ["user", "r1"]);
        assert!(roles.meets(Roles::user()) && !roles.without(Role::User).meets(Roles::user()));
    }
}
