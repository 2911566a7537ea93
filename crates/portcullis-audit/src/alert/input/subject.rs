//! The subject of a record, borrowed, so that rules see records that are not kept.
//! Never: written anywhere; the fields of the record are.

use portcullis_model::{Reference, Role, Roles};

use crate::record::fields::Record;

/// Whether the account of a record has a privileged role (administrator, moderator or auditor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privilege {
    /// An ordinary account, or none is known.
    #[default]
    Ordinary,
    /// An account with a privileged role.
    Privileged,
}

impl Privilege {
    /// The privilege of an account with these roles.
    #[must_use]
    pub fn of(roles: Roles) -> Self {
        let privileged = [Role::Admin, Role::Moderator, Role::Auditor];
        if privileged.into_iter().any(|role| roles.contains(role)) {
            Self::Privileged
        } else {
            Self::Ordinary
        }
    }
}

/// Whether the client of a record can be that of an honest user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conduct {
    /// Clients of honest users cause such records too.
    #[default]
    Possible,
    /// A stock client of an honest user does not cause it.
    Violation,
}

/// Whether a login came from a device on which the user logged in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The device is known, or the record is not about a login.
    #[default]
    Known,
    /// The user has not logged in there within a year.
    New,
}

/// Whether a request has the cookie of a user who logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionCookie {
    /// It has none, or an invalid one.
    #[default]
    None,
    /// This server gave the cookie to a user, and it has not ended.
    Valid,
}

/// The parts by which alert rules count a record, beside its code and client.
///
/// All texts are borrowed: nothing is built for a record that sampling does not keep.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The user name of a login.
    pub name: Option<&'a str>,
    /// The `Origin` of the request.
    pub origin: Option<&'a str>,
    /// The room.
    pub room: Option<&'a str>,
    /// The event, or another object that the record is about: a key, a host.
    pub object: Option<&'a str>,
    /// The reference that the client got.
    pub reference: Option<&'a Reference>,
    /// Whether the account is privileged.
    pub privilege: Privilege,
    /// Whether the record is a violation.
    pub conduct: Conduct,
    /// Whether a login came from a new device.
    pub device: Device,
    /// Whether a rejected request has the cookie of a user.
    pub cookie: SessionCookie,
}

impl<'a> Subject<'a> {
    /// The subject of a complete record.
    pub(crate) fn of(record: &'a Record) -> Self {
        let label =
            |name| record.labels.iter().find(|(label, _)| *label == name).map(|(_, text)| &**text);
        Self {
            name: record.user_name.as_deref(),
            origin: record.origin.as_deref(),
            room: label("room"),
            object: record.event.as_deref().or_else(|| label("key_id")),
            reference: record.reference.as_ref(),
            ..Self::default()
        }
    }
}
